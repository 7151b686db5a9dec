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
Finds the containers of a scheduler that is gone.

A container says in its environment which launch it is for (see ``launch.py``), so nothing rests on what the
scheduler managed to store before it died. The stored ARNs are described first, then the deployment's containers are
listed by their ``startedBy``.

A container counts if its identity is that of the task instance's **present** launch (:meth:`Candidate.is_present`): by the
id that Airflow assigned when it queued the task instance or the ARN that was stored in its place (3.2 and newer; no clock
matters then), or else because it was handed over after ``queued_dttm``. The scheduler that launches writes both, so its clock
may be wrong, and AWS's does not matter. What stopped meanwhile is reported.

A database may be a clone of another Airflow's, and both have the same task instances in the same cluster. So an identity also
names the database (:attr:`Identity.database`): what another one has is not adopted, and its task instance is not reset
either, since the database's host may just have got a new name.

What has no container is given back to Airflow, which launches it anew. Where AWS cannot be asked within the time that the
scheduler waits, all is kept; the answer comes later, as events, and what has no container then goes back to the scheduler
that is gone (``queued_by_job_id``), so that Airflow asks again. Where AWS refuses to tell, for want of a permission, nothing
is reset either: Airflow's own timeouts decide.

Airflow holds locks on the rows of the task instances meanwhile. So one database query serves any number of them, and a
second look, which young launches get after :data:`SECOND_LOOK`, describes only what is new.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Optional, TypeVar

from airflow.executors.fargate.answers import EcsTask, Page
from airflow.executors.fargate.ecs import MAX_DESCRIBED, Ecs
from airflow.executors.fargate.launch import Identity, Launch, TaskInstanceId
from airflow.executors.fargate.links import cluster_name
from airflow.executors.fargate.outcome import Outcome, Verdict, judge_error, judge_task

log = logging.getLogger(__name__)
T = TypeVar("T")
#: Returns a page of a list: cluster, ``startedBy``, the token of the page.
ListTasks = Callable[[str, str, Optional[str]], Page]

ARN = re.compile(r"arn:[^:]*:ecs:[^:]*:[^:]*:task/(?:(?P<cluster>[^/]+)/)?[^/]+")
#: Seconds by which a scheduler's clock may be set back between ``queued_dttm`` and the hand-over; and by which the clocks
#: of two schedulers may differ where one launches for another time what the other has launched before.
CLOCK_TOLERANCE = 2.0
#: Seconds after which RunTask's effect is surely seen by ListTasks; ECS is eventually consistent.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
CONSISTENCY = 60.0
#: Seconds until a second look, where a container may be too young to be seen.
SECOND_LOOK = 3.0


@dataclass(frozen=True)
class Candidate:
    """A task instance whose scheduler is gone, as the database has it."""

    task: TaskInstanceId
    #: Airflow's key of the task instance.
    key: Any
    #: ``external_executor_id``: the launch's id, a container's ARN (of this launch or an earlier one), or None.
    external_id: str | None
    #: ``queued_dttm`` of the present launch, seconds since the epoch.
    queued_at: float | None
    #: ``queued_by_job_id``: the job of the scheduler that is gone.
    queued_by: int | None = None
    #: The name of that scheduler, as its containers have it (:attr:`Identity.scheduler`); None where it is not known.
    scheduler: str | None = None
    #: Whether an ARN in ``external_id`` is that of the present launch: 3.2 and newer overwrite it at each queueing.
    arn_is_present: bool = False
    #: The metadata database that has it, as its containers have it (:attr:`Identity.database`); None where not known.
    database: str | None = None

    @property
    def has_assigned_id(self) -> bool:
        """Whether ``external_id`` is the launch's id, which Airflow assigned when it queued the task instance."""
        return bool(self.external_id) and not ARN.fullmatch(self.external_id or "")

    def is_launched_by(self, scheduler: str | None) -> bool:
        """Tell whether that is known to be the scheduler that is gone."""
        return scheduler is not None and scheduler == self.scheduler

    def names(self, arn: str | None) -> bool:
        """Tell whether ``external_id`` is this ARN, told for the present launch and for no earlier one."""
        return self.arn_is_present and arn is not None and arn == self.external_id

    def is_present(self, identity: Identity, arn: str | None = None) -> bool:
        """
        Tell whether the identity is that of this task instance's present launch, not of an earlier one.

        :param arn: of the container that carries it; None where it is not known.
        """
        if identity.task != self.task:
            return False
        if self.names(arn):
            return True
        if self.has_assigned_id:
            return identity.launch_id == self.external_id
        return self.queued_at is None or identity.handed_over >= self.queued_at - CLOCK_TOLERANCE


