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
"""How fast and how soon, under a clock that stands still until a test moves it."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from airflow.executors.fargate.fleet.throttle import BackOff, TokenBucket


def drain(bucket):
    """Take tokens until there are none; return how many there were."""
    return sum(1 for _ in itertools.takewhile(lambda _: bucket.take(), range(10_000)))


class TestTokenBucket:
    def test_admits_a_burst_and_then_nothing(self, clock):
        """At the beginning there are as many tokens as the burst, and not one more."""
        bucket = TokenBucket(rate=20, burst=100, clock=clock)
        assert drain(bucket) == 100
        assert not bucket.take()

    @pytest.mark.parametrize(
        ("seconds", "tokens"), [(0.04, 0), (0.05, 1), (0.5, 10), (1, 20), (4.99, 99), (5, 100), (3600, 100)]
    )
    def test_tokens_come_back_at_the_rate_and_up_to_the_burst(self, seconds, tokens, clock):
        """An empty bucket fills at its rate, and is full at its burst."""
        bucket = TokenBucket(rate=20, burst=100, clock=clock)
        drain(bucket)
        clock.at += seconds
        assert drain(bucket) == tokens

    @pytest.mark.parametrize("step", [0.001, 0.013, 0.1, 0.7])
    def test_never_admits_more_than_burst_and_rate_allow(self, step, clock):
        """However often it is asked, no more is admitted than the burst and the rate of the time that has passed."""
        bucket = TokenBucket(rate=20, burst=100, clock=clock)
        begin, admitted = clock.at, 0
        for _ in range(2000):
            admitted += drain(bucket)
            assert admitted <= 100 + (clock.at - begin) * 20 + 0.001
            clock.at += step
        assert admitted >= min(100 + (clock.at - begin) * 20, 100 + 2000 * 100) - 100

    @pytest.mark.parametrize("rate", [0.3, 1, 3, 7, 20, 1000 / 3])
    def test_token_is_there_when_it_was_promised(self, rate, clock):
        """Whoever waits until ``ready_at`` finds a token then, and no moment earlier; so nobody waits in circles."""
        bucket = TokenBucket(rate=rate, burst=5, clock=clock)
        drain(bucket)
        for _ in range(1000):
            promised = bucket.ready_at()
            assert promised > clock.at
            clock.at += (promised - clock.at) * 0.99
            assert not bucket.take()
            clock.at = promised
            assert bucket.take()

    @pytest.mark.parametrize("rate", [0.1, 0.3, 0.7, 7.0, 20.0, 1000.0])
    @pytest.mark.parametrize("began", [0.0, 1000.0, 32654.7, 3e6, 1e7])
    def test_says_the_same_in_both_ways_at_any_moment(self, rate, began, clock):
        """A token is there or it is promised for later: nobody is told to come back now, and finds none."""
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

    def test_promises_no_time_to_come_where_there_is_a_token(self, clock):
        """With a token there, nobody has to wait."""
        assert TokenBucket(rate=1, burst=1, clock=clock).ready_at() <= clock.at

    def test_admits_nothing_while_it_is_paused(self, clock):
        """After AWS asked for fewer calls, nothing is admitted for a while, whatever tokens there are."""
        bucket = TokenBucket(rate=20, burst=100, clock=clock)
        bucket.pause(10)
        assert bucket.paused
        assert not bucket.take()
        assert bucket.ready_at() == clock.at + 10
        clock.at += 9.99
        assert not bucket.take()
        clock.at += 0.01
        assert not bucket.paused
        assert bucket.take()

    @pytest.mark.parametrize(("first", "second", "ends"), [(10, 2, 10), (10, 20, 20), (10, 0, 10), (0, 0, 0)])
    def test_pause_is_never_cut_short(self, first, second, ends, clock):
        """Of two pauses the one that ends later counts."""
        bucket = TokenBucket(rate=20, burst=100, clock=clock)
        bucket.pause(first)
        bucket.pause(second)
        assert bucket.ready_at() == clock.at + ends

    def test_waits_for_the_later_of_pause_and_token(self, clock):
        """An empty bucket that is paused promises the later of both times."""
        bucket = TokenBucket(rate=0.1, burst=1, clock=clock)
        bucket.take()
        bucket.pause(3)
        assert bucket.ready_at() == pytest.approx(clock.at + 10)
        bucket.pause(30)
        assert bucket.ready_at() == clock.at + 30

    def test_tokens_come_back_during_a_pause(self, clock):
        """A pause stops the calls, not the refill: AWS's own bucket fills up too."""
        bucket = TokenBucket(rate=1, burst=5, clock=clock)
        drain(bucket)
        bucket.pause(5)
        clock.at += 5
        assert drain(bucket) == 5


