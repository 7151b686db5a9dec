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
"""The policies of the templates allow the least that works."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.aws.plans import ALL, API, SECRET, STACKS, as_list, each_stack, policies, policy, stack
from tests.aws.resolver import TEMPLATES
from tests.security.test_permissions import NO_RESOURCE, statements

#: What must be listed without an instance, the only resource that AWS takes for it; the cluster is a condition.
LIST_TASKS = "ecs:ListTasks"
#: Actions for which a policy may name any resource, with the reason.
#: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
ANY_RESOURCE = {
    **dict.fromkeys(NO_RESOURCE, "AWS takes no resource for it"),
    LIST_TASKS: "AWS takes instances alone, which Fargate does not have; the cluster is a condition",
    "ecr:GetAuthorizationToken": "AWS takes no resource for it",
    "ssmmessages:CreateControlChannel": "AWS takes no resource for it",
    "ssmmessages:CreateDataChannel": "AWS takes no resource for it",
    "ssmmessages:OpenControlChannel": "AWS takes no resource for it",
    "ssmmessages:OpenDataChannel": "AWS takes no resource for it",
}
ECR = "arn:aws:ecr:eu-west-1:123456789012:repository/"
LOGS = "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/"
OURS = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:airflow/"
#: What the roles with which AWS starts containers, and who reads Dags, may do, by stack and policy.
STARTS = {
    ("tasks", "ExecutionRole-start-tasks"): {
        "LogInToEcr": ["*"],
        "PullImages": [f"{ECR}airflow"],
        "WriteLogs": [f"{LOGS}airflow:log-stream:*"],
    },
    ("tasks with all", "ExecutionRole-start-tasks"): {
        "LogInToEcr": ["*"],
        "PullImages": [f"{ECR}airflow", f"{ECR}elsewhere"],
        "WriteLogs": [f"{LOGS}airflow:log-stream:*"],
        "ReadTheAddressOfTheDatabase": [SECRET],
        "ReadSecrets": [f"{SECRET}4", f"{SECRET}5"],
    },
    ("airflow with all", "ExecutionRole-start-components"): {
        "LogInToEcr": ["*"],
        "PullImages": [f"{ECR}airflow", f"{ECR}elsewhere"],
        "WriteLogs": [f"{LOGS}airflow-components:log-stream:*"],
        "GiveSecretsToContainers": [
            f"{OURS}{name}-a1b2c3" for name in ("composed", "jwt-secret", "api-secret-key", "admin-password")
        ],
    },
    ("airflow with all", "ReadBucket"): {
        "ListDags": ["arn:aws:s3:::airflow-dags-123456789012-eu-west-1"],
        "ReadDags": ["arn:aws:s3:::airflow-dags-123456789012-eu-west-1/*"],
    },
    ("airflow, a bucket that exists", "ReadBucket"): {
        "ListDags": ["arn:aws:s3:::ours"],
        "ReadDags": ["arn:aws:s3:::ours/*"],
    },
}


@each_stack
def test_parliament_finds_nothing(programs, tmp_path, made):
    """Each action exists, and takes the resources and conditions that it has; a wrong one is found."""
    for name, document in policies(made):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    wrong = {"Effect": "Allow", "Action": "ecs:RunTasks", "Resource": "*"}
    (tmp_path / "wrong.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [wrong]}))
    command = [programs / "parliament", "--directory", tmp_path, "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    details = [json.loads(line)["detail"] for line in done.stdout.splitlines()]
    assert [one for one in details if one != [LIST_TASKS]] == ["Unknown action ecs:RunTasks"], done.stderr


def test_the_schedulers_policy_is_the_documented_one():
    """The statements are those of the page, with one task definition more."""
    documented = {statement["Sid"]: statement for statement in statements()}
    family = documented["Launch"]["Resource"]
    documented["Launch"]["Resource"] = [family, family.replace("airflow-task:", "airflow-task-arm64:")]
    assert policy(STACKS["tasks"], "SchedulerPolicy") == documented


def test_the_api_servers_policy_is_the_documented_one():
    """It has two statements of the scheduler's, and one action of a third."""
    documented = {statement["Sid"]: statement for statement in statements("FindLogs", "ReadLogs")}
    (follow,) = statements("FollowAndStop")
    documented["Follow"] = {**follow, "Sid": "Follow", "Action": "ecs:DescribeTasks"}
    assert policy(STACKS["tasks"], "ApiServerPolicy") == documented