@dataclass(frozen=True)
class Found:
    """A candidate's container."""

    candidate: Candidate
    launch: Launch
    arn: str
    cluster: str
    container_name: str
    outcome: Outcome


@dataclass(frozen=True)
class Adopted:
    """The answer: which candidates have a container, and which have none."""

    found: tuple[Found, ...]
    missing: tuple[Candidate, ...]
    #: Those of which AWS refused to tell: they may have a container, and nobody knows.
    untold: tuple[Candidate, ...] = ()
    #: Those whose container another Airflow's database has, or ours by another name: they are left as they are.
    elsewhere: tuple[Candidate, ...] = ()


class Adoption:
    """
    Looks for containers; keeps no state, so any thread may use it.

    Its budget: a call for each 100 stored ARNs; only where that leaves candidates without a container, two
    lists of the deployment's containers (running, stopped) in each cluster, with a call to describe each 100 of
    them. What else runs there costs nothing, since ``startedBy`` filters the lists.

    :param ecs: makes the calls; their errors leave :meth:`look`.
    :param clusters: where containers are listed; an ARN that names no cluster is of the first one.
    :param deployment: the ``startedBy`` of the containers.
    :param scheduler: the name of the scheduler that asks; None where it has none.
    """

    def __init__(
        self, ecs: Ecs, clusters: Sequence[str], deployment: str, scheduler: str | None = None
    ) -> None:
        self._ecs = ecs
        self._clusters = clusters
        self._deployment = deployment
        self._scheduler = scheduler

    def look(self, asked_at: float, candidates: Sequence[Candidate], seen: set[str]) -> Adopted:
        """
        Ask AWS once, and match.

        :param asked_at: when Airflow asked, seconds since the epoch: see :meth:`_came_later`.
        :param seen: ARNs of containers that are not described again; those that are described are added.

        Where AWS refuses a call for good, such as ListTasks without its permission, what the other calls told
        stands, and what they did not tell is neither found nor missing.
        """
        found: dict[Any, tuple[Any, Found]] = {}
        #: Which candidates have a container that another database has.
        elsewhere: set[Any] = set()
        wanted = {candidate.task: candidate for candidate in candidates}
        refused = False
        for call, tells_all in self._calls(wanted, found, seen):
            try:
                for task in call():
                    seen.add(task.arn)
                    if task.started_by == self._deployment:
                        self._match(task, wanted, found, elsewhere, asked_at)
            except Exception as error:
                if judge_error(error).verdict is not Verdict.FAILED:
                    raise
                refused = refused or tells_all
                log.error("AWS refuses to tell of containers to adopt: %s", judge_error(error).reason)
        matches = tuple(match for _, match in found.values())
        kept = tuple(c for c in candidates if c.task in elsewhere - found.keys())
        left = tuple(c for c in candidates if c.task not in elsewhere | found.keys())
        return Adopted(matches, () if refused else left, left if refused else (), kept)

    def find(self, cluster: str, launch_ids: Collection[str], ended: Collection[str] = ()) -> dict[str, str]:
        """
        Return the ARNs of the running containers of launches, by the launches' ids.

        :param ended: ids of launches whose containers count as well where they ran and have ended.
        """
        arns: dict[str, str] = {}
        for identity, task in self._identified(cluster, self._ecs.list_running):
            if identity.launch_id in launch_ids:
                arns[identity.launch_id] = task.arn
        if not arns.keys() >= set(ended):
            for identity, task in self._identified(cluster, self._ecs.list_stopped):
                # One that never started may be that of an earlier attempt.
                if identity.launch_id in ended and judge_task(task, identity.container_name).started:
                    arns.setdefault(identity.launch_id, task.arn)
        return arns

    def _identified(self, cluster: str, list_tasks: ListTasks) -> Iterator[tuple[Identity, EcsTask]]:
        for task in self._described(cluster, [*self._arns(cluster, list_tasks)]):
            identity = task.identity
            if identity:
                yield identity, task

    def _arns(self, cluster: str, list_tasks: ListTasks) -> Iterator[str]:
        token: str | None = None
        while True:
            page = list_tasks(cluster, self._deployment, token)
            yield from page.arns
            token = page.next_token
            if token is None:
                return

    def _calls(
        self, wanted: Mapping[Any, Candidate], found: Mapping[Any, Any], seen: Collection[str]
    ) -> Iterator[tuple[Callable[[], Iterable[EcsTask]], bool]]:
        """Yield the calls, the fewest first, and whether without one of them a container can be overlooked."""
        by_cluster: dict[str, list[str]] = {}
        for candidate in wanted.values():
            known = ARN.fullmatch(candidate.external_id or "")
            if known:
                by_cluster.setdefault(known["cluster"] or self._clusters[0], []).append(known[0])
        for cluster, arns in by_cluster.items():
            # Such as that of another Region or of a deleted cluster may be refused: the lists still tell.
            yield partial(self._described, cluster, arns), False
        for list_tasks in (self._ecs.list_running, self._ecs.list_stopped):
            for cluster in self._clusters:
                if len(found) < len(wanted):
                    yield partial(self._listed, cluster, list_tasks, seen), True

    def _listed(self, cluster: str, list_tasks: ListTasks, seen: Collection[str]) -> Iterator[EcsTask]:
        listed = self._arns(cluster, list_tasks)
        return self._described(cluster, [arn for arn in listed if arn not in seen])

    def _described(self, cluster: str, arns: Sequence[str]) -> Iterator[EcsTask]:
        for batch in in_batches(arns, MAX_DESCRIBED):
            yield from self._ecs.describe_tasks(cluster, batch).tasks

    def _match(
        self,
        task: EcsTask,
        wanted: Mapping[Any, Candidate],
        found: dict[Any, tuple[Any, Found]],
        elsewhere: set[Any],
        asked_at: float,
    ) -> None:
        """
        Keep the task if it is the container of a candidate's present launch, and the best one yet.

        A container that ended without having started is none: nothing ran, so Airflow may launch anew at no cost.
        """
        identity = task.identity
        candidate = wanted.get(identity.task) if identity else None
        if identity is None or candidate is None or not candidate.is_present(identity, task.arn):
            return
        if self._came_later(identity, task.arn, candidate, asked_at):
            return
        outcome = judge_task(task, identity.container_name)
        if outcome.verdict in (Verdict.LAUNCH_AGAIN, Verdict.NO_CAPACITY, Verdict.AWAY):
            return
        if identity.is_of_another_database(candidate.database):
            elsewhere.add(candidate.task)
            return
        # Within the tolerance of clocks there may be an earlier launch as well. Only one attempt of a launch can have
        # started; of others the one that lives is the latest.
        ours = candidate.is_launched_by(identity.scheduler)
        rank = (
            candidate.names(task.arn),
            ours,
            identity.handed_over,
            outcome.started,
            outcome.verdict is Verdict.LIVE,
        )
        if candidate.task in found and found[candidate.task][0] >= rank:
            return
        launch = Launch(
            candidate.task, candidate.key, id=identity.launch_id, handed_over=identity.handed_over
        )
        cluster = task.cluster or cluster_name(task.arn)
        found[candidate.task] = (
            rank,
            Found(candidate, launch, task.arn, cluster, identity.container_name, outcome),
        )

    def _came_later(self, identity: Identity, arn: str, candidate: Candidate, asked_at: float) -> bool:
        """
        Tell whether the container is of a launch that was made after Airflow asked: then it has an owner who lives.

        While AWS cannot be asked, Airflow may take the task instance back and launch it again, here or in another
        scheduler. Who has launched the container tells; the clocks of two hosts only where that does not.
        """
        if candidate.has_assigned_id or arn == candidate.external_id:
            return False
        if candidate.is_launched_by(identity.scheduler):
            return False
        if identity.scheduler is not None and identity.scheduler == self._scheduler:
            return True
        return identity.handed_over > asked_at + CLOCK_TOLERANCE


