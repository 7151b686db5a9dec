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
"""Tests of the token bucket, with a clock that only the tests move."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from airflow.executors.fargate.fleet.throttle import TokenBucket


def drain(bucket):
    """Take tokens until there are none; return how many there were."""
    return sum(1 for _ in itertools.takewhile(lambda _: bucket.take(), range(10_000)))


class TestTokenBucket:
    def test_admits_a_burst_and_then_nothing(self, clock):
        """A new bucket has as many tokens as the burst."""
        bucket = TokenBucket(rate=20, burst=100, clock=clock)
        assert drain(bucket) == 100
        assert not bucket.take()

    @pytest.mark.parametrize(("seconds", "tokens"), [(0.04, 0), (0.05, 1), (4.99, 99), (3600, 100)])
    def test_tokens_come_back_at_the_rate_and_up_to_the_burst(self, seconds, tokens, clock):
        """An empty bucket fills at its rate, and is full at its burst."""
        bucket = TokenBucket(rate=20, burst=100, clock=clock)
        drain(bucket)
        clock.at += seconds
        assert drain(bucket) == tokens

    @pytest.mark.parametrize("step", [0.013, 0.7])
    def test_never_admits_more_than_burst_and_rate_allow(self, step, clock):
        """However often calls are made, no more are admitted than burst and rate allow."""
        bucket = TokenBucket(rate=20, burst=100, clock=clock)
        begin, admitted = clock.at, 0
        for _ in range(2000):
            admitted += drain(bucket)
            assert admitted <= 100 + (clock.at - begin) * 20 + 0.001
            clock.at += step
        assert admitted >= min(100 + (clock.at - begin) * 20, 100 + 2000 * 100) - 100

    @pytest.mark.parametrize("rate", [0.3, 7, 1000 / 3])
    def test_there_is_a_token_at_ready_at(self, rate, clock):
        """At ``ready_at`` there is a token, and none before, so a caller waits only once."""
        bucket = TokenBucket(rate=rate, burst=5, clock=clock)
        drain(bucket)
        for _ in range(1000):
            promised = bucket.ready_at()
            assert promised > clock.at
            clock.at += (promised - clock.at) * 0.99
            assert not bucket.take()
            clock.at = promised
            assert bucket.take()

    @pytest.mark.parametrize("rate", [0.3, 20.0, 1000.0])
    @pytest.mark.parametrize("began", [0.0, 1e7])
    def test_take_and_ready_at_agree_at_any_moment(self, rate, began, clock):
        """There is a token exactly if ``ready_at`` is not in the future."""
        clock.at = began
        bucket = TokenBucket(rate=rate, burst=1, clock=clock)
        admitted = 0
        random = Random(1)
        for _ in range(3000):
            promised = bucket.ready_at()
            assert [bucket.ready_at() for _ in range(3)] == [promised] * 3
            taken = bucket.take()
            assert taken == (promised <= clock.at)
            admitted += taken
            clock.at = max(clock.at, bucket.ready_at() - random.choice([0.0, 0.0, 1e-12, 1e-9, 1e-7, 1e-3]))
        assert admitted <= 1 + (clock.at - began) * rate + 0.01

    def test_is_ready_now_if_there_is_a_token(self, clock):
        """``ready_at`` is not in the future if there is a token."""
        assert TokenBucket(rate=1, burst=1, clock=clock).ready_at() <= clock.at


class TestThrottledBucket:
    """After AWS has throttled; see RFC 9438, section 4, for the curve."""

    @pytest.fixture
    def bucket(self, clock):
        return TokenBucket(rate=20, burst=100, clock=clock)

    def slowed(self, bucket, clock):
        """Throttle a call made now, which is after the last throttled one."""
        clock.at += 0.001
        return bucket.slow_down(clock.at)

    def test_lowers_the_rate_and_empties_the_bucket(self, bucket, clock):
        """One throttled call lowers the rate to three tenths, and takes away the burst."""
        assert self.slowed(bucket, clock)
        assert bucket.rate_at(clock.at) == pytest.approx(6)
        assert not bucket.take()

    def test_calls_that_were_under_way_together_count_once(self, bucket, clock):
        """Of sixteen throttled calls that were under way together, only the first lowers the rate."""
        calls = [clock.at + number / 100 for number in range(16)]
        clock.at += 0.2
        assert [bucket.slow_down(call) for call in calls] == [True] + [False] * 15
        assert bucket.rate_at(clock.at) == pytest.approx(6)

    def test_never_slower_than_the_slowest(self, bucket, clock):
        """However long AWS throttles, a call is admitted every two seconds."""
        for _ in range(100):
            self.slowed(bucket, clock)
        assert bucket.rate_at(clock.at) == 0.5
        assert bucket.ready_at() - clock.at <= 2

    @pytest.mark.parametrize("refusals", [1, 10])
    def test_is_back_at_full_speed_soon(self, bucket, clock, refusals):
        """If AWS throttles no more, the full rate is back within six seconds; then the burst fills up."""
        for _ in range(refusals):
            self.slowed(bucket, clock)
        clock.at += 6
        assert bucket.rate_at(clock.at) == 20
        bucket.take()
        clock.at += 5
        assert drain(bucket) == 100

    def test_a_storm_is_met_with_few_calls(self, bucket, clock):
        """If AWS throttles nine of ten calls for 90 seconds, fewer than a hundred are throttled."""
        storm, number, refused = clock.at + 90, 0, 0
        while clock.at < storm:
            clock.at = max(clock.at, bucket.ready_at())
            if bucket.take():
                called_at, number = clock.at, number + 1
                clock.at += 0.001
                if number % 10:
                    refused += 1
                    bucket.slow_down(called_at)
        assert 20 < refused < 100

    def test_settles_below_a_limit_that_others_share(self, bucket, clock):
        """If AWS admits ten calls a second, most of these are used, and few calls are throttled."""
        admitted = refused = 0
        limit = TokenBucket(rate=10, burst=10, clock=clock)
        while limit.take():
            pass
        end = clock.at + 600
        while clock.at < end:
            clock.at = max(clock.at + 1e-6, bucket.ready_at())
            if bucket.take():
                if limit.take():
                    admitted += 1
                else:
                    refused += 1
                    bucket.slow_down(clock.at)
        assert admitted > 0.8 * 6000
        assert refused < 0.05 * admitted

    def test_there_is_a_token_at_ready_at(self, bucket, clock):
        """Also while the rate grows."""
        self.slowed(bucket, clock)
        for _ in range(200):
            clock.at = max(clock.at, bucket.ready_at())
            assert bucket.take()
