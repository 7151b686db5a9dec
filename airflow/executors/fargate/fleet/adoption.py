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
Finds the ECS tasks of a scheduler that is gone, and takes them over.

An ECS task says in its environment which launch it is for (see ``launch.py``), so nothing rests on what the scheduler
managed to store before it died; which one is the present launch's, ``present.py`` tells. The stored ARNs are described first,
then the deployment's ECS tasks are listed by their ``startedBy`` (``ecs_task_search.py``). What is found is followed at
once, and what stopped meanwhile is reported. Where more than one can be the present launch's, since only clocks tell them
apart, the lists of what runs are read before one is chosen.

What has no ECS task is given back to Airflow, which launches it anew. That there is none counts only where AWS was asked a
minute (:data:`CONSISTENCY`) after the last moment at which the RunTask could have been sent; until then the task instance is
kept, and AWS is asked again when the time has come.

Airflow has its answer in time, and what is not known by then is told as events (``orphan_checks.py``). Where AWS refuses
to tell, for want of a permission, nothing is reset: Airflow's own timeouts decide.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airflow.executors.fargate.aws.arns import cluster_name
from airflow.executors.fargate.aws.outcome import classify_ecs_task
from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.fleet.ecs_task_search import EcsTaskSearch, Stage
from airflow.executors.fargate.fleet.launch_state import MAX_FAULTS
from airflow.executors.fargate.fleet.orphan_checks import OrphanChecks
from airflow.executors.fargate.present import Candidate, Found, Match, match

if TYPE_CHECKING:
    from concurrent.futures import Future

    from airflow.executors.fargate.aws.answers import EcsTask
    from airflow.executors.fargate.fleet.calls import Calls, Reply
    from airflow.executors.fargate.fleet.launch_state import Run
    from airflow.executors.fargate.fleet.orphan_checks import Adopted
    from airflow.executors.fargate.launch import Identity
    from airflow.executors.fargate.messages import Event

log = logging.getLogger(__name__)

#: Seconds after which RunTask's effect is surely seen by ListTasks; ECS is eventually consistent.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
CONSISTENCY = 60.0
#: Of an ECS task that ended without having started, and is none: nothing ran, so Airflow may launch anew at no cost.
NEVER_STARTED = frozenset({Verdict.LAUNCH_AGAIN, Verdict.NO_CAPACITY, Verdict.AWAY})
#: The error code of a cluster that does not exist, where nothing can run.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
NO_CLUSTER = "ClusterNotFoundException"


class Owner(Protocol):
    """Who is told what was found."""

    def adopt(self, found: Found) -> None:
        """Take over an ECS task of another scheduler."""

    def runs(self) -> Iterable[Run]:
        """Return the launches that are not over."""


@dataclass(eq=False)
class _Pending:
    """A candidate that is not settled."""

    candidate: Candidate
    #: When Airflow asked first, seconds since the epoch.
    asked_at: float
    #: From when on an answer that there is none counts, by the fleet's clock.
    none_from: float
    #: Whether what was known of it before was asked for: its stored ARN, and what was described.
    is_asked: bool = False
    #: The best that was found yet, where that is not certain.
    best: Match | None = None
    #: What was chosen, and is taken over.
    found: Found | None = None
    is_elsewhere: bool = False
    is_refused: bool = False

    @property
    def cluster(self) -> str | None:
        """The cluster that its stored ARN names, where it names one."""
        arn = self.candidate.stored_arn
        return cluster_name(arn) if arn and arn.count("/") > 1 else None


