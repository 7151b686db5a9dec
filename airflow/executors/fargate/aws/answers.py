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
AWS's answers, parsed where they come in: what the fleet reads of them, typed.

Whatever comes in, nothing raises but :class:`MalformedAnswer`. A member that is missing or of another type than AWS's is
empty; an item that is none is left out and counted, so that one malformed item harms no other.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.executors.fargate.aws.arns import cluster_name
from airflow.executors.fargate.errors import FargateError
from airflow.executors.fargate.launch import Identity, identity_override

#: The end of the year 9999, the last one that Python knows, in seconds since the epoch.
END_OF_TIME = 253_402_300_800


class MalformedAnswer(FargateError):
    """What came with HTTP status 200 is no answer to the call that was made."""


@dataclass(frozen=True)
class Container:
    """One container of an ECS task; an empty text where AWS does not say."""

    name: str
    last_status: str = ""
    #: None where the container has not ended, never started, or could not be inspected.
    exit_code: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class EcsTask:
    """What RunTask or DescribeTasks has told of an ECS task; an empty text where AWS does not say."""

    arn: str
    cluster: str = ""
    last_status: str = ""
    started_by: str = ""
    stop_code: str = ""
    stopped_reason: str = ""
    #: Whether AWS names a time of its start.
    has_started: bool = False
    #: When its containers ended, seconds since the epoch by AWS's clock; None where AWS does not say.
    ended_at: float | None = None
    task_definition: str = ""
    containers: tuple[Container, ...] = ()
    #: The text of the identity that a container carries, and that container's name.
    identity_override: tuple[Any, Any] | None = None

    @property
    def cluster_name(self) -> str:
        """The name of its cluster, however that is spelled."""
        return cluster_name(self.arn, self.cluster)

    @property
    def identity(self) -> Identity | None:
        """The launch that it is for; None where it carries no identity of ours."""
        return None if self.identity_override is None else Identity.parse(*self.identity_override)

    def container(self, name: str) -> Container:
        """Return the container of that name; one of which nothing is known where there is none."""
        return next((one for one in self.containers if one.name == name), Container(name))

    @classmethod
    def parse(cls, value: Any) -> EcsTask | None:
        """Return the ECS task that a member of an answer describes; None where it names no ARN."""
        task = mapping(value)
        arn = task.get("taskArn")
        if not isinstance(arn, str) or not arn:
            return None
        return cls(
            arn=arn,
            cluster=_string(task.get("clusterArn")),
            last_status=_string(task.get("lastStatus")),
            started_by=_string(task.get("startedBy")),
            stop_code=_string(task.get("stopCode")),
            stopped_reason=text(task.get("stoppedReason")),
            has_started=bool(task.get("startedAt")),
            ended_at=epoch(task.get("executionStoppedAt")),
            task_definition=_string(task.get("taskDefinitionArn")),
            containers=tuple(
                _container(one) for one in sequence(task.get("containers")) if isinstance(one, Mapping)
            ),
            identity_override=identity_override(task),
        )


@dataclass(frozen=True)
class Failure:
    """Why AWS has done nothing for one ECS task, or knows nothing of it."""

    arn: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Answer:
    """The answer to RunTask or DescribeTasks."""

    tasks: tuple[EcsTask, ...] = ()
    failures: tuple[Failure, ...] = ()
    #: How many items were left out since they were no ECS task or failure.
    malformed: int = 0

    @property
    def missing(self) -> set[str]:
        """The ARNs that AWS says it does not know."""
        return {failure.arn for failure in self.failures}

    @classmethod
    def parse(cls, response: Any) -> Answer:
        """
        Return what a response says.

        :raises MalformedAnswer: where it lists neither ECS tasks nor failures.
        """
        told = mapping(response)
        listed = told.get("tasks", ()), told.get("failures", ())
        if not told.keys() & {"tasks", "failures"} or not isinstance(listed[0] or (), (list, tuple)):
            raise MalformedAnswer("AWS answered with neither an ECS task nor a failure")
        items, refusals = map(sequence, listed)
        tasks = tuple(filter(None, map(EcsTask.parse, items)))
        failures = tuple(_failure(one) for one in refusals if isinstance(one, Mapping))
        return cls(tasks, failures, len(items) - len(tasks) + len(refusals) - len(failures))


@dataclass(frozen=True)
class Page:
    """A page of a list of ECS tasks."""

    arns: tuple[str, ...] = ()
    #: What asks for the next page; None where this is the last one.
    next_token: str | None = None

    @classmethod
    def parse(cls, response: Any) -> Page:
        """
        Return what a response of ListTasks says.

        :raises MalformedAnswer: where it is none.
        """
        if not isinstance(response, Mapping):
            raise MalformedAnswer("AWS answered with no list of ECS tasks")
        arns = tuple(arn for arn in sequence(response.get("taskArns")) if isinstance(arn, str) and arn)
        return cls(arns, _string(response.get("nextToken")) or None)


def _container(container: Mapping[str, Any]) -> Container:
    code = container.get("exitCode")
    return Container(
        text(container.get("name")),
        _string(container.get("lastStatus")),
        code if is_number(code) else None,
        text(container.get("reason")),
    )


def _failure(failure: Mapping[str, Any]) -> Failure:
    return Failure(_string(failure.get("arn")), text(failure.get("reason")), text(failure.get("detail")))


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


# The values, any of which may be missing or be something else; whatever comes in, none raises.


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, and an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> list[Any] | tuple[Any, ...]:
    """Return a list or a tuple as it is, and an empty one for anything else."""
    return value if isinstance(value, (list, tuple)) else ()


def is_number(value: Any) -> bool:
    """Tell whether this is a whole number; True and False are none, though Python thinks so."""
    return isinstance(value, int) and not isinstance(value, bool)


def text(value: Any) -> str:
    """Return the text of anything, also of what cannot tell its own; an empty one for None."""
    try:
        return "" if value is None else str(value)
    except Exception:
        return f"({type(value).__name__})"


def epoch(moment: Any) -> float | None:
    """Return a moment in seconds since the epoch; AWS sends it so, and botocore may have made a datetime of it."""
    try:
        seconds = moment.timestamp() if isinstance(moment, datetime) else moment
    except (OverflowError, ValueError, OSError):  # The first and the last days that Python knows have none.
        return None
    # A number beyond that is none of seconds; nor can a metric be made of it.
    return float(seconds) if isinstance(seconds, (int, float)) and 0 <= seconds < END_OF_TIME else None
