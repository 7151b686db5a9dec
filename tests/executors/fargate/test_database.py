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

from __future__ import annotations

import dataclasses
import re
import uuid
from datetime import datetime, timedelta
from types import SimpleNamespace
from unittest import mock

import pytest
from pendulum import UTC
from sqlalchemy import create_engine, event, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, lazyload, load_only
from sqlalchemy.pool import StaticPool

from airflow.executors.fargate.bridge import (
    AIRFLOW,
    database,
    lookups,
    orphan_lookup,
)
from airflow.executors.fargate.launch import CallbackId, Identity, TaskInstanceId
from airflow.executors.fargate.messages import OtherEcsTask
from airflow.executors.fargate.present import Candidate
from airflow.jobs.job import Job
from airflow.models import import_all_models
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.utils import session as airflow_session
from airflow.utils.state import State

QUEUED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
ARN = "arn:aws:ecs:us-east-1:123456789012:task/c/{}"
ASSIGNED = "6f2f3c1e-5a52-4ad4-9c5a-1f2c7f0f6f10"
#: The column that 3.4 and newer call otherwise.
MAP_INDEX = "region_index" if "region_index" in TaskInstance.__table__.columns else "map_index"
#: The ids of the jobs of three schedulers: this one, one that lives, one that is gone.
OWN, LIVING, GONE, SILENT = 1, 2, 3, 4


class Metadata:
    """A database in memory that has task instances and jobs alone, and the statements that it was sent."""

    def __init__(self, monkeypatch):
        self.engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        import_all_models()  # Which these two refer to.
        for model in (TaskInstance, Job):
            model.__table__.create(self.engine)
        self.statements = []
        event.listen(
            self.engine, "before_cursor_execute", lambda *arguments: self.statements.append(arguments[2])
        )
        self.session = Session(self.engine)
        monkeypatch.setattr(airflow_session.settings, "Session", lambda: Session(self.engine))
        self.began = {}
        now = datetime.now(UTC)
        self.add_job(OWN, "running", now)
        self.add_job(LIVING, "running", now)
        self.add_job(GONE, "failed", now)
        self.add_job(SILENT, "running", now - timedelta(hours=1))

    def add_job(self, number, state, heartbeat, **others):
        self.began[number] = QUEUED_AT - timedelta(days=number, microseconds=number)
        values = {"id": number, "job_type": "SchedulerJob", "state": state, "latest_heartbeat": heartbeat}
        self._insert(Job, {**values, "start_date": self.began[number], **others})

    def name(self, number):
        return f"{number}@{self.began[number].timestamp():.6f}"

    def store(self, number, **values):
        """Store a task instance as the scheduler would leave it."""
        row = {
            "id": uuid.uuid4(),
            "dag_id": "dag",
            "task_id": f"task{number}",
            "run_id": "run",
            MAP_INDEX: values.pop("map_index", -1),
            "try_number": 2,
            "state": "queued",
            "pool": "default_pool",
            "pool_slots": 1,
            "max_tries": 3,
            "executor_config": {},
            "updated_at": datetime.now(UTC),
            "queued_dttm": QUEUED_AT,
            **values,
        }
        if "id" in TaskInstance.__table__.columns:
            as_uuid = getattr(TaskInstance.__table__.columns["id"].type, "as_uuid", False)
            row["id"] = row["id"] if as_uuid else str(row["id"])
        self._insert(TaskInstance, row)

    def _insert(self, model, row):
        columns = model.__table__.columns
        self.session.execute(model.__table__.insert().values({k: v for k, v in row.items() if k in columns}))
        self.session.commit()
        self.statements.clear()


@pytest.fixture
def metadata(monkeypatch):
    metadata = Metadata(monkeypatch)
    yield metadata
    metadata.session.close()
    metadata.engine.dispose()


# Candidates for adoption.


