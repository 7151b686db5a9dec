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
"""``airflow fargate check | tasks | stop`` as real processes against the local Fargate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import distributions

import pytest

from airflow.executors import executor_constants
from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch, TaskInstanceId

#: 3.2 and newer ask no executor for its commands: the overlay brings them, or the wheel's entry point.
ASKS_EXECUTORS = not hasattr(BaseExecutor, "pre_assigns_external_executor_id")
IS_OVERLAID = hasattr(executor_constants, "FARGATE_EXECUTOR")
IS_INSTALLED = any(found.metadata["Name"] == "airflow-fargate-executor" for found in distributions())
pytestmark = pytest.mark.skipif(
    not (ASKS_EXECUTORS or IS_OVERLAID or IS_INSTALLED),
    reason="this Airflow finds the commands by the overlay or the wheel, and has neither",
)


@pytest.fixture
def airflow(account, tmp_path):
    """Return a function that runs ``airflow fargate …`` and returns the exit code, the rows as JSON, and all words."""
    options = {
        "REGION": "us-east-1",
        "CLUSTER": account.cluster,
        "TASK_DEFINITION": account.task_definition,
        "CONTAINER_NAME": account.container,
        "SUBNETS": ",".join(account.subnets),
        "SECURITY_GROUPS": ",".join(account.network["awsvpcConfiguration"]["securityGroups"]),
    }
    environment = {
        **os.environ,
        **{f"AIRFLOW__FARGATE__{name}": value for name, value in options.items()},
        "AIRFLOW__CORE__EXECUTOR": "airflow.executors.fargate_executor.FargateExecutor",
        # 2.11 refuses SQLite for an executor that runs tasks in parallel, whichever it is.
        "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
        "AIRFLOW_HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": account.fargate.endpoint_url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }

    def run(*words, **options):
        more = {f"AIRFLOW__FARGATE__{name.upper()}": value for name, value in options.items()}
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "fargate", *words],
            env={**environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("[{")]
        return done.returncode, json.loads(lines[-1]) if lines else None, done.stdout + done.stderr

    return run


def start(account, task_id):
    """Start a container as the executor does, and wait until it runs."""
    identity = Launch(TaskInstanceId("etl", task_id, "monday", 1), "key").identity
    arn = account.run("sleep", "60", environment={IDENTITY_VARIABLE: identity}, startedBy="airflow")
    account.wait(arn, "RUNNING")
    return arn


def test_check(airflow):
    """A deployment that works passes with exit code 0, and one mistake makes it 1."""
    code, rows, told = airflow("check", "--output", "json")
    assert code == 0, told
    results = {row["check"]: row["result"] for row in rows}
    assert results["cluster"] == results["task definition"] == results["ecs:ListTasks"] == "ok"
    assert results["ecs:RunTask"] == "not tested"
    code, rows, told = airflow("check", "--output", "json", container_name="nobody")
    assert code == 1, told
    failed = {row["check"]: row for row in rows if row["result"] == "failed"}
    assert list(failed) == ["container"]
    assert failed["container"]["found"] == "there is no container 'nobody', but airflow"


def test_tasks_and_stop(airflow, account):
    """Live containers are listed; those that match are stopped, and AWS knows by whom; the others run on."""
    extract, load = start(account, "extract"), start(account, "load")
    account.run("sleep", "60", startedBy="somebody-else")
    code, rows, told = airflow("tasks", "--output", "json")
    assert code == 0, told
    assert {row["task_id"]: (row["container"], row["state"]) for row in rows} == {
        "extract": (extract.rsplit("/", 1)[1], "RUNNING"),
        "load": (load.rsplit("/", 1)[1], "RUNNING"),
    }
    assert {(row["cpu"], row["memory"], row["capacity"]) for row in rows} == {("256", "512", "FARGATE")}

    code, _, told = airflow("stop", "--dag-id", "etl")
    assert (code, told.splitlines()[-1][-20:]) == (1, "Nothing was stopped."), "there is nobody to answer"
    assert account.describe(load)["desiredStatus"] == "RUNNING", told

    code, _, told = airflow("stop", "--dag-id", "etl", "--task-id", "load", "--yes")
    assert code == 0, told
    ended = account.wait(load)
    assert (ended["stopCode"], ended["stoppedReason"]) == (
        "UserInitiated",
        "Stopped with airflow fargate stop",
    )
    assert account.describe(extract)["lastStatus"] == "RUNNING"
