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
What Airflow's database is asked, on the scheduler's thread: in few queries, however many task instances there are.

The scheduler would not survive an error here, so what is not part of its own transaction raises none.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.ecs import in_batches
from airflow.executors.fargate.bridge.compat import ASSIGNS_IDS, RUNS_OWN_TRY, task_instance_id
from airflow.executors.fargate.bridge.database_address import address_hash, warn_of_another_database
from airflow.executors.fargate.bridge.wanted import Row
from airflow.executors.fargate.launch import TaskInstanceId
from airflow.executors.fargate.present import ARN, Candidate, is_given_up

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow.executors.fargate.messages import OtherEcsTask
    from airflow.models.taskinstance import TaskInstance

log = logging.getLogger(__name__)

#: What is no text: not every database takes NUL, and a terminal's colours are for terminals.
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

#: How a :func:`scheduler_name` begins; a number that is longer is none that a database takes.
JOB = re.compile(r"([0-9]{1,10})@")

#: Task instances that one query names: with four values each, no database finds that too much.
MAX_NAMED = 200


def storable(text: str) -> str:
    """Return a text as every database takes it; the scheduler would not survive one that cannot be stored."""
    encodable = text.encode("utf-8", "replace").decode("utf-8")
    return CONTROLS.sub("\N{REPLACEMENT CHARACTER}", COLOURS.sub("", encodable))


def candidates(tis: Sequence[TaskInstance]) -> dict[Candidate, TaskInstance]:
    """
    Return what adoption needs to know of task instances, with one query for any number of them.

    The scheduler loads few of their columns; asking an instance for another one would be a query for each.
    The query takes all task instances that could be adopted, since a list of keys has no upper length that
    every database admits.
    """
    from sqlalchemy import inspect, select
    from sqlalchemy.orm import object_session

    from airflow.jobs.job import Job
    from airflow.models.taskinstance import TaskInstance as TI
    from airflow.utils.state import State

    wanted: dict[Any, TaskInstance] = {inspect(ti).identity: ti for ti in tis}
    query = select(*inspect(TI).primary_key, *_columns(), Job.start_date, Job.latest_heartbeat, Job.end_date)
    query = query.select_from(TI).outerjoin(Job, Job.id == TI.queued_by_job_id)
    session: Any = object_session(tis[0])
    rows = session.execute(query.where(TI.state.in_(State.adoptable_states)))
    found: dict[Candidate, TaskInstance] = {}
    width, own = len(inspect(TI).primary_key), _own_address_hash(session)
    for *row, began, heartbeat, ended in rows:
        ti = wanted.get(tuple(row[:width]))
        if ti is not None:
            candidate = _candidate(row[width:], began)
            found[replace(candidate, database=own, sent_until=_sent_until(heartbeat, ended))] = ti
    return found


def _sent_until(heartbeat: Any, ended: Any) -> float | None:
    """
    Return the last moment at which a scheduler that is gone can have sent a RunTask, seconds since the epoch.

    That is the end of its job, where that ended by itself; else a scheduler sends none once its last heartbeat is too old.
    """
    if ended:
        return float(ended.timestamp())
    return float((heartbeat + _health_check_threshold()).timestamp()) if heartbeat else None


def _health_check_threshold() -> timedelta:
    from airflow.configuration import conf

    return timedelta(seconds=conf.getint("scheduler", "scheduler_health_check_threshold"))


def _columns() -> tuple[Any, ...]:
    from airflow.models.taskinstance import TaskInstance as TI

    ids = (TI.dag_id, TI.task_id, TI.run_id, TI.try_number, TI.map_index)
    return (*ids, TI.external_executor_id, TI.queued_dttm, TI.queued_by_job_id)


def _candidate(row: Sequence[Any], began: Any = None) -> Candidate:
    from airflow.models.taskinstancekey import TaskInstanceKey

    *ids, external_id, queued, queued_by = row
    key = TaskInstanceKey(*ids)
    if not ASSIGNS_IDS and not ARN.fullmatch(external_id or ""):
        external_id = None  # An id that another executor has left there: it tells nothing of our containers.
    return Candidate(
        task_instance_id(key),
        key,
        external_id,
        queued.timestamp() if queued else None,
        queued_by,
        _name(queued_by, began),
        # From 3.2 on Airflow overwrites the column whenever it queues the task instance.
        arn_is_present=ASSIGNS_IDS,
    )


