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
"""The reference of the options, made from the section ``[fargate]`` as Airflow's configuration has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tools.harness.environment import REPOSITORY

TEMPLATE = REPOSITORY / "airflow" / "config_templates" / "fargate.yml"
FILE = REPOSITORY / "docs" / "executor" / "fargate-options.rst"
#: What stands before what is made; it goes on to the end of the file.
MARK = ".. options: made by scripts/docs --write\n"


def options() -> Mapping[str, Mapping[str, Any]]:
    """Return the options by their names, each with the members that Airflow's configuration gives it."""
    return yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))["fargate"]["options"]


def made() -> str:
    """Return the whole file as it ought to be."""
    head, _, _ = FILE.read_text(encoding="utf-8").partition(MARK)
    lines = (line for name, option in options().items() for line in _section(name, option))
    return head + MARK + "".join(f"{line}\n" for line in lines)


def variable(name: str) -> str:
    """Return the environment variable of an option."""
    return f"AIRFLOW__FARGATE__{name.upper()}"


def _section(name: str, option: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f".. _executor:FargateExecutor:option:{name}:", "", name, "-" * len(name), "")
    yield from option["description"].strip().splitlines()
    yield from ("", f":Type: {option['type']}", f":Default: {_shown(option['default'])}")
    if option["example"] is not None:
        yield f":Example: {_shown(option['example'])}"
    yield f":Environment variable: ``{variable(name)}``"


def _shown(value: Any) -> str:
    """Return a value as literal text; none and the empty text in words."""
    return f"``{value}``" if value not in (None, "") else "none"
