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

import time
import uuid
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.bridge import compat
from airflow.models.taskinstancekey import TaskInstanceKey

#: 3.0 and newer hand over workloads, 2.11 commands.
HAS_WORKLOADS = hasattr(BaseExecutor, "queue_workload")
#: Each so-manieth task instance has the row's odd executor_config.
EACH = 5
DAG_ID, RUN_ID = "faults", "manual__2026-01-01"
#: What no log, exception or metric may show: the beginning of every token, an override's value. (On 2.11 Airflow
#: itself logs commands; they hold no token.)
MARKERS = ("eyJhbGciOi", "s3cr3t-override")
_PLANTED = {
    "overrides": {"containerOverrides": [{"environment": [{"name": "PASSWORD", "value": MARKERS[1]}]}]}
}
_KEY = "of-no-value-but-long-enough-to-sign-a-token-with-it-as-Airflow-does-it-himself"


@dataclass(frozen=True)
class Task:
    """
    One hand-over of a task instance.

    :param token_life: seconds from the hand-over until the token in its command expires; None for ever
    """

    task_id: str
    executor_config: Any = field(default_factory=lambda: _PLANTED, repr=False)
    token_life: float | None = None
    external_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def key(self) -> TaskInstanceKey:
        return TaskInstanceKey(DAG_ID, self.task_id, RUN_ID, 1, -1)

    def queue(self, executor: Any) -> None:
        """Queue it as the scheduler does."""
        if HAS_WORKLOADS:
            executor.queue_workload(self._workload(), None)
            return
        ti = SimpleNamespace(
            key=self.key,
            dag_id=DAG_ID,
            executor_config=self.executor_config,
            dag_run=SimpleNamespace(start_date=None),
        )
        command = ["airflow", "tasks", "run", DAG_ID, self.task_id, RUN_ID]
        executor.queue_command(ti, command, 1, "default")

    def _workload(self) -> Any:
        import jwt

        from airflow.executors import workloads

        model = workloads.ExecuteTask.model_fields["ti"].annotation
        values = {
            "id": uuid.uuid4(),
            "dag_id": DAG_ID,
            "task_id": self.task_id,
            "run_id": RUN_ID,
            "try_number": 1,
            "map_index": -1,
            "dag_version_id": uuid.uuid4(),
            "pool_slots": 1,
            "queue": "default",
            "priority_weight": 1,
            "executor_config": self.executor_config,
            "external_executor_id": self.external_id if compat.ASSIGNS_IDS else None,
        }
        ti = model(**{name: value for name, value in values.items() if name in model.model_fields})
        claims = {"sub": str(ti.id)}
        if self.token_life is not None:
            claims["exp"] = time.time() + self.token_life
        return workloads.ExecuteTask(
            ti=ti,
            dag_rel_path="dag.py",
            token=jwt.encode(claims, _KEY, algorithm="HS256"),
            bundle_info={"name": "bundle", "version": None},
            log_path="a.log",
        )


def tasks(count: int, odd_config: Any = None, token_life: float | None = None) -> list[Task]:
    """Return so many; each fifth has the odd executor_config, where there is one."""
    return [
        Task(f"task-{number:03}", odd_config if odd_config and number % EACH == 0 else _PLANTED, token_life)
        for number in range(count)
    ]
