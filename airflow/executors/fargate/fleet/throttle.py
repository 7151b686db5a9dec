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
"""How fast and how soon: a token bucket and a back-off; clock and randomness come in from outside."""

from __future__ import annotations

from collections.abc import Callable

#: How the rate falls when AWS throttles, and comes back: the cubic of RFC 9438 (section 4), which stays long near
#: the rate that was too high and leaves it soon where it no longer is. Rates are calls a second.
#: The share of the rate that is taken away: 1 - 0.7, since the RFC's multiplicative decrease factor is what is left (4.6).
DECREASE = 0.3
#: The RFC's C (5): by how much the rate grows with the cube of the seconds, in calls a second.
GROWTH = 0.4
#: Calls a second that are admitted however often AWS throttles.
SLOWEST_RATE = 0.5

#: What counts as a token: a caller that waits until ready_at() must find its own there, though a clock that has run for
#: months and a high rate leave the quotient of both inexact. What is taken is 1, so that nothing is given away.
WHOLE = 1 - 1e-5


class TokenBucket:
    """
    Admits ``burst`` calls at once and ``rate`` a second after that; fewer for a while where AWS throttles.

    :param rate: tokens that come back in a second.
    :param burst: tokens that there are at most.
    :param clock: seconds, never going backwards.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._at = clock()
        self._paused_until = self._at
        #: When AWS throttled last, and the rate that was too high then; None where that is overcome.
        self._slowed_at: float | None = None
        self._too_high = rate

    def take(self) -> bool:
        """Take a token, if there is one now."""
        self._refill()
        if self.paused or self._tokens < WHOLE:
            return False
        self._tokens -= 1
        return True

    def ready_at(self) -> float:
        """Return the time from which on there is a token: in the past, where there is one now."""
        self._refill()
        if self._tokens >= WHOLE:
            return self._paused_until
        return max(self._at + (1 - self._tokens) / self.rate, self._paused_until)

    @property
    def is_slow(self) -> bool:
        """Whether fewer calls are admitted than the rate says, since AWS has throttled some."""
        self._refill()
        return self._slowed_at is not None

    @property
    def rate(self) -> float:
        """Calls a second that are admitted at the moment."""
        return self._rate_at(self._clock())

    def _rate_at(self, moment: float) -> float:
        if self._slowed_at is None:
            return self._rate
        inflection: float = (self._too_high * (1 - DECREASE) / GROWTH) ** (1 / 3)
        growing: float = GROWTH * (moment - self._slowed_at - inflection) ** 3 + self._too_high
        return min(self._rate, max(SLOWEST_RATE, growing))

    def slow_down(self, called_at: float) -> bool:
        """
        Admit fewer calls, since AWS has throttled one.

        :param called_at: when it was made; calls that were under way together count once.
        :return: whether this was the first of them.
        """
        if self._slowed_at is not None and called_at <= self._slowed_at:
            return False
        self._refill()
        self._too_high, self._slowed_at = self.rate, self._clock()
        self._tokens = min(self._tokens, 0.0)
        return True

    @property
    def paused(self) -> bool:
        """Whether nothing is admitted at the moment, whatever tokens there are."""
        return self._clock() < self._paused_until

    def pause(self, seconds: float) -> None:
        """Admit nothing for so long, counted from now; an ongoing pause is never cut short."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _refill(self) -> None:
        now = self._clock()
        # The rate of the beginning, while it grows: never more than the curve allows.
        tokens = self._tokens + (now - self._at) * self._rate_at(self._at)
        rate = self._rate_at(now)
        if rate >= self._rate:
            self._slowed_at = None
        burst = self._burst if self._slowed_at is None else min(self._burst, max(1.0, rate))
        self._tokens = min(burst, tokens)
        self._at = now


class BackOff:
    """
    Seconds to wait before the next try: doubled each time, up to a limit, and spread at random.

    :param first: seconds before the first repetition.
    :param limit: seconds that are never exceeded.
    :param random: returns a number from 0 to 1.
    """

    def __init__(self, first: float, limit: float, random: Callable[[], float]) -> None:
        self._first = first
        self._limit = limit
        self._random = random

    def __call__(self, repetition: int) -> float:
        """Return the seconds to wait before a repetition, the first of which is 1; half of it is random."""
        # The exponent is bounded so that a thousandth repetition does not overflow.
        full = min(self._limit, self._first * 2.0 ** min(repetition - 1, 30))
        return full * (0.5 + 0.5 * self._random())
