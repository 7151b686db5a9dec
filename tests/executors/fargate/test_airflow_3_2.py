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
"""What Airflow 3.2 does otherwise than 3.3."""

from __future__ import annotations

import uuid

import pytest

from airflow.executors.fargate.bridge import Base
from airflow.version import version

pytestmark = pytest.mark.skipif(not version.startswith("3.2."), reason="3.2 alone")


def test_a_callback_fails():
    """No container can execute it, and the scheduler would not survive a refusal; what to do is said."""
    from airflow.executors.workloads import ExecuteCallback

    data = {"path": "module.notify", "kwargs": {}, "dag_id": "dag", "dag_run_id": 1}
    callback = ExecuteCallback(
        callback={"id": str(uuid.uuid4()), "fetch_method": "import_path", "data": data},
        dag_rel_path="dag.py",
        token="token",
        bundle_info={"name": "bundle", "version": None},
        log_path="a.log",
    )
    executor = Base()
    executor.queue_workload(callback, None)
    ((state, reason),) = executor.get_event_buffer().values()
    assert (state, "Name another executor" in reason) == ("failed", True)
    assert executor.slots_occupied == 0
