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
"""More on what ``test_fleet.py`` tests."""

from __future__ import annotations

import itertools
import logging
import random
from unittest import mock

import pytest

from airflow.executors.fargate.fleet import attempts, lifecycle
from airflow.executors.fargate.fleet.capacity_queue import CapacityQueue
from airflow.executors.fargate.fleet.ecs_task_search import EcsTaskSearch
from airflow.executors.fargate.fleet.fleet import Fleet
from airflow.executors.fargate.fleet.launch_state import MAX_FAULTS
from airflow.executors.fargate.fleet.launcher import Launcher
from airflow.executors.fargate.fleet.lifecycle import Lifecycle
from airflow.executors.fargate.fleet.preparer import Preparer
from airflow.executors.fargate.fleet.unknown_outcomes import UnknownOutcomes
from airflow.executors.fargate.fleet.watcher import Watcher
from airflow.executors.fargate.messages import Accepted, Ended

from tests.executors.fargate.test_fleet import (
    ATTRIBUTE,
    NO_CAPACITY,
    Bug,
    accepted,
    launch,
    sending,
    unknown_outcome_with_an_ecs_task,
)


def test_many_that_may_have_started_are_searched_for_together(fakes, fleet, ecs):
    """Fifty revoked launches that may have started need one search, and each ECS task is stopped."""
    launches = [fakes.make_launch(n) for n in range(50)]
    ecs.next("run_task", *[fakes.Lost(ConnectionResetError())] * 50)
    fleet.add(*launches)
    for launch in launches:
        fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(60)
    assert len(ecs.made("list_tasks")) == 1
    assert sorted(call.arguments[1] for call in ecs.made("stop_task")) == sorted(ecs.arns)
    assert len(ecs.arns) == 50


def test_an_outage_is_no_look(fakes, fleet, ecs, launch):
    """A revoked launch that may have started has its ECS task stopped after an outage of any length."""
    unknown_outcome_with_an_ecs_task(fleet, ecs, fakes, launch)
    ecs.next("list_tasks", *[ConnectionResetError()] * 20)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(900)
    assert [call.arguments[1] for call in ecs.made("stop_task")] == ecs.arns


def test_what_may_have_started_is_not_idle(fakes, fleet, ecs, launch):
    """Whoever waits for all ECS tasks to be stopped also waits for those that may have started."""
    unknown_outcome_with_an_ecs_task(fleet, ecs, fakes, launch)
    fleet.tell(fleet.fleet.revoke_all, "why")
    fleet.settle()
    assert fleet.fleet.awaited == 1
    fleet.advance(60)
    assert fleet.fleet.awaited == 0


def test_a_launch_that_is_added_twice_is_one(fleet, ecs, launch):
    """A message that is repeated after the thread's death launches nothing twice."""
    fleet.add(launch, launch)
    fleet.advance(60)
    assert len(ecs.arns) == 1


@pytest.mark.parametrize("answer", [ATTRIBUTE, NO_CAPACITY])
def test_a_failure_settles_an_unknown_outcome(fleet, ecs, launch, answer):
    """A failure in answer to a resend repeats the first answer: nothing was started or is searched for."""
    ecs.next("run_task", *[ConnectionResetError(), answer] * 3)
    fleet.add(launch)
    fleet.advance(40)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(400)
    assert not ecs.made("list_tasks")


def test_calls_and_stops_under_way_are_counted(fakes, fleet, ecs, launch):
    """Whoever closes the fleet can tell whether a launch or a stop is still on its way."""
    sending(fleet, ecs, fakes, launch)
    assert fleet.fleet.awaited == 1
    fleet.pools["launch"].held = False
    fleet.settle()
    assert fleet.fleet.awaited == 0
    fleet.hold()
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.settle()
    assert fleet.fleet.awaited == 1
    fleet.hold(False)
    fleet.settle()
    assert fleet.fleet.awaited == 0


