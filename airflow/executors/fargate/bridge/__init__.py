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
"""
What knows Airflow: its interface, its database, its metrics.

``Base`` is the executor's base class: ``BaseExecutor`` itself on the newest line of Airflow's releases. ``AIRFLOW``
is its :class:`Contract`. For a line that does it otherwise both come from the line's file under ``older/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.bridge import older
from airflow.executors.fargate.bridge.contract import Contract

_line = older.module_for_this_airflow()
AIRFLOW: Contract = _line.Contract() if _line else Contract()
if TYPE_CHECKING:
    Base = BaseExecutor
else:
    Base = _line.Base if _line else BaseExecutor
