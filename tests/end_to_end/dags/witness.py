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

import os
import time
from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


def testify() -> None:
    """Append the identity of this container's launch; one write, so that lines of many containers do not mix."""
    line = os.environ["AIRFLOW_FARGATE_LAUNCH"].encode() + b"\n"
    file = os.open(os.environ["WITNESS_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line)
    finally:
        os.close(file)


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def witness_many():
    @task
    def work(number: int) -> int:
        testify()
        time.sleep(25)  # Longer than it takes until the scheduler that was killed counts as dead.
        return number

    @task
    def after(numbers) -> None:
        testify()
        if sorted(numbers) != list(range(5)):
            raise ValueError(f"Not what the tasks returned: {numbers}")

    after(work.expand(number=list(range(5))))


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def witness_one():
    @task
    def work() -> None:
        testify()

    work()


witness_many()
witness_one()
