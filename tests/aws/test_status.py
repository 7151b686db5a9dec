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
from tools.aws.place import Place
from tools.aws.stacks import Stacks
from tools.aws.status import Status

from tests.aws.cloudformation import FakeAccount, FakeCloudFormation

HERE = Place("123456789012", "eu-west-1", "arn:aws:iam::123456789012:user/one")
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
        code = Status("airflow", account.client, stacks, Console(file=printed, width=200), HERE).run()
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


def scheduler(running, desired=1):
    """Return an ECS service, as DescribeServices has it."""
    said = "(service airflow-scheduler) was unable to place a task."
    return {
        "serviceArn": "arn:aws:ecs:us-east-1:123456789012:service/airflow/airflow-scheduler",
        "serviceName": "airflow-scheduler",
        "runningCount": running,
        "desiredCount": desired,
        "events": [{"message": said}] + [{"message": f"{n} older"} for n in range(1, 9)],
    }


@pytest.fixture
def whole(service, account):
    """Put a whole Airflow there, with these ECS services and parameters."""

    def add(*services, **parameters):
        service.add("airflow-airflow", "CREATE_COMPLETE", **parameters)
        one = {"ResourceType": "AWS::ECS::Service", "ResourceStatus": "CREATE_COMPLETE"}
        service.resources["airflow-airflow"] = [
            one | {"LogicalResourceId": "Any", "PhysicalResourceId": each["serviceArn"]} for each in services
        ]
        account.services = list(services)

    return add


def test_a_deployment_that_is_not_there(shown):
    code, printed = shown()
    assert code == 1
    assert printed == (
        "There is no deployment airflow in eu-west-1 of account 123456789012: "
        "scripts/aws/deploy --name airflow --region eu-west-1 makes one.\n"
    )


@pytest.mark.parametrize("trials", [True, False])
def test_the_stack_of_the_trials_is_shown_as_long_as_it_is_there(service, shown, trials):
    """It mostly is not, other than the rest of a whole deployment."""
    service.add("airflow-network", "CREATE_COMPLETE", Kind="public")
    if trials:
        service.add("airflow-verify", "CREATE_COMPLETE")
    code, printed = shown()
    assert code == 0
    assert "airflow-tasks: not there" in printed
    assert ("airflow-verify" in printed) == trials


def test_addresses_come_on_top_of_what_costs_by_the_hour(service, account, shown):
    service.add("airflow-tasks", "CREATE_COMPLETE")
    assert "Cost now: nothing by the hour.\n" in shown()[1]
    account.ecs_tasks = [api_server(group="airflow")]
    assert "a month: prices of US East (N. Virginia); public addresses come on top.\n" in shown()[1]


def test_a_service_that_does_not_run_says_why(shown, whole):
    """With its last events alone, where its log is, and another exit code."""
    whole(scheduler(running=0))
    code, printed = shown()
    assert code == 1
    for words in (
        "airflow-scheduler: 0 of 1 running",
        "unable to place a task",
        "Its log: /ecs/airflow-components",
    ):
        assert words in printed
    assert "8 older" not in printed


@pytest.mark.parametrize(("running", "paused"), [(1, "no"), (0, "yes")])
def test_services_that_run_or_are_not_to_run(shown, whole, running, paused):
    """What they did before is of no interest."""
    whole(scheduler(running, desired=running), Paused=paused)
    code, printed = shown()
    assert code == 0
    assert f"airflow-scheduler: {running} of {running} running" in printed
    assert ("Paused: deploy resumes it" in printed) == (paused == "yes")
    assert "unable to place" not in printed
    assert "Its log" not in printed


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
        ({"lastStatus": "PENDING"}, "true", "No API server that can be entered runs yet.\n"),
        ({"enableExecuteCommand": False}, "true", "No API server that can be entered runs yet.\n"),
        ({"group": "service:other-api-server"}, "true", "No API server that can be entered runs yet.\n"),
        ({}, "false", "from within the VPC"),
    ],
)
def test_no_command_where_nothing_can_be_entered(service, account, shown, differs, enabled, says):
    service.add("airflow-airflow", "CREATE_COMPLETE", EnableExecuteCommand=enabled)
    account.ecs_tasks = [api_server(**differs)]
    _, printed = shown()
    assert says in printed
    assert "start-session" not in printed
