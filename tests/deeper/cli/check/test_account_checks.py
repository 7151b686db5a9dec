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
"""The checks of endpoints, of accounts and Regions, and of roles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow.executors.fargate.cli.asking import Answer
from airflow.executors.fargate.cli.check.account_checks import (
    check_accounts,
    check_endpoints,
    check_roles,
    trust_of_ecs,
)
from airflow.executors.fargate.cli.check.checks import ADVICE, FAILED, OK, UNKNOWN
from airflow.executors.fargate.cli.check.questions import question

from tests.deeper.cli.check.test_checks import (
    CLUSTER,
    DENIED,
    EXPIRED,
    GOOD,
    TRUST,
    UNREACHED,
    definition,
    request,
    role,
)

LOCAL, OWN = "http://127.0.0.1:5000", "https://{}.us-east-1.amazonaws.com"
OTHER = "arn:aws:iam::999999999999:role/task"


@pytest.mark.parametrize(
    ("elsewhere", "result", "found"),
    [
        ((), None, ""),
        (("ecs",), ADVICE, "ecs at http://127.0.0.1:5000; iam, sts at AWS itself"),
        (("ecs", "sts"), ADVICE, "ecs, sts at http://127.0.0.1:5000; iam at AWS itself"),
        (("ecs", "iam", "sts"), OK, "ecs, iam, sts at http://127.0.0.1:5000; none at AWS itself"),
    ],
)
def test_which_service_was_asked_where(elsewhere, result, found):
    """There is a row if an endpoint is not AWS's own; a mixture is seldom meant."""
    urls = {name: LOCAL if name in elsewhere else OWN.format(name) for name in ("ecs", "iam", "sts")}
    rows = list(check_endpoints(replace(GOOD, endpoints=urls)))
    assert [(row.result, row.found) for row in rows] == ([(result, found)] if result else [])


def test_no_password_of_an_endpoint_is_shown():
    """A URL can have a user and a password."""
    [row] = check_endpoints(replace(GOOD, endpoints={"ecs": "http://me:secret@127.0.0.1"}))
    assert "secret" not in row.found


def of_cluster(arn):
    return replace(GOOD, cluster=Answer({"clusters": [{**CLUSTER, "clusterArn": arn}]}))


@pytest.mark.parametrize(
    ("facts", "result", "found"),
    [
        (GOOD, OK, "123456789012, us-east-1: task role, execution role"),
        (definition(taskRoleArn=OTHER), FAILED, "task role is in 999999999999"),
        (of_cluster("arn:aws:ecs:us-east-1:999999999999:cluster/fleet"), FAILED, "cluster is in 999999999999, us-east-1"),
        (of_cluster("arn:aws:ecs:us-east-1:123456789012:cluster/fleet"), OK, "cluster"),
        (request(cluster="arn:aws:ecs:eu-west-1:123456789012:cluster/fleet"), FAILED, "cluster is in 123456789012, eu-west-1"),
        (request(taskDefinition="arn:aws:ecs:us-east-1:999999999999:task-definition/a:1"), FAILED, "task definition is in 999999999999"),
        (definition(taskDefinitionArn="arn:aws:ecs:us-east-1:999999999999:task-definition/a:1"), FAILED, "task definition is in"),
        (request(overrides={"executionRoleArn": OTHER}), FAILED, "execution role is in 999999999999"),
        (replace(GOOD, caller=EXPIRED), UNKNOWN, "not compared"),
        (replace(GOOD, caller=UNREACHED), UNKNOWN, "not compared"),
        (replace(GOOD, endpoints={"ecs": LOCAL, "sts": OWN.format("sts")}), UNKNOWN, "not compared"),
        (replace(GOOD, endpoints={"ecs": LOCAL, "sts": LOCAL}), OK, "task role"),
        (definition(taskRoleArn=None, executionRoleArn=None), None, ""),
    ],
)  # fmt: skip
def test_account(facts, result, found):
    """What RunTask needs must be in the account and the Region of the call."""
    rows = list(check_accounts(facts))
    assert [row.result for row in rows] == ([result] if result else [])
    assert all(found in row.found for row in rows)


