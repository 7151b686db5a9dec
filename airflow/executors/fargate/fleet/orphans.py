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
its jobs have the same numbers or this database is a copy of its own (:attr:`Identity.database`). Those of a
running task instance are left alone, too: up to 3.0 it may run in any of its ECS tasks, from 3.1 on in any of
its present try. One that has started has ten minutes (:data:`~airflow.executors.fargate.present.ENDING`) to
end by itself, since the task instance's state changes before its ECS task has ended.
``docs/executor/fargate.rst`` tells which orphans this does not find.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from airflow.executors.fargate.aws.answers import Answer, EcsTask, Page
from airflow.executors.fargate.aws.ecs import MAX_DESCRIBED, in_batches
from airflow.executors.fargate.aws.outcome import classify_ecs_task
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.messages import OtherEcsTask, OtherEcsTasks
from airflow.executors.fargate.present import ENDING

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.calls import Calls, Reply
    from airflow.executors.fargate.fleet.context import Context
    from airflow.executors.fargate.fleet.launch_state import Run

log = logging.getLogger(__name__)

#: Seconds before each of the first sweeps, and before each of those after launches were abandoned: AWS may
#: still carry out the RunTask of a scheduler that is gone. After these there is a sweep each interval.
FIRST_DELAYS = (5.0, 10.0, 15.0, 30.0)
#: Seconds before a sweep, at least: [scheduler] orphaned_tasks_check_interval may be shorter.
SHORTEST_DELAY = 1.0
#: The share of ``describe_rate`` that a sweep uses at most; it makes one call at a time.
SHARE = 0.1
#: Why an orphan is stopped: StopTask passes it on to AWS.
REASON = "Airflow has given up the launch"


class Owner(Protocol):
    """Knows the fleet's own ECS tasks, and stops orphans."""

    def arns(self) -> Collection[str]:
        """Return the ARNs of the ECS tasks that are watched."""

    def knows(self, launch_id: str) -> bool:
        """Return whether the launch is one of this fleet's and not over."""

    def discard(self, orphan: OtherEcsTask, reason: str) -> None:
        """Stop an ECS task."""


