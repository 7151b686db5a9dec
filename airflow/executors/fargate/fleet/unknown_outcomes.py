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
"""Searches for the ECS tasks of launches that may have started: RunTask had no clear answer and is not asked any more."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from airflow.executors.fargate.aws.outcome import classify_ecs_task
from airflow.executors.fargate.fleet.ecs_task_search import EcsTaskSearch, Stage
from airflow.executors.fargate.fleet.launch_state import Run, Schedule

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.answers import EcsTask
    from airflow.executors.fargate.fleet.calls import Calls, Reply

log = logging.getLogger(__name__)

#: Seconds until each search for an ECS task of which nobody knows whether it exists.
SEARCH_DELAYS = (5.0, 30.0, 120.0)
#: Why a launch has failed that Airflow has not given up.
NOT_FOUND = (
    "RunTask had no clear answer until the token in the command was about to expire, and no container was found that "
    "it could have started."
)


class Owner(Protocol):
    """Who is told what was found."""

    def accepted(self, run: Run, arn: str) -> None:
        """AWS has an ECS task for the run."""

    def ended(self, run: Run, reason: str | None) -> None:
        """End a launch that has no ECS task."""

    def arns(self) -> Iterable[str]:
        """Return the ARNs of the ECS tasks that are followed."""


class UnknownOutcomes:
    """
    Searches for all that are due in one cluster, in one search at a time; the fleet's thread alone uses it.

    :param calls: makes the calls.
    :param deployment: the ``startedBy`` of the ECS tasks.
    :param owner: is told what was found.
    :param clock: seconds, never going backwards.
    :param random: returns a number from 0 to 1.
    """

    def __init__(
        self,
        *,
        calls: Calls,
        deployment: str,
        owner: Owner,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._calls = calls
        self._deployment = deployment
        self._owner = owner
        self._clock = clock
        self._random = random
        self._due = Schedule()
        self._search: EcsTaskSearch | None = None
        #: By the ids of their launches, what is searched for and has not been found.
        self._wanted: dict[str, Run] = {}
        #: Whether the last search was refused for good, and whether this one was.
        self._was_refused = self._is_refused = False

    @property
    def open(self) -> int:
        """How many launches that Airflow has given up are searched for: what is found of them is to be stopped."""
        return sum(run.abandoned for run in itertools.chain(self._due, self._wanted.values()))

    def has(self, run: Run) -> bool:
        """Tell whether a launch is being searched for at the moment."""
        return run.launch.id in self._wanted

    def add(self, run: Run) -> None:
        """
        Search for the ECS task of a launch for which RunTask had no clear answer and is not asked any more.

        Where Airflow has given up the launch, an ECS task that is found is stopped, else it is the launch's.
        """
        if run in self._due or self.has(run):
            return
        if run.searches < len(SEARCH_DELAYS):
            self._due.put(self._clock() + SEARCH_DELAYS[run.searches], run)
        else:
            run.may_have_started = False
            self._owner.ended(run, None if run.abandoned else NOT_FOUND)

    def clear(self) -> None:
        """Forget all turns; the fleet enters the runs anew."""
        self._due.clear()
        self._wanted = {}
        if self._search:
            self._search.end()
        self._search = None

    def work(self) -> float | None:
        """Make the calls whose turn it is; return when to look again, or None if only a message can tell."""
        while self._search or self._begin():
            turn = self._search.work() if self._search else None
            if self._search and not self._search.is_over:
                return turn
            self._end()
        return self._due.first()

    def _begin(self) -> bool:
        """Search for all in the cluster of the first that is due; False where none is."""
        now = self._clock()
        first = self._due.take(now)
        if first is None:
            return False
        runs = [first]
        while run := self._due.take(now):
            runs.append(run)
        self._wanted = {run.launch.id: run for run in runs if run.cluster == first.cluster}
        for run in runs:
            if run.cluster != first.cluster:
                self._due.put(now, run)
        self._is_refused = False
        self._search = EcsTaskSearch(
            calls=self._calls,
            clusters=[first.cluster],
            deployment=self._deployment,
            seeker=self,
            known=set(self._owner.arns()),
            clock=self._clock,
            random=self._random,
            runs=[*self._wanted.values()],
        )
        return True

    def _end(self) -> None:
        self._search, wanted, self._wanted = None, self._wanted, {}
        self._was_refused = self._is_refused
        for run in wanted.values():
            if not run.over:
                run.searches += 1
                self.add(run)

    # What the search asks and tells.

    def lacks(self, stage: Stage) -> bool:
        """Tell whether there is an ECS task to be found; of those that have ended, only for a launch that is wanted."""
        return any(
            not run.over and not (stage is Stage.STOPPED and run.abandoned) for run in self._wanted.values()
        )

    def take(self, cluster: str, task: EcsTask, stage: Stage) -> None:
        """Take the ECS task for the launch's, if it is; one that never started may be that of an earlier attempt."""
        identity = task.identity
        run = self._wanted.get(identity.launch_id) if identity else None
        if identity is None or run is None or run.over:
            return
        if stage is Stage.STOPPED and (
            run.abandoned or not classify_ecs_task(task, identity.container_name).started
        ):
            return
        del self._wanted[identity.launch_id]
        self._owner.accepted(run, task.arn)

    def has_read(self, stage: Stage) -> None:
        """Need not know."""

    def refused(self, cluster: str, reply: Reply, stage: Stage) -> None:
        """Count the search as one that has found nothing, and say so once to whoever can allow it."""
        if not self._was_refused and not self._is_refused:
            log.error(
                "Containers of which nobody knows whether they exist cannot be searched for: %s Allow ecs:ListTasks and "
                "ecs:DescribeTasks. Until then such a container is not stopped",
                reply.problem.reason if reply.problem else "the answer cannot be handled.",
            )
        self._is_refused = True
