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
"""What its author has got wrong harms one task; what is right beside it runs."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


def override(**members):
    return {"overrides": {"containerOverrides": [members]}}


#: The executor_config of each task, of every kind that Airflow lets through.
BAD = {
    "unknown_member": override(cpuu=1024),
    "wrong_type": {"tags": "cost-center"},
    "no_choice": {"launchType": "MOON"},
    "too_large": override(environment=[{"name": "LARGE", "value": "x" * 200_000}]),
    "executors_own": {"startedBy": "me"},
    "no_such_container": override(name="sidecarr", cpu=1024),
}


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def bad_input():
    for name, executor_config in {**BAD, "works": None}.items():

        @task(task_id=name, executor_config=executor_config)
        def work() -> None:
            pass

        work()


bad_input()
