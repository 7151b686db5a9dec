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
Finds the ECS tasks of a scheduler that is gone, and adopts them.

An ECS task says in its environment which launch it is for (``launch.py``), so nothing depends on what the
scheduler managed to store before it died; ``present.py`` tells which one is the present launch's. The stored
ARNs are described first, then the deployment's ECS tasks are listed by their ``startedBy``
(``ecs_task_search.py``). What is found is watched at once, and the end of what has stopped meanwhile is
reported. If only clocks tell which of several is the present launch's, all running ECS tasks are described
before one is chosen.

A task instance without an ECS task is given back to Airflow, which launches it anew. That there is none
counts only if AWS was asked a minute (:data:`CONSISTENCY`) after the last moment at which RunTask could have
been sent; until then the task instance is kept, and AWS is asked again when that time has come.

Airflow has its answer in time; what is not known by then is emitted as events (``orphan_checks.py``). If AWS
refuses to answer because a permission is missing, nothing is reset: Airflow's own timeouts decide.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from airflow.executors.fargate.aws.arns import cluster_name
from airflow.executors.fargate.fleet.ecs_task_search import EcsTaskSearch, Stage
from airflow.executors.fargate.fleet.launch_state import MAX_FAULTS
from airflow.executors.fargate.fleet.orphan_checks import OrphanChecks
from airflow.executors.fargate.fleet.pending_candidate import PendingCandidate

if TYPE_CHECKING:
    from concurrent.futures import Future

    from airflow.executors.fargate.aws.answers import EcsTask
    from airflow.executors.fargate.fleet.calls import Calls, Reply
    from airflow.executors.fargate.fleet.context import Context
    from airflow.executors.fargate.fleet.launch_state import Run
    from airflow.executors.fargate.fleet.orphan_checks import Adopted
    from airflow.executors.fargate.present import Candidate, Found

log = logging.getLogger(__name__)

#: Seconds after which ListTasks surely knows the effect of RunTask; ECS is eventually consistent.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
CONSISTENCY = 60.0
#: The error code for a cluster that does not exist, where nothing can run.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
NO_CLUSTER = "ClusterNotFoundException"


class Owner(Protocol):
    """Takes over what is found."""

    def adopt(self, found: Found) -> None:
        """Take over an ECS task of another scheduler."""

    def runs(self) -> Iterable[Run]:
        """Return the launches that are not over."""


