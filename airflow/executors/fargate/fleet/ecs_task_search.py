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
Searches clusters for the ECS tasks of a deployment, step by step, and hands on each answer as it comes.

A search has stages: ECS tasks whose ARNs are known are described; then the lists of those that run are read, of all
clusters; then the lists of those that have stopped, and only while something is still lacking. Each page is described as
it comes, without what is known. A call that fails is made again, that call alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
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
    from airflow.executors.fargate.fleet.launch_state import Run

log = logging.getLogger(__name__)

#: Seconds; first wait and limit, before a call that got no answer is made again.
SEARCH_BACK_OFF = 1.0, 10.0


class Stage(IntEnum):
    """What a search asks for."""

    #: ECS tasks whose ARNs are known.
    KNOWN = 0
    #: Those that run.
    RUNNING = 1
    #: Those that have stopped.
    STOPPED = 2
    #: The search is over.
    OVER = 3


class Seeker(Protocol):
    """Who searches."""

    def lacks(self, stage: Stage) -> bool:
        """Tell whether there is something to be found at this stage; else the search goes no further."""

    def take(self, cluster: str, task: EcsTask, stage: Stage) -> None:
        """Look at an ECS task: it is described once, whatever comes of it."""

    def has_read(self, stage: Stage) -> None:
        """Note that all that this stage asks for was handed on."""

    def refused(self, cluster: str, reply: Reply, stage: Stage) -> None:
        """Note that AWS refuses a call in this cluster for good, however often it is made."""


@dataclass(eq=False)
class _Step:
    """A call that is to be made."""

    stage: Stage
    cluster: str
    #: What is to be described; where there are none, a page is to be listed.
    arns: Sequence[str] = ()
    next_token: str | None = None
    #: Whether the list is read once more, since AWS has refused the token of a page.
    again: bool = False
    failures: int = 0  # in a row
    #: No sooner is it made, by the fleet's clock.
    due: float = 0.0


class EcsTaskSearch:
    """
    One search; the fleet's thread alone uses it.

    Its budget: a call for each 100 known ARNs; then for each cluster and list a call for each 100 ECS tasks of the
    deployment, and one to describe each 100 that are not known. They go through the lane of searches, as many at once as
    that lets.

    :param calls: makes the calls.
    :param clusters: where ECS tasks are listed.
    :param deployment: the ``startedBy`` of the ECS tasks.
    :param seeker: is told what comes of it.
    :param known: ARNs that are listed and not described; it may grow meanwhile.
    :param clock: seconds, never going backwards.
    :param random: returns a number from 0 to 1.
    :param runs: the launches that it is for: the suspects, if handling an answer ends the thread.
    """

    def __init__(
        self,
        *,
        calls: Calls,
        clusters: Sequence[str],
        deployment: str,
        seeker: Seeker,
        known: Collection[str],
        clock: Callable[[], float],
        random: Callable[[], float],
        runs: Sequence[Run] = (),
    ) -> None:
        self._calls = calls
        self._runs = runs
        self.clusters = tuple(clusters)
        self._deployment = deployment
        self._seeker = seeker
        self._known = known
        self._clock = clock
        self._back_off = BackOff(*SEARCH_BACK_OFF, random)
        self.stage = Stage.KNOWN
        #: When the first list was asked for: what AWS knew by then is found.
        self.listed_at: float | None = None
        #: The first that is due is made first.
        self._steps: list[_Step] = []
        self._under_way = 0
        #: Whether an answer is being handled: still, if that has ended the thread.
        self.is_handling = False
        #: ARNs that are listed and on their way to be described, or were.
        self._asked: set[str] = set()

    @property
    def is_over(self) -> bool:
        """Whether no more calls are made, and no more answers handed on."""
        return self.stage is Stage.OVER

    def describe(self, cluster: str, arns: Sequence[str]) -> None:
        """Describe these before anything else, whatever is known."""
        self._asked.update(arns)
        self._put_first(_Step(self.stage, cluster, batch) for batch in in_batches(arns, MAX_DESCRIBED))

    def work(self) -> float | None:
        """Make the calls whose turn it is; return when to look again, or None if only a message can tell."""
        self._go_on()
        now = self._clock()
        while self._calls.admits(self._calls.search) and (step := self._first(now)):
            self._make(step)
        due = min((step.due for step in self._steps), default=None)
        return self._calls.turn(self._calls.search, due)

    def end(self) -> None:
        """Make no more calls, and hand on no more answers."""
        self.stage, self._steps = Stage.OVER, []

    def _go_on(self) -> None:
        """Go to the next stage that has something to ask, where this one has nothing more, or to the end."""
        while not self.is_over and not (self._steps or self._under_way):
            self._seeker.has_read(self.stage)
            self.stage = Stage(self.stage + 1)
            if self.stage is Stage.RUNNING:
                self.listed_at = self._clock()
            if not self.is_over:
                self._steps = [_Step(self.stage, cluster) for cluster in self.clusters]
            self._leave_off()
        self._leave_off()

    def _leave_off(self) -> None:
        """End where nothing is lacking, whatever is under way."""
        if not self.is_over and not self._seeker.lacks(self.stage):
            self.end()

    def _first(self, now: float) -> _Step | None:
        return next((step for step in self._steps if step.due <= now), None)

    def _put_first(self, steps: Iterator[_Step] | list[_Step]) -> None:
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
        self._asked.difference_update(step.arns)  # What AWS does not tell of may be listed again.
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
            self._put_first([step])  # All calls wait: whoever was first is first still.
        elif reply.verdict is not Verdict.FAILED:
            step.failures += 1
            if step.failures == 1 and reply.problem:
                log.warning("AWS cannot be asked for ECS tasks, asking again: %s", reply.problem.reason)
            step.due = self._clock() + self._back_off(step.failures)
            self._put_first([step])
        elif step.next_token is not None and not step.again:
            # A token may have become too old while AWS could not be asked. What was described is not described again.
            self._put_first([_Step(step.stage, step.cluster, again=True)])
        else:
            self._seeker.refused(step.cluster, reply, step.stage)