class Chaos:
    """Launches, ends, faults and revocations in an order that the seed decides."""

    def __init__(self, seed, fakes, fleet, ecs):
        self.random = random.Random(seed)
        self.fakes, self.fleet, self.ecs = fakes, fleet, ecs
        self.launches = {}
        self.abandoned = set()

    def some(self, of):
        return self.random.choice(list(of)) if of else None

    def add(self):
        launch = self.fakes.make_launch(
            len(self.launches),
            priority=self.random.randrange(3),
            executor_config=self.random.choice([None, {"cluster": "other"}]),
        )
        self.launches[launch.id] = launch
        self.fleet.tell(self.fleet.fleet.add, launch)

    def revoke(self):
        if launch_id := self.some(self.launches):
            self.abandoned.add(launch_id)
            self.fleet.tell(self.fleet.fleet.revoke, launch_id, "why")

    def supersede(self):
        if launch_id := self.some(self.launches):
            self.abandoned.add(launch_id)
            self.fleet.tell(self.fleet.fleet.supersede, launch_id)

    def live(self):
        return [arn for arn, task in self.ecs.tasks.items() if task["lastStatus"] != "STOPPED"]

    def start(self):
        if arn := self.some(self.live()):
            self.ecs.start(arn)

    def exit(self):
        if arn := self.some(self.live()):
            self.ecs.exit(arn, self.random.choice([0, 0, 1, None]))

    def break_at_start(self):
        if arn := self.some([a for a in self.live() if "startedAt" not in self.ecs.tasks[a]]):
            self.ecs.break_at_start(arn, self.random.choice(["ATTRIBUTE", "Capacity is unavailable"]))

    def hide(self):
        if arn := self.some(self.live()):
            self.ecs.hidden.symmetric_difference_update({arn})

    def fault(self):
        call = self.random.choice(["run_task", "run_task", "describe_tasks", "stop_task", "list_tasks"])
        errors = [
            ConnectionResetError(),
            self.fakes.Lost(ConnectionResetError()),
            self.fakes.aws_error("ThrottlingException"),
            self.fakes.aws_error("ExpiredTokenException"),
            self.fakes.aws_error("ServerException", status=500),
            "garbage",
        ]
        self.ecs.next(call, self.random.choice(errors))

    def hold(self):
        self.fleet.pools["launch"].held = self.random.random() < 0.3
        self.fleet.hold(self.random.random() < 0.3)

    def pass_time(self):
        self.fleet.advance(self.random.choice([0, 0.1, 1, 5, 40]))

    def run(self, steps):
        acts = [self.add, self.start, self.exit, self.pass_time, self.fault, self.hold]
        acts += [self.revoke, self.supersede, self.break_at_start, self.hide]
        self.fleet.running = True
        for _ in range(steps):
            self.random.choice(acts)()

    def calm_down(self):
        self.ecs.hidden.clear()
        self.ecs._answers.clear()
        self.fleet.hold(False, *self.fleet.pools)
        for _ in range(200):
            for arn in self.live():
                self.ecs.exit(arn, 0)
            self.fleet.advance(5)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_each_launch_ends_once_with_one_ecs_task(fakes, make_fleet, ecs, seed):
    """In any order of events: no busy loop, one end a launch, none for revoked ones, one started ECS task."""
    fleet = make_fleet(launch_concurrency=4)
    chaos = Chaos(seed, fakes, fleet, ecs)
    chaos.run(150)
    chaos.calm_down()
    assert not fleet.fleet.runs_by_id
    assert fleet.settle() is None
    for launch in chaos.launches.values():
        ends = fleet.told_of(launch, Ended)
        assert len(ends) <= 1
        assert len(ends) == 1 or launch.id in chaos.abandoned
        accepted = [event.arn for event in fleet.told_of(launch, Accepted)]
        assert len(accepted) == len(set(accepted))
        if ends and ends[0].arn:
            assert ends[0].arn == accepted[-1]
        containers = [ecs.tasks[arn] for arn in ecs.launches_of(launch.id)]
        assert sum("startedAt" in task for task in containers) <= 1
        assert len(set(ecs.launches_of(launch.id))) == len({task["taskArn"] for task in containers})


#: In this order: one at once, one whose RunTask call got no answer, one with an ECS task.
REVOKED = ["launch-6", "launch-3", "launch-5"]


def life(fakes, fleet, ecs, after_fault):
    """
    Lead seven launches through everything that can happen; where something raises, recover and go on.

    :param after_fault: is called with the error; the fleet goes on as its thread would.
    """

    def no_capacity(request, token):  # As AWS does, not for a token that has started something.
        return ecs._run_task(request, token) if token in ecs._tokens else NO_CAPACITY

    lost = fakes.Lost(ConnectionResetError())
    ecs.next("run_task", None, ATTRIBUTE, lost, lost, fakes.aws_error("ThrottlingException"), no_capacity)
    ecs.next("describe_tasks", ConnectionResetError())
    launches = [fakes.make_launch(n) for n in range(7)]

    def safely(act, *arguments):
        while True:
            try:
                return act(*arguments)
            except Bug as error:
                after_fault(error)
                fleet.fleet.recover()
                act, arguments = fleet.settle, ()

    for launch in launches:
        fleet.tell(fleet.fleet.add, launch)
    fleet.tell(fleet.fleet.revoke, "launch-6", "why")
    safely(fleet.settle)
    for revoked in REVOKED[1:]:
        fleet.tell(fleet.fleet.revoke, revoked, "why")
    safely(fleet.settle)
    end = fleet.clock.at + 400
    while fleet.clock.at < end:
        for arn, task in ecs.tasks.items():
            if "launch-4" in str(task["overrides"]) and task["lastStatus"] == "PROVISIONING":
                ecs.exit(arn, 1)
            elif task["lastStatus"] == "PROVISIONING" and fleet.clock.at > 1060:
                ecs.exit(arn, 0 if task["desiredStatus"] == "RUNNING" else 143)
        # Once all are over the rest of the time passes at once.
        until = fleet.clock.at + 5 if fleet.fleet.runs_by_id else end
        while fleet.clock.at < until:
            safely(fleet.advance, until - fleet.clock.at)
    return launches


