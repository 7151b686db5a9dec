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

import contextlib
import gc
import importlib
import threading
import uuid
from datetime import datetime
from types import SimpleNamespace

import pytest
from pendulum import UTC

from airflow.executors.executor_loader import ExecutorLoader
from airflow.executors.fargate import notes
from airflow.executors.fargate.bridge import AIRFLOW, tries
from airflow.executors.fargate.bridge.notes_table import Note
from airflow.models.taskinstancekey import TaskInstanceKey

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
END = datetime(2026, 11, 22, 13, tzinfo=UTC)
ARN = "arn:aws:ecs:eu-west-1:123456789012:task/airflow/0a1b"
OWN, OTHER = (
    "airflow.executors.fargate_executor.FargateExecutor",
    "airflow.executors.base_executor.BaseExecutor",
)


def row(**members):
    """Return the row of a task instance, or of its history."""
    coordinates = {"dag_id": "dag", "task_id": "task", "run_id": "run", "map_index": -1, "try_number": 2}
    others = {
        "id": uuid.uuid4(),
        "state": "running",
        "end_date": None,
        "external_executor_id": "arn",
        "executor": None,
    }
    return SimpleNamespace(**{**coordinates, **others, **members})


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """Return what the database was asked for the notes of."""
    asked = []

    def notes_of(ti, session):
        asked.append(ti)
        return [Note(AT, notes.FAILURE, "a note")]

    monkeypatch.setattr(tries, "notes_of", notes_of)
    monkeypatch.setattr(tries, "create_session", contextlib.nullcontext)
    return asked


@pytest.mark.parametrize(
    ("state", "polled", "ended", "failed"),
    [
        ("running", True, False, False),
        ("deferred", True, False, False),
        ("up_for_reschedule", False, False, False),
        ("queued", False, False, False),
        (None, False, False, False),
        ("restarting", False, False, False),
        ("up_for_retry", False, True, True),
        ("failed", False, True, True),
        ("success", False, True, False),
    ],
)
def test_state_of_a_try(state, polled, ended, failed):
    """An end that is not that of the try does not count, such as the last one of a sensor's reschedules."""
    found = tries.try_of(row(state=state, end_date=END), 2)
    assert (found.is_polled, found.has_ended, found.has_failed) == (polled, ended, failed)
    assert found.ended_at == (END.timestamp() * 1000 if ended else None)


@pytest.mark.parametrize(
    ("texts", "state", "is_own"),
    [
        (["Launched ECS task 0a1b: https://"], "running", True),
        (["Launched ECS task 0a1b: https://"], "failed", True),
        (["No capacity."], "failed", AIRFLOW.assigns_ids),
        ([], "running", AIRFLOW.assigns_ids),
        ([], "failed", True),
    ],
)
def test_ecs_task_of_an_earlier_try(monkeypatch, texts, state, is_own):
    """Up to 3.1 Airflow does not clear the column before the next launch, and the ECS task is not shown."""
    found = [Note(AT, notes.LAUNCH, text) for text in texts]
    monkeypatch.setattr(tries, "notes_of", lambda ti, session: found)
    monkeypatch.setattr(tries, "_may_run_here", lambda ti: True)
    assert tries.try_of(row(state=state, external_executor_id=ARN), 2).external_id == (
        ARN if is_own else None
    )


@pytest.mark.parametrize(
    ("executors", "executor", "is_own"),
    [
        ([OWN], None, True),
        ([OWN], "FargateExecutor", True),
        ([OTHER, OWN], None, False),
        ([OTHER, OWN], OWN, True),
        ([OTHER, OWN], "FargateExecutor", True),
        ([OTHER, OWN], "short", False),
        ([OWN, OTHER], OTHER, False),
        ([OWN, OTHER], None, True),
        ([OWN, OTHER], "of another configuration", False),
    ],
)
def test_ecs_task_of_another_executor(monkeypatch, executors, executor, is_own):
    """The Amazon provider's has ARNs there, too. Nobody asks AWS about them, and no log says that a note is missing."""
    names = [SimpleNamespace(module_path=one, alias="short" if one == OTHER else None) for one in executors]
    monkeypatch.setattr(tries, "notes_of", lambda ti, session: [])
    monkeypatch.setattr(ExecutorLoader, "get_executor_names", lambda: names)
    monkeypatch.setattr(
        ExecutorLoader, "import_executor_cls", lambda name: (imported(name.module_path), None)
    )
    found = tries.try_of(row(state="failed", external_executor_id=ARN, executor=executor), 2)
    assert (found.external_id, len(found.ecs_tasks)) == ((ARN, 1) if is_own else (None, 0))


def imported(path):
    """Return what a path names in a module."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_notes_of_a_try(asked):
    """Their times are in milliseconds."""
    ti = row()
    assert tries.try_of(ti, 2).notes == [(AT.timestamp() * 1000, notes.FAILURE, "a note")]
    assert asked == [ti]


def test_earlier_try_of_a_running_one(asked):
    """2.11 has the row of the last try alone."""
    key = TaskInstanceKey("dag", "task", "run", 3)
    found = tries.try_of(row(try_number=3, key=key), 2)
    assert asked == [key.with_try_number(2)]
    assert (found.is_polled, found.has_ended, found.external_id) == (False, True, None)


class Row(SimpleNamespace):
    """A row that can be referred to weakly."""


def test_served():
    """The mark is for the same object on the same thread, as long as there is one."""
    rows = [Row(), Row()]
    tries.mark_as_served(rows[0])
    answers = [tries.was_served(one) for one in rows]
    thread = threading.Thread(target=lambda: answers.append(tries.was_served(rows[0])))
    thread.start()
    thread.join()
    rows.clear()
    gc.collect()
    assert answers == [True, False, False]
    assert tries._served.ti() is None


@pytest.mark.parametrize("multi_team", [False, True])
def test_options_of_the_dag_s_team(monkeypatch, multi_team):
    """Each team has clients of its own."""
    DagModel = pytest.importorskip("airflow.models.dag").DagModel
    if not hasattr(DagModel, "get_team_name"):
        pytest.skip("there are no teams")
    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", str(multi_team))
    monkeypatch.setattr(DagModel, "get_team_name", lambda dag_id: f"team_of_{dag_id}")
    monkeypatch.setenv("AIRFLOW__TEAM_OF_A___FARGATE__CONN_ID", "aws_of_a")
    monkeypatch.setenv("AIRFLOW__FARGATE__CONN_ID", "aws_of_all")
    tries.logs_of_team.cache_clear()
    logs = tries.logs_of_dag("a")
    assert logs is tries.logs_of_dag("a")
    assert (logs is tries.logs_of_dag("b")) is not multi_team
    assert logs.fetcher.option("conn_id") == ("aws_of_a" if multi_team else "aws_of_all")
    tries.logs_of_team.cache_clear()
