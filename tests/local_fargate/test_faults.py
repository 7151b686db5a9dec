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

from collections import Counter

import pytest
from parameterized import parameterized
from tools.simulator.faults.source import FaultSource
from tools.simulator.faults.throttle import TokenBucket
from tools.simulator.settings import Settings


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def source(clock=None, **settings):
    return FaultSource(Settings.from_json(settings), clock or Clock())


def kinds(faults, operation, calls):
    plans = [faults.call(operation) for _ in range(calls)]
    return [plan.fault.kind if plan.fault else None for plan in plans]


class TestTokenBucket:
    def test_burst_then_rate(self):
        """The burst goes at once; after that a token comes every 1/rate seconds, and no more than fit."""
        clock = Clock()
        bucket = TokenBucket(rate=2, burst=3, clock=clock)
        assert [bucket.take() for _ in range(4)] == [True, True, True, False]
        clock.now += 0.49
        assert not bucket.take()
        clock.now += 0.01
        assert [bucket.take(), bucket.take()] == [True, False]
        clock.now += 1000
        assert [bucket.take() for _ in range(4)] == [True, True, True, False]


class TestCalls:
    def test_the_next_n_calls(self):
        """A fault with ``times`` strikes so often and then never."""
        faults = source(faults=[{"kind": "reset", "times": 2}])
        assert kinds(faults, "RunTask", 3) == ["reset", "reset", None]
        assert faults.strikes == {("reset", "*"): 2}

    def test_strikes_are_counted_by_kind_and_operation(self):
        """What struck one operation says nothing of another; a latency counts, too."""
        faults = source(
            faults=[{"kind": "slow", "operation": name} for name in ("RunTask", "StopTask")],
            latency={"*": 1, "StopTask": [2, 3]},
        )
        for operation in ("RunTask", "RunTask", "ListTasks", "StopTask"):
            faults.call(operation)
        faults.note("vcpu_quota")
        assert faults.strikes == {
            ("slow", "RunTask"): 2,
            ("slow", "StopTask"): 1,
            ("latency", "*"): 3,
            ("latency", "StopTask"): 1,
            ("vcpu_quota", "*"): 1,
        }

    def test_faults_are_tried_in_order(self):
        """The first that strikes is the call's fault."""
        faults = source(faults=[{"kind": "reset", "times": 1}, {"kind": "garbage", "times": 1}])
        assert kinds(faults, "RunTask", 3) == ["reset", "garbage", None]

    def test_only_the_named_operation(self):
        """Other operations neither meet the fault nor use it up."""
        faults = source(faults=[{"kind": "reset", "operation": "RunTask", "times": 1}])
        assert kinds(faults, "StopTask", 2) == [None, None]
        assert kinds(faults, "RunTask", 2) == ["reset", None]

    def test_faults_of_tasks_are_no_faults_of_calls(self):
        """A start failure waits for the next task."""
        faults = source(faults=[{"kind": "start_failure", "times": 1}, {"kind": "capacity", "times": 1}])
        assert kinds(faults, "RunTask", 1) == [None]
        assert faults.placement_failure()
        assert faults.placement_failure() is None
        assert faults.task().start_failure
        assert not faults.task().start_failure

    def test_probability_and_seed(self):
        """About so many are struck, and the same ones for the same seed."""
        settings = {"faults": [{"kind": "reset", "probability": 0.3}], "seed": 7}
        first, second = (kinds(source(**settings), "RunTask", 1000) for _ in range(2))
        assert first == second
        assert 250 < first.count("reset") < 350
        assert kinds(source(**settings | {"seed": 8}), "RunTask", 1000) != first

    @parameterized.expand([("never", 0, 0), ("always", 1, 50)])
    def test_certainties(self, _, probability, strikes):
        """Neither 0 nor 1 is a matter of luck."""
        faults = source(faults=[{"kind": "reset", "probability": probability}])
        assert kinds(faults, "RunTask", 50).count("reset") == strikes

    def test_a_bucket_is_shared(self):
        """The operations that a limit names draw on one bucket; others do not."""
        clock = Clock()
        faults = source(clock, rate_limits=[{"operations": ["RunTask", "StopTask"], "rate": 1, "burst": 2}])
        assert kinds(faults, "RunTask", 1) + kinds(faults, "StopTask", 2) == [None, None, "throttle"]
        assert kinds(faults, "ListTasks", 5) == [None] * 5
        clock.now += 1
        assert kinds(faults, "StopTask", 2) == [None, "throttle"]

    def test_a_throttled_call_uses_up_no_fault(self):
        """What AWS refuses at the door never gets as far as the fault; what a fault meets costs a token."""
        clock = Clock()
        faults = source(
            clock,
            rate_limits=[{"operations": ["RunTask"], "rate": 1, "burst": 1}],
            faults=[{"kind": "response_lost", "times": 2}],
        )
        assert kinds(faults, "RunTask", 2) == ["response_lost", "throttle"]
        clock.now += 1
        assert kinds(faults, "RunTask", 2) == ["response_lost", "throttle"]

    @parameterized.expand(
        [
            ("own", {"RunTask": 2, "*": 1}, "RunTask", 2),
            ("any", {"RunTask": 2, "*": 1}, "StopTask", 1),
            ("none", {"RunTask": 2}, "StopTask", 0),
        ]
    )
    def test_latency(self, _, latency, operation, delay):
        """An operation's own latency goes before the one for all."""
        assert source(latency=latency).call(operation).delay == delay


