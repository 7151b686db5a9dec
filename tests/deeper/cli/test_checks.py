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
"""More on what ``test_checks.py`` tests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow.executors.fargate.cli.checks import (
    ADVICE,
    FAILED,
    MARKS,
    OK,
    UNKNOWN,
    check_permissions,
    check_queues,
)
from airflow.executors.fargate.cli.commands import OF_REQUEST
from airflow.executors.fargate.cli.facts import Answer

from tests.executors.fargate.test_checks import (
    CHECKS,
    CLUSTER,
    CONTAINER,
    DEFINITION,
    DENIED,
    GOOD,
    NETWORK,
    NOT_FOUND,
    NOTHING,
    REQUEST,
    by_check,
    definition,
    request,
    strategy,
)


def by_cluster_default(*providers, **members):
    """Return facts of a request without launch type, in a cluster whose default strategy has these providers."""
    strategy = [{"capacityProvider": provider, "weight": 1} for provider in providers]
    cluster = Answer({"clusters": [{**CLUSTER, "defaultCapacityProviderStrategy": strategy}]})
    return replace(definition(**members), request=request(launchType=None).request, cluster=cluster)


@pytest.mark.parametrize(
    ("facts", "check", "result", "found"),
    [
        (by_cluster_default("FARGATE_SPOT", "FARGATE"), "launch type", OK, "FARGATE, by the cluster's default"),
        (by_cluster_default("FARGATE", compatibilities=["EC2"]), "launch type", FAILED, "offers EC2"),
        (by_cluster_default("my-instances", compatibilities=["EC2"]), "launch type", OK, "my-instances, by the cluster's default"),
        (by_cluster_default("my-instances", networkMode="bridge"), "network mode", OK, "bridge"),
        (by_cluster_default(), "launch type", UNKNOWN, "no default capacity provider strategy"),
        (by_cluster_default(networkMode="bridge"), "network mode", UNKNOWN, "bridge"),
        (by_cluster_default(), "size", UNKNOWN, "not tested"),
        (replace(by_cluster_default("FARGATE"), cluster=DENIED), "launch type", UNKNOWN, "none given"),
        (replace(by_cluster_default("my-instances"), request=REQUEST), "launch type", OK, "FARGATE, which"),
        (replace(by_cluster_default("FARGATE"), request={}, refusal="no"), "launch type", None, ""),
    ],
)  # fmt: skip
def test_the_default_strategy_of_the_cluster(facts, check, result, found):
    """It decides if the request names no capacity; if it is not known, nothing is guessed."""
    row = by_check(facts).get(check)
    assert (row and row.result) == result
    assert found in (row.found if row else "")


def of_queues(**queues):
    """Return the rows about queues, by what they are about."""
    facts = replace(GOOD, queues=queues)
    return {row.check: row for row in check_queues(facts, OF_REQUEST)}


def test_what_differs_for_a_queue_has_a_row():
    """A row that is the same as without the queue is not repeated."""
    rows = of_queues(large=request(overrides={"cpu": "4096", "memory": "16384"}))
    assert [(row.check, row.result, row.found) for row in rows.values()] == [
        ("queue large: size", OK, "4096 CPU units, 16384 MiB")
    ]


def test_a_queue_without_a_difference():
    """A row says that the queue was checked."""
    rows = of_queues(plain=request(tags=[]))
    assert {row.result for row in rows.values()} == {OK}


@pytest.mark.parametrize(
    ("own", "check", "found"),
    [
        (request(overrides={"memory": "61440"}), "size", "Fargate has no cpu of '256'"),
        (request(launchType=None, capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT"}]), "capacity providers", "lacks FARGATE_SPOT"),
        (replace(GOOD, request={}, refusal="queue 'q' sets count"), "request", "sets count"),
    ],
)  # fmt: skip
def test_a_mistake_of_a_queue(own, check, found):
    """It is a row of that queue only."""
    rows = of_queues(q=own, fine=GOOD)
    assert rows[f"queue q: {check}"].result == FAILED
    assert found in rows[f"queue q: {check}"].found
    assert rows["queue fine"].result == OK


def test_permissions_are_for_the_queues_too():
    """The task definitions and roles of all queues are named."""
    own = replace(
        request(taskDefinition="gpu:1", tags=[{"key": "a"}]),
        task_definition=Answer({"taskDefinition": {**DEFINITION, "taskRoleArn": "arn:aws:iam::1:role/gpu"}}),
    )
    rows = by_check(replace(GOOD, queues={"gpu": own}))
    assert "airflow-task:3, gpu:1" in rows["ecs:RunTask"].found
    assert "role/task" in rows["iam:PassRole"].found
    assert "role/gpu" in rows["iam:PassRole"].found
    assert rows["ecs:TagResource"].result == UNKNOWN


@pytest.mark.parametrize(
    "facts",
    [GOOD, NOTHING],
    ids=["all is well", "nothing is known"],
)
def test_every_permission_has_one_row(facts):
    """No permission of the executor is left out."""
    assert [row.check for row in check_permissions(facts)] == [
        "ecs:RunTask",
        "iam:PassRole",
        "ecs:TagResource",
        "ecs:ListTasks",
        "ecs:DescribeTasks",
        "ecs:StopTask",
        "ecs:DescribeTaskDefinition",
        "logs:GetLogEvents",
    ]


def test_each_result_has_a_mark():
    """The marks of a table differ."""
    assert len({MARKS[result] for result in (OK, FAILED, ADVICE, UNKNOWN)}) == 4
