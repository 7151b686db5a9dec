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
Airflow's orphan checks: which task instances each has asked for, and what it was or is to be told of them.

Airflow holds locks on the rows of the task instances while it waits for an answer. So it gets one within :data:`CHECK_PATIENCE`. What
is not settled by then is kept, and told as an event. A task instance that was kept and has no ECS task goes back to the
scheduler that is gone (``queued_by_job_id``), so that Airflow asks again; then the answer is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.launch import Launch
from airflow.executors.fargate.messages import NotFound

if TYPE_CHECKING:
    from concurrent.futures import Future

    from airflow.executors.fargate.messages import Event
    from airflow.executors.fargate.present import Candidate, Found

#: Seconds until Airflow has an answer: a second less than it waits.
CHECK_PATIENCE = 7.0
#: Seconds for which it is remembered that there is no ECS task: several of Airflow's orphan checks, which are 300 s apart.
REMEMBERED = 3600.0


@dataclass(frozen=True)
class Adopted:
    """The answer: which candidates have an ECS task, and which have none."""

    found: tuple[Found, ...] = ()
    missing: tuple[Candidate, ...] = ()
    #: Those of which AWS refused to tell: they may have an ECS task, and nobody knows.
    untold: tuple[Candidate, ...] = ()
    #: Those whose ECS task another Airflow's database has, or ours by another name: they are left as they are.
    elsewhere: tuple[Candidate, ...] = ()
    #: Those of which it is not known yet: what comes of them is told as events.
    kept: tuple[Candidate, ...] = ()


@dataclass(eq=False)
class _Check:
    """One time that Airflow has asked."""

    reply: Future[Adopted]
    #: When it has its answer at the latest, by the fleet's clock.
    until: float
    #: What is not settled, by task instance.
    open: dict[Any, Candidate] = field(default_factory=dict)
    #: What is, by the names of the members of :class:`Adopted`.
    settled: dict[str, list[Any]] = field(default_factory=dict)

    def settle(self, candidate: Candidate, as_what: str, what: Any) -> bool:
        """Take what became of a candidate; False where this is not about it."""
        if self.open.get(candidate.task) != candidate:
            return False
        del self.open[candidate.task]
        self.settled.setdefault(as_what, []).append(what)
        return True

    def hand_over(self) -> bool:
        """Answer with what is known by now; False where nobody waits for it any more."""
        settled = {name: tuple(values) for name, values in self.settled.items()}
        answer = Adopted(**settled, kept=tuple(self.open.values()))
        if self.reply.cancelled() or not (self.reply.done() or self.reply.set_running_or_notify_cancel()):
            return False
        if not self.reply.done():
            self.reply.set_result(answer)
        return True


class OrphanChecks:
    """
    All that Airflow has asked and that is not answered, and what it will ask again; the fleet's thread alone uses it.

    :param emit: takes an event to the executor.
    :param clock: seconds, never going backwards.
    """

    def __init__(self, emit: Callable[[Event], None], clock: Callable[[], float]) -> None:
        self._emit = emit
        self._clock = clock
        self._checks: list[_Check] = []
        #: Those that have no ECS task and were kept, with the time when that was found.
        self._missing: dict[Candidate, float] = {}

    def ask(self, candidates: Sequence[Candidate], reply: Future[Adopted]) -> list[Candidate] | None:
        """Return those of which the answer is not there; None where this was asked before, since it is said twice."""
        is_answered = reply.done() and not reply.cancelled()
        if is_answered or any(check.reply is reply for check in self._checks):
            return None
        check = _Check(reply, self._clock() + CHECK_PATIENCE)
        self._checks.append(check)
        since = self._clock() - REMEMBERED
        self._missing = {candidate: at for candidate, at in self._missing.items() if at > since}
        for candidate in candidates:
            check.open[candidate.task] = candidate
            if self._missing.pop(candidate, None) is not None:
                check.settle(candidate, "missing", candidate)
        return list(check.open.values())

    def settle(self, candidate: Candidate, as_what: str, what: Any) -> None:
        """
        Tell what became of a candidate; said twice, it is told once.

        :param as_what: a member of :class:`Adopted`.
        """
        asked = [check for check in self._checks if check.settle(candidate, as_what, what)]
        if not asked and as_what != "found":
            self._not_found(candidate, as_what)

    def answer(self, *, all_of_them: bool = False) -> None:
        """Answer those of which all is known or whose time is over, or all, with what is known by now."""
        now = self._clock()
        for check in [*self._checks]:
            if all_of_them or not check.open or check.until <= now:
                self._answer(check)

    def next_at(self) -> float | None:
        """Return when the next answer is due; None where none is."""
        return min((check.until for check in self._checks), default=None)

    def _answer(self, check: _Check) -> None:
        if not check.hand_over():
            for as_what in ("missing", "untold", "elsewhere"):
                for candidate in check.settled.get(as_what, ()):
                    self._not_found(candidate, as_what)
        self._checks.remove(check)

    def _not_found(self, candidate: Candidate, as_what: str) -> None:
        """Let Airflow ask again, and remember what AWS has told for good."""
        if as_what == "missing":
            self._missing[candidate] = self._clock()
        self._emit(NotFound(Launch(candidate.task, candidate.key)))
