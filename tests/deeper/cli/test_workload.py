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
"""The launch that ``airflow fargate render`` renders."""

from __future__ import annotations

import json
from contextlib import contextmanager
from unittest import mock

import pytest

from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.bridge.workloads import EXECUTE_WORKLOAD
from airflow.executors.fargate.cli import workload
from airflow.executors.fargate.cli.workload import launch_of
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.launch import TaskInstanceId
from airflow.models.dag import DagModel
from airflow.models.serialized_dag import SerializedDagModel

try:
    from airflow.sdk import DAG, BaseOperator
except ImportError:
    from airflow.models.baseoperator import BaseOperator
    from airflow.models.dag import DAG  # type: ignore[assignment]

TOKEN = "the-token"
#: 3.0 and newer hand over workloads, 2.11 commands.
HAS_WORKLOADS = hasattr(BaseExecutor, "queue_workload")


@pytest.fixture
def know(monkeypatch):
    """Return a function that puts a Dag into the database whose only task has these arguments."""

    def _know(**arguments):
        dag = DAG("etl", schedule=None)
        BaseOperator(task_id="load", dag=dag, **arguments)
        dag.fileloc = workload.__file__
        model = DagModel(dag_id="etl", fileloc=dag.fileloc)
        if HAS_WORKLOADS:
            model.relative_fileloc = "folder/etl.py"
            model.bundle_name = "dags-folder"
        session = mock.Mock(spec=["get"])
        session.get.side_effect = lambda kind, dag_id: {(DagModel, "etl"): model}.get((kind, dag_id))

        @contextmanager
        def create_session():
            yield session

        monkeypatch.setattr(workload, "create_session", create_session)
        monkeypatch.setattr(
            SerializedDagModel, "get_dag", lambda dag_id, session: dag if dag_id == "etl" else None
        )

    return _know


@pytest.mark.parametrize("map_index", [-1, 4])
def test_it_is_for_the_task_instance(know, map_index):
    """The launch has the task instance, its executor_config and its queue."""
    know(queue="large", executor_config={"overrides": {"cpu": "512"}})
    launch = launch_of("etl", "load", map_index, TOKEN)
    assert launch.task.coordinates == TaskInstanceId("etl", "load", workload.RUN_ID, 1, map_index)
    assert launch.executor_config == {"overrides": {"cpu": "512"}}
    assert launch.queue == "large"


def test_it_has_airflows_default_queue(know, monkeypatch):
    """A task without a queue has the configured default queue."""
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_QUEUE", "default")
    know()
    assert launch_of("etl", "load", -1, TOKEN).queue == "default"


@pytest.mark.skipif(HAS_WORKLOADS, reason="3.x hands over workloads")
def test_the_command_of_2_11(know):
    """It is the one that the scheduler would hand over."""
    know()
    launch = launch_of("etl", "load", 2, TOKEN)
    command = launch.make_command()
    assert launch.environment == (("AIRFLOW_IS_EXECUTOR_CONTAINER", "True"),)
    assert command[:6] == ["airflow", "tasks", "run", "etl", "load", workload.RUN_ID]
    assert "--local" in command
    assert command[-2:] == ["--map-index", "2"]


@pytest.mark.skipif(not HAS_WORKLOADS, reason="2.11 hands over commands")
def test_the_workload_of_3_x(know):
    """It is the one that the scheduler would hand over, with the given text as the token."""
    know(priority_weight=7)
    *head, text = launch_of("etl", "load", 2, TOKEN).make_command()
    assert tuple(head) == EXECUTE_WORKLOAD
    members = json.loads(text)
    assert members["token"] == TOKEN
    assert members["type"] == "ExecuteTask"
    assert members["dag_rel_path"] == "folder/etl.py"
    assert members["bundle_info"]["name"] == "dags-folder"
    assert members["ti"]["task_id"] == "load"
    assert members["ti"]["map_index"] == 2
    assert members["ti"]["priority_weight"] == 7
    assert "etl" in members["log_path"]


@pytest.mark.parametrize(
    ("ids", "message"), [(("other", "load"), "no Dag 'other'"), (("etl", "other"), "no task 'other'")]
)
def test_what_airflow_does_not_know(know, ids, message):
    """The error says what is missing, and where to look."""
    know()
    with pytest.raises(RequestError, match=message):
        launch_of(*ids, -1, TOKEN)
