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
"""The options that whoever moves over from an executor of the amazon provider may have, compared with its own sections."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import subprocess

import pytest
from tools.documentation.other_executors import SECTIONS
from tools.harness.environment import airflow_environment
from tools.harness.releases import NEWEST, RELEASES

# One release tells: the section is the provider's. It stands in the lock of the benchmark.
pytestmark = pytest.mark.skipif(
    not importlib.metadata.version("apache-airflow").startswith(f"{NEWEST}."), reason=f"with {NEWEST}"
)

PACKAGE = SECTIONS["aws_ecs_executor"].package
ASK = """
import importlib.metadata, json, sys
from airflow.providers.amazon.get_provider_info import get_provider_info

sections = {name: section["options"] for name, section in get_provider_info()["config"].items()}
print("told", json.dumps([importlib.metadata.version(sys.argv[1]), sections]))
"""


@pytest.fixture(scope="module")
def theirs():
    """The version of the provider, and the options of its sections, each with its default and its example."""
    release = dataclasses.replace(RELEASES[NEWEST], line=f"{NEWEST}-benchmark")
    python = airflow_environment(release) / "bin" / "python"
    done = subprocess.run([python, "-c", ASK, PACKAGE], check=True, capture_output=True, text=True)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("told "))
    return json.loads(line.removeprefix("told "))


@pytest.mark.parametrize("name", ["aws_ecs_executor", "aws_batch_executor"])
def test_the_list_is_that_of_the_provider(theirs, name):
    """The table of moving over has a row for each of these, so none may be missing, and none be too many."""
    version, sections = theirs
    assert version == SECTIONS[name].version
    assert sorted(SECTIONS[name].options) == sorted(sections[name])


def test_what_the_table_says_of_theirs_is_true(theirs):
    """Defaults that differ from ours, and an example of tags that is no list of AWS's."""
    _, sections = theirs
    section = sections["aws_ecs_executor"]
    assert (
        section["conn_id"]["default"] == sections["aws_batch_executor"]["conn_id"]["default"] == "aws_default"
    )
    assert section["assign_public_ip"]["default"] == "False"
    assert section["launch_type"]["default"] is None
    assert isinstance(json.loads(section["run_task_kwargs"]["example"])["tags"], dict)
