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
"""Airflow 3.0: an executor queues workloads itself, and an ECS task can run another try than its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.executors.fargate.bridge.older import airflow_3_1

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class Base(airflow_3_1.Base):
    """``BaseExecutor`` with what 3.1 does."""

    # There are no teams.
    conf = conf
    team_name = None

    def queue_workload(self, workload: Any, session: Session) -> None:
        """Queue a workload."""
        self.queued_tasks[workload.ti.key] = workload


class Contract(airflow_3_1.Contract):
    """What is otherwise than on 3.1."""

    runs_own_try = False
    secrets_masker = "airflow.sdk.execution_time.secrets_masker"