def test_the_trials_launch_nothing_of_the_deployments():
    """Their role has the scheduler's policy, and may launch the task definitions of the trials besides."""
    role = STACKS["verify"].resources()["TaskRole"]["Properties"]
    assert role["ManagedPolicyArns"] == ["arn:aws:iam::123456789012:policy/airflow-scheduler"]
    launch = policy(STACKS["verify"], "TaskRole-trials")
    family = "arn:aws:ecs:eu-west-1:123456789012:task-definition/airflow-verify-*:*"
    assert [(one["Action"], one["Resource"]) for one in launch.values()] == [("ecs:RunTask", family)]


def test_policies_are_given_to_the_roles_that_are_named():
    """Without a name a policy is only made."""
    for name, roles in (
        ("tasks", [None, None]),
        ("tasks with all", [["airflow-scheduler"], ["airflow-api"]]),
    ):
        made = STACKS[name].resources()
        both = [made[f"{one}Policy"]["Properties"] for one in ("Scheduler", "ApiServer")]
        assert [one.get("Roles") for one in both] == roles


@each_stack
def test_no_resource_is_a_wildcard_where_aws_takes_one(made):
    """Each statement names actions, and resources by this deployment's names."""
    for _, document in policies(made):
        for statement in document["Statement"]:
            asked = set(as_list(statement["Action"]))
            assert "*" not in str(asked)
            assert "*" not in as_list(statement["Resource"]) or asked <= {*ANY_RESOURCE}, statement
            assert LIST_TASKS not in asked or "ecs:cluster" in str(statement["Condition"])


@pytest.mark.parametrize("name", ALL)
def test_each_wildcard_has_its_reason_beside_it(name):
    """A comment stands before the statement that names any resource."""
    lines = (TEMPLATES / f"{name}.yaml").read_text().splitlines()
    for number, line in enumerate(lines):
        if re.search(r"Resource: .?\"?\*\"?", line):
            begin = next(n for n in range(number, 0, -1) if re.match(r" *- .*Sid:", lines[n]))
            assert lines[begin - 1].lstrip().startswith("# "), f"{name}.yaml:{number + 1}"


def test_no_reason_is_left_over():
    """Each action that may be on any resource is asked for somewhere."""
    every = [
        one for made in STACKS.values() for _, document in policies(made) for one in document["Statement"]
    ]
    anywhere = [set(as_list(one["Action"])) for one in every if one["Resource"] == "*"]
    assert set().union(*anywhere) == {*ANY_RESOURCE}


@pytest.mark.parametrize(("name", "role"), STARTS, ids=[" ".join(one) for one in STARTS])
def test_what_starts_containers_reads_and_writes_what_is_theirs(name, role):
    """Images, log and secrets of this deployment; and its Dags."""
    found = policy(STACKS[name], role)
    assert {sid: as_list(one["Resource"]) for sid, one in found.items()} == STARTS[name, role]


@each_stack
def test_roles_are_for_ecs_tasks_alone(made):
    for name, resource in made.resources().items():
        if resource["Type"] == "AWS::IAM::Role":
            (statement,) = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            assert statement["Action"] == "sts:AssumeRole", name
            assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}, name


@pytest.mark.parametrize(
    ("parameters", "readable"),
    [
        pytest.param({}, [], id="none"),
        pytest.param({"DatabaseSecretArn": SECRET}, [SECRET], id="the database"),
        pytest.param({"SecretArns": f"{SECRET}4,{SECRET}5"}, [f"{SECRET}4", f"{SECRET}5"], id="further ones"),
    ],
)
def test_the_execution_role_reads_only_secrets_that_are_named(parameters, readable):
    """No parameter, no permission."""
    found = policy(stack("tasks", **API, **parameters), "ExecutionRole-start-tasks").values()
    read = [one["Resource"] for one in found if "secretsmanager" in one["Action"]]
    assert [secret for resource in read for secret in as_list(resource)] == readable