@pytest.mark.parametrize("count", [1, 1000])
def test_one_query_reads_any_number_of_task_instances(metadata, count):
    """However few columns the scheduler has loaded, one statement fetches what adoption needs."""
    for number in range(count):
        queued = QUEUED_AT + timedelta(seconds=number)
        metadata.store(
            number, queued_dttm=queued, external_executor_id=ARN.format(number), queued_by_job_id=GONE
        )
    few = (TaskInstance.dag_id, TaskInstance.task_id, TaskInstance.run_id)
    tis = metadata.session.scalars(select(TaskInstance).options(lazyload("*"), load_only(*few))).all()
    metadata.statements.clear()
    candidates = database.candidates(tis)
    assert len(metadata.statements) == 1
    assert len(candidates) == count
    for candidate, ti in candidates.items():
        number = int(candidate.task.task_id.removeprefix("task"))
        assert candidate.key == AIRFLOW.key_of(candidate.task)
        assert candidate.task.uuid == (str(ti.id) if AIRFLOW.has_uuids else None)
        assert candidate.task.coordinates == TaskInstanceId("dag", f"task{number}", "run", 2, -1)
        assert candidate.external_id == ARN.format(number)
        assert candidate.queued_at == (QUEUED_AT + timedelta(seconds=number)).timestamp()
        assert (candidate.queued_by, candidate.scheduler) == (GONE, metadata.name(GONE))
        assert ti in tis
    assert len(metadata.statements) == 1


@pytest.mark.parametrize("state", [*sorted(State.adoptable_states), "success", None])
def test_only_what_may_be_adopted_is_a_candidate(metadata, state):
    """A task instance that has ended or was reset meanwhile is none; one that was not asked for is none either."""
    metadata.store(0, state=state, queued_dttm=None)
    metadata.store(1)
    asked = select(TaskInstance).options(lazyload("*")).where(TaskInstance.task_id == "task0")
    candidates = database.candidates(metadata.session.scalars(asked).all())
    assert [c.task.task_id for c in candidates] == ["task0"] * (state in State.adoptable_states)
    assert [(c.external_id, c.queued_at) for c in candidates] == [(None, None)] * len(candidates)


@pytest.mark.parametrize("queued_by", [None, 99])
def test_a_scheduler_of_which_no_job_is_left_has_no_name(metadata, queued_by):
    """Its task instances are candidates all the same."""
    metadata.store(0, queued_by_job_id=queued_by)
    tis = metadata.session.scalars(select(TaskInstance).options(lazyload("*"))).all()
    (candidate,) = database.candidates(tis)
    assert (candidate.queued_by, candidate.scheduler) == (queued_by, None)


@pytest.mark.parametrize("address", ["0123456789ab", None])
def test_a_candidate_says_which_database_has_it_and_what_its_arn_means(metadata, monkeypatch, address):
    """From 3.2 on each queueing overwrites external_executor_id, so that an ARN there is the present launch's."""
    monkeypatch.setattr(database, "address_hash", lambda url: address if url is metadata.engine.url else "x")
    metadata.store(0)
    tis = metadata.session.scalars(select(TaskInstance).options(lazyload("*"))).all()
    (candidate,) = database.candidates(tis)
    assert (candidate.database, candidate.arn_is_present) == (address, AIRFLOW.assigns_ids)


@pytest.mark.parametrize(
    ("heartbeat", "ended", "sent_until"),
    [
        # Killed: it sends nothing once its heartbeats are older than the threshold.
        (QUEUED_AT, None, QUEUED_AT + timedelta(seconds=45)),
        (QUEUED_AT, QUEUED_AT + timedelta(seconds=3), QUEUED_AT + timedelta(seconds=3)),
        (None, None, None),
    ],
)
@pytest.mark.parametrize("state", ["running", "failed"])
def test_a_candidate_says_until_when_its_scheduler_can_have_launched(
    metadata, monkeypatch, heartbeat, ended, sent_until, state
):
    """A scheduler that ended by itself has an end in the database, whatever another one wrote there of its state."""
    monkeypatch.setenv("AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD", "45")
    metadata.add_job(77, state, heartbeat, end_date=ended)
    metadata.store(0, queued_by_job_id=77)
    tis = metadata.session.scalars(select(TaskInstance).options(lazyload("*"))).all()
    (candidate,) = database.candidates(tis)
    assert candidate.sent_until == (sent_until and sent_until.timestamp())


