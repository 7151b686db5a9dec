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
"""FargateExecutor from the project's wheel, beside an Airflow that was never told of it."""

from __future__ import annotations

import os
import subprocess

import pytest
from tools.harness.dag_run import DagRun
from tools.harness.environment import build_wheel, install_beside

MODULE_PATH = "airflow.executors.fargate_executor.FargateExecutor"

LOAD = """
from airflow.executors.executor_loader import ExecutorLoader
try:
    print(ExecutorLoader.import_default_executor_cls()[0].__module__)
except Exception as error:
    print(type(error).__name__)
"""


@pytest.fixture(scope="module")
def plain_environment(release, environment, tmp_path_factory):
    """An environment whose Airflow has no overlay, with the wheel installed beside it."""
    return install_beside(release, build_wheel(environment, tmp_path_factory.mktemp("wheel")))


def load(environment, executor):
    """The module of the class that an Airflow with this ``[core] executor`` loads, or the error's name."""
    settings = {
        "AIRFLOW__CORE__EXECUTOR": executor,
        "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
    }
    python = environment / "bin" / "python"
    done = subprocess.run(
        [python, "-c", LOAD], env=os.environ | settings, capture_output=True, text=True, check=True
    )
    return done.stdout.split()[-1]


@pytest.mark.usefixtures("same_on_all_releases")
def test_the_scheduler_runs_it_by_its_module_path(deployment, plain_environment, witness):
    """
    A scheduler without the overlay's registration runs tasks on the executor that the wheel brought.

    It takes a minute: Airflow is installed once more, and Python compiles it anew.
    """
    assert load(plain_environment, MODULE_PATH) == "airflow.executors.fargate_executor"
    assert load(plain_environment, "FargateExecutor").endswith(("Exception", "Error"))
    deployment.airflow.scheduler.stop()
    scheduler = deployment.airflow.start_component(
        "scheduler", env={"AIRFLOW__CORE__EXECUTOR": MODULE_PATH}, bin=plain_environment / "bin"
    )
    try:
        run = DagRun(deployment, "witness_one", "by-module-path")
        run.trigger()
        run.follow(timeout=120)
        result = run.result()
        assert result.problems() == []
        assert witness.runs(result.run_id) == {launch.id: 1 for launch in result.launches}
    finally:
        scheduler.stop()
