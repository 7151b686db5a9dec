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
"""The launch that Airflow would hand over for a task of a Dag. Knows Airflow."""

from __future__ import annotations

import time
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.bridge import workloads
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.launch import Launch, TaskInstanceId

if TYPE_CHECKING:
    from airflow.models.dag import DagModel

#: The run and the try of the example.
RUN_ID = "manual__2030-01-01T00:00:00+00:00"
TRY_NUMBER = 1
#: Airflow 3.0 and newer hand over workloads, 2.11 commands.
HANDS_OVER_WORKLOADS = hasattr(BaseExecutor, "queue_workload")


def launch_of(dag_id: str, task_id: str, map_index: int, token: str) -> Launch:
    """
    Return the launch of a task instance of the Dag in the database; a run of it need not exist.

    :param token: takes the place of the token in the command, Airflow 3.0 and newer.
    :raises RequestError: if the database has no such Dag or task.
    """
    from airflow.models.dag import DagModel
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        dag = SerializedDagModel.get_dag(dag_id, session=session)
        model = session.get(DagModel, dag_id)
        if dag is None or model is None:
            raise RequestError(f"Airflow's database has no Dag {dag_id!r}. See `airflow dags list`")
        if not dag.has_task(task_id):
            raise RequestError(f"Dag {dag_id!r} has no task {task_id!r}. See `airflow tasks list {dag_id}`")
        task = dag.get_task(task_id)
        executor_config = _executor_config(task)
        if HANDS_OVER_WORKLOADS:
            workload = _workload(task, model, map_index, token, executor_config)
            return workloads.launch_of_workload(workload, time.time())
        return Launch(
            task=TaskInstanceId(dag_id, task_id, RUN_ID, TRY_NUMBER, map_index),
            key=(dag_id, task_id),
            command=tuple(_command(task, map_index)),
            executor_config=executor_config,
            queue=_queue(task),
            handed_over=time.time(),
            environment=workloads.COMMAND_ENVIRONMENT,
        )


def _executor_config(task: Any) -> Any:
    """
    Return the task's executor_config.

    :raises RequestError: if it is not a dict; Airflow 3.x refuses that when it queues the task.
    """
    members = task.executor_config or {}
    if not isinstance(members, dict):
        raise RequestError(
            f"executor_config is a {type(members).__name__}; it must be a dict of run_task members"
        )
    return members


def _queue(task: Any) -> str:
    from airflow.configuration import conf

    return str(task.queue or conf.get("operators", "default_queue"))


def _command(task: Any, map_index: int) -> list[str]:
    """Return the command that Airflow 2.11 makes."""
    from airflow.models.taskinstance import TaskInstance

    # Typed as Any: newer releases need more arguments.
    make: Any = TaskInstance
    command: list[str] = make(task, run_id=RUN_ID, map_index=map_index).command_as_list(local=True)
    return command


def _workload(task: Any, model: DagModel, map_index: int, token: str, executor_config: Any) -> Any:
    """Return the workload that Airflow 3.0 and newer make."""
    from airflow.executors.workloads import BundleInfo, ExecuteTask
    from airflow.utils import helpers

    instance = {
        "id": uuid.UUID(int=0),
        "dag_version_id": uuid.UUID(int=0),
        "dag_id": model.dag_id,
        "task_id": task.task_id,
        "run_id": RUN_ID,
        "try_number": TRY_NUMBER,
        "map_index": map_index,
        "pool_slots": task.pool_slots,
        "queue": _queue(task),
        "priority_weight": task.priority_weight,
        "executor_config": executor_config,
    }
    # Typed as Any: 2.11, which does not come here, has no such helper.
    known_helpers: Any = helpers
    log_path = known_helpers.log_filename_template_renderer()
    kind: Any = ExecuteTask.model_fields["ti"].annotation
    known = {name: value for name, value in instance.items() if name in kind.model_fields}
    members: dict[str, Any] = {
        "ti": kind(**known),
        "dag_rel_path": model.relative_fileloc or "",
        "bundle_info": BundleInfo(name=model.bundle_name, version=getattr(model, "bundle_version", None)),
        "token": token,
        "log_path": log_path(ti=SimpleNamespace(**instance)),
    }
    return ExecuteTask(**members)
