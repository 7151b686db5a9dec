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
"""The checks of ``airflow fargate check``: facts in, rows out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow.executors.fargate.cli.asking import NO_ANSWER, NO_CREDENTIALS, Answer
from airflow.executors.fargate.cli.check.airflow_facts import AirflowFacts
from airflow.executors.fargate.cli.check.all_checks import OF_REQUEST
from airflow.executors.fargate.cli.check.checks import (
    ADVICE,
    AT_AWS,
    FAILED,
    MARKS,
    OK,
    UNKNOWN,
    check_caller,
    check_options,
    check_permissions,
    check_queues,
    rows_of,
)
from airflow.executors.fargate.cli.check.facts import Facts
from airflow.executors.fargate.cli.check.image_checks import MEDIA_TYPES
from airflow.executors.fargate.cli.check.questions import question

CHECKS = (check_caller, *OF_REQUEST, check_permissions)
DENIED = Answer(error="AccessDeniedException", message="User: me is not authorized to perform: that")
UNREACHED = Answer(error=NO_ANSWER, message="EndpointConnectionError: Could not connect")
EXPIRED = Answer(error="ExpiredToken", message="Expired")
NOT_FOUND = Answer(error="ResourceNotFoundException", message="The specified log stream does not exist.")

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/airflow:3"
CONTAINER = {
    "name": "airflow",
    "image": IMAGE,
    "essential": True,
    "logConfiguration": {
        "logDriver": "awslogs",
        "options": {"awslogs-group": "/ecs/airflow", "awslogs-stream-prefix": "ecs"},
    },
}
DEFINITION = {
    "family": "airflow-task",
    "revision": 3,
    "status": "ACTIVE",
    "compatibilities": ["EC2", "FARGATE"],
    "networkMode": "awsvpc",
    "cpu": "256",
    "memory": "512",
    "taskRoleArn": "arn:aws:iam::123456789012:role/task",
    "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
    "containerDefinitions": [CONTAINER, {"name": "proxy", "image": IMAGE, "essential": False}],
}
CLUSTER = {"clusterName": "fleet", "status": "ACTIVE", "capacityProviders": ["FARGATE"]}
NETWORK = {"subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}
REQUEST = {
    "cluster": "fleet",
    "taskDefinition": "airflow-task:3",
    "launchType": "FARGATE",
    "networkConfiguration": {"awsvpcConfiguration": NETWORK},
    "overrides": {"containerOverrides": [{"name": "airflow", "command": ["x"]}]},
}
SUBNET = {
    "SubnetId": "subnet-1",
    "VpcId": "vpc-1",
    "State": "available",
    "AvailabilityZone": "us-east-1a",
    "AvailableIpAddressCount": 250,
}
GROUP = {"GroupId": "sg-1", "VpcId": "vpc-1", "IpPermissionsEgress": [{"IpProtocol": "-1"}]}
ROUTES = {
    "VpcId": "vpc-1",
    "Associations": [{"Main": True}],
    "Routes": [
        {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"},
        {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1"},
    ],
}
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "ecs-tasks.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


def described(operation, name, *values):
    """Return the question of EC2 for what has these values."""
    return question("ec2", operation, Filters=[{"Name": name, "Values": list(values)}])


def pulled(repository="airflow", account="123456789012", region="us-east-1", **wanted):
    """Return the question of ECR for an image."""
    return question(
        "ecr",
        "BatchGetImage",
        region,
        registryId=account,
        repositoryName=repository,
        imageIds=[wanted or {"imageTag": "3"}],
        acceptedMediaTypes=list(MEDIA_TYPES),
    )


def manifests(*architectures):
    """Return the answer for an image that exists for these architectures of Linux."""
    listed = [{"platform": {"os": "linux", "architecture": one}} for one in architectures]
    return Answer({"images": [{"imageManifest": json.dumps({"manifests": listed})}], "failures": []})


def role(name, *statements):
    """Return the answer for a role with these statements in its trust policy; without any, ECS may assume it."""
    policy = {"Statement": list(statements or [TRUST])}
    arn = f"arn:aws:iam::123456789012:role/{name}"
    return Answer({"Role": {"Arn": arn, "AssumeRolePolicyDocument": policy}})


ECS_ELSEWHERE = {
    "ecs": "http://127.0.0.1:1",
    "sts": "https://sts.amazonaws.com",
    "iam": "https://iam.amazonaws.com",
    "logs": "https://logs.us-east-1.amazonaws.com",
}
GOOD = Facts(
    region="us-east-1",
    request=REQUEST,
    container="airflow",
    refusal="",
    caller=Answer({"Arn": "arn:aws:sts::123456789012:assumed-role/scheduler/me", "Account": "123456789012"}),
    cluster=Answer({"clusters": [CLUSTER]}),
    list_tasks={"fleet": Answer({"taskArns": []})},
    describe_tasks={"fleet": Answer({"tasks": [], "failures": [{"reason": "MISSING"}]})},
    task_definition=Answer({"taskDefinition": DEFINITION}),
    log_events=NOT_FOUND,
    log_group=Answer({"logStreams": []}),
    answers={
        question("iam", "GetRole", RoleName="task"): role("task"),
        question("iam", "GetRole", RoleName="execution"): role("execution"),
        pulled(): manifests("amd64", "arm64"),
        described("DescribeSubnets", "subnet-id", "subnet-1"): Answer({"Subnets": [SUBNET]}),
        described("DescribeSecurityGroups", "group-id", "sg-1"): Answer({"SecurityGroups": [GROUP]}),
        described("DescribeRouteTables", "vpc-id", "vpc-1"): Answer({"RouteTables": [ROUTES]}),
    },
)


def request(**members):
    """Return facts whose request has these members; None takes one out."""
    changed = {name: value for name, value in {**REQUEST, **members}.items() if value is not None}
    return replace(GOOD, request=changed)


def network(**members):
    """Return facts whose request has this network configuration."""
    return request(networkConfiguration={"awsvpcConfiguration": {**NETWORK, **members}})


def strategy(name):
    """Return a request for this capacity provider."""
    return {"capacityProviderStrategy": [{"capacityProvider": name, "weight": 1}]}


def definition(**members):
    """Return facts whose task definition has these members."""
    return replace(GOOD, task_definition=Answer({"taskDefinition": {**DEFINITION, **members}}))


def container(**members):
    """Return facts whose container in the task definition has these members."""
    return definition(containerDefinitions=[{**CONTAINER, **members}])


def log_options(**options):
    """Return facts whose container has these options of its log driver."""
    return container(logConfiguration={"logDriver": "awslogs", "options": options})


def by_check(facts):
    """Return the rows by what they are about."""
    return {row.check: row for row in rows_of(facts, CHECKS)}


def test_all_is_well():
    """Nothing fails; what cannot be tested is so marked. There is no row for what the request does not name."""
    rows = by_check(GOOD)
    assert rows.keys() & {"capacity providers", "fallback", "ECS Exec"} == set()
    assert {name for name, row in rows.items() if row.result == UNKNOWN} == {
        "ecs:RunTask",
        "ecs:StopTask",
        "iam:PassRole",
    }
    assert {row.result for row in rows.values()} == {OK, UNKNOWN}
    assert rows["size"].found == "256 CPU units, 512 MiB"
    assert "role/task" in rows["iam:PassRole"].found


@pytest.mark.parametrize(
    ("facts", "check", "result", "found", "remedy"),
    [
        (replace(GOOD, caller=Answer({}, NO_CREDENTIALS, "There are no credentials: AssumeRole for the role r fails", "Check r")), "credentials", FAILED, "AssumeRole for the role r", "Check r"),
        (replace(GOOD, caller=EXPIRED), "credentials", FAILED, "ExpiredToken: Expired", "conn_id"),
        (replace(GOOD, caller=UNREACHED), "credentials", UNKNOWN, "Could not connect", "ECS below"),
        (replace(GOOD, cluster=Answer({"clusters": [], "failures": [{"reason": "MISSING"}]})), "cluster", FAILED, "MISSING", "[fargate] cluster"),
        (replace(GOOD, cluster=Answer({"clusters": [{**CLUSTER, "status": "INACTIVE"}]})), "cluster", FAILED, "INACTIVE", "ACTIVE"),
        (replace(GOOD, cluster=DENIED), "cluster", UNKNOWN, "not authorized", "ecs:DescribeClusters"),
        (replace(GOOD, cluster=UNREACHED), "cluster", FAILED, "Could not connect", "endpoint_url"),
        (replace(GOOD, cluster=Answer(error="InvalidParameterException", message="no")), "cluster", FAILED, "no", "region"),
        (replace(GOOD, cluster=Answer(error="ServerException")), "cluster", UNKNOWN, "ServerException", "later"),
        (replace(GOOD, cluster=Answer(error="ThrottlingException")), "cluster", UNKNOWN, "Throttling", "later"),
        (replace(GOOD, cluster=Answer({}, NO_CREDENTIALS, "There are no credentials: AssumeRole fails", "Check r")), "cluster", FAILED, "AssumeRole", "Check r"),
        (replace(GOOD, cluster=Answer(error="ExpiredTokenException")), "cluster", FAILED, "ExpiredToken", "credentials"),
        (request(launchType=None, capacityProviderStrategy=[{"capacityProvider": "FARGATE"}]), "capacity providers", OK, "FARGATE", ""),
        (request(launchType=None, capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT"}]), "capacity providers", FAILED, "lacks FARGATE_SPOT", "put-cluster-capacity-providers"),
        (replace(GOOD, request={}, refusal="the function raised"), "request", FAILED, "the function raised", "Correct"),
        (request(networkConfiguration=None), "subnets", FAILED, "none", "[fargate] subnets"),
        (network(subnets=[]), "subnets", FAILED, "none at all", "[fargate] subnets"),
        (network(subnets=["sg-1"]), "subnets", FAILED, "sg-1", "[fargate] subnets"),
        (network(securityGroups=["subnet-1"]), "security groups", FAILED, "subnet-1", "[fargate] security_groups"),
        (network(securityGroups=[]), "security groups", ADVICE, "default one of the VPC", "[fargate] security_groups"),
        (replace(GOOD, task_definition=None), "task definition", UNKNOWN, "no task definition is named", "request"),
        (replace(GOOD, task_definition=DENIED), "task definition", UNKNOWN, "not authorized", "ecs:DescribeTaskDefinition"),
        (replace(GOOD, task_definition=Answer(error="ClientException", message="Unable to describe")), "task definition", FAILED, "Unable to describe", "[fargate] task_definition"),
        (definition(status="INACTIVE"), "task definition", FAILED, "airflow-task:3, INACTIVE", "ACTIVE"),
        (replace(GOOD, container="worker"), "container", FAILED, "no container 'worker', but airflow, proxy", "container_name"),
        (replace(GOOD, container="proxy"), "container", ADVICE, "proxy, not essential", "essential"),
        (definition(compatibilities=["EC2"]), "launch type", FAILED, "offers EC2", "requiresCompatibilities"),
        (request(launchType="EC2"), "launch type", OK, "EC2", ""),
        (definition(networkMode="bridge"), "network mode", FAILED, "bridge", "awsvpc"),
        (definition(networkMode=None), "network mode", FAILED, "none given", "awsvpc"),
        (definition(cpu=None), "size", FAILED, "cpu not given", "Set cpu and memory"),
        (request(overrides={"cpu": "1024", "memory": "2048"}), "size", OK, "1024 CPU units, 2048 MiB", ""),
        (container(logConfiguration=None), "log", ADVICE, "nothing says why", "awslogs"),
        (container(logConfiguration={"logDriver": "awsfirelens"}), "log", UNKNOWN, "awsfirelens, which was not looked at", "awslogs"),
        (log_options(**{"awslogs-stream-prefix": "ecs"}), "log", FAILED, "without a group", "awslogs-group"),
        (log_options(**{"awslogs-group": "/ecs/airflow"}), "log", FAILED, "prefix", "awslogs-stream-prefix"),
        (replace(GOOD, log_group=NOT_FOUND), "log", FAILED, "no log group /ecs/airflow", "create-log-group"),
        (replace(GOOD, log_group=DENIED), "log", UNKNOWN, "not authorized", "Allow logs:DescribeLogStreams to whoever runs this check"),
        (replace(log_options(**{"awslogs-group": "/ecs/airflow", "awslogs-stream-prefix": "ecs", "awslogs-create-group": "true"}), log_group=NOT_FOUND), "log", UNKNOWN, "no log group /ecs/airflow yet", "logs:CreateLogGroup"),
        (log_options(**{"awslogs-group": "/ecs/airflow", "awslogs-stream-prefix": "ecs", "awslogs-region": "eu-west-1"}), "log", ADVICE, "in eu-west-1, and not in us-east-1", "traffic"),
        (replace(GOOD, caller=EXPIRED, endpoints=ECS_ELSEWHERE), "credentials", UNKNOWN, "Expired", "ECS below"),
        (request(overrides={"memory": "4096"}), "size", FAILED, "'256' with a memory of '4096'", "cpu and memory"),
        (request(overrides={"cpu": "1 vCPU", "memory": "2048"}), "size", OK, "1 vCPU, 2048 MiB", ""),
        (request(enableExecuteCommand=True), "ECS Exec", OK, "role/task", ""),
        (replace(definition(taskRoleArn=None), request={**REQUEST, "enableExecuteCommand": True}), "ECS Exec", FAILED, "task role", "taskRoleArn"),
        (replace(GOOD, fallback=strategy("FARGATE")), "fallback", OK, "FARGATE", ""),
        (replace(GOOD, fallback=strategy("FARGATE_SPOT")), "fallback", FAILED, "lacks FARGATE_SPOT", "put-cluster-capacity-providers"),
        (replace(definition(compatibilities=["EC2"]), fallback=strategy("FARGATE"), request={**REQUEST, "launchType": "EC2"}), "fallback", FAILED, "offers EC2", "requiresCompatibilities"),
        (replace(GOOD, no_fallback="it cannot be used"), "fallback", ADVICE, "it cannot be used", "wait"),
    ],
)  # fmt: skip
def test_row(facts, check, result, found, remedy):
    """Each mistake has its row, with what was found and what to do."""
    row = by_check(facts)[check]
    assert row.result == result
    assert found in row.found
    assert remedy in row.remedy
    assert bool(row.remedy) == (result != OK), "a remedy where there is something to do, and nowhere else"


@pytest.mark.parametrize(
    ("facts", "absent"),
    [
        (definition(executionRoleArn=None), "execution role"),
        (request(launchType="EC2"), "size"),
        (replace(GOOD, request={}, refusal="no"), "subnets"),
        (definition(containerDefinitions=[]), "log"),
    ],
)
def test_no_row_for_what_does_not_matter(facts, absent):
    """There is no row for what the request does not need."""
    assert absent not in by_check(facts)


@pytest.mark.parametrize(
    "answer", [None, DENIED, Answer(error="ClientException", message="Unable to describe")]
)
def test_what_a_task_definition_would_say(answer):
    """Without it one row names all that was not looked at; nothing in it has a row that says more."""
    rows = by_check(replace(GOOD, task_definition=answer, airflow=AirflowFacts()))
    row = rows["everything in the task definition"]
    assert (row.result, row.remedy) == (UNKNOWN, "See the rows above")
    named = (
        "container",
        "launch type",
        "network mode",
        "size",
        "log",
        "roles",
        "images",
        "secrets",
        "address",
    )
    assert [one for one in named if one not in row.found] == []
    assert rows.keys() & {"container", "log", "task role", "image", "secrets", "execution API"} == set()


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


def test_rows_say_that_aws_itself_was_asked():
    """If ECS has an endpoint of its own: IAM may not know its roles."""
    facts = replace(GOOD, endpoints=ECS_ELSEWHERE)
    assert {name for name, row in by_check(facts).items() if AT_AWS in row.found} == {
        "account",
        "log",
        "task role",
        "execution role",
    }
    assert [row for row in rows_of(GOOD, CHECKS) if AT_AWS in row.found] == []


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


TAGGED = request(tags=[{"key": "a"}])
OF_GPU = replace(
    request(taskDefinition="gpu:1"),
    task_definition=Answer({"taskDefinition": {**DEFINITION, "taskRoleArn": "arn:aws:iam::1:role/gpu"}}),
)


@pytest.mark.parametrize(
    ("facts", "started", "action", "result", "found"),
    [
        (GOOD, GOOD, "ecs:RunTask", OK, "allowed: it has started an ECS task of airflow-task:3"),
        (GOOD, GOOD, "iam:PassRole", OK, "allowed: an ECS task was started with arn:aws:iam::123456789012:role/task"),
        (TAGGED, TAGGED, "ecs:TagResource", OK, "allowed: an ECS task was started with tags"),
        (GOOD, GOOD, "ecs:TagResource", OK, "not needed"),
        (GOOD, GOOD, "ecs:StopTask", UNKNOWN, "not testable"),
        (TAGGED, GOOD, "ecs:TagResource", UNKNOWN, "started with tags"),
        (replace(GOOD, queues={"gpu": OF_GPU}), GOOD, "ecs:RunTask", UNKNOWN, "start an ECS task of gpu:1"),
        (replace(GOOD, queues={"gpu": OF_GPU}), OF_GPU, "ecs:RunTask", UNKNOWN, "start an ECS task of airflow-task:3"),
        (replace(GOOD, queues={"gpu": OF_GPU}), GOOD, "iam:PassRole", UNKNOWN, "is started with arn:aws:iam::1:role/gpu"),
        (replace(GOOD, task_definition=DENIED), replace(GOOD, task_definition=DENIED), "iam:PassRole", UNKNOWN, "not known"),
    ],
)  # fmt: skip
def test_what_an_ecs_task_has_shown(facts, started, action, result, found):
    """What AWS checked when it was started is allowed; what the tasks of another queue need is not shown by it."""
    row = by_check(replace(facts, started=started))[action]
    assert row.result == result
    assert found in row.found
    assert bool(row.remedy) == (result != OK)


def of_queue(facts):
    """Return facts where all is well, but for a queue's."""
    return replace(GOOD, queues={"fine": GOOD, "q": facts})


