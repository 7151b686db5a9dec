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
"""A task that is long enough to be watched, one that counts aloud, and one whose container dies before any code of Airflow's runs."""

from __future__ import annotations

import logging
import time
from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

# Where there is no such encoding Python ends as soon as it starts, whatever it was to run.
NO_PYTHON = {
    "overrides": {
        "containerOverrides": [{"environment": [{"name": "PYTHONIOENCODING", "value": "no-such-encoding"}]}]
    }
}


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def talks():
    @task
    def runs_long() -> None:
        time.sleep(30)

    runs_long()


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def counts():
    @task
    def counts_seconds() -> None:
        for number in range(20):
            print(f"printed {number}")
            logging.getLogger("dag").warning("logged %d", number)
            time.sleep(1)

    counts_seconds()


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def dies_mute():
    @task(executor_config=NO_PYTHON)
    def never_begins() -> None:
        pass

    never_begins()


talks()
counts()
dies_mute()
