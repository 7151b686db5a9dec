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
"""Teams: an executor of each one's own, with options of its own, beside the one of all others."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from tools.harness.dag_run import DagRun
from tools.harness.processes import wait_until

TEAM = "science"
COMPONENTS = ("api-server", "dag-processor", "scheduler")
BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"
DAG_FILE = Path(__file__).parent / "dags" / "waits.py"


def bundles(folder):
    """Return what Airflow's components, and the team's containers, know of the bundles: the second one is the team's."""
    config = [
        {"name": "dags-folder", "classpath": BUNDLE, "kwargs": {}},
        {"name": TEAM, "classpath": BUNDLE, "kwargs": {"path": str(folder)}, "team_name": TEAM},
    ]
    return {
        "AIRFLOW__CORE__MULTI_TEAM": "True",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(config),
    }


def stop(airflow):
    """Stop what has to know of teams."""
    for name in COMPONENTS:
        airflow.processes[name].ask_to_end()
    for name in COMPONENTS:
        airflow.processes[name].stop()


@pytest.fixture
def team_settings(deployment, release):
    """Have Airflow run with a team; return the settings of its components."""
    if not release.has_teams:
        pytest.skip("from 3.2 on")
    airflow = deployment.airflow
    folder = deployment.folder / TEAM
    folder.mkdir()
    shutil.copy(DAG_FILE, folder)
    settings = bundles(folder)
    deployment.fargate.client("ecs").create_cluster(
        clusterName=TEAM, capacityProviders=["FARGATE", "FARGATE_SPOT"]
    )
    options = {
        name.removeprefix("AIRFLOW__FARGATE__"): value
        for name, value in airflow.env.items()
        if name.startswith("AIRFLOW__FARGATE__")
    } | {
        "CLUSTER": TEAM,
        "DEPLOYMENT": TEAM,
        "TASK_DEFINITION": deployment.fargate.register(TEAM, **settings),
        "TAGS": '{"paid-by": "science"}',
    }
    settings |= {f"AIRFLOW__{TEAM.upper()}___FARGATE__{name}": value for name, value in options.items()}
    settings["AIRFLOW__CORE__EXECUTOR"] = f"FargateExecutor;{TEAM}=FargateExecutor"
    # With the setting of teams: from 3.4 on the team gets a pool then.
    airflow.command("teams", "create", TEAM, env=settings)
    stop(airflow)
    for name in COMPONENTS:
        airflow.start_component(name, env=settings)
    airflow.wait_until_well()
    yield settings
    stop(airflow)


def container_of(deployment, run):
    """Return what the local Fargate knows of the one container of a Dag's run."""
    (entry,) = (
        entry
        for entry in deployment.fargate.tasks()
        if {"key": "airflow:dag_id", "value": run.dag_id} in entry["tags"]
    )
    return entry


def paid_by(entry):
    """Return what a container's tags tell of the team, and of the deployment."""
    tags = {tag["key"]: tag["value"] for tag in entry["tags"]}
    return tags.get("paid-by"), tags["airflow:deployment"]


def text_of(log):
    """Return what a log has by now."""
    return log.read_text(errors="replace")


def followed(scheduler, since):
    """Return the Dags whose containers a scheduler follows, by its log after so many characters."""
    return set(re.findall(r"ECS task \S+ is for (waits_in_\w+)\.work ", text_of(scheduler.log)[since:]))


def test_each_team_s_tasks_run_as_its_own_options_say(deployment, team_settings):
    """A team's task runs in the team's cluster and any other task in the usual one, and the next scheduler adopts both."""
    airflow = deployment.airflow
    dags = ("waits_in_science", "waits_in_dags")
    runs = [DagRun(deployment, dag_id, f"{dag_id}-1") for dag_id in dags]
    for run in runs:
        run.trigger()
    for run in runs:
        run.follow(until=lambda tis: [ti.state for ti in tis] == ["running"], timeout=120)
    airflow.scheduler.kill()
    before = len(text_of(airflow.scheduler.log))
    airflow.start_component("scheduler", env=team_settings)
    wait_until(
        lambda: followed(airflow.scheduler, before) == set(dags), timeout=120, what="both to be adopted"
    )
    (airflow.settings.home / "let-go").touch()
    for run in runs:
        run.follow(timeout=120)
        assert run.result().problems() == []
    of_team, of_others = (container_of(deployment, run) for run in runs)
    assert paid_by(of_team) == ("science", TEAM)
    assert paid_by(of_others) == (None, "airflow")
    clusters = [entry["clusterArn"].rsplit("/", 1)[-1] for entry in (of_team, of_others)]
    assert clusters == [TEAM, deployment.fargate.told["cluster"]]
