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
When the scheduler's own launches are looked up in Airflow's database, and which of them are no longer wanted.

At each heartbeat one batch is looked up, in one query: first what must be known now (launches that AWS has accepted, before
their ARNs are told; those that are about to be sent and were not confirmed lately; failures that Airflow may not have taken),
then as many of all others as there is room for. Each launch has its turn once an interval, the batches spread over it. After a
gap between two heartbeats in which another scheduler may have taken this one for dead, all have their turn at once, a batch a
heartbeat.

It makes no query and changes nothing itself: the executor hands it what reads rows, and acts on what it finds. The
scheduler's thread alone calls it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.bridge.wanted import RUNNING, Row, Rules, Verdict, verdict, why
from airflow.executors.fargate.launch import CallbackId, TaskInstanceId
from airflow.executors.fargate.lease import Lease
from airflow.executors.fargate.messages import Accepted, Ended, Unconfirmed
from airflow.executors.fargate.present import ENDING

if TYPE_CHECKING:
    from airflow.executors.fargate.bridge.ledger import Ledger
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.messages import Event

#: Launches that are looked up at a heartbeat: as many task instances as one query names (``database.MAX_NAMED``).
BATCH = 200
#: Seconds between two rounds at least, however short Airflow's own interval is.
SHORTEST_INTERVAL = 1.0
#: Seconds after which a failure that was told is looked up, and told again where Airflow has not taken it: it reads each
#: event once, and drops those of task instances whose rows another session has locked (``skip_locked``).
UNTAKEN = 5.0

#: Events that are told only of a launch that is still wanted.
ASKED = (Accepted, Unconfirmed)
#: States of a task instance that failed: then that of its container is no consequence of what became of it.
OWN_FAILURES = frozenset({"failed", "up_for_retry"})

#: Reads the rows of task instances that exist; None where the database could not be asked.
ReadRows = Callable[[Sequence[TaskInstanceId]], "Mapping[TaskInstanceId, Row] | None"]


@dataclass(frozen=True)
class Finding:
    """What the database says of a launch."""

    launch: Launch
    verdict: Verdict
    #: Why it is not wanted, without a full stop; empty where it is, or that is not known.
    reason: str = ""
    #: The state of its task instance.
    state: str | None = None
    #: Whether it has not been wanted for so long that its ECS task is stopped though it has started.
    overdue: bool = False


@dataclass(frozen=True)
class Findings:
    """
    What a heartbeat's lookup has found.

    :param by_launch: what was looked up, by the launches' ids.
    :param confirmed: ids of launches that wait to be sent and are still wanted.
    :param untaken: failures that Airflow has not taken, to be told again.
    :param default: the verdict on what was not looked up.
    """

    by_launch: Mapping[str, Finding]
    confirmed: Sequence[str] = ()
    untaken: Sequence[Ended] = ()
    default: Verdict = Verdict.UNKNOWN

    @property
    def unwanted(self) -> list[Finding]:
        """What is no longer wanted."""
        leave = (Verdict.WANTED, Verdict.UNKNOWN)
        return [finding for finding in self.by_launch.values() if finding.verdict not in leave]

    def verdict(self, launch: Launch) -> Verdict:
        """Return what was found of a launch."""
        found = self.by_launch.get(launch.id)
        return self.default if found is None else found.verdict

    def postpones(self, event: Event) -> bool:
        """Tell whether an event is to be told at a later heartbeat, when the database could be asked."""
        return isinstance(event, ASKED) and self.verdict(event.launch) is Verdict.UNKNOWN

    def explain(self, end: Ended) -> Ended:
        """Return a failure with what went before it, where that explains it: its container was refused."""
        found = self.by_launch.get(end.launch.id)
        if found is None or not found.reason or found.state in OWN_FAILURES:
            return end
        return replace(end, reason=f"{found.reason}. {end.reason}")


