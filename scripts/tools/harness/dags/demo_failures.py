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
Two tasks that fail, for what Airflow then shows of them.

Its tasks are for the local Fargate, where a container is a process of this machine. On ECS the kernel would keep a
container's first process from the signal, and only ECS could end it so.
"""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime, timedelta

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False, tags=["demo"])
def demo_failures():
    """Show a container that is killed, and one whose image does not exist."""

    @task(retries=1, retry_delay=timedelta(seconds=1))
    def killed_once(ti=None) -> None:
        if ti.try_number == 1:
            # The container's first process, as the kernel kills it where memory is short; it takes this one along.
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(600)

    # A member of the RunTask request, in place of [fargate] task_definition.
    @task(executor_config={"taskDefinition": "demo-no-such-image"})
    def no_such_image() -> None:
        """Never begin."""

    killed_once()
    no_such_image()


demo_failures()
