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
"""Airflow 3.2: its containers cannot execute callbacks, and it hands over the lowest priority first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.bridge.older import airflow_3_3

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class Base(airflow_3_3.Base):
    """``BaseExecutor`` with what 3.3 does."""

    def queue_workload(self, workload: Any, session: Session) -> None:
        """Queue a workload. A callback fails; an executor that refused it would end the scheduler."""
        if hasattr(workload, "ti"):
            parent: Any = super()  # 2.11 has commands, and no such method.
            parent.queue_workload(workload, session)
        else:
            reason = "Airflow executes callbacks in containers from 3.3 on. Name another executor."
            self.fail(workload.callback.id, reason)

    def order_queued_tasks_by_priority(self) -> list[Any]:
        """Return what is queued, the highest priority first."""
        queued = self.queued_tasks.items()
        return sorted(queued, key=lambda item: item[1].ti.priority_weight, reverse=True)


class Contract(airflow_3_3.Contract):
    """What is otherwise than on 3.3."""

    stats_name = "Stats"
