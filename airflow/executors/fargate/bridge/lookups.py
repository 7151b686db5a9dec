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
When the scheduler's own launches are looked up in Airflow's database.

Each heartbeat looks up one batch, in one query. First come the launches that must be known now: those that
AWS has accepted, before their ARNs are reported; those that are about to be sent and whose confirmation has
expired; and failures that Airflow may not have taken. The rest of the batch is taken from all other launches.
Each of them is looked up once an interval, over which the batches are spread. After a gap between two
heartbeats in which another scheduler may have considered this one dead, all are looked up at once, one batch
a heartbeat.

:class:`Lookups` makes no query and acts on nothing: the executor passes it the function that reads rows, and
acts on what it finds. Only the scheduler's thread calls it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.bridge.findings import Finding, Findings, launch_to_look_up
from airflow.executors.fargate.bridge.wanted import Row, Rules, Verdict
from airflow.executors.fargate.launch import CallbackId, TaskInstanceId
from airflow.executors.fargate.lease import Lease
from airflow.executors.fargate.messages import Ended, Unconfirmed
from airflow.executors.fargate.present import ENDING, RUNNING

if TYPE_CHECKING:
    from airflow.executors.fargate.bridge.ledger import Ledger
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.messages import Event

#: Most launches that one heartbeat looks up: as many task instances as one query names
#: (``queries.MAX_NAMED``).
BATCH = 200
#: Least seconds between two rounds, however short Airflow's own interval is.
SHORTEST_INTERVAL = 1.0
#: Seconds after which a reported failure is looked up, and reported again if Airflow has not taken it:
#: Airflow reads each event once, and drops those of task instances whose rows another session has locked
#: (``skip_locked``).
UNTAKEN = 5.0

#: Reads the rows of those task instances that exist; None where the database could not be asked.
ReadRows = Callable[[Sequence[TaskInstanceId]], "Mapping[TaskInstanceId, Row] | None"]


