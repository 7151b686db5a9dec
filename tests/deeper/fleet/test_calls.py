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
"""Tests of the one door to AWS: what all calls have in common."""

from __future__ import annotations

from unittest import mock

import pytest

from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.fleet.calls import (
    SEARCH_CONCURRENCY,
    SEARCH_SHARE,
    STOP_BURST,
    STOP_CONCURRENCY,
    STOP_RATE,
    WATCH_CONCURRENCY,
    Calls,
    connections,
)
from airflow.executors.fargate.fleet.context import Context
from airflow.executors.fargate.fleet.launch_state import Run
from airflow.executors.fargate.fleet.throttle import CREDENTIALS_BACK_OFF
from airflow.executors.fargate.launch import Lease
from airflow.executors.fargate.logs.cloudwatch import LogReader

THROTTLED = ("ThrottlingException", "Rate exceeded")


EXPIRED = ("ExpiredTokenException", "The security token included in the request is expired")


DENIED = ("AccessDeniedException", "not authorized")


ARN = "arn:aws:ecs:us-east-1:123456789012:task/cluster/0123"


class Door:
    """The calls, with threads and an inbox that only a test moves."""

    def __init__(self, fakes, ecs, clock, **options):
        self.pools, self.sizes, self.replies = {}, {}, []
        self.clock = clock
        self.run = Run(fakes.make_launch(), arn=ARN, cluster="cluster", stop_reason="why")
        self.request = fakes.make_request(fakes.make_launch())

        def make_pool(name, size):
            self.sizes[name] = size
            self.pools[name] = fakes.SteppedPool()
            return self.pools[name]

        self.context = Context(
            ecs,
            fakes.make_config(**options),
            build=mock.Mock(),
            clock=clock,
            now=clock,
            lease=Lease(None, clock, clock),
            logs=mock.Mock(spec=LogReader),
            random=lambda: 1.0,
            make_pool=make_pool,
        )
        self.calls = Calls(self.context)

    def ask(self, what):
        """Make a call."""
        then = self.then
        {
            "RunTask": lambda: self.calls.run_task(self.run, self.request, "token", then),
            "StopTask": lambda: self.calls.stop_task(self.run, then),
            "DescribeTasks": lambda: self.describe(self.calls.watch, [self.run]),
            "a search": lambda: self.describe(self.calls.search, []),
            "ListTasks": lambda: self.calls.list_tasks("cluster", None, False, then, []),
            "a log": lambda: self.calls.make(self.calls.logs, lambda: self.log(), then),
        }[what]()

    def describe(self, lane, runs):
        self.calls.describe_tasks(lane, "cluster", [ARN], self.then, runs)

    def lane(self, what):
        """Return the lane of a call."""
        names = {"RunTask": "launch", "StopTask": "stop", "DescribeTasks": "watch", "a log": "logs"}
        return getattr(self.calls, names.get(what, "search"))

    def then(self, reply):
        self.replies.append((list(self.calls.handling), reply))

    def log(self):
        return "lines"

    def bring_home(self):
        """Make all calls, and handle their results."""
        while any(pool.step() for pool in self.pools.values()):
            pass
        while not self.context.inbox.empty():
            function, arguments = self.context.inbox.get()
            function(*arguments)

    def meet(self, what, error):
        """Make a call that meets an error; return its reply."""
        self.ask(what)
        self.bring_home()
        return self.replies[-1][1]

    def drain(self, what):
        """Make calls as long as they are admitted; return their number."""
        for count in range(1000):
            if not self.calls.admits(self.lane(what)):
                return count
            self.ask(what)
            self.bring_home()
        raise AssertionError("calls are admitted without end")


OPERATIONS = {
    "RunTask": "run_task",
    "StopTask": "stop_task",
    "DescribeTasks": "describe_tasks",
    "a search": "describe_tasks",
    "ListTasks": "list_tasks",
}


OF_ECS = [*OPERATIONS]


@pytest.fixture
def make_door(fakes, ecs, clock):
    """Return a function that makes a door with the given options."""
    ecs.put(fakes.make_request(fakes.make_launch()), taskArn=ARN)
    ecs.tasks[ARN] = ecs.tasks.pop(ecs.arns[0])
    return lambda **options: Door(fakes, ecs, clock, **options)


@pytest.fixture
def door(make_door):
    """Return a door with the default options."""
    return make_door()


