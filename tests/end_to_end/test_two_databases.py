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
"""A database that is cloned: production and staging have the same task instances, and by mistake the same ECS tasks."""

from __future__ import annotations

import re

import pytest
from tools.harness.dag_run import DagRun
from tools.harness.database import Database
from tools.harness.postgres import clone
from tools.harness.processes import wait_until
from tools.harness.schedulers import LogPart
from tools.harness.settings import DATABASE

STAGING = "scheduler of staging"
PATIENCE = 120
#: Seconds: longer than the test lasts.
NEVER = 1000.0
WARNING = re.compile(r"\[warning\s*\].*\[fargate\] deployment")


def there(database, run):
    """Return the tries and states of a run's task instances."""
    return {ti.task_id: (ti.try_number, ti.state) for ti in database.task_instances(run.dag_id, run.run_id)}


def start(deployment, dag_id, run_id, until):
    """Start a run; return it once its task instances are in a state and its ECS tasks are there."""
    run = DagRun(deployment, dag_id, run_id)
    run.trigger()
    run.follow(until=lambda tis: tis and all(ti.state == until for ti in tis), timeout=PATIENCE)
    assert run.state == "running", "a container could not start"
    count = len(there(deployment.airflow.database, run))
    wait_until(lambda: len(run.launches()) == count, timeout=PATIENCE, what="the ECS tasks")
    return run


def give_up(deployment, *runs):
    """Leave nothing of runs whose ECS tasks never start."""
    for run in runs:
        deployment.airflow.api.fail_run(run.dag_id, run.run_id)
        for launch in run.launches():
            cluster = deployment.fargate.told["cluster"]
            deployment.fargate.client("ecs").stop_task(cluster=cluster, task=launch.container)


@pytest.mark.usefixtures("same_on_all_releases")
def test_a_clone_of_the_database_leaves_production_s_ecs_tasks_alone(deployment, witness):
    """Staging's scheduler stops none, adopts none and resets no task instance of theirs; it says once what to do."""
    airflow, fargate = deployment.airflow, deployment.fargate
    runs = start(deployment, "witness_two", "runs-in-production", "running")
    fargate.adjust(provisioning_time=NEVER)
    starts = start(deployment, "witness_waits", "starts-in-production", "queued")
    staging = clone(airflow.settings.database, "staging")
    later = start(deployment, "witness_waits", "after-the-clone", "queued")
    part = LogPart(airflow.logs / f"{STAGING}.log")
    before = {run: there(Database(staging), run) for run in (runs, starts)}
    airflow.start_component("scheduler", called=STAGING, env={DATABASE: staging})
    try:
        part.wait_until_started()
        # Production's scheduler looks as if it were gone.
        wait_until(lambda: "SchedulerJob instances as failed" in part.text, timeout=PATIENCE, what="its end")
        part.wait_for_looks(4)  # As often it looks for orphaned ECS tasks.
        assert {run: there(Database(staging), run) for run in (runs, starts)} == before
        assert part.adopted == 0
        assert [launch.stop_code for run in (runs, starts, later) for launch in run.launches()] == [None] * 4
        wait_until(lambda: WARNING.search(part.text), timeout=PATIENCE, what="the warning")
        assert len(WARNING.findall(part.text)) == 1
    finally:
        airflow.remove(STAGING)
        witness.release(runs.run_id)
        give_up(deployment, starts, later)
    runs.follow(timeout=PATIENCE)
    result = runs.result()
    assert result.problems() == []
    assert witness.runs(runs.run_id) == {launch.id: 1 for launch in result.launches}
