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
"""What Airflow 2.11 does otherwise than 3.0."""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import pytest

from airflow.executors.fargate.bridge import AIRFLOW, Base
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.version import version

pytestmark = pytest.mark.skipif(not version.startswith("2."), reason="2.11 alone")


def key_of(number):
    return TaskInstanceKey("dag", f"task{number}", "run", 1, -1)


class Executor(Base):
    """Keeps the launches of what is handed over."""

    def __init__(self):
        super().__init__()
        self.launches = []

    def trigger_workloads(self, open_slots):
        super().trigger_workloads(open_slots)

    def execute_async(self, key, command, queue=None, executor_config=None):
        self.launches.append(AIRFLOW.launch_of(key, command, queue, executor_config, 5.0))


def test_a_launch_has_the_priority_of_its_task_instance():
    """execute_async() is not told the priority; the highest is handed over first."""
    executor = Executor()
    for number, priority in enumerate([1, 3, 2]):
        ti = mock.Mock(spec=TaskInstance, key=key_of(number), executor_config={"a": number}, dag_id="dag")
        ti.dag_run = SimpleNamespace(start_date=None)
        executor.queue_command(ti, ["airflow", "tasks", "run"], priority, "queue")
    executor.heartbeat()
    told = [(launch.priority, launch.executor_config, launch.queue) for launch in executor.launches]
    assert told == [(3, {"a": 1}, "queue"), (2, {"a": 2}, "queue"), (1, {"a": 0}, "queue")]


def test_the_lines_of_a_task_are_in_its_container_s_log():
    """As they are on 3.x."""
    launch = AIRFLOW.launch_of(key_of(0), ["airflow", "tasks", "run"], None, None, 5.0)
    assert launch.environment == (("AIRFLOW_IS_EXECUTOR_CONTAINER", "True"),)
    assert launch.make_command() == ["airflow", "tasks", "run"]


@pytest.mark.parametrize(("try_number", "log"), [(2, (["source"], ["line"])), (1, ([], []))])
def test_only_the_last_try_has_a_log_that_grows(try_number, log):
    """While it runs, Airflow asks for that of any try."""
    executor = Executor()
    executor.get_streaming_task_log = lambda ti, try_number: (["source"], [iter(["line"])])
    assert executor.get_task_log(SimpleNamespace(try_number=2), try_number) == log