class Adoption:
    """
    Finds ECS tasks, in one search for all candidates that are not settled; the fleet's thread alone uses it.

    What was described is remembered until all are settled: a later search describes only what is new, and a candidate that
    comes later gets what there was for it before.

    :param calls: makes the calls.
    :param clusters: where ECS tasks are listed, beside the clusters that stored ARNs name; an ARN that names none is of the
        first one.
    :param deployment: the ``startedBy`` of the ECS tasks.
    :param scheduler: the name of the scheduler that asks; None where it has none.
    :param owner: takes over what is found.
    :param post: brings a function and its arguments to the fleet's thread.
    :param emit: takes an event to the executor.
    :param clock: seconds, never going backwards.
    :param now: seconds since the epoch.
    :param random: returns a number from 0 to 1.
    """

    def __init__(
        self,
        *,
        calls: Calls,
        clusters: Sequence[str],
        deployment: str,
        scheduler: str | None,
        owner: Owner,
        post: Callable[..., None],
        emit: Callable[[Event], None],
        clock: Callable[[], float],
        now: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._calls = calls
        self._clusters = clusters
        self._deployment = deployment
        self._scheduler = scheduler
        self._owner = owner
        self._post = post
        self._clock = clock
        self._now = now
        self._random = random
        #: By task instance.
        self._open: dict[Any, _Pending] = {}
        self._checks = OrphanChecks(emit, clock)
        #: What was described: its ARN, and by task instance cluster and ARN.
        self._known: set[str] = set()
        self._known_of: dict[Any, list[tuple[str, str]]] = {}
        self._search: EcsTaskSearch | None = None
        self._is_refused = False
        #: Whether the thread is here: still, if it has died here. How often it has since a search came to its end.
        self._is_working = False
        self._faults = 0
        #: When the next search begins.
        self._due: float | None = None
        #: Whether the scheduler ends, so that nothing more is asked.
        self.closed = False

    def look_for(self, candidates: Sequence[Candidate], reply: Future[Adopted]) -> None:
        """
        Find the ECS tasks of task instances whose scheduler is gone; said twice, it is done once.

        :param reply: gets the answer within :data:`PATIENCE`; where it was cancelled, all of it is told as events.
        """
        unknown = self._checks.ask(candidates, reply)
        if unknown is None:
            return
        for candidate in unknown:
            self._add(candidate)
        is_searching = self._search is not None or self._due is not None and self._due <= self._clock()
        # Of what was kept before, nothing more is known until its time has come.
        self._checks.answer(all_of_them=not is_searching)

    def work(self) -> float | None:
        """Make the calls whose turn it is; return when to look again, or None if only a message can tell."""
        if self.closed:
            return None
        now, self._is_working = self._clock(), True
        self._checks.answer()
        turns = self._search_on(now), self._checks.next_at()
        self._is_working = False
        return min((turn for turn in turns if turn is not None), default=None)

    def _search_on(self, now: float) -> float | None:
        while self._search or (self._due is not None and self._due <= now):
            search = self._search = self._search or self._begin()
            turn = search.work()
            if not search.is_over:
                return turn
            self._end(search)
        return self._due

    def recover(self) -> None:
        """
        Go on after the thread died: search anew, for the answer that was being handled is lost.

        If that ends the thread again and again, nothing is concluded of those that are searched for.
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
                self._settle(pending.candidate, "untold", pending.candidate)

    # What the search asks and tells.

    def lacks(self, stage: Stage) -> bool:
        """Tell whether there is a candidate that is not settled."""
        return bool(self._open)

    def take(self, cluster: str, task: EcsTask, stage: Stage) -> None:
        """Look whether it is a candidate's, and remember it for candidates to come."""
        identity = task.identity if task.started_by == self._deployment else None
        if identity is not None:
            self._compare(task, identity, stage)
            self._known_of.setdefault(identity.task, []).append((cluster, task.arn))
        self._known.add(task.arn)  # Not before: it is described again, if that ends the thread.

    def _compare(self, task: EcsTask, identity: Identity, stage: Stage) -> None:
        """Keep the ECS task if it is that of a candidate's present launch, and the best one yet."""
        pending = self._open.get(identity.task)
        outcome = classify_ecs_task(task, identity.container_name)
        if pending is None or outcome.verdict in NEVER_STARTED:
            return
        found = match(
            pending.candidate,
            task,
            identity,
            outcome,
            lives=outcome.verdict is Verdict.LIVE,
            own_scheduler=self._scheduler,
            asked_at=pending.asked_at,
        )
        if found is None:
            return
        if found.is_elsewhere:
            pending.is_elsewhere = True
        elif found.is_certain or (stage is Stage.STOPPED and found.is_likely):
            self._found(pending, found.found)
        elif pending.best is None or found.rank > pending.best.rank:
            pending.best = found

    def has_read(self, stage: Stage) -> None:
        """Choose among what is not certain, once all that runs was looked at."""
        if stage is not Stage.KNOWN:
            for pending in [*self._open.values()]:
                if pending.best:
                    self._found(pending, pending.best.found)

    def refused(self, cluster: str, reply: Reply, stage: Stage) -> None:
        """Conclude nothing of those whose ECS task can be where AWS refuses to tell."""
        log.error(
            "AWS refuses to tell of ECS tasks to adopt in cluster %s: %s",
            cluster,
            reply.problem.reason if reply.problem else "its answer cannot be handled",
        )
        if stage is Stage.KNOWN or _code(reply.error) == NO_CLUSTER and not self._is_own(cluster):
            return  # Such as that of another Region or of a deleted cluster may be refused: the lists still tell.
        if self._is_own(cluster):
            self._is_refused = True
        for pending in self._open.values():
            pending.is_refused = pending.is_refused or pending.cluster == cluster_name("", cluster)

    # From the question to the answer.

    def _add(self, candidate: Candidate) -> None:
        pending = self._open.get(candidate.task)
        if pending is not None and pending.candidate == candidate:
            return
        asked_at = self._now()
        # Never later than now: who is taken for dead launches nothing.
        ago = 0.0 if candidate.sent_until is None else max(0.0, asked_at - candidate.sent_until)
        self._open[candidate.task] = _Pending(candidate, asked_at, self._clock() - ago + CONSISTENCY)
        if self._search is None:
            self._due = self._clock()
        else:
            self._describe_known(self._search, [self._open[candidate.task]])

    def _begin(self) -> EcsTaskSearch:
        self._due, self._is_refused = None, False
        for pending in self._open.values():
            pending.is_refused = False
        for run in self._owner.runs():  # Which are described anyway, again and again.
            if run.arn and not run.abandoned and run.arn not in self._known:
                self._known.add(run.arn)
                self._known_of.setdefault(run.launch.task, []).append((run.cluster, run.arn))
        search = EcsTaskSearch(
            calls=self._calls,
            clusters=self._all_clusters(),
            deployment=self._deployment,
            seeker=self,
            known=self._known,
            clock=self._clock,
            random=self._random,
        )
        self._describe_known(search, self._open.values())
        return search

    def _all_clusters(self) -> list[str]:
        clusters = {cluster_name("", cluster): cluster for cluster in self._clusters}
        for pending in self._open.values():
            if pending.cluster:
                clusters.setdefault(pending.cluster, pending.cluster)
        return list(clusters.values())

    def _describe_known(self, search: EcsTaskSearch, those: Iterable[_Pending]) -> None:
        """Have described what a candidate's ARN names, and what was described before it was asked for."""
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
        """Settle those of which this search has told, have the others searched for in their time, and answer."""
        self._search, self._faults = None, 0
        self.has_read(Stage.STOPPED)
        clusters = {cluster_name("", cluster) for cluster in search.clusters}
        again = []
        for pending in [*self._open.values()]:
            is_covered = pending.cluster is None or pending.cluster in clusters
            if pending.is_elsewhere:
                self._settle(pending.candidate, "elsewhere", pending.candidate)
            elif self._is_refused or pending.is_refused:
                self._settle(pending.candidate, "untold", pending.candidate)
            elif is_covered and search.listed_at is not None and pending.none_from <= search.listed_at:
                self._settle(pending.candidate, "missing", pending.candidate)
            else:
                again.append(pending.none_from if is_covered else self._clock())
        self._due = min(again, default=None)
        if not self._open:
            self._known, self._known_of = set(), {}
        self._checks.answer(all_of_them=True)

    def _found(self, pending: _Pending, found: Found) -> None:
        # Once, also if the thread ends meanwhile. Each for itself, so that an error with one loses no other; and before
        # anybody can revoke it.
        if pending.found is None:
            self._post(self._owner.adopt, found)
            pending.found = found
        self._settle(pending.candidate, "found", pending.found)

    def _settle(self, candidate: Candidate, as_what: str, what: Any) -> None:
        self._checks.settle(candidate, as_what, what)
        # Not before: if that ends the thread, it is settled again.
        self._open.pop(candidate.task, None)
        self._checks.answer()

    def _is_own(self, cluster: str) -> bool:
        return cluster_name("", cluster) in {cluster_name("", each) for each in self._clusters}


def _code(error: BaseException | None) -> str | None:
    """Return the error code of botocore's ClientError; None of any other error."""
    response = getattr(error, "response", None)
    return response["Error"].get("Code") if isinstance(response, dict) and "Error" in response else None
