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
"""A scheduler that dies or is told to go, and its successor."""

from __future__ import annotations

import re
import time
from collections import Counter

from harness.dag_run import DagRun

# As long as Kubernetes, systemd or ECS would wait at least before they kill it.
SECONDS_TO_GO = 20


def running(count):
    """Return a condition: so many task instances of the run run."""
    return lambda task_instances: sum(ti.state == "running" for ti in task_instances) >= count


def check_everything_ran_once(result, witness):
    """Every task instance succeeded in one launch, with one container, in which its code ran once."""
    assert [ti for ti in result.task_instances if ti.state != "success"] == []
    assert result.state == "success"
    launches = Counter(launch.name for launch in result.launches)
    assert launches == dict.fromkeys((ti.name for ti in result.task_instances), 1)
    assert witness.runs(result.run_id) == {launch.id: 1 for launch in result.launches}


def adopted(scheduler):
    """Return how many containers a scheduler says that it has taken over."""
    told = re.findall(r"Adopted (\d+) task instances", scheduler.log.read_text(errors="replace"))
    return sum(map(int, told))


def test_a_killed_scheduler_is_replaced(deployment, witness):
    """After a SIGKILL while tasks run, every task instance succeeds, and its code has run once."""
    run = DagRun(deployment, "witness_many", "killed")
    run.trigger()
    run.follow(until=running(2), timeout=120)
    before = [launch for launch in run.launches() if not launch.finished]
    deployment.airflow.scheduler.kill()
    deployment.airflow.start_component("scheduler")
    run.follow(timeout=240)
    check_everything_ran_once(run.result(), witness)
    assert len(before) >= 2
    assert adopted(deployment.airflow.scheduler) >= len(before)


def test_a_scheduler_that_is_told_to_go_leaves_its_containers_alone(deployment, witness):
    """It is gone within 20 s of SIGTERM, no running container stops, and the next scheduler adopts them."""
    run = DagRun(deployment, "witness_many", "terminated")
    run.trigger()
    run.follow(until=running(2), timeout=120)
    scheduler = deployment.airflow.scheduler
    before = [launch for launch in run.launches() if not launch.finished]
    began = time.monotonic()
    scheduler.ask_to_end()
    assert scheduler.wait(SECONDS_TO_GO), f"it still runs after {time.monotonic() - began:.0f} s"
    scheduler.kill()
    deployment.airflow.start_component("scheduler")
    run.follow(timeout=240)
    result = run.result()
    check_everything_ran_once(result, witness)
    after = {launch.container: launch for launch in result.launches}
    assert before
    assert adopted(deployment.airflow.scheduler) >= len(before)
    assert {after[launch.container].stop_code for launch in before} == {"EssentialContainerExited"}
