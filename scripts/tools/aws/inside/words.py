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
"""Wrong RunTask requests, how AWS refuses them, and what the executor reads from that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tools.aws.inside.trial import TrialError

if TYPE_CHECKING:
    from tools.aws.inside.trial import Bench

#: An id that no subnet and no security group has.
NO_ID = "0123456789abcdef0"
#: One character more than startedBy may have.
TOO_LONG = "x" * 129


def wrong_requests(bench: Bench) -> dict[str, dict[str, Any]]:
    """Return what is wrong, and the members of the request that are."""
    settings, overrides = bench.settings, bench.account.overrides
    network = settings.network["awsvpcConfiguration"]
    return {
        "a cluster that is not there": {"cluster": f"{settings.cluster}-no-such"},
        "a task definition that is not there": {"taskDefinition": f"{settings.task_definition}-no-such"},
        "a revision that is not there": {"taskDefinition": f"{_family(settings.task_definition)}:999999"},
        "a subnet that is not there": _network({**network, "subnets": [f"subnet-{NO_ID}"]}),
        "a security group that is not there": _network({**network, "securityGroups": [f"sg-{NO_ID}"]}),
        "17 subnets": _network({**network, "subnets": [f"subnet-{at:017x}" for at in range(17)]}),
        "no network configuration": {"networkConfiguration": None},
        "a container that is not there": {"overrides": overrides("true", name="no-such-container")},
        "a CPU that Fargate does not have": {"overrides": overrides("true", cpu="300")},
        "a memory that does not suit the CPU": {"overrides": overrides("true", memory="30720")},
        "overrides that are too long": {"overrides": overrides("echo", "x" * 8192)},
        "a platform version that is not there": {"platformVersion": "9.9.9"},
        "a startedBy that is too long": {"startedBy": TOO_LONG},
        "a startedBy with a space": {"startedBy": "not allowed"},
        "a client token that is too long": {"clientToken": TOO_LONG},
        "a capacity provider that is not there": _strategy("no-such-provider"),
        "a launch type beside a capacity provider": {
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]
        },
        "eleven at once": {"count": 11},
        "a tag that is AWS's": {"tags": [{"key": "aws:mine", "value": "x"}]},
        "51 tags": {"tags": [{"key": f"key-{at}", "value": "x"} for at in range(51)]},
        "a role that may not be passed on": {
            "overrides": {**overrides("true"), "taskRoleArn": "arn:aws:iam::000000000000:role/no-such"}
        },
        "ECS Exec without what it needs": {"enableExecuteCommand": True},
        "too much ephemeral storage": {"overrides": {**overrides("true"), "ephemeralStorage": {"sizeInGiB": 201}}},
        "tags of a service": {"propagateTags": "SERVICE"},
    }  # fmt: skip


def other_wrong_calls(bench: Bench) -> dict[str, Callable[[], Any]]:
    """Return wrong calls of other operations that the executor makes."""
    ecs, cluster = bench.account.ecs, bench.settings.cluster
    no_task = "0" * 32
    return {
        "StopTask of one that is not there": lambda: ecs.stop_task(cluster=cluster, task=no_task),
        "DescribeTasks of 101": lambda: ecs.describe_tasks(
            cluster=cluster, tasks=[f"{at:032x}" for at in range(101)]
        ),
        "DescribeTasks of one that is not there": lambda: ecs.describe_tasks(cluster=cluster, tasks=[no_task]),
        "ListTasks by startedBy and family": lambda: list(
            bench.account.listed(startedBy=bench.settings.deployment, family=bench.settings.task_definition)
        ),
    }  # fmt: skip


def try_wrong_requests(bench: Bench) -> list[dict[str, Any]]:
    """Make each wrong call, and return a row for each: what is wrong, AWS's words, and the executor's."""
    calls = {wrong: _run_task(bench, members) for wrong, members in wrong_requests(bench).items()}
    calls |= other_wrong_calls(bench)
    return [{"wrong": wrong, **answer_of(call)} for wrong, call in calls.items()]


def answer_of(call: Callable[[], Any]) -> dict[str, Any]:
    """Make a wrong call and return what AWS said and what the executor reads from it."""
    from airflow.executors.fargate.aws.classify import classify_error

    try:
        answer = call()
    except ClientError as error:
        outcome = classify_error(error)
        return {
            "refused": True,
            "aws": said(error),
            "executor": outcome.verdict.value,
            "reason": outcome.reason,
        }
    except TrialError as error:
        return {"refused": True, "aws": str(error), "executor": "", "reason": ""}
    failures = answer.get("failures", []) if isinstance(answer, Mapping) else []
    return {"refused": bool(failures), "aws": f"accepted, failures: {failures}", "executor": "", "reason": ""}


def said(error: ClientError) -> str:
    """Return AWS's code and message."""
    return f"{error.response['Error'].get('Code')}: {error.response['Error'].get('Message')}"


def _run_task(bench: Bench, members: dict[str, Any]) -> Callable[[], Any]:
    return lambda: bench.run_ecs_task(**members)


def _network(members: dict[str, Any]) -> dict[str, Any]:
    return {"networkConfiguration": {"awsvpcConfiguration": members}}


def _strategy(name: str) -> dict[str, Any]:
    return {"capacityProviderStrategy": [{"capacityProvider": name}], "launchType": None}


def _family(definition: str) -> str:
    """Return the family in a family, ``family:revision`` or ARN."""
    return definition.rpartition("/")[2].partition(":")[0]
