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
"""
The fleet as a state machine: whatever AWS answers in whatever order, every launch ends exactly once.

Hypothesis plays Airflow, AWS, the containers and chance. What must hold is looked at after each step; and at the end,
once AWS answers again and containers end, that all is told, all is stopped that should be, and nothing is left.
"""

from __future__ import annotations

import itertools
import logging
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import Future

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from airflow.executors.fargate.fleet.adoption import CONSISTENCY
from airflow.executors.fargate.launch import Launch, TaskInstanceId
from airflow.executors.fargate.messages import Accepted, Ended, Measured, NotAdopted, Noted, Waiting
from airflow.executors.fargate.present import CLOCK_TOLERANCE, Candidate

from tests.executors.fargate import fakes

CAPACITY = {"reason": "Capacity is unavailable at this time."}
#: Seconds. Longer than DISAPPEARANCE and APPEARANCE: then nobody can tell what became of a container.
BRIEFLY, LONG = 20.0, 2000.0


class Death(BaseException):
    """Ends the fleet's thread, as an error in its code would."""


class ExplosiveAnswer(Mapping):
    """An answer whose handling ends the fleet's thread."""

    def __getitem__(self, key):
        raise Death

    __iter__ = __len__ = __contains__ = get = __getitem__


class ExplosiveError(Exception):
    """An error whose handling ends the fleet's thread."""

    @property
    def response(self):
        raise Death


class MortalFleet(fakes.SteppedFleet):
    """A fleet that goes on after a bug as :class:`FleetThread` does."""

    def settle(self):
        again = False
        while True:
            try:
                if again:
                    self._recover()
                return super().settle()
            except Death:
                again = True
                self._context.counters.fleet_restarts += 1


def raise_death():
    raise Death


def answers(ecs):
    """Return by name what a call can be answered with; see ``FakeEcs.next``."""
    error = fakes.aws_error
    common = {
        "well": None,
        "throttled": error("ThrottlingException", "Rate exceeded"),
        "server error": error("ServerException", status=500),
        "credentials": error("ExpiredTokenException"),
        "reset": ConnectionResetError("reset"),
        "lost": fakes.Lost(TimeoutError("Read timeout")),
        "lost in a server error": fakes.Lost(error("InternalFailure", status=500)),
        "refused": error("AccessDeniedException"),
        "error that kills": ExplosiveError(),
    }
    odd = {"garbage": "x", "nothing": {}, "empty": {"tasks": [], "failures": []}, "kills": ExplosiveAnswer()}

    def done_but(answer):
        def carry_out(request, token):
            ecs._run_task(request, token)
            return answer

        return carry_out

    def unless_done(answer):
        def carry_out(request, token):
            # A token that has started a container is answered with it, however often it comes.
            return ecs._run_task(request, token) if token in ecs._tokens else answer

        return carry_out

    run_task = {
        "no capacity": unless_done({"tasks": [], "failures": [CAPACITY]}),
        "failure": unless_done({"tasks": [], "failures": [{"reason": "ATTRIBUTE"}]}),
        "wrapped throttle": error("InvalidParameterException", "ENI: (ErrorCode: RequestLimitExceeded)"),
        **{f"done, but {name}": done_but(answer) for name, answer in odd.items()},
        "done, but without an ARN": done_but({"tasks": [{"taskArn": ""}]}),
    }
    describe = {"tasks are no list": {"tasks": "x"}, "odd tasks": {"tasks": [None, {}, {"taskArn": 3}]}}
    return {
        "run_task": {**common, **odd, **run_task},
        "describe_tasks": {**common, **odd, **describe},
        "stop_task": {name: answer for name, answer in common.items() if name != "refused"},
        "list_tasks": {name: answer for name, answer in common.items() if not name.startswith("lost")},
    }


NAMES = {call: sorted(known) for call, known in answers(None).items()}
#: Answers after which a launch ends as failed, or is given up, though AWS may have a container for it.
KILLS = {"kills", "done, but kills", "error that kills"}
indices = st.integers(0, 1000)


class Task:
    """A task instance as Airflow's database has it: its present launch."""

    def __init__(self, number):
        self.id = TaskInstanceId("dag", f"task{number}", "run", 1)
        self.launch = None
        self.stored_arn = None


