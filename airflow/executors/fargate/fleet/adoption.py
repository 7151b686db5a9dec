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

A task instance without an ECS task is given back to Airflow, which launches it anew. AWS's answer that there
is none is believed only if ListTasks was called 60 s (:data:`CONSISTENCY`) or more after the last moment at
which RunTask could have been sent. Until then the task instance is kept, and AWS is asked again at that time.

Airflow has its answer in time; what is not known by then is emitted as events (``orphan_checks.py``). If AWS
refuses to answer because a permission is missing, nothing is reset: Airflow's own timeouts decide.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.arns import cluster_name
from airflow.executors.fargate.aws.outcome import classify_ecs_task
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.fleet.ecs_task_search import EcsTaskSearch, Seeker, Stage
from airflow.executors.fargate.fleet.launch_state import MAX_FAULTS, earliest
from airflow.executors.fargate.fleet.orphan_checks import AdoptionAnswer, OrphanChecks, PendingCandidate
from airflow.executors.fargate.present import Candidate, Match, match

if TYPE_CHECKING:
    from concurrent.futures import Future

    from airflow.executors.fargate.aws.answers import EcsTask
    from airflow.executors.fargate.fleet.lifecycle import Lifecycle
    from airflow.executors.fargate.launch import Identity

log = logging.getLogger(__name__)

#: Seconds after which ListTasks surely knows the effect of RunTask; ECS is eventually consistent.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
CONSISTENCY = 60.0
#: The error code for a cluster that does not exist, where nothing can run.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
NO_CLUSTER = "ClusterNotFoundException"
#: Verdicts on an ECS task that ended without having started. It is not adopted: nothing ran, so a new launch
#: costs nothing.
NEVER_STARTED = frozenset({Verdict.LAUNCH_AGAIN, Verdict.NO_CAPACITY, Verdict.AWAY})


