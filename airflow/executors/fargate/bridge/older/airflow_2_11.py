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
"""Airflow 2.11: the scheduler hands over commands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.bridge import workloads
from airflow.executors.fargate.bridge.older import airflow_3_0
from airflow.executors.fargate.launch import Launch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import SimpleNamespace


#: Has the container write the lines of a task not only to a file, but to its own log as well, as 3.x does.
COMMAND_ENVIRONMENT = (("AIRFLOW_IS_EXECUTOR_CONTAINER", "True"),)


class Command(list[str]):
    """A command with the priority of its task instance, which ``execute_async()`` is not told."""

    def __init__(self, words: Sequence[str], priority: int) -> None:
        super().__init__(words)
        self.priority = priority


class Base(airflow_3_0.Base):
    """``BaseExecutor``, which calls ``execute_async()`` for each command."""

    def order_queued_tasks_by_priority(self) -> list[Any]:
        """Return what is queued, the highest priority first, with commands that know their priority."""
        queued = self.queued_tasks.items()
        ordered = sorted(queued, key=lambda item: item[1][1], reverse=True)
        return [
            (key, (Command(command, priority), priority, *rest))
            for key, (command, priority, *rest) in ordered
        ]

    def get_task_log(self, ti: Any, try_number: int) -> tuple[list[str], list[str]]:
        """Return the log of the last try; it is asked for any try while the last one runs."""
        return super().get_task_log(ti, try_number) if try_number == ti.try_number else ([], [])


class Contract(airflow_3_0.Contract):
    """What is otherwise than on 3.0."""

    fails_running = False
    has_json_logs = False
    secrets_masker = "airflow.utils.log.secrets_masker"

    def launch_of(
        self, key: Any, command: Sequence[str], queue: str | None, executor_config: Any, now: float
    ) -> Launch:
        """Return the launch of a command."""
        launch = super().launch_of(key, command, queue, executor_config, now)
        return replace(launch, priority=getattr(command, "priority", 0), environment=COMMAND_ENVIRONMENT)

    def queued_launch(self, key: Any, queued: Any) -> Launch:
        """Return only the task instance, to look it up."""
        return Launch(workloads.task_instance_id(key), key)

    def example_command(self, task: Any, ti: SimpleNamespace, token: str) -> Sequence[str]:
        """Return the command of a task instance that need not exist."""
        from airflow.models.taskinstance import TaskInstance

        made: Any = TaskInstance(task, run_id=ti.run_id, map_index=ti.map_index)
        return list(made.command_as_list(local=True))
