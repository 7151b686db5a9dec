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
"""What runs in the account for ``scripts/aws/verify``, as it is started there, on the local Fargate."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess

import pytest
from tools.aws.inside import payload
from tools.aws.inside.lines import TOKEN
from tools.harness.deployment import PRELOAD
from tools.harness.fargate_process import LocalFargate
from tools.harness.postgres import Postgres
from tools.harness.processes import free_port
from tools.harness.releases import NEWEST

LINE = ".".join(importlib.metadata.version("apache-airflow").split(".")[:2])
pytestmark = pytest.mark.skipif(LINE not in ("3.3", NEWEST), reason="the trials are for 3.3 and newer")

#: Those that ministack cannot do; ``tests/aws/test_account.py`` has it do the others but for two, which take minutes.
EXPECTED = dict.fromkeys(("image", "stopped", "no-capacity"), "as expected")
NO_IMAGE = "no-such-image"
#: Twelve tasks of a quarter of a vCPU at once.
SETTINGS = {"vcpu_quota": 3.0, "faults": [{"kind": "start_failure", "reason": "image", "image": NO_IMAGE}]}
DEFINITION = ("requiresCompatibilities", "networkMode", "cpu", "memory", "containerDefinitions")
#: Seconds, for a busy machine; on a quiet one it takes a minute.
PATIENCE = 480


@pytest.fixture
def postgres():
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def base(environment, tmp_path):
    """What each process of this test has in its environment."""
    (tmp_path / "tmp").mkdir()
    path = os.pathsep.join((str(environment / "bin"), os.environ["PATH"]))
    return {"PATH": path, "HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"), "SSL_CERT_FILE": os.devnull}


@pytest.fixture
def fargate(environment, tmp_path, base):
    local = LocalFargate(environment / "bin" / "python", tmp_path, base, PRELOAD[3], **SETTINGS)
    try:
        local.start()
        yield local
    finally:
        local.stop()


def register(fargate, packed):
    """Register the task definitions of the tasks, as the command does."""
    ecs = fargate.client("ecs")
    usual = ecs.describe_task_definition(taskDefinition=fargate.told["task_definition"])["taskDefinition"]
    (container,) = usual["containerDefinitions"]
    container["entryPoint"] = payload.TASK_ENTRY_POINT
    variables = payload.task_environment(packed)
    container["environment"] += [{"name": name, "value": value} for name, value in variables.items()]
    for family, image in (("verify-task", container["image"]), ("verify-no-image", NO_IMAGE)):
        container["image"] = image
        ecs.register_task_definition(family=family, **{member: usual[member] for member in DEFINITION})


def variables(fargate, postgres):
    told = fargate.told
    return {
        "AWS_ENDPOINT_URL": told["endpoint_url"],
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "VERIFY_CLUSTER": told["cluster"],
        "VERIFY_DEPLOYMENT": "airflow-verify",
        "VERIFY_TASK_DEFINITION": "verify-task",
        "VERIFY_BROKEN_TASK_DEFINITION": "verify-no-image",
        "VERIFY_CONTAINER": told["container_name"],
        "VERIFY_SUBNETS": ",".join(told["subnets"]),
        "VERIFY_SECURITY_GROUPS": ",".join(told["security_groups"]),
        "VERIFY_REGION": told["region"],
        "VERIFY_TRIALS": ",".join(EXPECTED),
        "VERIFY_DATABASE": postgres.uri,
        "VERIFY_API_PORT": str(free_port()),
    }


def test_the_trials_end_as_expected_and_nothing_stays(fargate, postgres, base, tmp_path):
    """Each trial has its row and its recording; no ECS task runs on, and no token is printed."""
    packed = payload.pack()
    register(fargate, packed)
    environment = base | variables(fargate, postgres) | {payload.PAYLOAD: packed}
    done = subprocess.run(
        payload.START,
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    said = [
        json.loads(line.removeprefix("VERIFY ")) for line in done.stdout.splitlines() if line[:7] == "VERIFY "
    ]
    assert said[0]["airflow"].startswith(LINE)
    assert said[-1] == {"kind": "end"}
    rows = {row["trial"]: row for row in said if row["kind"] == "trial"}
    assert {name: row["verdict"] for name, row in rows.items()} == EXPECTED, rows
    assert {one["trial"] for one in said if one["kind"] == "recording"} == set(EXPECTED)
    tasks = fargate.tasks()
    assert {task["lastStatus"] for task in tasks} == {"STOPPED"}
    counted = [one["arn"] for row in rows.values() for one in row["ecs_tasks"]]
    assert sorted(counted) == sorted(task["taskArn"] for task in tasks)
    assert not TOKEN.search(done.stdout)
