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

They are few, however many task instances there are. The scheduler's thread makes them, and the commands.
After the start, an error outside the scheduler's own transaction is logged and not raised, since it would end
the scheduler.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sqlalchemy import Integer, String, bindparam, func, inspect, select, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, object_session

from airflow.executors.fargate.aws.ecs import in_batches
from airflow.executors.fargate.bridge import AIRFLOW
from airflow.executors.fargate.bridge.settings import health_check_threshold
from airflow.executors.fargate.launch import TaskInstanceId
from airflow.executors.fargate.present import ARCHIVED, ARN, Candidate
from airflow.jobs.job import Job
from airflow.models.taskinstance import TaskInstance as TI
from airflow.utils.session import create_session
from airflow.utils.state import State

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Colours of a terminal, and control characters: not every database takes NUL.
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: The coordinates of a task instance, whatever its try is.
COORDINATES = (TI.dag_id, TI.task_id, TI.run_id, TI.map_index)
#: The columns that :func:`candidate_of` takes.
CANDIDATE_VALUES = (
    *COORDINATES,
    TI.try_number,
    *AIRFLOW.identifying_columns(TI),
    TI.external_executor_id,
    TI.queued_dttm,
    TI.queued_by_job_id,
)
#: Most task instances that one query names: with four values each, below the limit of parameters of every
#: database.
MAX_NAMED = 200
#: Default ports, by SQLAlchemy's names of the databases that Airflow supports.
DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306}
#: Characters of an address's hash: enough to distinguish databases, and few of the 8,192 that ECS allows for
#: all overrides.
HASH_LENGTH = 12


def storable(text: str) -> str:
    """Return a text as every database takes it; an error on storing it would end the scheduler."""
    encodable = text.encode("utf-8", "replace").decode("utf-8")
    return CONTROLS.sub("\N{REPLACEMENT CHARACTER}", COLOURS.sub("", encodable))


def in_own_session(query: Callable[[Session], T], failure: str) -> T | None:
    """
    Return what a query in a session of its own returns; None where the database fails.

    The failure is logged with the type of the error: its message repeats the values of the query, which can
    be of any size.
    """
    try:
        with create_session() as session:
            return query(session)
    except Exception as error:
        log.warning("%s: %s", failure, type(error).__name__)
        log.debug("%s", failure, exc_info=error)
        return None


def is_one_of(tasks: Sequence[TaskInstanceId], session: Session) -> Any:
    """
    Return the condition that a row is that of one of these task instances, which all have a UUID or none has one.

    PostgreSQL's planning time for a list of rows grows with the square of its length: for 200 rows it is ten
    times the time to read them. So the values are passed as four arrays (``unnest``).
    """
    if tasks and has_uuid(tasks[0]):
        return TI.id.in_([UUID(task.uuid) for task in tasks])
    coordinates = [without_try(task) for task in tasks]
    if not tasks or session.get_bind().dialect.name != "postgresql":
        return tuple_(*COORDINATES).in_(coordinates)
    types = (String, String, String, Integer)
    arrays: list[Any] = [
        bindparam(None, list(values), type_=ARRAY(of)) for values, of in zip(zip(*coordinates), types)
    ]
    listed = func.unnest(*arrays).table_valued("dag_id", "task_id", "run_id", "map_index").render_derived()
    return tuple_(*COORDINATES).in_(select(*listed.c))


def has_uuid(task: TaskInstanceId) -> bool:
    """Tell whether a task instance has a UUID that this Airflow knows it by."""
    return AIRFLOW.has_uuids and task.uuid is not None


def without_try(task: TaskInstanceId) -> tuple[str, str, str, int]:
    """Return the values of :data:`COORDINATES` of a task instance."""
    return task.dag_id, task.task_id, task.run_id, task.map_index


def read(tasks: Iterable[TaskInstanceId], session: Session) -> dict[TaskInstanceId, tuple[Candidate, ...]]:
    """
    Return the rows of task instances, with their states and present launches.

    One query reads :data:`MAX_NAMED` of them.

    :return: for each task instance its row, or none where it does not exist. One without a UUID has the rows of
        present tries with its coordinates, whatever the number of the try; there can be several, as in a loop.
    """
    by_uuid: dict[TaskInstanceId, Any] = {}
    by_coordinates: dict[TaskInstanceId, Any] = {}
    for task in tasks:
        if has_uuid(task):
            by_uuid[task] = task.uuid
        else:
            by_coordinates[task] = without_try(task)
    rows: dict[Any, tuple[Candidate, ...]] = defaultdict(tuple)
    for known in (by_uuid, by_coordinates):
        # Airflow itself hides the rows of tries that it has archived.
        options = {"include_all_attempts": known is by_uuid}
        for batch in in_batches(list(known), MAX_NAMED):
            query = select(*CANDIDATE_VALUES, TI.state).where(is_one_of(batch, session))
            for *row, state in session.execute(query, execution_options=options):
                candidate = candidate_of(row, state=state)
                identity = candidate.task.uuid if known is by_uuid else without_try(candidate.task)
                rows[identity] += (candidate,)
    return {task: rows[identity] for task, identity in {**by_uuid, **by_coordinates}.items()}


# Schedulers and databases.


def scheduler_name(job_id: Any) -> str | None:
    """
    Return the name of a scheduler, unique among those of all Airflows; None where it has no job.

    Job ids repeat between databases, so the start time is part of the name.
    """
    if not isinstance(job_id, int):
        return None
    with create_session() as session:
        began = session.execute(select(Job.start_date).where(Job.id == job_id)).scalar()
        return name_of_job(job_id, began)


