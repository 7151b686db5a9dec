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
"""The query of our notes in Airflow's table ``log``."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from pendulum import UTC
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from airflow.executors.fargate import notes
from airflow.executors.fargate.bridge import AIRFLOW
from airflow.executors.fargate.bridge.notes_table import Note, notes_of
from airflow.models import import_all_models
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.utils import session as airflow_session

KEY = TaskInstanceKey("dag", "task", "run", 2, -1)
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
A, B = uuid.uuid4(), uuid.uuid4()
by_uuid = pytest.mark.skipif(not AIRFLOW.has_uuids, reason="from 3.4 on")


class Database:
    """A database in memory that has these two tables alone."""

    def __init__(self, session):
        import_all_models()
        for model in (TaskInstance, Log):
            model.__table__.create(session.connection())
        self.session = session

    def note(self, text, key=KEY, **values):
        row = {**key._asdict(), "dttm": NOON, "event": notes.LAUNCH, "extra": text, **values}
        self.session.execute(Log.__table__.insert().values(row))

    def store(self, row, key=KEY, **values):
        known = {**key._asdict(), "region_index": key.map_index, "id": row, "region_id": uuid.uuid4()}
        usual = {"pool": "default_pool", "pool_slots": 1, "max_tries": 3, "executor_config": {}}
        columns = TaskInstance.__table__.columns
        values = {name: value for name, value in {**known, **usual, **values}.items() if name in columns}
        self.session.execute(TaskInstance.__table__.insert().values(values))

    def texts(self, of=KEY):
        return [note.text for note in notes_of(of, self.session)]


@pytest.fixture
def database(monkeypatch):
    """Return a database, which is Airflow's own, too."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    monkeypatch.setattr(airflow_session.settings, "Session", lambda: Session(engine))
    with Session(engine) as session:
        yield Database(session)


def test_the_notes_of_a_try_come_in_their_order(database):
    """Each has its time; what Airflow itself and others have noted is left out."""
    database.note("second", dttm=NOON + timedelta(seconds=1), event=notes.FAILURE)
    database.note("first")
    database.note("third", dttm=NOON + timedelta(seconds=1), event=notes.ADOPTION)
    database.note("running", event="running")
    assert database.texts() == ["first", "second", "third"]
    assert notes_of(KEY, database.session)[1] == Note(NOON + timedelta(seconds=1), notes.FAILURE, "second")


@pytest.mark.parametrize(
    "other",
    [
        KEY._replace(dag_id="other"),
        KEY._replace(task_id="other"),
        KEY._replace(run_id="other"),
        KEY.with_try_number(1),
        KEY._replace(map_index=0),
    ],
)
def test_no_others_notes(database, other):
    """Neither another try's nor another task instance's; one whose notes were removed has none."""
    database.note("other", other)
    assert database.texts() == []
    assert database.texts(other) == ["other"]


@by_uuid
def test_a_row_is_known_by_its_uuid(database):
    """Two of a loop have the same coordinates; what has no UUID is of the coordinates, as before an upgrade."""
    database.store(A)
    database.note("A's", task_instance_id=A)
    assert database.texts() == ["A's"]
    database.note("nobody's", dttm=NOON - timedelta(hours=1))
    database.store(B)
    database.note("B's", task_instance_id=B)
    a, b = (SimpleNamespace(**KEY._asdict(), id=row) for row in (A, B))
    assert [database.texts(row) for row in (a, b, KEY)] == [["nobody's", "A's"], ["nobody's", "B's"], []]


@by_uuid
def test_an_archived_try_has_its_notes(database):
    """By its key, too, although the table shows Airflow's queries the present try alone."""
    database.store(A, working_set=None)
    database.note("A's", task_instance_id=A)
    assert database.texts() == ["A's"]


@by_uuid
def test_the_public_index_may_differ_from_the_key_s(database):
    """In a loop the key has the place within the loop, and the note what Airflow shows."""
    database.store(A, KEY._replace(map_index=3))
    database.note("A's", task_instance_id=A)
    assert database.texts(KEY._replace(map_index=3)) == ["A's"]
