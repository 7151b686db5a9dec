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
Chooses which launches are looked up in Airflow's database at each heartbeat, and returns what was found.

Each heartbeat looks up one batch, in one query; after a gap, what Airflow has queued is looked up as well,
before it is handed over. First come the launches that must be known now: those that AWS has accepted, before
their ARNs are reported; those that have failed, for the reason; those that are about to be sent and whose
confirmation has expired; and failures that Airflow may not have recorded. The rest of the batch is taken from
all other launches. Each of them is looked up once an interval, over which the batches are spread. After a gap
between two heartbeats in which another scheduler may have considered this one dead, all are looked up at
once, one batch a heartbeat.

:class:`Lookups` makes no query and acts on nothing: it is passed the function that reads rows, and the
reporter acts on what it finds. Only the scheduler's thread calls it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.bridge import AIRFLOW
from airflow.executors.fargate.bridge.wanted import Finding, WantedState, compare
from airflow.executors.fargate.launch import CallbackId, Launch, Lease, TaskInstanceId
from airflow.executors.fargate.messages import Accepted, Ended, Event, Unconfirmed
from airflow.executors.fargate.present import ARCHIVED, ENDING, RUNNING, Candidate

if TYPE_CHECKING:
    from airflow.executors.fargate.bridge.ledger import Ledger

#: Most launches that one heartbeat looks up: as many task instances as one query names
#: (``database.MAX_NAMED``).
BATCH = 200
#: Least seconds between two rounds, however short Airflow's own interval is.
SHORTEST_INTERVAL = 1.0
#: Seconds after which a reported failure is looked up, and reported again if Airflow has not recorded it:
#: Airflow reads each event once, and drops those of task instances whose rows another session has locked
#: (``skip_locked``).
FAILURE_CHECK_DELAY = 5.0
#: Events that are acted on only while their launch is still wanted.
NEEDS_LOOKUP = (Accepted, Unconfirmed)
#: States of a task instance that may have failed itself: then its ECS task failed for the same reason.
OWN_FAILURES = frozenset({"failed", "up_for_retry", ARCHIVED})

#: Reads the rows of those task instances that exist; None where the database could not be asked.
ReadRows = Callable[[Sequence[TaskInstanceId]], "Mapping[TaskInstanceId, Candidate] | None"]


@dataclass(frozen=True)
class Findings:
    """What the lookup of a heartbeat has found. An event whose launch was not looked up may have to wait."""

    #: What was looked up, by the launches' ids.
    by_launch: Mapping[str, Finding]
    #: Failures that Airflow has not recorded, to be reported again.
    unrecorded: Sequence[Ended] = ()
    #: The verdict on what was not looked up.
    default: WantedState = WantedState.UNKNOWN

    @property
    def unwanted(self) -> list[Finding]:
        """The launches that are no longer wanted."""
        others = (WantedState.WANTED, WantedState.UNKNOWN)
        return [finding for finding in self.by_launch.values() if finding.verdict not in others]

    def of(self, launch: Launch) -> Finding:
        """Return what was found of a launch."""
        return self.by_launch.get(launch.id, Finding(launch, self.default))

    def postpones(self, event: Event) -> bool:
        """Tell whether an event has to wait for a later heartbeat: its launch could not be looked up."""
        return isinstance(event, NEEDS_LOOKUP) and self.of(event.launch).verdict is WantedState.UNKNOWN

    def explain(self, end: Ended) -> Ended:
        """
        Return the failure.

        Its reason begins with what happened to the task instance, unless that failed by itself.
        """
        found = self.of(end.launch)
        if not found.reason or found.state in OWN_FAILURES:
            return end
        return replace(end, reason=f"{found.reason}. {end.reason}")


