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
Reads what containers have written to CloudWatch Logs, and keeps tokens out of it; clients come in from outside.

Which log a container writes to stands in its task definition:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.arns import region, task_id
from airflow.executors.fargate.aws.classify import classify_error
from airflow.executors.fargate.aws.clients import make_client
from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.errors import FargateError

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.ecs import Ecs

#: How many pages without a line are turned before a log counts as empty: AWS documents that there may be such pages.
#: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
MAX_EMPTY_PAGES = 5
#: How many task definitions are remembered: each revision stays what it is for good.
MAX_DEFINITIONS = 100
#: With what AWS says that a permission is missing.
#: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html
REFUSED = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"})

#: A JSON Web Token, wherever it stands: its header, which is JSON, and whatever follows, cut off or whole.
JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*")
#: The token of a workload, as JSON and as Python shows it; the quotes can be escaped.
TOKEN = re.compile(r"""(\btoken\\*["']?\s*[:=]\s*\\*["'])[^"'\\]+""")
MASK = "***"


class LogError(FargateError):
    """A container's log cannot be read; the text, a clause without a full stop, says why."""

    #: What AWS's answer means.
    verdict = Verdict.FAILED


class LogNotThere(LogError):
    """AWS knows no such log: nothing has been written yet, or nothing has arrived."""


class LogRefused(LogError):
    """AWS does not allow it, which concerns all logs alike."""


class LogLater(LogError):
    """
    It may be read later.

    :param verdict: what AWS's answer means.
    """

    def __init__(self, reason: str, verdict: Verdict) -> None:
        super().__init__(reason)
        self.verdict = verdict


def without_tokens(text: str) -> str:
    """Return a text without the bearer tokens in it: Airflow 3.0 logs a container's workload, token included."""
    return JWT.sub(MASK, TOKEN.sub(rf"\g<1>{MASK}", text))


@dataclass(frozen=True)
class Stream:
    """Where a container's lines are."""

    region: str
    group: str
    name: str
    #: Whether the log driver leaves out lines rather than let the container wait.
    lossy: bool = False


@dataclass(frozen=True)
class Line:
    """What a container has written, and when, in milliseconds since the epoch."""

    timestamp: int
    text: str


def stream_of(log: Mapping[str, Any] | None, container: str, arn: str) -> Stream:
    """
    Return where a container writes to.

    :param log: the ``logConfiguration`` of its definition; None where it has none.
    :param container: its name.
    :param arn: of its ECS task.
    :raises LogError: where that is not CloudWatch, or cannot be told.
    """
    driver = (log or {}).get("logDriver")
    if not driver:
        raise LogError(
            f"the task definition gives container {container} no log; give it a logConfiguration with awslogs"
        )
    if driver != "awslogs":
        raise LogError(
            f"container {container} logs through {driver}; only what awslogs brings to CloudWatch is read"
        )
    options: Mapping[str, str] = (log or {}).get("options") or {}
    group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
    if not group or not prefix:
        missing = "awslogs-stream-prefix" if group else "awslogs-group"
        raise LogError(f"the log of container {container} has no {missing}, so its name cannot be told")
    return Stream(
        options.get("awslogs-region") or region(arn) or "",
        group,
        f"{prefix}/{container}/{task_id(arn)}",
        options.get("mode") == "non-blocking",
    )


