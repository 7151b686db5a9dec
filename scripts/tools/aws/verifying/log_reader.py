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
"""The lines of a log stream in CloudWatch Logs, as they come."""

from __future__ import annotations

from typing import Any


class LogReader:
    """
    Reads one stream from its beginning on.

    An event is a line; awslogs cuts very long ones into several.
    """

    def __init__(self, logs: Any, group: str, stream: str) -> None:
        self._logs = logs
        self._stream = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
        self._token: dict[str, str] = {}

    def read(self) -> list[str]:
        """Return the lines since the last call; none where the stream is not there yet."""
        lines: list[str] = []
        while True:
            try:
                answer = self._logs.get_log_events(**self._stream, **self._token)
            except self._logs.exceptions.ResourceNotFoundException:
                return lines
            lines += [event["message"] for event in answer["events"]]
            token = {"nextToken": answer["nextForwardToken"]}
            # The same token again means the end for now; an empty page does not.
            # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
            if token == self._token:
                return lines
            self._token = token
