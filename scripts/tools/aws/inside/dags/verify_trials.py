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
The Dags of the trials, for Airflow 3.

The containers of tasks get them in the environment, and read them, too.
"""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime

from airflow.sdk import dag, task

#: The number of tasks in the trial of many, and in that of the killed scheduler.
MAPPED, LAUNCHED = int(os.environ.get("VERIFY_MAPPED", "200")), 20
#: The least that a task runs with; AWS bills a minute of it at least.
SMALL = {"overrides": {"cpu": "256", "memory": "1024"}}
#: Fargate's largest size but one: a few of them are more than a new account may have at once.
LARGE = {"overrides": {"cpu": "16384", "memory": "32768"}}
#: Only the Dag processor needs to know it.
BROKEN = {**SMALL, "taskDefinition": os.environ.get("VERIFY_BROKEN_TASK_DEFINITION", "none")}
SPOT = {**SMALL, "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]}

trial_dag = dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False, tags=["verify"])


@trial_dag
def verify_killed():
    @task(executor_config=SMALL)
    def kills_itself() -> None:
        # The process that the container has been started with, or its init's only child.
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(3)

    kills_itself()


@trial_dag
def verify_image():
    @task(executor_config=BROKEN)
    def never_starts() -> None:
        pass

    never_starts()


@trial_dag
def verify_stopped():
    @task(executor_config=SMALL)
    def waits() -> None:
        time.sleep(900)

    waits()


@trial_dag
def verify_scheduler_killed():
    @task(executor_config=SMALL)
    def one(number: int) -> int:
        return number

    one.expand(number=list(range(LAUNCHED)))


@trial_dag
def verify_mapped():
    @task(executor_config=SMALL)
    def one(number: int) -> int:
        return number

    one.expand(number=list(range(MAPPED)))


@trial_dag
def verify_spot():
    @task(executor_config=SPOT)
    def one() -> None:
        pass

    one()


@trial_dag
def verify_no_capacity():
    @task(executor_config=LARGE)
    def one(number: int) -> int:
        return number

    one.expand(number=list(range(4)))


for make in (
    verify_killed,
    verify_image,
    verify_stopped,
    verify_scheduler_killed,
    verify_mapped,
    verify_spot,
    verify_no_capacity,
):
    make()