class World(RuleBasedStateMachine):
    """Airflow, AWS, and the fleet between them."""

    assigns_ids = True

    def __init__(self):
        super().__init__()
        self.clock = fakes.Clock()
        self.ecs = fakes.FakeEcs(self.clock)
        self.answers = answers(self.ecs)
        self.numbers = itertools.count()
        self.tasks = []
        #: Every launch by its id, and those that Airflow is not interested in any more.
        self.launches = {}
        self.revoked, self.superseded, self.reset = set(), set(), set()
        #: ARNs by launch of what has run user code; and exit codes by ARN.
        self.ran = defaultdict(set)
        self.codes = {}
        self.hidden_until, self.long_hidden = {}, set()
        self.told = []
        #: Whether a death may have made the fleet give a launch up.
        self.died = False

    @initialize(
        attempts=st.integers(1, 3),
        concurrency=st.sampled_from([1, 2, 16]),
        poll=st.sampled_from([1.0, 5.0, 30.0]),
        rate=st.sampled_from([0.5, 20.0]),
        burst=st.sampled_from([1, 100]),
        fallback=st.booleans(),
    )
    def begin(self, attempts, concurrency, poll, rate, burst, fallback):
        self.config = fakes.make_config(
            max_launch_attempts=attempts,
            launch_concurrency=concurrency,
            poll_interval=poll,
            launch_rate=rate,
            launch_burst=burst,
            capacity_provider_strategy=({"capacityProvider": "FARGATE_SPOT", "weight": 1},),
            capacity_provider_fallback=({"capacityProvider": "FARGATE", "weight": 1},) if fallback else (),
        )
        self.fleet = self.new_fleet()

    def new_fleet(self):
        fleet = MortalFleet(self.ecs, self.config, clock=self.clock)
        fleet.ensure_running()
        return fleet

    # Airflow.

    @rule(priority=st.integers(0, 1), life=st.sampled_from([None, None, 50.0, 100.0, 700.0]))
    def hand_over(self, priority, life):
        task = Task(next(self.numbers))
        self.tasks.append(task)
        self.launch(task, priority, life)

    def launch(self, task, priority=0, life=None):
        if task.launch:
            # No sooner can Airflow queue it again; before 3.2 adoption tells launches apart by their times.
            self.fleet.advance(CLOCK_TOLERANCE + 1)
        launch = Launch(
            task.id,
            task.id,
            command=("run", fakes.SECRET),
            priority=priority,
            handed_over=self.clock(),
            expires=None if life is None else self.clock() + life,
        )
        task.launch = self.launches[launch.id] = launch
        self.fleet.tell(self.fleet.fleet.add, launch)

    @precondition(lambda self: self.tasks)
    @rule(which=indices)
    def hand_over_again(self, which):
        """After a defer, a reschedule or a requeue."""
        task = self.tasks[which % len(self.tasks)]
        earlier = task.launch
        if earlier and not self.is_told(earlier):
            self.superseded.add(earlier.id)
            self.fleet.tell(self.fleet.fleet.supersede, earlier.id)
        self.launch(task)

    @precondition(lambda self: self.tasks)
    @rule(which=indices)
    def revoke(self, which):
        task = self.tasks[which % len(self.tasks)]
        if task.launch and not self.is_told(task.launch):
            self.revoked.add(task.launch.id)
            self.fleet.tell(self.fleet.fleet.revoke, task.launch.id, "queued for too long")
            task.launch = None
            self.fleet.advance(CLOCK_TOLERANCE + 1)

    @precondition(lambda self: any(task.launch for task in self.tasks))
    @rule(carried_out=st.booleans(), told=st.booleans(), long_ago=st.booleans())
    def the_scheduler_dies(self, carried_out, told, long_ago):
        """Its calls under way reach AWS or do not; another one adopts; what has no container is launched anew."""
        self.note()
        for call, _ in self.fleet.pools["launch"].jobs if carried_out else ():
            try:
                call()
            except (Exception, Death):
                pass
        self.ecs._answers.clear()  # What AWS refuses to tell of is not this machine's matter.
        tasks = [task for task in self.tasks if task.launch and not self.is_told(task.launch)]
        self.reset |= set(self.launches) - {task.launch.id for task in tasks}
        sent_until = self.clock() - (CONSISTENCY if long_ago else 0.0)
        present = {self.candidate(task, sent_until): task for task in tasks}
        self.fleet = self.new_fleet()
        reply = Future()
        if not told:
            reply.cancel()  # AWS takes too long to answer: what it tells comes as events.
        self.fleet.tell(self.fleet.fleet.adopt, list(present), reply)
        self.fleet.advance(0.0 if long_ago else CONSISTENCY + 1)
        missing = list(reply.result(timeout=0).missing) if told else []
        gone = {event.launch.key for event in self.fleet.told if isinstance(event, NotAdopted)}
        missing += [candidate for candidate in present if candidate.key in gone]
        for candidate in missing:
            task = present[candidate]
            alive = [arn for arn in self.containers(task.launch) if self.may_be_adopted(arn)]
            assert not alive, "a container that lives was not adopted"
            self.reset.add(task.launch.id)
            self.launch(task)

    def candidate(self, task, sent_until):
        external = task.launch.id if self.assigns_ids else task.stored_arn
        return Candidate(task.id, task.id, external, task.launch.handed_over, sent_until=sent_until)

    def may_be_adopted(self, arn):
        described = self.ecs.tasks[arn]
        return arn not in self.ecs.hidden and (described["lastStatus"] != "STOPPED" or arn in self.codes)

    # AWS.

    # Several at once, and those to RunTask by a rule of their own: what comes after what is what matters.
    @rule(names=st.lists(st.sampled_from(NAMES["run_task"]), min_size=1, max_size=4))
    def answer_launches(self, names):
        self.answer("run_task", names)

    @rule(call=st.sampled_from(sorted(set(NAMES) - {"run_task"})), data=st.data())
    def answer_others(self, call, data):
        self.answer(call, data.draw(st.lists(st.sampled_from(NAMES[call]), min_size=1, max_size=3)))

    def answer(self, call, names):
        self.died = self.died or not KILLS.isdisjoint(names)
        self.ecs.next(call, *[self.answers[call][name] for name in names])

    @rule(call=st.sampled_from(sorted(NAMES)), name=st.sampled_from(["throttled", "server error", "reset"]))
    def answer_many(self, call, name):
        self.ecs.next(call, *[self.answers[call][name]] * 8)

    @rule(launching=st.booleans(), held=st.booleans())
    def hold_calls(self, launching, held):
        self.fleet.hold(held, *(("build", "launch") if launching else ()))
        self.fleet.settle()

    # The containers.

    def some_container(self, which, *states):
        arns = [
            arn
            for arn, task in self.ecs.tasks.items()
            if task["lastStatus"] in states and task["desiredStatus"] == "RUNNING"
        ]
        return arns[which % len(arns)] if arns else None

    @rule(which=indices)
    def start(self, which):
        if arn := self.some_container(which, "PROVISIONING"):
            self.ecs.start(arn)
            self.note_start(arn)

    @rule(which=indices, code=st.sampled_from([0, 0, 1, None]))
    def exit(self, which, code):
        if arn := self.some_container(which, "PROVISIONING", "RUNNING"):
            self.end_container(arn, code)

    def end_container(self, arn, code):
        self.ecs.exit(arn, code)
        self.codes[arn] = code
        self.note_start(arn)

    def note_start(self, arn):
        (launch,) = [launch for launch in self.launches.values() if arn in self.containers(launch)]
        self.ran[launch.id].add(arn)

    @rule(which=indices, reason=st.sampled_from(["CannotPullContainerError", CAPACITY["reason"]]))
    def break_at_start(self, which, reason):
        if arn := self.some_container(which, "PROVISIONING"):
            self.ecs.break_at_start(arn, reason)

    @rule(which=indices, seconds=st.sampled_from([BRIEFLY, BRIEFLY, LONG]))
    def hide(self, which, seconds):
        if self.ecs.tasks:
            arn = self.ecs.arns[which % len(self.ecs.arns)]
            self.ecs.hidden.add(arn)
            self.hidden_until[arn] = self.clock() + seconds
            self.long_hidden |= {arn} if seconds > BRIEFLY else set()

    # Chance.

    @rule(seconds=st.sampled_from([0.5, 3.0, 30.0, 130.0, 700.0]))
    def wait(self, seconds):
        until = self.clock() + seconds
        for arn, at in sorted(self.hidden_until.items(), key=lambda item: item[1]):
            if at <= until:
                self.fleet.advance(max(0.0, at - self.clock()))
                self.show(arn)
        self.fleet.advance(max(0.0, until - self.clock()))

    def show(self, arn):
        del self.hidden_until[arn]
        self.ecs.hidden.discard(arn)

    @rule()
    def the_thread_dies(self):
        self.fleet.tell(raise_death)

    # What holds at any time.

    def note(self):
        """Take notice of what the fleet has told, as the executor does at each heartbeat."""
        for event in self.fleet.events():
            self.told.append(event)
            for task in self.tasks:
                if isinstance(event, Accepted) and task.launch and task.launch.id == event.launch.id:
                    task.stored_arn = event.arn

    def is_told(self, launch):
        self.note()
        return any(isinstance(event, Ended) and event.launch.id == launch.id for event in self.told)

    def containers(self, launch):
        return self.ecs.launches_of(launch.id)

    @invariant()
    def no_launch_runs_twice(self):
        for launch_id, arns in self.ran.items():
            assert len(arns) <= 1, f"{launch_id} has run {len(arns)} times"
        for launch in self.launches.values():
            alive = [a for a in self.containers(launch) if self.ecs.tasks[a]["lastStatus"] != "STOPPED"]
            assert len(alive) <= 1, f"{launch} has {len(alive)} containers at the same time"

    @invariant()
    def no_end_is_told_twice_or_to_nobody(self):
        self.note()
        ends = defaultdict(list)
        for event in self.told:
            assert isinstance(event, (Accepted, Ended, Measured, Noted, NotAdopted, Waiting))
            if isinstance(event, Ended):
                ends[event.launch.id].append(event)
        for launch_id, told in ends.items():
            assert len(told) == 1, f"{launch_id} has ended {len(told)} times"
            assert launch_id not in self.revoked | self.superseded, f"{launch_id}'s end is told though quiet"
        for events in ends.values():
            if events[0].reason is None:
                assert 0 in [self.codes.get(arn) for arn in self.containers(events[0].launch)]

    @invariant()
    def a_token_is_for_one_request(self):
        requests = {}
        for call in self.ecs.made("run_task"):
            request, token = call.arguments
            assert requests.setdefault(token, request) == request

    # What holds at the end.

    def teardown(self):
        if not hasattr(self, "fleet"):
            return
        self.aws_is_well_again()
        self.all_that_is_unwanted_is_stopped()
        for arn, task in self.ecs.tasks.items():
            if task["lastStatus"] != "STOPPED" and task["desiredStatus"] == "RUNNING":
                self.end_container(arn, 0)
            elif task["lastStatus"] != "STOPPED":
                self.ecs._stop(arn, "UserInitiated", task["stoppedReason"])
        self.fleet.advance(3000)
        self.no_end_is_told_twice_or_to_nobody()
        self.no_launch_runs_twice()
        self.every_launch_has_its_end()
        self.nothing_is_left()

    def aws_is_well_again(self):
        self.ecs._answers.clear()
        for arn in list(self.hidden_until):
            self.show(arn)
        self.fleet.hold(False, *self.fleet.pools)
        self.fleet.advance(600)

    def all_that_is_unwanted_is_stopped(self):
        """A container whose launch was taken back or has failed was asked to stop, unless AWS did not know it."""
        self.note()
        unwanted = {e.launch.id for e in self.told if isinstance(e, Ended)} | self.revoked
        stops = {call.arguments[1] for call in self.ecs.made("stop_task")}
        for launch_id in unwanted - self.reset:
            for arn in self.containers(self.launches[launch_id]):
                lives = self.ecs.tasks[arn]["lastStatus"] != "STOPPED"
                assert not lives or arn in stops or arn in self.long_hidden, f"{arn} was not stopped"

    def every_launch_has_its_end(self):
        abandoned = self.revoked | self.superseded | self.reset
        ends = {e.launch.id: e for e in self.told if isinstance(e, Ended)}
        for launch in self.launches.values():
            assert launch.id in ends or launch.id in abandoned, f"{launch} never ended"
            well = {self.codes.get(arn) for arn in self.containers(launch)} == {0}
            excused = self.died or any(arn in self.long_hidden for arn in self.containers(launch))
            if well and launch.id in ends and not excused and not self.was_refused(launch):
                assert ends[launch.id].reason is None, ends[launch.id].reason

    def was_refused(self, launch):
        """Tell whether AWS said that the launch cannot be, after an answer that was lost."""
        ends = [e for e in self.told if isinstance(e, Ended) and e.launch.id == launch.id]
        return ends[0].reason is not None and "AWS refused" in ends[0].reason

    def nothing_is_left(self):
        fleet = self.fleet.fleet
        assert not fleet.runs_by_id
        assert fleet.awaited == 0
        assert fleet.context.counters.live_containers == 0
        assert fleet.launcher._waiting.first() is None
        assert not fleet.launcher._waiting._heap
        assert not fleet.watcher._due
        queue = fleet.launcher.queue
        assert (queue._lines, queue._shortages) == ({}, {})


class WorldBefore32(World):
    """The same where Airflow does not assign the launch's id: adoption goes by the stored ARN and the time."""

    assigns_ids = False


@pytest.fixture(autouse=True)
def _silence():
    # A thousand examples would write a hundred thousand lines; what is logged has tests of its own.
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("world", [World, WorldBefore32])
def test_every_launch_ends_exactly_once(world):
    """Whatever AWS answers in whatever order, whoever dies, revokes or launches again meanwhile."""
    examples = max(50, settings.default.max_examples // 5)
    run_state_machine_as_test(world, settings=settings(max_examples=examples))
