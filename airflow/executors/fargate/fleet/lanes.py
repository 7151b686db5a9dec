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
"""Lanes: how many calls of a kind may be made, and how soon; and the credentials that lanes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airflow.executors.fargate.fleet.throttle import BackOff, TokenBucket

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.pool import Result

#: Seconds; first wait and limit, when credentials are refused.
CREDENTIALS_BACK_OFF = 2.0, 15.0


class Pool(Protocol):
    """Makes calls on threads; see :class:`~airflow.executors.fargate.fleet.pool.DaemonPool`."""

    def submit(self, call: Callable[[], Any], then: Callable[[Result], None]) -> None:
        """Make the call and pass its result to ``then``."""


class Credentials:
    """
    The credentials that lanes share: while AWS refuses them, all calls of these lanes wait.

    :param renew: lets the next call make a new client, with the credentials of that time.
    :param clock: returns monotonic seconds.
    :param random: returns a number from 0 to 1.
    """

    def __init__(
        self, renew: Callable[[], None], clock: Callable[[], float], random: Callable[[], float]
    ) -> None:
        self._renew = renew
        self._clock = clock
        self._back_off = BackOff(*CREDENTIALS_BACK_OFF, random)
        self._refusals = 0  # in a row
        #: Why AWS refuses them; empty while it accepts them.
        self.refusal = ""
        self.paused_until = clock()

    def accept(self) -> None:
        """Note that AWS has accepted them."""
        self._refusals, self.refusal = 0, ""

    def refuse(self, reason: str) -> bool:
        """
        Renew them and pause calls; calls that were under way at the same time do so once.

        :return: whether this was the first refusal in a row.
        """
        self.refusal = reason
        if self._clock() < self.paused_until:
            return False
        self._refusals += 1
        self._renew()
        self.paused_until = self._clock() + self._back_off(self._refusals)
        return self._refusals == 1


@dataclass(eq=False)
class Lane:
    """
    Calls of one kind.

    :param pool: makes the calls.
    :param most: the most calls that may be under way.
    :param buckets: a call takes a token of each.
    :param counted_with: buckets of other calls that AWS counts together with these: they slow down together.
    :param credentials: None if the calls do not go to AWS.
    :param shares_with: another lane with the same bucket.
    :param share: limits the calls of this lane while calls of ``shares_with`` wait.
    """

    pool: Pool
    most: int
    buckets: tuple[TokenBucket, ...] = ()
    counted_with: tuple[TokenBucket, ...] = ()
    credentials: Credentials | None = None
    shares_with: Lane | None = None
    share: TokenBucket | None = None
    under_way: int = 0
    #: Whether a call is due that is not admitted yet.
    is_waiting: bool = False
    #: Whether the last call was throttled, which is logged once.
    throttled: bool = False

    @property
    def is_full(self) -> bool:
        """Whether as many calls as possible are under way."""
        return self.under_way >= self.most

    @property
    def is_slow(self) -> bool:
        """Whether the rate is lower than configured, since AWS has throttled calls."""
        return any(bucket.is_slow for bucket in self.buckets)

    def ready_at(self) -> float:
        """Return when a call is admitted, by the clock; not in the future if it is now."""
        turns = [bucket.ready_at() for bucket in self.buckets]
        if self.share and self.shares_with and self.shares_with.is_waiting:
            turns.append(self.share.ready_at())
        if self.credentials:
            turns.append(self.credentials.paused_until)
        return max(turns, default=0.0)

    def take(self) -> None:
        """Note that a call begins."""
        self.under_way += 1
        for bucket in self._all_buckets():
            bucket.take()

    def slow_down(self, called_at: float) -> bool:
        """Lower the rate, since AWS has throttled a call made at that time; return whether to log it."""
        first, self.throttled = not self.throttled, True
        # A list: each bucket slows down, whatever the ones before it return.
        slowed = [bucket.slow_down(called_at) for bucket in (*self._all_buckets(), *self.counted_with)]
        return any(slowed) and first

    def _all_buckets(self) -> tuple[TokenBucket, ...]:
        return (*self.buckets, self.share) if self.share else self.buckets
