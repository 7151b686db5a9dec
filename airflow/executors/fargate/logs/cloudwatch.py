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
Reads what containers wrote to CloudWatch Logs, and masks tokens in it.

The task definition contains where a container writes to:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.arns import ecs_task_id, region
from airflow.executors.fargate.aws.classify import classify_error
from airflow.executors.fargate.aws.clients import make_client
from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.errors import FargateError

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.ecs import Ecs

#: How many pages without a line are read before a log counts as empty. AWS documents that there may be such
#: pages.
#: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
MAX_EMPTY_PAGES = 5
#: How many task definitions are cached. A revision never changes.
MAX_DEFINITIONS = 100
#: The error codes for a missing permission.
#: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html
REFUSED = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"})

#: A JSON Web Token: its header, which is JSON, and whatever follows, also if it is cut off.
JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*")
#: The token of a workload, in JSON or in Python's ``repr``. The quotes can be escaped.
TOKEN = re.compile(r"""(\btoken\\*["']?\s*[:=]\s*\\*["'])[^"'\\]+""")
MASK = "***"


class LogError(FargateError):
    """A container's log cannot be read. The text says why, as a clause without a full stop."""

    #: Of the error of the call, if there was one.
    verdict = Verdict.FAILED


class LogNotThere(LogError):
    """The log stream does not exist (yet): nothing was written, or it has not arrived."""


class LogRefused(LogError):
    """A permission is missing. It is the same for all logs."""


class LogLater(LogError):
    """
    The log may be readable later.

    :param verdict: of the error of the call.
    """

    def __init__(self, reason: str, verdict: Verdict) -> None:
        super().__init__(reason)
        self.verdict = verdict


def without_tokens(text: str) -> str:
    """Mask the bearer tokens in a text. Airflow 3.0 logs a workload with its token."""
    return JWT.sub(MASK, TOKEN.sub(rf"\g<1>{MASK}", text))


@dataclass(frozen=True)
class Stream:
    """The log stream that a container writes to."""

    region: str
    group: str
    name: str
    #: Whether the log driver may drop lines instead of blocking the container.
    lossy: bool = False


@dataclass(frozen=True)
class Line:
    """A line of a log, with its time in milliseconds since the epoch."""

    timestamp: int
    text: str


def find_stream(log: Mapping[str, Any] | None, container: str, arn: str) -> Stream:
    """
    Return the log stream that a container writes to.

    :param log: the ``logConfiguration`` of its definition; None if it has none.
    :param container: its name.
    :param arn: of its ECS task.
    :raises LogError: if it does not write to CloudWatch, or the configuration does not define the stream's
        name.
    """
    driver = (log or {}).get("logDriver")
    if not driver:
        raise LogError(
            f"the task definition gives container {container} no log; give it a logConfiguration with awslogs"
        )
    if driver != "awslogs":
        raise LogError(
            f"container {container} logs through {driver}; only logs of the driver awslogs can be read"
        )
    options: Mapping[str, str] = (log or {}).get("options") or {}
    group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
    if not group or not prefix:
        missing = "awslogs-stream-prefix" if group else "awslogs-group"
        raise LogError(f"the log of container {container} has no {missing}, so its stream is not known")
    return Stream(
        options.get("awslogs-region") or region(arn) or "",
        group,
        f"{prefix}/{container}/{ecs_task_id(arn)}",
        options.get("mode") == "non-blocking",
    )


class LogReader:
    """
    Reads logs. Any thread may use it.

    :param describe_definition: calls DescribeTaskDefinition for an ARN, and returns the response.
    :param make_client: returns a new boto3 client for ``logs`` in a Region. It is called when one is needed.
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
        #: By a task definition's ARN, the log configurations of its containers, by their names.
        self._logs: dict[str, Mapping[str, Any]] = {}

    def stream(self, definition: str, container: str, arn: str) -> Stream:
        """
        Return the log stream that a container writes to.

        :param definition: ARN of its task definition.
        :raises LogError: if there is no such stream, or the task definition cannot be read.
        """
        known = self._logs.get(definition)
        if known is None:
            response = call_aws("ecs:DescribeTaskDefinition", lambda: self._describe_definition(definition))
            defined = (response.get("taskDefinition") or {}).get("containerDefinitions") or ()
            known = {one.get("name"): one.get("logConfiguration") for one in defined}
            if len(self._logs) >= MAX_DEFINITIONS:
                self._logs.clear()
            self._logs[definition] = known
        return find_stream(known.get(container), container, arn)

    def pages(self, stream: Stream) -> Iterator[Sequence[Line]]:
        """
        Yield the lines from the first to the last, page by page. A page can be empty.

        :raises LogError: if a call fails.
        """
        token: str | None = None
        while True:
            # At the end of a log, AWS returns the token that it was given.
            lines, following = self._page(stream, "nextForwardToken", token, startFromHead=True)
            yield lines
            if not following or following == token:
                return
            token = following

    def last(self, stream: Stream, count: int) -> list[Line]:
        """
        Return at most ``count`` lines from the end of a log.

        :raises LogError: if a call fails.
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
        Return the lines of a page, and the token of the next page.

        :param direction: the member of the response that has this token.
        :raises LogNotThere: if nothing was written yet.
        :raises LogError: if the call fails otherwise.
        """
        if token is not None:
            arguments["nextToken"] = token
        client = self._client(stream.region)
        try:
            response = call_aws(
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
                self._clients[in_region] = call_aws(
                    "a client for CloudWatch Logs", lambda: self._make_client(in_region)
                )
            return self._clients[in_region]

    def renew(self) -> None:
        """Let the next calls make new clients, which look for credentials again."""
        with self._lock:
            self._clients.clear()


def log_reader(ecs: Ecs, make_session: Callable[[], Any], connections: int) -> LogReader:
    """
    Return the reader of the logs of failed containers. Its clients are made when they are needed.

    :param connections: how many logs are read at the same time.
    """

    def make(region: str) -> Any:
        return make_client(make_session(), "logs", connections=connections, region=region)

    return LogReader(ecs.describe_task_definition, make)


def call_aws(name: str, call: Callable[[], Any]) -> Any:
    """
    Make a call, and return its response.

    :param name: of the permission that the call needs.
    :raises LogError: if it fails, with the reason.
    """
    try:
        return call()
    except Exception as error:
        outcome = classify_error(error)
        response = getattr(error, "response", None)
        answer = (response.get("Error") or {}) if isinstance(response, Mapping) else {}
        code, words = answer.get("Code"), f"{answer.get('Code')}: {answer.get('Message')}"
        later = LogLater(f"{name} failed ({outcome.reason})", outcome.verdict)
        if outcome.verdict is Verdict.CREDENTIALS:  # The code is of the call for credentials.
            raise later from error
        if code == "ResourceNotFoundException":
            raise LogNotThere(words) from error
        if code in REFUSED:
            raise LogRefused(f"{name} is not allowed ({words})") from error
        if outcome.verdict is Verdict.FAILED:
            raise LogError(f"{name} failed ({words if answer else outcome.reason})") from error
        raise later from error