# Which database is which.


def test_the_own_database_is_known_without_a_query(metadata, monkeypatch):
    """It is the one of Airflow's own sessions."""
    monkeypatch.setattr(database, "address_hash", lambda url: url)
    assert database.own_address_hash() is metadata.engine.url
    assert metadata.statements == []


@pytest.mark.parametrize(
    ("url", "other", "are_one"),
    [
        # What is not its address: who logs in, with what driver, and how.
        ("postgresql://me:a@host:5432/airflow", "postgresql+psycopg2://you:b@host:5432/airflow", True),
        ("postgresql://host/airflow?sslmode=require", "postgresql://host/airflow", True),
        # The same address, written otherwise.
        ("postgresql://host/airflow", "postgresql://HOST:5432/airflow", True),
        ("mysql+mysqldb://host/airflow", "mysql://host:3306/airflow", True),
        ("postgresql:///airflow?host=/run/a", "postgresql://@/airflow?host=/run/a", True),
        ("postgresql://host:5432/airflow", "postgresql://host2:5432/airflow", False),
        ("postgresql://host:5432/airflow", "postgresql://host:5433/airflow", False),
        ("postgresql://host:5432/airflow", "postgresql://host:5432/airflow2", False),
        ("postgresql://host:5432/airflow", "postgresql://host:5432/Airflow", False),
        ("postgresql:///airflow?host=/run/a", "postgresql:///airflow?host=/run/b", False),
        ("postgresql:///airflow?host=a&port=1", "postgresql:///airflow?host=a&port=2", False),
        ("postgresql:///airflow?host=a&host=b", "postgresql:///airflow?host=a&host=c", False),
        ("sqlite:////a/airflow.db", "sqlite:////b/airflow.db", False),
    ],
)
def test_a_database_is_known_by_host_port_and_name(url, other, are_one):
    """A clone has another host or name than its origin; who logs in, and how, makes no other database."""
    first, second = (database.address_hash(make_url(text)) for text in (url, other))
    assert (first == second) is are_one
    assert re.fullmatch(f"[0-9a-f]{{{database.HASH_LENGTH}}}", first)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_has_no_address(url):
    """Nothing distinguishes it from another one."""
    assert database.address_hash(make_url(url)) is None


# Which scheduler is which.


def test_a_scheduler_is_named_by_its_job_and_when_that_began(metadata):
    """So a job of the same number in another Airflow has another name."""
    assert database.scheduler_name(OWN) == metadata.name(OWN)
    assert len({metadata.name(number) for number in metadata.began}) == len(metadata.began)


@pytest.mark.parametrize("job_id", [None, "manual", 99])
def test_without_a_job_there_is_no_name(metadata, job_id):
    """An executor outside of a scheduler names none; so its ECS tasks are never orphaned."""
    assert database.scheduler_name(job_id) is None


# Orphaned ECS tasks.


def other_ecs_task(scheduler, number=0, try_number=2, handed_over=1.0, launch_id="launch", database=None):
    task = TaskInstanceId("dag", f"task{number}", "run", try_number)
    identity = Identity(launch_id, task, QUEUED_AT.timestamp() + handed_over, "airflow", scheduler, database)
    return OtherEcsTask(identity, ARN.format(number), "cluster", started=False)


@pytest.mark.parametrize(
    ("scheduler", "is_asked_about"),
    [(OWN, True), (GONE, True), (SILENT, True), (LIVING, False)],
    ids=["own", "gone", "silent", "living"],
)
def test_what_another_living_scheduler_has_launched_is_its_own(metadata, scheduler, is_asked_about):
    """However finished its task instance is, an ECS task of a scheduler that lives is left to that."""
    metadata.store(0, state="success")
    told = orphan_lookup.find_orphans([other_ecs_task(metadata.name(scheduler))], metadata.name(OWN))
    assert told == ([ARN.format(0)] if is_asked_about else [])