class Adoption:
    """
    Makes one search for all candidates that are not settled; the fleet's thread alone uses it.

    What was described is remembered until all candidates are settled: a later search describes only new ECS
    tasks, and for a candidate that comes later, what was there for it is described again.

    :param context: the options, the clocks, and the way to the fleet's thread. ECS tasks are listed in the
        clusters of the options and in those that stored ARNs name; an ARN that names none is of the first
        cluster of the options.
    :param calls: makes the calls.
    :param owner: takes over what is found.
    """

    def __init__(self, context: Context, calls: Calls, owner: Owner) -> None:
        self._context = context
        self._calls = calls
        self._clusters = context.config.clusters
        self._owner = owner
        self._clock = context.clock
        #: By task instance.
        self._open: dict[Any, PendingCandidate] = {}
        self._checks = OrphanChecks(context.emit, context.clock)
        #: The ARNs of what was described, and clusters and ARNs by task instance.
        self._known: set[str] = set()
        self._known_of: dict[Any, list[tuple[str, str]]] = {}
        self._search: EcsTaskSearch | None = None
        self._is_refused = False
        #: Whether the thread is in :meth:`work`; still true after it died there.
        self._is_working = False
        #: How often the thread has died here since the last search ended.
        self._faults = 0
        #: When the next search begins.
        self._due: float | None = None
        #: Whether the scheduler is ending, so that nothing more is searched for.
        self.closed = False

    def look_for(self, candidates: Sequence[Candidate], reply: Future[Adopted]) -> None:
        """
        Find the ECS tasks of task instances whose scheduler is gone; a repeated call is ignored.

        :param reply: gets the answer within :data:`~.orphan_checks.CHECK_PATIENCE`; if it was cancelled, the
            answer is emitted as events.
        """
        unknown = self._checks.ask(candidates, reply)
        if unknown is None:
            return
        for candidate in unknown:
            self._add(candidate)
        is_searching = self._search is not None or self._due is not None and self._due <= self._clock()
        # Nothing more is known about candidates that were kept until their time has come.
        self._checks.answer(all_of_them=not is_searching)

    def work(self) -> float | None:
        """Make the calls that are due; return when to look again, or None if only a message can tell."""
        if self.closed:
            return None
        now, self._is_working = self._clock(), True
        self._checks.answer()
        turns = self._continue_search(now), self._checks.next_at()
        self._is_working = False
        return min((turn for turn in turns if turn is not None), default=None)

    def _continue_search(self, now: float) -> float | None:
        while self._search or (self._due is not None and self._due <= now):
            search = self._search = self._search or self._begin()
            turn = search.work()
            if not search.is_over:
                return turn
            self._end(search)
        return self._due

    def recover(self) -> None:
        """
        Go on after the thread died: search anew, since the answer that was being handled is lost.

        If the thread dies here :data:`MAX_FAULTS` times, all open candidates are settled as unknown.
        """
        if self._is_working or (self._search and self._search.is_handling):
            self._faults += 1
        if self._search:
            self._search.end()
        self._search, self._due, self._is_working = None, self._clock() if self._open else None, False
        for pending in [*self._open.values()]:
            pending.is_asked = False
            if pending.found:
                self._found(pending, pending.found)
            elif self._faults >= MAX_FAULTS:
                self._settle(pending.candidate, "unknown", pending.candidate)

    # What the search asks and finds.

    def lacks(self, stage: Stage) -> bool:
        """Return whether there is a candidate that is not settled."""
        return bool(self._open)

    def take(self, cluster: str, task: EcsTask, stage: Stage) -> None:
        """Compare an ECS task with its task instance's candidate, and remember it for later candidates."""
        identity = task.identity if task.started_by == self._context.config.deployment else None
        if identity is not None:
            pending = self._open.get(identity.task)
            found = pending and pending.compare(task, identity, stage, self._context.scheduler)
            if pending and found:
                self._found(pending, found)
            self._known_of.setdefault(identity.task, []).append((cluster, task.arn))
        self._known.add(task.arn)  # Last: if a line above ends the thread, it is described again.

    def has_read(self, stage: Stage) -> None:
        """Settle for the best matches once all running ECS tasks were described."""
        if stage is not Stage.KNOWN:
            for pending in [*self._open.values()]:
                if pending.best:
                    self._found(pending, pending.best.found)

    def refused(self, cluster: str, reply: Reply, stage: Stage) -> None:
        """Conclude nothing about candidates whose ECS task can be in this cluster."""
        log.error(
            "ECS tasks to adopt cannot be searched for in cluster %s: %s",
            cluster,
            reply.problem.reason if reply.problem else "AWS's answer cannot be handled",
        )
        if stage is Stage.KNOWN or _code(reply.error) == NO_CLUSTER and not self._is_own(cluster):
            return  # A stored ARN may be of another Region or of a deleted cluster: the lists decide.
        if self._is_own(cluster):
            self._is_refused = True
        for pending in self._open.values():
            pending.is_refused = pending.is_refused or pending.cluster == cluster_name("", cluster)

    # From the candidates to the answer.

    def _add(self, candidate: Candidate) -> None:
        pending = self._open.get(candidate.task)
        if pending is not None and pending.candidate == candidate:
            return
        asked_at = self._context.now()
        # Never later than now: a scheduler that counts as dead launches nothing.
        ago = 0.0 if candidate.sent_until is None else max(0.0, asked_at - candidate.sent_until)
        self._open[candidate.task] = PendingCandidate(candidate, asked_at, self._clock() - ago + CONSISTENCY)
        if self._search is None:
            self._due = self._clock()
        else:
            self._describe_known(self._search, [self._open[candidate.task]])

    def _begin(self) -> EcsTaskSearch:
        self._due, self._is_refused = None, False
        for pending in self._open.values():
            pending.is_refused = False
        for run in self._owner.runs():  # The watcher describes these anyway.
            if run.arn and not run.abandoned and run.arn not in self._known:
                self._known.add(run.arn)
                self._known_of.setdefault(run.launch.task, []).append((run.cluster, run.arn))
        search = EcsTaskSearch(
            self._context, self._calls, clusters=self._all_clusters(), seeker=self, known=self._known
        )
        self._describe_known(search, self._open.values())
        return search

    def _all_clusters(self) -> list[str]:
        clusters = {cluster_name("", cluster): cluster for cluster in self._clusters}
        for pending in self._open.values():
            if pending.cluster:
                clusters.setdefault(pending.cluster, pending.cluster)
        return list(clusters.values())

    def _describe_known(self, search: EcsTaskSearch, those: Iterable[PendingCandidate]) -> None:
        """Describe the candidates' stored ARNs, and what was described of theirs before Airflow asked."""
        arns: dict[str, set[str]] = {}
        for pending in those:
            if pending.is_asked:
                continue
            pending.is_asked = True
            stored = pending.candidate.stored_arn
            if stored and stored not in self._known:
                arns.setdefault(pending.cluster or self._clusters[0], set()).add(stored)
            for cluster, arn in self._known_of.pop(pending.candidate.task, ()):
                arns.setdefault(cluster, set()).add(arn)
        for cluster, of_cluster in arns.items():
            search.describe(cluster, sorted(of_cluster))

    def _end(self, search: EcsTaskSearch) -> None:
        """Settle the candidates that this search decides, schedule the next search, and answer."""
        self._search, self._faults = None, 0
        self.has_read(Stage.STOPPED)
        clusters = {cluster_name("", cluster) for cluster in search.clusters}
        again = []
        for pending in [*self._open.values()]:
            is_covered = pending.cluster is None or pending.cluster in clusters
            if pending.is_elsewhere:
                self._settle(pending.candidate, "elsewhere", pending.candidate)
            elif self._is_refused or pending.is_refused:
                self._settle(pending.candidate, "unknown", pending.candidate)
            elif is_covered and search.listed_at is not None and pending.none_from <= search.listed_at:
                self._settle(pending.candidate, "missing", pending.candidate)
            else:
                again.append(pending.none_from if is_covered else self._clock())
        self._due = min(again, default=None)
        if not self._open:
            self._known, self._known_of = set(), {}
        self._checks.answer(all_of_them=True)

    def _found(self, pending: PendingCandidate, found: Found) -> None:
        # Once, even if the thread dies meanwhile. As a message of its own, so that an error with one loses no
        # other; and before anybody can revoke it.
        if pending.found is None:
            self._context.post(self._owner.adopt, found)
            pending.found = found
        self._settle(pending.candidate, "found", pending.found)

    def _settle(self, candidate: Candidate, member: str, value: Any) -> None:
        self._checks.settle(candidate, member, value)
        # Last: if that ends the thread, it is settled again.
        self._open.pop(candidate.task, None)
        self._checks.answer()

    def _is_own(self, cluster: str) -> bool:
        return cluster_name("", cluster) in {cluster_name("", each) for each in self._clusters}


def _code(error: BaseException | None) -> str | None:
    """Return the error code of botocore's ClientError; None for any other error."""
    response = getattr(error, "response", None)
    return response["Error"].get("Code") if isinstance(response, dict) and "Error" in response else None
