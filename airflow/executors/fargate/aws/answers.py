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
"""
AWS's answers, parsed into types that hold what the fleet reads.

Nothing here raises except :class:`MalformedAnswer`. A member that is missing, or has another type than AWS
documents, is read as empty. An item that is not an ECS task or a failure is left out and counted, so it
affects no other item.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.executors.fargate.aws.arns import cluster_name
from airflow.executors.fargate.aws.usage import Usage
from airflow.executors.fargate.errors import FargateError
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Identity

#: The attribute of an ECS task that has its CPU architecture.
ARCHITECTURE = "ecs.cpu-architecture"
#: The end of the year 9999, the last year of Python's ``datetime``, in seconds since the epoch.
END_OF_TIME = 253_402_300_800


class MalformedAnswer(FargateError):
    """A successful response does not have the documented members."""


@dataclass(frozen=True)
class Container:
    """One container of an ECS task. A text is empty if AWS does not send it."""

    name: str
    last_status: str = ""
    #: None if the container has not ended, never started, or could not be inspected.
    exit_code: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class EcsTask:
    """An ECS task as RunTask or DescribeTasks returns it. A text is empty if AWS does not send it."""

    arn: str
    cluster: str = ""
    last_status: str = ""
    started_by: str = ""
    stop_code: str = ""
    stopped_reason: str = ""
    #: Whether AWS sends a start time.
    has_started: bool = False
    task_definition: str = ""
    containers: tuple[Container, ...] = ()
    #: The text of the identity in the overrides, and the name of the container that has it; each may be None.
    identity_override: tuple[Any, Any] = (None, None)
    #: When its steps were, and its size and capacity.
    usage: Usage = Usage()

    @property
    def ended_at(self) -> float | None:
        """When the containers had stopped, in seconds since the epoch; None if AWS does not send it."""
        return self.usage.execution_stopped

    @property
    def cluster_name(self) -> str:
        """The name of the cluster, even if ``cluster`` is an ARN or empty."""
        return cluster_name(self.arn, self.cluster)

    @property
    def identity(self) -> Identity | None:
        """The identity of the launch; None if this executor did not launch the ECS task."""
        return Identity.parse(*self.identity_override)

    def container(self, name: str) -> Container:
        """Return the container with that name, or an empty one if there is none."""
        return next((one for one in self.containers if one.name == name), Container(name))

    @classmethod
    def parse(cls, value: Any) -> EcsTask | None:
        """Return the ECS task that a member of an answer describes; None if it has no ARN."""
        task = mapping(value)
        if not (arn := _string(task.get("taskArn"))):
            return None
        return cls(
            arn=arn,
            cluster=_string(task.get("clusterArn")),
            last_status=_string(task.get("lastStatus")),
            started_by=_string(task.get("startedBy")),
            stop_code=_string(task.get("stopCode")),
            stopped_reason=text(task.get("stoppedReason")),
            has_started=bool(task.get("startedAt")),
            task_definition=_string(task.get("taskDefinitionArn")),
            containers=tuple(map(_container, mappings(task.get("containers")))),
            identity_override=identity_override(task),
            usage=_usage(task),
        )


@dataclass(frozen=True)
class Failure:
    """The reason why RunTask started nothing, or why DescribeTasks does not return an ECS task."""

    arn: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Answer:
    """The answer to RunTask or DescribeTasks."""

    tasks: tuple[EcsTask, ...] = ()
    failures: tuple[Failure, ...] = ()
    #: How many items were left out because they are not an ECS task or a failure.
    malformed: int = 0

    @classmethod
    def parse(cls, response: Any) -> Answer:
        """
        Parse a response.

        :raises MalformedAnswer: if it lists neither ECS tasks nor failures.
        """
        answer = mapping(response)
        items, failures = answer.get("tasks") or (), answer.get("failures")
        if not answer.keys() & {"tasks", "failures"} or not isinstance(items, (list, tuple)):
            raise MalformedAnswer("AWS answered with neither an ECS task nor a failure")
        tasks = tuple(filter(None, map(EcsTask.parse, items)))
        parsed = tuple(map(_failure, mappings(failures)))
        return cls(tasks, parsed, len(items) - len(tasks) + len(sequence(failures)) - len(parsed))


@dataclass(frozen=True)
class Page:
    """A page of ListTasks."""

    arns: tuple[str, ...] = ()
    #: The token to request the next page with; None on the last page.
    next_token: str | None = None

    @classmethod
    def parse(cls, response: Any) -> Page:
        """
        Parse a response of ListTasks.

        :raises MalformedAnswer: if it has no list, as where botocore reads a proxy's page as an empty object: no ECS
            task would be there to adopt.
        """
        listed = mapping(response).get("taskArns")
        if not isinstance(listed, list):
            raise MalformedAnswer("AWS answered with no list of ECS tasks")
        arns = tuple(arn for arn in listed if isinstance(arn, str) and arn)
        return cls(arns, _string(response.get("nextToken")) or None)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping unchanged, and an empty one for any other value."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> list[Any] | tuple[Any, ...]:
    """Return a list or a tuple unchanged, and an empty tuple for any other value."""
    return value if isinstance(value, (list, tuple)) else ()


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """Return the mappings in a list or a tuple, and an empty list for any other value."""
    return [item for item in sequence(value) if isinstance(item, Mapping)]


def text(value: Any) -> str:
    """Return ``str(value)``: an empty text for None, and the name of the type if ``str`` raises."""
    try:
        return "" if value is None else str(value)
    except Exception:
        return f"({type(value).__name__})"


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def identity_override(task: Mapping[str, Any]) -> tuple[Any, Any]:
    """
    Return the identity's text in an ECS task, and the name of the container that has it; None without one.

    That is the main container, even if ``container_name`` has changed since.
    """
    for override in mappings(mapping(task.get("overrides")).get("containerOverrides")):
        for variable in mappings(override.get("environment")):
            if variable.get("name") == IDENTITY_VARIABLE:
                return variable.get("value"), override.get("name")
    return None, None


def log_configurations(response: Any) -> dict[str, Mapping[str, Any]]:
    """
    Return where containers log to, by their names; empty for one of which the task definition does not say it.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LogConfiguration.html

    :param response: of DescribeTaskDefinition.
    """
    containers = mapping(mapping(response).get("taskDefinition")).get("containerDefinitions")
    return {text(one.get("name")): mapping(one.get("logConfiguration")) for one in mappings(containers)}


def _usage(task: Mapping[str, Any]) -> Usage:
    attributes = mappings(task.get("attributes"))
    architecture = next((one.get("value") for one in attributes if one.get("name") == ARCHITECTURE), None)
    return Usage(
        created=_epoch(task.get("createdAt")),
        pull_started=_epoch(task.get("pullStartedAt")),
        pull_stopped=_epoch(task.get("pullStoppedAt")),
        started=_epoch(task.get("startedAt")),
        stopping=_epoch(task.get("stoppingAt")),
        execution_stopped=_epoch(task.get("executionStoppedAt")),
        stopped=_epoch(task.get("stoppedAt")),
        cpu=_string(task.get("cpu")),
        memory=_string(task.get("memory")),
        capacity_provider=_string(task.get("capacityProviderName")),
        launch_type=_string(task.get("launchType")),
        platform_family=_string(task.get("platformFamily")),
        architecture=_string(architecture),
    )


def _container(container: Mapping[str, Any]) -> Container:
    code = container.get("exitCode")
    # Not isinstance(): in Python, True and False are integers.
    exit_code = code if type(code) is int else None
    name, reason = text(container.get("name")), text(container.get("reason"))
    return Container(name, _string(container.get("lastStatus")), exit_code, reason)


def _failure(failure: Mapping[str, Any]) -> Failure:
    return Failure(_string(failure.get("arn")), text(failure.get("reason")), text(failure.get("detail")))


def _epoch(moment: Any) -> float | None:
    """Return a time, a number or a datetime of botocore's, in seconds since the epoch; None if it is not one."""
    try:
        seconds = moment.timestamp() if isinstance(moment, datetime) else moment
    except (OverflowError, ValueError, OSError):  # The first and last days of datetime have no timestamp.
        return None
    # A number out of this range is not a time in seconds, and no metric can be made of it.
    return float(seconds) if isinstance(seconds, (int, float)) and 0 <= seconds < END_OF_TIME else None