@pytest.mark.parametrize(
    "name",
    [
        "3@1.000000",
        "77@1.000000",
        "",
        "@",
        "x@1.0",
        "3",
        "²@1.0",
        "-3@1.0",
        "9" * 10 + "@1.0",
        "9" * 5000 + "@1",
    ],
    ids=lambda name: name[:12],
)
def test_what_no_scheduler_of_this_database_has_launched_is_left_alone(metadata, name):
    """Another Airflow with the same deployment has the same jobs' numbers and task instances."""
    metadata.store(0, state="success")
    assert orphan_lookup.find_orphans([other_ecs_task(name)], metadata.name(OWN)) == []


def test_one_odd_name_hides_no_other(metadata):
    """Whatever the scheduler is called in one ECS task, the others are compared."""
    odd = [other_ecs_task(name) for name in ("9" * 5000 + "@1.0", "nul\0@1.0", "half\ud800@1.0")]
    assert orphan_lookup.find_orphans([*odd, other_ecs_task(metadata.name(GONE), 1)], None) == [ARN.format(1)]


@pytest.mark.parametrize(
    ("row", "ecs_task", "is_orphaned"),
    [
        # The present launch.
        ({}, {}, False),
        ({"state": "running"}, {}, False),
        ({"state": "restarting"}, {}, False),
        ({"external_executor_id": ARN.format(0)}, {}, False),
        # Reset: the next try waits, or is queued.
        ({"state": None}, {}, True),
        ({"state": "scheduled"}, {}, True),
        ({"state": "scheduled", "try_number": 3}, {}, True),
        ({"try_number": 3}, {}, True),
        # Revoked, deferred or rescheduled, and queued again.
        ({}, {"handed_over": -300.0}, True),
        ({"external_executor_id": ARN.format(1)}, {"handed_over": -300.0}, True),
        # From 3.2 on a stored ARN is that of the present launch, whatever the clocks say, but not of another try.
        ({"external_executor_id": ARN.format(0)}, {"handed_over": -300.0}, not AIRFLOW.assigns_ids),
        ({"external_executor_id": ARN.format(0), "try_number": 3}, {"handed_over": -300.0}, True),
        # Within the tolerance of two schedulers' clocks.
        ({}, {"handed_over": -1.0}, False),
        # One of its ECS tasks runs, and it may be this one; from 3.1 on it is one of its present try.
        ({"state": "running", "try_number": 3}, {}, AIRFLOW.runs_own_try),
        ({"state": "restarting", "try_number": 3}, {}, AIRFLOW.runs_own_try),
        ({"state": "running"}, {"handed_over": -300.0}, False),
        # Ended otherwise.
        ({"state": "deferred"}, {}, True),
        ({"state": "success"}, {}, True),
        # Another map index; and no such task instance at all.
        ({"map_index": 0}, {}, True),
        (None, {}, True),
    ],
)
def test_the_database_decides_what_is_orphaned(metadata, row, ecs_task, is_orphaned):
    """An ECS task is wanted as long as its launch is its task instance's present one, or might be."""
    if row is not None:
        metadata.store(0, **row)
    told = orphan_lookup.find_orphans([other_ecs_task(metadata.name(GONE), **ecs_task)], None)
    assert told == ([ARN.format(0)] if is_orphaned else [])


