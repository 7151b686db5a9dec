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
"""What the demo and the end-to-end tests call right and wrong."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from tools.harness.database import TaskInstance
from tools.harness.demo import EXPECTED_TRIES, unexpected
from tools.harness.launches import HandOvers, Launch, read_launches, wrong_with
from tools.harness.processes import without_tokens

pytestmark = pytest.mark.usefixtures("same_on_all_releases")


def launch(name, id="one", *, try_number=1, map_index=-1):
    return Launch(
        id=id,
        task_id=name,
        map_index=map_index,
        run_id="run",
        try_number=try_number,
        container="0" * 32,
        stop_code="EssentialContainerExited",
        exit_code=0,
        queued=1.0,
        created=1.5,
        started=2.0,
        finished=3.0,
        stopped=4.0,
    )


def expected_launches():
    return [launch(name, try_number=number) for name, tries in EXPECTED_TRIES.items() for number in tries]


@pytest.mark.parametrize(
    "launches, hand_overs, wrong",
    [
        ([launch("a"), launch("b", "two")], {"a": 1, "b": 1}, []),
        ([launch("a"), launch("a", "two")], {"a": 2}, []),
        ([launch("a", map_index=3)], {"a[3]": 1}, []),
        (
            [launch("a"), launch("a")],
            {"a": 1},
            ["a try 1: 2 containers for one launch", "a: handed over 1 times, but launched 2 times"],
        ),
        ([launch("a")], {"a": 2}, ["a: handed over 2 times, but launched 1 times"]),
        ([], {"a": 1}, ["a: handed over 1 times, but launched 0 times"]),
        ([launch("a")], {}, ["a: handed over 0 times, but launched 1 times"]),
    ],
)
def test_a_launch_without_exactly_one_container_is_found(launches, hand_overs, wrong):
    """Two containers for one launch, a launch without a container, a container without a launch."""
    assert wrong_with(launches, hand_overs) == wrong


def test_the_example_dag_is_right_where_every_launch_is_there():
    """No launch too few or too many; the sensor may look more often than it must."""
    assert unexpected(expected_launches()) == []
    assert unexpected([*expected_launches(), launch("someone_came_back")]) == []


@pytest.mark.parametrize("name", EXPECTED_TRIES)
def test_the_example_dag_is_wrong_without_one_of_its_launches(name):
    """Each launch that the example is there to show is missed."""
    launches = expected_launches()
    launches.remove(next(launch for launch in launches if launch.name == name))
    assert [problem.split(":")[0] for problem in unexpected(launches)] == [name]


def test_a_launch_is_read_from_the_container_that_says_what_it_is_for():
    """A sidecar's exit code is nobody's business."""
    identity = {"launch": "id", "task_id": "a", "map_index": 2, "run_id": "run", "try_number": 1}
    environment = {"AIRFLOW_FARGATE_LAUNCH": json.dumps({**identity, "handed_over": 1.5})}
    ecs_task = {
        "taskArn": "arn:aws:ecs:us-east-1:123456789012:task/airflow/0123",
        "createdAt": 2.0,
        "startedAt": 2.5,
        "containers": [
            {"environment": {}, "exitCode": 1},
            {"environment": environment, "exitCode": 0},
        ],
    }
    (read,) = read_launches([ecs_task], "run")
    told = (read.name, read.exit_code, read.container, read.queued, read.created, read.started)
    assert told == ("a[2]", 0, "0123", 1.5, 2.0, 2.5)
    assert (read.stop_code, read.finished, read.stopped) == (None, None, None)
    assert read_launches([ecs_task], "another run") == []
    mute = {**ecs_task, "containers": ecs_task["containers"][:1]}
    with pytest.raises(ValueError, match="does not say what launch"):
        read_launches([mute], "run")
    assert read_launches([{**mute, "startedBy": "airflow-fargate-check/0123abcd"}], "run") == []


def test_each_time_that_airflow_hands_a_task_over_counts_once():
    """However often the database is looked at, a hand-over is known by its time."""
    hand_overs = HandOvers()
    for minute in (None, 1, 1, 2):
        queued = minute and datetime(2024, 1, 1, 0, minute)
        hand_overs.look([TaskInstance("a", -1, "queued", 1, queued), TaskInstance("b", 0, "none", 0, None)])
    assert hand_overs.counts() == {"a": 2}


def test_no_bearer_token_is_shown():
    """What is shown of a log has no token in it, whatever surrounds it."""
    token = "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiIwMSJ9.lcy0-BE_CR"
    assert without_tokens(f"ExecuteTask(token='{token}', ti=1)") == "ExecuteTask(token='(token)', ti=1)"
