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
"""A real Airflow runs the quick start's Dag on what the quick start's commands have made."""

from __future__ import annotations

import json
from functools import partial

import boto3
import pytest
from tools.harness.dag_run import DagRun

from tests.bench.quick_start import REGION, QuickStart, make_what_is_asked_for

API_URL = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"


@pytest.fixture
def quick_start(deployment, tmp_path):
    """The quick start in a Region of its own, with the API server of the deployment; nothing of it is left."""
    endpoint = deployment.fargate.told["endpoint_url"]
    session = boto3.session.Session("any", "key", region_name=REGION)
    make_what_is_asked_for(partial(session.client, endpoint_url=endpoint))
    quick_start = QuickStart(tmp_path, endpoint, deployment.airflow.settings.address)
    quick_start.save_files()
    quick_start.make()
    yield quick_start
    quick_start.delete()


def the_image(settings):
    """Return what stands in for the image: requests tell the process where Airflow and the Dags are, and no more."""
    inside = {name: value for name, value in settings.container().items() if name != API_URL}
    override = {"environment": [{"name": name, "value": value} for name, value in inside.items()]}
    return json.dumps({"overrides": {"containerOverrides": [override]}})


@pytest.mark.usefixtures("same_on_all_releases")
def test_the_first_dag_runs(deployment, quick_start):
    """The scheduler has the page's options; the container has the API server's address from the definition."""
    airflow = deployment.airflow
    options = {**quick_start.options["fargate"], "run_task_kwargs": the_image(airflow.settings)}
    env = {f"AIRFLOW__FARGATE__{name.upper()}": value for name, value in options.items()}
    airflow.scheduler.stop()
    scheduler = airflow.start_component("scheduler", env=env)
    try:
        run = DagRun(deployment, "hello", "quick-start")
        run.trigger()
        run.follow(timeout=120)
        result = run.result()
    finally:
        scheduler.stop()
    assert result.problems() == []
    assert "Hello from" in quick_start.log()
