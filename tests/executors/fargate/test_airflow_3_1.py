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
"""What Airflow 3.1 and older do otherwise than 3.2."""

from __future__ import annotations

import pytest

from airflow.executors.fargate.bridge import AIRFLOW, Base
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancekey import TaskInstanceKey

pytestmark = pytest.mark.skipif(AIRFLOW.assigns_ids, reason="3.1 and older")


@pytest.mark.parametrize("length", [0, 250, 251])
def test_an_arn_that_is_too_long_is_not_told(length):
    """Airflow's column would not take it, and the scheduler's loop would end with a DataError."""
    assert TaskInstance.__table__.columns["external_executor_id"].type.length == 250
    executor, key, arn = Base(), TaskInstanceKey("dag", "task", "run", 1, -1), "a" * length or None
    executor.running_state(key, arn)
    assert executor.event_buffer[key][1] == (arn if length <= 250 else None)
