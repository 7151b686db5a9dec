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
"""How long a launch may be sent after Airflow's database has confirmed that it is wanted."""

from __future__ import annotations

from collections.abc import Callable


class NotConfirmed(Exception):
    """A call was not made, since its launch was not confirmed lately."""


class Lease:
    """
    Tells whether a launch was confirmed lately enough to be sent; any thread may ask.

    A process that was stopped, or whose host was suspended, goes on where it was, while another scheduler has launched its
    task instances. One clock stands still meanwhile and the other may be set back, so the one that says more counts.

    :param seconds: how long a confirmation counts; None for ever, where there is no scheduler that could be taken for dead.
    :param clock: seconds, never going backwards, which may stand still while the host is suspended.
    :param now: seconds since the epoch, which may jump.
    """

    def __init__(self, seconds: float | None, clock: Callable[[], float], now: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._now = now

    def begin(self) -> tuple[float, float]:
        """Return the moment, by both clocks."""
        return self._clock(), self._now()

    def holds(self, confirmed: tuple[float, float]) -> bool:
        """Tell whether what was confirmed at that moment may still be sent."""
        return not self.is_over(confirmed)

    def is_over(self, confirmed: tuple[float, float]) -> bool:
        """Tell whether what was confirmed at that moment must be confirmed again."""
        if self._seconds is None:
            return False
        at, told = confirmed
        return max(self._clock() - at, self._now() - told) > self._seconds