#: Where an error may come from: each handler, before and after it has done its work.
HANDLERS = [
    *[(Fleet, name) for name in ("add", "revoke", "work")],
    *[(Lifecycle, name) for name in ("accepted", "apply_outcome", "noted")],
    *[(Launcher, name) for name in ("add", "_begin", "_sent", "apply")],
    *[(Launcher, name) for name in ("nothing_started", "give_up", "work")],
    (Preparer, "_built"),
    *[(CapacityQueue, name) for name in ("put", "take", "take_probe", "sent", "refused", "accepted")],
    *[(Lifecycle, name) for name in ("look_later", "_look")],
    *[(Watcher, name) for name in ("add", "stop", "_describe", "_described", "_not_described")],
    (Watcher, "_stop_answered"),
    *[(UnknownOutcomes, name) for name in ("add", "take", "_begin", "_end")],
    *[(EcsTaskSearch, name) for name in ("_make", "_done", "_listed", "_described")],
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("owner", "name"), HANDLERS, ids=lambda value: getattr(value, "__name__", value))
def test_an_error_anywhere_loses_nothing_and_launches_nothing_twice(
    fakes, make_fleet, clock, monkeypatch, owner, name, when
):
    """Whichever call of a handler fails once, after recover() each launch has one ECS task and one end."""
    handler = getattr(owner, name)
    for number in itertools.count(1):
        ecs = fakes.FakeEcs(clock := fakes.Clock())
        fleet = fakes.SteppedFleet(ecs, clock=clock)
        left, faults = itertools.count(1), []

        def fail_once(self, *arguments, left=left, number=number, **named):
            mine = next(left) == number
            if mine and when == "before":
                raise Bug
            result = handler(self, *arguments, **named)
            if mine:
                raise Bug
            return result

        monkeypatch.setattr(owner, name, fail_once)
        launches = life(fakes, fleet, ecs, faults.append)
        assert len(faults) == (next(left) > number)
        if not faults:
            assert number > 1, "the handler was never called"
            return
        revoked = set(REVOKED)
        if (owner, name, when) == (Fleet, "add", "before"):
            # The message itself is lost: nothing has happened yet that could be kept.
            launches.pop(number - 1)
        if (name, when) == ("revoke", "before"):
            revoked.remove(REVOKED[number - 1])
        assert not fleet.fleet.runs_by_id
        for launch in launches:
            ends = [bool(end.reason) for end in fleet.told_of(launch, Ended)]
            assert ends == ([] if launch.id in revoked else [launch.id == "launch-4"])
            assert len(ecs.launches_of(launch.id)) == 1 or launch.id in revoked
            assert len(ecs.launches_of(launch.id)) <= 1
        if number > 12:
            return  # The first calls are those that differ.


def fail_at(number):
    """Return a function that raises when it is called for the time of that number, and counts."""
    calls = itertools.count(1)

    def fail(*arguments, **keywords):
        if next(calls) == number:
            raise Bug

    return fail


