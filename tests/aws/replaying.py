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
"""AWS as a recording has it, driven through the executor's own code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any

import boto3
from botocore import xform_name
from botocore.awsrequest import AWSResponse

from airflow.executors.fargate.aws.clients import make_client
from airflow.executors.fargate.aws.describe_parser import read_less
from airflow.executors.fargate.aws.ecs import Ecs
from airflow.executors.fargate.logs.cloudwatch import LogReader, Stream
from airflow.executors.fargate.messages import Ended
from airflow.executors.fargate.request.builder import Prepared

Exchange = Mapping[str, Any]
Answering = Callable[[str], Exchange]

REGION = "us-east-1"
#: What AWS answers to the fleet's calls that a recording has no answer to.
OTHERWISE = {
    "ListTasks": {"taskArns": []},
    "StopTask": {"task": {}},
    "DescribeTaskDefinition": {"taskDefinition": {}},
}
#: Seconds that pass at a time: longer than any pause of the watcher's.
PACE = 60.0


@dataclass(frozen=True)
class Raw:
    """The body of an answer, as urllib3 has it."""

    body: bytes

    def stream(self) -> list[bytes]:
        return [self.body]


def as_it_is(made: Any) -> Any:
    return made


def client(service: str, answer: Answering, read: Callable[[Any], Any] = as_it_is) -> Any:
    """
    Return a client of the executor's own that sends nothing.

    :param answer: returns what AWS answers to the operation of that name, until the next client is returned
    :param read: the executor's own, which changes how a client reads
    """
    made, answers = _client(service, read)
    answers[:] = [answer]
    return made


@cache
def _client(service: str, read: Callable[[Any], Any]) -> tuple[Any, list[Answering]]:
    """Return a client that the last of these answers: a new one for each answer would take most of the time."""
    made = read(make_client(boto3.session.Session("any", "key", region_name=REGION), service))
    answers: list[Answering] = []

    def respond(request: Any, **_: Any) -> AWSResponse:
        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else target).partition(".")[2]
        said = answers[-1](operation)
        return AWSResponse(request.url, said["status"], said["headers"], Raw(said["body"].encode()))

    made.meta.events.register("before-send.*.*", respond)
    return made, answers


@dataclass(frozen=True)
class Result:
    """What the executor's call returns or raises; ``cause`` is botocore's error."""

    value: Any = None
    error: Exception | None = None

    @property
    def cause(self) -> BaseException | None:
        return getattr(self.error, "__cause__", None) or self.error


def ask(exchange: Exchange, read: Callable[[Any], Any] = read_less) -> Result:
    """Make the call of an exchange as the executor does, with the answer that AWS gave."""
    service, request = exchange["service"], dict(exchange["request"])
    made = client(service, lambda operation: exchange, read if service == "ecs" else as_it_is)
    try:
        return Result(_call(made, exchange["operation"], request))
    except Exception as error:
        return Result(error=error)


def _call(made: Any, operation: str, request: dict[str, Any]) -> Any:
    ecs, cluster = Ecs(lambda: made), request.get("cluster", "default")
    if operation == "RunTask":
        return ecs.run_task(request, request.pop("clientToken", "any"))
    if operation == "DescribeTasks":
        return ecs.describe_tasks(cluster, request["tasks"])
    if operation == "ListTasks":
        list_tasks = ecs.list_stopped if request.get("desiredStatus") == "STOPPED" else ecs.list_running
        return list_tasks(cluster, request.get("startedBy", "any"), request.get("nextToken"))
    if operation == "StopTask":
        return ecs.stop_task(cluster, request["task"], request.get("reason", ""))
    if operation == "GetLogEvents":
        stream = Stream(REGION, request.get("logGroupName", "any"), request["logStreamName"])
        return next(LogReader(ecs.describe_logs, lambda region: made).pages(stream))
    return getattr(made, xform_name(operation))(**request)


def descriptions(exchanges: Sequence[Exchange], arn: str) -> list[Exchange]:
    """Return what DescribeTasks said when it was asked for an ECS task."""
    asked = [each for each in exchanges if each["operation"] == "DescribeTasks"]
    name = arn.rpartition("/")[2]
    return [each for each in asked if any(one.endswith(name) for one in each["request"].get("tasks", ()))]


def started(exchanges: Sequence[Exchange], arn: str) -> dict[str, Any] | None:
    """Return an ECS task as it is in the first answer that has it; None where none has."""
    answers = [each for each in exchanges if each["operation"] in ("RunTask", "DescribeTasks")]
    bodies = [json.loads(each["body"]) for each in answers if each["status"] == 200]
    return next(
        (task for body in bodies for task in body.get("tasks", ()) if task.get("taskArn") == arn), None
    )


def main_container(ecs_task: Mapping[str, Any]) -> str:
    """Return the name of the container that the executor overrides, or of the first one."""
    overrides = ecs_task.get("overrides", {}).get("containerOverrides", ())
    return next(
        (each["name"] for each in (*overrides, *ecs_task.get("containers", ())) if "name" in each), ""
    )


def end_of(exchanges: Sequence[Exchange], arn: str, fakes: ModuleType) -> Ended | None:
    """
    Let the executor's fleet launch an ECS task and watch it as the recording has it; return the end that it saw.

    It is the last attempt of its launch. None: the recording ends before, or does not have the ECS task.
    """
    ecs_task, said = started(exchanges, arn), descriptions(exchanges, arn)
    if ecs_task is None or not said:
        return None
    clock, following = fakes.Clock(), iter(said)
    last = said[-1]

    def answer(operation: str) -> Exchange:
        if operation == "DescribeTasks":
            return next(following, last)
        body = {"tasks": [ecs_task], "failures": []} if operation == "RunTask" else OTHERWISE[operation]
        return {"status": 200, "headers": {}, "body": json.dumps(body)}

    config = fakes.make_config(container_name=main_container(ecs_task), max_launch_attempts=1)
    launch = fakes.make_launch()
    prepared = Prepared({"taskDefinition": "any", "cluster": "any"}, config.container_name)
    ecs = Ecs(partial(client, "ecs", answer, read_less))
    fleet = fakes.SteppedFleet(ecs, config, lambda launch: prepared, clock=clock)
    fleet.add(launch)
    for _ in range(len(said) + 5):
        fleet.advance(PACE)
    return next(iter(fleet.told_of(launch, Ended)), None)