class Lookups:
    """
    Chooses the launches of each heartbeat's lookup, and remembers since when one is not wanted.

    :param ledger: has the present launch of each key.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._rules: Rules | None = None
        #: Whether what Airflow has queued has still to be looked up after a gap.
        self._held = False
        #: What is left of the round under way, when it goes on, and the seconds between two of its batches.
        self._round: deque[Launch] = deque()
        self._batch_at = 0.0
        self._pause = 0.0
        #: Whether the next round is to come as soon as it can, after a gap.
        self._hurries = False
        #: Since when a launch is not wanted, the first first.
        self._unwanted: dict[str, tuple[float, Launch]] = {}
        #: Failures that were told, with the time of the next look, the first first.
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
        :param rules: what a verdict depends on; None where there is no scheduler: then all is wanted.
        :param interval: seconds in which each launch is looked up once.
        :param lease: seconds after a heartbeat in which no other scheduler takes this one for dead.
        :param clock: seconds, never going backwards, which may stand still while the host is suspended.
        :param now: seconds since the epoch, which may jump.
        """
        self._read = read
        self._rules = rules
        self._interval = max(interval, SHORTEST_INTERVAL)
        self._clock = clock
        self._now = now
        self._lease = Lease(lease, clock, now)
        #: When the last heartbeat was, by both clocks.
        self._beat_at = self._lease.begin()
        self._round_at = clock() + self._interval

    # Before anything is launched.

    def not_wanted(self, queued: Callable[[], Sequence[Launch]]) -> list[Finding] | None:
        """
        Return what is no longer wanted of that which Airflow has queued here before a gap.

        :param queued: returns what is queued; asked only after a gap.
        :return: None where the database could not be asked: then nothing is to be launched now.
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

        :param events: what is about to be told; of which launches it must be known now. What does not fit is not looked up.
        :param queued: keys that Airflow has queued again: their earlier launches are about to be superseded.
        """
        if self._rules is None:
            return Findings({}, default=Verdict.WANTED)
        now = self._clock()
        self._plan(now)
        asked = filter(None, map(_launch_to_ask, events))
        chosen = {launch.id: launch for launch in islice(asked, BATCH)}
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
        """Begin a round where it is time for one; after a gap at once, or after the one under way, without pauses."""
        if self._lease.is_over(self._beat_at):
            self._hurries, self._batch_at, self._pause = True, now, 0.0
        self._beat_at = self._lease.begin()
        if not self._round and (self._hurries or now >= self._round_at):
            self._round.extend(self._ledger.launches())
            batches = math.ceil(len(self._round) / BATCH)
            self._pause = 0.0 if self._hurries else self._interval / max(1, batches)
            self._batch_at, self._round_at, self._hurries = now, now + self._interval, False

    def _choose(self, now: float, room: int) -> Iterable[Launch]:
        """Yield so many launches at most whose turn it is: those that should have ended by now, and a batch of the round."""
        for launch_id, (since, launch) in list(islice(self._unwanted.items(), room)):
            if now - since < ENDING:
                break
            if self._ledger.is_present(launch):
                room -= 1
                yield launch
            else:
                del self._unwanted[launch_id]
        if now >= self._batch_at and room > 0:
            self._batch_at = now + self._pause
            while self._round and room > 0:
                launch = self._round.popleft()
                if self._ledger.is_present(launch) and not isinstance(launch.task, CallbackId):
                    room -= 1
                    yield launch

    def _remember(self, finding: Finding, now: float) -> Finding:
        """Note since when a launch is not wanted."""
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
        return {launch.id: _finding(launch, rows, rules) for launch in launches}

    # Failures that Airflow may not have taken.

    def keep_end(self, end: Ended) -> None:
        """Keep a failure that was told until the database shows that Airflow has taken it."""
        if self._rules is not None and not isinstance(end.launch.task, CallbackId):
            self._ends.append((self._clock() + UNTAKEN, end))

    def _take_ends(self, now: float, room: int) -> list[Ended]:
        due: list[Ended] = []
        while self._ends and self._ends[0][0] <= now and len(due) < room:
            due.append(self._ends.popleft()[1])
        return due

    def _is_untaken(self, end: Ended, finding: Finding, queued: Container[Any], rules: Rules) -> bool:
        """Tell whether a failure is to be told again; then, and where that is not known, it is kept."""
        if end.launch.key in queued or self._ledger.has_key(end.launch.key):
            return False  # Its task instance has been launched again.
        if finding.verdict is Verdict.UNKNOWN:
            self.keep_end(end)
            return False
        if finding.verdict is not Verdict.WANTED or (finding.state in RUNNING and not rules.fails_running):
            return False
        self.keep_end(end)
        return True


def _launch_to_ask(event: Event) -> Launch | None:
    """Return the launch of an event that is not told before it is known whether the launch is wanted; else None."""
    if isinstance(event, ASKED) or (isinstance(event, Ended) and event.reason is not None):
        return event.launch
    return None


def _finding(launch: Launch, rows: Mapping[TaskInstanceId, Row] | None, rules: Rules) -> Finding:
    if isinstance(launch.task, CallbackId):
        return Finding(launch, Verdict.WANTED)
    if rows is None:
        return Finding(launch, Verdict.UNKNOWN)
    row = rows.get(launch.task)
    told = verdict(launch, row, rules)
    return Finding(launch, told, why(launch, row, told), row.state if row else None)