@pytest.mark.skipif(not AIRFLOW.assigns_ids, reason="from 3.2 on")
@pytest.mark.parametrize(("launch_id", "is_orphaned"), [(ASSIGNED, False), ("another", True)])
def test_an_assigned_id_identifies_the_present_launch(metadata, launch_id, is_orphaned):
    """From 3.2 on Airflow's own id of the launch decides, whatever the clocks say."""
    metadata.store(0, external_executor_id=ASSIGNED)
    told = orphan_lookup.find_orphans([other_ecs_task(metadata.name(GONE), launch_id=launch_id)], None)
    assert told == ([ARN.format(0)] if is_orphaned else [])


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain\ttext\nin lines \N{ROCKET}", "plain\ttext\nin lines \N{ROCKET}"),
        ("nul\x00", "nul\N{REPLACEMENT CHARACTER}"),
        ("half\ud800", "half?"),
        ("\x1b[31mred\x1b[0m", "red"),
    ],
)
def test_whatever_is_reported_can_be_stored(text, stored):
    """What a database refuses would end the scheduler, which stores reasons unguarded."""
    assert database.storable(text) == stored


@pytest.mark.parametrize(
    ("own", "its", "is_orphaned"),
    [("here", "here", True), ("here", "there", False), ("here", None, True), (None, "there", True)],
)
def test_what_another_database_has_is_never_orphaned(metadata, monkeypatch, own, its, is_orphaned):
    """A clone has its origin's schedulers, as dead ones, and its task instances, as ended ones."""
    monkeypatch.setattr(database, "address_hash", lambda url: own)
    metadata.store(0, state="success")
    told = orphan_lookup.find_orphans([other_ecs_task(metadata.name(GONE), database=its)], None)
    assert told == ([ARN.format(0)] if is_orphaned else [])


@pytest.mark.parametrize(
    ("scheduler", "its", "warned"),
    [
        (GONE, "there", True),
        (OWN, "there", True),
        # Another Airflow's under the same name, which no scheduler here has launched; and what is no other database's.
        (None, "there", False),
        (GONE, "here", False),
        (GONE, None, False),
    ],
)
def test_another_database_is_warned_of_once(metadata, monkeypatch, scheduler, its, warned):
    """One warning names the option and both cases, however often such ECS tasks are met."""
    orphan_lookup.warn_of_another_database.cache_clear()
    monkeypatch.setattr(database, "address_hash", lambda url: "here")
    name = metadata.name(scheduler) if scheduler else "9@9.000000"
    other_ecs_tasks = [other_ecs_task(name, number, database=its) for number in range(3)]
    with mock.patch.object(orphan_lookup, "log", autospec=True) as log:
        for _ in range(3):
            orphan_lookup.find_orphans(other_ecs_tasks, metadata.name(OWN))
    told = [call.args[0] for call in log.warning.call_args_list]
    assert [all(word in text for word in ("[fargate] deployment", "copy", "host")) for text in told] == [
        True
    ] * warned


def test_a_callback_is_never_orphaned(metadata):
    """The database does not say so, and no task instance is mistaken for it."""
    identity = dataclasses.replace(other_ecs_task(metadata.name(GONE)).identity, task=CallbackId("id", "dag"))
    callback = dataclasses.replace(other_ecs_task(metadata.name(GONE)), identity=identity)
    assert orphan_lookup.find_orphans([callback], None) == []


def test_few_queries_compare_many_ecs_tasks(metadata):
    """One for the schedulers, and one for each two hundred task instances; none for those of living schedulers."""
    many = [other_ecs_task(metadata.name(GONE), number) for number in range(450)]
    others = [other_ecs_task(metadata.name(LIVING), number) for number in range(450, 2000)]
    assert len(orphan_lookup.find_orphans(many + others, None)) == 450
    assert len(metadata.statements) == 1 + 3


def test_a_database_that_fails_ends_no_scheduler(metadata):
    """Nothing is concluded, and nothing is raised: sync() is not guarded."""
    Job.__table__.drop(metadata.engine)
    assert orphan_lookup.find_orphans([other_ecs_task("3@1.0")], None) == []
    TaskInstance.__table__.drop(metadata.engine)
    assert database.rows(ids(0)) is None
    database.hand_back([], OWN)
    database.hand_back([candidate()], OWN)


