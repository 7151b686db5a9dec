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
"""Airflow 3.3: a queue for each type of workload in an attribute of its own, and keys that are coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import false, null

from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.bridge import contract, workloads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.executors.fargate.launch import TaskInstanceId


class Base(BaseExecutor):
    """``BaseExecutor`` with the names of 3.4."""

    supports_callbacks: bool = True

    @property
    def executor_queues(self) -> Mapping[str, dict[Any, Any]]:
        """The queues, by type of workload."""
        return {"ExecuteTask": self.queued_tasks, "ExecuteCallback": getattr(self, "queued_callbacks", {})}

    @classmethod
    def get_task_key(cls, ti: Any) -> Any:
        """Return the key of a task instance."""
        return ti.key

    @classmethod
    def get_workload_key(cls, workload: Any) -> Any:
        """Return the key of a workload."""
        return workload.ti.key if hasattr(workload, "ti") else workload.key

    def trigger_tasks(self, open_slots: int) -> None:
        """Hand over what is queued; ``heartbeat()`` calls this."""
        self.trigger_workloads(open_slots)

    def trigger_workloads(self, open_slots: int) -> None:
        """Hand over what is queued; the executor overrides this."""
        super().trigger_tasks(open_slots)

    def heartbeat(self) -> None:
        """
        Hand over what is queued, and report what has happened.

        Afterwards the scheduler saves the events for the event log: it removes them from their queue one by one,
        and until they are saved together only SQLAlchemy's session refers to them, weakly. A reference is kept,
        or they and what is saved with them would be lost.
        """
        super().heartbeat()
        self._unsaved_events = list(self._task_event_logs)

    def get_streaming_task_log(self, ti: Any, try_number: int) -> tuple[list[str], list[Any]]:
        """Return the sources and the streams of lines of a log; the executor overrides this."""
        raise NotImplementedError

    def get_task_log(self, ti: Any, try_number: int) -> tuple[list[str], list[str]]:
        """Return the sources and the lines of a log, read whole."""
        sources, streams = self.get_streaming_task_log(ti, try_number)
        return sources, [line for stream in streams for line in stream]


class Contract(contract.Contract):
    """What is otherwise than on 3.4."""

    has_uuids = False
    task_type = "ExecuteTask"
    supported_workload_types = frozenset({"ExecuteTask", "ExecuteCallback"})

    def identifying_columns(self, table: Any) -> Sequence[Any]:
        """Return what stands for these columns; no row is archived."""
        return null(), false()

    def task_instance_id(self, ti: Any) -> TaskInstanceId:
        """Return coordinates."""
        return workloads.task_instance_id(ti.key)

    def key_of(self, task: TaskInstanceId) -> Any:
        """Return a key made of coordinates."""
        return workloads.coordinates_of(task)

    def example_context(self, ti: Any) -> dict[str, Any]:
        """Return nothing: ``ExecuteTask.make()`` itself renders the path of the log."""
        return {}
