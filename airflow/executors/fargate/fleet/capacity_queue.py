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
Orders the launches that are to be sent; those that wait for capacity take no turns from the others.

AWS reports a shortage of capacity in the answer to RunTask, or later, with an ECS task that never leaves
PROVISIONING. From then on the launches for that kind of capacity wait, and one at a time is sent as a probe:
alternately the first in order and the smallest. Once AWS has capacity for a probe, all launches that ask for
no more than it go on.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow.executors.fargate.aws.arns import cluster_name
from airflow.executors.fargate.aws.sizes import comparable
from airflow.executors.fargate.fleet.launch_state import Line, Run, rank
from airflow.executors.fargate.fleet.throttle import BackOff, TokenBucket

#: Seconds between two probes of a kind: the first wait and the limit. Only half of a wait is random, so two
#: probes of a kind are at least a second apart.
PROBE_BACK_OFF = 2.0, 30.0
#: Share of ``launch_rate`` that the probes of all kinds may use together.
PROBE_SHARE = 0.25

#: A kind of capacity: AWS has capacity for all requests of a kind and a size, or for none of them.
Kind = tuple[Any, ...]
#: CPU units, and MiB of memory.
Size = tuple[float, float]


def kind_of(request: Mapping[str, Any]) -> Kind:
    """
    Return the kind of capacity that a request asks for, hashable.

    Requests of a kind differ in size. Requests that leave the size to the task definition are a kind of their
    own: their size is not known here, and is the same for all of them.
    """
    network = _mapping(_mapping(request.get("networkConfiguration")).get("awsvpcConfiguration"))
    overrides = _mapping(request.get("overrides"))
    return (
        _strategy(request) or str(request.get("launchType")),
        str(request.get("platformVersion")),
        str(request.get("taskDefinition")),
        tuple(sorted(map(str, _sequence(network.get("subnets"))))),
        cluster_name("", str(request.get("cluster") or "")),
        "cpu" in overrides,
        "memory" in overrides,
    )


def size_of(request: Mapping[str, Any]) -> Size:
    """Return the size that a request overrides; 0 for what it leaves to the task definition."""
    overrides = _mapping(request.get("overrides"))
    return comparable(_text(overrides.get("cpu")), _text(overrides.get("memory")))