@pytest.mark.parametrize("error", [ValueError, OverflowError, RuntimeError, TypeError])
def test_an_error_that_is_none_of_the_database_s_ends_no_scheduler(monkeypatch, caplog, error):
    """A driver raises what it likes for a value that it does not take; one line names the error, and no value."""

    def fail():
        raise error("sesame-open")

    monkeypatch.setattr(airflow_session.settings, "Session", fail)
    assert orphan_lookup.find_orphans([other_ecs_task("3@1.0")], None) == []
    assert database.rows(ids(0)) is None
    database.hand_back([candidate()], OWN)
    told = [record.getMessage() for record in caplog.records if record.name == database.__name__]
    assert [line.rpartition(": ")[2] for line in told] == [error.__name__] * 3


# The scheduler's own launches.


def ids(*numbers):
    return [TaskInstanceId("dag", f"task{number}", "run", 2) for number in numbers]


@pytest.mark.parametrize("state", ["queued", "running", "success", None])
def test_rows_are_as_they_are_stored(metadata, state):
    """State, try, scheduler and external id of each task instance, whatever its try is; none of a deleted one."""
    metadata.store(0, state=state, try_number=3, queued_by_job_id=LIVING, external_executor_id=ARN.format(0))
    metadata.store(1, map_index=7, queued_dttm=None)
    asked = [*ids(0, 1, 2), TaskInstanceId("dag", "task1", "run", 1, 7)]
    found = database.rows(asked)
    assert {
        task: (row.state, row.task.try_number, row.queued_by, row.external_id) for task, row in found.items()
    } == {
        asked[0]: (state, 3, LIVING, ARN.format(0)),
        asked[3]: ("queued", 2, None, None),
    }


@pytest.mark.parametrize(("count", "queries"), [(0, 0), (1, 1), (200, 1), (450, 3)])
def test_few_queries_read_many_rows(metadata, count, queries):
    """One for each two hundred."""
    for number in range(count):
        metadata.store(number)
    assert len(database.rows(ids(*range(count))) or ()) == count
    assert len(metadata.statements) == queries


@pytest.mark.parametrize("count", [1, 200])
def test_postgresql_is_given_arrays(count):
    """It would plan a list of rows for longer than it takes to read them; four parameters name any number of them."""
    asked = mock.Mock(spec=["get_bind"])
    asked.get_bind.return_value = SimpleNamespace(dialect=postgresql.dialect())
    condition = database.is_one_of(ids(*range(count)), asked)
    compiled = condition.compile(dialect=postgresql.dialect())
    assert "unnest(" in str(compiled)
    assert [len(values) for values in compiled.params.values()] == [count] * 4


def test_a_heartbeat_looks_up_what_one_query_reads():
    """No more than that, and no less."""
    assert lookups.BATCH == database.MAX_NAMED


# Handing back.


def candidate(number=0):
    task = TaskInstanceId("dag", f"task{number}", "run", 2)
    return Candidate(task, TaskInstanceKey("dag", f"task{number}", "run", 2, -1), None, None, GONE)


@pytest.mark.parametrize(
    ("row", "is_handed_back"),
    [
        ({}, True),
        ({"state": "running"}, True),
        ({"state": "success"}, False),
        ({"state": "scheduled"}, False),
        ({"queued_by_job_id": LIVING}, False),
    ],
)
def test_what_has_no_ecs_task_goes_back_to_the_scheduler_that_is_gone(metadata, row, is_handed_back):
    """So Airflow asks for it again, as long as it still is this scheduler's; others stay as they are."""
    before = {"queued_by_job_id": OWN, **row}
    for number in range(2):
        metadata.store(number, **before)
    database.hand_back([candidate()], OWN)
    found = metadata.session.execute(select(TaskInstance.task_id, TaskInstance.queued_by_job_id)).all()
    assert dict(map(tuple, found)) == {
        "task0": GONE if is_handed_back else before["queued_by_job_id"],
        "task1": before["queued_by_job_id"],
    }
