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
"""The functions of CloudFormation come to what AWS documents."""

from __future__ import annotations

import pytest

from tests.aws.resolver import Plan, load

TEMPLATE = """
Parameters:
  Named: {Type: String, Default: one}
  Several: {Type: CommaDelimitedList, Default: "a,b"}
  Needed: {Type: String}
Mappings:
  Sizes: {small: {cpu: 256}}
Conditions:
  Never: !Equals [!Ref Named, other]
Resources:
  Cluster: {Type: AWS::ECS::Cluster, Properties: {ClusterName: !Ref Named}}
  Database: {Type: AWS::RDS::DBInstance, Properties: {}}
  Repository: {Type: AWS::ECR::Repository, Condition: Never, Properties: {RepositoryName: any}}
Outputs:
  Arn: {Value: !GetAtt Cluster.Arn}
  Uri: {Condition: Never, Value: !GetAtt Repository.RepositoryUri}
"""
CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/one"


class Planned(Plan):
    """One that knows secrets and exports."""

    exports = {"one-vpc": "vpc-1"}

    def secret(self, reference, secret_id, key):
        return f"secret {key} of {secret_id}"


@pytest.mark.parametrize(
    "text, value",
    [
        ("!Join ['-', [!Ref Named, !Select [1, !Split [',', 'a,b']]]]", "one-b"),
        ("!Sub ['${Named}/${More}/${!Kept}', {More: !Ref Named}]", "one/one/${Kept}"),
        ("!If [Never, a, !Ref AWS::NoValue]", None),
        ("[!If [Never, a, !Ref AWS::NoValue], b]", ["b"]),
        ("!Cidr [10.0.0.0/16, 2, 8]", ["10.0.0.0/24", "10.0.1.0/24"]),
        ("!GetAtt Cluster.Arn", CLUSTER),
        ("!Sub '${Cluster.Arn}/*'", f"{CLUSTER}/*"),
        ("!Sub '${Database.Endpoint.Port}'", "Database.Endpoint.Port"),
        ("!Ref Several", ["a", "b"]),
        ("!FindInMap [Sizes, small, cpu]", 256),
        ("!Select [1, !GetAZs '']", "eu-west-1b"),
        ("!Or [!Condition Never, !Equals ['1', 1]]", True),
        ("{Condition: {StringEquals: {a: !Ref Named}}}", {"Condition": {"StringEquals": {"a": "one"}}}),
        ("{'Fn::ImportValue': !Sub '${Named}-vpc'}", "vpc-1"),
        ("!And [!Not [!Condition Never], !Equals [a, a]]", True),
        ("'{{resolve:secretsmanager:arn:aws:one:SecretString:key}}'", "secret key of arn:aws:one"),
    ],
)
def test_functions(text, value):
    assert Planned(load(TEMPLATE)).resolve({"Value": load(text)}).get("Value") == value


def test_a_secret_stays_a_reference_where_nobody_reads_it():
    reference = "{{resolve:secretsmanager:one}}"
    assert Plan(load(TEMPLATE)).resolve(reference) == reference


def test_what_a_condition_excludes_is_not_made():
    plan = Plan(load(TEMPLATE))
    assert list(plan.resources()) == ["Cluster", "Database"]
    assert plan.outputs() == {"Arn": CLUSTER}


@pytest.mark.parametrize(
    "value, message",
    [({"Fn::ToJsonString": {}}, "Fn::ToJsonString"), ({"Ref": "Needed"}, "Needed has no default")],
)
def test_what_cannot_be_resolved_is_named(value, message):
    with pytest.raises(LookupError, match=message):
        Plan(load(TEMPLATE)).resolve(value)
