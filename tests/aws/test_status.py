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
"""``scripts/aws/status``: what is there, what it costs, and the way to the UI."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from tools.aws.stacks import Stacks
from tools.aws.status import status

from tests.aws.cloudformation import FakeAccount, FakeCloudFormation

COMMAND = (
    "aws ssm start-session --region us-east-1 --target ecs:airflow_0123_0123-456 --document-name "
    "AWS-StartPortForwardingSession --parameters portNumber=8080,localPortNumber=8080"
)


@pytest.fixture
def service(monkeypatch):
    return FakeCloudFormation(monkeypatch)


@pytest.fixture
def account(service):
    return FakeAccount(service)


@pytest.fixture
def shown(service, account):
    """Run the command, and return its exit code and what it printed."""

    def run():
        printed = io.StringIO()
        stacks = Stacks(service.client, lambda _: None, service.sleep)
        code = status("airflow", account.client, stacks, Console(file=printed, width=200))
        return code, printed.getvalue()

    return run


def api_server(**differs):
    """Return an ECS task of the API server's service, as DescribeTasks has it."""
    return {
        "taskArn": "arn:aws:ecs:us-east-1:123456789012:task/airflow/0123",
        "taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/airflow-api-server:1",
        "group": "service:airflow-api-server",
        "lastStatus": "RUNNING",
        "enableExecuteCommand": True,
        "cpu": "512",
        "memory": "2048",
        "launchType": "FARGATE",
        "containers": [{"name": "guard"}, {"name": "api-server", "runtimeId": "0123-456"}],
    } | differs


def test_a_deployment_that_is_not_there(shown):
    code, printed = shown()
    assert code == 1
    assert "airflow-network: not there" in printed
    assert "nothing by the hour" in printed


def test_what_tasks_cost_now(service, account, shown):
    """The ECS tasks that run, Spot at its discount; the options are not repeated."""
    service.add("airflow-tasks", "CREATE_COMPLETE", DeploymentName="airflow")
    account.ecs_tasks = [api_server(group="airflow"), api_server(capacityProviderName="FARGATE_SPOT")]
    code, printed = shown()
    assert code == 0
    assert "$0.038 an hour" in printed  # 0.02913 and 0.3 x 0.02913
    assert "FargateSection" not in printed


def test_a_whole_airflow_has_a_way_to_its_ui(service, account, shown):
    """The command is whole, with the ids of the container that runs now; its services are not counted twice."""
    service.add("airflow-tasks", "CREATE_COMPLETE")
    service.add("airflow-airflow", "CREATE_COMPLETE", EnableExecuteCommand="true")
    account.ecs_tasks = [api_server()]
    code, printed = shown()
    assert code == 0
    assert f"\n  {COMMAND}\n" in printed
    assert "--secret-id airflow/admin-password" in printed
    # The database with its storage, the load balancer, six secrets, the zone, and the API server.
    assert f"${0.016 + 2.30 / 730 + 0.0225 + 2.90 / 730 + 0.02913:.3f} an hour" in printed


@pytest.mark.parametrize(
    ("differs", "enabled", "says"),
    [
        ({"lastStatus": "PENDING"}, "true", "No API server that can be entered runs yet"),
        ({"enableExecuteCommand": False}, "true", "No API server that can be entered runs yet"),
        ({"group": "service:other-api-server"}, "true", "No API server that can be entered runs yet"),
        ({}, "false", "from within the VPC"),
    ],
)
def test_no_command_where_nothing_can_be_entered(service, account, shown, differs, enabled, says):
    service.add("airflow-airflow", "CREATE_COMPLETE", EnableExecuteCommand=enabled)
    account.ecs_tasks = [api_server(**differs)]
    _, printed = shown()
    assert says in printed
    assert "start-session" not in printed
