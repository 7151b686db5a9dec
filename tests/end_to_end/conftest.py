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
from tools.harness.demo import DAG_FILE
from tools.harness.deployment import Deployment
from tools.harness.releases import NEWEST, RELEASES

from tests.bench.quick_start import files

# A scheduler's death is noticed within seconds rather than minutes.
QUICK_TO_ADOPT = {
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "6",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
}

# So is that a task instance has no ECS task: the executor waits a minute. Probes for capacity are rarer than usual, so
# that a test can stop a scheduler between two of them.
OTHER_TIMES = {
    "PYTHONPATH": str(Path(__file__).parent / "scheduler_settings"),
    "EXECUTOR_TIMES": json.dumps(
        {"fleet.adoption.CONSISTENCY": 10.0, "fleet.capacity_queue.PROBE_BACK_OFF": [20.0, 30.0]}
    ),
}

# So is a task that is queued for too long. No launch begins with less than a minute of its token's life left, which
# from 3.2 on lasts as long as this; nor may a slow machine need as long for what the tests wait for.
SOON_REVOKED = {
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "240",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
}


# The modules whose tests run while a task is stuck; the first one launches that task. In none of them has a scheduler
# another executor, cluster or database than usual.
BESIDE_STUCK = ("test_scheduler_death", "test_bad_input", "test_example_dag", "test_logs", "test_tries")


# No file of a DAG changes while the tests run: Airflow would read all of them again every half minute.
FILES_STAY = {
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
    "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "300",
}


DAGS = ("witness", "bad_input", "options", "two_executors", "talks", "tries")


class Witness:
    """Knows which launches' own code has run."""

    def __init__(self, path):
        self.path = path

    def runs(self, run_id):
        """How often the code of each launch of a DAG run has begun, by the launch's id."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        identities = [json.loads(line) for line in lines]
        return Counter(i["launch"] for i in identities if i["run_id"] == run_id)

    def release(self, run_id):
        """Let the tasks of a DAG run end that wait for it."""
        Path(f"{self.path}-released-{run_id}").touch()

    def was_killed(self, run_id):
        """Whether on_kill() of a task of a DAG run was called."""
        return Path(f"{self.path}-killed-{run_id}").exists()


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "waits_for_stuck: comes after the tests that run while a task is stuck"
    )


@pytest.fixture(scope="session")
def release():
    version = importlib.metadata.version("apache-airflow")
    return RELEASES[".".join(version.split(".")[:2])]


@pytest.fixture(scope="session")
def same_on_all_releases(request, release):
    """Skip what does not depend on the release but on the newest; with ``--long`` it runs on every one."""
    if release.line != NEWEST and not request.config.getoption("--long"):
        pytest.skip("it does not depend on the release, and runs on the newest")


@pytest.fixture(scope="session")
def environment():
    """The environment that the tests run in, which has that release with the overlay on it."""
    return Path(sys.prefix)


@pytest.fixture(scope="session")
def witness(tmp_path_factory):
    return Witness(tmp_path_factory.mktemp("witness") / "runs")


@pytest.fixture(scope="session")
def scale(request):
    """Return how many tasks run while schedulers die at random, how many of these do, and the longest task's seconds."""
    return (40, 10, 60) if request.config.getoption("--long") else (12, 3, 20)


@pytest.fixture(scope="session")
def quick_start_dag(tmp_path_factory):
    """The file of the Dag that the quick start shows."""
    path = tmp_path_factory.mktemp("quick-start-dag") / "hello.py"
    path.write_text(files()["dags/hello.py"])
    return path


@pytest.fixture(scope="session")
def shared_deployment(release, environment, witness, scale, quick_start_dag):
    folder = Path(__file__).parent / "dags"
    dags = [DAG_FILE, *(folder / f"{name}.py" for name in DAGS)]
    if release.executes_callbacks:
        dags += [folder / "misses_deadlines.py", folder / "callbacks.py"]
    if release.has_teams:
        dags += [folder / "waits.py"]
    if release.line == NEWEST:
        dags += [quick_start_dag]
    if release.has_loops:
        dags += [folder / "loops.py"]
    tasks = {"WITNESS_TASKS": str(scale[0]), "WITNESS_SECONDS": str(scale[2])}
    # Without the executor's name a container could not read the file of a Dag whose tasks name it.
    container_env = {
        "WITNESS_FILE": str(witness.path),
        "AIRFLOW__CORE__EXECUTOR": "FargateExecutor",
        **tasks,
    }
    extra = QUICK_TO_ADOPT | OTHER_TIMES | SOON_REVOKED | FILES_STAY | tasks
    with Deployment(release, environment, dags=dags, extra=extra, container_env=container_env) as deployment:
        yield deployment


@pytest.fixture
def deployment(shared_deployment):
    """The deployment that the tests share, as it was at its start whatever the test before has done to it."""
    shared_deployment.fargate.reset()
    shared_deployment.airflow.revive()
    return shared_deployment


def pytest_collection_modifyitems(items):
    """
    Run first what needs no deployment that the tests share, since that one is busy even where nobody asks it.

    Then comes what can run while a task is stuck, and what waits for that task. Last comes what starts the
    deployment's API server anew, so that nobody has to wait for the usual one again.
    """

    def place(item):
        uses, module = getattr(item, "fixturenames", ()), item.path.stem
        if "shared_deployment" not in uses:
            return (False,)
        waits = item.get_closest_marker("waits_for_stuck") is not None
        return True, "team_settings" in uses, module not in BESIDE_STUCK, waits, module != BESIDE_STUCK[0]

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    shared = getattr(item, "funcargs", {}).get("shared_deployment")
    if report.failed and shared:
        report.sections.append(("scheduler's log", shared.airflow.scheduler.tail(80)))
    return report