def name_of_job(job_id: int | None, began: Any) -> str | None:
    """Return the :func:`scheduler_name` of a job; None where its beginning is not known."""
    return f"{job_id}@{began.timestamp():.6f}" if began else None


def address_hash(url: URL) -> str | None:
    """
    Return a hash of a metadata database's host, port and name, or of SQLite's path.

    It is part of the identity of each launch, because a database can be cloned: the clone has the same
    schedulers, task instances and ids as its origin, and often the same ``[fargate]`` options. The identity
    is written in the clear in each ECS task, so user and password are not part of it.

    :return: None for a database in memory, which has no address.
    """
    # libpq takes host and port from the query as well: several hosts, or the folder of a socket.
    # https://docs.sqlalchemy.org/en/20/dialects/postgresql.html#unix-domain-connections
    asked = {name: ",".join(url.normalized_query.get(name, ())) for name in ("host", "port")}
    host = (url.host or asked["host"]).lower()
    port = url.port or asked["port"] or DEFAULT_PORTS.get(url.get_backend_name())
    if not host and url.database in (None, "", ":memory:"):
        return None
    return hashlib.sha256(f"{host}:{port}/{url.database}".encode()).hexdigest()[:HASH_LENGTH]


def own_address_hash() -> str | None:
    """Return the :func:`address_hash` of Airflow's metadata database; no query is made."""
    with create_session() as session:
        return address_hash(session.get_bind().engine.url)


# Adoption.


def candidates(tis: Sequence[TI]) -> dict[Candidate, TI]:
    """
    Return the candidates for adoption among task instances, with one query for any number of them.

    The scheduler loads few of their columns, and reading another one from an instance would be a query for
    each. The query selects all task instances that can be adopted, because databases limit the length of a
    list of keys.
    """
    asked: dict[Any, TI] = {inspect(ti).identity: ti for ti in tis}
    session: Any = object_session(tis[0])
    identity, own, found = inspect(TI).primary_key, address_hash(session.get_bind().engine.url), {}
    query = select(*identity, *CANDIDATE_VALUES, Job.start_date, Job.latest_heartbeat, Job.end_date)
    query = query.select_from(TI).outerjoin(Job, Job.id == TI.queued_by_job_id)
    for *row, began, heartbeat, ended in session.execute(query.where(TI.state.in_(State.adoptable_states))):
        ti = asked.get(tuple(row[: len(identity)]))
        if ti is not None:
            members = {"database": own, "sent_until": _sent_until(heartbeat, ended)}
            found[candidate_of(row[len(identity) :], began, **members)] = ti
    return found


def candidate_of(row: Sequence[Any], began: Any = None, **members: Any) -> Candidate:
    """
    Return the candidate of a row.

    :param row: the values of :data:`CANDIDATE_VALUES`.
    :param began: when the job began that has queued it; None where that is not known.
    :param members: others of the candidate.
    """
    dag_id, task_id, run_id, map_index, try_number, uuid, is_archived, external_id, queued, queued_by = row
    task = TaskInstanceId(dag_id, task_id, run_id, try_number, map_index, uuid and str(uuid))
    if not AIRFLOW.assigns_ids and not ARN.fullmatch(external_id or ""):
        external_id = None  # Another executor has stored it.
    if is_archived:
        members["state"] = ARCHIVED
    queued_at, scheduler = queued.timestamp() if queued else None, name_of_job(queued_by, began)
    # Where Airflow overwrites the column whenever it queues the task instance, an ARN is the present launch's.
    key, arn_is_present = AIRFLOW.key_of(task), AIRFLOW.assigns_ids
    return Candidate(task, key, external_id, queued_at, queued_by, scheduler, arn_is_present, **members)


def _sent_until(heartbeat: Any, ended: Any) -> float | None:
    """
    Return the last moment at which a scheduler that is gone can have called RunTask, seconds since the epoch.

    That is the end of its job, if the job ended by itself. Otherwise it is its last heartbeat plus the health
    check threshold.
    """
    until = ended or (heartbeat and heartbeat + health_check_threshold())
    return float(until.timestamp()) if until else None


def hand_back(kept: Iterable[Candidate], own_job: Any) -> None:
    """
    Give task instances back to the schedulers that are gone, so that Airflow asks to adopt them again.

    :param kept: the task instances that were kept and not adopted.
    :param own_job: the number of the job of the scheduler that has adopted them.
    """
    by_job = defaultdict(list)
    for candidate in kept:
        if candidate.queued_by is not None:
            by_job[candidate.queued_by].append(candidate.task)

    def give(session: Session) -> None:
        still_ours = (TI.queued_by_job_id == own_job, TI.state.in_(State.adoptable_states))
        for former_job, tasks in by_job.items():
            for batch in in_batches(tasks, MAX_NAMED):
                change = update(TI).where(is_one_of(batch, session), *still_ours)
                change = change.values(queued_by_job_id=former_job)
                session.execute(change.execution_options(synchronize_session=False))

    in_own_session(give, "Task instances without an ECS task are left to Airflow's timeouts")


# The scheduler's own launches.


def rows(tasks: Sequence[TaskInstanceId]) -> dict[TaskInstanceId, Candidate] | None:
    """Return the rows of launches' task instances that exist, each has one; None where the database failed."""
    failure = "Whether launches are still wanted cannot be looked up, trying again later"
    found = in_own_session(partial(read, tasks), failure)
    return None if found is None else {task: rows[0] for task, rows in found.items() if rows}
