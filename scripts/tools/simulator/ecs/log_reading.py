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
GetLogEvents as CloudWatch answers it: pages of limited size, empty ones among them, and lines that arrive late.

moto keeps the lines, and answers every other call of CloudWatch Logs.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

from tools.simulator import limits
from tools.simulator.aws_errors import AwsError, invalid_parameter
from tools.simulator.ecs.run_request import parsed

if TYPE_CHECKING:
    from tools.simulator.ecs.moto_side import LogLine, MotoSide
    from tools.simulator.faults.source import FaultSource

OPERATION = "GetLogEvents"


class LogReading:
    """
    Answers GetLogEvents.

    :param clock: seconds since the epoch
    """

    def __init__(self, moto: MotoSide, faults: FaultSource, clock: Callable[[], float] = time.time) -> None:
        self._moto = moto
        self._faults = faults
        self._clock = clock
        self._shape = (
            ServiceModel(Loader().load_service_model("logs", "service-2"), "logs")
            .operation_model(OPERATION)
            .input_shape
        )

    def answer(self, body: bytes, region: str) -> bytes:
        """
        Carry out a call.

        :param body: its JSON
        :return: the answer's JSON
        :raises AwsError: the error that AWS answers with
        """
        request = parsed(body, self._shape)
        group = request.get("logGroupName") or request.get("logGroupIdentifier", "").rpartition(":")[2]
        lines = self._moto.log_lines(region, group, request["logStreamName"])
        if lines is None:
            raise AwsError("ResourceNotFoundException", "The specified log stream does not exist.")
        arrived = 1000 * (self._clock() - self._faults.settings.log_lag)
        begin, end = request.get("startTime", 0), request.get("endTime", float("inf"))
        shown = [line for line in lines if line.ingested <= arrived and begin <= line.timestamp < end]
        return json.dumps(self._page(shown, request)).encode()

    def _page(self, lines: Sequence[LogLine], request: dict[str, Any]) -> dict[str, Any]:
        forward, place, empty = _start(request, len(lines))
        most = min(request.get("limit", limits.MAX_LOG_PAGE_EVENTS), limits.MAX_LOG_PAGE_EVENTS)
        following = range(place, len(lines)) if forward else range(place - 1, -1, -1)
        skipped = bool(following) and empty < self._faults.settings.log_empty_pages
        taken = [] if skipped else _fitting(lines, following, most)
        reached = place + (len(taken) if forward else -len(taken))
        empty = empty + 1 if skipped else empty if not taken else 0
        return {
            "events": [
                {"timestamp": line.timestamp, "ingestionTime": line.ingested, "message": line.message}
                for line in (taken if forward else reversed(taken))
            ],
            "nextForwardToken": _token("f", max(place, reached), empty if forward else 0),
            "nextBackwardToken": _token("b", min(place, reached), 0 if forward else empty),
        }


def _fitting(lines: Sequence[LogLine], following: Sequence[int], most: int) -> list[LogLine]:
    """Take as many as a page may have, one at least."""
    taken: list[LogLine] = []
    size = 0
    for number in following[:most]:
        size += len(lines[number].message.encode()) + limits.LOG_EVENT_OVERHEAD_BYTES
        if taken and size > limits.MAX_LOG_PAGE_BYTES:
            break
        taken.append(lines[number])
    return taken


def _start(request: dict[str, Any], count: int) -> tuple[bool, int, int]:
    """Return which way to go, from between which lines, and how many empty pages there were before."""
    token = request.get("nextToken")
    if token is None:
        forward = request.get("startFromHead", False)
        return forward, 0 if forward else count, 0
    try:
        direction, place, empty, _ = token.split("/")
        return {"f": True, "b": False}[direction], int(place), int(empty)
    except (ValueError, KeyError):
        raise invalid_parameter("The specified nextToken is invalid.") from None


def _token(direction: str, place: int, empty: int) -> str:
    """Return a token of the form that AWS's have."""
    return f"{direction}/{place:056d}/{empty}/s"
