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
Fetches the last lines of main containers that failed, for the event log of their task instances.

A container that ends before Airflow's own logging begins has no other log in Airflow. The end of the launch
is reported at once. The lines follow in an event of their own, as they arrive in CloudWatch some seconds
late.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.arns import ecs_task_id
from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.logs.cloudwatch import LogError, LogReader, LogRefused, without_tokens
from airflow.executors.fargate.logs.rendered import readable_lines
from airflow.executors.fargate.messages import LogLines

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.calls import Calls, Reply
    from airflow.executors.fargate.fleet.context import Context
    from airflow.executors.fargate.launch import Launch

log = logging.getLogger(__name__)

#: How many lines of a container are shown, and how many characters of a line and of all lines.
COUNT = 20
MAX_LINE = 500
MAX_TEXT = 4000
#: Seconds before each look, as long as nothing has arrived.
LOOKS = (2.0, 4.0, 8.0)
#: How many containers may wait. For those that fail beyond that number, no lines are fetched.
MAX_WAITING = 100
#: How many different reasons are logged.
MAX_REASONS = 100
#: Seconds without calls after AWS has refused one for a missing permission.
REFUSED_PAUSE = 600.0
NOT_READ = "The last lines of containers that fail cannot be read"


@dataclass(frozen=True)
class Failed:
    """A main container that has failed, and where it may have written."""

    launch: Launch
    arn: str
    container: str
    #: ARN of its task definition.
    definition: str
    looks: int = 0
    #: When the next look is due.
    at: float = 0.0


class LastLines:
    """
    Fetches the last lines of failed containers, with a few calls a second.

    At most :data:`MAX_WAITING` containers are in its queue. Only the fleet's thread calls its methods.

    :param context: sends events to the executor; its ``logs`` reads logs, and its ``mask`` masks the secrets that
        Airflow knows.
    :param calls: makes the calls, on threads of the pool.
    """

    def __init__(self, context: Context, calls: Calls) -> None:
        self._read = partial(last_lines_of, context.logs, context.mask)
        self._calls = calls
        self._context = context
        #: By the time of their next look; at most :data:`MAX_WAITING`.
        self._due: list[Failed] = []
        #: Until when no calls are made.
        self._refused_until = context.clock()
        #: Keys of the reasons logged so far.
        self._logged: set[str] = set()

    def add(self, failed: Failed) -> None:
        """Fetch a container's last lines soon, unless too many wait already."""
        if self._context.clock() < self._refused_until:
            return
        if len(self._due) < MAX_WAITING:
            self._put(failed)
        else:
            text = f"Over {MAX_WAITING} containers failed at once; the others get no last lines"
            self._log_once("many", text)

    def clear(self) -> None:
        """Forget all containers."""
        self._due.clear()

    def work(self) -> float | None:
        """Make the calls that are due. Return when more are due; None if only a message can cause more work."""
        lane = self._calls.logs
        while self._due and self._due[0].at <= self._context.clock() and self._calls.admits(lane):
            failed = self._due.pop(0)
            self._calls.make(lane, partial(self._read, failed), partial(self._done, failed))
        return self._calls.turn(lane, self._due[0].at if self._due else None)

    def _put(self, failed: Failed) -> None:
        at = self._context.clock() + LOOKS[failed.looks]
        self._due.append(replace(failed, looks=failed.looks + 1, at=at))
        self._due.sort(key=lambda one: one.at)

    def _done(self, failed: Failed, reply: Reply) -> None:
        error = reply.error
        # Without an error, the log is empty. Any other error than a LogError is a bug.
        verdict = Verdict.MISSING if error is None else getattr(error, "verdict", Verdict.FAILED)
        if reply.value:
            self._context.emit(LogLines(failed.launch, reply.value))
        elif verdict is not Verdict.FAILED and failed.looks < len(LOOKS) and len(self._due) < MAX_WAITING:
            self._put(failed)
        elif error is not None and verdict is not Verdict.MISSING:
            self._give_up(error)  # Also after the last look, such as without a way to CloudWatch.

    def _give_up(self, error: BaseException) -> None:
        """Log the reason once. It is the same for many containers, so it goes into no event log."""
        if not isinstance(error, LogError):
            self._log_once(type(error).__name__, NOT_READ, error)
        else:
            # What AWS says contains the log's name. So the verdict is the key, or each container would be
            # logged.
            is_ours = error.verdict is Verdict.FAILED and not isinstance(error, LogRefused)
            kind = str(error) if is_ours else f"{type(error).__name__} {error.verdict}"
            self._log_once(kind, f"{NOT_READ}: {error}")
        if isinstance(error, LogRefused):
            # Permissions seldom change, so no lines are fetched for the containers that fail meanwhile.
            self._refused_until = self._context.clock() + REFUSED_PAUSE
            self._due.clear()

    def _log_once(self, reason: str, text: str, error: BaseException | None = None) -> None:
        if reason not in self._logged and len(self._logged) < MAX_REASONS:
            self._logged.add(reason)
            log.warning("%s. This is logged once.", text, exc_info=error)


def last_lines_of(reader: LogReader, mask: Callable[[str], str], failed: Failed) -> str:
    """
    Return the text for the event log: the container's last lines, readable, with secrets masked, cut to size.

    :param mask: masks the secrets that Airflow knows.
    :return: empty if nothing was written yet.
    :raises LogError: if the log cannot be read.
    """
    lines = reader.last(reader.stream(failed.definition, failed.container, failed.arn), COUNT)
    if not lines:
        return ""
    # Mask before cutting: half a secret would not be recognized. JSON writes some secrets otherwise, and what is
    # readable has no quotes by which a token is recognized: so mask both.
    texts = _masked(mask, (line.text.rstrip() for line in lines))
    texts = _masked(mask, chain.from_iterable(map(readable_lines, texts)))
    head = f"Last lines of container {failed.container} ({ecs_task_id(failed.arn)}):"
    # Airflow's UI shows the text without its line breaks, so each line begins with a bar.
    return "\n".join([head, *(f"| {line}" for line in _cut(texts))])


def _masked(mask: Callable[[str], str], lines: Iterable[str]) -> list[str]:
    """Return lines with secrets masked; one can have several lines, so all are masked at once."""
    return mask(without_tokens("\n".join(lines))).split("\n")


def _cut(lines: Sequence[str]) -> list[str]:
    """Return the last lines that fit into :data:`MAX_TEXT`, each cut to :data:`MAX_LINE`."""
    short = [line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…" for line in lines[-COUNT:]]
    while sum(len(line) + 1 for line in short) > MAX_TEXT:
        del short[0]
    return short