class Lookups:
    """
    Chooses the launches that each heartbeat looks up, and remembers since when one is not wanted.

    :param ledger: the present launches.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._rules: Rules | None = None
        #: Whether what Airflow has queued here has to be looked up before it is launched, after a gap.
        self._held = False
        #: The rest of the present round, the time of its next batch, and the seconds between two of its
        #: batches.
        self._round: deque[Launch] = deque()
        self._batch_at = 0.0
        self._pause = 0.0
        #: Whether the next round begins as soon as possible, after a gap.
        self._hurries = False
        #: Since when each launch is not wanted, in that order.
        self._unwanted: dict[str, tuple[float, Launch]] = {}
        #: Failures that were reported, with the time of their next lookup, in that order.
        self._ends: deque[tuple[float, Ended]] = deque()

    def start(
        self,
        read: ReadRows,
        rules: Rules | None,
        interval: float,
        lease: float,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        """
        Begin to look up launches.

        :param read: reads rows.
        :param rules: what a verdict depends on; None without a scheduler: then all launches are wanted.
        :param interval: seconds in which each launch is looked up once.
        :param lease: seconds after a heartbeat in which no other scheduler considers this one dead.
        :param clock: seconds, never going backwards; may stand still while the host is suspended.
        :param now: seconds since the epoch; may jump.
        """
        self._read = read
        self._rules = rules
        self._interval = max(interval, SHORTEST_INTERVAL)
        self._clock = clock
        self._now = now
        self._lease = Lease(lease, clock, now)
        #: The time of the last heartbeat, by both clocks.
        self._beat_at = self._lease.begin()
        self._round_at = clock() + self._interval

    # Before anything is launched.

    def not_wanted(self, queued: Callable[[], Sequence[Launch]]) -> list[Finding] | None:
        """
        Return what Airflow has queued here before a gap and no longer wants.

        :param queued: returns what is queued; called only after a gap.
        :return: None where the database could not be asked: then nothing may be launched now.
        """
        if self._rules is None:
            return []
        self._held = self._held or self._lease.is_over(self._beat_at)
        if not self._held:
            return []
        found = self._look_up(queued(), self._rules)
        if any(finding.verdict is Verdict.UNKNOWN for finding in found.values()):
            return None
        self._held = False
        return Findings(found).unwanted

    # At each heartbeat.

    def beat(self, events: Sequence[Event], queued: Container[Any]) -> Findings:
        """
        Look up one batch of launches.

        :param events: the events to be acted on; their launches are looked up first, as far as they fit into
            the batch.
        :param queued: keys that Airflow has queued again: their earlier launches will be superseded.
        """
        if self._rules is None:
            return Findings({}, default=Verdict.WANTED)
        now = self._clock()
        self._plan(now)
        needed = filter(None, map(launch_to_look_up, events))
        chosen = {launch.id: launch for launch in islice(needed, BATCH)}
        ends = self._take_ends(now, BATCH - len(chosen))
        others = [
            each for each in self._choose(now, BATCH - len(chosen) - len(ends)) if each.key not in queued
        ]
        found = self._look_up([*chosen.values(), *others, *(end.launch for end in ends)], self._rules)
        untaken = [
            end for end in ends if self._is_untaken(end, found.pop(end.launch.id), queued, self._rules)
        ]
        findings = {launch_id: self._remember(finding, now) for launch_id, finding in found.items()}
        waiting = (event.launch.id for event in events if isinstance(event, Unconfirmed))
        wanted = [each for each in waiting if each in found and found[each].verdict is Verdict.WANTED]
        return Findings(findings, wanted, untaken)

    def _plan(self, now: float) -> None:
        """
        Begin a round if it is time for one.

        After a gap it begins at once, or after the present one, and its batches follow without pauses.
        """
        if self._lease.is_over(self._beat_at):
            self._hurries, self._batch_at, self._pause = True, now, 0.0
        self._beat_at = self._lease.begin()
        if not self._round and (self._hurries or now >= self._round_at):
            self._round.extend(self._ledger.launches())
            batches = math.ceil(len(self._round) / BATCH)
            self._pause = 0.0 if self._hurries else self._interval / max(1, batches)
            self._batch_at, self._round_at, self._hurries = now, now + self._interval, False

    def _choose(self, now: float, most: int) -> Iterable[Launch]:
        """Yield at most so many launches: those that should have ended by now, and a batch of the round."""
        for launch_id, (since, launch) in list(islice(self._unwanted.items(), most)):
            if now - since < ENDING:
                break
            if self._ledger.is_present(launch):
                most -= 1
                yield launch
            else:
                del self._unwanted[launch_id]
        if now >= self._batch_at and most > 0:
            self._batch_at = now + self._pause
            while self._round and most > 0:
                launch = self._round.popleft()
                if self._ledger.is_present(launch) and not isinstance(launch.task, CallbackId):
                    most -= 1
                    yield launch

    def _remember(self, finding: Finding, now: float) -> Finding:
        """Remember since when a launch is not wanted; return the finding, marked as overdue where it is."""
        launch = finding.launch
        if finding.verdict is Verdict.UNKNOWN:
            return finding
        if finding.verdict is not Verdict.UNWANTED:
            self._unwanted.pop(launch.id, None)
            return finding
        since, _ = self._unwanted.setdefault(launch.id, (now, launch))
        if now - since < ENDING:
            return finding
        del self._unwanted[launch.id]
        return replace(finding, overdue=True)

    def _look_up(self, launches: Sequence[Launch], rules: Rules) -> dict[str, Finding]:
        tasks = [launch.task for launch in launches if isinstance(launch.task, TaskInstanceId)]
        rows = self._read(tasks) if tasks else {}
        return {launch.id: Finding.of(launch, rows, rules) for launch in launches}

    # Failures that Airflow may not have taken.

    def keep_end(self, end: Ended) -> None:
        """Keep a reported failure until the database shows that Airflow has taken it."""
        if self._rules is not None and not isinstance(end.launch.task, CallbackId):
            self._ends.append((self._clock() + UNTAKEN, end))

    def _take_ends(self, now: float, most: int) -> list[Ended]:
        due: list[Ended] = []
        while self._ends and self._ends[0][0] <= now and len(due) < most:
            due.append(self._ends.popleft()[1])
        return due

    def _is_untaken(self, end: Ended, finding: Finding, queued: Container[Any], rules: Rules) -> bool:
        """Tell whether a failure has to be reported again; if so, or if that is not known, keep it."""
        if end.launch.key in queued or self._ledger.has_key(end.launch.key):
            return False  # Its task instance has been launched again.
        if finding.verdict is Verdict.UNKNOWN:
            self.keep_end(end)
            return False
        if finding.verdict is not Verdict.WANTED or (finding.state in RUNNING and not rules.fails_running):
            return False
        self.keep_end(end)
        return True