SILENT = container(logConfiguration=None)
BROKEN = Answer(error="ClientException", message="Unable to describe task definition.")
NOTHING = replace(
    GOOD, request={}, refusal="no", container="", task_definition=None, log_events=None, log_group=None
)


@pytest.mark.parametrize(
    ("facts", "action", "result", "found"),
    [
        (definition(taskRoleArn=None, executionRoleArn=None), "iam:PassRole", OK, "not needed"),
        (replace(GOOD, task_definition=DENIED), "iam:PassRole", UNKNOWN, "not known"),
        (replace(definition(taskRoleArn=None, executionRoleArn=None), request={}), "iam:PassRole", UNKNOWN, "not known"),
        (GOOD, "ecs:TagResource", OK, "not needed"),
        (NOTHING, "ecs:TagResource", UNKNOWN, "not known"),
        (replace(GOOD, task_definition=DENIED), "ecs:DescribeTaskDefinition", FAILED, "refused"),
        (replace(GOOD, task_definition=BROKEN), "ecs:DescribeTaskDefinition", UNKNOWN, "Unable to describe"),
        (NOTHING, "ecs:DescribeTaskDefinition", UNKNOWN, "no task definition is named"),
        (of_queue(replace(GOOD, task_definition=DENIED)), "ecs:DescribeTaskDefinition", FAILED, "refused"),
        (replace(SILENT, log_events=None), "logs:GetLogEvents", OK, "not needed"),
        (replace(GOOD, task_definition=DENIED, log_events=None), "logs:GetLogEvents", UNKNOWN, "not known"),
        (replace(log_options(), log_events=None), "logs:GetLogEvents", UNKNOWN, "no group"),
        (of_queue(replace(GOOD, log_events=DENIED)), "logs:GetLogEvents", FAILED, "refused"),
        (replace(GOOD, list_tasks={"fleet": GOOD.list_tasks["fleet"], "gpus": DENIED}), "ecs:ListTasks", FAILED, "that (cluster gpus)"),
        (replace(GOOD, describe_tasks={"fleet": UNREACHED, "gpus": DENIED}), "ecs:DescribeTasks", FAILED, "(cluster gpus)"),
        (replace(GOOD, list_tasks={"fleet": UNREACHED, "gpus": GOOD.list_tasks["fleet"]}), "ecs:ListTasks", UNKNOWN, "(cluster fleet)"),
        (replace(GOOD, list_tasks={"a": GOOD.list_tasks["fleet"], "b": NOT_FOUND}), "ecs:ListTasks", OK, "allowed"),
    ],
)  # fmt: skip
def test_permission(facts, action, result, found):
    """Each permission has a row, whatever is known; the worst answer of all queues and clusters counts."""
    row = by_check(facts)[action]
    assert row.result == result
    assert found in row.found
    assert bool(row.remedy) == (result != OK)


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


def test_mistakes_in_options():
    """Each mistake is a row with its remedy, and nothing else is checked."""
    rows = check_options(
        [
            "[fargate] cluster = '': it is required and not set. Set it, for example to airflow.",
            "[fargate] launch_type = 'MOON': no such choice. Choose one of EC2, FARGATE.",
            "boto3 is missing",
        ]
    )
    assert [(row.check, row.result, row.found, row.remedy) for row in rows] == [
        ("options", FAILED, "[fargate] cluster = '': it is required and not set", "Set it, for example to airflow"),
        ("options", FAILED, "[fargate] launch_type = 'MOON': no such choice", "Choose one of EC2, FARGATE"),
        ("options", FAILED, "boto3 is missing", ""),
        ("everything else", UNKNOWN, "the options come first", "Correct them, and check again"),
    ]  # fmt: skip


def test_each_result_has_a_mark():
    """The marks of a table differ."""
    assert len({MARKS[result] for result in (OK, FAILED, ADVICE, UNKNOWN)}) == 4
