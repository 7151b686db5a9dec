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
Tells which ECS task is that of a task instance's present launch: pure.

An ECS task counts if its identity is that of the task instance's **present** launch (:meth:`Candidate.is_present`): by the id
that Airflow assigned when it queued the task instance or the ARN that was stored in its place (3.2 and newer; no clock
matters then), or else because it was handed over after ``queued_dttm``. The scheduler that launches writes both, so its clock
may be wrong, and AWS's does not matter.

A database may be a clone of another Airflow's, and both have the same task instances in the same cluster. So an identity also
names the database (:attr:`Identity.database`): what another one has is not adopted, and its task instance is not reset
either, since the database's host may just have got a new name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.launch import Identity, Launch, TaskInstanceId

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.answers import EcsTask
    from airflow.executors.fargate.aws.verdict import Outcome

ARN = re.compile(r"arn:[^:]*:ecs:[^:]*:[^:]*:task/(?:(?P<cluster>[^/]+)/)?[^/]+")
#: Seconds by which a scheduler's clock may be set back between ``queued_dttm`` and the hand-over; and by which the clocks
#: of two schedulers may differ where one launches for another time what the other has launched before.
CLOCK_TOLERANCE = 2.0
#: Seconds that a container which has started is left to end by itself. It may have done its work and be writing its log,
#: and one whose start Airflow refuses, or whose task instance was taken from it, ends within some heartbeats of its own.
ENDING = 600.0
#: States of a task instance in which one of its containers runs, which may be any: the others end by themselves.
MAY_RUN = frozenset({"running", "restarting"})
QUEUED = "queued"


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
    #: The last moment at which that scheduler can have sent a RunTask, seconds since the epoch; None where not known.
    sent_until: float | None = None

    @property
    def stored_arn(self) -> str | None:
        """The ARN in ``external_id``; None where there is none."""
        return self.external_id if ARN.fullmatch(self.external_id or "") else None

    @property
    def has_assigned_id(self) -> bool:
        """Whether ``external_id`` is the launch's id, which Airflow assigned when it queued the task instance."""
        return bool(self.external_id) and self.stored_arn is None

    def is_launched_by(self, scheduler: str | None) -> bool:
        """Tell whether that is known to be the scheduler that is gone."""
        return scheduler is not None and scheduler == self.scheduler

    def names(self, arn: str | None) -> bool:
        """Tell whether ``external_id`` is this ARN, told for the present launch and for no earlier one."""
        return self.arn_is_present and arn is not None and arn == self.external_id

    def is_present(self, identity: Identity, arn: str | None = None) -> bool:
        """
        Tell whether the identity is that of this task instance's present launch, not of an earlier one.

        :param arn: of the ECS task that carries it; None where it is not known.
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
    """A candidate's ECS task."""

    candidate: Candidate
    launch: Launch
    arn: str
    #: The name of its cluster, whatever spelled it.
    cluster: str
    container_name: str
    outcome: Outcome


@dataclass(frozen=True)
class Match:
    """An ECS task that can be that of a candidate's present launch."""

    found: Found
    #: The highest is the one: within the tolerance of clocks there may be an earlier launch as well.
    rank: tuple[bool, bool, float, bool, bool]
    #: Whether it can be no other launch's, so that no other ECS task need be looked at.
    is_certain: bool
    #: Whether nothing but the tolerance of clocks speaks against it.
    is_likely: bool
    #: Whether another Airflow's database has it, or ours by another name.
    is_elsewhere: bool


def match(
    candidate: Candidate,
    task: EcsTask,
    identity: Identity,
    outcome: Outcome,
    *,
    lives: bool,
    own_scheduler: str | None,
    asked_at: float,
) -> Match | None:
    """
    Return what an ECS task is for a candidate; None where it is not its present launch's.

    :param outcome: what became of it; it has started, or it may still do so.
    :param lives: whether it has not ended.
    :param own_scheduler: the name of the scheduler that asks; None where it has none.
    :param asked_at: when Airflow asked, seconds since the epoch: see :func:`_came_later`.
    """
    if not candidate.is_present(identity, task.arn):
        return None
    if _came_later(identity, task.arn, candidate, own_scheduler, asked_at):
        return None
    launch = Launch(candidate.task, candidate.key, id=identity.launch_id, handed_over=identity.handed_over)
    return Match(
        Found(candidate, launch, task.arn, task.cluster_name, identity.container_name, outcome),
        # Only one attempt of a launch can have started; of others the one that lives is the latest.
        (
            candidate.names(task.arn),
            candidate.is_launched_by(identity.scheduler),
            identity.handed_over,
            outcome.started,
            lives,
        ),
        _is_certain(identity, task.arn, candidate),
        _is_likely(identity, candidate),
        identity.is_of_another_database(candidate.database),
    )


def _is_certain(identity: Identity, arn: str, candidate: Candidate) -> bool:
    """Tell whether more than clocks says that it is the present launch's: id, ARN, or the clock of one scheduler."""
    if candidate.has_assigned_id or candidate.names(arn):
        return True
    stored = arn == candidate.external_id
    return _is_likely(identity, candidate) and (stored or candidate.is_launched_by(identity.scheduler))


def _is_likely(identity: Identity, candidate: Candidate) -> bool:
    """Tell whether it was handed over after the queueing, and not by another scheduler than that which queued."""
    if None not in (candidate.scheduler, identity.scheduler) and candidate.scheduler != identity.scheduler:
        return False
    return candidate.queued_at is None or identity.handed_over >= candidate.queued_at


def _came_later(
    identity: Identity, arn: str, candidate: Candidate, own_scheduler: str | None, asked_at: float
) -> bool:
    """
    Tell whether the ECS task is of a launch that was made after Airflow asked: then it has an owner who lives.

    While AWS cannot be asked, Airflow may take the task instance back and launch it again, here or in another
    scheduler. Who has launched the ECS task tells; the clocks of two hosts only where that does not.
    """
    if candidate.has_assigned_id or arn == candidate.external_id:
        return False
    if candidate.is_launched_by(identity.scheduler):
        return False
    if identity.scheduler is not None and identity.scheduler == own_scheduler:
        return True
    return identity.handed_over > asked_at + CLOCK_TOLERANCE


def is_given_up(
    identity: Identity,
    state: str | None,
    present: Candidate | None,
    arn: str | None = None,
    *,
    runs_own_try: bool = False,
) -> bool:
    """
    Tell whether a container's launch is no longer that of its task instance.

    The scheduler that handed it over is gone, or does not know it any more.

    :param state: the task instance's state in the database.
    :param present: its present launch; None where there is no such task instance any more.
    :param arn: of the container.
    :param runs_own_try: whether a container runs the try that it was launched for and no other (3.1 and newer).
    """
    if present is None:
        return True
    if state in MAY_RUN:
        # It may run in this very container: Airflow 2.11 and 3.0 admit any that starts while the task instance is queued.
        return runs_own_try and identity.task != present.task
    return state != QUEUED or not present.is_present(identity, arn)
