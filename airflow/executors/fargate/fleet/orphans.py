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
Searches for orphaned ECS tasks of the deployment: ECS tasks that no launch wants any more. They are stopped.

Airflow may abandon a launch before AWS has started its ECS task: it resets the task instances of a killed
scheduler, and revokes those that are queued for too long, and AWS may carry out RunTask afterwards. So the
deployment's ECS tasks are listed as often as Airflow looks for orphaned task instances, one call at a time.
Those that belong to no launch of this fleet are described, and go to the scheduler's thread as one event.
``orphan_lookup.find_orphans()`` compares them with the database
(:func:`~airflow.executors.fargate.present.is_orphaned`); those that it returns are stopped like revoked
launches.

The identity of an ECS task names the scheduler that launched it: the id of that scheduler's job and when the
job began. So the ECS tasks of a live scheduler are left to it. Those of another Airflow are ignored, even if
job ids coincide or this database is a copy of its own (:attr:`Identity.database`). Those of a
running task instance are left alone, too: up to 3.0 it may run in any of its ECS tasks, from 3.1 on in any of
its present try. One that has started has ten minutes (:data:`~airflow.executors.fargate.present.ENDING`) to
end by itself, since the task instance's state changes before its ECS task has ended.
``docs/executor/fargate-operating.rst`` tells which orphans this does not find.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.outcome import classify_ecs_task
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.fleet.ecs_task_search import EcsTaskSearch, Seeker, Stage
from airflow.executors.fargate.messages import OtherEcsTask, OtherEcsTasks
from airflow.executors.fargate.present import ENDING

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.answers import EcsTask
    from airflow.executors.fargate.fleet.lifecycle import Lifecycle

log = logging.getLogger(__name__)

#: Seconds before each of the first sweeps after the start, and after launches were abandoned: AWS may still
#: carry out a RunTask call. Then there is a sweep each ``sweep_interval``.
FIRST_DELAYS = (5.0, 10.0, 15.0, 30.0)
#: Seconds before a sweep, at least: [scheduler] orphaned_tasks_check_interval may be shorter.
SHORTEST_DELAY = 1.0
#: The share of ``describe_rate`` that a sweep uses at most; it makes one call at a time.
SHARE = 0.1
#: Why an orphan is stopped: StopTask passes it on to AWS.
STOP_REASON = "Airflow has abandoned the launch"
#: The log line about a sweep that has failed.
LATER = "Orphaned ECS tasks cannot be searched for, trying again: %s"


class OrphanReaper(Seeker):
    """
    Sweeps the clusters of the options for ECS tasks of the deployment that are not this fleet's.

    Its API budget for each ``sweep_interval``: a call for each cluster and each 100 ECS tasks of the
    deployment there, and for each of these pages one if it has ECS tasks that are not this fleet's and were
    not described before, such as those of another scheduler. They use the bucket of ``describe_rate``, and at
    most a tenth of it.
    """

    def __init__(self, owner: Lifecycle) -> None:
        super().__init__(owner)
        #: Seconds between two sweeps; None if there are no sweeps.
        self._interval = owner.context.sweep_interval if owner.context.config.clusters else None
        #: What was described, by ARN; None if it is ignored, since it belongs to no launch or has ended.
        self._seen: dict[str, OtherEcsTask | None] = {}
        #: ARNs that were described in this sweep.
        self._fresh: set[str] = set()
        #: Since when each orphan is one, without a break.
        self._orphaned: dict[str, float] = {}
        #: What was logged of searches that have failed.
        self._logged: set[str] = set()
        self.hasten()

    def hasten(self) -> None:
        """Sweep soon, and more often for a while: launches were abandoned whose ECS task may still appear."""
        self._delays = iter(FIRST_DELAYS)
        if self._search is None:
            self._plan()

    def clear(self) -> None:
        """Stop the sweep under way; the next one comes in its time."""
        super().clear()
        self._plan()

    def stop(self, arns: Iterable[str]) -> None:
        """
        Stop orphans: at once what has not started, and what has started after :data:`~.present.ENDING`.

        :param arns: those of the last :class:`OtherEcsTasks` that the database has confirmed to be orphaned.
        """
        now = self._clock()
        self._orphaned = {arn: self._orphaned.get(arn, now) for arn in set(arns)}
        for arn, since in self._orphaned.items():
            orphan = self._seen.get(arn)
            is_ending = orphan is not None and orphan.started and now - since < ENDING
            if orphan is None or is_ending or orphan.identity.launch_id in self._owner.runs_by_id:
                continue
            if orphan.started or arn in self._fresh:
                self._owner.discard(orphan, STOP_REASON)
            else:
                # It may have started since it was described: a sweep soon describes it again.
                del self._seen[arn]
                self.hasten()

    def _plan(self) -> None:
        """Let the next sweep come in its time."""
        self._due = None
        if self._interval is not None:
            delay = min(self._interval, next(self._delays, self._interval))
            self._due = self._clock() + max(SHORTEST_DELAY, delay)

    def _begin(self) -> EcsTaskSearch:
        self._fresh, config = set(), self._context.config
        known = lambda: [*self._seen, *self._owner.arns()]
        pause = 1 / (config.describe_rate * SHARE)
        return EcsTaskSearch(self._context, self._calls, self, config.clusters, known, pause=pause)

    def _end(self, search: EcsTaskSearch) -> None:
        """Emit what is not this fleet's; its own launches may have got their ARNs since the listing."""
        self._plan()
        self._logged.discard(LATER)
        self._seen = {arn: seen for arn, seen in self._seen.items() if arn in search.listed}
        others = [seen for seen in self._seen.values() if seen is not None]
        others = [other for other in others if other.identity.launch_id not in self._owner.runs_by_id]
        if others:
            self._context.emit(OtherEcsTasks(tuple(others)))

    # What the sweep asks and finds.

    def lacks(self, stage: Stage) -> bool:
        """Return whether ECS tasks of this stage are read: those that run."""
        return stage is not Stage.STOPPED

    def take(self, cluster: str, ecs_task: EcsTask, stage: Stage) -> None:
        """Remember what is compared with the database; None if the ECS task is ignored."""
        self._fresh.add(ecs_task.arn)
        seen = None
        identity = ecs_task.identity if ecs_task.started_by == self._context.config.deployment else None
        if identity is not None and identity.scheduler is not None:
            outcome = classify_ecs_task(ecs_task, identity.container_name)
            if outcome.verdict is Verdict.LIVE:  # Otherwise it has ended, or its main container has.
                seen = OtherEcsTask(identity, ecs_task.arn, ecs_task.cluster or cluster, outcome.started)
        self._seen[ecs_task.arn] = seen

    def refused(self, cluster: str, problem: Outcome, stage: Stage) -> None:
        """Count a cluster that AWS refuses for good as empty; any other error stops the sweep."""
        is_refused = problem.verdict is Verdict.FAILED
        text = f"Orphaned ECS tasks cannot be searched for in cluster {cluster}: %s" if is_refused else LATER
        if text not in self._logged:
            log.warning(text, problem.reason)
            self._logged.add(text)
        if not is_refused:
            self.clear()  # The next sweep sees what this one has not.
