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
Example DAG for the FargateExecutor.

Every task instance runs in an ECS task of its own. The tasks show how they are run: several at once, with other
resources than those of the task definition, retried, deferred, and rescheduled.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

try:
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
    from airflow.sdk import BaseOperator, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.baseoperator import BaseOperator
    from airflow.triggers.temporal import TimeDeltaTrigger

GREETING = "Hello from this ECS task"


class WaitOutsideOperator(BaseOperator):
    """Defer: the ECS task ends, and a new one resumes the task instance."""

    def execute(self, context):
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=3)), method_name="come_back")

    def come_back(self, context, event=None):
        return "Resumed in a new ECS task"


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False, tags=["example"])
def example_fargate_executor():
    """Show first runs, mapped tasks, overrides, a retry, a deferral and a reschedule on Amazon ECS."""

    @task
    def list_parts() -> list[int]:
        return [1, 2, 3, 4]

    @task
    def square(part: int) -> int:
        return part * part

    @task
    def total(squares) -> int:
        return sum(squares)

    # Members of the RunTask request, merged into the request that the executor makes. A container override
    # without a name is for the main container, which runs the task.
    override = {"memory": 2048, "environment": [{"name": "GREETING", "value": GREETING}]}

    @task(executor_config={"overrides": {"memory": "2048", "containerOverrides": [override]}})
    def with_overrides() -> None:
        greeting = os.environ.get("GREETING")
        if greeting != GREETING:
            raise ValueError(f"The container's environment has GREETING={greeting!r}")

    @task(retries=1, retry_delay=timedelta(seconds=2))
    def fails_once(ti=None) -> None:
        if ti.try_number == 1:
            raise RuntimeError("The first try fails so that a second one is needed")

    # In reschedule mode each poke has an ECS task of its own, and none runs between two pokes.
    @task.sensor(mode="reschedule", poke_interval=5, timeout=600)
    def someone_came_back(ti=None) -> bool:
        return ti.xcom_pull(task_ids="wait_outside") is not None

    total(square.expand(part=list_parts()))
    with_overrides()
    fails_once()
    WaitOutsideOperator(task_id="wait_outside")
    someone_came_back()


example_fargate_executor()
