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
"""Compares ECS tasks that no launch of this scheduler wants with Airflow's database: which are orphaned."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.ecs import in_batches
from airflow.executors.fargate.bridge.compat import RUNS_OWN_TRY
from airflow.executors.fargate.bridge.database import (
    address_hash_of,
    candidate_columns,
    candidate_of,
    health_check_threshold,
    log_failure,
    name_of_job,
)
from airflow.executors.fargate.bridge.database_address import warn_of_another_database
from airflow.executors.fargate.bridge.queries import MAX_NAMED, is_one_of, without_try
from airflow.executors.fargate.launch import TaskInstanceId
from airflow.executors.fargate.present import is_orphaned

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow.executors.fargate.messages import OtherEcsTask

#: How a ``database.scheduler_name()`` begins; no database takes a longer number.
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
    from airflow.utils.session import create_session

    try:
        with create_session() as session:
            launched_by = {task.identity.scheduler or "" for task in ecs_tasks}
            names = _own_and_gone(launched_by, own_name, session)
            left = [
                task
                for task in ecs_tasks
                if task.identity.scheduler in names and isinstance(task.identity.task, TaskInstanceId)
            ]
            left = _of_this_database(left, session)
            return [arn for batch in in_batches(left, MAX_NAMED) for arn in _orphans(batch, session)]
    except Exception as error:
        log_failure("Whether ECS tasks are orphaned cannot be looked up, trying again later", error)
        return []


def _own_and_gone(names: Collection[str], own_name: str | None, session: Session) -> set[str]:
    """Return those names that are of schedulers that are gone, and the own name."""
    from sqlalchemy import select

    from airflow.jobs.job import Job, JobState

    ids = {int(begins[1]) for begins in map(JOB.match, names) if begins}
    threshold = health_check_threshold()
    query = select(Job.id, Job.start_date, Job.state, Job.latest_heartbeat).where(Job.id.in_(ids))
    found: set[str] = set()
    for job_id, began, state, heartbeat in session.execute(query):
        lives = state == JobState.RUNNING and heartbeat and heartbeat > datetime.now(timezone.utc) - threshold
        name = name_of_job(job_id, began)
        if name and (not lives or name == own_name):
            found.add(name)
    return found


def _of_this_database(ecs_tasks: Sequence[OtherEcsTask], session: Session) -> list[OtherEcsTask]:
    own = address_hash_of(session)
    left = [task for task in ecs_tasks if not task.identity.is_of_another_database(own)]
    if len(left) < len(ecs_tasks):
        warn_of_another_database()
    return left


def _orphans(ecs_tasks: Sequence[OtherEcsTask], session: Session) -> Iterator[str]:
    from sqlalchemy import select

    from airflow.models.taskinstance import TaskInstance as TI

    query = select(TI.state, *candidate_columns())
    query = query.where(is_one_of((task.identity.task for task in ecs_tasks), session))
    found = {}
    for state, *row in session.execute(query):
        candidate = candidate_of(row)
        found[without_try(candidate.task)] = (state, candidate)
    for task in ecs_tasks:
        state, present = found.get(without_try(task.identity.task), (None, None))
        if is_orphaned(task.identity, state, present, task.arn, runs_own_try=RUNS_OWN_TRY):
            yield task.arn
