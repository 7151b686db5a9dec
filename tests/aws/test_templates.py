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
"""Every template is in good form, tags what it makes, and opens nothing."""

from __future__ import annotations

import ipaddress
import json
import subprocess

import pytest

from tests.aws.plans import ALL, MOST, SECRET, allows, each_stack, each_template
from tests.aws.resolver import TEMPLATES

#: Prints which of the types that it is given take tags from CloudFormation.
TAGGABLE = """
import json, sys
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER as schemas
found = {name: schemas.get_resource_schema("us-east-1", name).schema for name in sys.argv[1:]}
print(json.dumps([name for name, schema in found.items() if "Tags" in schema["properties"]]))
"""


@pytest.mark.parametrize("name", ALL)
def test_cfn_lint_finds_nothing(programs, name):
    """Neither an error nor a warning."""
    done = subprocess.run(
        [programs / "cfn-lint", "--", TEMPLATES / f"{name}.yaml"], check=False, capture_output=True, text=True
    )
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


@each_template
def test_each_parameter_says_what_it_is_and_what_it_may_be(template):
    """It has words, a constraint with words, a default that it allows, and a place among the groups."""
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(template["Parameters"])
    for name, declared in template["Parameters"].items():
        assert declared["Description"], name
        assert declared["ConstraintDescription"], name
        constraints = {"AllowedPattern", "AllowedValues", "MinValue"} & {*declared}
        assert constraints or "AWS::" in declared["Type"], name
        if "Default" in declared:
            assert allows(declared, declared["Default"]), name


@pytest.mark.parametrize(
    ("name", "parameter", "value", "allowed"),
    [
        ("tasks", "DeploymentName", "airflow-2", True),
        ("tasks", "DeploymentName", "Airflow", False),
        ("tasks", "DeploymentName", "airflow-", False),
        ("tasks", "DeploymentName", "a" * 33, False),
        ("tasks", "ExecutionApiUrl", "https://airflow.example.com/execution/", True),
        ("tasks", "ExecutionApiUrl", "https://airflow.example.com", False),
        ("tasks", "ExecutionApiUrl", "airflow:8080/execution/", False),
        ("tasks", "DatabaseSecretArn", SECRET, True),
        ("tasks", "DatabaseSecretArn", f"{SECRET}:key::", False),
        ("tasks", "DatabaseSecretArn", "postgresql://airflow:secret@database/airflow", False),
        ("tasks", "SecretArns", "*", False),
        ("tasks", "ImageTag", "3.3.2-1", True),
        ("tasks", "ImageTag", "airflow:3.3.2", False),
        ("tasks", "ImageX86", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/airflow@sha256:0123", True),
        ("tasks", "ImageX86", "two words", False),
        ("tasks", "ImageRepositoryArn", MOST["ImageRepositoryArn"], True),
        ("tasks", "ImageRepositoryArn", "arn:aws:ecr:eu-west-1:123456789012:repository/*", False),
        ("tasks", "ApiServerSecurityGroupId", "airflow-api", False),
        ("tasks", "SchedulerRoleName", "arn:aws:iam::123456789012:role/airflow", False),
        ("tasks", "TaskPolicyArns", "arn:aws:iam::123456789012:policy/team/read", True),
        ("tasks", "TaskPolicyArns", "AdministratorAccess", False),
        ("tasks", "TaskMemory", "512", True),
        ("tasks", "TaskMemory", "2 GB", False),
        ("tasks", "LogRetentionDays", 2, False),
        ("tasks", "LogKmsKeyArn", "alias/logs", False),
        ("network", "VpcCidr", "172.31.0.0/16", True),
        ("network", "VpcCidr", "192.168.0.0/19", True),
        ("network", "VpcCidr", "192.168.0.0/24", False),
        ("network", "VpcCidr", "8.8.0.0/16", False),
    ],
)
def test_a_parameter_takes_what_fits_and_nothing_else(name, parameter, value, allowed):
    """A wrong value is refused before anything is made."""
    assert allows(ALL[name]["Parameters"][parameter], value) is allowed


@each_template
def test_whatever_takes_tags_has_the_deployments(programs, template):
    """The tag that the executor gives to ECS tasks, too, by which bills can be split."""
    resources = template["Resources"]
    types = sorted({resource["Type"] for resource in resources.values()})
    listed = subprocess.check_output([programs / "python", "-c", TAGGABLE, *types], text=True)
    for name, resource in resources.items():
        if resource["Type"] in json.loads(listed):
            found = tags(resource["Properties"].get("Tags", []))
            assert found.get("airflow:deployment") == {"Ref": "DeploymentName"}, name


def tags(given):
    """Return the tags of a resource by their keys; a parameter of Systems Manager has them so in its template."""
    return given if isinstance(given, dict) else {one["Key"]: one["Value"] for one in given}


@each_stack
def test_nothing_can_be_reached_from_outside(made):
    """No security group lets in what comes from elsewhere, and no subnet hands out public addresses."""
    for name, resource in made.resources().items():
        properties = resource["Properties"]
        rules = [properties, *properties.get("SecurityGroupIngress", [])]
        assert all(ipaddress.ip_network(rule["CidrIp"]).is_private for rule in rules if "CidrIp" in rule), (
            name
        )
        assert properties.get("MapPublicIpOnLaunch") in (None, False), name
