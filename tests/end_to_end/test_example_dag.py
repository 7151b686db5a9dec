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
"""The example DAG on a real Airflow."""

from __future__ import annotations

import pytest
from tools.harness.dag_run import DagRun
from tools.harness.demo import DAG_ID, unexpected

STOPPING_TIME = 15


def overlaps(launches, name):
    """Say for each launch of a task instance but its first whether the container before had not yet stopped."""
    own = [launch for launch in launches if launch.name == name]
    return [later.queued < earlier.stopped for earlier, later in zip(own, own[1:])]


@pytest.fixture(scope="module")
def slow_run(shared_deployment):
    """A run of the example DAG whose containers are slow to stop. It takes a minute: each of thirteen containers loads Airflow."""
    shared_deployment.fargate.adjust(stopping_time=STOPPING_TIME)
    run = DagRun(shared_deployment, DAG_ID, "slow-to-stop")
    run.trigger()
    run.follow(timeout=300)
    result = run.result()
    shared_deployment.fargate.reset()
    return result


def test_containers_slow_to_stop_do_not_harm_the_launch_that_follows(slow_run):
    """A resumed or rescheduled launch succeeds while the container of the one before is still stopping."""
    assert slow_run.problems() == []
    assert unexpected(slow_run.launches) == []
    assert overlaps(slow_run.launches, "wait_outside") == [True]
    assert all(overlaps(slow_run.launches, "someone_came_back"))


def test_executor_config_reaches_the_container_of_its_task_alone(slow_run, shared_deployment):
    """The task that asks for more memory gets it, and no other."""
    containers = {launch.container: launch.name for launch in slow_run.launches}
    memory = {
        containers[task["taskArn"].rsplit("/")[-1]]: (task["memory"], task["containers"][0].get("memory"))
        for task in shared_deployment.fargate.tasks()
        if task["taskArn"].rsplit("/")[-1] in containers
    }
    assert memory.pop("with_overrides") == ("2048", "2048")
    assert ("2048", "2048") not in memory.values()