class LogReader:
    """
    Reads logs; any thread may use it.

    :param describe_definition: calls DescribeTaskDefinition for an ARN.
    :param make_client: returns a new boto3 client for ``logs`` in a Region; called where one is needed first.
    """

    def __init__(
        self,
        describe_definition: Callable[[str], Mapping[str, Any]],
        make_client: Callable[[str], Any],
    ) -> None:
        self._describe_definition = describe_definition
        self._make_client = make_client
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        #: The log configurations of a task definition's containers, by the definition's ARN.
        self._logs: dict[str, Mapping[str, Any]] = {}

    def stream(self, definition: str, container: str, arn: str) -> Stream:
        """
        Return where a container writes to.

        :param definition: ARN of its task definition.
        :raises LogError: where that is not CloudWatch, or cannot be told.
        """
        known = self._logs.get(definition)
        if known is None:
            response = told("ecs:DescribeTaskDefinition", lambda: self._describe_definition(definition))
            defined = (response.get("taskDefinition") or {}).get("containerDefinitions") or ()
            known = {one.get("name"): one.get("logConfiguration") for one in defined}
            if len(self._logs) >= MAX_DEFINITIONS:
                self._logs.clear()
            self._logs[definition] = known
        return stream_of(known.get(container), container, arn)

    def pages(self, stream: Stream) -> Iterator[Sequence[Line]]:
        """
        Yield the lines from the first to the last that there is now, page by page, of which some can be empty.

        :raises LogError: where AWS does not tell.
        """
        token: str | None = None
        while True:
            # AWS says that it ends where it returns the token that it was given.
            lines, following = self._page(stream, "nextForwardToken", token, startFromHead=True)
            yield lines
            if not following or following == token:
                return
            token = following

    def last(self, stream: Stream, count: int) -> list[Line]:
        """
        Return the last lines, at most so many.

        :raises LogError: where AWS does not tell.
        """
        token: str | None = None
        for _ in range(MAX_EMPTY_PAGES):
            lines, following = self._page(
                stream, "nextBackwardToken", token, startFromHead=False, limit=count
            )
            if lines or not following or following == token:
                return list(lines)
            token = following
        return []

    def _page(
        self, stream: Stream, direction: str, token: str | None, **arguments: Any
    ) -> tuple[Sequence[Line], str | None]:
        """
        Return the lines of a page, and the token of the next one in that direction.

        :raises LogNotThere: where nothing has been written yet.
        :raises LogError: where AWS does not tell.
        """
        if token is not None:
            arguments["nextToken"] = token
        client = self._client(stream.region)
        try:
            response = told(
                "logs:GetLogEvents",
                lambda: client.get_log_events(
                    logGroupName=stream.group, logStreamName=stream.name, **arguments
                ),
            )
        except LogNotThere as error:
            where = f"log stream {stream.name} in log group {stream.group}"
            raise LogNotThere(f"there is no {where} yet ({error})") from error
        lines = [
            Line(int(event.get("timestamp") or 0), str(event.get("message") or ""))
            for event in response.get("events") or ()
        ]
        return lines, response.get(direction)

    def _client(self, in_region: str) -> Any:
        with self._lock:
            if in_region not in self._clients:
                self._clients[in_region] = told(
                    "a client for CloudWatch Logs", lambda: self._make_client(in_region)
                )
            return self._clients[in_region]

    def renew(self) -> None:
        """Let the next call make a new client, with the credentials that there are then."""
        with self._lock:
            self._clients.clear()


def log_reader(ecs: Ecs, make_session: Callable[[], Any], connections: int) -> LogReader:
    """
    Return what reads the logs of containers that failed; its clients are made where they are needed.

    :param connections: how many logs are read at the same time.
    """

    def make(region: str) -> Any:
        return make_client(make_session(), "logs", connections=connections, region=region)

    return LogReader(ecs.describe_task_definition, make)


def told(call: str, make: Callable[[], Any]) -> Any:
    """
    Make a call, and return its response.

    :param call: the permission that it takes.
    :raises LogError: with the reason in words, where there is none.
    """
    try:
        return make()
    except Exception as error:
        outcome = classify_error(error)
        response = getattr(error, "response", None)
        said = (response.get("Error") or {}) if isinstance(response, Mapping) else {}
        code, words = said.get("Code"), f"{said.get('Code')}: {said.get('Message')}"
        if outcome.verdict is Verdict.CREDENTIALS:  # Whatever the code says, no log was asked for.
            raise LogLater(f"{call} failed ({outcome.reason})", outcome.verdict) from error
        if code == "ResourceNotFoundException":
            raise LogNotThere(words) from error
        if code in REFUSED:
            raise LogRefused(f"{call} is not allowed ({words})") from error
        if outcome.verdict is Verdict.FAILED:
            raise LogError(f"{call} failed ({words if said else outcome.reason})") from error
        raise LogLater(f"{call} failed ({outcome.reason})", outcome.verdict) from error
