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
What AWS said, turned into a verdict with its reason; pure, and total: whatever comes in, a verdict comes out.

Sources: the errors and failures of RunTask
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
and the end of a task
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from airflow.executors.fargate.hints import explain
from airflow.executors.fargate.values import mapping, sequence, text

if TYPE_CHECKING:
    from airflow.executors.fargate.answers import Answer, Container, EcsTask


class Verdict(Enum):
    """What to do next about a call or a container."""

    #: RunTask has accepted a container.
    ACCEPTED = "accepted"
    #: The container is on its way up, runs, or has not been seen to end.
    LIVE = "live"
    #: The named container ended with exit code 0.
    FINISHED = "finished"
    #: The launch is over, and failed; only Airflow's own retries may start another.
    FAILED = "failed"
    #: No container started, for a reason that a further attempt may not meet; it uses up an attempt.
    LAUNCH_AGAIN = "launch again"
    #: No container started, since there is no room; try later, which uses up no attempt.
    NO_CAPACITY = "no capacity"
    #: AWS wants fewer calls; nothing was done; try later, which uses up no attempt.
    THROTTLED = "throttled"
    #: The credentials were not accepted, nothing was done; try later with new ones.
    CREDENTIALS = "credentials"
    #: Nobody knows whether the call was carried out: say the very same again.
    IN_DOUBT = "in doubt"
    #: DescribeTasks does not know the container.
    MISSING = "missing"


@dataclass(frozen=True)
class Outcome:
    """A verdict, and the reason in words for whoever has to understand it."""

    verdict: Verdict
    reason: str = ""
    arn: str | None = None
    #: Whether the container is known to have started: then its end is the end of the launch.
    started: bool = False
    #: When the container ended, seconds since the epoch by AWS's clock; None where AWS does not say.
    ended_at: float | None = None
    #: The ARN of the task definition of a container that started and failed, which tells where its log is.
    task_definition: str | None = None


THROTTLE_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
#: What EC2 or ECS wraps in an InvalidParameterException or ClientException though later is all it takes.
WRAPPED_THROTTLES = (
    "ErrorCode: RequestLimitExceeded",
    "ErrorCode: Throttling",
    "ErrorCode: InternalError",
    "Request limit exceeded",
    "Rate exceeded",
    "PROVISIONING state",
)
CREDENTIAL_CODES = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
#: botocore's own errors, by name: this module is imported where botocore need not be.
CREDENTIAL_ERRORS = frozenset(
    {
        "CredentialRetrievalError",
        "NoAuthTokenError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "SSOError",
        "TokenRetrievalError",
    }
)
SERVER_CODES = frozenset(
    {"InternalError", "InternalFailure", "InternalServerError", "ServerException", "ServiceUnavailable"}
)
CAPACITY = (
    "Capacity is unavailable",
    "EMPTY CAPACITY PROVIDER",
    "RESOURCE:",
    "limit on the number of vCPUs",
    "limit on the number of tasks you can run concurrently",
)


def judge_error(error: BaseException) -> Outcome:
    """Judge an exception that a call to ECS raised; an error that nobody knows leaves the call in doubt."""
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return _judge_own_error(error)
    code = text(mapping(response.get("Error")).get("Code"))
    message = text(mapping(response.get("Error")).get("Message"))
    status = mapping(response.get("ResponseMetadata")).get("HTTPStatusCode")
    if not code or code.isdigit():
        # No error of AWS's: for message botocore takes the body, such as a proxy's page, which may repeat the request.
        return Outcome(
            Verdict.IN_DOUBT, f"HTTP status {code or text(status)}, and no error that AWS has named"
        )
    told = f"{code}: {message}"
    if code in THROTTLE_CODES:
        return Outcome(Verdict.THROTTLED, told)
    if code in CREDENTIAL_CODES:
        return Outcome(Verdict.CREDENTIALS, told)
    if code in ("InvalidParameterException", "ClientException") and any(
        w in message for w in WRAPPED_THROTTLES
    ):
        return Outcome(Verdict.THROTTLED, told)
    started = [arn for arn in sequence(response.get("resourceIds")) if isinstance(arn, str) and arn]
    if code == "ConflictException" and started:
        # The token is ours alone, so what it started is ours too.
        return Outcome(Verdict.ACCEPTED, told, arn=started[0])
    if code in SERVER_CODES or isinstance(status, int) and status >= 500:
        return Outcome(Verdict.IN_DOUBT, told)
    return Outcome(Verdict.FAILED, explain(told))


