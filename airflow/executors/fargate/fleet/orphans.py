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
Looks for containers of the deployment that nobody wants any more, and has them stopped.

A launch can be given up while its container is still on its way: Airflow resets what a killed scheduler has left, or
revokes what is queued for too long, and AWS carries out the RunTask afterwards. So the containers of the deployment
are listed as often as Airflow looks for orphans, one call at a time, and those that no launch of this fleet is for are
described. They cross to the scheduler's thread as one event, ``orphan_lookup.find_orphans()`` compares them with the database
(:func:`~airflow.executors.fargate.present.is_orphaned`), and what comes back is stopped like a revoked launch.

Who has launched a container stands in its identity: the id of the scheduler's job and the moment when that began. So the
containers of a scheduler that lives are left to it, and those of another Airflow, whose jobs have the same numbers or whose
database is the origin of this one (:attr:`Identity.database`), are nobody's business. A task instance that runs is left
alone, too: up to 3.0 it may run in any of its containers, and from 3.1 on in any of its present try. What has started is left
ten minutes (:data:`~airflow.executors.fargate.present.ENDING`) to end by itself, for the task instance's state changes before its container is done. What this
leaves open is told in ``docs/executor/fargate.rst``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from airflow.executors.fargate.aws.answers import Answer, EcsTask, Page
from airflow.executors.fargate.aws.ecs import MAX_DESCRIBED
from airflow.executors.fargate.aws.outcome import classify_ecs_task
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.messages import OtherEcsTask, OtherEcsTasks
from airflow.executors.fargate.present import ENDING

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.calls import Calls, Reply
    from airflow.executors.fargate.fleet.launch_state import Run
    from airflow.executors.fargate.messages import Event

log = logging.getLogger(__name__)

#: Seconds before each of the first sweeps, and of those after launches were given up: AWS may still carry out the
#: RunTask of a scheduler that is gone. Then a sweep comes each interval.
FIRST_DELAYS = (5.0, 10.0, 15.0, 30.0)
#: Seconds before a sweep at least, however short the interval is that Airflow is given for its own look for orphans.
SHORTEST_DELAY = 1.0
#: A sweep makes one call at a time, and not more than this share of ``describe_rate``.
SHARE = 0.1
REASON = "Airflow has given up the launch"


class Owner(Protocol):
    """Whose containers are no strangers."""

    def arns(self) -> Collection[str]:
        """Return the ARNs of the containers that are followed."""

    def knows(self, launch_id: str) -> bool:
        """Tell whether the launch is not over."""

    def discard(self, other_ecs_task: OtherEcsTask, reason: str) -> None:
        """Stop a container."""


