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
"""One task of each kind of try whose log people look for. Who runs it kills ``killed``, and lets no image be there for ``never_started``."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

try:
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
    from airflow.sdk import BaseOperator, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.baseoperator import BaseOperator
    from airflow.triggers.temporal import TimeDeltaTrigger

#: Seconds: longer than anybody looks.
LONG = 300
#: On Fargate a container has a disk of its own, so what it leaves there cannot be read by Airflow's API server. The local
#: containers share one with it: so they leave their files elsewhere.
OWN_DISK = {"name": "AIRFLOW__LOGGING__BASE_LOG_FOLDER", "value": "$TMPDIR/disk-of-containers"}
ELSEWHERE = {"overrides": {"containerOverrides": [{"environment": [OWN_DISK]}]}}
#: CPU units and MiB, as no other task has: by these it is told from the others.
SIZE = {"overrides": {"cpu": "512", "memory": "1024"}}


def say(text: str) -> None:
    """
    Print a line, and be silent before and after it.

    What is printed and what Airflow logs come to the container's log on ways of their own: in the same instant, in either order.
    """
    time.sleep(0.7)
    print(text)
    time.sleep(0.7)


class WaitsForAFile(BaseOperator):
    """Prints a line in each of its two ECS tasks."""

    def execute(self, context):
        say("Is the file there? Not yet")
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=3)), method_name="come_back")

    def come_back(self, context, event=None):
        say("The file is there")


@dag(
    schedule=None,
    start_date=datetime(2024, 1, 1),
    catchup=False,
    default_args={"executor_config": ELSEWHERE},
)
def tries():
    @task
    def killed() -> None:
        for table in ("customers", "products", "orders"):
            say(f"Copying the table {table}")
        time.sleep(LONG)

    @task(executor_config=SIZE)
    def never_started() -> None:
        pass

    @task(retries=1, retry_delay=timedelta(seconds=1))
    def retried(ti=None) -> None:
        say(f"Try {ti.try_number} calls the bank")
        if ti.try_number == 1:
            raise ConnectionError("The bank is closed")
        say("The bank answers")

    @task
    def running() -> None:
        for number in range(1, LONG + 1):
            time.sleep(1)
            print(f"Row {number} of {LONG}")

    killed()
    never_started()
    retried()
    running()
    WaitsForAFile(task_id="deferred")


tries()
