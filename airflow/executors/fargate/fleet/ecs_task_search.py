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
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.ecs import MAX_DESCRIBED, in_batches
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.fleet.context import Context, Part

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.answers import Answer, EcsTask, Page
    from airflow.executors.fargate.fleet.calls import Calls, Reply
    from airflow.executors.fargate.fleet.launch_state import Run
    from airflow.executors.fargate.fleet.lifecycle import Lifecycle

log = logging.getLogger(__name__)

#: Seconds before a call that got no answer is made again; first wait and limit.
SEARCH_BACK_OFF = 1.0, 10.0


class Stage(IntEnum):
    """Which ECS tasks a search asks for."""

    #: Those whose ARNs are known.
    KNOWN = 0
    RUNNING = 1
    STOPPED = 2
    #: None: the search is over. No more calls are made, and no more ECS tasks passed on.
    OVER = 3


class Seeker(Part, ABC):
    """A part that searches: one search at a time, each of which it begins when it is due."""

    def __init__(self, owner: Lifecycle) -> None:
        super().__init__(owner)
        #: The search under way.
        self._search: EcsTaskSearch | None = None
        #: When the next one begins; None if none does.
        self._due: float | None = None
        #: Whether an answer is being handled; still true after a bug there.
        self.is_busy = False

    def clear(self) -> None:
        """End the search under way."""
        if self._search:
            self._search.end()
        self._search = None

    def work(self) -> float | None:
        """Make the calls that are due; return when to look again, or None if only a message can tell."""
        while True:
            if self._search is None:
                due = self._due_at()
                if due is None or due > self._clock():
                    return due
                self._search = self._begin()
            search = self._search
            turn = search.work()
            if search.stage is not Stage.OVER:
                return turn
            self._search = None
            self._end(search)

    def _due_at(self) -> float | None:
        return self._due

    @abstractmethod
    def _begin(self) -> EcsTaskSearch:
        """Return a search for what is due now."""

    @abstractmethod
    def _end(self, search: EcsTaskSearch) -> None:
        """Conclude from a search that is over, and schedule the next one."""

    # What a search asks and finds.

    @abstractmethod
    def lacks(self, stage: Stage) -> bool:
        """Return whether something is to be found at this stage; if not, the search ends."""

    @abstractmethod
    def take(self, cluster: str, ecs_task: EcsTask, stage: Stage) -> None:
        """Take an ECS task that was described; each is passed on once."""

    def has_read(self, stage: Stage) -> None:
        """All ECS tasks of this stage were passed on."""

    @abstractmethod
    def refused(self, cluster: str, problem: Outcome, stage: Stage) -> None:
        """AWS refuses a call in this cluster for good; it is not made again."""


@dataclass(eq=False)
class _Step:
    """A call to be made."""

    cluster: str
    #: What to describe; if empty, a page is listed instead.
    arns: Sequence[str] = ()
    next_token: str | None = None
    #: Whether the list is read for the second time, since AWS has refused the token of a page.
    again: bool = False
    failures: int = 0  # in a row
    #: The earliest time for it, by the fleet's clock.
    due: float = 0.0


