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
Who waits for capacity, by kinds of it; so that they take no turn of those that do not.

AWS tells that there is none in the answer to RunTask, or later, by an ECS task that never leaves PROVISIONING. From then on
the launches of that kind wait, and one after the other is sent as a probe: the first in order and the smallest by turns. Once
AWS has capacity for a probe, all that ask for no more than it did go again.
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

#: Seconds between two probes of a kind: the first wait and the limit. Half of it is random, so that no two probes of a kind
#: are less than a second apart.
PROBE_BACK_OFF = 2.0, 30.0
#: Of ``launch_rate``, what the probes of all kinds may take together.
PROBE_SHARE = 0.25

#: What tells one kind of capacity from another.
Kind = tuple[Any, ...]
#: CPU units, and MiB of memory.
Size = tuple[float, float]


def kind_of(request: Mapping[str, Any]) -> Kind:
    """
    Return what tells the capacity that a request asks for from any other, hashable.

    Requests of a kind are compared by their size. Where they leave that to the task definition it is the same for all of
    them, and is not known here: they are a kind of their own.
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
    """Return how much a request asks for: what it says itself, beside the task definition."""
    overrides = _mapping(request.get("overrides"))
    return comparable(_text(overrides.get("cpu")), _text(overrides.get("memory")))


def _strategy(request: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a capacity provider strategy without what makes no difference: the order of its items and members."""
    items = _sequence(request.get("capacityProviderStrategy"))
    return tuple(sorted(repr(sorted(_mapping(item).items(), key=repr)) for item in items))


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


@dataclass(eq=False)
class Lack:
    """A kind of capacity of which AWS has said that there is none."""

    kind: Kind
    #: The least for which there is none: whoever asks for as much or more waits.
    bound: Size
    reason: str = ""
    #: Whether AWS told so after it had accepted an ECS task: then to be accepted means nothing yet.
    late: bool = False
    #: Who waits, by their size.
    lines: dict[Size, Line] = field(default_factory=dict)
    #: The probes of which AWS has not told yet whether there is capacity for them.
    probes: set[Run] = field(default_factory=set)
    #: How many probes there were, and when the next one may go.
    tries: int = 0
    probe_at: float = 0.0
    #: Its entry in the schedule of probes; None where it has none.
    entry: int | None = None

    def first(self) -> Run | None:
        """Return the run that is the next probe: the first in order, or the first of the smallest; None of none."""
        if not self.lines:
            return None
        if self.tries % 2:
            return min(filter(None, (line.first() for line in self.lines.values())), key=rank)
        return self.lines[min(self.lines)].first()


#: Where those stand that wait for no capacity, whatever they ask for.
FREE: tuple[Kind | None, Size] = (None, (0.0, 0.0))


