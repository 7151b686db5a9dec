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
"""Makes launches of what the scheduler hands over: commands on 2.11, workloads on 3.0 and newer."""

from __future__ import annotations

import base64
import json
import sys
import uuid
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.bridge.compat import RUNS_CALLBACKS
from airflow.executors.fargate.launch import CallbackId, Launch, TaskInstanceId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.models.taskinstancekey import TaskInstanceKey

#: Has 2.11 write the lines of a task not only to a file, but to its container's log as well, as 3.x does.
COMMAND_ENVIRONMENT = (("AIRFLOW_IS_EXECUTOR_CONTAINER", "True"),)
#: What the main container runs from 3.0 on; the workload follows as JSON.
EXECUTE_WORKLOAD = ("python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string")
#: Callbacks go first, as in Airflow's own scheduler.
CALLBACK_PRIORITY = sys.maxsize


def task_instance_id(key: TaskInstanceKey) -> TaskInstanceId:
    """Return the package's own form of Airflow's key of a task instance."""
    return TaskInstanceId(key.dag_id, key.task_id, key.run_id, key.try_number, key.map_index)


def launch_of_command(
    key: TaskInstanceKey, command: Sequence[str], queue: str | None, config: Any, now: float, priority: int
) -> Launch:
    """Return the launch of a command, 2.11."""
    task, words = task_instance_id(key), tuple(command)
    return Launch(task, key, words, config, queue, priority, now, environment=COMMAND_ENVIRONMENT)


def workload_key(workload: Any) -> Any:
    """Return the key by which Airflow knows a workload, 3.0 and newer."""
    if hasattr(workload, "ti"):
        return workload.ti.key
    # 3.2 has no class for the keys of callbacks.
    return workload.key if RUNS_CALLBACKS else workload.callback.id


def launch_of_workload(workload: Any, now: float) -> Launch:
    """
    Return the launch of an ``ExecuteTask`` (3.0 and newer) or of an ``ExecuteCallback`` (3.3 and newer).

    The launch of a task instance has the id that Airflow assigned when it queued it, 3.2 and newer, so the id
    is in the database before RunTask is called.
    """
    key, expires = workload_key(workload), _expiry(workload.token)
    make_command = lambda: (*EXECUTE_WORKLOAD, workload.model_dump_json())
    if not hasattr(workload, "ti"):
        callback = CallbackId(workload.callback.id, workload.callback.data.get("dag_id"))
        return Launch(callback, key, make_command, None, None, CALLBACK_PRIORITY, now, expires)
    ti, task = workload.ti, task_instance_id(key)
    config, priority = ti.executor_config, ti.priority_weight
    return Launch(task, key, make_command, config, ti.queue, priority, now, expires, _launch_id(ti))


def queued_launch(key: Any, queued: Any) -> Launch:
    """Return only task instance and id of what Airflow has queued here, to look it up."""
    return Launch(task_instance_id(key), key, id=_launch_id(getattr(queued, "ti", None)))


def _launch_id(ti: Any) -> str:
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
