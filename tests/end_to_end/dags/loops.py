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
"""A loop whose mapped task has the same coordinates in both passes: each pass has a region of its own."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import dag, task, task_group


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def loops():
    @task_group
    def twice():
        @task
        def work(number: int, *, loop, ti) -> None:
            # Were it imported with this file, its Dags would be of this file, too.
            from witness import testify, work_until_released

            print(f"This is pass {loop.index}")
            if ti.try_number == 1:
                testify()
            else:
                work_until_released()

        work.expand(number=[0])

    twice.loop(max_iterations=2)


loops()
