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
"""Adoption comes to an end: with thousands of ECS tasks that have stopped, slow answers and throttles."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future

import pytest

from airflow.executors.fargate.messages import Ended, NotAdopted
from airflow.executors.fargate.present import Candidate

#: Seconds that an answer takes; that the scheduler waits for one; between two orphan checks, by default.
LATENCY, PATIENCE, CHECKS = 0.15, 8.0, 300.0


@pytest.fixture
def ecs(fakes, clock):
    """Return an ECS that throttles as a test says."""
    return fakes.BusyEcs(clock)


@pytest.fixture
def fleet(make_fleet):
    """Return a fleet whose calls take time."""
    fleet = make_fleet()
    fleet.MOST_STEPS = 1_000_000
    fleet.take_time(LATENCY)
    return fleet


@pytest.fixture
def put(fakes, ecs, clock):
    """Return a function that puts ECS tasks there, and returns the candidates that they are for."""

    def put(first, count, stopped=False):
        found = []
        for number in range(first, first + count):
            launch = fakes.make_launch(number, handed_over=clock.at)
            arn = ecs.put(fakes.make_request(launch))
            ecs.start(arn)
            if stopped:
                ecs.exit(arn, 0)
            found.append(candidate_of(launch, clock.at - 1))
        clock.at += 0.001
        return found

    return put


def candidate_of(launch, queued_at, **members):
    """Return the candidate whose ARN the scheduler before had no time to store."""
    return Candidate(launch.task, launch.task, None, queued_at, **members)


@pytest.fixture
def without_any(fakes, clock):
    """Return a function that makes candidates without an ECS task."""
    return lambda first, count, **members: [
        candidate_of(fakes.make_launch(number), clock.at, **members) for number in range(first, first + count)
    ]


def orphan_check(fleet, candidates):
    """Return the answer that the scheduler gets within its patience; None where it gets none."""
    reply = Future()
    fleet.tell(fleet.fleet.adopt, candidates, reply)
    until = fleet.clock.at + PATIENCE
    while not reply.done() and fleet.clock.at < until:
        fleet.advance(0.25)
    return None if reply.cancel() else reply.result()


def described(ecs):
    """Return how often each ARN was described, without the calls that were throttled."""
    throttles = {id(call.arguments[1]) for call in ecs.throttles if call.name == "describe_tasks"}
    return Counter(
        arn
        for call in ecs.made("describe_tasks")
        if id(call.arguments[1]) not in throttles
        for arn in call.arguments[1]
    )


def test_who_has_no_ecs_task_is_given_back_at_the_second_check(fleet, put, without_any, clock):
    """500 run, 3,000 have stopped: one without an ECS task is given back at the second check, or sooner."""
    put(0, 3000, stopped=True)
    put(3000, 500)
    clock.at += 3600
    lost = without_any(10_000, 1)
    given_back, began = [], clock.at
    for check in range(2):
        fleet.advance(max(0.0, began + check * CHECKS - clock.at))
        answer = orphan_check(fleet, lost)
        given_back += answer.missing if answer else ()
    assert lost[0] in given_back


def test_none_counts_only_once_aws_must_know(fleet, fakes, ecs, clock, without_any):
    """An ECS task that ListTasks does not know within a minute after RunTask does not count as missing."""
    (lost,) = without_any(0, 1)
    clock.at += 5
    ecs.hidden.add(ecs.put(fakes.make_request(fakes.make_launch(0, handed_over=clock.at))))
    first = orphan_check(fleet, [lost])
    assert first is None or not first.missing
    ecs.hidden.clear()
    fleet.advance(CHECKS)
    orphan_check(fleet, [lost])
    fleet.advance(5)
    assert [str(run.launch.task) for run in fleet.fleet.runs_by_id.values()] == [str(lost.task)]


def settled(fleet, answer):
    """Return the task instances of which the scheduler knows by now what became of them."""
    told = {event.launch.task for event in fleet.told if isinstance(event, (Ended, NotAdopted))}
    of_answer = {candidate.task for candidate in answer.missing} if answer else set()
    return told | of_answer | {run.launch.task for run in fleet.fleet.runs_by_id.values()}


def test_adoption_comes_to_an_end_though_calls_are_throttled(fleet, ecs, put, without_any, clock):
    """1,000 run, 12,000 stopped, each 50th call is throttled: 5 s to adopt what runs, 60 s to settle all."""
    stopped = put(0, 12_000, stopped=True)
    running = put(20_000, 1000)
    clock.at += 3600
    candidates = [*running, *stopped[::600], *without_any(30_000, 80, sent_until=clock.at - 60)]
    ecs.throttled = {"describe_tasks": 50, "list_tasks": 50}
    began = clock.at
    reply = Future()
    fleet.tell(fleet.fleet.adopt, candidates, reply)
    fleet.advance(5)
    followed = sum(1 for run in fleet.fleet.runs_by_id.values() if run.arn)
    fleet.advance(PATIENCE - 5)
    answer = None if reply.cancel() else reply.result()
    fleet.advance(60 - (clock.at - began))
    left = {candidate.task for candidate in candidates} - settled(fleet, answer)
    assert (followed, len(left)) == (1000, 0)
    assert ecs.throttles


def test_nothing_is_asked_twice(fleet, ecs, put, without_any, clock):
    """What was described is not described again, though calls are throttled and Airflow asks again."""
    put(0, 2000, stopped=True)
    clock.at += 3600
    ecs.throttled = {"describe_tasks": 7, "list_tasks": 7}
    lost = without_any(10_000, 3)
    for _ in range(2):
        orphan_check(fleet, lost)
        fleet.advance(60)
    most = max(described(ecs).values())
    assert most == 1


def test_looks_hold_up_no_other_call(fleet, fakes, ecs, put, without_any, clock):
    """During six checks, an end is seen within 10 s, and StopTask is called within 2 s."""
    launches = [fakes.make_launch(number) for number in range(20)]
    fleet.add(*launches)
    fleet.advance(10)
    for arn in ecs.arns:
        ecs.start(arn)
    fleet.advance(10)
    put(1000, 3000, stopped=True)
    clock.at += 3600
    for look in range(6):
        fleet.tell(fleet.fleet.adopt, without_any(10_000 + look, 1), Future())
    fleet.advance(1)
    ecs.exit(ecs.arns[0], 0)
    began = ecs.tasks[ecs.arns[0]]["executionStoppedAt"] = clock.at
    fleet.tell(fleet.fleet.revoke, launches[1].id, "why")
    fleet.advance(2)
    assert [call.arguments[1] for call in ecs.made("stop_task")] == [ecs.arns[1]]
    fleet.advance(8)
    (end,) = fleet.told_of(launches[0], Ended)
    assert end.seen_after < 10, began


@pytest.mark.parametrize("place", [0, 1500])
def test_the_stopped_are_read_until_all_are_found(fleet, ecs, put, clock, place):
    """Stopped ECS tasks are listed only if running ones are not enough, and only until all are found."""
    stopped, running = put(0, 3000, stopped=True), put(5000, 250)
    clock.at += 3600
    orphan_check(fleet, running)
    assert {call.arguments[2] for call in ecs.made("list_tasks")} == {"RUNNING"}
    fleet.advance(60)
    ecs.calls.clear()
    orphan_check(fleet, [stopped[place]])
    fleet.advance(60)
    pages = sum(1 for call in ecs.made("list_tasks") if call.arguments[2] == "STOPPED")
    # A page may be under way while the one before is described.
    assert 1 <= pages <= place // 100 + 3
    assert [event.launch.task for event in fleet.told if isinstance(event, Ended)] == [stopped[place].task]
