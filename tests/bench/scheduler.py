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
"""The part of Airflow's scheduler that an executor meets, as each release does it, without a database."""

from __future__ import annotations

import logging
import uuid
from types import SimpleNamespace
from typing import Any
from unittest import mock

from airflow.executors.base_executor import BaseExecutor
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.utils.state import TaskInstanceState

#: From 3.0 on the scheduler hands over workloads, before that commands.
HAS_WORKLOADS = hasattr(BaseExecutor, "queue_workload")
#: What signs the tokens in workloads.
SIGNED_WITH = "a-key-that-only-tests-know-" * 2
ENDS = (TaskInstanceState.SUCCESS, TaskInstanceState.FAILED)


def make_key(task_id: str, dag_id: str = "dag", run_id: str = "run", map_index: int = -1) -> TaskInstanceKey:
    """Return the key of a task instance's first try."""
    return TaskInstanceKey(dag_id, task_id, run_id, 1, map_index)


def make_workload(key: TaskInstanceKey, executor_config: Any = None, **members: Any) -> Any:
    """
    Return what the scheduler of 3.0 and newer hands over.

    :raises pydantic.ValidationError: where Airflow takes no workload such as this.
    """
    import jwt

    from airflow.executors import workloads

    model = workloads.ExecuteTask.model_fields["ti"].annotation
    values = {
        "id": uuid.uuid4(),
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
    }
    ti = model(**{name: value for name, value in values.items() if name in model.model_fields})
    claims = {"sub": str(ti.id), **members.pop("claims", {})}
    whole = {
        "dag_rel_path": "dag.py",
        "log_path": "a.log",
        "token": jwt.encode(claims, SIGNED_WITH),
        **members,
    }
    return workloads.ExecuteTask(ti=ti, bundle_info={"name": "bundle", "version": None}, **whole)


class Scheduler:
    """
    Queues task instances, beats, and remembers what it was told.

    :param executor: one that has been started.
    """

    def __init__(self, executor: BaseExecutor) -> None:
        self.executor = executor
        #: The ends of task instances by key: state and what was told with it.
        self.ends: dict[TaskInstanceKey, tuple[Any, Any]] = {}
        #: The rows of the task event log.
        self.event_log: list[tuple[str, str, str]] = []

    def queue(self, key: TaskInstanceKey, executor_config: Any = None, long_path: str = "") -> None:
        """Queue a task instance as the scheduler of the installed release does."""
        if HAS_WORKLOADS:
            members = {"log_path": long_path} if long_path else {}
            self.executor.queue_workload(make_workload(key, executor_config, **members), None)
            return
        ti = mock.Mock(spec=TaskInstance, key=key, executor_config=executor_config, dag_id=key.dag_id)
        ti.dag_run = SimpleNamespace(start_date=None)
        command = ["airflow", "tasks", "run", key.dag_id, key.task_id, key.run_id]
        command += ["--subdir", long_path] if long_path else []
        self.executor.queue_command(ti, command, 1, "default")

    def beat(self) -> None:
        """Do what the scheduler does in each of its loops."""
        self.executor.heartbeat()
        for key, (state, info) in self.executor.get_event_buffer().items():
            if state in ENDS:
                if key in self.ends:
                    raise AssertionError(f"{key} has ended twice")
                self.ends[key] = state, info
        rows = self.executor._task_event_logs
        while rows:
            row = rows.popleft()
            self.event_log.append((row.event, row.task_id, row.extra))


class Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def errors(self) -> list[str]:
        """Return what was said at the level ERROR and above."""
        return [r.getMessage() for r in self.records if r.levelno >= logging.ERROR]
