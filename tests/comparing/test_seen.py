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
"""What is read of ledgers, logs and the tasks' own file, whichever executor was at work."""

from __future__ import annotations

import json
import re

import pytest
from tools.comparing import procedures, seen
from tools.harness.environment import REPOSITORY

TI = {"task_id": "works", "map_index": 2, "run_id": "run"}
COMMAND = ["python", "-m", "anything", "--json-string", json.dumps({"ti": TI})]


def entry(*commands, status="RUNNING"):
    containers = [{"command": command} for command in commands]
    return {"taskArn": "arn", "createdAt": 1.5, "lastStatus": status, "containers": containers}


@pytest.mark.parametrize("commands", [[COMMAND], [["/bin/sh", "-c", "exit 1"], COMMAND], [COMMAND, []]])
def test_an_ecs_task_is_for_the_task_instance_of_its_command(commands):
    """A sidecar's command, or none, says nothing of it."""
    assert seen.ecs_tasks([entry(*commands)]) == [seen.EcsTask("arn", "run", "works[2]", 1.5, None, True)]


def test_an_ecs_task_that_has_stopped():
    (task,) = seen.ecs_tasks([entry(COMMAND, status="STOPPED") | {"stoppedReason": "It ended"}])
    assert (task.live, task.stopped_reason) == (False, "It ended")


def test_the_code_that_ran_is_counted_by_task_instance(tmp_path):
    """There is no file before the first one has run."""
    witness = seen.Witness(tmp_path / "ran")
    assert witness.ran("a") == {}
    lines = [{"run_id": run, "name": name} for run, name in (("a", "x"), ("a", "x"), ("a", "y"), ("b", "x"))]
    witness.path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert witness.ran("a") == {"a x": 2, "a y": 1}
    assert witness.ran("a", "b").total() == 4


PAGE = [
    "Launched arn",
    "Line 1 of 30",
    "[INFO] Line 2 of 30",
    "Line 1 of 30",
    "on Line 3 of 30, said",
    "Bye",
    " ",
]


def test_lines_of_a_log_page():
    """What only speaks of a line is none."""
    assert seen.numbered(PAGE) == {1: 2, 2: 1}


@pytest.mark.parametrize("line, found", [("Could not read served logs: no host", True), ("Bye", False)])
def test_what_a_page_could_not_read(line, found):
    assert seen.unreadable(["Line 1 of 30", line]) == ("Could not read served logs" if found else None)


@pytest.mark.parametrize(
    "words, found",
    [(("nothing", "arn"), "Launched arn"), (("137",), None), ((), None), (("",), None), (("Launch",), None)],
)
def test_a_reason_is_a_line_with_one_of_the_words(words, found):
    assert seen.reason(PAGE, words) == found


def test_what_is_quoted_is_short_and_has_no_token():
    token = "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiIwMSJ9.lcy0-BE_CR"
    assert seen.short(f"a\n {token}  b") == "a (token) b"
    cut = seen.short("word " * 100)
    assert len(cut) <= seen.QUOTED
    assert cut.endswith("word …")


@pytest.mark.parametrize(
    "log, count",
    [
        ("Adopted 3 task instances of a scheduler", 3),
        ("Adopted the following 2 tasks from a dead executor:\n\tone\n", 2),
        ("Adopted 1 task instances\nAdopted the following 2 tasks", 3),
        ("Adopting or resetting orphaned tasks", 0),
    ],
)
def test_adoptions_of_either_executor(log, count):
    assert seen.adopted(log) == count


def test_the_procedure_knows_what_the_dag_says():
    text = (REPOSITORY / "scripts" / "tools" / "comparing" / "dags" / "compared.py").read_text()
    assert int(re.search(r"^LINES = (\d+)$", text, re.MULTILINE)[1]) == procedures.LINES
    for run_id in procedures.COUNTED.values():
        assert f"def {run_id}()" in text
