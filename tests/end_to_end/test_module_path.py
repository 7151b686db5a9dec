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
import zipfile

import pytest
from tools.harness.dag_run import DagRun
from tools.harness.environment import build_wheel
from tools.overlay.layout import find_tree

from tests.overlay.conftest import clone

MODULE_PATH = "airflow.executors.fargate_executor.FargateExecutor"


@pytest.fixture(scope="module")
def site_packages(environment, tmp_path_factory):
    """A folder with the Airflow that is installed, without the overlay, and with the wheel unpacked over it."""
    folder = tmp_path_factory.mktemp("site-packages")
    clone(find_tree().package, folder / "airflow", compiled=True)
    with zipfile.ZipFile(build_wheel(environment, tmp_path_factory.mktemp("wheel"))) as wheel:
        wheel.extractall(folder)
    return folder


@pytest.mark.usefixtures("same_on_all_releases")
def test_the_scheduler_runs_it_by_its_module_path(deployment, site_packages, witness):
    """A scheduler without the overlay's registration runs tasks on the executor that the wheel brought."""
    assert "Fargate" not in (site_packages / "airflow" / "executors" / "executor_constants.py").read_text()
    deployment.airflow.scheduler.stop()
    path = os.pathsep.join((str(site_packages), deployment.airflow.env["PYTHONPATH"]))
    env = {"AIRFLOW__CORE__EXECUTOR": MODULE_PATH, "PYTHONPATH": path}
    scheduler = deployment.airflow.start_component("scheduler", env=env)
    try:
        run = DagRun(deployment, "witness_one", "by-module-path")
        run.trigger()
        run.follow(timeout=120)
        result = run.result()
        assert result.problems() == []
        # Python has compiled it where it was imported from.
        assert list((site_packages / "airflow" / "executors" / "__pycache__").glob("fargate_executor.*"))
        assert witness.runs(result.run_id) == {launch.id: 1 for launch in result.launches}
    finally:
        scheduler.stop()
