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
"""Tasks that leave a line in a file whenever their own code runs."""

from __future__ import annotations

import json
import os
import random
import time
from datetime import datetime, timedelta
from pathlib import Path

try:
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
    from airflow.sdk import BaseOperator, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.models.baseoperator import BaseOperator
    from airflow.triggers.temporal import TimeDeltaTrigger


#: Seconds after which a task has waited in vain.
PATIENCE = 400


def testify() -> None:
    """Append the identity of this container's launch; one write, so that lines of many containers do not mix."""
    line = os.environ["AIRFLOW_FARGATE_LAUNCH"].encode() + b"\n"
    file = os.open(os.environ["WITNESS_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line)
    finally:
        os.close(file)


def work_for(seconds: float) -> None:
    """Be user code that takes its time."""
    testify()
    time.sleep(seconds)


def work_until_released() -> None:
    """Be user code that ends when the test lets it, however long all else has taken on this machine."""
    testify()
    wait_to_be_released()


def wait_to_be_released() -> None:
    run_id = json.loads(os.environ["AIRFLOW_FARGATE_LAUNCH"])["run_id"]
    released = Path(f"{os.environ['WITNESS_FILE']}-released-{run_id}")
    deadline = time.monotonic() + PATIENCE
    while not released.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Nobody has made {released}")
        time.sleep(0.2)


class DefersOperator(BaseOperator):
    """Testifies in both of its launches."""

    def execute(self, context):
        testify()
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=2)), method_name="come_back")

    def come_back(self, context, event=None):
        work_until_released()


class StoppedOperator(BaseOperator):
    """Runs until it is released, and leaves a file when it is told to end."""

    def execute(self, context):
        testify()
        wait_to_be_released()

    def on_kill(self):
        run_id = json.loads(os.environ["AIRFLOW_FARGATE_LAUNCH"])["run_id"]
        Path(f"{os.environ['WITNESS_FILE']}-killed-{run_id}").touch()


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def witness_stopped():
    StoppedOperator(task_id="stopped")


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def witness_one():
    @task
    def work() -> None:
        testify()

    work()


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def witness_many():
    @task
    def work(number: int) -> int:
        work_until_released()
        return number

    @task
    def after(numbers) -> None:
        testify()
        if sorted(numbers) != list(range(3)):
            raise ValueError(f"Not what the tasks returned: {numbers}")

    after(work.expand(number=list(range(3))))


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False, max_active_tasks=8)
def witness_random():
    """As many as the tests want, of any length, so that a scheduler that dies leaves some in each state."""
    count = int(os.environ["WITNESS_TASKS"])

    @task
    def work(number: int) -> None:
        work_for(random.Random(number).uniform(2, float(os.environ["WITNESS_SECONDS"])))
        if number == count - 1:
            wait_to_be_released()  # The run is not over before the last scheduler has died.

    work.expand(number=list(range(count)))


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False, max_active_tasks=4)
def witness_waves():
    """Few at a time, so that two schedulers share them."""

    @task
    def work(number: int) -> None:
        work_until_released()

    work.expand(number=list(range(8)))


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def witness_moments():
    """Each task is for one moment at which its scheduler can die."""
    for name in ("never_sent", "sent_late", "unanswered", "answered", "skipped", "runs"):
        task(task_id=name)(work_until_released)()


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def witness_resumes():
    """So is the second launch of this one."""
    DefersOperator(task_id="resumes")


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def witness_waits():
    task(task_id="waits")(work_until_released)()


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def witness_two():
    for name in ("first", "second"):
        task(task_id=name)(work_until_released)()


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def witness_elsewhere():
    """The cluster of one of its tasks is named by nothing but its executor_config."""
    task(task_id="here")(work_until_released)()
    task(task_id="elsewhere", executor_config={"cluster": "elsewhere"})(work_until_released)()


@dag(
    schedule=None,
    start_date=datetime(2024, 1, 1),
    catchup=False,
    # Longer than any test takes: they move the start of the run.
    dagrun_timeout=timedelta(hours=12),
)
def witness_hangs():
    task(task_id="hangs")(work_until_released)()


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False, is_paused_upon_creation=True)
def witness_paused():
    """No scheduler runs it."""
    task(task_id="work")(testify)()


for make in (
    witness_stopped,
    witness_one,
    witness_many,
    witness_random,
    witness_waves,
    witness_moments,
    witness_resumes,
    witness_waits,
    witness_two,
    witness_elsewhere,
    witness_hangs,
    witness_paused,
):
    make()