class TestThereAndBack:
    @pytest.mark.parametrize("what", OF_ECS)
    def test_an_answer_comes_with_the_launches_that_it_was_asked_for(self, door, what):
        """It is handled on the fleet's thread; a search is not for one launch."""
        door.ask(what)
        assert door.replies == []
        door.bring_home()
        ((runs, reply),) = door.replies
        assert runs == ([] if what in ("a search", "ListTasks") else [door.run])
        assert (reply.problem, reply.error) == (None, None)

    @pytest.mark.parametrize(
        ("what", "error", "verdict"),
        [
            *[(what, DENIED, Verdict.FAILED) for what in OF_ECS],
            ("RunTask", THROTTLED, Verdict.THROTTLED),
            ("RunTask", EXPIRED, Verdict.CREDENTIALS),
            ("RunTask", ("ServerException",), Verdict.UNKNOWN),
        ],
    )
    def test_an_error_is_classified(self, door, fakes, ecs, what, error, verdict):
        """The same error means the same in each call."""
        ecs.next(OPERATIONS[what], fakes.aws_error(*error))
        assert door.meet(what, error).problem.verdict is verdict

    @pytest.mark.parametrize("what", [what for what in OF_ECS if what != "StopTask"])
    def test_a_malformed_answer_is_an_error(self, door, ecs, what):
        """No module has to check whether an answer is one."""
        ecs.next(OPERATIONS[what], "garbage")
        assert door.meet(what, None).problem.verdict is Verdict.UNKNOWN

    def test_the_result_of_a_call_that_was_not_noted_is_dropped(self, door):
        """If the thread dies before it has noted the call, its launches get another turn."""
        with mock.patch.object(door.calls.launch, "take", autospec=True, side_effect=MemoryError):
            with pytest.raises(MemoryError):
                door.ask("RunTask")
        door.bring_home()
        assert door.replies == []
        assert door.calls.launch.under_way == []


class TestPace:
    @pytest.mark.parametrize(
        ("what", "most"),
        [
            ("RunTask", 16),
            ("StopTask", STOP_CONCURRENCY),
            ("DescribeTasks", WATCH_CONCURRENCY),
            ("ListTasks", SEARCH_CONCURRENCY),
        ],
    )
    def test_calls_of_a_kind_under_way_are_limited(self, door, what, most):
        """No kind takes the threads of another: searches that hang do not delay StopTask."""
        for _ in range(most):
            assert door.calls.admits(door.lane(what))
            door.ask(what)
        assert not door.calls.admits(door.lane(what))
        assert door.calls.turn(door.lane(what), 0.0) is None
        others = [other for other in OF_ECS if door.lane(other) is not door.lane(what)]
        assert all(door.calls.admits(door.lane(other)) for other in others)
        door.bring_home()
        assert door.lane(what).under_way == []

    def test_searches_leave_half_of_the_rate_to_followed_ecs_tasks(self, door, clock):
        """However much is searched, half of describe_rate is left for followed ECS tasks."""
        door.calls.watch.is_waiting = True
        door.drain("ListTasks")
        door.drain("DescribeTasks")
        searched = watched = 0
        for _ in range(1000):
            clock.at += 0.1
            searched += door.drain("ListTasks")
            watched += door.drain("DescribeTasks")
        assert watched >= 9.8 * (1 - SEARCH_SHARE) * 100 - 1
        assert searched == pytest.approx(9.8 * SEARCH_SHARE * 100, rel=0.05)

    @pytest.mark.parametrize(
        ("what", "burst", "rate"),
        [
            ("RunTask", 98, 20),
            ("StopTask", STOP_BURST, STOP_RATE),
            ("DescribeTasks", 10, 9.8),
            ("ListTasks", 10, 9.8),
        ],
    )
    def test_calls_keep_to_their_rate(self, door, clock, what, burst, rate):
        """Adoption and the search for orphans keep to describe_rate as well."""
        assert door.drain(what) == burst
        clock.at += 100
        door.drain(what)
        clock.at += 1
        assert door.drain(what) == pytest.approx(rate, abs=1)
        at = door.calls.turn(door.lane(what), clock.at)
        assert clock.at < at <= clock.at + 1 / rate + 0.001

    def test_searches_use_what_followed_ecs_tasks_do_not_need(self, door, clock):
        """While no followed ECS task waits for DescribeTasks, searches have the whole rate."""
        door.drain("ListTasks")
        searched = 0
        for _ in range(1000):
            clock.at += 0.1
            searched += door.drain("ListTasks")
        assert searched == pytest.approx(9.8 * 100, rel=0.05)

    def test_there_is_a_connection_for_each_thread_that_calls(self, fakes, make_door):
        """botocore throws away connections beyond the size of its pool, and logs that."""
        door = make_door(launch_concurrency=7)
        sizes = dict(door.sizes)
        assert sizes.pop("build") == 1  # It does not call AWS.
        assert connections(fakes.make_config(launch_concurrency=7)) == sum(sizes.values())


