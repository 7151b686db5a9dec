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
Queries to Airflow's database on task instances and schedulers.

They are few, however many task instances there are. The scheduler's thread makes them. An error would end the
scheduler, so what is not part of its own transaction raises none.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.ecs import in_batches
from airflow.executors.fargate.bridge.compat import ASSIGNS_IDS
from airflow.executors.fargate.bridge.database_address import address_hash
from airflow.executors.fargate.bridge.queries import MAX_NAMED, is_one_of, without_try
from airflow.executors.fargate.bridge.wanted import Row
from airflow.executors.fargate.bridge.workloads import task_instance_id
from airflow.executors.fargate.present import ARN, Candidate

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow.executors.fargate.launch import TaskInstanceId
    from airflow.models.taskinstance import TaskInstance

log = logging.getLogger(__name__)

#: Colours of a terminal, and control characters: not every database takes NUL.
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def storable(text: str) -> str:
    """Return a text as every database takes it; an error on storing it would end the scheduler."""
    encodable = text.encode("utf-8", "replace").decode("utf-8")
    return CONTROLS.sub("\N{REPLACEMENT CHARACTER}", COLOURS.sub("", encodable))


def log_failure(what: str, error: Exception) -> None:
    """Log an error by its type: its message repeats the values of the query, which can be of any size."""
    log.warning("%s: %s", what, type(error).__name__)
    log.debug("%s", what, exc_info=error)


# Schedulers and databases.


def scheduler_name(job_id: Any) -> str | None:
    """
    Return the name of a scheduler, unique among those of all Airflows; None where it has no job.

    Every Airflow numbers its jobs alike, but no two jobs begin in the same microsecond.
    """
    if not isinstance(job_id, int):
        return None
    from airflow.jobs.job import Job
    from airflow.utils.session import create_session

    with create_session() as session:
        job = session.get(Job, job_id)
        return name_of_job(job.id, job.start_date) if job else None


def name_of_job(job_id: int | None, began: Any) -> str | None:
    """Return the :func:`scheduler_name` of a job; None where its beginning is not known."""
    return f"{job_id}@{began.timestamp():.6f}" if began else None


def health_check_threshold() -> timedelta:
    """Return how old the last heartbeat of a scheduler that lives is at most."""
    from airflow.configuration import conf

    return timedelta(seconds=conf.getint("scheduler", "scheduler_health_check_threshold"))


def own_address_hash() -> str | None:
    """Return the :func:`address_hash` of Airflow's metadata database; no query is made."""
    from airflow.utils.session import create_session

    with create_session() as session:
        return address_hash_of(session)


def address_hash_of(session: Session) -> str | None:
    """Return the :func:`address_hash` of a session's database."""
    return address_hash(session.get_bind().engine.url)


# Adoption.


def candidates(tis: Sequence[TaskInstance]) -> dict[Candidate, TaskInstance]:
    """
    Return the candidates for adoption among task instances, with one query for any number of them.

    The scheduler loads few of their columns, and reading another one from an instance would be a query for
    each. The query selects all task instances that can be adopted, because databases limit the length of a
    list of keys.
    """
    from sqlalchemy import inspect, select
    from sqlalchemy.orm import object_session

    from airflow.jobs.job import Job
    from airflow.models.taskinstance import TaskInstance as TI
    from airflow.utils.state import State

    asked: dict[Any, TaskInstance] = {inspect(ti).identity: ti for ti in tis}
    query = select(
        *inspect(TI).primary_key, *candidate_columns(), Job.start_date, Job.latest_heartbeat, Job.end_date
    )
    query = query.select_from(TI).outerjoin(Job, Job.id == TI.queued_by_job_id)
    session: Any = object_session(tis[0])
    result = session.execute(query.where(TI.state.in_(State.adoptable_states)))
    found: dict[Candidate, TaskInstance] = {}
    width, own = len(inspect(TI).primary_key), address_hash_of(session)
    for *row, began, heartbeat, ended in result:
        ti = asked.get(tuple(row[:width]))
        if ti is not None:
            candidate = candidate_of(row[width:], began)
            found[replace(candidate, database=own, sent_until=_sent_until(heartbeat, ended))] = ti
    return found


