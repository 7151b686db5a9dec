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
"""FargateExecutor beside another executor of Airflow's, and what comes to an executor beside tasks."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from tools.harness.dag_run import DagRun
from tools.harness.processes import wait_until


def test_each_of_two_executors_has_its_own_tasks(deployment):
    """
    A task that names this executor runs in a container, and one that names none where the first executor runs it.

    The one has buttons that lead to the ECS task, and to its log, in the AWS console.
    """
    deployment.airflow.scheduler.stop()
    scheduler = deployment.airflow.start_component(
        "scheduler", env={"AIRFLOW__CORE__EXECUTOR": "LocalExecutor,FargateExecutor"}
    )
    try:
        run = DagRun(deployment, "two_executors", "two-executors")
        run.trigger()
        run.follow(timeout=120)
        result = run.result()
        assert {ti.task_id: ti.state for ti in result.task_instances} == {
            "in_a_container": "success",
            "here": "success",
        }
        (launch,) = result.launches
        assert launch.task_id == "in_a_container"
        deployment.airflow.add_user()
        links = partial(deployment.airflow.api.links, run.dag_id, run.run_id)
        # The scheduler saves the notes after the end: on a slow machine, after that of the whole run.
        wait_until(lambda: all(links("in_a_container").values()), timeout=60, what="the note on the ECS task")
        page = f"https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/airflow/tasks/{launch.container}"
        assert links("in_a_container") == {
            "ECS task": f"{page}/configuration?region=us-east-1",
            "ECS task log": f"{page}/logs?region=us-east-1",
        }
        assert links("here") == {"ECS task": None, "ECS task log": None}
    finally:
        scheduler.stop()


def test_callbacks_are_executed_in_containers(deployment, witness, release):
    """What a Dag that misses its deadline has to be told by is a container each, whose exit code is the callback's end."""
    if not release.executes_callbacks:
        pytest.skip("from 3.3 on")
    run = DagRun(deployment, "misses_deadlines", "late")
    run.trigger()
    database = deployment.airflow.database
    wait_until(
        lambda: set(database.callbacks().values()) == {"success", "failed"},
        timeout=120,
        what="the callbacks to end",
    )
    run.follow(timeout=120)
    (line,) = Path(f"{witness.path}-callbacks").read_text().splitlines()
    text, _, identity = line.partition(" {")
    assert text == "too late"
    told = json.loads("{" + identity)
    assert told["dag_id"] == "misses_deadlines"
    assert database.callbacks()[told["callback_id"]] == "success"
    assert run.result().problems() == []


def test_a_task_instance_that_a_command_runs_has_a_container(deployment, witness, release):
    """``airflow tasks run`` of 2.11 starts an executor, hands it one task instance, and ends it at once."""
    if release.major > 2:
        pytest.skip("Airflow 2 alone has the command")
    run = DagRun(deployment, "witness_paused", "by-command")
    run.trigger()
    deployment.airflow.command("tasks", "run", run.dag_id, "work", run.run_id)
    # It does not end before AWS has accepted the container.
    assert len(run.launches()) == 1
    wait_until(
        lambda: (
            [ti.state for ti in deployment.airflow.database.task_instances(run.dag_id, run.run_id)]
            == ["success"]
        ),
        timeout=120,
        what="the task instance to succeed",
    )
    assert run.result().problems() == [
        "the Dag run ended as queued",
        "work: handed over 0 times, but launched 1 times",
    ]
    assert witness.runs(run.run_id) == {launch.id: 1 for launch in run.launches()}
