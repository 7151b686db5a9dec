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
"""Has containers looked for of which the fleet does not know: those of another scheduler, and those in doubt."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from airflow.executors.fargate.adoption import (
    Adopted,
    Adoption,
    Candidate,
    Found,
    hand_over,
    look_until_answered,
)
from airflow.executors.fargate.launch import Event, Launch, NotFound
from airflow.executors.fargate.outcome import Outcome, Verdict, judge_error
from airflow.executors.fargate.run import Agenda, Run
from airflow.executors.fargate.throttle import BackOff

if TYPE_CHECKING:
    from concurrent.futures import Future

    from airflow.executors.fargate.calls import Calls, Reply

log = logging.getLogger(__name__)

#: Seconds until each look for a container of which nobody knows whether it exists.
SEARCH_DELAYS = (5.0, 30.0, 120.0)
#: Seconds until the next look where AWS could not be asked, which counts for none.
ERROR_DELAY = 30.0
#: Why a launch has failed that Airflow has not given up.
NOT_FOUND = (
    "RunTask had no clear answer until the token in the command was about to expire, and no container was found that "
    "it could have started."
)
#: Seconds; first wait and limit, between looks for a former scheduler's containers where AWS cannot be asked.
ADOPTION_BACK_OFF = 1.0, 10.0


class Owner(Protocol):
    """Who is told what was found."""

    def adopt(self, found: Found) -> None:
        """Take over a container of another scheduler."""

    def accepted(self, run: Run, arn: str) -> None:
        """AWS has a container for the run."""

    def ended(self, run: Run, reason: str | None) -> None:
        """End a launch that has no container."""


class Searching:
    """
    Looks for containers, all of them in few calls.

    :param adoption: makes the calls and matches what they tell.
    :param calls: makes what takes several calls.
    :param post: brings a function and its arguments to the fleet's thread.
    :param owner: is told what was found.
    :param emit: takes an event to the executor.
    :param wait: waits for so many seconds on a thread of the pool; True means to give up.
    :param clock: seconds, never going backwards.
    :param now: seconds since the epoch.
    :param random: returns a number from 0 to 1.
    """

    def __init__(
        self,
        *,
        adoption: Adoption,
        calls: Calls,
        post: Callable[..., None],
        owner: Owner,
        emit: Callable[[Event], None],
        wait: Callable[[float], bool],
        clock: Callable[[], float],
        now: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._adoption = adoption
        self._calls = calls
        self._post = post
        self._owner = owner
        self._emit = emit
        self._wait = wait
        self._clock = clock
        self._now = now
        self._back_off = BackOff(*ADOPTION_BACK_OFF, random)
        self._due = Agenda()
        #: Whether the last search was refused for good.
        self._refused = False

    # The containers of another scheduler.

    def look_for(self, candidates: Sequence[Candidate], reply: Future[Adopted]) -> None:
        """
        Find the containers of task instances whose scheduler is gone.

        :param reply: gets the answer; where it was cancelled, since AWS took too long to answer, what is
            found out later is told as events.
        """
        look = partial(
            look_until_answered,
            partial(self._adoption.look, self._now()),
            candidates,
            now=self._now,
            wait=self._wait,
            back_off=self._back_off,
            failed=_log_failed_look,
        )
        self._calls.look(look, partial(self._looked, reply))

    def _looked(self, reply: Future[Adopted], _: Sequence[Run], result: Reply) -> None:
        if result.error is not None:
            raise result.error  # A bug: whoever watches over the thread shall see it.
        answer: Adopted | None = result.value
        if answer is None:
            return  # Given up, since the scheduler ends.
        for found in answer.found:
            # Each for itself, so that an error with one loses no other; and before anybody can revoke it.
            self._post(self._owner.adopt, found)
        if not hand_over(reply, answer):
            for candidate in (*answer.missing, *answer.untold, *answer.elsewhere):
                self._emit(NotFound(Launch(candidate.task, candidate.key)))

    # The containers in doubt.

    @property
    def open(self) -> int:
        """How many launches that Airflow has given up are looked for: what is found of them is to be stopped."""
        return sum(run.quiet for run in itertools.chain(self._due, self._calls.runs(self._calls.search)))

    def add(self, run: Run) -> None:
        """
        Look for the container of a launch for which RunTask had no clear answer and is not asked any more.

        Where Airflow has given up the launch, a container that is found is stopped, else it is the launch's.
        """
        if run in self._due or run in self._calls.runs(self._calls.search):
            return
        if run.searches < len(SEARCH_DELAYS):
            self._due.put(self._clock() + SEARCH_DELAYS[run.searches], run)
        else:
            run.doubtful = False
            self._owner.ended(run, None if run.quiet else NOT_FOUND)

    def clear(self) -> None:
        """Forget all turns; the fleet enters the runs anew."""
        self._due.clear()

    def work(self) -> float | None:
        """Look for all that are due, in one search at a time; return when to look again, or None."""
        if any(self._calls.runs(self._calls.search)):
            return None
        now, first = self._clock(), self._due.take(self._clock())
        if first is not None:
            runs = [first]
            while run := self._due.take(now):
                runs.append(run)
            same = [run for run in runs if run.cluster == first.cluster]
            for other in runs:
                if other.cluster != first.cluster:
                    self._due.put(now, other)
            ids = {run.launch.id for run in same}
            wanted = {run.launch.id for run in same if not run.quiet}
            find = partial(self._adoption.find, first.cluster, ids, wanted)
            self._calls.look(find, self._searched, same)
            return None
        return self._due.first()

    def _searched(self, runs: Sequence[Run], result: Reply) -> None:
        failed = result.problem is not None and not self._is_refused(result.problem)
        found = {} if result.problem is not None else result.value
        self._refused = self._refused and result.problem is not None
        for run in runs:
            if run.over:
                continue
            if failed:
                self._due.put(self._clock() + ERROR_DELAY, run)
            elif run.launch.id in found:
                self._owner.accepted(run, found[run.launch.id])
            else:
                # Not before: a search that the thread's death has kept from being made is none.
                run.searches += 1
                self.add(run)

    def _is_refused(self, outcome: Outcome) -> bool:
        """Tell whether AWS will say so however often it is asked; said once to whoever can allow it."""
        if outcome.verdict is not Verdict.FAILED:
            return False
        if not self._refused:
            log.error(
                "Containers of which nobody knows whether they exist cannot be searched for: %s Allow ecs:ListTasks and "
                "ecs:DescribeTasks. Until then such a container is not stopped",
                outcome.reason,
            )
        self._refused = True
        return True


def _log_failed_look(error: BaseException) -> None:
    # Not the error itself: for its message botocore takes the body, such as a proxy's page, which may repeat the request.
    log.warning("AWS cannot be asked for containers to adopt, asking again: %s", judge_error(error).reason)
