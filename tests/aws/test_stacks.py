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
"""Each template makes what it names, changes it, and leaves nothing; each resource is asked of its own service."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from tools.harness.environment import REPOSITORY

from tests.aws.bench import Difference, Resource, Stack, StackError
from tests.aws.plans import API, GIT, stack
from tests.aws.untested import PROPERTIES, TYPES

if TYPE_CHECKING:
    from tools.harness.ministack import MinistackServer

TEMPLATES = REPOSITORY / "scripts" / "aws"
SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:any-"
POLICY = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
KEY = "arn:aws:kms:us-east-1:000000000000:key/0123abcd"
REPOSITORY_ARN = "arn:aws:ecr:us-east-1:000000000000:repository/elsewhere"


def default_network(server: MinistackServer) -> dict[str, str]:
    """Return the parameters of tasks.yaml for the VPC that each account has."""
    ec2 = server.client("ec2")
    subnets = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    ids = ",".join(subnet["SubnetId"] for subnet in subnets[:2])
    return {"VpcId": subnets[0]["VpcId"], "SubnetIds": ids, "ExecutionApiUrl": "http://any:8080/execution/"}


def whole_network(server: MinistackServer) -> dict[str, str]:
    """Return the parameters of airflow.yaml for that VPC, on the stack of tasks.yaml."""
    network = default_network(server)
    by_name = [{"Name": "group-name", "Values": ["airflow-tasks"]}]
    (group,) = server.client("ec2").describe_security_groups(Filters=by_name)["SecurityGroups"]
    return {
        **{name: network[name] for name in ("VpcId", "SubnetIds")},
        "LoadBalancerSubnets": network["SubnetIds"],
        "SecurityGroupId": group["GroupId"],
        "AllowedCidr": "10.0.0.0/8",
        "Image": "local/airflow",
    }


def trials(server: MinistackServer) -> dict[str, str]:
    """Return the parameters of verify.yaml, on the same stack."""
    found = whole_network(server)
    policies = server.client("iam").list_policies(Scope="Local")["Policies"]
    (arn,) = (policy["Arn"] for policy in policies if policy["PolicyName"] == "airflow-scheduler")
    return {
        **{name: found[name] for name in ("VpcId", "SecurityGroupId")},
        "ClusterName": "airflow",
        "SchedulerPolicyArn": arn,
    }


@dataclass(frozen=True)
class Case:
    """
    A template with parameters.

    :param changed: what an update changes
    :param network: returns further parameters
    :param on: the case whose stack it needs
    """

    template: str
    parameters: Mapping[str, str]
    changed: Mapping[str, str]
    network: Callable[[MinistackServer], dict[str, str]] = lambda _: {}
    on: str | None = None


CASES = {
    "tasks": Case(
        "tasks.yaml",
        {},
        {"LogRetentionDays": "30", "TaskCpu": "1024", "ImageTag": "two", "Architecture": "ARM64"},
        default_network,
    ),
    "tasks, with more": Case(
        "tasks.yaml",
        {
            "ImageX86": "local/airflow",
            "SecretArns": f"{SECRET}1,{SECRET}2",
            "ImageRepositoryArn": REPOSITORY_ARN,
        },
        {
            "SecretArns": f"{SECRET}3",
            "ImageX86": "",
            "AssignPublicIp": "DISABLED",
            "DatabaseSecretArn": SECRET,
        },
        default_network,
    ),
    "network, public": Case("network.yaml", {}, {"DeploymentName": "other"}),
    "network, private": Case(
        "network.yaml",
        {"Kind": "private", "EcsEndpoint": "yes", "SecretsEndpoint": "yes", "SessionEndpoint": "yes"},
        {"EcsEndpoint": "no", "SecretsEndpoint": "no"},
    ),
    "network, public to private": Case("network.yaml", {}, {"Kind": "private"}),
    "airflow, a bucket": Case(
        "airflow.yaml",
        {"Dags": "bucket"},
        {"SchedulerCpu": "1024", "SchedulerMemory": "2048", "Paused": "yes", "LogRetentionDays": "30"},
        whole_network,
        on="tasks",
    ),
    "airflow, git": Case(
        "airflow.yaml",
        GIT,
        {"DagsFolder": "other", "AllowedCidr": "10.2.0.0/16", "EnableExecuteCommand": "true"},
        whole_network,
        on="tasks",
    ),
    "airflow, public and highly available": Case(
        "airflow.yaml",
        {
            "Access": "internet-facing",
            "AssignPublicIp": "ENABLED",
            "CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/0123abcd",
            "HighlyAvailable": "true",
            "KeepDatabaseBackups": "true",
            "Paused": "yes",
        },
        {"Paused": "no", "DatabaseStorage": "40", "ImageRepositoryArn": REPOSITORY_ARN},
        whole_network,
        on="tasks",
    ),
    # Without an engine nothing starts, so ministack's circuit breaker would undo a new task definition of a service
    # that was paused, and is no longer.
    "airflow, image to bucket": Case(
        "airflow.yaml",
        {},
        {"Dags": "bucket", "HighlyAvailable": "true"},
        whole_network,
        on="tasks",
    ),
    "verify": Case("verify.yaml", {}, {"ApiPort": "9090"}, trials, on="tasks"),
}


@dataclass
class Life:
    """What was seen of a stack."""

    created: list[Difference] = field(default_factory=list)
    updated: list[Difference] = field(default_factory=list)
    before: dict[str, Resource] = field(default_factory=dict)
    after: dict[str, Resource] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    failure: str = ""


@pytest.fixture(scope="module")
def life(ministack):
    """Return a function that creates, updates and deletes the stack of a case, and returns what was seen."""

    def make(name: str, undo: ExitStack) -> Stack:
        case = CASES[name]
        if case.on:
            make(case.on, undo)
        # CloudFormation's names have no commas and spaces.
        stack = Stack(ministack, re.sub("[, ]+", "-", name), (TEMPLATES / case.template).read_text())
        stack.create(**case.network(ministack), **case.parameters)
        undo.callback(stack.delete)
        return stack

    @functools.cache
    def lived(name: str) -> Life:
        seen = Life()
        try:
            with ExitStack() as undo:
                stack = make(name, undo)
                seen.created, seen.before = stack.differences(), stack.resources()
                stack.update(**CASES[name].changed)
                seen.updated, seen.after = stack.differences(), stack.resources()
            seen.left = stack.left(seen.before) + stack.left(seen.after)
        except StackError as error:
            # One test says so, and no other tries again.
            seen.failure = str(error)
        return seen

    return lived


def unexpected(differences: list[Difference]) -> list[str]:
    return [each.text for each in differences if each.kind not in PROPERTIES]


@pytest.mark.parametrize("name", CASES)
def test_what_a_template_names_is_found(life, name):
    assert (life(name).failure, bool(life(name).before)) == ("", True)
    assert "\n".join(unexpected(life(name).created)) == ""


@pytest.mark.parametrize("name", CASES)
def test_what_an_update_changes_is_found(life, name):
    assert "\n".join(unexpected(life(name).updated)) == ""


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_left(life, name):
    assert life(name).left == []


def test_untested_properties_are_still_lost(life):
    """A row that no template needs, or that ministack has by now, goes."""
    lost = {each.kind for name in CASES for each in life(name).created + life(name).updated}
    assert set(PROPERTIES) - lost == set()


@pytest.mark.parametrize(
    ("template", "parameters", "message"),
    [
        ("tasks", {"DeploymentName": "Airflow"}, "DeploymentName.* lower case letters"),
        ("tasks", {"ExecutionApiUrl": ""}, "Set ExecutionApiUrl .* or DatabaseSecretArn"),
        ("tasks", {"LogRetentionDays": "2"}, "LogRetentionDays"),
        ("airflow", {"Access": "internet-facing"}, "CertificateArn must name a certificate"),
        ("airflow", {"Dags": "git"}, "DagsRepository must be the repository's address"),
        ("network", {"VpcCidr": "8.8.0.0/16"}, "VpcCidr.* private range"),
        # Where ministack has learned this one, there is a case to add, and a row of TYPES to take out.
        ("tasks", {"ApiServerSecurityGroupId": "sg-0123456789abcdef0"}, f"Unrecognized .*{', '.join(TYPES)}"),
    ],
)
def test_what_is_refused(ministack, template, parameters, message):
    """Before anything is made, in words that name what to change."""
    given = {**stack(template).given, **(API if template == "tasks" else {}), **parameters}
    with pytest.raises(StackError, match=message):
        Stack(ministack, "refused", (TEMPLATES / f"{template}.yaml").read_text()).create(**given)