def _strategy(request: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a capacity provider strategy, with its items and their members sorted."""
    items = _sequence(request.get("capacityProviderStrategy"))
    return tuple(sorted(repr(sorted(_mapping(item).items(), key=repr)) for item in items))


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


@dataclass(eq=False)
class Shortage:
    """A kind of capacity that AWS lacks."""

    kind: Kind
    #: The smallest size that AWS had no capacity for: runs of this size or more wait.
    bound: Size
    #: What AWS said last.
    reason: str = ""
    #: Whether AWS reports it after it has accepted an ECS task, so that an accepted one proves no capacity.
    late: bool = False
    #: The runs that wait, by size.
    lines: dict[Size, Line] = field(default_factory=dict)
    #: The probes that AWS has not shown yet to have capacity for, or not to.
    probes: set[Run] = field(default_factory=set)
    #: The number of probes, and when the next one may be sent.
    tries: int = 0
    probe_at: float = 0.0
    #: Its entry in the schedule of probes; None if it has none.
    entry: int | None = None

    def first(self) -> Run | None:
        """Return the next probe: alternately the first run and the first of the smallest; None if none."""
        if not self.lines:
            return None
        if self.tries % 2:
            return min(filter(None, (line.first() for line in self.lines.values())), key=rank)
        return self.lines[min(self.lines)].first()


#: The line of the runs that do not wait for capacity, whatever kind and size they ask for.
FREE: tuple[Kind | None, Size] = (None, (0.0, 0.0))


class CapacityQueue:
    """
    The runs whose request is to be sent now, or once there is capacity.

    The highest priority comes first, among runs that can go and within a kind. A run that waits costs no
    time.

    :param launch_rate: RunTask calls a second, of which probes use :data:`PROBE_SHARE` at most.
    :param clock: returns monotonic seconds.
    :param random: returns a number from 0 to 1.
    """

    def __init__(self, launch_rate: float, clock: Callable[[], float], random: Callable[[], float]) -> None:
        self._clock = clock
        self._back_off = BackOff(*PROBE_BACK_OFF, random)
        self._bucket = TokenBucket(launch_rate * PROBE_SHARE, 1, clock)
        #: The runs that can go. No line is empty.
        self._open: dict[tuple[Kind | None, Size], Line] = {}
        self._shortages: dict[Kind, Shortage] = {}
        #: When probes may be sent: a heap. An item whose number is not its shortage's ``entry`` is void.
        self._schedule: list[tuple[float, int, Shortage]] = []
        self._count = itertools.count()

    def put(self, run: Run) -> None:
        """Enter a run whose request is made; with a fallback, or if it may have started, it never waits."""
        if run.prepared is None:
            return
        run.kind, run.size = kind_of(run.prepared.request), size_of(run.prepared.request)
        shortage = self._shortages.get(run.kind)
        if run.may_have_started or run.prepared.fallback is not None:
            self._open.setdefault(FREE, Line()).put(run)
        elif shortage is None or run.size < shortage.bound:
            self._open.setdefault((run.kind, run.size), Line()).put(run)
        else:
            shortage.probes.discard(run)
            shortage.lines.setdefault(run.size, Line()).put(run)
            if shortage.entry is None:
                self._enter(shortage, shortage.probe_at)

    def discard(self, run: Run) -> None:
        """Remove a run that is abandoned, or over."""
        shortage = self._shortages.get(run.kind or ())
        for key in (FREE, (run.kind, run.size)):
            self._remove(self._open, key, run)
        if shortage is not None:
            self._remove(shortage.lines, run.size, run)
            shortage.probes.discard(run)
            self._forget_if_unused(shortage)

    @staticmethod
    def _remove(lines: dict[Any, Line], key: Any, run: Run) -> None:
        line = lines.get(key)
        if line is not None:
            line.discard(run)
            if not line:
                del lines[key]

    def clear(self) -> None:
        """Remove all runs; what is known of capacity remains."""
        self._open.clear()
        for shortage in self._shortages.values():
            shortage.lines.clear()

    # Runs that can go.

    def first(self) -> Run | None:
        """Return the run that goes next; None if none can."""
        return min(filter(None, (line.first() for line in self._open.values())), key=rank, default=None)

    def take(self) -> Run | None:
        """Remove and return the run that goes next; None if none can."""
        run = self.first()
        if run is not None:
            for key in (FREE, (run.kind, run.size)):
                self._remove(self._open, key, run)
        return run

    def has_at_least(self, count: int) -> bool:
        """Tell whether that many runs can go."""
        return sum(map(len, itertools.islice(self._open.values(), count))) >= count

    # Runs that wait for capacity.

    def reason_to_wait(self, run: Run) -> str | None:
        """Return why there is no capacity for a run that waits for it; None if it does not wait."""
        shortage = self._shortages.get(run.kind or ())
        return shortage.reason if shortage and run in shortage.lines.get(run.size, ()) else None

    def probe_at(self) -> float | None:
        """Return when a probe may be sent; None if no run waits."""
        while self._schedule and self._schedule[0][1] != self._schedule[0][2].entry:
            heapq.heappop(self._schedule)
        return max(self._schedule[0][0], self._bucket.ready_at()) if self._schedule else None

    def take_probe(self) -> Run | None:
        """Remove and return the next probe, to be noted with :meth:`sent`; None if none may be sent now."""
        while (at := self.probe_at()) is not None and at <= self._clock():
            shortage = self._schedule[0][2]
            run = shortage.first()
            if run is not None:
                self._remove(shortage.lines, run.size, run)
                return run
            shortage.entry = None  # No run waits; put() enters it again for the next one.
            self._forget_if_unused(shortage)
        return None

    def sent(self, run: Run) -> None:
        """Note that a probe is sent; the next one of its kind backs off."""
        shortage = self._shortages.get(run.kind or ())
        if shortage is not None:
            self._bucket.take()
            shortage.probes.add(run)
            shortage.tries += 1
            self._enter(shortage, self._clock() + self._back_off(shortage.tries))

    def resume(self, run: Run) -> None:
        """Enter a probe that was held back when its turn had come: it goes without another turn."""
        self._open.setdefault(FREE, Line()).put(run)

    def is_probe(self, run: Run) -> bool:
        """Tell whether a run is a probe that AWS has not shown yet to have capacity for, or not to."""
        shortage = self._shortages.get(run.kind or ())
        return shortage is not None and run in shortage.probes

    # What AWS has reported.

    def refused(self, run: Run, reason: str) -> None:
        """Note that there is no capacity for a run: runs of its kind that ask for as much or more wait."""
        if run.kind is None:
            return
        shortage = self._shortages.get(run.kind)
        if shortage is None:
            shortage = self._shortages[run.kind] = Shortage(run.kind, run.size, tries=1)
            self._enter(shortage, self._clock() + self._back_off(1))
        shortage.bound, shortage.reason = min(shortage.bound, run.size), reason
        shortage.late = shortage.late or run.arn is not None
        shortage.probes.discard(run)
        for key in [key for key in self._open if key[0] == run.kind and key[1] >= shortage.bound]:
            shortage.lines[key[1]] = self._open.pop(key)

    def accepted(self, run: Run) -> None:
        """Note that AWS has accepted a run: it has capacity, unless it reports the shortage late."""
        shortage = self._shortages.get(run.kind or ())
        if shortage is not None and not shortage.late:
            self.provisioned(run)

    def provisioned(self, run: Run) -> None:
        """Note that AWS has capacity for a run: if it is a probe, those that wait for no more go on."""
        shortage = self._shortages.get(run.kind or ())
        if shortage is None or run not in shortage.probes:
            return
        shortage.probes.discard(run)
        for size in [size for size in shortage.lines if size <= run.size]:
            self._open[shortage.kind, size] = shortage.lines.pop(size)
        if shortage.lines:
            shortage.bound, shortage.tries = min(shortage.lines), 1
            self._enter(shortage, self._clock() + self._back_off(1))
        else:
            shortage.entry = None
            del self._shortages[shortage.kind]

    def _enter(self, shortage: Shortage, at: float) -> None:
        shortage.probe_at, shortage.entry = at, next(self._count)
        heapq.heappush(self._schedule, (at, shortage.entry, shortage))

    def _forget_if_unused(self, shortage: Shortage) -> None:
        """Forget a shortage for which no run waits and no probe is under way."""
        if shortage.entry is None and not shortage.lines and not shortage.probes:
            self._shortages.pop(shortage.kind, None)
