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

import json
import re
import subprocess

import pytest

from tests.aws.plans import ALL, MOST, SECRET, STACKS, allows, each_stack, each_template
from tests.aws.resolver import TEMPLATES, Plan

#: How a type of resource that keeps data encrypts it, and keeps it to itself.
ENCRYPTED = {
    "AWS::ECR::Repository": {"EncryptionConfiguration.EncryptionType": "AES256"},
    "AWS::RDS::DBInstance": {"StorageEncrypted": True},
    "AWS::S3::Bucket": {
        "BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.SSEAlgorithm": "AES256",
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
    },
}
#: What becomes of data when a change of the template needs another resource.
REPLACED = {
    "AWS::ECR::Repository": "Delete",
    "AWS::Logs::LogGroup": "Delete",
    "AWS::RDS::DBInstance": "Snapshot",
    "AWS::S3::Bucket": "Retain",
}
#: Names that are another's, or that are unique within something of the deployment's.
NOT_OWN = {
    ("AWS::EC2::VPCEndpoint", "ServiceName"),
    ("AWS::RDS::DBInstance", "DBName"),
    ("AWS::ServiceDiscovery::Service", "Name"),
}
#: Names of what must be secret.
SENSITIVE = re.compile("(PASSWORD|SECRET|SECRET_KEY|FERNET_KEY|SQL_ALCHEMY_CONN|TOKEN)$")
#: Prints which of the types that it is given take tags from CloudFormation.
TAGGABLE = """
import json, sys
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER as schemas
found = {name: schemas.get_resource_schema("us-east-1", name).schema for name in sys.argv[1:]}
print(json.dumps([name for name, schema in found.items() if "Tags" in schema["properties"]]))
"""


#: What EC2 takes as the description of a security group and of its rules; cfn-lint does not look.
#: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html
DESCRIPTION = re.compile(r"[a-zA-Z0-9 ._:/()#,@\[\]+=&;{}!$*-]{1,255}")


@each_stack
def test_ec2_takes_the_descriptions(made):
    groups = [
        resource["Properties"]
        for resource in made.resources().values()
        if resource["Type"].startswith("AWS::EC2::SecurityGroup")
    ]
    ways = ("SecurityGroupIngress", "SecurityGroupEgress")
    rules = [rule for group in groups for way in ways for rule in group.get(way, ())]
    texts = [one.get(name) for one in [*groups, *rules] for name in ("Description", "GroupDescription")]
    assert [text for text in texts if text and not DESCRIPTION.fullmatch(text)] == []


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
        ("tasks", "DeploymentName", "a" * 31, False),
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
        ("verify", "ClusterName", "arn:aws:ecs:eu-west-1:123456789012:cluster/airflow", False),
        ("verify", "SchedulerPolicyArn", "airflow-scheduler", False),
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
    """Rules let in groups, or private addresses of a parameter; neither subnets nor the database have public ones."""
    given = [value for value in map(made.parameter, made.template["Parameters"]) if str(value)[:3] == "10."]
    for name, resource in made.resources().items():
        properties = resource["Properties"]
        alone = [properties] if resource["Type"] == "AWS::EC2::SecurityGroupIngress" else []
        for rule in [*alone, *properties.get("SecurityGroupIngress", [])]:
            assert rule.get("SourceSecurityGroupId", "").startswith("sg-") or rule["CidrIp"] in given, name
        assert properties.get("MapPublicIpOnLaunch") in (None, False), name
        assert properties.get("PubliclyAccessible", False) is False, name


@each_stack
def test_whatever_keeps_data_is_encrypted(made):
    for name, resource in made.resources().items():
        for path, value in ENCRYPTED.get(resource["Type"], {}).items():
            found = resource["Properties"]
            for part in path.split("."):
                found = found[int(part)] if part.isdigit() else found.get(part, {})
            assert found == value, f"{name}.{path}"


@each_template
def test_whatever_keeps_data_says_what_becomes_of_it(template):
    """Deletion takes it along, as a whole deployment is deleted; a replacement is a decision for each type."""
    for name, resource in template["Resources"].items():
        if resource["Type"] in REPLACED:
            policies = resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")
            assert policies == ("Delete", REPLACED[resource["Type"]]), name


@each_stack
def test_names_are_the_deployments(made):
    """Two deployments in one account do not collide."""
    other = Plan(made.template, {**made.given, "DeploymentName": "other"})
    for name, resource in other.resources().items():
        for key, value in resource["Properties"].items():
            if re.search("(Name|Family|Identifier)$", key) and (resource["Type"], key) not in NOT_OWN:
                assert re.fullmatch("(/|/ecs/)?other([-./].+)?", value), f"{name}.{key}"


@each_stack
def test_no_secret_stands_in_the_clear(made):
    """Containers and services get secrets by reference, and outputs and log options have none."""
    for name, resource in made.resources().items():
        properties = resource["Properties"]
        for container in properties.get("ContainerDefinitions", []):
            plain = {entry["Name"]: entry["Value"] for entry in container.get("Environment", [])}
            assert [one for one in plain if SENSITIVE.search(one)] == [], name
            assert "{{resolve:" not in str(container), name
        for key, value in properties.items():
            if key in ("MasterUserPassword", "SecretString"):
                assert "{{resolve:secretsmanager:" in value, f"{name}.{key}"
    assert "{{resolve:" not in str(made.outputs())
    assert [one for one in made.template["Parameters"] if SENSITIVE.search(one.upper())] == []


@pytest.mark.parametrize(
    ("name", "kind", "wanted", "value"),
    [
        ("tasks", "AWS::ECR::Repository", "EmptyOnDelete", True),
        ("airflow", "AWS::ECS::Service", "PropagateTags", "SERVICE"),
        ("airflow", "AWS::RDS::DBInstance", "DeleteAutomatedBackups", True),
        ("airflow with all", "AWS::RDS::DBInstance", "DeleteAutomatedBackups", False),
        ("airflow with all", "AWS::RDS::DBInstance", "MultiAZ", True),
        (
            "airflow with all",
            "AWS::ECS::TaskDefinition",
            "RuntimePlatform",
            {"OperatingSystemFamily": "LINUX", "CpuArchitecture": "X86_64"},
        ),
    ],
)
def test_each_of_a_type_has_a_property(name, kind, wanted, value):
    """Those that no service tells, or that ministack drops."""
    made = [one["Properties"] for one in STACKS[name].resources().values() if one["Type"] == kind]
    assert [one.get(wanted) for one in made] == [value] * len(made)
    assert made