class CapacityQueue:
    """
    The launches whose request is to be sent now, or once there is capacity.

    Among those that can go, and within a kind, the highest priority comes first. What waits costs nothing but its memory.

    :param launch_rate: RunTask calls a second, of which probes take :data:`PROBE_SHARE` at most.
    :param clock: seconds, never going backwards.
    :param random: returns a number from 0 to 1.
    """

    def __init__(self, launch_rate: float, clock: Callable[[], float], random: Callable[[], float]) -> None:
        self._clock = clock
        self._back_off = BackOff(*PROBE_BACK_OFF, random)
        self._bucket = TokenBucket(launch_rate * PROBE_SHARE, 1, clock)
        #: Those that can go; no line of these is empty.
        self._open: dict[tuple[Kind | None, Size], Line] = {}
        self._lacks: dict[Kind, Lack] = {}
        #: When a probe may go: time, number, kind. Those whose number is no lack's entry are void.
        self._schedule: list[tuple[float, int, Lack]] = []
        self._count = itertools.count()

    def put(self, run: Run) -> None:
        """Let a run whose request is made take its turn; one that has a fallback, or is to be settled, waits for nothing."""
        if run.prepared is None:
            return
        run.kind, run.size = kind_of(run.prepared.request), size_of(run.prepared.request)
        lack = self._lacks.get(run.kind)
        if run.may_have_started or run.prepared.fallback is not None:
            self._open.setdefault(FREE, Line()).put(run)
        elif lack is None or run.size < lack.bound:
            self._open.setdefault((run.kind, run.size), Line()).put(run)
        else:
            lack.probes.discard(run)
            lack.lines.setdefault(run.size, Line()).put(run)
            if lack.entry is None:
                self._enter(lack, lack.probe_at)

    def discard(self, run: Run) -> None:
        """Let a run leave that is given up, accepted for good, or over."""
        lack = self._lacks.get(run.kind or ())
        for key in (FREE, (run.kind, run.size)):
            self._leave(self._open, key, run)
        if lack is not None:
            self._leave(lack.lines, run.size, run)
            lack.probes.discard(run)
            self._settle(lack)

    @staticmethod
    def _leave(lines: dict[Any, Line], key: Any, run: Run) -> None:
        line = lines.get(key)
        if line is not None:
            line.discard(run)
            if not line:
                del lines[key]

    def clear(self) -> None:
        """Forget all turns; what is known of capacity remains."""
        self._open.clear()
        for lack in self._lacks.values():
            lack.lines.clear()

    # Those that can go.

    def first(self) -> Run | None:
        """Return the run that goes next; None where none can."""
        return min(filter(None, (line.first() for line in self._open.values())), key=rank, default=None)

    def take(self) -> Run | None:
        """Take the run that goes next; None where none can."""
        run = self.first()
        if run is not None:
            for key in (FREE, (run.kind, run.size)):
                self._leave(self._open, key, run)
        return run

    def has(self, count: int) -> bool:
        """Tell whether so many runs can go."""
        return sum(map(len, itertools.islice(self._open.values(), count))) >= count

    # Those that wait.

    def waits(self, run: Run) -> str | None:
        """Return why there is no capacity for a run that waits for it; None where it does not."""
        lack = self._lacks.get(run.kind or ())
        return lack.reason if lack and run in lack.lines.get(run.size, ()) else None

    def probe_at(self) -> float | None:
        """Return from when on a probe may go; None where nobody waits."""
        while self._schedule and self._schedule[0][1] != self._schedule[0][2].entry:
            heapq.heappop(self._schedule)
        return max(self._schedule[0][0], self._bucket.ready_at()) if self._schedule else None

    def take_probe(self) -> Run | None:
        """Take the run that goes next as a probe, if it is time for one; :meth:`sent` says that it has gone."""
        while (at := self.probe_at()) is not None and at <= self._clock():
            lack = self._schedule[0][2]
            run = lack.first()
            if run is not None:
                self._leave(lack.lines, run.size, run)
                return run
            lack.entry = None  # Nobody waits: whoever comes next enters it anew.
            self._settle(lack)
        return None

    def sent(self, run: Run) -> None:
        """Note that a probe goes: the next one of its kind waits."""
        lack = self._lacks.get(run.kind or ())
        if lack is not None:
            self._bucket.take()
            lack.probes.add(run)
            lack.tries += 1
            self._enter(lack, self._clock() + self._back_off(lack.tries))

    def resume(self, run: Run) -> None:
        """Let a probe go that was held up as it was to be sent: its turn is behind it."""
        self._open.setdefault(FREE, Line()).put(run)

    def is_probe(self, run: Run) -> bool:
        """Tell whether a run has gone as a probe, of which AWS has not told yet."""
        lack = self._lacks.get(run.kind or ())
        return lack is not None and run in lack.probes

    # What AWS has told.

    def refused(self, run: Run, reason: str) -> None:
        """Note that there is no capacity for a run: those of its kind that ask for as much wait."""
        if run.kind is None:
            return
        lack = self._lacks.get(run.kind)
        if lack is None:
            lack = self._lacks[run.kind] = Lack(run.kind, run.size, tries=1)
            self._enter(lack, self._clock() + self._back_off(1))
        lack.bound, lack.reason = min(lack.bound, run.size), reason
        lack.late = lack.late or run.arn is not None
        lack.probes.discard(run)
        for key in [key for key in self._open if key[0] == run.kind and key[1] >= lack.bound]:
            lack.lines[key[1]] = self._open.pop(key)

    def accepted(self, run: Run) -> None:
        """Note that AWS has accepted a run's ECS task: where it would have said at once that there is no capacity, there is."""
        lack = self._lacks.get(run.kind or ())
        if lack is not None and not lack.late:
            self.provisioned(run)

    def provisioned(self, run: Run) -> None:
        """Note that there is capacity for a run: if it was a probe, those that wait for as much or less go again."""
        lack = self._lacks.get(run.kind or ())
        if lack is None or run not in lack.probes:
            return
        lack.probes.discard(run)
        for size in [size for size in lack.lines if size <= run.size]:
            self._open[lack.kind, size] = lack.lines.pop(size)
        if lack.lines:
            lack.bound, lack.tries = min(lack.lines), 1
            self._enter(lack, self._clock() + self._back_off(1))
        else:
            lack.entry = None
            del self._lacks[lack.kind]

    def _enter(self, lack: Lack, at: float) -> None:
        lack.probe_at, lack.entry = at, next(self._count)
        heapq.heappush(self._schedule, (at, lack.entry, lack))

    def _settle(self, lack: Lack) -> None:
        """Forget a kind for which nobody waits, and no probe is under way."""
        if lack.entry is None and not lack.lines and not lack.probes:
            self._lacks.pop(lack.kind, None)
