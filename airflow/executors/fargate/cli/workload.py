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
"""The launch that Airflow would hand over for a task of a Dag."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.executors.fargate.bridge import AIRFLOW
from airflow.executors.fargate.errors import RequestError
from airflow.models.dag import DagModel
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.utils.session import create_session

if TYPE_CHECKING:
    from airflow.executors.fargate.launch import Launch

#: The run and the try of the example.
RUN_ID = "manual__2030-01-01T00:00:00+00:00"
TRY_NUMBER = 1


def launch_of(dag_id: str, task_id: str, map_index: int, token: str) -> Launch:
    """
    Return the launch of a task instance of the Dag in the database; a run of it need not exist.

    :param token: takes the place of the token in the command, Airflow 3.0 and newer.
    :raises RequestError: if the database has no such Dag or task.
    """
    with create_session() as session:
        dag = SerializedDagModel.get_dag(dag_id, session=session)
        model = session.get(DagModel, dag_id)
        if dag is None or model is None:
            raise RequestError(f"Airflow's database has no Dag {dag_id!r}. See `airflow dags list`")
        if not dag.has_task(task_id):
            raise RequestError(f"Dag {dag_id!r} has no task {task_id!r}. See `airflow tasks list {dag_id}`")
        task = dag.get_task(task_id)
        instance = _instance_of(TaskInstanceKey(dag_id, task_id, RUN_ID, TRY_NUMBER, map_index), task, model)
        command = AIRFLOW.example_command(task, instance, token)
        # What makes the request says if the executor_config is not a dict; Airflow 3 refuses that when it queues the task.
        config = task.executor_config or {}
        launch = AIRFLOW.launch_of(instance.key, command, instance.queue, config, time.time())
        return replace(launch, executor_config=config)


def _instance_of(key: TaskInstanceKey, task: Any, model: DagModel) -> SimpleNamespace:
    """Return a stand-in for a row of a task instance, with what Airflow reads of one when it queues it."""
    return SimpleNamespace(
        **key._asdict(),
        key=key,
        id=uuid.UUID(int=0),
        region_id=uuid.UUID(int=0),
        region_index=key.map_index,
        dag_version_id=uuid.UUID(int=0),
        pool_slots=task.pool_slots,
        queue=str(task.queue or conf.get("operators", "default_queue")),
        priority_weight=task.priority_weight,
        executor_config=None,
        dag_model=model,
        dag_run=SimpleNamespace(
            bundle_version=getattr(model, "bundle_version", None),
            context_carrier=None,
            created_dag_version=None,
        ),
    )