class Lookups:
    """
    Chooses the launches that each heartbeat looks up, and remembers since when one is not wanted.

    An unwanted launch is abandoned at once; the fleet stops its ECS task if that has not started. After
    :data:`ENDING` the launch is looked up again, and its ECS task is stopped even if it has started
    (``overdue``).

    :param ledger: the present launches.
    :param read: reads rows.
    :param own_job: the number of the scheduler's job; None without one: then all launches are wanted.
    :param interval: seconds in which each launch is looked up once.
    :param lease: says whether another scheduler may have considered this one dead since a heartbeat.
    """

    def __init__(
        self, ledger: Ledger, read: ReadRows, own_job: int | None, interval: float, lease: Lease
    ) -> None:
        self._ledger = ledger
        self._read = read
        self._own_job = own_job
        self._interval = max(interval, SHORTEST_INTERVAL)
        self._lease = lease
        #: The time of the last heartbeat, by both clocks of the lease.
        self._beat_at = lease.begin()
        #: Whether what Airflow has queued here has to be looked up before it is launched, after a gap.
        self._hold_queue = False
        #: The rest of the present round.
        self._round: deque[Launch] = deque()
        #: The time of its next batch, and the seconds between two of its batches.
        self._batch_at, self._pause = 0.0, 0.0
        #: The time of the next round, and whether it begins as soon as possible, after a gap.
        self._round_at, self._round_is_urgent = self._beat_at[0] + self._interval, False
        #: Since when each launch is not wanted, by its id, in that order.
        self._unwanted: dict[str, tuple[float, Launch]] = {}
        #: Failures that were reported, with the time of their next lookup, by their launches' ids, in that
        #: order.
        self._reported_failures: dict[str, tuple[float, Ended]] = {}

    # Before anything is launched.

    def not_wanted(self, make_queued: Callable[[], Sequence[Launch]]) -> list[Finding] | None:
        """
        Return what Airflow has queued here before a gap and no longer wants.

        :param make_queued: makes launches of what is queued; called only after a gap.
        :return: None where the database could not be asked: then nothing may be launched now.
        """
        self._hold_queue = self._hold_queue or not self._lease.is_valid(self._beat_at)
        if self._own_job is None or not self._hold_queue:
            return []
        found = self._look_up(make_queued(), self._own_job)
        self._hold_queue = any(finding.verdict is WantedState.UNKNOWN for finding in found.values())
        return None if self._hold_queue else Findings(found).unwanted

    # At each heartbeat.

    def look_up(self, events: Sequence[Event], queued: Container[Any]) -> Findings:
        """
        Look up one batch of launches.

        :param events: the events to be acted on; their launches are looked up first, as far as they fit into
            the batch.
        :param queued: keys that Airflow has queued again: their earlier launches will be superseded.
        """
        if (own_job := self._own_job) is None:
            return Findings({}, default=WantedState.WANTED)
        now = self._begin()
        needed = (
            event.launch
            for event in events
            if isinstance(event, NEEDS_LOOKUP) or (isinstance(event, Ended) and event.reason is not None)
        )
        chosen = {launch.id: launch for launch in islice(needed, BATCH)}
        ends = [end for at, end in islice(self._reported_failures.values(), BATCH - len(chosen)) if at <= now]
        others = self._choose(now, BATCH - len(chosen) - len(ends), queued)
        found = self._look_up([*chosen.values(), *others, *(end.launch for end in ends)], own_job)
        again = [end for end in ends if self._is_unrecorded(end, found.pop(end.launch.id), queued)]
        return Findings({key: self._remember(finding, now) for key, finding in found.items()}, again)

    def _begin(self) -> float:
        """
        Begin a round if it is time for one; return the time.

        After a gap it begins at once, or after the present one, and its batches follow without pauses.
        """
        is_gap = not self._lease.is_valid(self._beat_at)
        self._beat_at = now, _ = self._lease.begin()
        if is_gap:
            self._round_is_urgent, self._batch_at, self._pause = True, now, 0.0
        if not self._round and (self._round_is_urgent or now >= self._round_at):
            self._round.extend(self._ledger.launches())
            batches = math.ceil(len(self._round) / BATCH)
            self._pause = 0.0 if self._round_is_urgent else self._interval / max(1, batches)
            self._batch_at, self._round_at, self._round_is_urgent = now, now + self._interval, False
        return now

    def _choose(self, now: float, most: int, queued: Container[Any]) -> list[Launch]:
        """Return at most ``most`` launches: those whose time to end is over, then the next of the round."""
        unwanted, is_present = self._unwanted.values(), self._ledger.is_present
        self._unwanted = {launch.id: (since, launch) for since, launch in unwanted if is_present(launch)}
        chosen = [launch for since, launch in self._unwanted.values() if now - since >= ENDING][:most]
        if now >= self._batch_at and len(chosen) < most:
            self._batch_at = now + self._pause
            while self._round and len(chosen) < most:
                launch = self._round.popleft()
                if is_present(launch) and not isinstance(launch.task, CallbackId):
                    chosen.append(launch)
        return [launch for launch in chosen if launch.key not in queued]

    def _remember(self, finding: Finding, now: float) -> Finding:
        """Remember since when a launch is not wanted; return the finding, marked as overdue where it is."""
        launch = finding.launch
        if finding.verdict is WantedState.UNWANTED:
            since, _ = self._unwanted.setdefault(launch.id, (now, launch))
            if now - since >= ENDING:
                del self._unwanted[launch.id]
                return replace(finding, overdue=True)
        elif finding.verdict is not WantedState.UNKNOWN:
            self._unwanted.pop(launch.id, None)
        return finding

    def _look_up(self, launches: Sequence[Launch], own_job: int) -> dict[str, Finding]:
        tasks = [launch.task for launch in launches if isinstance(launch.task, TaskInstanceId)]
        rows = self._read(tasks) if tasks else {}
        return {launch.id: compare(launch, rows, own_job) for launch in launches}

    # Failures that Airflow may not have recorded.

    def expect_recorded(self, end: Ended) -> None:
        """Look up a reported failure until the database shows that Airflow has recorded it."""
        if self._own_job is not None and not isinstance(end.launch.task, CallbackId):
            self._reported_failures[end.launch.id] = (self._beat_at[0] + FAILURE_CHECK_DELAY, end)

    def _is_unrecorded(self, end: Ended, finding: Finding, queued: Container[Any]) -> bool:
        """
        Tell whether Airflow has not recorded a failure.

        It is looked up again later if so, or if the database could not be asked.
        """
        del self._reported_failures[end.launch.id]
        if end.launch.key in queued or self._ledger.has_key(end.launch.key):
            return False  # Its task instance has been launched again.
        waits_or_runs = finding.verdict is WantedState.WANTED
        is_unrecorded = waits_or_runs and (AIRFLOW.fails_running or finding.state not in RUNNING)
        if is_unrecorded or finding.verdict is WantedState.UNKNOWN:
            self.expect_recorded(end)
        return is_unrecorded
