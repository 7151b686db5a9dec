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
Tells which ECS task is that of a task instance's present launch, and which is orphaned. Pure.

The identity that an ECS task carries decides (:meth:`Candidate.is_present`). From 3.2 on
``external_executor_id`` identifies the present launch: first its id, which Airflow assigns when it queues the
task instance, later its ARN. Otherwise times decide: an ECS task is the present launch's if it was handed
over after ``queued_dttm``. One scheduler writes both times, so a wrong clock does no harm; AWS's clock is not
used.

A database can be a clone of another Airflow's: then both have the same task instances, perhaps in the same
cluster. So an identity also names the database (:attr:`Identity.database`). An ECS task of another database
is not adopted. Its task instance is not reset either, because it may be the same database under a new host
name.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.launch import Identity, Launch, TaskInstanceId

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.answers import EcsTask
    from airflow.executors.fargate.aws.verdict import Outcome

ARN = re.compile(r"arn:[^:]*:ecs:[^:]*:[^:]*:task/(?:(?P<cluster>[^/]+)/)?[^/]+")
#: Seconds by which a scheduler's clock may be set back between ``queued_dttm`` and the hand-over, and by
#: which the clocks of two schedulers that launch the same task instance may differ.
CLOCK_TOLERANCE = 2.0
#: Seconds after an ECS task's start within which the scheduler that follows it has noted that. They include
#: those for which Airflow took it for alive after its last heartbeat (30 by default).
NOTED_WITHIN = 300.0
#: Seconds that an ECS task which has started has to end by itself before it is stopped. It may have done its
#: work and be writing its log. If Airflow refuses its start, or its task instance was cleared, it ends within
#: some of its heartbeats.
ENDING = 600.0
#: States of a task instance in which one of its launches runs.
RUNNING = frozenset({"running", "restarting"})
QUEUED = "queued"
#: Takes the place of the state of a task instance that Airflow has archived: another try has followed it, or none
#: is wanted. 3.4 and newer, where each try has a row.
ARCHIVED = "archived"


@dataclass(frozen=True)
class Candidate:
    """
    A task instance and its present launch, as the database has them.

    It is one to adopt, whose scheduler is gone, that of an ECS task that may be orphaned, or that of a launch of
    this scheduler, which the database may no longer want.
    """

    task: TaskInstanceId
    #: Airflow's key of the task instance.
    key: Any
    #: ``external_executor_id``: the launch's id, an ARN (of this launch or an earlier one), or None.
    external_id: str | None
    #: ``queued_dttm`` of the present launch, seconds since the epoch.
    queued_at: float | None
    #: ``queued_by_job_id``: the job of the scheduler that has queued or adopted it; None without one.
    queued_by: int | None = None
    #: The name of that scheduler, as in :attr:`Identity.scheduler`; None where it is not known.
    scheduler: str | None = None
    #: Whether an ARN in ``external_id`` is the present launch's: 3.2 and newer overwrite it at each queueing.
    arn_is_present: bool = False
    #: The metadata database that has it, as in :attr:`Identity.database`; None where it is not known.
    database: str | None = None
    #: The last moment at which that scheduler can have called RunTask, seconds since the epoch, or None.
    sent_until: float | None = None
    #: The task instance's state; None without one, and where it was not asked for, as in adoption.
    state: str | None = None

    @property
    def stored_arn(self) -> str | None:
        """The ARN in ``external_id``; None where there is none."""
        return self.external_id if ARN.fullmatch(self.external_id or "") else None

    @property
    def has_assigned_id(self) -> bool:
        """Whether ``external_id`` is the id that Airflow assigned to the launch when it queued it."""
        return bool(self.external_id) and self.stored_arn is None

    def names(self, arn: str | None) -> bool:
        """Tell whether Airflow has stored this ARN for the present launch."""
        return self.arn_is_present and arn is not None and arn == self.external_id

    def is_present(self, identity: Identity, arn: str | None = None) -> bool:
        """
        Tell whether the identity is that of this task instance's present launch.

        :param arn: of the ECS task that carries the identity; None where it is not known.
        """
        if not identity.can_be_of(self.task):
            return False
        if self.names(arn):
            return True
        if self.has_assigned_id:
            return identity.launch_id == self.external_id
        return self.queued_at is None or identity.handed_over >= self.queued_at - CLOCK_TOLERANCE


