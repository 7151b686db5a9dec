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
"""
The quick start makes what it names: its commands are run by a shell, with the AWS CLI, against the local Fargate.

There is no container engine, so that Docker is a recorder; all other services are moto's.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tools.simulator.server import LocalFargate

from airflow.cli.cli_parser import get_parser
from airflow.executors.fargate.launch import Launch, TaskInstanceId

from tests.bench.quick_start import REGION, VERSION, QuickStart, files, make_what_is_asked_for, section

ACCOUNT = "123456789012"
API = "http://api.example:9090"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/airflow:{VERSION}"
ROLES = ("airflow-execution", "airflow-task")
TASK = TaskInstanceId("hello", "where", "run", 1)
#: What a check cannot test, and what the local Fargate has not: a default route, the name of the API server.
NOT_TESTED = {"ecs:RunTask", "ecs:StopTask", "ecs:TagResource", "iam:PassRole", "public IP", "execution API"}


@pytest.fixture(scope="module")
def fargate():
    with LocalFargate({"provisioning_time": 0.03, "stopping_time": 0.03}, region=REGION) as fargate:
        yield fargate


@pytest.fixture(scope="module")
def client(fargate):
    """Return a function that makes a client of a service."""
    return fargate.client


@pytest.fixture(scope="module")
def api_group(client):
    """The id of the API server's security group, which is there before."""
    return make_what_is_asked_for(client)


@pytest.fixture(scope="module")
def made(fargate, api_group, tmp_path_factory):
    """The quick start after its commands have run."""
    quick_start = QuickStart(tmp_path_factory.mktemp("quick-start"), fargate.endpoint_url, API)
    quick_start.save_files()
    quick_start.make()
    return quick_start


@pytest.fixture(scope="module")
def definition(made, client):
    return client("ecs").describe_task_definition(taskDefinition="airflow-task")["taskDefinition"]


def test_nothing_is_left_of_the_example(made, client, definition):
    """What the reader has is in the definition, the options and the policy. The account is moto's, that of the example."""
    policy = client("iam").get_role_policy(RoleName="airflow-scheduler", PolicyName="airflow-fargate")
    shown = json.dumps([policy["PolicyDocument"], definition, made.options], default=str)
    assert [one for one in ("0123456789abcdef0", "eu-west-1", "3.3.2", "airflow-api") if one in shown] == []


@pytest.mark.parametrize("name", ["task-definition.json", "scheduler-policy.json"])
def test_the_account_is_the_reader_s(made, name):
    """``fill`` replaces that of the example each time."""
    names = next(snippet.text for snippet in section() if snippet.language == "bash")
    [fill] = re.findall(r"^fill\(\) \{\n.*?^\}\n", names, re.MULTILINE | re.DOTALL)
    variables = "ACCOUNT=210987654321 AWS_REGION=r VERSION=v API=a GROUP=g SUBNETS=s\n"
    script = f"{variables}{fill}fill {name}"
    filled = subprocess.run(
        ["sh", "-eu", "-c", script], cwd=made.folder, capture_output=True, text=True, check=True
    )
    assert files()[name].count(ACCOUNT) == filled.stdout.count("210987654321") > 1
    assert ACCOUNT not in filled.stdout


def test_image(made, client):
    """It is built for the platform of the task definition, from Airflow's image with the Dag, and pushed where that looks."""
    built = [line.split() for line in (made.folder / "docker.log").read_text().splitlines()]
    assert [command[0] for command in built] == ["login", "build", "push"]
    assert built[0][-1] == IMAGE.partition("/")[0]
    assert built[1] == ["build", "--platform", "linux/amd64", "--tag", IMAGE, "."]
    assert built[2] == ["push", IMAGE]
    assert (made.folder / "Dockerfile").read_text() == (
        f"FROM apache/airflow:{VERSION}\nCOPY dags /opt/airflow/dags\n"
    )
    tags = client("ecr").describe_images(repositoryName="airflow")["imageDetails"][0]["imageTags"]
    assert tags == [VERSION]


def test_log_group(made, client):
    [group] = client("logs").describe_log_groups(logGroupNamePrefix="/ecs/airflow")["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == ("/ecs/airflow", 14)


@pytest.mark.parametrize(
    ("role", "policies"), [("airflow-execution", ["AmazonECSTaskExecutionRolePolicy"]), ("airflow-task", [])]
)
def test_roles(made, client, role, policies):
    """ECS tasks alone may assume them; only the execution role may do something."""
    iam = client("iam")
    [trust] = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == policies
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == []


def test_security_group(made, client, api_group):
    """The ECS tasks reach everything and nothing reaches them; the API server lets them in."""
    ec2, own = client("ec2"), made.options["fargate"]["security_groups"]
    [group, api] = (
        ec2.describe_security_groups(GroupIds=[one])["SecurityGroups"][0] for one in (own, api_group)
    )
    assert (group["GroupName"], group["IpPermissions"]) == ("airflow-tasks", [])
    assert [rule["IpProtocol"] for rule in group["IpPermissionsEgress"]] == ["-1"]
    [rule] = api["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"], rule["UserIdGroupPairs"][0]["GroupId"]) == (9090, 9090, own)


