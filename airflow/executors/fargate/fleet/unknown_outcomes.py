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
"""Searches for the ECS tasks of launches that may have started and for which RunTask is not called again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.outcome import classify_ecs_task
from airflow.executors.fargate.fleet.ecs_task_search import EcsTaskSearch, Seeker, Stage
from airflow.executors.fargate.fleet.launch_state import Run, Schedule

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.answers import EcsTask
    from airflow.executors.fargate.aws.verdict import Outcome
    from airflow.executors.fargate.fleet.lifecycle import Lifecycle

log = logging.getLogger(__name__)

#: Seconds before each of the searches for the ECS task of a launch.
SEARCH_DELAYS = (5.0, 30.0, 120.0)
#: Why a launch has failed that Airflow still wanted.
NOT_FOUND = (
    "RunTask had no clear answer until the token in the command was about to expire, and no ECS task was "
    "found that it may have started."
)


class UnknownOutcomes(Seeker):
    """Each search is for all that are due."""

    def __init__(self, owner: Lifecycle) -> None:
        super().__init__(owner)
        self._schedule = Schedule()
        #: By the ids of their launches, what the present search is for and has not found yet.
        self._wanted: dict[str, Run] = {}
        #: Whether AWS refused the last search for good, and this one.
        self._was_refused = self._is_refused = False

    @property
    def open(self) -> int:
        """How many abandoned launches are searched for: their ECS tasks must be stopped once found."""
        return sum(run.abandoned for run in (*self._schedule, *self._wanted.values()))

    def has(self, run: Run) -> bool:
        """Return whether the present search is for this launch."""
        return run.launch.id in self._wanted

    def add(self, run: Run) -> None:
        """
        Search for the ECS task of a launch that may have started and for which RunTask is not called again.

        An ECS task that is found is watched, and stopped if the launch is abandoned. After the last search
        the launch ends.
        """
        if run in self._schedule or self.has(run):
            return
        if run.searches < len(SEARCH_DELAYS):
            self._schedule.put(self._clock() + SEARCH_DELAYS[run.searches], run)
        else:
            run.may_have_started = False
            self._owner.ended(run, None if run.abandoned else NOT_FOUND)

    def clear(self) -> None:
        """Forget all turns; the fleet adds the runs again."""
        super().clear()
        self._schedule, self._wanted = Schedule(), {}

    def _due_at(self) -> float | None:
        return self._schedule.first()

    def _begin(self) -> EcsTaskSearch:
        now = self._clock()
        while run := self._schedule.take(now):
            self._wanted[run.launch.id] = run
        self._is_refused, runs = False, [*self._wanted.values()]
        clusters = sorted({run.cluster for run in runs})
        return EcsTaskSearch(self._context, self._calls, self, clusters, self._owner.arns, runs)

    def _end(self, search: EcsTaskSearch) -> None:
        wanted, self._wanted = self._wanted, {}
        self._was_refused = self._is_refused
        for run in wanted.values():
            if not run.over:
                run.searches += 1
                self.add(run)

    # What the search asks and finds.

    def lacks(self, stage: Stage) -> bool:
        """Return whether a launch still lacks its ECS task; stopped ones are for launches that are wanted."""
        of_stage = (run for run in self._wanted.values() if stage is not Stage.STOPPED or not run.abandoned)
        return any(not run.over for run in of_stage)

    def take(self, cluster: str, ecs_task: EcsTask, stage: Stage) -> None:
        """Accept a launch's ECS task, unless it never started: it may be an earlier attempt's."""
        identity = ecs_task.identity
        run = self._wanted.get(identity.launch_id) if identity else None
        if identity is None or run is None or run.over:
            return
        outcome = classify_ecs_task(ecs_task, identity.container_name)
        if stage is Stage.STOPPED and (run.abandoned or not outcome.started):
            return
        del self._wanted[identity.launch_id]
        self._owner.accepted(run, ecs_task.arn, ecs_task.task_definition)

    def refused(self, cluster: str, problem: Outcome, stage: Stage) -> None:
        """Count the search as one that has found nothing, and log that once until a search succeeds again."""
        if not self._was_refused and not self._is_refused:
            log.error(
                "The ECS tasks of launches that may have started cannot be searched for: %s Allow "
                "ecs:ListTasks and ecs:DescribeTasks. Until then such ECS tasks are not stopped",
                problem.reason,
            )
        self._is_refused = True
