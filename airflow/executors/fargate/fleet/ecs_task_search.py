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
Searches clusters for the ECS tasks of a deployment, call by call, and passes on each that was described.

A search has stages: it describes ECS tasks whose ARNs are known; then it lists those that run, in all
clusters; then those that have stopped. It ends as soon as nothing is to be found any more. The ECS tasks of
each page are described when the page arrives, except those that are known. A call that fails is made again,
and no other.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Protocol

from airflow.executors.fargate.aws.ecs import MAX_DESCRIBED, in_batches
from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.fleet.throttle import BackOff

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.answers import Answer, EcsTask, Page
    from airflow.executors.fargate.fleet.calls import Calls, Reply
    from airflow.executors.fargate.fleet.context import Context
    from airflow.executors.fargate.fleet.launch_state import Run

log = logging.getLogger(__name__)

#: Seconds before a call that got no answer is made again; first wait and limit.
SEARCH_BACK_OFF = 1.0, 10.0


class Stage(IntEnum):
    """Which ECS tasks a search asks for."""

    #: Those whose ARNs are known.
    KNOWN = 0
    RUNNING = 1
    STOPPED = 2
    #: None: the search is over.
    OVER = 3


class Seeker(Protocol):
    """For whom the search is."""

    def lacks(self, stage: Stage) -> bool:
        """Return whether something is to be found at this stage; if not, the search ends."""

    def take(self, cluster: str, task: EcsTask, stage: Stage) -> None:
        """Take an ECS task that was described; each is passed on once."""

    def has_read(self, stage: Stage) -> None:
        """All ECS tasks of this stage were passed on."""

    def refused(self, cluster: str, reply: Reply, stage: Stage) -> None:
        """AWS refuses a call in this cluster for good; it is not made again."""


@dataclass(eq=False)
class _Step:
    """A call to be made."""

    stage: Stage
    cluster: str
    #: What to describe; if empty, a page is listed instead.
    arns: Sequence[str] = ()
    next_token: str | None = None
    #: Whether the list is read for the second time, since AWS has refused the token of a page.
    again: bool = False
    failures: int = 0  # in a row
    #: The earliest time for it, by the fleet's clock.
    due: float = 0.0