class TestThrottledBucket:
    """What AWS's throttling does to the bucket; see RFC 9438, section 4, for the curve."""

    @pytest.fixture
    def bucket(self, clock):
        return TokenBucket(rate=20, burst=100, clock=clock)

    def slowed(self, bucket, clock):
        """Throttle a call made now; a call is made at a later time than the throttling before it."""
        clock.at += 0.001
        return bucket.slow_down(clock.at)

    def test_lowers_the_rate_and_empties_the_bucket(self, bucket, clock):
        """One refusal leaves three tenths of the rate, and takes the burst away."""
        assert self.slowed(bucket, clock)
        assert bucket.rate == pytest.approx(6)
        assert not bucket.take()

    def test_calls_that_were_under_way_together_count_once(self, bucket, clock):
        """Sixteen refusals of calls that were made before the first of them slow down no further."""
        calls = [clock.at + number / 100 for number in range(16)]
        clock.at += 0.2
        assert [bucket.slow_down(call) for call in calls] == [True] + [False] * 15
        assert bucket.rate == pytest.approx(6)

    def test_never_slower_than_the_slowest(self, bucket, clock):
        """However long AWS throttles, a call goes out every two seconds, to find out."""
        for _ in range(100):
            self.slowed(bucket, clock)
        assert bucket.rate == 0.5
        assert bucket.ready_at() - clock.at <= 2

    @pytest.mark.parametrize("refusals", [1, 2, 10])
    def test_is_back_at_full_speed_soon(self, bucket, clock, refusals):
        """Without further refusals the full rate is back within six seconds, and then the burst fills up."""
        for _ in range(refusals):
            self.slowed(bucket, clock)
        clock.at += 6
        assert bucket.rate == 20
        bucket.take()
        clock.at += 5
        assert drain(bucket) == 100

    def test_a_storm_is_met_with_few_calls(self, bucket, clock):
        """While AWS refuses nine of ten calls for 90 seconds, fewer than a hundred are refused."""
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
        """Where AWS admits ten a second, most of that is used, and few calls are refused."""
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

    def test_token_is_there_when_it_was_promised(self, bucket, clock):
        """Also while the rate grows, whoever waits until ``ready_at`` finds a token then."""
        self.slowed(bucket, clock)
        for _ in range(200):
            clock.at = max(clock.at, bucket.ready_at())
            assert bucket.take()


class TestBackOff:
    @pytest.mark.parametrize(
        ("repetition", "least", "most"),
        [
            (1, 1, 2),
            (2, 2, 4),
            (3, 4, 8),
            (4, 8, 16),
            (5, 15, 30),
            (6, 15, 30),
            (1000, 15, 30),
            (10**9, 15, 30),
        ],
    )
    def test_doubles_up_to_its_limit_and_half_of_it_is_random(self, repetition, least, most):
        """Each wait is between half and all of its full length, which doubles each time up to the limit."""
        assert BackOff(2, 30, lambda: 0.0)(repetition) == least
        assert BackOff(2, 30, lambda: 0.5)(repetition) == (least + most) / 2
        assert BackOff(2, 30, lambda: 1.0)(repetition) == most

    def test_asks_for_a_new_random_number_each_time(self):
        """Launches that failed together do not come back together."""
        numbers = iter([0.0, 1.0])
        back_off = BackOff(2, 30, lambda: next(numbers))
        assert [back_off(1), back_off(1)] == [1, 2]

    def test_limit_below_the_first_wait_counts(self):
        """Nothing is ever longer than the limit."""
        assert BackOff(10, 3, lambda: 1.0)(1) == 3
