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
"""What the fleet does with launches that Airflow may not want any more: confirmed, abandoned, taken over."""

from __future__ import annotations

import pytest

from airflow.executors.fargate.fleet.launcher import MAX_UNCONFIRMED
from airflow.executors.fargate.fleet.orphans import FIRST_DELAYS
from airflow.executors.fargate.launch import CallbackId
from airflow.executors.fargate.messages import Abandoned, Accepted, Ended, Unconfirmed

LEASE = 15.0


WHY = "The task instance was marked success"


NO_CAPACITY = {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time."}]}


class ReadTimeoutError(Exception):
    """Named as botocore's, whose errors are told apart by name."""


@pytest.fixture
def fleet(fakes, ecs, clock):
    """Return a fleet of a scheduler, whose launches are confirmed."""
    return fakes.SteppedFleet(ecs, sweep_interval=300.0, scheduler="1@1.0", lease=LEASE, clock=clock)


@pytest.fixture
def launch(fakes, clock):
    return fakes.make_launch(handed_over=clock.at)


def asked(fleet):
    """Return the launches that were to be confirmed, and forget them."""
    told = [event.launch.id for event in fleet.told if isinstance(event, Unconfirmed)]
    fleet.told[:] = [event for event in fleet.told if not isinstance(event, Unconfirmed)]
    return told


def stops(ecs):
    return [call.arguments[1:] for call in ecs.made("stop_task")]


def tell(fleet, method, *arguments):
    fleet.tell(method, *arguments)
    fleet.settle()


def test_what_was_handed_over_before_a_gap_is_not_sent_unconfirmed(fleet, ecs, launch, clock):
    """A process that was stopped launches nothing that another scheduler may have launched meanwhile."""
    fleet.pools["build"].held = True
    fleet.add(launch)
    fleet.pools["build"].held = False
    clock.at += 60
    fleet.settle()
    fleet.advance(600)
    assert (asked(fleet), ecs.tokens) == ([launch.id], [])
    tell(fleet, fleet.fleet.confirm, [launch.id])
    assert len(ecs.arns) == 1


@pytest.mark.parametrize("answer", [NO_CAPACITY, ReadTimeoutError()], ids=["no capacity", "unknown outcome"])
def test_what_waits_is_confirmed_whenever_it_is_sent_again_after_a_while(fleet, ecs, launch, answer):
    """Also where the same attempt is sent again, with its token."""
    ecs.next("run_task", *[answer] * 1000)
    fleet.add(launch)
    for _ in range(20):
        fleet.advance(LEASE)
        tell(fleet, fleet.fleet.confirm, asked(fleet))
    assert len(ecs.tokens) > 10
    confirmed_at = fleet.clock.at
    fleet.advance(600)
    assert ecs.made("run_task")[-1].at <= confirmed_at + LEASE
    assert len(asked(fleet)) == 1


@pytest.mark.parametrize("stage", ["unconfirmed", "no capacity", "throttled"])
def test_what_has_not_been_launched_is_not(fleet, ecs, fakes, launch, clock, stage):
    """Whatever it waits for; and that is told, and nothing else."""
    if stage == "unconfirmed":
        clock.at += 60
    answers = {"no capacity": NO_CAPACITY, "throttled": fakes.aws_error("ThrottlingException")}
    if stage in answers:
        ecs.next("run_task", *[answers[stage]] * 3)
    fleet.add(launch)
    made, before = len(ecs.tokens), len(fleet.told_of(launch))
    tell(fleet, fleet.fleet.abandon, launch.id, WHY, False)
    fleet.advance(600)
    tell(fleet, fleet.fleet.confirm, [launch.id])
    assert (len(ecs.tokens), ecs.arns) == (made, [])
    told = fleet.told_of(launch)[before:]
    assert told == [
        Abandoned(launch.without_workload(), f"{WHY} before its ECS task was launched: none is launched.")
    ]
    assert not fleet.fleet.runs_by_id


def test_an_ecs_task_that_has_not_started_is_stopped(fleet, ecs, launch):
    """At the next look, which tells that; with the reason, also for AWS."""
    fleet.add(launch)
    tell(fleet, fleet.fleet.abandon, launch.id, WHY, False)
    assert stops(ecs) == []
    fleet.advance(3)
    text = f"{WHY} while its ECS task was starting: it is stopped."
    assert stops(ecs) == [(ecs.arns[0], text)]
    ecs.break_at_start(ecs.arns[0])
    fleet.advance(60)
    assert [event.text for event in fleet.told_of(launch, Abandoned)] == [text]
    assert (fleet.told_of(launch, Ended), len(ecs.arns)) == ([], 1)


@pytest.mark.parametrize("seen", [True, False], ids=["known to have started", "not seen yet"])
def test_an_ecs_task_that_has_started_ends_by_itself(fleet, ecs, launch, seen):
    """Its end is told as ever: it may say why the task instance failed."""
    fleet.add(launch)
    ecs.start(ecs.arns[0])
    if seen:
        fleet.advance(3)
    tell(fleet, fleet.fleet.abandon, launch.id, WHY, False)
    fleet.advance(60)
    assert (stops(ecs), fleet.told_of(launch, Abandoned)) == ([], [])
    ecs.exit(ecs.arns[0], 1)
    fleet.advance(3)
    assert len(fleet.told_of(launch, Ended)) == 1


def test_what_another_scheduler_has_adopted_is_left_to_it(fleet, ecs, launch):
    """It is neither followed nor stopped, and nothing more is told of it."""
    fleet.add(launch)
    before = list(fleet.told)
    tell(fleet, fleet.fleet.disown, launch.id)
    ecs.exit(ecs.arns[0], 1)
    fleet.advance(60)
    assert [event for event in fleet.told_of(launch) if event not in before] == []
    assert (
        stops(ecs),
        list(fleet.fleet.runs_by_id.values()),
        fleet.fleet.context.counters.live_containers,
    ) == ([], [], 0)


def hold_before_run_task(fleet, launch):
    """Hand over a launch and let its RunTask call wait for a thread of the pool."""
    fleet.pools["launch"].held = True
    fleet.add(launch)
    fleet.pools["launch"].held = False
    assert len(fleet.pools["launch"].jobs) == 1


def test_what_is_sent_at_once_needs_no_confirmation(fleet, ecs, launch):
    """The scheduler has just queued it."""
    fleet.add(launch)
    fleet.advance(600)
    assert (asked(fleet), len(ecs.arns)) == ([], 1)


def test_a_call_that_waits_for_its_thread_is_not_made_after_a_gap(fleet, ecs, launch, clock):
    """It was decided on before the process was stopped; the thread of the pool looks at the time, too."""
    hold_before_run_task(fleet, launch)
    clock.at += 60
    fleet.settle()
    assert (asked(fleet), ecs.tokens) == ([launch.id], [])
    tell(fleet, fleet.fleet.confirm, [launch.id])
    assert len(ecs.arns) == 1


def test_callbacks_are_confirmed_like_all_others(fleet, ecs, fakes, clock):
    """The executor answers for them without asking anybody."""
    callback = fakes.make_launch(task=CallbackId("id", "dag"), handed_over=clock.at - 60)
    fleet.add(callback)
    tell(fleet, fleet.fleet.confirm, asked(fleet))
    assert len(ecs.arns) == 1


def test_so_many_wait_to_be_confirmed_as_are_looked_up_at_a_heartbeat(fleet, ecs, fakes, clock):
    """In Airflow's order; and what they hold up goes on as soon as they are confirmed."""
    clock.at += 60
    most = 3 * MAX_UNCONFIRMED
    fleet.add(*[fakes.make_launch(number, priority=number) for number in range(most)])
    first = asked(fleet)
    # The first one had its turn before the others came.
    last = range(most - MAX_UNCONFIRMED + 1, most)
    assert first == ["launch-0", *(f"launch-{number}" for number in reversed(last))]
    for _ in range(60):
        tell(fleet, fleet.fleet.confirm, first)
        fleet.advance(1)
        first = asked(fleet)
    assert len(ecs.arns) == most


def test_a_launch_is_asked_about_again_after_the_thread_died(fleet, ecs, launch, clock):
    """The answer may have been lost with it."""
    clock.at += 60
    fleet.add(launch)
    assert asked(fleet) == [launch.id]
    tell(fleet, fleet.fleet.recover)
    assert asked(fleet) == [launch.id]
    tell(fleet, fleet.fleet.confirm, [launch.id])
    assert len(ecs.arns) == 1


def test_an_ecs_task_that_never_started_is_not_launched_again(fleet, ecs, launch):
    """It ended in the meantime."""
    fleet.add(launch)
    ecs.break_at_start(ecs.arns[0])
    tell(fleet, fleet.fleet.abandon, launch.id, WHY, False)
    fleet.advance(60)
    assert (len(ecs.tokens), stops(ecs), len(fleet.told_of(launch, Abandoned))) == (1, [], 1)
    assert not fleet.fleet.runs_by_id


def test_an_ecs_task_that_does_not_end_is_stopped_once_it_is_overdue(fleet, ecs, launch):
    """Its processes hang; there is no event for its end."""
    fleet.add(launch)
    ecs.start(ecs.arns[0])
    fleet.advance(3)
    tell(fleet, fleet.fleet.abandon, launch.id, WHY, True)
    text = f"{WHY}, and its ECS task has not ended since then: it is stopped."
    assert stops(ecs) == [(ecs.arns[0], text)]
    ecs.exit(ecs.arns[0], 137)
    fleet.advance(60)
    assert [event.text for event in fleet.told_of(launch, Abandoned)] == [text]
    assert (fleet.told_of(launch, Ended), list(fleet.fleet.runs_by_id.values())) == ([], [])


def test_a_call_under_way_is_awaited_and_its_ecs_task_stopped(fleet, ecs, fakes, launch):
    """Also where its answer is lost: then the ECS task is searched for."""
    ecs.next("run_task", fakes.Lost(ReadTimeoutError()), *[ReadTimeoutError()] * 9)
    fleet.add(launch)
    tell(fleet, fleet.fleet.abandon, launch.id, WHY, False)
    fleet.advance(60)
    assert [arn for arn, _ in stops(ecs)] == ecs.arns
    assert fleet.told_of(launch, Accepted) == []


@pytest.mark.parametrize("method", ["abandon", "disown"])
def test_what_is_over_is_left_alone(fleet, ecs, launch, method):
    """The executor's command can come too late."""
    fleet.add(launch)
    ecs.exit(ecs.arns[0], 0)
    fleet.advance(3)
    tell(fleet, getattr(fleet.fleet, method), launch.id, *[WHY, True][: 2 * (method == "abandon")])
    assert (stops(ecs), fleet.told_of(launch, Abandoned)) == ([], [])


def test_what_it_has_not_adopted_is_found_as_an_orphan(fleet, ecs, fakes, launch, clock):
    """An ECS task that appears later is compared with the database like any other orphan."""
    mine = fakes.make_launch(handed_over=clock.at, scheduler="1@1.0")
    hold_before_run_task(fleet, mine)
    fleet.fleet.disown(mine.id)
    fleet.advance(FIRST_DELAYS[0] + 2)
    (arn,) = ecs.arns
    assert [[c.arn for c in event.ecs_tasks] for event in fleet.told if hasattr(event, "ecs_tasks")] == [
        [arn]
    ]
    assert (stops(ecs), fleet.told_of(mine, Accepted)) == ([], [])


def test_what_it_has_not_launched_is_not_launched_here(fleet, ecs, launch, clock):
    """Its launch is the other scheduler's to make."""
    clock.at += 60
    fleet.add(launch)
    tell(fleet, fleet.fleet.disown, launch.id)
    tell(fleet, fleet.fleet.confirm, [launch.id])
    fleet.advance(60)
    assert ecs.tokens == []
