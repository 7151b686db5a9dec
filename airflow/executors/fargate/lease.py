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
"""For how long a launch may be sent after Airflow's database has confirmed that it is wanted."""

from __future__ import annotations

from collections.abc import Callable


class Lease:
    """
    Tells whether the confirmation of a launch is recent enough to send the launch. Any thread may use it.

    Another scheduler may take over the task instances of a scheduler that was stopped, or whose host was
    suspended, so an old confirmation does not count. Meanwhile one clock may have stood still, and the other
    may have been set back: the larger of the two differences counts.

    :param seconds: how long a confirmation is valid; None for ever, where no other scheduler could take over.
    :param clock: seconds, never going backwards; may stand still while the host is suspended.
    :param now: seconds since the epoch; may jump.
    """

    def __init__(self, seconds: float | None, clock: Callable[[], float], now: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._now = now

    def begin(self) -> tuple[float, float]:
        """Return the present moment by both clocks."""
        return self._clock(), self._now()

    def is_valid(self, confirmed: tuple[float, float]) -> bool:
        """Tell whether a launch that was confirmed at this moment may still be sent."""
        if self._seconds is None:
            return True
        by_clock, by_now = confirmed
        return max(self._clock() - by_clock, self._now() - by_now) <= self._seconds
