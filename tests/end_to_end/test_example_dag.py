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

from harness.dag_run import DagRun
from harness.demo import DAG_ID, unexpected

STOPPING_TIME = 15


def overlaps(launches, name):
    """Say for each launch of a task instance but its first whether the container before had not yet stopped."""
    own = [launch for launch in launches if launch.name == name]
    return [later.queued < earlier.stopped for earlier, later in zip(own, own[1:])]


def test_containers_slow_to_stop_do_not_harm_the_launch_that_follows(deployment):
    """A resumed or rescheduled launch succeeds while the container of the one before is still stopping."""
    deployment.fargate.adjust(stopping_time=STOPPING_TIME)
    run = DagRun(deployment, DAG_ID, "slow-to-stop")
    run.trigger()
    run.follow(timeout=300)
    result = run.result()
    assert result.problems() == []
    assert unexpected(result.launches) == []
    assert overlaps(result.launches, "wait_outside") == [True]
    assert all(overlaps(result.launches, "someone_came_back"))
