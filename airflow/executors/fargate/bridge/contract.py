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
"""What Airflow gives an executor, and expects of it."""

from __future__ import annotations

import importlib
import uuid
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow.executors import base_executor
from airflow.executors.fargate.bridge import workloads
from airflow.executors.fargate.launch import Launch, TaskInstanceId

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKLOADS = "airflow.executors.workloads"
#: Takes metrics where a release has moved what takes them: an error would end the scheduler.
NOWHERE = SimpleNamespace(**dict.fromkeys(("incr", "gauge", "timing"), lambda *_, **__: None))


class Contract:
    """
    The contract of the newest line of Airflow's releases; :mod:`older` has what other lines do otherwise.

    What the other lines do not have is imported by its name, or mypy would miss it in their trees.
    """

    #: Whether Airflow knows a task instance by the UUID of its row, and not by its coordinates. Each try has a row.
    has_uuids = True
    #: Whether Airflow assigns ``external_executor_id`` when it queues a task instance, and so overwrites an earlier
    #: launch's.
    assigns_ids = True
    #: Whether an ECS task can run only the try that it was launched for: a task instance has an id for each try.
    runs_own_try = True
    #: Whether the scheduler fails a running task instance when its launch fails, and not only a queued one.
    fails_running = True
    #: Whether a line of a log is JSON and has a time; otherwise it begins with its time.
    has_json_logs = True
    #: The module that masks secrets.
    secrets_masker = "airflow._shared.secrets_masker"
    #: The name in ``base_executor.py`` of what takes metrics.
    stats_name = "stats"

    @cached_property
    def task_type(self) -> Any:
        """The type of workloads that execute a task instance, and key of their queue."""
        return importlib.import_module(WORKLOADS).WorkloadType.EXECUTE_TASK

    @cached_property
    def supported_workload_types(self) -> frozenset[Any]:
        """The types of workloads that a container can execute."""
        types = importlib.import_module(WORKLOADS).WorkloadType
        return frozenset({types.EXECUTE_TASK, types.EXECUTE_CALLBACK})

    def stats(self) -> Any:
        """Return what takes metrics (``incr``, ``gauge``, ``timing``)."""
        return getattr(base_executor, self.stats_name, NOWHERE)

    def mask_secrets(self, text: str) -> str:
        """Return a text without the secrets that Airflow knows in this process, as those of read connections."""
        return str(importlib.import_module(self.secrets_masker).redact(text))

    # Task instances.

    def identifying_columns(self, table: Any) -> Sequence[Any]:
        """Return the columns of the table of task instances that say of a row its UUID, and whether it is archived."""
        return table.id, table.working_set.is_(None)

    def task_instance_id(self, ti: Any) -> TaskInstanceId:
        """Return the package's own form of what identifies a task instance, a row or what a workload has of it."""
        return workloads.task_instance_id(ti.key, str(ti.id))

    def key_of(self, task: TaskInstanceId) -> Any:
        """Return Airflow's key of a task instance."""
        return importlib.import_module(f"{WORKLOADS}.types").TaskInstanceUuid(uuid.UUID(task.uuid))

    # What the scheduler hands over.

    def launch_of(
        self, key: Any, command: Sequence[Any], queue: str | None, executor_config: Any, now: float
    ) -> Launch:
        """
        Return the launch of what :meth:`execute_async` gets.

        :param command: a list of one workload, or of the strings of a command.
        """
        workload = command[0]
        if isinstance(workload, str):
            return Launch(
                workloads.task_instance_id(key), key, tuple(command), executor_config, queue, handed_over=now
            )
        is_task = workload.type == self.task_type
        return workloads.launch_of(
            workload, key, self.task_instance_id(workload.ti) if is_task else None, now
        )

    def queued(self, executor: Any) -> dict[Any, Any]:
        """Return what is queued in an executor for task instances, by key."""
        queue: dict[Any, Any] = executor.executor_queues[self.task_type]
        return queue

    def queued_launch(self, key: Any, queued: Any) -> Launch:
        """Return only task instance and id of what Airflow has queued here, to look it up."""
        return Launch(self.task_instance_id(queued.ti), key, id=workloads.launch_id(queued.ti))

    def example_command(self, task: Any, ti: SimpleNamespace, token: str) -> Sequence[Any]:
        """
        Return what the scheduler would hand over for a task instance that need not exist.

        :param task: the task, of a serialized Dag.
        :param ti: has the attributes of a row that are the same for any task.
        :param token: takes the place of the token.
        """
        return [workloads.example(ti, token, **self.example_context(ti))]

    def example_context(self, ti: SimpleNamespace) -> dict[str, Any]:
        """Return what makes a workload, beside what all lines have."""
        from airflow.configuration import conf
        from airflow.utils.log.task_log_address import TaskLogContext

        begin = "2030-01-01T00:00:00+00:00"
        template = conf.get("logging", "log_filename_template")
        return {"log_context": TaskLogContext(template, begin, begin, begin, map_index=ti.map_index)}