def scheduler_name(job_id: Any) -> str | None:
    """
    Return what tells a scheduler from any other, of this Airflow or of another one; None where it has no job.

    Numbers of jobs are the same in each Airflow, but no two of them began in the same microsecond.
    """
    if not isinstance(job_id, int):
        return None
    from airflow.jobs.job import Job
    from airflow.utils.session import create_session

    with create_session() as session:
        job = session.get(Job, job_id)
        return _name(job.id, job.start_date) if job else None


def _name(job_id: int | None, began: Any) -> str | None:
    return f"{job_id}@{began.timestamp():.6f}" if began else None


def own_address_hash() -> str | None:
    """Return the :func:`address_hash` of Airflow's metadata database; it is not asked."""
    from airflow.utils.session import create_session

    with create_session() as session:
        return _own_address_hash(session)


def _own_address_hash(session: Session) -> str | None:
    return address_hash(session.get_bind().engine.url)


def given_up(other_ecs_tasks: Sequence[OtherEcsTask], own_name: str | None) -> list[str]:
    """
    Return the ARNs of the containers whose launch Airflow has given up, so that they can be stopped.

    Those of another scheduler that lives are its own business. So are those of which no scheduler in this database
    says that it has launched them: another Airflow may use the same cluster under the same name. And so are those of
    another database, of which this one may be a clone.

    :param own_name: the :func:`scheduler_name` of the scheduler that asks.
    """
    from airflow.utils.session import create_session

    try:
        with create_session() as session:
            mine = _nobodys({s.identity.scheduler or "" for s in other_ecs_tasks}, own_name, session)
            # Nothing in the database tells that a callback was given up: it runs on.
            left = [s for s in other_ecs_tasks if s.identity.scheduler in mine and _is_task(s.identity.task)]
            left = _of_this_database(left, session)
            return [arn for batch in in_batches(left, MAX_NAMED) for arn in _given_up(batch, session)]
    except Exception as error:
        _failed("Whether containers are wanted cannot be looked up, trying again later", error)
        return []


def _failed(what: str, error: Exception) -> None:
    """Log an error by its type: its message repeats the values that were looked up, which can be of any size."""
    log.warning("%s: %s", what, type(error).__name__)
    log.debug("%s", what, exc_info=error)


def _of_this_database(other_ecs_tasks: Sequence[OtherEcsTask], session: Session) -> list[OtherEcsTask]:
    own = _own_address_hash(session)
    left = [s for s in other_ecs_tasks if not s.identity.is_of_another_database(own)]
    if len(left) < len(other_ecs_tasks):
        warn_of_another_database()
    return left


def rows(tasks: Sequence[TaskInstanceId]) -> dict[TaskInstanceId, Row] | None:
    """
    Return what the database has of task instances, by what was asked for; of those that exist, whatever their try is.

    One query for each :data:`MAX_NAMED` of them; None where the database could not be asked.
    """
    from airflow.utils.session import create_session

    try:
        with create_session() as session:
            return {
                task: row for batch in in_batches(tasks, MAX_NAMED) for task, row in _rows(batch, session)
            }
    except Exception as error:
        _failed("Whether launches are still wanted cannot be looked up, trying again later", error)
        return None


def _rows(tasks: Sequence[TaskInstanceId], session: Session) -> Iterator[tuple[TaskInstanceId, Row]]:
    from sqlalchemy import select

    from airflow.models.taskinstance import TaskInstance as TI

    ids = (TI.dag_id, TI.task_id, TI.run_id, TI.map_index)
    query = select(*ids, TI.state, TI.try_number, TI.queued_by_job_id, TI.external_executor_id)
    found = {tuple(row[:4]): Row(*row[4:]) for row in session.execute(query.where(_among(tasks, session)))}
    for task in tasks:
        row = found.get(_without_try(task))
        if row is not None:
            yield task, row


