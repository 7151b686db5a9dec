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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from typing import Any, NamedTuple

from airflow.executors.fargate.aws.answers import mapping
from airflow.executors.fargate.aws.arns import ecs_task_id, region
from airflow.executors.fargate.aws.classify import REFUSED_CODES, classify_error
from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.errors import FargateError

#: How many pages without a line are read before a log counts as empty. AWS documents that there may be such
#: pages.
#: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
MAX_EMPTY_PAGES = 5
#: How many task definitions are cached. A revision never changes.
MAX_DEFINITIONS = 100

#: A JSON Web Token: its header, which is JSON, and whatever follows, also if it is cut off.
JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*")
#: The token of a workload, in JSON or in Python's ``repr``. The quotes can be escaped.
TOKEN = re.compile(r"""(\btoken\\*["']?\s*[:=]\s*\\*["'])[^"'\\]+""")
MASK = "***"


class LogError(FargateError):
    """
    A container's log cannot be read. The text says why, as a clause without a full stop.

    :param verdict: of the error of the call. FAILED: the log cannot be read later either. MISSING: the log
        stream does not exist (yet): nothing was written, or it has not arrived.
    """

    def __init__(self, reason: str, verdict: Verdict = Verdict.FAILED) -> None:
        super().__init__(reason)
        self.verdict = verdict


class LogRefused(LogError):
    """A permission is missing. It is the same for all logs."""


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


class Line(NamedTuple):
    """A line of a log; both times are in milliseconds since the epoch."""

    timestamp: int
    text: str
    #: When it came to CloudWatch, by the clock of AWS.
    ingested: int = 0


class Page(NamedTuple):
    """A page of a log, and the token of the next one."""

    lines: list[Line]
    token: str | None


class LogReader:
    """
    Reads logs. Any thread may use it.

    :param describe_logs: calls DescribeTaskDefinition for an ARN, and returns the log configurations of its
        containers by their names.
    :param make_client: returns a new boto3 client for ``logs`` in a Region. It is called when one is needed.
    """

    def __init__(
        self, describe_logs: Callable[[str], dict[str, Mapping[str, Any]]], make_client: Callable[[str], Any]
    ) -> None:
        self._describe_logs = lru_cache(maxsize=MAX_DEFINITIONS)(describe_logs)
        self._client = lru_cache(make_client)

    def stream(self, definition: str, name: str, arn: str) -> Stream:
        """
        Return the log stream that a container writes to.

        :param definition: ARN of its task definition.
        :param name: of the container.
        :param arn: of its ECS task.
        :raises LogError: if it does not write to CloudWatch, the configuration does not define the stream's
            name, or the task definition cannot be read.
        """
        logs = call_aws("ecs:DescribeTaskDefinition", partial(self._describe_logs, definition))
        log = mapping(logs.get(name))
        driver, options = log.get("logDriver"), mapping(log.get("options"))
        if not driver:
            raise LogError(f"container {name} has no logConfiguration; give it one with the driver awslogs")
        if driver != "awslogs":
            raise LogError(f"container {name} logs through {driver}; only the driver awslogs can be read")
        for option in ("awslogs-group", "awslogs-stream-prefix"):
            if not options.get(option):
                raise LogError(f"the log of container {name} has no {option}, so its stream is not known")
        stream = f"{options['awslogs-stream-prefix']}/{name}/{ecs_task_id(arn)}"
        in_region = options.get("awslogs-region") or region(arn) or ""
        return Stream(in_region, options["awslogs-group"], stream, options.get("mode") == "non-blocking")

    def pages(self, stream: Stream, token: str | None = None) -> Iterator[Page]:
        """
        Yield the lines from the first to the last, page by page. A page can be empty.

        :param token: of a page that was read before; what follows that page is read. None reads from the head.
        :raises LogError: if a call fails.
        """
        following = {} if token is None else {"nextToken": token}
        return self._pages(stream, "nextForwardToken", startFromHead=True, **following)

    def last(self, stream: Stream, count: int) -> list[Line]:
        """
        Return at most ``count`` lines from the end of a log.

        :raises LogError: if a call fails.
        """
        pages = self._pages(stream, "nextBackwardToken", startFromHead=False, limit=count)
        return next((page.lines for page in islice(pages, MAX_EMPTY_PAGES) if page.lines), [])

    def _pages(self, stream: Stream, direction: str, **arguments: Any) -> Iterator[Page]:
        """
        Yield the lines of each page.

        :param direction: the member of a response that has the token of the next page.
        :raises LogError: if nothing was written yet, or a call fails otherwise.
        """
        arguments.update(logGroupName=stream.group, logStreamName=stream.name)
        place = f"log stream {stream.name} in log group {stream.group}"
        client = call_aws("a client for CloudWatch Logs", partial(self._client, stream.region))
        while True:
            response = call_aws("logs:GetLogEvents", partial(client.get_log_events, **arguments), place)
            events = response.get("events") or ()
            token = response.get(direction)
            yield Page([_line(one) for one in events], token)
            # At the end of a log, AWS returns the token that it was given.
            if token in (None, "", arguments.get("nextToken")):
                return
            arguments["nextToken"] = token

    def renew(self) -> None:
        """Let the next calls make new clients, which look for credentials again."""
        self._client.cache_clear()


def _line(event: Mapping[str, Any]) -> Line:
    at = int(event.get("timestamp") or 0)
    return Line(at, str(event.get("message") or ""), int(event.get("ingestionTime") or at))


def call_aws(name: str, call: Callable[[], Any], place: str = "") -> Any:
    """
    Make a call, and return its response.

    :param name: of the permission that the call needs.
    :param place: the log stream that it reads.
    :raises LogError: if it fails, with the reason.
    """
    try:
        return call()
    except Exception as error:
        raise _failure(name, error, place) from error


def _failure(name: str, error: Exception, place: str) -> LogError:
    outcome = classify_error(error)
    answer = mapping(mapping(getattr(error, "response", None)).get("Error"))
    words = f"{answer.get('Code')}: {answer.get('Message')}"
    # If there are no credentials, the code is of the call for them.
    code = None if outcome.verdict is Verdict.CREDENTIALS else answer.get("Code")
    if place and code == "ResourceNotFoundException":
        return LogError(f"there is no {place} yet ({words})", Verdict.MISSING)
    if code in REFUSED_CODES:
        return LogRefused(f"{name} is not allowed ({words})")
    reason = words if answer and outcome.verdict is Verdict.FAILED else outcome.reason
    return LogError(f"{name} failed ({reason})", outcome.verdict)
