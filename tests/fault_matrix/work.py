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
"""Task instances of the rows, to hand over."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.bridge import AIRFLOW

from tests.bench import work

if TYPE_CHECKING:
    from airflow.models.taskinstancekey import TaskInstanceKey

#: Each so-manieth task instance has the row's odd executor_config.
EACH = 5
DAG_ID, RUN_ID = "faults", "manual__2026-01-01"
#: What no log, exception or metric may show: the beginning of every token, an override's value. (On 2.11 Airflow
#: itself logs commands; they hold no token.)
MARKERS = ("eyJhbGciOi", "s3cr3t-override")
_PLANTED = {
    "overrides": {"containerOverrides": [{"environment": [{"name": "PASSWORD", "value": MARKERS[1]}]}]}
}


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
        return work.make_key(self.task_id, DAG_ID, RUN_ID)

    def queue(self, executor: Any) -> None:
        """Queue it as the scheduler does."""
        claims = {} if self.token_life is None else {"exp": time.time() + self.token_life}
        assigned = self.external_id if AIRFLOW.assigns_ids else None
        sign = partial(work.signed, **claims)
        work.queue(executor, self.key, self.executor_config, external_id=assigned, sign=sign)


def tasks(count: int, odd_config: Any = None, token_life: float | None = None) -> list[Task]:
    """Return so many; each fifth has the odd executor_config, where there is one."""
    return [
        Task(f"task-{number:03}", odd_config if odd_config and number % EACH == 0 else _PLANTED, token_life)
        for number in range(count)
    ]
