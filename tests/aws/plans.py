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
"""What the templates in ``scripts/aws`` make with some parameters."""

from __future__ import annotations

import re

import pytest

from tests.aws.resolver import TEMPLATES, Plan, read

ALL = {path.stem: read(path) for path in sorted(TEMPLATES.glob("*.yaml"))}
#: What a parameter without a default is given, by its type or by its name.
GIVEN = {
    "AWS::EC2::VPC::Id": "vpc-0123456789abcdef0",
    "AWS::EC2::SecurityGroup::Id": "sg-0123456789abcdef0",
    "List<AWS::EC2::Subnet::Id>": "subnet-0123456789abcdef0,subnet-0fedcba9876543210",
    "AllowedCidr": "10.0.0.0/16",
    "Image": "apache/airflow:3.3.2",
    "ClusterName": "airflow",
    "SchedulerPolicyArn": "arn:aws:iam::123456789012:policy/airflow-scheduler",
}
API = {"ExecutionApiUrl": "http://airflow-api.internal:8080/execution/", "ImageTag": "3.3.2"}
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:database-a1b2c3"
#: Every parameter of tasks.yaml that adds something.
MOST = {
    **API,
    "DatabaseSecretArn": SECRET,
    "SecretArns": f"{SECRET}4,{SECRET}5",
    "ImageX86": "apache/airflow:3.3.2",
    "ImageArm64": "apache/airflow:3.3.2",
    "ImageRepositoryArn": "arn:aws:ecr:eu-west-1:123456789012:repository/elsewhere",
    "ApiServerSecurityGroupId": "sg-0fedcba9876543210",
    "SchedulerRoleName": "airflow-scheduler",
    "ApiServerRoleName": "airflow-api",
    "TaskPolicyArns": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
    "LogKmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/0123abcd",
}
#: Every parameter of airflow.yaml that adds something.
WHOLE = {
    "ImageRepositoryArn": MOST["ImageRepositoryArn"],
    "AssignPublicIp": "ENABLED",
    "Access": "internet-facing",
    "LoadBalancerSubnets": "subnet-0aaaaaaaaaaaaaaaa,subnet-0bbbbbbbbbbbbbbbb",
    "CertificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/0123abcd",
    "BaseUrl": "https://airflow.example.com",
    "Dags": "bucket",
    "HighlyAvailable": "true",
    "EnableExecuteCommand": "true",
    "KeepDatabaseBackups": "true",
}
GIT = {"Dags": "git", "DagsRepository": "https://git.example.com/dags.git"}
PRIVATE = {"Kind": "private", "EcsEndpoint": "yes", "SecretsEndpoint": "yes", "SessionEndpoint": "yes"}


def stack(name, **given):
    """Return a template with these parameters, and with stand-ins for those without default."""
    needed = {}
    for one, what in ALL[name]["Parameters"].items():
        if "Default" not in what and (what["Type"] in GIVEN or one in GIVEN):
            needed[one] = GIVEN.get(one) or GIVEN[what["Type"]]
    return Plan(ALL[name], {**needed, **given})


#: Each template with its defaults, and with what its parameters can add.
STACKS = {name: stack(name, **(API if name == "tasks" else {})) for name in ALL} | {
    "tasks with all": stack("tasks", **MOST),
    "network, private": stack("network", **PRIVATE),
    "airflow with all": stack("airflow", **WHOLE),
    "airflow, a bucket that exists": stack("airflow", Dags="bucket", DagsBucket="ours"),
    "airflow, git, paused": stack("airflow", **GIT, Paused="yes"),
}
each_template = pytest.mark.parametrize("template", ALL.values(), ids=ALL)
each_stack = pytest.mark.parametrize("made", STACKS.values(), ids=STACKS)


def policies(made):
    """Yield the policies of a stack that grant something, with their names."""
    for name, resource in made.resources().items():
        properties = resource["Properties"]
        if "PolicyDocument" in properties:
            yield name, properties["PolicyDocument"]
        for policy in properties.get("Policies", []):
            yield f"{name}-{policy['PolicyName']}", policy["PolicyDocument"]


def policy(made, name):
    """Return the statements of one policy by their Sid."""
    return {statement["Sid"]: statement for statement in dict(policies(made))[name]["Statement"]}


def as_list(value):
    return value if isinstance(value, list) else [value]


def allows(declared, value):
    """Whether a parameter takes a value, as CloudFormation decides it."""
    if "MinValue" in declared:
        return declared["MinValue"] <= int(value) <= declared["MaxValue"]
    if "AllowedValues" in declared:
        return value in declared["AllowedValues"]
    lengths = declared.get("MinLength", 0), declared.get("MaxLength", 4096)
    matches = re.fullmatch(declared["AllowedPattern"], value)
    return bool(matches) and lengths[0] <= len(value) <= lengths[1]
