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

from unittest import mock

import pytest

from airflow.executors.fargate.fleet.launch_state import MAX_FAULTS
from airflow.executors.fargate.fleet.lifecycle import Lifecycle
from airflow.executors.fargate.fleet.unknown_outcomes import SEARCH_DELAYS
from airflow.executors.fargate.messages import Accepted, Ended, Noted

NO_CAPACITY = {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time."}]}


ATTRIBUTE = {"tasks": [], "failures": [{"reason": "ATTRIBUTE"}]}


DENIED = ("AccessDeniedException", "not authorized to perform: ecs:RunTask")


@pytest.fixture
def launch(fakes):
    return fakes.make_launch()


def building(fleet, ecs, fakes, launch):
    fleet.pools["build"].held = True
    fleet.add(launch)


def sending(fleet, ecs, fakes, launch):
    fleet.pools["launch"].held = True
    fleet.add(launch)


def backing_off(fleet, ecs, fakes, launch):
    ecs.next("run_task", ATTRIBUTE)
    fleet.add(launch)


def without_capacity(fleet, ecs, fakes, launch):
    ecs.next("run_task", NO_CAPACITY)
    fleet.add(launch)


def throttled(fleet, ecs, fakes, launch):
    ecs.next("run_task", fakes.aws_error("ThrottlingException"))
    fleet.add(launch)


def unknown_outcome_without_an_ecs_task(fleet, ecs, fakes, launch):
    ecs.next("run_task", ConnectionResetError())
    fleet.add(launch)


def unknown_outcome_with_an_ecs_task(fleet, ecs, fakes, launch):
    ecs.next("run_task", fakes.Lost(ConnectionResetError()))
    fleet.add(launch)


def resending(fleet, ecs, fakes, launch):
    unknown_outcome_with_an_ecs_task(fleet, ecs, fakes, launch)
    fleet.pools["launch"].held = True
    fleet.advance(2)


def accepted(fleet, ecs, fakes, launch):
    fleet.add(launch)


def started(fleet, ecs, fakes, launch):
    fleet.add(launch)
    ecs.start(ecs.arns[0])
    fleet.advance(5)


def being_described(fleet, ecs, fakes, launch):
    fleet.add(launch)
    ecs.start(ecs.arns[0])
    fleet.hold()
    fleet.advance(5)


def too_late(fleet, ecs, fakes, launch):
    fleet.pools["build"].held = True
    fleet.add(launch)
    fleet.advance(1000)
    fleet.pools["build"].held = False
    fleet.settle()


WITHOUT_ECS_TASK = [
    building,
    backing_off,
    without_capacity,
    throttled,
    unknown_outcome_without_an_ecs_task,
    too_late,
]


WITH_ECS_TASK = [
    sending,
    unknown_outcome_with_an_ecs_task,
    resending,
    accepted,
    started,
    being_described,
]


def go_on(fleet, ecs, seconds=600):
    """Let calls come home and time pass; an ECS task that is to be stopped does stop."""
    fleet.hold(False, *fleet.pools)
    for _ in range(int(seconds / 5)):
        fleet.advance(5)
        for arn, task in ecs.tasks.items():
            if task["desiredStatus"] == "STOPPED" and task["lastStatus"] != "STOPPED":
                ecs.exit(arn, 143)


@pytest.fixture
def mortal(fakes, clock):
    """Return a launch whose token expires."""
    return fakes.make_launch(expires=clock.at + 600)


@pytest.mark.parametrize("stage", [*WITHOUT_ECS_TASK, *WITH_ECS_TASK], ids=lambda stage: stage.__name__)
def test_a_revoked_launch_leaves_no_ecs_task_and_no_event(fakes, fleet, ecs, mortal, stage):
    """A launch revoked at any stage has its ECS task stopped, gets no other, and ends without an event."""
    stage(fleet, ecs, fakes, mortal)
    told = list(fleet.told)
    fleet.tell(fleet.fleet.revoke, mortal.id, "why")
    go_on(fleet, ecs)
    assert fleet.told == told
    assert not fleet.fleet.runs_by_id
    assert fleet.settle() is None
    assert len(ecs.arns) == (1 if stage in WITH_ECS_TASK else 0)
    assert [call.arguments[1:] for call in ecs.made("stop_task")] == [(arn, "why") for arn in ecs.arns]


@pytest.mark.parametrize("stage", [backing_off, sending, accepted, started], ids=lambda stage: stage.__name__)
def test_a_superseded_launch_is_forgotten(fakes, fleet, ecs, mortal, stage):
    """An accepted ECS task may end by itself, any other is stopped; there are no more events for either."""
    stage(fleet, ecs, fakes, mortal)
    told = list(fleet.told)
    known = any(isinstance(event, Accepted) for event in told)
    fleet.tell(fleet.fleet.supersede, mortal.id)
    go_on(fleet, ecs, 60)
    if known:
        assert not ecs.made("stop_task")
        assert len(fleet.fleet.runs_by_id) == 1
        ecs.exit(ecs.arns[0], 0)
    go_on(fleet, ecs)
    assert fleet.told == told
    assert not fleet.fleet.runs_by_id
    assert {ecs.tasks[arn]["lastStatus"] for arn in ecs.arns} <= {"STOPPED"}


@pytest.mark.parametrize(
    "stage",
    [building, sending, backing_off, without_capacity, throttled, resending, started],
    ids=lambda stage: stage.__name__,
)
def test_nothing_is_launched_after_close(fakes, fleet, ecs, mortal, stage):
    """Calls under way come home, but no RunTask call begins; what has an ECS task keeps it."""
    stage(fleet, ecs, fakes, mortal)
    sent = len(ecs.tokens) + (stage in (sending, resending))
    fleet.leave()
    go_on(fleet, ecs)
    assert len(ecs.tokens) == sent
    assert not ecs.made("stop_task")
    assert fleet.fleet.awaited == 0


@pytest.mark.parametrize("twice", ["revoke", "supersede"])
def test_to_revoke_what_is_over_or_unknown_is_nothing(fleet, ecs, launch, twice):
    """A launch that has ended, was never there, or was revoked before can be revoked or superseded again."""
    arguments = ["why"] if twice == "revoke" else []
    fleet.tell(getattr(fleet.fleet, twice), "never-heard-of", *arguments)
    fleet.add(launch)
    ecs.exit(ecs.arns[0], 0)
    fleet.advance(5)
    told = list(fleet.told)
    fleet.tell(getattr(fleet.fleet, twice), launch.id, *arguments)
    fleet.advance(60)
    assert fleet.told == told
    assert not ecs.made("stop_task")


def test_a_launch_revoked_while_its_call_is_under_way_is_stopped_once_accepted(fakes, fleet, ecs, launch):
    """The answer to RunTask is awaited, and the ECS task in it is stopped; its ARN is not told."""
    sending(fleet, ecs, fakes, launch)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.settle()
    assert not ecs.made("stop_task")
    fleet.pools["launch"].held = False
    fleet.settle()
    assert [call.arguments[1] for call in ecs.made("stop_task")] == ecs.arns
    assert fleet.told == []


@pytest.mark.parametrize("appears_at_look", [1, 2, 3])
def test_what_may_have_started_is_searched_for_by_its_launch(fakes, fleet, ecs, launch, appears_at_look):
    """The deployment's ECS tasks are listed, now and later, and the one that names the launch is stopped."""
    other = fakes.make_launch(1)
    fleet.add(other)
    unknown_outcome_with_an_ecs_task(fleet, ecs, fakes, launch)
    (arn,) = ecs.launches_of(launch.id)
    if appears_at_look > 1:
        ecs.hidden.add(arn)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(sum(SEARCH_DELAYS[: appears_at_look - 1]) + 1)
    ecs.hidden.clear()
    fleet.advance(SEARCH_DELAYS[appears_at_look - 1] + 1)
    assert [call.arguments[1] for call in ecs.made("stop_task")] == [arn]
    assert len(ecs.made("list_tasks")) == appears_at_look
    assert len(ecs.launches_of(launch.id)) == 1


def test_a_search_survives_errors_and_ends(fakes, fleet, ecs, launch):
    """A list that AWS refuses is no answer, and where nothing is ever found the launch is let go."""
    unknown_outcome_without_an_ecs_task(fleet, ecs, fakes, launch)
    ecs.next("list_tasks", fakes.aws_error("ThrottlingException"), ConnectionResetError())
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(sum(SEARCH_DELAYS) + 10)
    assert len(ecs.made("list_tasks")) == len(SEARCH_DELAYS) + 2  # An error counts for no search.
    assert not fleet.fleet.runs_by_id
    assert fleet.settle() is None


def test_a_launch_that_is_refused_after_an_unknown_outcome_leaves_no_ecs_task(fakes, fleet, ecs, launch):
    """If AWS refuses the resend for good, the launch fails; what may have started is stopped."""
    unknown_outcome_with_an_ecs_task(fleet, ecs, fakes, launch)
    ecs.next("run_task", fakes.aws_error(*DENIED))
    fleet.advance(60)
    (end,) = fleet.told
    assert DENIED[1] in end.reason
    assert [call.arguments[1] for call in ecs.made("stop_task")] == ecs.arns
    ecs.exit(ecs.arns[0], 143)
    fleet.advance(5)
    assert [type(event) for event in fleet.told] == [Ended]
    assert not fleet.fleet.runs_by_id


class Bug(Exception):
    """An error that nobody expects."""


def test_a_poisonous_launch_harms_itself_alone(fakes, fleet, ecs):
    """A launch whose handling ends the thread again and again is given up with a reason; the others live."""
    launches = [fakes.make_launch(n) for n in range(3)]
    poisonous = launches[1]
    fleet.add(*launches)
    for arn in ecs.arns:
        ecs.start(arn)
    apply_outcome = Lifecycle.apply_outcome
    deaths = 0

    def die(self, run, outcome):
        self.calls.handling = [run]
        if run.launch.id == poisonous.id:
            raise Bug
        apply_outcome(self, run, outcome)

    with mock.patch.object(Lifecycle, "apply_outcome", die):
        for _ in range(20):
            try:
                fleet.advance(5)
            except Bug:
                deaths += 1
                fleet.fleet.recover()
    assert deaths == MAX_FAULTS + 1  # The last one while its ECS task is watched until it has stopped.
    (end,) = fleet.told_of(poisonous, Ended)
    assert "could not handle it" in end.reason
    for arn in ecs.arns:
        ecs.exit(arn, 0)
    fleet.advance(10)
    for launch in (launches[0], launches[2]):
        (end,) = fleet.told_of(launch, Ended)
        assert end.reason is None
    assert not fleet.told_of(poisonous, Noted)
    assert [call.arguments[1] for call in ecs.made("stop_task")] == ecs.launches_of(poisonous.id)
    assert not fleet.fleet.runs_by_id


def test_a_reason_beside_exit_code_0_is_noted(fleet, ecs, launch):
    """The launch has finished as its main container says; what AWS says of memory is noted before that."""
    fleet.add(launch)
    ecs.exit(ecs.arns[0], 0)
    ecs.tasks[ecs.arns[0]]["containers"][0]["reason"] = "OutOfMemoryError: killed"
    fleet.advance(10)
    accepted, noted, ended = fleet.told_of(launch)
    assert "ran out of memory (AWS: OutOfMemoryError: killed" in noted.text
    assert ended.reason is None


@pytest.mark.parametrize("exit_code", [None, 0])
def test_what_somebody_stops_is_not_launched_again(fleet, ecs, launch, exit_code):
    """Who stops an ECS task means the launch; with exit code 0 it is noted who did."""
    fleet.add(launch)
    ecs.break_at_start(ecs.arns[0], "Stopped with airflow fargate stop")
    task = ecs.tasks[ecs.arns[0]]
    task["stopCode"] = "UserInitiated"
    if exit_code is not None:
        task["containers"][0]["exitCode"] = exit_code
    fleet.advance(60)
    assert len(ecs.tokens) == 1
    told = fleet.told_of(launch)
    assert "It was stopped with airflow fargate stop" in (
        told[1].reason if exit_code is None else told[1].text
    )
    assert told[-1].reason is None or exit_code is None
