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
"""Tasks that ask for nothing, by their queue, and by queue and executor_config."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def options():
    @task
    def usual() -> None:
        pass

    @task(queue="large")
    def large() -> None:
        pass

    @task(queue="large", executor_config={"group": "task", "overrides": {"memory": "3072"}})
    def larger() -> None:
        pass

    @task(queue="spot")
    def spot() -> None:
        pass

    @task(queue="gpu")
    def gpu() -> None:
        pass

    usual()
    large()
    larger()
    spot()
    gpu()


options()
