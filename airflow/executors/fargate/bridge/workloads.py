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
"""Makes launches of the workloads that the scheduler hands over."""

from __future__ import annotations

import base64
import json
import sys
import uuid
from types import SimpleNamespace
from typing import Any

from airflow.executors.fargate.launch import CallbackId, Launch, TaskInstanceId
from airflow.models.taskinstancekey import TaskInstanceKey

#: What the main container runs; the workload follows as JSON.
EXECUTE_WORKLOAD = ("python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string")
#: Callbacks go first, as in Airflow's own scheduler.
CALLBACK_PRIORITY = sys.maxsize


def task_instance_id(key: TaskInstanceKey, uuid: str | None = None) -> TaskInstanceId:
    """Return the package's own form of a task instance's coordinates, and of its UUID where it has one."""
    return TaskInstanceId(key.dag_id, key.task_id, key.run_id, key.try_number, key.map_index, uuid)


def coordinates_of(task: TaskInstanceId) -> TaskInstanceKey:
    """Return Airflow's own form of a task instance's coordinates."""
    return TaskInstanceKey(task.dag_id, task.task_id, task.run_id, task.try_number, task.map_index)


def launch_of(workload: Any, key: Any, task: TaskInstanceId | None, now: float) -> Launch:
    """
    Return the launch of an ``ExecuteTask``, or of an ``ExecuteCallback``.

    The launch of a task instance has the id that Airflow assigned when it queued it, so the id is in the database
    before RunTask is called.

    :param task: the task instance; None for a callback.
    """
    expires = _expiry(workload.token)
    make_command = lambda: (*EXECUTE_WORKLOAD, workload.model_dump_json())
    if task is None:
        callback = CallbackId(workload.callback.id, workload.callback.data.get("dag_id"))
        return Launch(callback, key, make_command, None, None, CALLBACK_PRIORITY, now, expires)
    ti = workload.ti
    config, priority = ti.executor_config, ti.priority_weight
    return Launch(task, key, make_command, config, ti.queue, priority, now, expires, launch_id(ti))


def launch_id(ti: Any) -> str:
    """Return the id that Airflow assigned to the launch, a UUID in Python's form, or else a new one."""
    assigned: Any = getattr(ti, "external_executor_id", None)
    try:
        if str(uuid.UUID(assigned)) == assigned:
            return str(assigned)
    except (TypeError, ValueError):
        pass  # None, or the ARN of an earlier launch.
    return str(uuid.uuid4())


def _expiry(token: str) -> float | None:
    """
    Return when a workload's token expires, in seconds since the epoch; None where the token does not say.

    The signature is not checked: Airflow has just made it, and a library that checks it takes fifty times as
    long on the scheduler's thread.
    """
    try:
        claims = token.split(".")[1]
        members: dict[str, Any] = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return members.get("exp")
    except (AttributeError, IndexError, ValueError):
        return None


def example(ti: SimpleNamespace, token: str, **others: Any) -> Any:
    """
    Return the ``ExecuteTask`` of a task instance that need not exist.

    :param ti: has the attributes that ``ExecuteTask.make()`` reads.
    :param token: takes the place of the token.
    :param others: arguments of ``ExecuteTask.make()``.
    """
    from airflow.executors.workloads import ExecuteTask

    # Typed as Any: stand-ins.
    instance: Any = ti
    generator: Any = SimpleNamespace(generate=lambda *_, **__: token)
    return ExecuteTask.make(instance, generator=generator, **others)
