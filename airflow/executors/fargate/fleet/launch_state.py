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
"""What the fleet remembers of one launch, and the order in which launches have their turns."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.verdict import Outcome
    from airflow.executors.fargate.fleet.capacity_queue import Kind, Size
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.request.builder import Prepared

#: Seconds of its life that a token must have left when an attempt begins: a container takes that long to start.
MIN_TOKEN_LIFE = 60.0
#: Entries of a line that may stand for runs that have left, beside one for each run that has not.
SPARE_ENTRIES = 16

#: How often handling a launch, or what a search has found, may end the thread before it is given up.
MAX_FAULTS = 2


@dataclass(eq=False)
class Run:
    """
    A launch on its way from the hand-over to its end; only the fleet's thread touches it.

    Times are seconds by the fleet's clock, which never goes backwards and is no time of the day.
    """

    launch: Launch
    #: Its place in the order of the hand-overs.
    order: int = 0
    #: The frozen request; None before it is made, once a container has started, and for an adopted container.
    prepared: Prepared | None = None
    container_name: str = ""
    cluster: str = ""
    #: How many attempts have been begun that count.
    attempt: int = 0
    #: ``clientToken`` of the attempt under way: the same through every resend of it.
    token: str | None = None
    #: How often the attempt under way got no clear answer.
    repeats: int = 0
    #: How often there was no capacity for its ECS task.
    waits: int = 0
    #: Which capacity its request asks for, and how much; None before that is known.
    kind: Kind | None = None
    size: Size = (0.0, 0.0)
    #: Since when AWS says that it can do nothing for it for a while; None while it does not.
    away_since: float | None = None
    #: How often it has been tried since then.
    away_tries: int = 0
    #: What AWS has refused last, or why no answer came.
    problem: Outcome | None = None
    #: What its user was told that it waits for.
    wait: str = ""
    #: When the database has confirmed that the launch is wanted: by the fleet's clock, and in seconds since the epoch.
    confirmed: tuple[float, float] = (0.0, 0.0)
    #: No attempt begins after this time, since the token in the command would expire too soon; None where it never does.
    deadline: float | None = None
    arn: str | None = None
    #: When the fleet was told of the container, by the answer to RunTask or by a search.
    accepted_at: float = 0.0
    #: When its ECS task is looked at next; it keeps its place in the order of looks where a look gets no answer.
    look_at: float = 0.0
    #: The state of its ECS task, as DescribeTasks has told last.
    last_status: str = ""
    #: Whether DescribeTasks has ever known the container.
    seen: bool = False
    started: bool = False
    #: Since when DescribeTasks does not know the container; None while it does, and before it was asked.
    missing_since: float | None = None
    #: Airflow has given up the launch: it gets no more events, and no more containers.
    abandoned: bool = False
    #: Why Airflow no longer wants the launch, where its container is stopped unless it has started; else None.
    unwanted: str | None = None
    #: Why the container is to be stopped, if it is.
    stop_reason: str | None = None
    over: bool = False
    #: Whether a RunTask call got no clear answer, so that there may be a container nobody told us of.
    may_have_started: bool = False
    stop_failures: int = 0
    searches: int = 0
    #: How often handling it has ended the fleet's thread.
    faults: int = 0

    def bring_deadline_forward(self, clock: float, now: float) -> None:
        """
        Let no attempt begin after the token's last minute, by the clock that says that it is sooner.

        The fleet's clock stands still while the host is suspended, and the wall clock can be set back. A deadline
        that passed meanwhile has just passed: Airflow had no time yet to take the launch back.

        :param clock: seconds by the fleet's clock.
        :param now: seconds since the epoch, at the same moment.
        """
        if self.launch.expires is not None:
            left = max(self.launch.expires - now - MIN_TOKEN_LIFE, -1.0)
            self.deadline = min(clock + left, math.inf if self.deadline is None else self.deadline)

    def forget_container(self) -> None:
        """Be ready for a new attempt: AWS has said that there is no container of the last one."""
        self.token = self.arn = self.missing_since = None
        self.seen = self.may_have_started = False
        self.repeats = self.searches = 0
        self.last_status = ""

    def __str__(self) -> str:
        return str(self.launch)


class Schedule:
    """Runs by the time (or rank) at which it is their turn; among equals, in the order of the hand-overs."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int, Run]] = []
        self._count = itertools.count()

    def __iter__(self) -> Iterator[Run]:
        return (run for *_, run in self._heap if not run.over)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def put(self, at: float, run: Run) -> None:
        """Enter a run for its turn: a time by the fleet's clock, in seconds, or a rank; the lowest comes first."""
        heapq.heappush(self._heap, (at, run.order, next(self._count), run))

    def first(self) -> float | None:
        """Return the first turn of a run that is not over; None where there is no run."""
        while self._heap and self._heap[0][3].over:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, until: float) -> Run | None:
        """Take the first run whose turn is not after ``until``; None where there is none."""
        first = self.first()
        return heapq.heappop(self._heap)[3] if first is not None and first <= until else None

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()


class Line:
    """
    Runs in the order in which they are launched: the highest priority first, then who was handed over first.

    A run that leaves is let go of at once, wherever it stands.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int]] = []
        #: By the number of their entry.
        self._runs: dict[int, Run] = {}
        self._numbers: dict[Run, int] = {}
        self._count = itertools.count()

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, run: Run) -> bool:
        return run in self._numbers

    def put(self, run: Run) -> None:
        """Let a run stand in line; said twice, it stands there once."""
        if run not in self._numbers:
            number = self._numbers[run] = next(self._count)
            self._runs[number] = run
            heapq.heappush(self._heap, (*rank(run), number))

    def discard(self, run: Run) -> None:
        """Let a run leave, if it stands here."""
        number = self._numbers.pop(run, None)
        if number is None:
            return
        del self._runs[number]
        if len(self._heap) > 2 * len(self._runs) + SPARE_ENTRIES:
            self._heap = [entry for entry in self._heap if entry[-1] in self._runs]
            heapq.heapify(self._heap)

    def first(self) -> Run | None:
        """Return the run whose turn it is; None where there is none."""
        while self._heap and self._heap[0][-1] not in self._runs:
            heapq.heappop(self._heap)
        return self._runs[self._heap[0][-1]] if self._heap else None

    def take(self) -> Run | None:
        """Take the run whose turn it is; None where there is none."""
        run = self.first()
        if run is not None:
            self.discard(run)
        return run


def rank(run: Run) -> tuple[int, int]:
    """Return what comes first in a line: the lowest."""
    return -run.launch.priority, run.order
