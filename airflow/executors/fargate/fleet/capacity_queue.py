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
no more than it go on. Sizes are compared by CPU units, and then by memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.arns import cluster_name
from airflow.executors.fargate.aws.sizes import comparable
from airflow.executors.fargate.fleet.launch_state import Line, Run
from airflow.executors.fargate.fleet.throttle import TokenBucket

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.context import Context

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
    Return the kind of capacity that a checked request asks for, hashable.

    Requests of a kind differ in size. Requests that leave the size to the task definition are a kind of their
    own: their size is not known here, and is the same for all of them.
    """
    strategy = request.get("capacityProviderStrategy", ())
    network = request.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    overrides = request.get("overrides", {})
    return (
        tuple(sorted(repr(sorted(item.items())) for item in strategy)) or request.get("launchType"),
        request.get("platformVersion"),
        request.get("taskDefinition"),
        tuple(sorted(network.get("subnets", ()))),
        cluster_name("", request.get("cluster", "")),
        frozenset({"cpu", "memory"} & overrides.keys()),
    )


def size_of(request: Mapping[str, Any]) -> Size:
    """Return the size that a checked request overrides; 0 for what it leaves to the task definition."""
    overrides = request.get("overrides", {})
    return comparable(overrides.get("cpu"), overrides.get("memory"))


def first_of(lines: Iterable[Line]) -> Run | None:
    """Return the run that comes first in several lines; None if all of them are empty."""
    return min(filter(None, (line.first() for line in lines)), default=None)


@dataclass(eq=False)
class Shortage:
    """A kind of capacity that AWS lacks."""

    #: The smallest size that waits: runs of this size or more wait.
    bound: Size
    #: When the next probe may be sent.
    probe_at: float
    #: What AWS said last.
    reason: str = ""
    #: Whether AWS accepts ECS tasks and reports the shortage later. Then only an ECS task that leaves
    #: PROVISIONING shows that there is capacity.
    late: bool = False
    #: The probes that were sent, and of which it is not known yet whether there is capacity for them.
    probes: set[Run] = field(default_factory=set)
    #: The number of the next probe, from 1; 1 again after there was capacity for one.
    tries: int = 1


#: The line of the runs that do not wait for capacity, whatever kind and size they ask for.
FREE: tuple[Kind, Size] = ((), (0.0, 0.0))


class CapacityQueue:
    """
    The runs whose request is to be sent now, or once there is capacity.

    Runs that can go are ordered by priority, and so are the runs that wait, within each kind. No turn goes
    through the runs that wait.

    :param context: the clock, random numbers, and ``launch_rate``, of which probes use :data:`PROBE_SHARE` at
        most.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._bucket = TokenBucket(context.config.launch_rate * PROBE_SHARE, 1, context.clock)
        #: All runs. Those of a line can go, or all of them wait. No line is empty.
        self._lines: dict[tuple[Kind, Size], Line] = {}
        self._shortages: dict[Kind, Shortage] = {}

    def put(self, run: Run) -> None:
        """Enter a run whose request is made; with a fallback, or if it may have started, it never waits."""
        if run.prepared is None:
            return
        run.kind, run.size = kind_of(run.prepared.request), size_of(run.prepared.request)
        if run.may_have_started or run.prepared.fallback is not None:
            self.resume(run)
            return
        self._lines.setdefault((run.kind, run.size), Line()).put(run)

    def discard(self, run: Run) -> None:
        """Remove a run that is abandoned, or over."""
        self._remove(run)
        if shortage := self._shortages.get(run.kind):
            shortage.probes.discard(run)

    def _remove(self, run: Run) -> None:
        for key in (FREE, (run.kind, run.size)):
            if line := self._lines.get(key):
                line.discard(run)
                if not line:
                    del self._lines[key]

    def clear(self) -> None:
        """Remove all runs; what is known of capacity remains."""
        self._lines.clear()

    def _waits(self, kind: Kind, size: Size) -> bool:
        """Tell whether runs of this kind and size wait for capacity."""
        shortage = self._shortages.get(kind)
        return shortage is not None and size >= shortage.bound

    # Runs that can go.

    def first(self) -> Run | None:
        """Return the run that goes next; None if none can."""
        return first_of(self._open())

    def take(self) -> Run | None:
        """Remove and return the run that goes next; None if none can."""
        return self._take_first(self._open())

    def _take_first(self, lines: Iterable[Line]) -> Run | None:
        run = first_of(lines)
        if run is not None:
            self._remove(run)
        return run

    def has_at_least(self, count: int) -> bool:
        """Tell whether that many runs can go."""
        return sum(map(len, self._open())) >= count

    def _open(self) -> list[Line]:
        return [line for key, line in self._lines.items() if not self._waits(*key)]

    # Runs that wait for capacity.

    def reason_to_wait(self, run: Run) -> str | None:
        """Return why there is no capacity for a run that waits for it; None if it does not wait."""
        waits = self._waits(run.kind, run.size) and run in self._lines.get((run.kind, run.size), ())
        return self._shortages[run.kind].reason if waits else None

    def _waiting(self) -> list[tuple[Kind, Size]]:
        """Return the kinds and sizes of which runs wait."""
        return [key for key in self._lines if self._waits(*key)]

    def probe_at(self) -> float | None:
        """Return when a probe may be sent; None if no run waits."""
        first = min((self._shortages[kind].probe_at for kind, _ in self._waiting()), default=None)
        return None if first is None else max(first, self._bucket.ready_at())

    def take_probe(self) -> Run | None:
        """
        Remove and return the next probe, to be noted with :meth:`sent`; None if none may be sent now.

        Of a kind, it is alternately the first run and the first of the smallest.
        """
        now, kinds = self._context.clock(), dict.fromkeys(kind for kind, _ in self._waiting())
        for kind, shortage in list(self._shortages.items()):
            if kind not in kinds and not shortage.probes and shortage.probe_at <= now:
                del self._shortages[kind]  # Until then, a run that comes waits for its back-off.
        at = self.probe_at()
        # The bucket returns the current time if it has a token, so the clock is read after it.
        if at is None or at > self._context.clock():
            return None
        due = min(kinds, key=lambda kind: self._shortages[kind].probe_at)
        sizes = [size for kind, size in self._waiting() if kind == due]
        if self._shortages[due].tries % 2 == 0:
            sizes = [min(sizes)]
        return self._take_first(self._lines[due, size] for size in sizes)

    def sent(self, run: Run) -> None:
        """Note that a probe is sent; the next one of its kind backs off."""
        if shortage := self._shortages.get(run.kind):
            self._bucket.take()
            shortage.probes.add(run)
            self._wait(shortage, shortage.tries + 1)

    def resume(self, run: Run) -> None:
        """Add a run that waits for no capacity, such as a probe that had to be confirmed first."""
        self._lines.setdefault(FREE, Line()).put(run)

    def is_probe(self, run: Run) -> bool:
        """Tell whether a run is a probe of which it is not known yet whether there is capacity for it."""
        shortage = self._shortages.get(run.kind)
        return shortage is not None and run in shortage.probes

    # What AWS has reported.

    def refused(self, run: Run, reason: str) -> None:
        """Note that there is no capacity for a run: runs of its kind that ask for as much or more wait."""
        if not run.kind:
            return
        first_probe_at = self._context.clock() + self._context.back_off(PROBE_BACK_OFF, 1)
        shortage = self._shortages.setdefault(run.kind, Shortage(run.size, first_probe_at))
        shortage.bound, shortage.reason = min(shortage.bound, run.size), reason
        shortage.late = shortage.late or run.arn is not None
        shortage.probes.discard(run)

    def accepted(self, run: Run, *, provisioned: bool = False) -> None:
        """
        Note that AWS has accepted a run: if it is a probe, those that wait for no more go on.

        :param provisioned: whether its ECS task has left PROVISIONING. Without that, there may be no capacity
            for it if AWS reports the shortage late.
        """
        shortage = self._shortages.get(run.kind)
        if shortage is None or run not in shortage.probes or (shortage.late and not provisioned):
            return
        shortage.probes.discard(run)
        larger = [size for kind, size in self._waiting() if kind == run.kind and size > run.size]
        if larger:
            shortage.bound = min(larger)
            self._wait(shortage, 1)
        else:
            del self._shortages[run.kind]

    def _wait(self, shortage: Shortage, tries: int) -> None:
        shortage.tries = tries
        shortage.probe_at = self._context.clock() + self._context.back_off(PROBE_BACK_OFF, tries)
