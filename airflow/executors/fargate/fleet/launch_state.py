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
"""What the fleet remembers of one launch, and queues of launches: by time, and by priority."""

from __future__ import annotations

import bisect
import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.verdict import Outcome
    from airflow.executors.fargate.fleet.capacity_queue import Kind, Size
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.request.builder import Prepared

#: Seconds of its life that a token must have left when an attempt begins: an ECS task takes that long to
#: start.
MIN_TOKEN_LIFE = 60.0
#: How often handling a launch, or the result of a search, may raise before the fleet gives it up.
MAX_FAULTS = 2


@dataclass(eq=False)
class Run:
    """
    The state of one launch, from its hand-over to its end; only the fleet's thread uses it.

    Times are seconds by the fleet's clock, which never goes backwards and shows no time of day.
    """

    launch: Launch
    #: Its place in the order in which the fleet got its launches; no two have the same.
    order: int = field(default_factory=itertools.count().__next__)
    #: The frozen request; None before it is made, once its ECS task has started, and for an adopted ECS task.
    prepared: Prepared | None = None
    container_name: str = ""
    cluster: str = ""
    #: How many attempts that count have begun.
    attempt: int = 0
    #: ``clientToken`` of the attempt under way: the same through every resend of it.
    token: str | None = None
    #: How often the attempt under way had an unknown outcome.
    repeats: int = 0
    #: How often there was no capacity for its ECS task.
    waits: int = 0
    #: Which kind of capacity its request asks for, and how much; empty before that is known.
    kind: Kind = ()
    size: Size = (0.0, 0.0)
    #: Since when AWS answers that something it needs is temporarily away (``Verdict.AWAY``); None if it is
    #: not.
    away_since: float | None = None
    #: How many attempts there were since then.
    away_tries: int = 0
    #: The last outcome without an ECS task that runs: what AWS said, or why there was no answer.
    problem: Outcome | None = None
    #: The kind of the wait that its last note was about.
    wait: str = ""
    #: When the database last confirmed that Airflow wants the launch: by the fleet's clock, and since the
    #: epoch.
    confirmed: tuple[float, float] = (0.0, 0.0)
    #: No attempt begins after this time: the token in the command would expire too soon. None if it never
    #: expires.
    deadline: float | None = None
    arn: str | None = None
    #: When the fleet learned the ARN, from the answer to RunTask or from a search.
    accepted_at: float = 0.0
    #: When its ECS task is due for DescribeTasks. A throttled call does not change it, so the run keeps its
    #: place.
    look_at: float = 0.0
    #: The ``lastStatus`` of its ECS task in the last answer of DescribeTasks.
    last_status: str = ""
    #: Whether DescribeTasks has ever listed the ECS task.
    seen: bool = False
    #: Whether the main container has started.
    started: bool = False
    #: Since when DescribeTasks does not list the ECS task; None while it does, and before the first call.
    missing_since: float | None = None
    #: Airflow no longer cares about the launch: there are no more events for it but ``Measured``, and no more
    #: ECS tasks.
    abandoned: bool = False
    #: Why Airflow no longer wants the launch: its ECS task is stopped if DescribeTasks shows that it has not
    #: started. None while Airflow wants it.
    unwanted: str | None = None
    #: Why the ECS task must be stopped; None if it need not be.
    stop_reason: str | None = None
    #: Whether the launch has left the fleet.
    over: bool = False
    #: Whether the outcome of a RunTask call is unknown, so that there may be an ECS task of which no ARN is
    #: known.
    may_have_started: bool = False
    stop_failures: int = 0
    searches: int = 0
    #: How often handling it has raised.
    faults: int = 0

    def bring_deadline_forward(self, clock: float, now: float) -> None:
        """
        Set the deadline to :data:`MIN_TOKEN_LIFE` before the token expires, by the clock that gives less time.

        The fleet's clock stands still while the host is suspended, and the wall clock can be set back. If
        the deadline passed meanwhile, it is set to a second ago: Airflow had no time yet to revoke the
        launch.

        :param clock: seconds by the fleet's clock.
        :param now: seconds since the epoch, at the same moment.
        """
        if self.launch.expires is not None:
            left = max(self.launch.expires - now - MIN_TOKEN_LIFE, -1.0)
            self.deadline = min(clock + left, math.inf if self.deadline is None else self.deadline)

    def forget_ecs_task(self) -> None:
        """Prepare for a new attempt: AWS has said that there is no ECS task of the last one."""
        self.token = self.arn = self.missing_since = None
        self.seen = self.may_have_started = False
        self.repeats = self.searches = 0
        self.last_status = ""

    def __lt__(self, other: Run) -> bool:
        """Tell whether this run is launched before another one."""
        return (-self.launch.priority, self.order) < (-other.launch.priority, other.order)

    def __str__(self) -> str:
        return str(self.launch)


def earliest(*turns: float | None) -> float | None:
    """Return the first of several turns, of which each may be None; None if there is none."""
    return min((turn for turn in turns if turn is not None), default=None)


class Schedule:
    """Runs ordered by the time of their turn; among equals, in the order of the hand-overs."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Run]] = []

    def __iter__(self) -> Iterator[Run]:
        return (run for *_, run in self._heap if not run.over)

    def put(self, at: float, run: Run) -> None:
        """Add a run with the time of its turn, in seconds by the fleet's clock; the lowest comes first."""
        heapq.heappush(self._heap, (at, run.order, run))

    def first(self) -> float | None:
        """Return the time of the first turn of a run that is not over; None if there is no run."""
        while self._heap and self._heap[0][2].over:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, until: float) -> Run | None:
        """Remove and return the first run whose turn is not after ``until``; None if there is none."""
        first = self.first()
        return heapq.heappop(self._heap)[2] if first is not None and first <= until else None


class Line:
    """
    Runs in the order in which they are launched: the highest priority first, then the first hand-over.

    A run can be removed wherever it stands; it is not kept in memory then.
    """

    def __init__(self) -> None:
        self._runs: list[Run] = []

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, run: Run) -> bool:
        place = self._place(run)
        return self._runs[place : place + 1] == [run]

    def put(self, run: Run) -> None:
        """Add a run, unless it is here already."""
        if run not in self:
            self._runs.insert(self._place(run), run)

    def discard(self, run: Run) -> None:
        """Remove a run, if it is here."""
        if run in self:
            del self._runs[self._place(run)]

    def first(self) -> Run | None:
        """Return the run whose turn it is; None if there is none."""
        return self._runs[0] if self._runs else None

    def _place(self, run: Run) -> int:
        return bisect.bisect_left(self._runs, run)