class EcsTaskSearch:
    """
    One search; the fleet's thread alone uses it.

    Its API budget: a call for each 100 known ARNs; then for each cluster and list a call for each 100 ECS
    tasks of the deployment, and one to describe each 100 that are not known. They use the lane of searches,
    as many at once as it admits.

    :param context: the options, the clock and random numbers.
    :param calls: makes the calls.
    :param clusters: where ECS tasks are listed.
    :param seeker: takes the ECS tasks.
    :param known: ARNs that are not described when they are listed; it may grow during the search.
    :param runs: the launches that it is for: the suspects, if handling an answer ends the thread.
    """

    def __init__(
        self,
        context: Context,
        calls: Calls,
        *,
        clusters: Sequence[str],
        seeker: Seeker,
        known: Collection[str],
        runs: Sequence[Run] = (),
    ) -> None:
        self._calls = calls
        self._runs = runs
        self.clusters = tuple(clusters)
        self._deployment = context.config.deployment
        self._seeker = seeker
        self._known = known
        self._clock = context.clock
        self._back_off = BackOff(*SEARCH_BACK_OFF, context.random)
        self.stage = Stage.KNOWN
        #: When the first list was requested: ECS tasks that ListTasks knew by then are found.
        self.listed_at: float | None = None
        #: The first that is due is made first.
        self._steps: list[_Step] = []
        self._under_way = 0
        #: Whether an answer is being handled; still true after that has ended the thread.
        self.is_handling = False
        #: ARNs that were described or are about to be.
        self._asked: set[str] = set()

    @property
    def is_over(self) -> bool:
        """Whether no more calls are made, and no more ECS tasks passed on."""
        return self.stage is Stage.OVER

    def describe(self, cluster: str, arns: Sequence[str]) -> None:
        """Describe these before anything else, even if they are known."""
        self._asked.update(arns)
        self._put_first(_Step(self.stage, cluster, batch) for batch in in_batches(arns, MAX_DESCRIBED))

    def work(self) -> float | None:
        """Make the calls that are due; return when to look again, or None if only a message can tell."""
        self._go_on()
        now = self._clock()
        while self._calls.admits(self._calls.search) and (step := self._first(now)):
            self._make(step)
        due = min((step.due for step in self._steps), default=None)
        return self._calls.turn(self._calls.search, due)

    def end(self) -> None:
        """Make no more calls, and pass on no more ECS tasks."""
        self.stage, self._steps = Stage.OVER, []

    def _go_on(self) -> None:
        """When a stage has no more calls, go to the next one that has, or to the end."""
        while not self.is_over and not (self._steps or self._under_way):
            self._seeker.has_read(self.stage)
            self.stage = Stage(self.stage + 1)
            if self.stage is Stage.RUNNING:
                self.listed_at = self._clock()
            if not self.is_over:
                self._steps = [_Step(self.stage, cluster) for cluster in self.clusters]
            self._end_if_nothing_lacks()
        self._end_if_nothing_lacks()

    def _end_if_nothing_lacks(self) -> None:
        """End as soon as nothing is to be found any more, even if calls are under way."""
        if not self.is_over and not self._seeker.lacks(self.stage):
            self.end()

    def _first(self, now: float) -> _Step | None:
        return next((step for step in self._steps if step.due <= now), None)

    def _put_first(self, steps: Iterable[_Step]) -> None:
        self._steps[:0] = steps

    def _make(self, step: _Step) -> None:
        self._steps.remove(step)
        then = partial(self._done, step)
        if step.arns:
            self._calls.describe_tasks(step.cluster, step.arns, then, self._runs, self._calls.search)
        else:
            stopped = step.stage is Stage.STOPPED
            self._calls.list_tasks(step.cluster, self._deployment, step.next_token, then, self._runs, stopped)
        self._under_way += 1

    def _done(self, step: _Step, _: Sequence[Run], reply: Reply) -> None:
        self._under_way -= 1
        if self.is_over:
            return
        self.is_handling = True
        if reply.problem is not None:
            self._failed(step, reply)
        elif step.arns:
            self._described(step, reply.value)
        else:
            self._listed(step, reply.value)
        self.is_handling = False

    def _described(self, step: _Step, answer: Answer) -> None:
        self._asked.difference_update(step.arns)  # What AWS did not return may be listed again.
        for task in answer.tasks:
            self._asked.add(task.arn)
            self._seeker.take(step.cluster, task, step.stage)

    def _listed(self, step: _Step, page: Page) -> None:
        new = [arn for arn in page.arns if arn not in self._known and arn not in self._asked]
        self._asked.update(new)
        steps = [_Step(step.stage, step.cluster, batch) for batch in in_batches(new, MAX_DESCRIBED)]
        if page.next_token is not None:
            steps.append(_Step(step.stage, step.cluster, (), page.next_token, step.again))
        self._put_first(steps)

    def _failed(self, step: _Step, reply: Reply) -> None:
        if reply.verdict in (Verdict.THROTTLED, Verdict.CREDENTIALS):
            self._put_first([step])  # All calls wait, so it keeps its place.
        elif reply.verdict is not Verdict.FAILED:
            step.failures += 1
            if step.failures == 1 and reply.problem:
                log.warning(
                    "A search for ECS tasks got no answer from AWS, trying again: %s", reply.problem.reason
                )
            step.due = self._clock() + self._back_off(step.failures)
            self._put_first([step])
        elif step.next_token is not None and not step.again:
            # The token may have expired during an outage. The list is read anew; what was described is
            # skipped.
            self._put_first([_Step(step.stage, step.cluster, again=True)])
        else:
            self._seeker.refused(step.cluster, reply, step.stage)
