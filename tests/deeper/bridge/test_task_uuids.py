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
"""Task instances that share all coordinates, as those of a loop in several regions do: only their UUIDs differ."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pendulum import UTC
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session, lazyload
from sqlalchemy.pool import StaticPool

from airflow.executors.fargate.bridge import AIRFLOW, database, orphan_lookup, wanted
from airflow.executors.fargate.bridge.wanted import WantedState
from airflow.executors.fargate.launch import Identity, TaskInstanceId
from airflow.executors.fargate.messages import OtherEcsTask
from airflow.jobs.job import Job
from airflow.models import import_all_models
from airflow.models.taskinstance import TaskInstance
from airflow.utils import session as airflow_session

pytestmark = pytest.mark.skipif(not AIRFLOW.has_uuids, reason="from 3.4 on")

ARN = "arn:aws:ecs:us-east-1:123456789012:task/c/0"
QUEUED_AT = datetime(2026, 11, 29, 12, tzinfo=UTC)
BEGAN = QUEUED_AT - timedelta(hours=1)
#: The jobs of this scheduler and of one that is gone.
OWN, GONE = 1, 2
GONE_NAME = database.name_of_job(GONE, BEGAN)
A, B = uuid4(), uuid4()


@pytest.fixture
def store(monkeypatch):
    """Return a function that stores a row with those coordinates, in a region of its own."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    import_all_models()  # Which these two refer to.
    for model in (TaskInstance, Job):
        model.__table__.create(engine)
    monkeypatch.setattr(airflow_session.settings, "Session", lambda: Session(engine))
    with engine.begin() as connection:
        for number, state in ((OWN, "running"), (GONE, "failed")):
            values = {"id": number, "job_type": "SchedulerJob", "state": state, "start_date": BEGAN}
            connection.execute(Job.__table__.insert().values(**values, latest_heartbeat=BEGAN))

    def _store(uuid, state="queued", **values):
        row = {
            "id": uuid,
            "dag_id": "dag",
            "task_id": "task",
            "run_id": "run",
            "region_id": uuid4(),
            "region_index": 0,
            "try_number": 2,
            "pool": "default_pool",
            "pool_slots": 1,
            "max_tries": 3,
            "executor_config": {},
            "queued_dttm": QUEUED_AT,
            "queued_by_job_id": OWN,
            "state": state,
            **values,
        }
        with engine.begin() as connection:
            connection.execute(TaskInstance.__table__.insert().values(row))

    yield _store
    engine.dispose()


def task(uuid):
    return TaskInstanceId("dag", "task", "run", 2, 0, uuid and str(uuid))


def ecs_task(uuid):
    """Return an ECS task of a scheduler that is gone; one of an older version says no UUID."""
    identity = Identity("launch", task(uuid), QUEUED_AT.timestamp() + 1, "airflow", GONE_NAME)
    return OtherEcsTask(identity, ARN, "cluster", started=True)


def test_each_launch_has_the_row_of_its_own(store):
    """Whatever else has the same coordinates."""
    store(A, "success")
    store(B, "running", external_executor_id=ARN)
    rows = database.rows([task(A), task(B)])
    assert {UUID(of.uuid): (row.task, row.state, row.external_id) for of, row in rows.items()} == {
        A: (task(A), "success", None),
        B: (task(B), "running", ARN),
    }


@pytest.mark.parametrize("state", ["failed", "queued"])
def test_a_try_that_airflow_has_archived_is_not_wanted(store, fakes, state):
    """Its row stays: the next try has another one. A try that never started keeps its state."""
    store(A, state, working_set=None, archived_reason="retry")
    launch = fakes.make_launch(task=task(A))
    finding = wanted.compare(launch, database.rows([launch.task]), OWN)
    assert (finding.verdict, finding.reason) == (
        WantedState.UNWANTED,
        "Airflow has archived this try of the task instance",
    )
    assert orphan_lookup.find_orphans([ecs_task(A)], None) == [ARN]


@pytest.mark.parametrize(
    ("first", "uuid", "is_orphaned"),
    [
        ("success", B, False),
        ("success", A, True),
        ("running", A, False),
        # Which of the two an ECS task of an older version is for cannot be told.
        ("success", None, False),
        ("deferred", None, False),  # The database returns this one first.
        ("running", None, False),
    ],
)
def test_the_sweep_never_stops_a_wanted_one(store, first, uuid, is_orphaned):
    """An ECS task is that of one row, whatever the others say."""
    store(A, first)
    store(B, "running")
    assert orphan_lookup.find_orphans([ecs_task(uuid)], None) == [ARN] * is_orphaned


@pytest.mark.parametrize(("state", "is_orphaned"), [("running", False), ("queued", False), ("success", True)])
def test_an_older_version_s_ecs_task_is_that_of_the_only_row(store, state, is_orphaned):
    """Its coordinates tell whether it is wanted; a try that was archived does not count."""
    store(A, "failed", try_number=1, working_set=None, archived_reason="retry")
    store(B, state)
    assert orphan_lookup.find_orphans([ecs_task(None)], None) == [ARN] * is_orphaned


def test_candidates_for_adoption_have_keys_of_their_own(store):
    """Each is one, and the key is that which Airflow knows it by."""
    store(A)
    store(B, "running")
    with airflow_session.create_session() as session:
        tis = session.scalars(select(TaskInstance).options(lazyload("*"))).all()
        candidates = database.candidates(tis)
        assert {candidate.key.id: UUID(candidate.task.uuid) for candidate in candidates} == {A: A, B: B}
        assert all(candidate.key.id == ti.id for candidate, ti in candidates.items())


def test_one_is_handed_back_and_the_other_is_not(store):
    """Though their coordinates are the same."""
    store(A)
    store(B)
    with airflow_session.create_session() as session:
        tis = session.scalars(select(TaskInstance).options(lazyload("*"))).all()
        kept = [c for c in database.candidates(tis) if c.key.id == B]
    database.hand_back([dataclasses.replace(c, queued_by=GONE) for c in kept], OWN)
    with airflow_session.create_session() as session:
        found = session.execute(select(TaskInstance.id, TaskInstance.queued_by_job_id)).all()
    assert dict(map(tuple, found)) == {A: OWN, B: GONE}