@pytest.mark.parametrize(
    "outside",
    [
        "build pool",
        "launch pool",
        "watch pool",
        "stop pool",
        "log of attempts",
        "log of the fleet",
    ],
)
def test_an_error_from_outside_loses_nothing_and_launches_nothing_twice(fakes, monkeypatch, outside):
    """Where no thread can be started for a call, or a line cannot be logged, the same holds."""
    for number in itertools.count(1):
        ecs = fakes.FakeEcs(clock := fakes.Clock())
        fleet, faults, fail = fakes.SteppedFleet(ecs, clock=clock), [], fail_at(number)
        if outside.endswith("pool"):
            pool = fleet.pools[outside.partition(" ")[0]]
            submit = pool.submit
            monkeypatch.setattr(pool, "submit", lambda *call, f=fail, submit=submit: (f(), submit(*call)))
        else:
            module = attempts if outside == "log of attempts" else lifecycle
            log = mock.create_autospec(logging.Logger, instance=True)
            for method in (log.info, log.warning, log.error):
                method.side_effect = fail
            monkeypatch.setattr(module, "log", log)
        launches = life(fakes, fleet, ecs, faults.append)
        assert not fleet.fleet.runs_by_id
        for launch in launches:
            ends = [bool(end.reason) for end in fleet.told_of(launch, Ended)]
            assert ends == ([] if launch.id in REVOKED else [launch.id == "launch-4"])
            assert len(ecs.launches_of(launch.id)) == 1 or launch.id in REVOKED
        if not faults or number > 25:
            assert number > 1
            return


def test_a_poisonous_answer_harms_its_launch_alone(fakes, fleet, ecs):
    """Where the answer to RunTask ends the thread, only the launch that it was for is under suspicion."""
    bad, good = fakes.make_launch(0), fakes.make_launch(1)
    sent = Launcher._sent

    def die(self, run, result):
        if run.launch.id == bad.id:
            raise Bug
        sent(self, run, result)

    deaths = 0
    with mock.patch.object(Launcher, "_sent", die):
        fleet.tell(fleet.fleet.add, bad)
        fleet.tell(fleet.fleet.add, good)
        for _ in range(20):
            try:
                fleet.advance(5)
            except Bug:
                deaths += 1
                fleet.fleet.recover()
    assert deaths == MAX_FAULTS
    assert len(fleet.told_of(bad, Ended)) == 1
    assert fleet.told_of(good, Accepted)
    assert not fleet.told_of(good, Ended)
    assert len(set(ecs.tokens)) == 2
    assert [call.arguments[1] for call in ecs.made("stop_task")] == ecs.launches_of(bad.id)


@pytest.mark.parametrize("revoked", ["before", "after"])
def test_an_ecs_task_whose_answer_was_lost_in_a_death_is_stopped(fakes, fleet, ecs, launch, revoked):
    """If the answer to RunTask ends the thread, a launch that is revoked then may have an ECS task."""
    with mock.patch.object(Launcher, "_sent", side_effect=Bug):
        sending(fleet, ecs, fakes, launch)
    if revoked == "before":
        fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.pools["launch"].held = False
    with pytest.raises(Bug):
        fleet.settle()
    fleet.fleet.recover()
    if revoked == "after":
        fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(300)
    assert [call.arguments[1] for call in ecs.made("stop_task")] == ecs.launches_of(launch.id)
    assert len(ecs.tasks) == 1
    assert not fleet.told_of(launch, Ended)


@pytest.mark.parametrize("deaths", [1, 5])
def test_a_search_is_made_however_often_the_thread_dies(fakes, fleet, ecs, launch, deaths):
    """A death between two searches for an ECS task uses up none of them."""
    unknown_outcome_with_an_ecs_task(fleet, ecs, fakes, launch)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    for _ in range(deaths):
        fleet.fleet.recover()
    fleet.advance(300)
    assert [call.arguments[1] for call in ecs.made("stop_task")] == ecs.arns


def test_recovery_goes_on_with_what_was_under_way(fakes, fleet, ecs, launch):
    """A call that is under way when the thread dies is not made a second time by its successor."""
    sending(fleet, ecs, fakes, launch)
    fleet.fleet.recover()
    fleet.settle()
    assert len(fleet.pools["launch"].jobs) == 1
    fleet.pools["launch"].held = False
    fleet.settle()
    assert len(ecs.tokens) == 1
    ecs.exit(ecs.arns[0], 0)
    fleet.advance(5)
    assert [type(event) for event in fleet.told] == [Accepted, Ended]


@pytest.mark.parametrize("under_way", ["the look", "the stop"])
def test_recovery_forgets_neither_the_look_nor_the_stop(fleet, ecs, launch, under_way):
    """If only one of the two calls for an ECS task is under way when the thread dies, the other is made."""
    fleet.add(launch)
    fleet.hold()
    if under_way == "the look":
        fleet.advance(3)
        fleet.pools["stop"].held = False
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.settle()
    fleet.fleet.recover()
    fleet.hold(False)
    fleet.advance(3)
    assert ecs.tasks[ecs.arns[0]]["desiredStatus"] == "STOPPED"
    ecs.exit(ecs.arns[0], 143)
    fleet.advance(5)
    assert not fleet.fleet.runs_by_id
