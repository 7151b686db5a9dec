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
How many calls of each kind may be made, and how soon.

Token buckets, which know nothing of AWS; the credentials that calls share; and lanes, which join them for the
calls of one kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.context import Context, DaemonPool
    from airflow.executors.fargate.fleet.launch_state import Run

#: Seconds; first wait and limit, when credentials are refused.
CREDENTIALS_BACK_OFF = 2.0, 15.0

# When AWS throttles, the rate drops and grows again by the cubic function of RFC 9438 (section 4): fast
# at first, slowly near the rate that was throttled, and fast beyond it. Rates are calls a second.
#: Share of the rate that remains. With the RFC's 0.7 (4.6) AWS would refuse more calls until the rate fits.
REMAINDER = 0.3
#: The RFC's constant C (section 5): growth of the rate, in calls a second, for each cubed second.
GROWTH = 0.4
#: Calls a second that are admitted however often AWS throttles.
SLOWEST_RATE = 0.5

#: Tokens that suffice for a call. A little less than 1, since the time that ready_at() returns is rounded:
#: with a clock that has run for months and a high rate, a fraction of the token would be missing at that
#: time. A call takes 1 nevertheless, so the rate holds.
WHOLE = 1 - 1e-5


class TokenBucket:
    """
    Admits ``burst`` calls at once and then ``rate`` calls a second; fewer for a while once AWS has throttled.

    :param rate: tokens added in a second.
    :param burst: the most tokens that the bucket holds.
    :param clock: returns monotonic seconds.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._refilled_at = clock()
        #: When AWS throttled last; None once the full rate is back.
        self._slowed_at: float | None = None
        #: The rate at that time.
        self._too_high = rate

    def take(self) -> bool:
        """Take a token; return False if there is none."""
        self._refill()
        if self._tokens < WHOLE:
            return False
        self._tokens -= 1
        return True

    def ready_at(self) -> float:
        """Return when there is a token, by the clock: now, if there is one."""
        self._refill()
        if self._tokens >= WHOLE:
            return self._refilled_at
        return self._refilled_at + (1 - self._tokens) / self.rate_at(self._refilled_at)

    @property
    def is_slow(self) -> bool:
        """Whether the rate is lower than configured, since AWS has throttled calls."""
        self._refill()
        return self._slowed_at is not None

    def rate_at(self, moment: float) -> float:
        """Return how many calls a second are admitted at this time, by the clock."""
        if self._slowed_at is None:
            return self._rate
        inflection: float = (self._too_high * (1 - REMAINDER) / GROWTH) ** (1 / 3)
        growing: float = GROWTH * (moment - self._slowed_at - inflection) ** 3 + self._too_high
        return min(self._rate, max(SLOWEST_RATE, growing))

    def slow_down(self, called_at: float) -> bool:
        """
        Lower the rate, since AWS has throttled a call.

        Calls that were under way at the same time lower it once.

        :param called_at: when the call was made, by the clock.
        :return: whether the rate was lowered.
        """
        if self._slowed_at is not None and called_at <= self._slowed_at:
            return False
        self._refill()
        self._too_high, self._slowed_at = self.rate_at(self._refilled_at), self._refilled_at
        self._tokens = min(self._tokens, 0.0)
        return True

    def _refill(self) -> None:
        now = self._clock()
        # While the rate grows, that at the start of the interval: never more tokens than the curve allows.
        tokens = self._tokens + (now - self._refilled_at) * self.rate_at(self._refilled_at)
        rate = self.rate_at(now)
        if rate >= self._rate:
            self._slowed_at = None
        burst = self._burst if self._slowed_at is None else min(self._burst, max(1.0, rate))
        self._tokens = min(burst, tokens)
        self._refilled_at = now


class Credentials:
    """
    The credentials that lanes share: while AWS refuses them, all calls of these lanes wait.

    :param context: the clock and random numbers.
    :param renew: each lets the next call make a new client, with the credentials of that time.
    """

    def __init__(self, context: Context, *renew: Callable[[], None]) -> None:
        self._renew = renew
        self._context = context
        self._refusals = 0  # in a row
        #: Why AWS refuses them; empty while it accepts them.
        self.refusal = ""
        self.paused_until = context.clock()

    def accept(self) -> None:
        """Note that AWS has accepted them."""
        self._refusals, self.refusal = 0, ""

    def refuse(self, reason: str) -> bool:
        """
        Renew them and pause calls; calls that were under way at the same time do so once.

        :return: whether this was the first refusal in a row.
        """
        self.refusal = reason
        now = self._context.clock()
        if now < self.paused_until:
            return False
        self._refusals += 1
        for renew in self._renew:
            renew()
        self.paused_until = now + self._context.back_off(CREDENTIALS_BACK_OFF, self._refusals)
        return self._refusals == 1


@dataclass(eq=False)
class Lane:
    """
    Calls of one kind.

    :param pool: makes the calls.
    :param most: the most calls that may be under way.
    :param buckets: a call takes a token of each.
    :param credentials: None if the calls do not go to AWS.
    :param counted_with: buckets of other calls that AWS counts together with these: they slow down together.
    :param shares_with: another lane with the same bucket.
    :param share: that of the buckets which limits this lane only while calls of ``shares_with`` wait.
    """

    pool: DaemonPool
    most: int
    buckets: tuple[TokenBucket, ...] = ()
    credentials: Credentials | None = None
    counted_with: tuple[TokenBucket, ...] = ()
    shares_with: Lane | None = None
    share: TokenBucket | None = None
    #: The runs of each call that is under way.
    under_way: list[Sequence[Run]] = field(default_factory=list)
    #: Whether a call is due that is not admitted yet.
    is_waiting: bool = False
    #: Whether the last call was throttled, which is logged once.
    throttled: bool = False

    def ready_at(self) -> float:
        """Return when a call is admitted, by the clock; not in the future if it is now."""
        must_share = self.shares_with is not None and self.shares_with.is_waiting
        turns = [bucket.ready_at() for bucket in self.buckets if must_share or bucket is not self.share]
        if self.credentials:
            turns.append(self.credentials.paused_until)
        return max(turns, default=0.0)

    @property
    def runs(self) -> list[Run]:
        """The runs that wait for an answer."""
        return [run for runs in self.under_way for run in runs]

    def take(self, runs: Sequence[Run]) -> None:
        """Note that a call for these runs begins."""
        self.under_way.append(runs)
        for bucket in self.buckets:
            bucket.take()

    def slow_down(self, called_at: float) -> bool:
        """Lower the rate, since AWS has throttled a call made at that time; return whether to log it."""
        first, self.throttled = not self.throttled, True
        # A list: each bucket slows down, whatever the ones before it return.
        slowed = [bucket.slow_down(called_at) for bucket in (*self.buckets, *self.counted_with)]
        return any(slowed) and first
