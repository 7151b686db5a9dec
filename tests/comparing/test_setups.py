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
"""What each executor is configured with: the same of Airflow's settings, and nothing of the other's."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tools.benchmarking.scenarios import INCUMBENT, OURS
from tools.comparing import setups
from tools.comparing.rows import WITH_CLOUDWATCH

TOLD = {
    "cluster": "c", "container_name": "airflow", "region": "us-east-1", "endpoint_url": "http://127.0.0.1:1",
    "security_groups": ["sg-1"], "subnets": ["subnet-1", "subnet-2"], "task_definition": "airflow:1",
}  # fmt: skip
LOGGING = "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS"
#: What the incumbent alone has, by how it begins.
ITS_OWN = ("AIRFLOW__AWS_ECS_EXECUTOR__", "AIRFLOW_CONN_", "AWS_", LOGGING)


class Fargate:
    """A local Fargate that remembers what was registered."""

    told = TOLD

    def __init__(self):
        self.registered = {}

    def register(self, family, **environment):
        self.registered[family] = environment
        return f"{family}:1"

    def client(self, service):
        groups = {"logGroups": [{"arn": f"arn:aws:logs:us-east-1:1:log-group:{setups.TASK_LOGS}:*"}]}
        return SimpleNamespace(create_log_group=lambda **_: None, describe_log_groups=lambda **_: groups)


def test_both_have_the_same_settings_of_airflow():
    """They differ in the executor and its own options; the default logging is the incumbent's."""
    ours, incumbent = (setups.airflow_env(setup, Fargate()) for setup in (OURS, INCUMBENT))
    differs = dict(incumbent.items() - ours.items())
    assert differs.pop("AIRFLOW__CORE__EXECUTOR").endswith(".AwsEcsExecutor")
    assert {name for name in differs if not name.startswith(ITS_OWN)} == set()
    assert ours.keys() <= incumbent.keys()
    assert incumbent["AIRFLOW__AWS_ECS_EXECUTOR__SUBNETS"] == "subnet-1,subnet-2"


@pytest.mark.parametrize("setup", [INCUMBENT, WITH_CLOUDWATCH])
def test_the_incumbent_has_airflow_s_own_logging(setup):
    assert setups.airflow_env(setup, Fargate())[LOGGING] == setups.container_env(setup)[LOGGING] == ""


def test_remote_logging_is_known_to_airflow_and_to_the_containers():
    """The containers learn of it by a task definition of its own."""
    fargate = Fargate()
    env = setups.airflow_env(WITH_CLOUDWATCH, fargate)
    assert env["AIRFLOW__AWS_ECS_EXECUTOR__TASK_DEFINITION"] == "logs-to-cloudwatch:1"
    folder = f"cloudwatch://arn:aws:logs:us-east-1:1:log-group:{setups.TASK_LOGS}"
    for part in (env, fargate.registered["logs-to-cloudwatch"]):
        assert part["AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER"] == folder
        assert part["AWS_ENDPOINT_URL"] == TOLD["endpoint_url"]