def _judge_own_error(error: BaseException) -> Outcome:
    """Judge an error that is not an answer of AWS: one of botocore's own, or anybody's."""
    names = {cls.__name__ for cls in type(error).__mro__}
    if "ParamValidationError" in names:
        # Its message repeats the values, of which one can be a password.
        return Outcome(Verdict.FAILED, f"{type(error).__name__}: botocore refuses the call's parameters.")
    told = f"{type(error).__name__}: {text(error)}"
    return Outcome(Verdict.CREDENTIALS if names & CREDENTIAL_ERRORS else Verdict.IN_DOUBT, told)


def judge_run_task(answer: Answer) -> Outcome:
    """Judge the answer to RunTask; one that names neither an ECS task nor a failure leaves it in doubt."""
    for task in answer.tasks:
        return Outcome(Verdict.ACCEPTED, arn=task.arn)
    for failure in answer.failures:
        told = ": ".join(filter(None, (failure.reason, failure.detail)))
        verdict = Verdict.NO_CAPACITY if any(sign in told for sign in CAPACITY) else Verdict.LAUNCH_AGAIN
        return Outcome(verdict, explain(told))
    return Outcome(Verdict.IN_DOUBT, "AWS answered with neither a task nor a failure")


def judge_task(task: EcsTask, container_name: str) -> Outcome:
    """
    Judge an ECS task of a DescribeTasks answer by its container of that name.

    Its exit code decides as soon as the container has stopped: what the other containers do, and how long
    the task takes to vanish, does not matter.
    """
    stopped = task.last_status in ("STOPPED", "DELETED")
    container = task.container(container_name)
    if container.exit_code is not None and (stopped or container.last_status == "STOPPED"):
        return _judge_exit(task, container, container.exit_code)
    started = task.has_started or container.exit_code is not None or _has_ended(task, container)
    if not stopped:
        return Outcome(Verdict.LIVE, arn=task.arn, started=started)
    return _judge_without_code(task, container, started)


def _has_ended(task: EcsTask, container: Container) -> bool:
    """
    Tell whether a container must have ended, though AWS leaves out its exit code and when it started.

    An essential one has, says the stop code, and there is no other that could be meant; it may have run user code, so it
    must not be launched again. Where it could not be started, its reason says so.
    """
    if task.stop_code != "EssentialContainerExited" or container.reason:
        return False
    return all(other.exit_code is None for other in _others(task, container))


def _judge_exit(task: EcsTask, container: Container, exit_code: int) -> Outcome:
    """Judge an ECS task whose container has ended with this code."""
    if exit_code == 0:
        return Outcome(Verdict.FINISHED, arn=task.arn, started=True, ended_at=task.ended_at)
    told = explain(_join(container.reason, task.stop_code, task.stopped_reason), exit_code)
    return Outcome(
        Verdict.FAILED,
        f"Container {container.name} exited with code {exit_code}. {told}{_other_codes(task, container)}",
        arn=task.arn,
        started=True,
        ended_at=task.ended_at,
        task_definition=task.task_definition or None,
    )


def _judge_without_code(task: EcsTask, container: Container, started: bool) -> Outcome:
    """Judge an ECS task that has stopped, and of whose container AWS tells no exit code."""
    told = _join(task.stop_code, task.stopped_reason, container.reason)
    explained = f"{explain(told)}{_other_codes(task, container)}"
    if started:
        return Outcome(
            Verdict.FAILED,
            f"Container {container.name} ended without an exit code. {explained}",
            arn=task.arn,
            started=True,
            task_definition=task.task_definition or None,
        )
    no_room = task.stop_code == "SpotInterruption" or any(sign in told for sign in CAPACITY)
    verdict = Verdict.NO_CAPACITY if no_room else Verdict.LAUNCH_AGAIN
    return Outcome(verdict, f"Container {container.name} never started. {explained}", arn=task.arn)


def _others(task: EcsTask, container: Container) -> list[Container]:
    return [other for other in task.containers if other.name != container.name]


def _other_codes(task: EcsTask, container: Container) -> str:
    """Tell the exit codes of the containers beside this one; nothing where there are none."""
    told = [
        f"{other.name} {'none' if other.exit_code is None else other.exit_code}"
        for other in _others(task, container)
    ]
    return f" Exit codes of the other containers: {', '.join(told)}." if told else ""


def _join(*parts: str) -> str:
    # AWS often gives the container's reason as the task's, too.
    return "; ".join(dict.fromkeys(filter(None, parts)))
