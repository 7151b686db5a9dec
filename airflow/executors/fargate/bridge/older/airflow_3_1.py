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
"""Airflow 3.1: ``external_executor_id`` is the executor's alone, and short."""

from __future__ import annotations

from typing import Any

from airflow.executors.fargate.bridge.older import airflow_3_2

#: Most characters of ``external_executor_id``: a ``StringID()`` (``airflow/models/base.py``, ``ID_LEN``).
MAX_EXTERNAL_ID = 250


class Base(airflow_3_2.Base):
    """``BaseExecutor`` with what 3.2 does."""

    def running_state(self, key: Any, info: Any = None) -> None:
        """
        Tell Airflow the ARN, or None where it is too long.

        A longer value would raise in the scheduler's transaction and end it. Without the ARN, adoption finds the
        ECS task by its identity.
        """
        super().running_state(key, None if len(info or "") > MAX_EXTERNAL_ID else info)


class Contract(airflow_3_2.Contract):
    """What is otherwise than on 3.2."""

    assigns_ids = False