class Adoption(Seeker):
    """
    Makes one search for all candidates that are not settled.

    An ECS task is described once for all searches until all candidates are settled. For a candidate that
    comes later, its own ECS tasks are described again. ECS tasks are listed in the clusters of the options
    and in those that stored ARNs name; an ARN that names none is of the first cluster of the options.
    """

    def __init__(self, owner: Lifecycle) -> None:
        super().__init__(owner)
        #: The clusters of the options, by their names.
        self._own = {cluster_name("", cluster): cluster for cluster in owner.context.config.clusters}
        self._checks = OrphanChecks(owner.context)
        #: What was described: cluster, and the task instance's coordinates, if it says them, by ARN.
        self._known: dict[str, tuple[str, Any]] = {}
        #: The names of clusters for which AWS has refused a call of the search.
        self._refused: set[str] = set()
        #: How many bugs this has met since the last search ended.
        self._faults = 0

    def ask(self, candidates: Sequence[Candidate], reply: Future[AdoptionAnswer]) -> None:
        """
        Find the ECS tasks of task instances whose scheduler is gone; a repeated call is ignored.

        :param reply: gets the answer within :data:`~.orphan_checks.CHECK_PATIENCE`; if it was cancelled, the
            answer is emitted as events.
        """
        self._checks.ask(candidates, reply)
        if self._search:
            self._describe_known(self._search)
        elif any(not pending.is_asked for pending in self._checks.open.values()):
            self._due = self._clock()
        is_searching = self._search is not None or self._due is not None and self._due <= self._clock()
        # At once, unless a search runs or is due: candidates that were kept are searched for only later.
        self._checks.answer(all_of_them=not is_searching)

    def work(self) -> float | None:
        """Make the calls that are due; return when to look again, or None if only a message can tell."""
        if self._context.leaving.is_set():
            return None
        self.is_busy = True
        self._checks.answer()
        turn = earliest(super().work(), self._checks.next_at())
        self.is_busy = False
        return turn

    def recover(self) -> None:
        """
        Go on after a bug: search anew, since the answer that was being handled is lost.

        After :data:`MAX_FAULTS` bugs here, all open candidates are settled as unknown.
        """
        if self.is_busy:  # There was a bug in work(), or in handling an answer.
            self._faults += 1
        self.clear()
        self._due, self.is_busy = self._clock() if self._checks.open else None, False
        for pending in [*self._checks.open.values()]:
            pending.is_asked = False
            if pending.found:
                self._found(pending, pending.found)
            elif self._faults >= MAX_FAULTS:
                self._checks.settle(pending, "unknown")

    # What the search asks and finds.

    def lacks(self, stage: Stage) -> bool:
        """Return whether there is a candidate that is not settled."""
        return bool(self._checks.open)

    def take(self, cluster: str, ecs_task: EcsTask, stage: Stage) -> None:
        """Compare an ECS task with its task instance's candidate, and remember it for later candidates."""
        identity = ecs_task.identity if ecs_task.started_by == self._context.config.deployment else None
        found = self._checks.of(identity) if identity else []
        for pending in found:
            if identity and pending:
                self._match(pending, ecs_task, identity, stage, is_only=len(found) == 1)
        # Last: if a line above raises, it is described again.
        self._known[ecs_task.arn] = cluster, identity and identity.task.coordinates

    def _match(
        self, pending: PendingCandidate, ecs_task: EcsTask, identity: Identity, stage: Stage, *, is_only: bool
    ) -> None:
        """Take the ECS task if it is certainly the present launch's; keep it if it is the best match yet."""
        outcome, own = classify_ecs_task(ecs_task, identity.container_name), self._context.scheduler
        if outcome.verdict in NEVER_STARTED:
            return
        candidate_match = match(pending.candidate, ecs_task, identity, outcome, own, pending.asked_at)
        if candidate_match is None:
            return
        # Another database has it, or this one by another address.
        if identity.is_of_another_database(pending.candidate.database):
            pending.is_elsewhere = True
        elif not is_only:
            self._checks.settle(pending, "unknown")  # Which of several it is for cannot be told.
        elif candidate_match.is_certain or (stage is Stage.STOPPED and candidate_match.is_likely):
            self._found(pending, candidate_match)
        elif pending.best is None or candidate_match.rank > pending.best.rank:
            pending.best = candidate_match

    def has_read(self, stage: Stage) -> None:
        """Settle for the best matches once all running ECS tasks were described."""
        if stage is not Stage.KNOWN:
            for pending in [*self._checks.open.values()]:
                if pending.best:
                    self._found(pending, pending.best)

    def refused(self, cluster: str, problem: Outcome, stage: Stage) -> None:
        """Conclude nothing about candidates whose ECS task can be in this cluster."""
        log.error("ECS tasks to adopt cannot be searched for in cluster %s: %s", cluster, problem.reason)
        name = cluster_name("", cluster)
        is_gone = NO_CLUSTER in problem.reason and name not in self._own
        if stage is not Stage.KNOWN and not is_gone:
            # A stored ARN may be of another Region or of a deleted cluster: the lists decide.
            self._refused.add(name)

    # From the candidates to the answer.

    def _begin(self) -> EcsTaskSearch:
        self._due, self._refused = None, set()
        for run in self._owner.runs_by_id.values():  # The watcher describes these anyway.
            if run.arn and not run.abandoned:
                self._known.setdefault(run.arn, (run.cluster, run.launch.task.coordinates))
        named = {pending.cluster for pending in self._checks.open.values() if pending.cluster}
        clusters = [*self._own.values(), *sorted(named - self._own.keys())]
        search = EcsTaskSearch(self._context, self._calls, self, clusters, self._known.keys)
        self._describe_known(search)
        return search

    def _describe_known(self, search: EcsTaskSearch) -> None:
        """Describe new candidates' stored ARNs, and what was described of theirs before Airflow asked."""
        new = [pending for pending in self._checks.open.values() if not pending.is_asked]
        arns: dict[str, set[str]] = defaultdict(set)
        of_new = {pending.candidate.task.coordinates for pending in new}
        for arn, (cluster, task) in self._known.items() if new else ():
            if task in of_new:
                arns[cluster].add(arn)
        for pending in new:
            pending.is_asked = True
            stored = pending.candidate.stored_arn
            if stored and stored not in self._known:
                arns[pending.cluster or self._context.config.clusters[0]].add(stored)
        for cluster, of_cluster in arns.items():
            search.describe(cluster, sorted(of_cluster))

    def _end(self, search: EcsTaskSearch) -> None:
        """Settle the candidates that this search decides, schedule the next search, and answer."""
        self._faults = 0
        clusters = {cluster_name("", cluster) for cluster in search.clusters}
        again = []  # when to search for candidates that are not settled
        for pending in [*self._checks.open.values()]:
            is_covered = pending.cluster is None or pending.cluster in clusters
            counts_from = pending.sent_until + CONSISTENCY
            if pending.is_elsewhere:
                self._checks.settle(pending, "elsewhere")
            elif self._refused & {pending.cluster, *self._own}:
                self._checks.settle(pending, "unknown")
            elif is_covered and search.listed_at is not None and counts_from <= search.listed_at:
                self._checks.settle(pending, "missing")
            else:
                again.append(counts_from if is_covered else self._clock())
        self._due = min(again, default=None)
        if not self._checks.open:
            self._known = {}
        self._checks.answer(all_of_them=True)

    def _found(self, pending: PendingCandidate, found: Match) -> None:
        # As a message, so that an error in adopting one ECS task affects no other; it comes before any
        # command to revoke the launch. pending.found keeps it from being posted twice, even after a bug.
        if pending.found is None:
            self._context.post(self._owner.take_over, found)
            pending.found = found
        self._checks.settle(pending, "found")
