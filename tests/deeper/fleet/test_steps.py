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

from __future__ import annotations

from concurrent.futures import Future

import pytest

from airflow.executors.fargate.messages import Accepted, Ended, Measured, Started
from airflow.executors.fargate.present import NOTED_WITHIN, Candidate

PULL = {"pullStartedAt": 1000.0, "launchType": "FARGATE", "cpu": "256", "memory": "512"}
DEFINITION = "arn:aws:ecs:us-east-1:123456789012:task-definition/airflow:7"


def told(fleet):
    """Return the kinds of what was told of steps, each with its text."""
    return [(type(event), event.text) for event in fleet.took]


@pytest.fixture
def launch(fakes, fleet):
    """Return a function that hands a launch over."""

    def hand_over(number=0):
        launch = fakes.make_launch(number)
        fleet.add(launch)
        return launch

    return hand_over


@pytest.fixture
def adopt(fakes, fleet, ecs):
    """Return a function that adopts an ECS task of a scheduler that lived until 900, at 1000."""

    def adopt(end=None, **members):
        task = fakes.make_task(0)
        launch = fakes.make_launch(0, task=task, handed_over=301.0)
        arn = ecs.put(fakes.make_request(launch), **{"lastStatus": "RUNNING", **members})
        if end is not None:
            ecs.exit(arn, end)
            ecs.tasks[arn].update(members)
        fleet.fleet.adopt([Candidate(task, "key", arn, 300.0, sent_until=900.0)], Future())
        fleet.settle()
        return arn

    return adopt


def test_the_start_is_noted_once(fleet, ecs, launch):
    """When DescribeTasks first says that the ECS task has started."""
    launch()
    fleet.advance(5)
    assert told(fleet) == []
    ecs.start(ecs.arns[0])
    began = fleet.clock.at
    fleet.advance(5)
    fleet.advance(60)
    assert told(fleet) == [
        (Started, f"Started after {began - 1000:.0f} s (accepted 0 s), at 1970-01-01 00:16:45 UTC.")
    ]


def test_a_start_that_is_seen_with_the_end_is_told_by_the_note_on_that(fleet, ecs, launch):
    """An ECS task that runs for a moment has one note less."""
    launch()
    ecs.exit(ecs.arns[0], 0)
    ecs.tasks[ecs.arns[0]]["executionStoppedAt"] = fleet.clock.at + 3
    fleet.advance(5)
    assert told(fleet) == [(Measured, "Ran for 3 s: accepted 0 s.")]


@pytest.mark.parametrize(
    ("started", "is_noted"),
    [(899.0 - NOTED_WITHIN, False), (901.0 - NOTED_WITHIN, True), (950.0, True)],
)
def test_the_start_of_an_adopted_ecs_task_is_noted_unless_it_was(fleet, adopt, started, is_noted):
    """Its scheduler has noted what was long ago; what may have been too late for that is noted, perhaps again."""
    adopt(startedAt=started)
    fleet.advance(10)
    expected = [(Started, f"Started after {started - 301:.0f} s.")]
    assert [(kind, text.partition(", at ")[0].partition(" (")[0] + ".") for kind, text in told(fleet)] == (
        expected if is_noted else []
    )


def test_an_adopted_ecs_task_that_starts_later_is_noted(fleet, ecs, adopt):
    """Its scheduler could not."""
    arn = adopt(lastStatus="PENDING")
    fleet.advance(5)
    ecs.start(arn)
    fleet.advance(5)
    assert [kind for kind, _ in told(fleet)] == [Started]


def test_the_end_of_an_ecs_task_that_was_adopted_after_it_is_measured(fleet, adopt):
    """Nothing is lost by it that no scheduler was there."""
    adopt(end=1, startedAt=400.0, executionStoppedAt=450.0)
    fleet.advance(5)
    assert [type(event) for event in fleet.told] == [Accepted, Ended]
    assert [text.partition(":")[0] for _, text in told(fleet)] == ["Ran for 50 s"]


def test_each_ecs_task_is_measured_and_the_last_one_noted(fleet, ecs, launch):
    """AWS bills an attempt that has never started, but the note on the next attempt is enough."""
    launch()
    ecs.break_at_start(ecs.arns[0])
    ecs.tasks[ecs.arns[0]].update(PULL, stoppedAt=1010.0)
    fleet.advance(20)
    ecs.exit(ecs.arns[1], 0)
    ecs.tasks[ecs.arns[1]].update(PULL, stoppedAt=1100.0)
    fleet.advance(20)
    measured = [event for event in fleet.took if isinstance(event, Measured)]
    assert [event.billed.seconds for event in measured] == [60, 100]
    assert [bool(event.text) for event in measured] == [False, True]


def test_what_never_starts_is_noted_at_the_end_of_the_launch(fleet, ecs, launch):
    """After its last attempt."""
    launch()
    for number in range(3):
        ecs.break_at_start(ecs.arns[number])
        fleet.advance(60)
    assert fleet.told[-1].reason
    assert [bool(text) for _, text in told(fleet)] == [False, False, True]


def test_an_abandoned_ecs_task_is_measured_once_it_has_stopped(fleet, ecs, launch):
    """AWS bills it, too."""
    one = launch()
    ecs.start(ecs.arns[0])
    ecs.tasks[ecs.arns[0]].update(PULL)
    fleet.advance(5)
    fleet.fleet.revoke(one.id, "why not")
    fleet.advance(5)
    ecs.exit(ecs.arns[0], 143)
    ecs.tasks[ecs.arns[0]]["stoppedAt"] = 1061.0
    fleet.advance(20)
    assert [event.billed.seconds for event in fleet.took if isinstance(event, Measured)] == [61]


def test_an_accepted_ecs_task_is_told_with_its_definition_and_container(fleet, ecs, launch, adopt):
    """RunTask's answer has the definition, and the one of DescribeTasks that of an adopted ECS task."""

    def answer(request, token):
        return {"tasks": [{**ecs._run_task(request, token)["tasks"][0], "taskDefinitionArn": DEFINITION}]}

    ecs.next("run_task", answer)
    launch(1)
    adopt(startedAt=950.0, taskDefinitionArn=DEFINITION)
    fleet.advance(5)
    accepted = [event for event in fleet.told if isinstance(event, Accepted)]
    assert [(event.attempt, event.definition, event.container) for event in accepted] == [
        (1, DEFINITION, "airflow"),
        (0, DEFINITION, "airflow"),
    ]
