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
Airflow's orphan checks: which task instances each has asked about, and their answers.

Airflow holds locks on the rows of the task instances while it waits for an answer. So it gets one within
:data:`CHECK_PATIENCE`. Task instances that are not settled by then are kept; what becomes of them is emitted
as events. A task instance that was kept and has no ECS task goes back to the scheduler that is gone
(``queued_by_job_id``), so that Airflow asks again; then the answer is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.launch import Launch
from airflow.executors.fargate.messages import NotFound

if TYPE_CHECKING:
    from concurrent.futures import Future

    from airflow.executors.fargate.messages import Event
    from airflow.executors.fargate.present import Candidate, Found

#: Seconds until Airflow has an answer, at most: a second less than it waits.
CHECK_PATIENCE = 7.0
#: Seconds to remember that there is no ECS task: several of Airflow's orphan checks, which are 300 s apart.
REMEMBERED = 3600.0


@dataclass(frozen=True)
class Adopted:
    """The answer: what is known of each candidate."""

    found: tuple[Found, ...] = ()
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

    reply: Future[Adopted]
    #: When it gets its answer at the latest, by the fleet's clock.
    until: float
    #: The candidates that are not settled, in their order.
    open: dict[Candidate, None]
    #: What is settled, by the names of the members of :class:`Adopted`.
    settled: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))


class OrphanChecks:
    """
    The orphan checks that are not answered, and answers for later ones; the fleet's thread alone uses it.

    :param emit: takes an event to the executor.
    :param clock: seconds, never going backwards.
    """

    def __init__(self, emit: Callable[[Event], None], clock: Callable[[], float]) -> None:
        self._emit = emit
        self._clock = clock
        self._checks: list[_Check] = []
        #: Candidates that were kept and turned out to have no ECS task, with the time of that.
        self._missing: dict[Candidate, float] = {}

    def ask(self, candidates: Sequence[Candidate], reply: Future[Adopted]) -> list[Candidate]:
        """Begin a check; return the candidates to search for, and none if this check was begun before."""
        is_answered = reply.done() and not reply.cancelled()
        if is_answered or any(check.reply is reply for check in self._checks):
            return []
        check = _Check(reply, self._clock() + CHECK_PATIENCE, dict.fromkeys(candidates))
        self._checks.append(check)
        since = self._clock() - REMEMBERED
        self._missing = {candidate: at for candidate, at in self._missing.items() if at > since}
        for candidate in candidates:
            if self._missing.pop(candidate, None) is not None:
                self.settle(candidate, "missing", candidate)
        return [*check.open]

    def settle(self, candidate: Candidate, member: str, value: Any) -> None:
        """
        Record what became of a candidate; if no check waits for it, emit that.

        :param member: a member of :class:`Adopted`.
        """
        asked = [check for check in self._checks if candidate in check.open]
        for check in asked:
            del check.open[candidate]
            check.settled[member].append(value)
        if not asked and member != "found":
            self._not_found(candidate, member)

    def answer(self, *, all_of_them: bool = False) -> None:
        """Answer the checks that are all settled or whose time is over, or all, with what is known by now."""
        now = self._clock()
        for check in [*self._checks]:
            if all_of_them or not check.open or check.until <= now:
                self._answer(check)

    def next_at(self) -> float | None:
        """Return when the next answer is due; None if none is."""
        return min((check.until for check in self._checks), default=None)

    def _answer(self, check: _Check) -> None:
        settled = {member: tuple(values) for member, values in check.settled.items()}
        if not check.reply.done() and check.reply.set_running_or_notify_cancel():
            check.reply.set_result(Adopted(**settled, kept=tuple(check.open)))
        elif check.reply.cancelled():  # The executor no longer waits for it.
            for member, values in settled.items():
                for candidate in values if member != "found" else ():
                    self._not_found(candidate, member)
        self._checks.remove(check)

    def _not_found(self, candidate: Candidate, member: str) -> None:
        """Have Airflow ask again; remember that there is no ECS task, which is final."""
        if member == "missing":
            self._missing[candidate] = self._clock()
        self._emit(NotFound(Launch(candidate.task, candidate.key)))