class OrphanReaper:
    """
    Finds the strangers among the deployment's containers, step by step.

    Its budget, for each ``interval``: a call for each cluster and each 100 containers of the deployment there, and one for
    each 100 strangers that were not seen before, such as those of another scheduler. They come out of the bucket of
    ``describe_rate``, and take at most a tenth of it.

    :param calls: makes the calls.
    :param clusters: where containers are listed, one after the other.
    :param deployment: the ``startedBy`` of the containers.
    :param interval: seconds between two sweeps; None for none at all.
    :param rate: DescribeTasks and ListTasks calls a second that all parts of the fleet may make.
    :param owner: knows its own containers, and stops others.
    :param emit: takes an event to the executor.
    :param clock: seconds, never going backwards.
    """

    def __init__(
        self,
        *,
        calls: Calls,
        clusters: Sequence[str],
        deployment: str,
        interval: float | None,
        rate: float,
        owner: Owner,
        emit: Callable[[Event], None],
        clock: Callable[[], float],
    ) -> None:
        self._calls = calls
        self._clusters = clusters
        self._deployment = deployment
        self._interval = interval if clusters else None
        self._pause = 1 / (rate * SHARE)
        self._owner = owner
        self._emit = emit
        self._clock = clock
        #: What has been seen by ARN; None where it is nobody's business, since it is no launch's or has ended.
        self._seen: dict[str, OtherEcsTask | None] = {}
        #: Since when a container that has started is given up.
        self._given_up: dict[str, float] = {}
        self._failures = 0  # in a row
        #: Clusters of which it was said that AWS refuses a call there for good.
        self._refused: set[str] = set()
        self._sweep = 0
        self._begin_anew()
        self.hasten()

    def hasten(self) -> None:
        """Sweep soon, and more often for a while: launches have been given up whose container may come late."""
        self._delays = iter(FIRST_DELAYS)
        if not self._unlisted and not self._undescribed and not self._under_way:
            self._plan()

    def clear(self) -> None:
        """Leave off the sweep under way; the next one comes in its time."""
        self._begin_anew()
        self._plan()

    def work(self) -> float | None:
        """Make the call whose turn it is; return when to look again, or None if only a message can tell."""
        if self._due is None or self._under_way:
            return None
        if self._clock() >= self._due and self._calls.admits(self._calls.search):
            self._step()
            return None
        return self._calls.turn(self._calls.search, self._due)

    def judged(self, arns: Iterable[str]) -> None:
        """Take the answer to :class:`OtherEcsTasks`: which of them have been given up. What has not started is stopped."""
        given_up = set(arns)
        now = self._clock()
        self._given_up = {arn: self._given_up.get(arn, now) for arn in given_up}
        for arn in given_up:
            other_ecs_task = self._seen.get(arn)
            if other_ecs_task is None or self._owner.knows(other_ecs_task.identity.launch_id):
                continue
            if other_ecs_task.started and now - self._given_up[arn] < ENDING:
                continue
            if not other_ecs_task.started and arn not in self._fresh:
                # It may have started since then: the next sweep sees, and that comes soon.
                del self._seen[arn]
                self.hasten()
                continue
            self._owner.discard(other_ecs_task, REASON)

    def _begin_anew(self) -> None:
        self._sweep += 1
        self._under_way = False
        #: Clusters that have still to be listed, and what asks for the next page of the first of them.
        self._unlisted: list[str] = []
        self._next_token: str | None = None
        #: The cluster of each container that is listed.
        self._listed: dict[str, str] = {}
        #: What is still to be described: clusters, and as many ARNs as one call takes.
        self._undescribed: list[tuple[str, list[str]]] = []
        self._fresh: set[str] = set()

    def _plan(self) -> None:
        self._due: float | None = None
        if self._interval is not None:
            delay = min(self._interval, next(self._delays, self._interval))
            self._due = self._clock() + max(SHORTEST_DELAY, delay)

    def _step(self) -> None:
        """Make one call: for a page of a list, or for a hundred containers of a cluster that were not seen before."""
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
        # What AWS refuses in one cluster tells of none there, and keeps nobody from looking into the others.
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
            self._seen = {
                arn: other_ecs_task for arn, other_ecs_task in self._seen.items() if arn in self._listed
            }
            self._undescribed = [*self._batches()]

    def _batches(self) -> Iterator[tuple[str, list[str]]]:
        """Yield what was not seen before, by cluster, in pieces that one call takes."""
        unseen = self._listed.keys() - self._seen.keys() - set(self._owner.arns())
        for cluster in self._clusters:
            arns = sorted(arn for arn in unseen if self._listed[arn] == cluster)
            for start in range(0, len(arns), MAX_DESCRIBED):
                yield cluster, arns[start : start + MAX_DESCRIBED]

    def _described(self, cluster: str, answer: Answer | None) -> None:
        for task in answer.tasks if answer else ():
            self._fresh.add(task.arn)
            self._seen[task.arn] = self._read(cluster, task)

    def _read(self, cluster: str, task: EcsTask) -> OtherEcsTask | None:
        """Return what is to be known of an ECS task; None where it is to be left alone."""
        identity = task.identity if task.started_by == self._deployment else None
        if identity is None or identity.scheduler is None:
            return None
        outcome = classify_ecs_task(task, identity.container_name)
        if outcome.verdict is not Verdict.LIVE:
            return None  # Its work is over.
        return OtherEcsTask(identity, task.arn, task.cluster or cluster, outcome.started)

    def _end(self) -> None:
        """Tell of the strangers; those of launches that have an answer by now are none."""
        other_ecs_tasks = tuple(
            other_ecs_task
            for other_ecs_task in self._seen.values()
            if other_ecs_task is not None and not self._owner.knows(other_ecs_task.identity.launch_id)
        )
        self._listed = {}
        self._plan()
        if other_ecs_tasks:
            self._emit(OtherEcsTasks(other_ecs_tasks))

    def _is_refused(self, cluster: str, problem: Outcome) -> bool:
        """Tell whether AWS refuses the call in this cluster for good, and say so the first time."""
        if problem.verdict is not Verdict.FAILED:
            return False
        if cluster not in self._refused:
            log.warning(
                "Containers that nobody wants cannot be looked for in cluster %s: %s", cluster, problem.reason
            )
        self._refused.add(cluster)
        return True

    def _failed(self, problem: Outcome) -> None:
        """Leave it at that: the next sweep sees what this one has not."""
        self._failures += 1
        if self._failures == 1:
            log.warning("Containers that nobody wants cannot be looked for, trying again: %s", problem.reason)
        self.clear()