class TestThrottles:
    @pytest.mark.parametrize(
        ("what", "slowed"),
        [
            ("RunTask", {"RunTask", "StopTask"}),
            ("StopTask", {"RunTask", "StopTask"}),
            ("DescribeTasks", {"DescribeTasks", "a search", "ListTasks"}),
            ("ListTasks", {"DescribeTasks", "a search", "ListTasks"}),
        ],
    )
    def test_what_aws_counts_together_slows_down_together(self, door, fakes, ecs, clock, what, slowed):
        """AWS has one limit for RunTask and StopTask, and one for DescribeTasks and ListTasks."""
        ecs.next(OPERATIONS[what], fakes.aws_error(*THROTTLED))
        door.meet(what, THROTTLED)
        assert {other for other in OF_ECS if not door.calls.admits(door.lane(other))} == slowed
        assert door.context.counters.throttles == 1
        clock.at += 60
        assert all(door.calls.admits(door.lane(other)) for other in OF_ECS)

    def test_throttling_is_logged_once(self, door, fakes, ecs, caplog):
        """Sixteen throttled calls that were under way together make one line, and the next one makes none."""
        ecs.next("run_task", *[fakes.aws_error(*THROTTLED) for _ in range(17)])
        for _ in range(16):
            door.ask("RunTask")
        door.bring_home()
        door.clock.at += 10
        door.meet("RunTask", THROTTLED)
        assert door.context.counters.throttles == 17
        assert len([r for r in caplog.records if "refuses calls" in r.getMessage()]) == 1


class TestCredentials:
    @pytest.mark.parametrize("what", ["RunTask", "StopTask", "DescribeTasks", "ListTasks"])
    def test_all_calls_that_use_them_wait_and_they_are_renewed(self, door, fakes, ecs, clock, what):
        """Whichever call is refused: adoption and searches renew credentials as launches do."""
        ecs.next(OPERATIONS[what], fakes.aws_error(*EXPIRED))
        door.meet(what, EXPIRED)
        assert ecs.renewed == 1
        assert not any(door.calls.admits(door.lane(other)) for other in OF_ECS)
        assert door.calls.admits(door.calls.logs)
        assert door.calls.turn(door.lane(what), clock.at) == clock.at + CREDENTIALS_BACK_OFF[0]
        clock.at += CREDENTIALS_BACK_OFF[0]
        assert all(door.calls.admits(door.lane(other)) for other in OF_ECS)

    def test_waits_grow_until_they_are_accepted(self, door, fakes, ecs, clock):
        """Up to the limit; calls that were under way together count once."""
        waits = []
        for _ in range(5):
            ecs.next("describe_tasks", fakes.aws_error(*EXPIRED), fakes.aws_error(*EXPIRED))
            door.ask("DescribeTasks")
            door.ask("a search")
            door.bring_home()
            waits.append(door.calls.watch.ready_at() - clock.at)
            clock.at += waits[-1]
        assert waits == [2, 4, 8, 15, 15]
        assert ecs.renewed == 5
        door.meet("RunTask", None)
        ecs.next("run_task", fakes.aws_error(*EXPIRED))
        door.meet("RunTask", EXPIRED)
        assert door.calls.launch.ready_at() - clock.at == 2

    def test_logs_have_credentials_of_their_own(self, door, fakes, ecs):
        """When a log cannot be read for want of them, calls to ECS go on; its client says where logs are."""
        door.log = mock.Mock(spec=lambda: "", side_effect=fakes.aws_error(*EXPIRED))
        assert door.meet("a log", EXPIRED).problem.verdict is Verdict.CREDENTIALS
        assert (door.context.logs.renew.call_count, ecs.renewed) == (1, 1)
        assert not door.calls.admits(door.calls.logs)
        assert all(door.calls.admits(door.lane(other)) for other in OF_ECS)


class TestCounts:
    @pytest.mark.parametrize(("what", "count"), [("DescribeTasks", 1), ("a search", 1), ("ListTasks", 0)])
    def test_each_describe_tasks_is_counted(self, door, what, count):
        """Including those of adoption and of the search for orphans."""
        door.meet(what, None)
        assert door.context.counters.describe_calls == count

    def test_malformed_items_are_counted(self, door, ecs, caplog):
        """A malformed item does not affect the others, and the first one is logged."""
        ecs.next("describe_tasks", {"tasks": [None, {"taskArn": 3}, {"taskArn": ARN}], "failures": ["x", {}]})
        assert len(door.meet("DescribeTasks", None).value.tasks) == 1
        door.meet("DescribeTasks", None)
        assert door.context.counters.malformed == 3
        assert len([r for r in caplog.records if "malformed" in r.getMessage()]) == 1