def test_cluster(made, client):
    [cluster] = client("ecs").describe_clusters(clusters=["airflow"])["clusters"]
    assert (cluster["status"], cluster["capacityProviders"]) == ("ACTIVE", ["FARGATE", "FARGATE_SPOT"])


def test_task_definition(definition):
    """It has what the other steps have made."""
    [container] = definition["containerDefinitions"]
    assert container["image"] == IMAGE
    assert container["environment"] == [
        {"name": "AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "value": f"{API}/execution/"}
    ]
    assert container["logConfiguration"]["options"]["awslogs-region"] == REGION
    roles = (definition["executionRoleArn"], definition["taskRoleArn"])
    assert roles == tuple(f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ROLES)


def test_policy_of_the_scheduler(made, client, definition):
    """It is the page's, for this cluster, this family and these roles."""
    policy = client("iam").get_role_policy(RoleName="airflow-scheduler", PolicyName="airflow-fargate")
    statements = {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}
    family, _, _ = definition["taskDefinitionArn"].rpartition(":")
    assert statements["Launch"]["Resource"] == f"{family}:*"
    passed = statements["GiveTasksTheirRoles"]["Resource"]
    assert set(passed) == {definition["executionRoleArn"], definition["taskRoleArn"]}


def test_check_finds_nothing_wrong(made):
    """``airflow fargate check`` with the options that the page makes; what it does not test is named here."""
    folder = made.folder / "home"
    folder.mkdir()
    (folder / "airflow.cfg").write_text((made.folder / "airflow.cfg").read_text())
    env = os.environ | made.env | {"AIRFLOW_HOME": str(folder), "PATH": os.environ["PATH"]}
    command = [Path(sys.executable).with_name("airflow"), "fargate", "check", "--output", "json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    rows = json.loads(done.stdout[done.stdout.index("[") :])
    assert {row["check"] for row in rows if row["result"] == "not tested"} == NOT_TESTED
    assert [row for row in rows if row["result"] not in ("ok", "not tested")] == []


def test_a_launch_runs(made, client, read_config, make_builder):
    """The executor's request starts a container from the definition, and its line is where the page looks for it."""
    launch = Launch(TASK, TASK, command=("echo", "Hello from a container"))
    request = make_builder(read_config(made.options["fargate"]))(launch).request
    ecs = client("ecs")
    answer = ecs.run_task(**request)
    [task] = answer["tasks"]
    deadline = time.monotonic() + 15
    while task["lastStatus"] != "STOPPED":
        assert time.monotonic() < deadline, task
        time.sleep(0.05)
        [task] = ecs.describe_tasks(cluster="airflow", tasks=[task["taskArn"]])["tasks"]
    assert [one["exitCode"] for one in task["containers"]] == [0]
    assert "Hello from a container" in made.log()


def test_airflow_has_the_command_of_the_first_run():
    """Its parser takes it."""
    [line] = [snippet.text for snippet in section() if snippet.language == "console"]
    prompt, program, *arguments = line.split()
    assert (prompt, program) == ("$", "airflow")
    assert get_parser().parse_args(arguments).dag_id == "hello"


def test_the_end_leaves_nothing(made, client, api_group):
    """The last step deletes all that the others have made, and leaves what was there before."""
    made.delete()
    ecs, iam, ec2 = client("ecs"), client("iam"), client("ec2")
    assert client("ecr").describe_repositories()["repositories"] == []
    assert client("logs").describe_log_groups(logGroupNamePrefix="/ecs/airflow")["logGroups"] == []
    roles = {role["RoleName"] for role in iam.list_roles()["Roles"]}
    assert roles & {"airflow-scheduler", *ROLES} == {"airflow-scheduler"}
    assert iam.list_role_policies(RoleName="airflow-scheduler")["PolicyNames"] == []
    groups = {one["GroupName"]: one for one in ec2.describe_security_groups()["SecurityGroups"]}
    assert {"airflow-api"} <= {*groups} <= {"airflow-api", "default"}
    assert groups["airflow-api"]["IpPermissions"] == []
    clusters = ecs.describe_clusters(clusters=["airflow"])["clusters"]
    assert [one["status"] for one in clusters] in ([], ["INACTIVE"])
    assert ecs.list_task_definitions(familyPrefix="airflow-task")["taskDefinitionArns"] == []
