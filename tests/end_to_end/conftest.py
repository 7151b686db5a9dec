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
from __future__ import annotations

import importlib.metadata
import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from harness.demo import DAG_FILE
from harness.deployment import Deployment
from harness.releases import RELEASES

# A scheduler's death is noticed within seconds rather than minutes.
QUICK_TO_ADOPT = {
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "6",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
}


class Witness:
    """Knows which launches' own code has run."""

    def __init__(self, path):
        self.path = path

    def runs(self, run_id):
        """How often the code of each launch of a DAG run has begun, by the launch's id."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        identities = [json.loads(line) for line in lines]
        return Counter(i["launch"] for i in identities if i["run_id"] == run_id)


@pytest.fixture(scope="session")
def release():
    version = importlib.metadata.version("apache-airflow")
    return RELEASES[".".join(version.split(".")[:2])]


@pytest.fixture(scope="session")
def environment():
    """The environment that the tests run in, which has that release with the overlay on it."""
    return Path(sys.prefix)


@pytest.fixture(scope="session")
def witness(tmp_path_factory):
    return Witness(tmp_path_factory.mktemp("witness") / "runs")


@pytest.fixture(scope="session")
def shared_deployment(release, environment, witness):
    dags = [DAG_FILE, Path(__file__).parent / "dags" / "witness.py"]
    container_env = {"WITNESS_FILE": str(witness.path)}
    with Deployment(
        release, environment, dags=dags, extra=QUICK_TO_ADOPT, container_env=container_env
    ) as deployment:
        yield deployment


@pytest.fixture
def deployment(shared_deployment):
    """The deployment that the tests share, as it was at its start whatever the test before has done to it."""
    shared_deployment.fargate.reset()
    if shared_deployment.airflow.scheduler.exit_code is not None:
        shared_deployment.airflow.start_component("scheduler")
    return shared_deployment


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    shared = getattr(item, "funcargs", {}).get("shared_deployment")
    if report.failed and shared:
        report.sections.append(("scheduler's log", shared.airflow.scheduler.tail(80)))
    return report