class OrphanReaper:
    """
    Sweeps the clusters of the options for ECS tasks of the deployment that are not this fleet's.

    Its API budget for each ``sweep_interval``: a call for each cluster and each 100 ECS tasks of the
    deployment there, and one for each 100 that are not this fleet's and were not described before, such as
    those of another scheduler. They use the bucket of ``describe_rate``, and at most a tenth of it.

    :param context: the options and the clock; its ``sweep_interval`` is None if there are no sweeps.
    :param calls: makes the calls.
    :param owner: knows the fleet's own ECS tasks, and stops orphans.
    """

    def __init__(self, context: Context, calls: Calls, owner: Owner) -> None:
        config = context.config
        self._calls = calls
        self._clusters = config.clusters
        self._deployment = config.deployment
        self._interval = context.sweep_interval if config.clusters else None
        self._pause = 1 / (config.describe_rate * SHARE)
        self._owner = owner
        self._emit = context.emit
        self._clock = context.clock
        #: What was described, by ARN; None if it is ignored, since it belongs to no launch or has ended.
        self._seen: dict[str, OtherEcsTask | None] = {}
        #: Since when each orphan is one, without a break.
        self._orphaned: dict[str, float] = {}
        self._failures = 0  # in a row
        #: Clusters for which it was logged that AWS refuses a call there for good.
        self._refused: set[str] = set()
        self._sweep = 0
        self._begin_anew()
        self.hasten()

    def hasten(self) -> None:
        """Sweep soon, and more often for a while: launches were abandoned whose ECS task may still appear."""
        self._delays = iter(FIRST_DELAYS)
        if not self._unlisted and not self._undescribed and not self._under_way:
            self._plan()

    def clear(self) -> None:
        """Stop the sweep under way; the next one comes in its time."""
        self._begin_anew()
        self._plan()

    def work(self) -> float | None:
        """Make the call that is due; return when to look again, or None if only a message can tell."""
        if self._due is None or self._under_way:
            return None
        if self._clock() >= self._due and self._calls.admits(self._calls.search):
            self._step()
            return None
        return self._calls.turn(self._calls.search, self._due)

    def stop(self, arns: Iterable[str]) -> None:
        """
        Stop orphans: at once what has not started, and what has started after :data:`~.present.ENDING`.

        :param arns: those of the last :class:`OtherEcsTasks` that the database has confirmed to be orphaned.
        """
        now = self._clock()
        self._orphaned = {arn: self._orphaned.get(arn, now) for arn in set(arns)}
        for arn, since in self._orphaned.items():
            orphan = self._seen.get(arn)
            if orphan is None or self._owner.knows(orphan.identity.launch_id):
                continue
            if orphan.started and now - since < ENDING:
                continue
            if not orphan.started and arn not in self._fresh:
                # It may have started since it was described: a sweep soon describes it again.
                del self._seen[arn]
                self.hasten()
                continue
            self._owner.discard(orphan, REASON)

    def _begin_anew(self) -> None:
        self._sweep += 1
        self._under_way = False
        #: Clusters that are still to be listed, and the token of the next page of the first of them.
        self._unlisted: list[str] = []
        self._next_token: str | None = None
        #: The cluster of each ECS task that is listed, by ARN.
        self._listed: dict[str, str] = {}
        #: What is still to be described: clusters, and as many ARNs as one call takes.
        self._undescribed: list[tuple[str, Sequence[str]]] = []
        #: ARNs that were described in this sweep.
        self._fresh: set[str] = set()

    def _plan(self) -> None:
        self._due: float | None = None
        if self._interval is not None:
            delay = min(self._interval, next(self._delays, self._interval))
            self._due = self._clock() + max(SHORTEST_DELAY, delay)

    def _step(self) -> None:
        """Make one call: list a page, or describe up to a hundred new ECS tasks of a cluster."""
        if self._undescribed:
            cluster, batch = self._undescribed.pop(0)
            then = partial(self._done, self._sweep, cluster, partial(self._described, cluster))
            self._under_way = True
            self._calls.describe_tasks(cluster, batch, then, lane=self._calls.search)
            return
        if not self._unlisted:
            self._begin_anew()
            self._unlisted = list(self._clusters)
        cluster = self._unlisted[0]
        then = partial(self._done, self._sweep, cluster, partial(self._page, cluster))
        self._under_way = True
        self._calls.list_tasks(cluster, self._deployment, self._next_token, then)

    def _done(
        self,
        sweep: int,
        cluster: str,
        then: Callable[[Page | Answer | None], None],
        _: Sequence[Run],
        reply: Reply,
    ) -> None:
        if sweep != self._sweep:
            return
        self._under_way = False
        if reply.problem is None:
            self._failures = 0
        elif not self._is_refused(cluster, reply.problem):
            self._failed(reply.problem)
            return
        self._due = self._clock() + self._pause
        # A cluster that AWS refuses counts as empty, and does not end the sweep of the others.
        then(reply.value)
        if not self._unlisted and not self._undescribed:
            self._end()

    def _page(self, cluster: str, page: Page | None) -> None:
        page = page or Page()
        self._listed.update(dict.fromkeys(page.arns, cluster))
        self._next_token = page.next_token
        if page.next_token is not None:
            return
        self._unlisted.pop(0)
        if not self._unlisted:
            self._seen = {arn: seen for arn, seen in self._seen.items() if arn in self._listed}
            self._undescribed = [*self._batches()]

    def _batches(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield what was not described before, by cluster, in batches for one call each."""
        unseen = self._listed.keys() - self._seen.keys() - set(self._owner.arns())
        for cluster in self._clusters:
            arns = sorted(arn for arn in unseen if self._listed[arn] == cluster)
            for batch in in_batches(arns, MAX_DESCRIBED):
                yield cluster, batch

    def _described(self, cluster: str, answer: Answer | None) -> None:
        for task in answer.tasks if answer else ():
            self._fresh.add(task.arn)
            self._seen[task.arn] = self._read(cluster, task)

    def _read(self, cluster: str, task: EcsTask) -> OtherEcsTask | None:
        """Return what is compared with the database; None if the ECS task is ignored."""
        identity = task.identity if task.started_by == self._deployment else None
        if identity is None or identity.scheduler is None:
            return None
        outcome = classify_ecs_task(task, identity.container_name)
        if outcome.verdict is not Verdict.LIVE:
            return None  # It has ended, or its main container has.
        return OtherEcsTask(identity, task.arn, task.cluster or cluster, outcome.started)

    def _end(self) -> None:
        """Emit what is not this fleet's; its own launches may have got their ARNs since the listing."""
        others = tuple(
            seen
            for seen in self._seen.values()
            if seen is not None and not self._owner.knows(seen.identity.launch_id)
        )
        self._listed = {}
        self._plan()
        if others:
            self._emit(OtherEcsTasks(others))

    def _is_refused(self, cluster: str, problem: Outcome) -> bool:
        """Return whether AWS refuses the call in this cluster for good; log that the first time."""
        if problem.verdict is not Verdict.FAILED:
            return False
        if cluster not in self._refused:
            log.warning(
                "Orphaned ECS tasks cannot be searched for in cluster %s: %s", cluster, problem.reason
            )
        self._refused.add(cluster)
        return True

    def _failed(self, problem: Outcome) -> None:
        """Stop this sweep: the next one sees what this one has not."""
        self._failures += 1
        if self._failures == 1:
            log.warning("Orphaned ECS tasks cannot be searched for, trying again: %s", problem.reason)
        self.clear()