def of_role(answer, name="task"):
    """Return facts where IAM gives this answer for a role."""
    return replace(GOOD, answers={**GOOD.answers, question("iam", "GetRole", RoleName=name): answer})


CONDITION = {"StringEquals": {"aws:SourceAccount": "123456789012"}}


@pytest.mark.parametrize(
    ("facts", "check", "result", "found", "remedy"),
    [
        (GOOD, "task role", OK, "role/task, which ECS may assume", ""),
        (GOOD, "execution role", OK, "role/execution", ""),
        (of_role(Answer(error="NoSuchEntity")), "task role", FAILED, "there is no role", "Create it"),
        (of_role(DENIED), "task role", UNKNOWN, "not authorized", "Allow iam:GetRole to whoever runs this check"),
        (of_role(UNREACHED), "task role", UNKNOWN, "Could not connect", "only this check needs iam:GetRole"),
        (of_role(EXPIRED), "task role", UNKNOWN, "Expired", "See the rows above"),
        (of_role(Answer(error="Throttling")), "task role", UNKNOWN, "Throttling", "later"),
        (replace(GOOD, answers={}), "task role", UNKNOWN, "not looked at", "See the rows above"),
        (of_role(role("task", {**TRUST, "Principal": {"Service": "ec2.amazonaws.com"}})), "task role", FAILED, "does not let ECS", "sts:AssumeRole"),
        (of_role(role("task", {**TRUST, "Condition": CONDITION})), "task role", ADVICE, "aws:SourceAccount", "condition"),
        (of_role(role("a/path/task")), "task role", FAILED, "but it is arn:aws:iam::123456789012:role/a/path/task", "path"),
        (definition(taskRoleArn=OTHER), "task role", FAILED, "of another account", "account of the cluster"),
        (definition(taskRoleArn="task"), "task role", OK, "task, which ECS may assume", ""),
    ],
)  # fmt: skip
def test_role(facts, check, result, found, remedy):
    """It exists, and ECS may assume it; what IAM does not show is no failure."""
    row = {row.check: row for row in check_roles(facts)}[check]
    assert row.result == result
    assert found in row.found
    assert remedy in row.remedy
    assert bool(row.remedy) == (result != OK)


DENY = {**TRUST, "Effect": "Deny"}


@pytest.mark.parametrize(
    ("statements", "keys"),
    [
        ([TRUST], ()),
        (TRUST, ()),
        ([{**TRUST, "Principal": {"Service": ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"]}}], ()),
        ([{**TRUST, "Principal": "*"}], ()),
        ([{**TRUST, "Action": ["sts:TagSession", "STS:Assume*"]}], ()),
        ([{**TRUST, "Action": "*"}], ()),
        ([{"Effect": "Allow", "Principal": TRUST["Principal"], "NotAction": "sts:TagSession"}], ()),
        ([{**TRUST, "Condition": CONDITION}], ("aws:SourceAccount",)),
        ([{**TRUST, "Condition": CONDITION}, TRUST], ()),
        ([TRUST, {**DENY, "Condition": CONDITION}], ("aws:SourceAccount",)),
        ([TRUST, DENY], None),
        ([TRUST, {**DENY, "Principal": {"Service": "ec2.amazonaws.com"}}], ()),
        ([{"Effect": "Allow", "Principal": TRUST["Principal"], "NotAction": "sts:*"}], None),
        ([{**TRUST, "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}], None),
        ([{**TRUST, "Principal": {"Service": "ecs.amazonaws.com"}}], None),
        ([{**TRUST, "Action": "sts:TagSession"}], None),
        ([], None),
        (None, None),
    ],
)  # fmt: skip
def test_trust_policy(statements, keys):
    """The keys of its conditions, or None if ECS may not assume the role."""
    assert trust_of_ecs({"Statement": statements}) == keys
