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

import uuid
from datetime import datetime, timedelta

import pytest
from pendulum import UTC
from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import Session, lazyload, load_only
from sqlalchemy.pool import StaticPool

from airflow.executors.fargate.bridge import (
    AIRFLOW,
    database,
    orphan_lookup,
)
from airflow.executors.fargate.launch import Identity, TaskInstanceId
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


@pytest.mark.parametrize("address", ["0123456789ab", None])
def test_a_candidate_says_which_database_has_it_and_what_its_arn_means(metadata, monkeypatch, address):
    """From 3.2 on each queueing overwrites external_executor_id, so that an ARN there is the present launch's."""
    monkeypatch.setattr(database, "address_hash", lambda url: address if url is metadata.engine.url else "x")
    metadata.store(0)
    tis = metadata.session.scalars(select(TaskInstance).options(lazyload("*"))).all()
    (candidate,) = database.candidates(tis)
    assert (candidate.database, candidate.arn_is_present) == (address, AIRFLOW.assigns_ids)


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
    ("own", "its", "is_orphaned"),
    [("here", "here", True), ("here", "there", False), ("here", None, True), (None, "there", True)],
)
def test_what_another_database_has_is_never_orphaned(metadata, monkeypatch, own, its, is_orphaned):
    """A clone has its origin's schedulers, as dead ones, and its task instances, as ended ones."""
    monkeypatch.setattr(database, "address_hash", lambda url: own)
    metadata.store(0, state="success")
    told = orphan_lookup.find_orphans([other_ecs_task(metadata.name(GONE), database=its)], None)
    assert told == ([ARN.format(0)] if is_orphaned else [])


def test_a_database_that_fails_ends_no_scheduler(metadata):
    """Nothing is concluded, and nothing is raised: sync() is not guarded."""
    Job.__table__.drop(metadata.engine)
    assert orphan_lookup.find_orphans([other_ecs_task("3@1.0")], None) == []
    TaskInstance.__table__.drop(metadata.engine)
    assert database.rows(ids(0)) is None
    database.hand_back([], OWN)
    database.hand_back([candidate()], OWN)


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
