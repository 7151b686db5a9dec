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
"""Whoever moves over from AwsEcsExecutor finds each option, and where it goes."""

from __future__ import annotations

import json
import re

import pytest
from tools.documentation.incumbent import OPTIONS, PACKAGE, VERSION
from tools.documentation.options import REPOSITORY

from airflow.executors.fargate.config.template import template
from airflow.executors.fargate.errors import ConfigError

PAGE = (REPOSITORY / "docs" / "executor" / "fargate-moving-over.rst").read_text(encoding="utf-8")
SECTION = PAGE.partition("\nFrom AwsEcsExecutor\n")[2]
#: Their option, and what is said of it.
ROWS = dict(
    re.findall(
        r"^    \* - ``(\w+)``\n      - (.*?)(?=^    \* - |^\S)", SECTION, flags=re.MULTILINE | re.DOTALL
    )
)
#: What they have and nothing here is needed for.
WITHOUT = {"check_health_on_startup"}


def test_every_option_of_theirs_has_a_row():
    """None is missing, and none is told of that they do not have."""
    assert ROWS.keys() == set(OPTIONS)


@pytest.mark.parametrize("option", sorted(set(OPTIONS) - WITHOUT))
def test_a_row_names_an_option_of_ours(option):
    """The first thing that a row says is the option that takes the place of theirs."""
    ours = re.match(r"``(\w+)``", ROWS[option])
    assert ours
    assert ours[1] in template()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("tags", {"team": "data"}),
        ("startedBy", "me"),
        ("count", 1),
        ("clientToken", "mine"),
        ("command", {"overrides": {"containerOverrides": [{"command": ["true"]}]}}),
    ],
)
def test_what_the_row_calls_refused_is_refused(member, value, read_config):
    """What they take, or leave to AWS to refuse, and we do not, is told by its name."""
    assert re.search(rf"\b{member}\b", ROWS["run_task_kwargs"])
    kwargs = value if member == "command" else {member: value}
    with pytest.raises(ConfigError, match=rf"run_task_kwargs = .*\b{member}\b"):
        read_config({"run_task_kwargs": json.dumps(kwargs)})


def test_tags_as_aws_has_them_are_taken(read_config):
    """The list that the row names is no mistake, and neither is the object in the option of that name."""
    assert read_config({"run_task_kwargs": '{"tags": [{"key": "team", "value": "data"}]}'})
    assert read_config({"tags": '{"team": "data"}'}).tags == ({"key": "team", "value": "data"},)


def test_it_is_the_version_that_we_are_measured_against():
    """The list is that of the provider that the benchmark installs: who changes one, looks at the other."""
    pinned = (REPOSITORY / "requirements" / "benchmark.in").read_text(encoding="utf-8")
    assert f"{PACKAGE}=={VERSION}" in pinned