def candidate_columns() -> tuple[Any, ...]:
    """Return the columns that :func:`candidate_of` takes."""
    from airflow.models.taskinstance import TaskInstance as TI

    ids = (TI.dag_id, TI.task_id, TI.run_id, TI.try_number, TI.map_index)
    return (*ids, TI.external_executor_id, TI.queued_dttm, TI.queued_by_job_id)


def candidate_of(row: Sequence[Any], began: Any = None) -> Candidate:
    """
    Return the candidate of a row.

    :param row: the values of :func:`candidate_columns`.
    :param began: when the job began that has queued it; None where that is not known.
    """
    from airflow.models.taskinstancekey import TaskInstanceKey

    *ids, external_id, queued, queued_by = row
    key = TaskInstanceKey(*ids)
    if not ASSIGNS_IDS and not ARN.fullmatch(external_id or ""):
        external_id = None  # Another executor has stored it.
    return Candidate(
        task_instance_id(key),
        key,
        external_id,
        queued.timestamp() if queued else None,
        queued_by,
        name_of_job(queued_by, began),
        # From 3.2 on Airflow overwrites the column whenever it queues the task instance.
        arn_is_present=ASSIGNS_IDS,
    )


def _sent_until(heartbeat: Any, ended: Any) -> float | None:
    """
    Return the last moment at which a scheduler that is gone can have called RunTask, seconds since the epoch.

    That is the end of its job, if the job ended by itself. Otherwise its last heartbeat was too old from then
    on.
    """
    if ended:
        return float(ended.timestamp())
    return float((heartbeat + health_check_threshold()).timestamp()) if heartbeat else None


def hand_back(kept: Iterable[Candidate], own_job: Any) -> None:
    """
    Give task instances back to the schedulers that are gone, so that Airflow asks to adopt them again.

    These are task instances of which AWS did not say in time whether they have an ECS task, and that have
    none.

    :param kept: the task instances.
    :param own_job: the number of the job of the scheduler that has adopted them.
    """
    from sqlalchemy import update

    from airflow.models.taskinstance import TaskInstance as TI
    from airflow.utils.session import create_session
    from airflow.utils.state import State

    by_job = defaultdict(list)
    for candidate in kept:
        if candidate.queued_by is not None:
            by_job[candidate.queued_by].append(candidate.task)
    try:
        with create_session() as session:
            for former_job, tasks in by_job.items():
                for batch in in_batches(tasks, MAX_NAMED):
                    session.execute(
                        update(TI)
                        .where(
                            is_one_of(batch, session),
                            TI.queued_by_job_id == own_job,
                            TI.state.in_(State.adoptable_states),
                        )
                        .values(queued_by_job_id=former_job)
                        .execution_options(synchronize_session=False)
                    )
    except Exception as error:
        log_failure("Task instances without an ECS task are left to Airflow's timeouts", error)


# The scheduler's own launches.


def rows(tasks: Sequence[TaskInstanceId]) -> dict[TaskInstanceId, Row] | None:
    """
    Return the rows of those task instances that exist, whatever their try is; None where the database failed.

    One query reads :data:`~airflow.executors.fargate.bridge.queries.MAX_NAMED` of them.
    """
    from airflow.utils.session import create_session

    try:
        with create_session() as session:
            return {
                task: row for batch in in_batches(tasks, MAX_NAMED) for task, row in _rows(batch, session)
            }
    except Exception as error:
        log_failure("Whether launches are still wanted cannot be looked up, trying again later", error)
        return None


def _rows(tasks: Sequence[TaskInstanceId], session: Session) -> Iterator[tuple[TaskInstanceId, Row]]:
    from sqlalchemy import select

    from airflow.models.taskinstance import TaskInstance as TI

    ids = (TI.dag_id, TI.task_id, TI.run_id, TI.map_index)
    query = select(*ids, TI.state, TI.try_number, TI.queued_by_job_id, TI.external_executor_id)
    found = {tuple(row[:4]): Row(*row[4:]) for row in session.execute(query.where(is_one_of(tasks, session)))}
    for task in tasks:
        row = found.get(without_try(task))
        if row is not None:
            yield task, row
