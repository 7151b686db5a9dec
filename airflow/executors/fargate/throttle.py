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


class TokenBucket:
    """
    Admits ``burst`` calls at once and ``rate`` a second after that.

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

    def take(self) -> bool:
        """Take a token, if there is one now."""
        self._refill()
        if self.paused or self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def ready_at(self) -> float:
        """Return the time from which on there is a token: in the past, where there is one now."""
        self._refill()
        if self._tokens >= 1:
            return self._paused_until
        return max(self._at + (1 - self._tokens) / self._rate, self._paused_until)

    @property
    def paused(self) -> bool:
        """Whether nothing is admitted at the moment, whatever tokens there are."""
        return self._clock() < self._paused_until

    def pause(self, seconds: float) -> None:
        """Admit nothing for so long, counted from now; an ongoing pause is never cut short."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _refill(self) -> None:
        now = self._clock()
        # A hair more than the quotient: a caller that waits until ready_at() must find its token there.
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate + 1e-9)
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
        full = min(self._limit, self._first * 2 ** min(repetition - 1, 30))
        return full * (0.5 + 0.5 * self._random())
