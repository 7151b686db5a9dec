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
Airflow's orphan checks: the task instances that they ask about (candidates), and their answers.

Airflow holds locks on the rows of the task instances while it waits for an answer. So it gets one within
:data:`CHECK_PATIENCE`. Task instances that are not settled by then are kept; what becomes of them is emitted
as events. A task instance that was kept and has no ECS task goes back to the scheduler that is gone
(``queued_by_job_id``), so that Airflow asks again; then the answer is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.arns import cluster_name
from airflow.executors.fargate.launch import Launch
from airflow.executors.fargate.messages import NotAdopted

if TYPE_CHECKING:
    from concurrent.futures import Future

    from airflow.executors.fargate.fleet.context import Context
    from airflow.executors.fargate.launch import Identity, TaskInstanceId
    from airflow.executors.fargate.present import Candidate, Match

#: Seconds until Airflow has an answer, at most: a second less than it waits.
CHECK_PATIENCE = 7.0
#: Seconds to remember that there is no ECS task: several of Airflow's orphan checks, which are 300 s apart.
REMEMBERED = 3600.0


@dataclass(frozen=True)
class AdoptionAnswer:
    """The answer: what is known of each candidate."""

    found: tuple[Match, ...] = ()
    #: Those that have no ECS task.
    missing: tuple[Candidate, ...] = ()
    #: Those about which AWS refused to answer: they may have an ECS task.
    unknown: tuple[Candidate, ...] = ()
    #: Those whose ECS task belongs to another metadata database, or to this one by another address: they are
    #: left alone.
    elsewhere: tuple[Candidate, ...] = ()
    #: Those that are not settled yet: what becomes of them is emitted as events.
    kept: tuple[Candidate, ...] = ()


@dataclass(eq=False)
class _Check:
    """One orphan check."""

    reply: Future[AdoptionAnswer]
    #: When it gets its answer at the latest, by the fleet's clock.
    until: float
    #: The candidates that are not settled, in their order.
    open: dict[Candidate, None]
    #: What is settled, by the names of the members of :class:`AdoptionAnswer`.
    settled: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))


@dataclass(eq=False)
class PendingCandidate:
    """A candidate that is not settled yet, and the best ECS task that was found for it."""

    candidate: Candidate
    #: When Airflow asked first, seconds since the epoch.
    asked_at: float
    #: The last moment at which RunTask can have been called for it, by the fleet's clock.
    sent_until: float
    #: Whether its stored ARN, and what was described before Airflow asked, are being described for it.
    is_asked: bool = False
    #: The best match yet, which is not certain.
    best: Match | None = None
    #: What was chosen, and is adopted.
    found: Match | None = None
    is_elsewhere: bool = False

    @property
    def cluster(self) -> str | None:
        """The cluster that its stored ARN names; None if it names none."""
        arn = self.candidate.stored_arn
        return cluster_name(arn) if arn and arn.count("/") > 1 else None


class OrphanChecks:
    """
    The orphan checks that are not answered, and answers for later ones; the fleet's thread alone uses it.

    :param context: takes events to the executor, and has the clocks.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._checks: list[_Check] = []
        #: Candidates that were kept and turned out to have no ECS task, with the time of that.
        self._missing: dict[Candidate, float] = {}
        #: The candidates that are not settled, by task instance.
        self.open: dict[TaskInstanceId, PendingCandidate] = {}
        #: The task instances that were open when Airflow asked last, by their coordinates.
        self._tasks: dict[Any, list[TaskInstanceId]] = {}

    def ask(self, candidates: Sequence[Candidate], reply: Future[AdoptionAnswer]) -> None:
        """Begin a check; a repeated call is ignored."""
        is_answered = reply.done() and not reply.cancelled()
        if is_answered or any(check.reply is reply for check in self._checks):
            return
        clock, now = self._context.clock(), self._context.now()
        check = _Check(reply, clock + CHECK_PATIENCE, dict.fromkeys(candidates))
        self._checks.append(check)
        self._missing = {each: at for each, at in self._missing.items() if at > clock - REMEMBERED}
        for candidate in candidates:
            pending = self.open.get(candidate.task)
            if self._missing.pop(candidate, None) is not None:
                del check.open[candidate]
                check.settled["missing"].append(candidate)
            elif pending is None or pending.candidate != candidate:
                # At the latest now: a scheduler that Airflow considers dead sends nothing more.
                ago = 0.0 if candidate.sent_until is None else max(0.0, now - candidate.sent_until)
                self.open[candidate.task] = PendingCandidate(candidate, now, clock - ago)
        self._tasks = {}
        for task in self.open:
            self._tasks.setdefault(task.coordinates, []).append(task)

    def of(self, identity: Identity) -> list[PendingCandidate | None]:
        """Return the candidates that the identity can be of; None for one that is settled."""
        same = self._tasks.get(identity.task.coordinates, ())
        return [self.open.get(task) for task in same if identity.can_be_of(task)]

    def settle(self, pending: PendingCandidate, member: str) -> None:
        """
        Record what became of a candidate, and answer; if no check waits for it, emit that.

        :param member: a member of :class:`AdoptionAnswer`.
        """
        candidate = pending.candidate
        asked = [check for check in self._checks if candidate in check.open]
        for check in asked:
            del check.open[candidate]
            check.settled[member].append(pending.found or candidate)
        if not asked:
            self._emit_end(candidate, member)
        # Last: if that ends the thread, it is settled again.
        self.open.pop(candidate.task, None)
        self.answer()

    def answer(self, *, all_of_them: bool = False) -> None:
        """Answer the checks that are all settled or whose time is over, or all, with what is known by now."""
        now = self._context.clock()
        for check in [*self._checks]:
            if all_of_them or not check.open or check.until <= now:
                self._answer(check)

    def next_at(self) -> float | None:
        """Return when the next answer is due; None if none is."""
        return min((check.until for check in self._checks), default=None)

    def _answer(self, check: _Check) -> None:
        settled = {member: tuple(values) for member, values in check.settled.items()}
        if not check.reply.done() and check.reply.set_running_or_notify_cancel():
            check.reply.set_result(AdoptionAnswer(**settled, kept=tuple(check.open)))
        elif check.reply.cancelled():  # The executor no longer waits for it.
            for member, values in settled.items():
                for value in values:
                    self._emit_end(value, member)
        self._checks.remove(check)

    def _emit_end(self, candidate: Candidate, member: str) -> None:
        """Emit that a candidate is not adopted. That it has no ECS task is final, and is remembered."""
        if member == "missing":
            self._missing[candidate] = self._context.clock()
        if member != "found":
            self._context.emit(NotAdopted(Launch(candidate.task, candidate.key)))
