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
"""Task instances to hand over, as the scheduler of the installed Airflow release hands them over."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest import mock

from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.bridge import tries
from airflow.executors.fargate.logs.tries import Try
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancekey import TaskInstanceKey

#: From 3.0 on the scheduler hands over workloads, before that commands.
HAS_WORKLOADS = hasattr(BaseExecutor, "queue_workload")
#: What signs the tokens in workloads.
SIGNED_WITH = "a-key-that-only-tests-know-" * 3


def make_key(task_id: str, dag_id: str = "dag", run_id: str = "run", map_index: int = -1) -> TaskInstanceKey:
    """Return the key of a task instance's first try."""
    return TaskInstanceKey(dag_id, task_id, run_id, 1, map_index)


def signed(subject: str, **claims: Any) -> str:
    """Return a token for a subject."""
    import jwt

    return jwt.encode({"sub": subject, **claims}, SIGNED_WITH, algorithm="HS256")


def row_id(key: TaskInstanceKey) -> uuid.UUID:
    """Return the UUID of a task instance's row: always the same for a key, which has the number of the try."""
    return uuid.uuid5(uuid.NAMESPACE_OID, repr(tuple(key)))


def task_instance(key: TaskInstanceKey, **members: Any) -> SimpleNamespace:
    """Return what executors read of a task instance's row."""
    return SimpleNamespace(id=row_id(key), key=key, **members)


def read_log(arn: str) -> tuple[list[str], list[str]]:
    """Return the sources and the lines of the log of a try that an ECS task runs, as an API server reads them."""
    # It has clients that others made, with other options.
    tries.logs_of_team.cache_clear()
    found = tries.logs_of_team(None).read(Try(arn, (), arn, is_polled=True))
    return found.sources, [*found.lines]


def make_workload(
    key: TaskInstanceKey,
    executor_config: Any = None,
    *,
    external_id: str | None = None,
    sign: Callable[[str], str] = signed,
    **members: Any,
) -> Any:
    """
    Return what the scheduler of 3.0 and newer hands over.

    :param external_id: what the scheduler of 3.2 and newer assigns to the launch
    :param sign: makes the token for the task instance with this id
    :param members: of the workload, in the place of the usual ones
    :raises pydantic.ValidationError: Airflow takes no such workload
    """
    from airflow.executors import workloads

    model = workloads.ExecuteTask.model_fields["ti"].annotation
    values = {
        "id": row_id(key),
        "dag_id": key.dag_id,
        "task_id": key.task_id,
        "run_id": key.run_id,
        "try_number": key.try_number,
        "map_index": key.map_index,
        "dag_version_id": uuid.uuid4(),
        "pool_slots": 1,
        "queue": "default",
        "priority_weight": 1,
        "executor_config": executor_config,
        "external_executor_id": external_id,
    }
    ti = model(**{name: value for name, value in values.items() if name in model.model_fields})
    usual = {
        "dag_rel_path": "dag.py",
        "log_path": "a.log",
        "bundle_info": {"name": "bundle", "version": None},
        "token": sign(str(ti.id)),
    }
    return workloads.ExecuteTask(ti=ti, **{**usual, **members})


def queue(
    executor: BaseExecutor,
    key: TaskInstanceKey,
    executor_config: Any = None,
    *,
    long_path: str = "",
    **more: Any,
) -> None:
    """
    Queue a task instance as the scheduler of the installed release does.

    :param long_path: a path in the command
    :param more: for :func:`make_workload`; commands, of 2.11, have none of it
    """
    if HAS_WORKLOADS:
        members = {"log_path": long_path} if long_path else {}
        executor.queue_workload(make_workload(key, executor_config, **members, **more), None)
        return
    ti = mock.Mock(spec=TaskInstance, key=key, executor_config=executor_config, dag_id=key.dag_id)
    ti.dag_run = SimpleNamespace(start_date=None)
    command = ["airflow", "tasks", "run", key.dag_id, key.task_id, key.run_id]
    command += ["--subdir", long_path] if long_path else []
    executor.queue_command(ti, command, 1, "default")
