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
"""``airflow fargate check --run`` looks around in a real container of the deployment."""

from __future__ import annotations

import importlib.metadata
import json
import platform


def test_check_looks_around_in_a_container(deployment, release):
    """It is one document: Airflow's version, what the container reaches, the Dags, and the phases; nothing is left."""
    endpoint = deployment.fargate.told["endpoint_url"]
    before = len(deployment.fargate.tasks())
    output = deployment.airflow.command(
        "fargate", "check", "--run", "--output", "json", env={"AWS_ENDPOINT_URL_STS": endpoint}
    )
    found = json.loads(output[output.index("[") :])
    rows = {row["check"]: row for row in found}
    version = importlib.metadata.version("apache-airflow")
    assert rows["run: Airflow"]["found"] == f"{version}, as the scheduler"
    server = "execution API" if release.major == 3 else "metadata database"
    assert rows[f"run: {server}"]["result"] == "ok", rows[f"run: {server}"]
    if release.major == 3:
        assert (
            f"127.0.0.1:{deployment.airflow.settings.port}/execution/ answers in "
            in rows["run: execution API"]["found"]
        )
    assert rows["run: architecture"]["found"] == platform.machine()
    (dags,) = (row for check, row in rows.items() if check.startswith("run: Dags"))
    assert dags["result"] == "ok", dags
    phases = [check for check in rows if check.startswith("phase: ")]
    assert phases == [
        f"phase: {name}" for name in ("accepted", "provisioned", "image pulled", "started", "ran", "stopped")
    ]
    (ecs_task,) = deployment.fargate.tasks()[before:]
    assert ecs_task["lastStatus"] == "STOPPED"
    assert [one["exitCode"] for one in ecs_task["containers"]] == [64], "the probe has found nothing wrong"
    assert [row for row in found if row["result"] == "failed"] == []