def in_batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into pieces of at most that size."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def look_until_answered(
    look: Callable[[Sequence[Candidate], set[str]], Adopted],
    candidates: Sequence[Candidate],
    *,
    now: Callable[[], float],
    wait: Callable[[float], bool],
    back_off: Callable[[int], float],
    failed: Callable[[BaseException], None],
) -> Adopted | None:
    """
    Look for containers until AWS can be asked, and a second time where some may be too young to be seen.

    :param look: looks once; gets the ARNs that need not be described again.
    :param now: seconds since the epoch.
    :param wait: waits for so many seconds; True means to give up.
    :param back_off: seconds to wait before a repetition.
    :param failed: is told each error.
    :return: the answer, or None after giving up.
    """
    repetition = 0
    while True:
        try:
            seen: set[str] = set()
            answer = look(candidates, seen)
            young = any(c.queued_at is None or now() - c.queued_at < CONSISTENCY for c in answer.missing)
            if young and not wait(SECOND_LOOK):
                again = look(answer.missing, seen)
                answer = Adopted(
                    answer.found + again.found,
                    again.missing,
                    answer.untold + again.untold,
                    answer.elsewhere + again.elsewhere,
                )
            return answer
        except Exception as error:
            repetition += 1
            failed(error)
            if wait(back_off(repetition)):
                return None


def hand_over(reply: Future[Adopted], answer: Adopted) -> bool:
    """Give the answer to whoever waits for it; False where nobody does any more."""
    if not reply.set_running_or_notify_cancel():
        return False
    reply.set_result(answer)
    return True
