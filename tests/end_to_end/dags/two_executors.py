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
"""One task for this executor by its name, and one for the executor that comes first."""

from __future__ import annotations

import os
from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def two_executors():
    @task(executor="FargateExecutor")
    def in_a_container() -> None:
        if "AIRFLOW_FARGATE_LAUNCH" not in os.environ:
            raise RuntimeError("Not in a container")

    @task
    def here() -> None:
        if "AIRFLOW_FARGATE_LAUNCH" in os.environ:
            raise RuntimeError("In a container")

    in_a_container() >> here()


two_executors()
