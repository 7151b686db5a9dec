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
Fetches what containers that failed have said last, for the event log of their tasks.

A container that dies before Airflow's own logging begins would else be mute. The end of the launch is told at once and
waits for nothing: the lines follow as an event of their own, for CloudWatch gets them some seconds late.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.arns import task_id
from airflow.executors.fargate.logs.cloudwatch import (
    LogError,
    LogLater,
    LogNotThere,
    LogRefused,
    without_tokens,
)
from airflow.executors.fargate.messages import LogLines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.executors.fargate.fleet.calls import Calls, Reply
    from airflow.executors.fargate.fleet.launch_state import Run
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.logs.cloudwatch import LogReader

log = logging.getLogger(__name__)

#: How many lines are told of a container, and how many characters of a line and of all of them.
COUNT = 20
MAX_LINE = 500
MAX_TEXT = 4000
#: Seconds until the first look, and from there to the next ones, where nothing has arrived yet.
LOOKS = (2.0, 4.0, 8.0)
#: How many ECS tasks wait; whatever fails beyond that goes without.
MAX_WAITING = 100
#: How many reasons are told in the scheduler's log.
MAX_TOLD = 100
#: Seconds for which nothing is asked after AWS has refused.
REFUSED_PAUSE = 600.0
NOT_READ = "The last lines of containers that fail cannot be read"


@dataclass(frozen=True)
class Failed:
    """A container that has failed, and where it may have written."""

    launch: Launch
    arn: str
    container: str
    #: ARN of its task definition.
    definition: str
    looks: int = 0


class LastLines:
    """
    Looks for the last lines of containers that failed, with a few calls a second.

    Only the fleet's thread calls its methods. It keeps at most :data:`MAX_WAITING` containers in mind.

    :param read: returns the text for the event log, or an empty one where nothing has been written; it is called on a
        thread of the pool, and raises :class:`LogError`.
    :param calls: makes the calls.
    :param emit: takes an event to the executor.
    :param clock: seconds, never going backwards.
    """

    def __init__(
        self,
        *,
        read: Callable[[Failed], str],
        calls: Calls,
        emit: Callable[[LogLines], None],
        clock: Callable[[], float],
    ) -> None:
        self._read = read
        self._calls = calls
        self._emit = emit
        self._clock = clock
        self._due: list[tuple[float, int, Failed]] = []
        self._numbers = itertools.count()
        self._refused_until: float | None = None
        #: Reasons that the log has been told of, once each.
        self._told: set[str] = set()

    def add(self, failed: Failed) -> None:
        """Look for a container's last lines soon, unless too many wait already."""
        if self._refused_until is not None and self._clock() < self._refused_until:
            return
        if len(self._due) >= MAX_WAITING:
            self._say_once(
                "many", f"Over {MAX_WAITING} containers have failed at once; others go without last lines"
            )
            return
        self._put(failed)

    def clear(self) -> None:
        """Forget everything."""
        self._due.clear()

    def work(self) -> float | None:
        """Make the calls whose turn it is; return when to look again, or None if only a message can tell."""
        now = self._clock()
        lane = self._calls.logs
        while self._due and self._due[0][0] <= now and self._calls.admits(lane):
            _, _, failed = heapq.heappop(self._due)
            self._calls.read_log(partial(self._read, failed), partial(self._done, failed))
        return self._calls.turn(lane, self._due[0][0] if self._due else None)

    def _put(self, failed: Failed) -> None:
        at = self._clock() + LOOKS[failed.looks]
        heapq.heappush(self._due, (at, next(self._numbers), replace(failed, looks=failed.looks + 1)))

    def _done(self, failed: Failed, _: Sequence[Run], reply: Reply) -> None:
        error = reply.error
        if error is None and reply.value:
            self._emit(LogLines(failed.launch, reply.value))
            return
        if error is not None and not isinstance(error, (LogLater, LogNotThere)):
            self._give_up(error)
            return
        if failed.looks < len(LOOKS) and len(self._due) < MAX_WAITING:
            self._put(failed)
        elif isinstance(error, LogLater):
            # Such as of a subnet from which CloudWatch is not reached.
            self._say_once(error.verdict.name, f"{NOT_READ}: {error}")

    def _give_up(self, error: BaseException) -> None:
        """Say why in the scheduler's log: no task's event log has to hold it, and it would be the same in each."""
        if isinstance(error, LogRefused):
            # AWS's words name the very log, so they are not what is compared.
            self._say_once("refused", f"{NOT_READ}: {error}")
            # Permissions change seldom: the containers that fail meanwhile go without.
            self._refused_until = self._clock() + REFUSED_PAUSE
            self._due.clear()
        elif isinstance(error, LogError):
            self._say_once(str(error), f"{NOT_READ}: {error}")
        else:
            self._say_once(type(error).__name__, NOT_READ, error)

    def _say_once(self, what: str, text: str, error: BaseException | None = None) -> None:
        if what not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(what)
            log.warning("%s. This is said once.", text, exc_info=error)


def last_lines_of(reader: LogReader, mask: Callable[[str], str], failed: Failed) -> str:
    """
    Return the text for the event log: the container's last lines, without secrets, cut to size.

    :param mask: takes secrets out of a text.
    :return: an empty text where nothing has been written yet.
    :raises LogError: where the log cannot be read.
    """
    lines = reader.last(reader.stream(failed.definition, failed.container, failed.arn), COUNT)
    if not lines:
        return ""
    # Before anything is cut off: half a secret would not be known as one.
    text = mask(without_tokens("\n".join(line.text.rstrip() for line in lines)))
    head = f"Last lines of container {failed.container} ({task_id(failed.arn)}):"
    # Airflow's UI shows a text without its line breaks: this tells where a line begins all the same.
    return "\n".join([head, *(f"| {line}" for line in _cut(text.split("\n")))])


def _cut(lines: Sequence[str]) -> list[str]:
    """Keep the last lines that fit, and of each its beginning."""
    kept: list[str] = []
    left = MAX_TEXT
    for line in reversed(lines[-COUNT:]):
        short = line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…"
        left -= len(short) + 1
        if left < 0:
            break
        kept.append(short)
    return kept[::-1]