def _is_task(task: Any) -> bool:
    return isinstance(task, TaskInstanceId)


def _nobodys(names: Collection[str], own_name: str | None, session: Session) -> set[str]:
    """Return the names of those schedulers that are gone, and the own one."""
    from sqlalchemy import select

    from airflow.jobs.job import Job, JobState

    ids = {int(found[1]) for found in map(JOB.match, names) if found}
    threshold = _health_check_threshold()
    query = select(Job.id, Job.start_date, Job.state, Job.latest_heartbeat).where(Job.id.in_(ids))
    gone: set[str] = set()
    for job_id, began, state, heartbeat in session.execute(query):
        lives = state == JobState.RUNNING and heartbeat and heartbeat > datetime.now(timezone.utc) - threshold
        name = _name(job_id, began)
        if name and (not lives or name == own_name):
            gone.add(name)
    return gone


def _given_up(other_ecs_tasks: Sequence[OtherEcsTask], session: Session) -> Iterator[str]:
    from sqlalchemy import select

    from airflow.models.taskinstance import TaskInstance as TI

    query = select(TI.state, *_columns()).where(_among((s.identity.task for s in other_ecs_tasks), session))
    found = {}
    for state, *row in session.execute(query):
        candidate = _candidate(row)
        found[_without_try(candidate.task)] = (state, candidate)
    for other_ecs_task in other_ecs_tasks:
        state, present = found.get(_without_try(other_ecs_task.identity.task), (None, None))
        if is_given_up(
            other_ecs_task.identity, state, present, other_ecs_task.arn, runs_own_try=RUNS_OWN_TRY
        ):
            yield other_ecs_task.arn


def _without_try(task: Any) -> tuple[str, str, str, int]:
    return task.dag_id, task.task_id, task.run_id, task.map_index


def _among(tasks: Iterable[Any], session: Session) -> Any:
    """
    Return the condition that a row is that of one of these task instances.

    PostgreSQL plans a list of rows in a time that grows with its square; of 200, ten times as long as it takes to read
    them. There they come as four arrays.
    """
    from sqlalchemy import tuple_

    from airflow.models.taskinstance import TaskInstance as TI

    keys = [_without_try(task) for task in tasks]
    columns = tuple_(TI.dag_id, TI.task_id, TI.run_id, TI.map_index)
    if not keys or session.get_bind().dialect.name != "postgresql":
        return columns.in_(keys)
    return columns.in_(_unnested(keys))


def _unnested(keys: Sequence[tuple[str, str, str, int]]) -> Any:
    """Return a query of the keys, as PostgreSQL makes it of arrays."""
    from sqlalchemy import Integer, String, bindparam, func, select
    from sqlalchemy.dialects.postgresql import ARRAY

    types = (String, String, String, Integer)
    arrays = (bindparam(None, list(values), type_=ARRAY(of)) for values, of in zip(zip(*keys), types))
    listed = func.unnest(*arrays).table_valued("dag_id", "task_id", "run_id", "map_index").render_derived()
    return select(*listed.c)


def hand_back(kept: Iterable[Candidate], own_job: Any) -> None:
    """
    Give task instances back to the schedulers that are gone, so that Airflow asks for their containers again.

    AWS could not be asked in time when they were adopted, and has told since then that they have none.
    """
    from sqlalchemy import update

    from airflow.models.taskinstance import TaskInstance as TI
    from airflow.utils.session import create_session
    from airflow.utils.state import State

    by_job = defaultdict(list)
    for candidate in (candidate for candidate in kept if candidate.queued_by is not None):
        by_job[candidate.queued_by].append(candidate.task)
    try:
        with create_session() as session:
            for former_job, tasks in by_job.items():
                for batch in in_batches(tasks, MAX_NAMED):
                    session.execute(
                        update(TI)
                        .where(
                            _among(batch, session),
                            TI.queued_by_job_id == own_job,
                            TI.state.in_(State.adoptable_states),
                        )
                        .values(queued_by_job_id=former_job)
                        .execution_options(synchronize_session=False)
                    )
    except Exception as error:
        _failed("Task instances without a container are left to Airflow's timeouts", error)
