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
"""The reference of the options says what the configuration says."""

from __future__ import annotations

import re

import pytest
from tools.documentation.options import FILE, TEMPLATE, made, options, variable

from airflow.executors.fargate.config.template import template

PAGE = FILE.read_text(encoding="utf-8")
#: A section of the page, by its heading.
SECTIONS = dict(re.findall(r"^(\w+)\n-+\n\n(.*?)(?=^\.\. _|\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))


def test_the_page_is_current():
    """scripts/docs --write would write nothing else; where this fails, run it."""
    assert made() == PAGE


def test_every_option_has_a_section():
    """The page has the options that the executor reads, in their order, and no other."""
    assert list(SECTIONS) == list(template()) == list(options())


@pytest.mark.parametrize("name", options())
def test_a_section_tells_all(name):
    """Type, default, example and environment variable of an option stand in its section, and its description."""
    option, section = options()[name], SECTIONS[name]
    assert section.startswith(option["description"].rstrip())
    assert f":Type: {option['type']}\n" in section
    assert f":Environment variable: ``{variable(name)}``\n" in section
    for member in ("default", "example"):
        if option[member]:
            assert f":{member.title()}: ``{option[member]}``\n" in section


@pytest.mark.parametrize("name", options())
def test_the_variable_is_the_one_that_airflow_reads(name, monkeypatch):
    """What the page says that an option's environment variable is, sets that option."""
    from airflow.configuration import conf

    monkeypatch.setenv(variable(name), "set by the variable")
    assert conf.get("fargate", name) == "set by the variable"


def test_every_option_has_what_airflow_asks_of_one():
    """Airflow's check of its configuration wants these members, and a default that is text or none."""
    for name, option in options().items():
        assert {"description", "version_added", "type", "example", "default"} <= option.keys(), name
        assert option["default"] is None or isinstance(option["default"], str), f"{TEMPLATE}: {name}"