@dataclass(frozen=True)
class Match:
    """An ECS task that can be that of a candidate's present launch."""

    launch: Launch
    arn: str
    #: The name of its cluster, however the options spell it.
    cluster: str
    container_name: str
    outcome: Outcome
    #: The ECS task with the highest rank is taken: an earlier launch can match as well, within the tolerance
    #: of clocks.
    rank: tuple[bool, bool, float, bool, bool]
    #: Whether it can be no other launch's, so that no further ECS task has to be looked at.
    is_certain: bool
    #: Whether it matches without the tolerance of clocks, and no other scheduler is known to have launched
    #: it.
    is_likely: bool
    #: Whether the scheduler that is gone must have noted that the ECS task has started.
    is_start_noted: bool = False


def match(
    candidate: Candidate, ecs_task: EcsTask, identity: Identity, outcome: Outcome, own: str | None, at: float
) -> Match | None:
    """
    Return how an ECS task matches a candidate; None where it is not that of its present launch.

    :param ecs_task: the ECS task.
    :param outcome: what became of it.
    :param own: the name of the scheduler that adopts; None where it has none.
    :param at: when Airflow asked to adopt, seconds since the epoch: see :func:`_came_later`.
    """
    arn = ecs_task.arn
    is_named, is_stored = candidate.names(arn), arn == candidate.external_id
    # Whether the scheduler that is gone is known to have launched it.
    has_queued = identity.scheduler is not None and identity.scheduler == candidate.scheduler
    may_be_later = not (candidate.has_assigned_id or is_stored or has_queued)
    if not candidate.is_present(identity, arn) or (may_be_later and _came_later(identity, own, at)):
        return None
    launch = Launch(candidate.task, candidate.key, id=identity.launch_id, handed_over=identity.handed_over)
    # Only one attempt of a launch can have started; otherwise the one that lives is the latest.
    rank = (is_named, has_queued, identity.handed_over, outcome.started, outcome.lives)
    may_have_queued = has_queued or None in (candidate.scheduler, identity.scheduler)
    came_after = candidate.queued_at is None or identity.handed_over >= candidate.queued_at
    is_likely = may_have_queued and came_after
    # The id, the ARN or the clock of one scheduler says that it is the present launch's.
    is_certain = candidate.has_assigned_id or is_named or (is_likely and (is_stored or has_queued))
    cluster, name = ecs_task.cluster_name, identity.container_name
    is_start_noted = (ecs_task.usage.started or math.inf) + NOTED_WITHIN < (candidate.sent_until or 0.0)
    return Match(launch, arn, cluster, name, outcome, rank, is_certain, is_likely, is_start_noted)


def _came_later(identity: Identity, own: str | None, asked: float) -> bool:
    """
    Tell whether the launch of an ECS task was made after Airflow asked to adopt.

    Then a scheduler that lives follows it. While AWS cannot be asked, Airflow may revoke the task instance
    and launch it again, from this scheduler or another one. The scheduler's name in the identity decides;
    clocks of two hosts are compared only without it.
    """
    is_own = own is not None and identity.scheduler == own
    return is_own or identity.handed_over > asked + CLOCK_TOLERANCE


def is_orphaned(identity: Identity, present: Candidate | None, arn: str, *, runs_own_try: bool) -> bool:
    """
    Tell whether an ECS task that no scheduler follows is not that of its task instance's present launch.

    :param identity: that of the ECS task.
    :param present: its task instance, with the present launch; None where it was deleted.
    :param arn: of the ECS task.
    :param runs_own_try: whether an ECS task can run only the try that it was launched for (3.1 and newer).
    """
    if present is None:
        return True
    if present.state in RUNNING:
        # It may run in this one: 2.11 and 3.0 accept any ECS task that starts while it is queued.
        return runs_own_try and not identity.can_be_of(present.task)
    return present.state != QUEUED or not present.is_present(identity, arn)
