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
"""What a task notices when its ECS task is stopped, which is Airflow's doing and differs by release."""

from __future__ import annotations

from tools.harness.dag_run import DagRun
from tools.harness.processes import wait_until

RUN = "stopped"
#: Whether on_kill() is called, and how a task ends that could go on for as long as ``stopTimeout``. The recipes say so.
NOTICES = {
    "2.11": (True, "failed"),
    "3.0": (False, "failed"),
    "3.1": (False, "failed"),
    "3.2": (False, "failed"),
    "3.3": (True, "success"),
    "3.4": (False, "success"),
}


def test_what_a_task_notices_of_sigterm(deployment, release, witness):
    """The main process gets SIGTERM, as from Spot: the task ends, or it goes on and ends well within the time that it has."""
    killed, state = NOTICES[release.line]
    run = DagRun(deployment, "witness_stopped", RUN)
    run.trigger()
    run.follow(until=lambda _: witness.runs(RUN), timeout=120)
    (launch,) = run.launches()
    deployment.fargate.client("ecs").stop_task(
        cluster=deployment.fargate.told["cluster"], task=launch.container
    )
    try:
        if killed:
            wait_until(lambda: witness.was_killed(RUN), timeout=20, what="on_kill() to be called")
        if state == "failed":
            run.follow(timeout=120)
    finally:
        witness.release(RUN)
    run.follow(timeout=120)
    assert (witness.was_killed(RUN), run.state) == (killed, state)
