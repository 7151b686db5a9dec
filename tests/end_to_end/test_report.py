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
"""What the demo's tables show, and what it calls right of the tasks that are meant to fail."""

from __future__ import annotations

import dataclasses

import pytest
from rich.console import Console
from tools.harness import failures
from tools.harness.dag_run import Result
from tools.harness.database import TaskInstance
from tools.harness.launches import Launch
from tools.harness.report import launch_table, short

pytestmark = pytest.mark.usefixtures("same_on_all_releases")

ARN = "arn:aws:ecs:us-east-1:123456789012:task/airflow"
NOT_THERE = f"There is no such image (AWS: {failures.NO_SUCH_IMAGE['reason']}). Check its name and its tag."
KILLED = (
    "It was killed (SIGKILL) (AWS: EssentialContainerExited; Essential container in task exited). Check it."
)


def launch(name, launch_id, ecs_task, *, try_number=1, exit_code=0, created=1.0):
    return Launch(
        id=launch_id,
        task_id=name,
        map_index=-1,
        run_id="demo",
        try_number=try_number,
        container=ecs_task * 32,
        stop_code=None,
        exit_code=exit_code,
        queued=1.0,
        created=created,
        started=None if exit_code is None else created + 0.5,
        finished=None,
        stopped=created + 8,
    )


LAUNCHES = [
    *[launch("no_such_image", "one", number, exit_code=None, created=float(number)) for number in "123"],
    launch("killed_once", "two", "4", exit_code=137),
    launch("killed_once", "three", "5", try_number=2),
]
REASONS = {**{number * 32: NOT_THERE for number in "123"}, "4" * 32: KILLED}
STATES = {"no_such_image": "failed", "killed_once": "success"}


def result(launches=LAUNCHES, **states):
    task_instances = [TaskInstance(name, -1, state, 1, None) for name, state in {**STATES, **states}.items()]
    return Result("demo", "failed", task_instances, list(launches), {})


def lines(table, width):
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_the_failures_are_right_where_each_ecs_task_ended_as_it_is_meant_to():
    assert failures.unexpected(result(), REASONS) == []


@pytest.mark.parametrize(
    ("of", "reasons", "wrong"),
    [
        (result(killed_once="failed"), REASONS, "killed_once ended as failed, not as success"),
        (result(no_such_image="success"), REASONS, "no_such_image ended as success, not as failed"),
        (result(LAUNCHES[1:]), REASONS, "4 ECS tasks, not 5"),
        (result(), REASONS | {"2" * 32: ""}, "no_such_image try 1: exit code None, reason ''"),
        (result(), REASONS | {"4" * 32: "Killed"}, "killed_once try 1: exit code 137, reason 'Killed'"),
        (result(), REASONS | {"5" * 32: KILLED}, "killed_once try 2: exit code 0, reason 'It was killed"),
        (
            result([*LAUNCHES[:3], dataclasses.replace(LAUNCHES[3], exit_code=0), LAUNCHES[4]]),
            REASONS,
            "killed_once try 1: exit code 0",
        ),
    ],
)
def test_a_failure_that_is_not_as_it_is_meant_to_be_is_told(of, reasons, wrong):
    """Another state, another number of ECS tasks, another end, no reason or another one."""
    (told,) = failures.unexpected(of, reasons)
    assert wrong in told


def test_a_reason_belongs_to_the_ecs_task_that_was_launched_before_it():
    """Each attempt has its own; what is noted of an ECS task that ended well is none."""
    notes = {
        "no_such_image": [
            f"Launched {ARN}/{'1' * 32} (task definition none:1). ECS task in the console: …",
            f"Container airflow never started. {NOT_THERE} Attempt 1 of 3; launching again in 2 s.",
            f"Attempt 2: launched {ARN}/{'2' * 32}. ECS task in the console: …",
            f"Container airflow never started. {NOT_THERE} Attempts: 3 of 3.",
        ],
        "killed_once": [
            f"Launched {ARN}/{'4' * 32}. ECS task in the console: …",
            f"Container airflow exited with code 137. {KILLED}",
            f"Launched {ARN}/{'5' * 32}. ECS task in the console: …",
            "Ran for 3 s",
        ],
    }
    found = failures.reasons(notes)
    assert sorted(found) == [number * 32 for number in "124"]
    assert found["2" * 32].startswith("There is no such image")
    assert found["4" * 32] == KILLED


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        (NOT_THERE, "There is no such image (AWS: CannotPullContainerError)"),
        (KILLED, "It was killed (SIGKILL) (AWS: EssentialContainerExited)"),
        ("AWS gave no reason.", "AWS gave no reason."),
        ("", ""),
    ],
)
def test_a_reason_is_short_in_the_table(reason, shown):
    assert short(reason) == shown


def test_a_row_tells_the_tasks_time_apart_from_the_ecs_tasks():
    """The task instance's own time stands at the last ECS task of its try, and never at one that did not start."""
    durations = {("no_such_image", 1): 0.1, ("killed_once", 1): 2.5, ("waits", 1): 4.0}
    launches = [LAUNCHES[0], LAUNCHES[3], launch("waits", "four", "6"), launch("waits", "five", "7")]
    rows = [line.split() for line in lines(launch_table("title", launches, durations), 80)[-4:]]
    assert rows == [
        ["no_such_image", "1", "11111111", "none", "-", "8.0", "s"],
        ["killed_once", "1", "44444444", "137", "2.5", "s", "8.0", "s"],
        ["waits", "1", "66666666", "0", "-", "8.0", "s"],
        ["waits", "1", "77777777", "0", "4.0", "s", "8.0", "s"],
    ]


def test_the_table_is_readable_where_the_terminal_is_narrow():
    """Every row has its reason in it, with the attempt where there are several, and no cell is cut."""
    shown = lines(launch_table("title", LAUNCHES, {}, REASONS), 80)
    assert max(map(len, shown)) <= 80
    assert not any("…" in line for line in shown)
    text = " ".join(" ".join(shown).split())
    for number in (1, 2, 3):
        assert f"Attempt {number} of 3:" in text
    assert text.count("CannotPullContainerError)") == 3
    assert text.count("EssentialContainerExited)") == 1