class TestReplacing:
    def test_what_did_not_change_keeps_its_place(self):
        """Another setting neither refills a bucket nor counts a fault anew."""
        settings = Settings.from_json(
            {
                "rate_limits": [{"operations": ["StopTask"], "rate": 0, "burst": 1}],
                "faults": [{"kind": "reset", "operation": "RunTask", "times": 1}],
            }
        )
        faults = FaultSource(settings, Clock())
        assert kinds(faults, "RunTask", 1) + kinds(faults, "StopTask", 1) == ["reset", None]
        faults.replace(Settings.from_json({"missing_for": 1}, settings))
        assert kinds(faults, "RunTask", 1) + kinds(faults, "StopTask", 1) == [None, "throttle"]

    def test_new_faults_count_anew(self):
        """Other faults begin with all their strikes."""
        faults = source(faults=[{"kind": "reset", "times": 1}])
        kinds(faults, "RunTask", 1)
        faults.replace(Settings.from_json({"faults": [{"kind": "garbage", "times": 1}]}))
        assert kinds(faults, "RunTask", 2) == ["garbage", None]


class TestTasks:
    def test_times_are_drawn_between_the_bounds(self):
        """Each task has its own, the same for the same seed."""
        settings = {"provisioning_time": [1, 2], "pretend": {"duration": [3, 4]}, "seed": 1}
        first, second = (
            [source.task() for _ in range(20)] for source in (source(**settings), source(**settings))
        )
        assert first == second
        assert all(1 <= plan.provisioning <= 2 and 3 <= plan.pretended_duration <= 4 for plan in first)
        assert len({plan.provisioning for plan in first}) == 20

    def test_exit_codes_by_weight(self):
        """A code comes up as often as its weight says."""
        faults = source(pretend={"exit_codes": {"0": 3, "9": 1}}, seed=1)
        counts = Counter(faults.task().pretended_exit_code for _ in range(1000))
        assert counts.keys() == {0, 9}
        assert 200 < counts[9] < 300

    @pytest.mark.parametrize("kind", ["spot_interruption", "maintenance", "out_of_memory"])
    def test_interruptions(self, kind):
        """An interruption comes with its time."""
        plan = source(faults=[{"kind": kind, "after": 5}]).task()
        assert (plan.interruption.kind, plan.interruption_after) == (kind, 5)
