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
"""The bench finds out what is not as a template says, and names it."""

from __future__ import annotations

import pytest

from tests.aws.bench import Stack, StackError
from tests.aws.comparison import same
from tests.aws.services import LOOKUPS

TEMPLATE = """
Parameters:
  Days: {Type: Number, Default: 7}
  Named: {Type: String, Default: one}
Conditions:
  Never: !Equals [!Ref Named, other]
Resources:
  Cluster: {Type: AWS::ECS::Cluster, Properties: {ClusterName: !Ref Named, CapacityProviders: [FARGATE]}}
  LogGroup: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Sub "/ecs/${Cluster}", RetentionInDays: !Ref Days}}
  Repository: {Type: AWS::ECR::Repository, Condition: Never, Properties: {RepositoryName: any}}
Outputs:
  Arn: {Value: !GetAtt Cluster.Arn}
"""


@pytest.fixture
def stack(ministack):
    """Return a stack that is there; what is left of it is deleted."""
    stack = Stack(ministack, "bench", TEMPLATE)
    stack.create()
    yield stack
    stack.delete()


def test_a_stack_as_its_template_says(stack):
    assert stack.differences() == []
    assert stack.outputs["Arn"].endswith(":cluster/one")
    stack.update(Days="30")
    assert stack.differences() == []


@pytest.mark.parametrize(
    "service, call, arguments, kind, text",
    [
        (
            "logs", "put_retention_policy", {"logGroupName": "/ecs/one", "retentionInDays": 1},
            "AWS::Logs::LogGroup.RetentionInDays", "LogGroup: RetentionInDays is to be 7, is 1",
        ),
        (
            "logs", "delete_log_group", {"logGroupName": "/ecs/one"},
            "AWS::Logs::LogGroup", "LogGroup is not there: AWS::Logs::LogGroup /ecs/one: ",
        ),
        (
            "ecs", "put_cluster_capacity_providers",
            {"cluster": "one", "capacityProviders": [], "defaultCapacityProviderStrategy": []},
            "AWS::ECS::Cluster.CapacityProviders", "Cluster: CapacityProviders is to be ['FARGATE'], is []",
        ),
    ],
    ids=["otherwise", "not there", "of a list"],
)  # fmt: skip
def test_what_is_otherwise(stack, ministack, service, call, arguments, kind, text):
    """A stack is CREATE_COMPLETE all the same."""
    getattr(ministack.client(service), call)(**arguments)
    (difference,) = stack.differences()
    assert difference.kind == kind
    assert difference.text.startswith(text)


def test_a_type_that_nobody_looks_up_is_named(stack, monkeypatch):
    monkeypatch.delitem(LOOKUPS, "AWS::Logs::LogGroup")
    (difference,) = stack.differences()
    assert difference.text.startswith("LogGroup is of a type that LOOKUPS")


def test_what_is_left_is_named(stack):
    assert stack.left(stack.resources()) == ["Cluster", "LogGroup"]


@pytest.mark.parametrize(
    "template, message",
    [
        (
            (
                "Resources: {Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}, Group: "
                "{Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !GetAtt Vpc.Nothing}}}"
            ),
            r"ROLLBACK_COMPLETE, not CREATE_COMPLETE: Group \(AWS::Logs::LogGroup\): .*Nothing",
        ),
        (
            "Resources: {Gateway: {Type: AWS::EC2::NatGateway, Properties: {}}}",
            r"fails: .*Unrecognized resource types: \[AWS::EC2::NatGateway\]",
        ),
    ],
    ids=["a resource fails", "refused"],
)
def test_a_stack_that_fails_says_why(ministack, template, message):
    with pytest.raises(StackError, match=message):
        Stack(ministack, "fails", template).create()


@pytest.mark.parametrize(
    "wanted, found, some, expected",
    [
        ("7", 7, False, True),
        (True, "true", False, True),
        ("one", None, False, False),
        ({"Name": "a"}, {"name": "a", "more": 1}, False, True),
        ({"Name": "a"}, {"name": "b"}, False, False),
        (["a", "b"], ["b", "a"], False, True),
        (["a"], ["a", "b"], False, False),
        (["a"], ["a", "b"], True, True),
        (["a", "a"], ["a"], False, False),
        ([], None, False, True),
        ([], ["a"], False, False),
    ],
)
def test_same(wanted, found, some, expected):
    assert same(wanted, found, some) == expected
