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
"""More on what ``test_calls.py`` tests."""

from __future__ import annotations

from unittest import mock

import pytest

from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.fleet.calls import (
    STOP_BURST,
    STOP_RATE,
    connections,
)

from tests.executors.fargate.test_calls import (
    ARN,
    EXPIRED,
    OF_ECS,
    OPERATIONS,
    THROTTLED,
    Door,
    door,
    make_door,
)


class TestThereAndBack:
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