@dataclass(eq=False)
class EcsTaskSearch:
    """
    One search; the fleet's thread alone uses it.

    Its API budget: a call for each 100 known ARNs; then for each cluster and list a call for each 100 ECS
    tasks of the deployment, and for each page one to describe those that are not known. They use the lane of
    searches, as many at once as it admits.

    :param context: the options, the clock and random numbers.
    :param calls: makes the calls.
    :param seeker: takes the ECS tasks.
    :param clusters: where ECS tasks are listed.
    :param known: returns ARNs that are not described when they are listed; it is called for each page.
    :param runs: the launches that it is for: the suspects, if handling an answer ends the thread.
    :param pause: seconds between two calls. Such a search makes one call at a time and repeats none:
        :meth:`Seeker.refused` gets each error. 0: calls are made as soon as the lane admits them, and
        repeated.
    """

    context: Context
    calls: Calls
    seeker: Seeker
    clusters: Sequence[str]
    known: Callable[[], Iterable[str]]
    runs: Sequence[Run] = ()
    pause: float = 0.0
    stage: Stage = Stage.KNOWN
    #: When the first list was requested: ECS tasks that ListTasks knew by then are found.
    listed_at: float | None = None
    #: The ARNs on the pages that were read.
    listed: set[str] = field(default_factory=set)
    #: The first that is due is made first.
    _steps: list[_Step] = field(default_factory=list)
    _under_way: int = 0
    #: ARNs that were described or are about to be.
    _asked: set[str] = field(default_factory=set)

    def describe(self, cluster: str, arns: Sequence[str]) -> None:
        """Describe these before anything else, even if they are known."""
        self._asked.update(arns)
        self._steps[:0] = [_Step(cluster, batch) for batch in in_batches(arns, MAX_DESCRIBED)]

    def work(self) -> float | None:
        """Make the calls that are due; return when to look again, or None if only a message can tell."""
        self._go_on()
        now = self.context.clock()
        while (step := self._first(now)) and step.due <= now and self.calls.admits(self.calls.search):
            self._make(step)
        return self.calls.turn(self.calls.search, step.due if step else None)

    def end(self) -> None:
        """Make no more calls, and pass on no more ECS tasks."""
        self.stage, self._steps = Stage.OVER, []

    def _go_on(self) -> None:
        """Go to the next stage that has calls; end as soon as nothing is lacking, even if calls are under way."""
        while self.stage is not Stage.OVER:
            if not self.seeker.lacks(self.stage):
                self.end()
            elif self._steps or self._under_way:
                return
            else:
                self.seeker.has_read(self.stage)
                self.stage = Stage(self.stage + 1)
                if self.stage is Stage.RUNNING:
                    self.listed_at = self.context.clock()
                if self.stage is not Stage.OVER:
                    self._steps = [_Step(cluster) for cluster in self.clusters]

    def _first(self, now: float) -> _Step | None:
        """Return the first step that is due, or else the next one; None if there is none, or while it waits."""
        if not self._steps or (self.pause and self._under_way):
            return None
        return min(self._steps, key=lambda step: max(step.due, now))

    def _make(self, step: _Step) -> None:
        self._steps.remove(step)
        then, is_stopped = partial(self._done, step), self.stage is Stage.STOPPED
        if step.arns:
            self.calls.describe_tasks(self.calls.search, step.cluster, step.arns, then, self.runs)
        else:
            self.calls.list_tasks(step.cluster, step.next_token, is_stopped, then, self.runs)
        self._under_way += 1

    def _done(self, step: _Step, reply: Reply) -> None:
        self._under_way -= 1
        if self.stage is Stage.OVER:
            return
        self.seeker.is_busy = True
        if reply.problem is not None:
            self._failed(step, reply.problem)
        elif step.arns:
            self._described(step, reply.value)
        else:
            self._listed(step, reply.value)
        for left in self._steps if self.pause else ():
            left.due = self.context.clock() + self.pause
        self.seeker.is_busy = False

    def _described(self, step: _Step, answer: Answer) -> None:
        self._asked.difference_update(step.arns)  # What AWS did not return may be listed again.
        for ecs_task in answer.tasks:
            self._asked.add(ecs_task.arn)
            self.seeker.take(step.cluster, ecs_task, self.stage)

    def _listed(self, step: _Step, page: Page) -> None:
        known = set(self.known())
        new = [arn for arn in page.arns if arn not in known and arn not in self._asked]
        self.listed.update(page.arns)
        if page.next_token is not None:
            self._steps.insert(0, _Step(step.cluster, (), page.next_token, step.again))
        self.describe(step.cluster, new)

    def _failed(self, step: _Step, problem: Outcome) -> None:
        is_refused = problem.verdict is Verdict.FAILED
        if self.pause or is_refused and (step.again or step.next_token is None):
            self.seeker.refused(step.cluster, problem, self.stage)
            return
        if is_refused:
            # The token may have expired during an outage. The list is read anew; what was described is
            # skipped.
            step = _Step(step.cluster, again=True)
        elif problem.verdict not in (Verdict.THROTTLED, Verdict.CREDENTIALS):  # For these all calls wait.
            step.failures += 1
            if step.failures == 1:
                log.warning("A search for ECS tasks got no answer, trying again: %s", problem.reason)
            step.due = self.context.clock() + self.context.back_off(SEARCH_BACK_OFF, step.failures)
        self._steps.insert(0, step)
