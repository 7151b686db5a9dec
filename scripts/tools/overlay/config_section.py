# Licensed to the Apache Software Foundation (ASF) under one
# or more contributor license agreements.  See the NOTICE file
# distributed with this work for additional information
# regarding copyright ownership.  The ASF licenses this file
# to you under the Apache License, Version 2.0 (the
# "License"); you may not use this file except in compliance
# with the License.  You may obtain a copy of the License at
#
#   http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing,
# software distributed under the License is distributed on an
# "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY
# KIND, either express or implied.  See the License for the
# specific language governing permissions and limitations
# under the License.
"""
The section ``[fargate]`` in Airflow's ``config.yml``.

Read with PyYAML, which is what Airflow itself reads the file with; written as text, so that every other byte stays.
The section goes to the end: Airflow's own sections follow no order that says more, and nothing in front moves.
"""

from __future__ import annotations

import re
from functools import cache

import yaml

from tools.overlay.errors import OverlayError
from tools.overlay.yaml_text import compose, load

SECTION = "fargate"
# What Airflow's config.yml.schema.json asks of each option.
OPTION_KEYS = {"description", "version_added", "type", "example", "default"}


@cache
def dated_section(template: bytes, airflow_version: str) -> bytes:
    """
    Return our section for a tree.

    :param template: our ``fargate.yml``, in the schema of ``config.yml``
    :param airflow_version: the tree's version; it becomes each option's ``version_added``, since ``airflow config
        list`` drops the help of an option that is newer than the Airflow that runs
    :raises OverlayError: the template is not in that schema
    """
    return _dated(_section_text(template), _base_version(airflow_version)).encode()


@cache
def add_section(config: bytes, section: bytes) -> bytes:
    """
    Return ``config.yml`` with our section at its end.

    :param config: Airflow's ``config.yml``
    :param section: what :func:`dated_section` returned
    :raises OverlayError: ``config.yml`` is not of the form that the edit needs
    """
    if SECTION in _sections(config):
        raise OverlayError(f"a section {SECTION} stands there already, and not by this overlay")
    joint = b"" if config.endswith(b"\n") else b"\n"
    result = config + joint + section
    if not _is_sum(result, config, section):
        raise OverlayError("the file does not end where a section can follow")
    return result


def _is_sum(result: bytes, *parts: bytes) -> bool:
    try:
        read = load(result)
    except OverlayError:
        return False
    return read == {name: value for part in parts for name, value in load(part).items()}


def _sections(config: bytes) -> list[str]:
    """Names of the sections, which have to be a mapping of mappings (a list before 2.6), each name once."""
    root = compose(config)
    if not isinstance(root, yaml.MappingNode):
        raise OverlayError("its sections are no mapping")
    names = [key.value for key, _ in root.value]
    if len(set(names)) != len(names) or "core" not in names:
        raise OverlayError("its sections are not those of an Airflow configuration, each once")
    return names


def _section_text(template: bytes) -> str:
    """Return the template from the section's own line on: without its licence header."""
    root = compose(template)
    if not isinstance(root, yaml.MappingNode) or [key.value for key, _ in root.value] != [SECTION]:
        raise OverlayError(f"fargate.yml does not consist of the one section {SECTION}")
    text = template.decode()[root.value[0][0].start_mark.index :]
    return text if text.endswith("\n") else text + "\n"


def _dated(section: str, version: str) -> str:
    """Write ``version`` as each option's ``version_added``."""
    [(_, body)] = compose(section.encode()).value
    spans = []
    for name, option in _members(_members(body).get("options")).items():
        fields = _members(option)
        if not set(fields) >= OPTION_KEYS:
            missing = ", ".join(sorted(OPTION_KEYS - set(fields)))
            raise OverlayError(f"fargate.yml: option {name} lacks {missing}")
        spans.append((fields["version_added"].start_mark.index, fields["version_added"].end_mark.index))
    for start, end in reversed(spans):
        section = section[:start] + version + section[end:]
    return section


def _members(node: yaml.Node | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        raise OverlayError("fargate.yml is not in the schema of Airflow's config.yml")
    return {key.value: value for key, value in node.value}


def _base_version(version: str) -> str:
    """Return ``3.0.0`` for ``3.0.0.dev0``: Airflow compares with its own version's base, too."""
    base = re.match(r"\d+(\.\d+){2}", version)
    if base is None:
        raise OverlayError(f"Airflow's version {version} has no three numbers")
    return base.group()
