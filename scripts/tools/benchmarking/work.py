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
"""Task instances to run, as the scheduler hands them over: Airflow's own workloads, with a real token."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from airflow.executors.workloads import ExecuteTask

from tests.bench.work import make_key, make_workload

if TYPE_CHECKING:
    from airflow.executors.base_executor import BaseExecutor
    from airflow.models.taskinstancekey import TaskInstanceKey

DAG_ID = "benchmark_of_executors"
RUN_ID = "scheduled__2026-01-01T00:00:00+00:00"


def key(task_id: str) -> TaskInstanceKey:
    """Return Airflow's key of the task instance that a workload of this module is for."""
    return make_key(task_id, DAG_ID, RUN_ID)


def workloads(executor: BaseExecutor, prefix: str, count: int, config: object = None) -> list[ExecuteTask]:
    """Make workloads whose task ids begin with ``prefix``; ``config`` is the executor_config of each."""
    return [workload(executor, f"{prefix}-{number:05}", config) for number in range(count)]


def workload(executor: BaseExecutor, task_id: str, config: object = None) -> ExecuteTask:
    """Make the workload of one task instance."""
    return make_workload(
        key(task_id),
        config,
        # From 3.2 on the scheduler assigns it to those executors that ask for it.
        external_id=str(uuid.uuid4()) if executor.pre_assigns_external_executor_id else None,
        sign=lambda subject: ExecuteTask.generate_token(subject, executor.jwt_generator),
        dag_rel_path=f"pipelines/of_data_engineering/daily/{DAG_ID}.py",
        log_path=f"dag_id={DAG_ID}/run_id={RUN_ID}/task_id={task_id}/attempt=1.log",
        bundle_info={"name": "dags-folder"},
    )
