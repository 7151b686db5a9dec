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
"""Finds out from Airflow's database which ECS tasks are orphaned."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING

from pendulum import UTC
from sqlalchemy import and_, select

from airflow.executors.fargate.bridge import AIRFLOW, database, settings
from airflow.executors.fargate.launch import TaskInstanceId
from airflow.executors.fargate.present import is_orphaned
from airflow.jobs.job import Job, JobState

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow.executors.fargate.messages import OtherEcsTask

log = logging.getLogger(__name__)

#: The job's number at the beginning of a ``database.scheduler_name()``.
JOB = re.compile(r"([0-9]{1,10})@")


def find_orphans(ecs_tasks: Sequence[OtherEcsTask], own_name: str | None) -> list[str]:
    """
    Return the ARNs of those ECS tasks that are orphaned and can be stopped; none where the database fails.

    These ECS tasks are left alone: those of another scheduler that lives; those that no scheduler in this
    database has launched, because another Airflow may use the same cluster and deployment; those of another
    database, of which this one may be a clone; and those of callbacks, because the database does not say
    which callbacks are still wanted.

    :param own_name: the ``database.scheduler_name()`` of the scheduler that asks.
    """
    failure = "Whether ECS tasks are orphaned cannot be looked up, trying again later"
    return database.in_own_session(partial(_find_orphans, ecs_tasks, own_name), failure) or []


def _find_orphans(ecs_tasks: Sequence[OtherEcsTask], own_name: str | None, session: Session) -> list[str]:
    names = _names_to_check({task.identity.scheduler or "" for task in ecs_tasks}, own_name, session)
    of_names = [task for task in ecs_tasks if task.identity.scheduler in names]
    left = {one: one.identity.task for one in of_names if isinstance(one.identity.task, TaskInstanceId)}
    own = database.address_hash(session.get_bind().engine.url)
    ours = {one: task for one, task in left.items() if not one.identity.is_of_another_database(own)}
    if len(ours) < len(left):
        warn_of_another_database()
    rows = database.read(ours.values(), session)
    # Which of several rows an ECS task is for cannot be told: then it is left alone.
    certain = {one: next(iter(rows[task]), None) for one, task in ours.items() if len(rows[task]) < 2}
    orphaned = partial(is_orphaned, runs_own_try=AIRFLOW.runs_own_try)
    return [one.arn for one, row in certain.items() if orphaned(one.identity, row, one.arn)]


@cache
def warn_of_another_database() -> None:
    """Warn, once in a process, that this deployment has ECS tasks of another metadata database."""
    log.warning(
        "ECS tasks under this [fargate] deployment come from another metadata database. They are not adopted "
        "and not stopped, and their task instances are neither reset nor followed. If this database is a "
        "copy of another Airflow's, such as a clone for tests, give this Airflow a [fargate] deployment of "
        "its own. If the host, port or name of this database has changed, nothing need be done: the ECS tasks "
        "run to their end, and Airflow's own timeouts decide on those that fail."
    )


def _names_to_check(names: Collection[str], own_name: str | None, session: Session) -> set[str | None]:
    """Return the own name, and those of schedulers that are gone."""
    ids = {int(begins[1]) for begins in map(JOB.match, names) if begins}
    alive_since = datetime.now(UTC) - settings.health_check_threshold()
    lives = and_(Job.state == JobState.RUNNING, Job.latest_heartbeat > alive_since)
    found = session.execute(select(Job.id, Job.start_date, lives).where(Job.id.in_(ids)))
    jobs = {database.name_of_job(job_id, began): is_alive for job_id, began, is_alive in found}
    return {name for name, is_alive in jobs.items() if name and (not is_alive or name == own_name)}
