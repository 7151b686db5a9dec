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
"""Options and commands that pages name are there."""

from __future__ import annotations

import re

import pytest
from tools.documentation.options import REPOSITORY, variable
from tools.documentation.other_executors import SECTIONS
from tools.documentation.snippets import PAGES

import airflow
from airflow.configuration import retrieve_configuration_description
from airflow.executors.fargate.cli.definition import fargate_commands
from airflow.executors.fargate.config.template import template

TEXTS = {page.relative_to(REPOSITORY).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
#: Airflow's option, as pages write it: ``[section] option``, with a line's end between them or not.
OPTION = re.compile(r"\[(\w+)\]\s+(?!name = 'value')([a-z][a-z_]{3,})\b")
VARIABLE = re.compile(r"\bAIRFLOW__[A-Z_]+__[A-Z_]+\b")
#: What stands before the section in the variable of a team.
TEAM = re.compile(r"(?<=AIRFLOW__)[A-Z]+___")
COMMAND = re.compile(r"(?:`|\$ )airflow fargate ([a-z]+)")
#: Sections of other executors, of which the pages about moving over tell.
OTHERS = {"ecs_fargate", *SECTIONS}


def known_options():
    """Return the options of the installed Airflow and of ours, by section."""
    known = {
        section: set(description["options"])
        for section, description in retrieve_configuration_description(include_providers=False).items()
    }
    return {**known, "fargate": set(template())}


@pytest.mark.skipif(airflow.__version__.startswith("2."), reason="pages name options of Airflow 3, too")
def test_options_are_there():
    """Where a page names a section and an option, that is one of Airflow's or of ours."""
    known = known_options()
    named = {
        (page, section, option)
        for page, text in TEXTS.items()
        for section, option in OPTION.findall(text.replace(r"\_", "_"))
        if section not in OTHERS
    }
    assert named
    assert not {(page, f"[{s}] {option}") for page, s, option in named if option not in known.get(s, ())}


@pytest.mark.skipif(airflow.__version__.startswith("2."), reason="pages name options of Airflow 3, too")
def test_variables_are_there():
    """An environment variable that a page names sets an option."""
    known = {
        f"AIRFLOW__{section}__{option}".upper()
        for section, options in known_options().items()
        for option in options
    }
    assert variable("cluster") in known
    named = {(page, TEAM.sub("", name)) for page, text in TEXTS.items() for name in VARIABLE.findall(text)}
    assert named
    assert {(page, name) for page, name in named if name not in known} == set()


def test_commands_are_there():
    """``airflow fargate …`` is followed by one of the commands, or by nothing that looks like one."""
    [group] = fargate_commands()
    commands = {command.name for command in group.subcommands}
    assert {"check", "render", "tasks", "stop"} <= commands
    named = {(page, command) for page, text in TEXTS.items() for command in COMMAND.findall(text)}
    assert named
    assert {(page, command) for page, command in named if command not in commands} == set()
