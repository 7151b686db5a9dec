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
"""The Dags of ``scripts/compare``: the same for each executor, and none has retries."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime

from airflow.sdk import dag, task

#: Seconds; longer than it takes until a container is killed, or until a scheduler has adopted what another one left.
LONG = 300
UNTIL_ADOPTED = 45
#: How many lines the task says whose log is read, one each second.
LINES = 30
#: A RunTask request's member, which either executor takes.
SIDECAR = {"taskDefinition": "with-sidecar"}
NO_IMAGE = {"taskDefinition": "no-such-image"}


def testify(ti) -> None:
    """Append whose code runs; one write, so that lines of several containers do not mix."""
    line = json.dumps({"run_id": ti.run_id, "name": f"{ti.task_id}[{ti.map_index}]"}).encode() + b"\n"
    file = os.open(os.environ["COMPARED_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line)
    finally:
        os.close(file)


@dag(schedule=None, start_date=datetime(2024, 1, 1))
def compared_killed():
    @task
    def works(ti=None) -> None:
        print("Copying the table orders")
        testify(ti)
        time.sleep(LONG)

    works()


@dag(schedule=None, start_date=datetime(2024, 1, 1))
def compared_image():
    @task(executor_config=NO_IMAGE)
    def never_starts() -> None:
        print("It has started")

    never_starts()


@dag(schedule=None, start_date=datetime(2024, 1, 1))
def compared_sidecar():
    @task(executor_config=SIDECAR)
    def succeeds(ti=None) -> None:
        testify(ti)
        time.sleep(3)

    succeeds()


@dag(schedule=None, start_date=datetime(2024, 1, 1))
def compared_log():
    @task
    def counts() -> None:
        for number in range(1, LINES + 1):
            print(f"Line {number} of {LINES}")
            time.sleep(1)

    counts()


def three_that_work():
    @task
    def works(number: int, ti=None) -> None:
        testify(ti)
        time.sleep(UNTIL_ADOPTED)

    works.expand(number=[1, 2, 3])


for name in ("compared_running", "compared_launching"):
    dag(dag_id=name, schedule=None, start_date=datetime(2024, 1, 1))(three_that_work)()

compared_killed()
compared_image()
compared_sidecar()
compared_log()
