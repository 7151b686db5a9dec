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
"""Follows the scheduler's ECS task by its log until it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tools.aws.errors import DeploymentError
from tools.aws.verifying.log_reader import LogReader
from tools.aws.verifying.scheduler_task import death
from tools.aws.verifying.task_definitions import LIMIT

if TYPE_CHECKING:
    from tools.aws.verifying.protocol import Results
    from tools.aws.verifying.scheduler_task import SchedulerTask
    from tools.aws.verifying.target import Target

#: Seconds between two looks.
PERIOD = 5.0
#: So many looks at the log after the ECS task has stopped: awslogs sends what it has within seconds.
LAST_LOOKS = 4
#: So many looks at most: the ECS task ends by itself before, once it has started; the start has ten minutes.
LOOKS = int((LIMIT + 600) / PERIOD)


class Follower:
    """
    One run of it.

    :param keep: is called with each line that is not the program's own.
    """

    def __init__(
        self,
        task: SchedulerTask,
        logs: Any,
        target: Target,
        results: Results,
        keep: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._task = task
        self._reader = LogReader(logs, target.outputs["LogGroupName"], task.log_stream)
        self._results = results
        self._keep = keep
        self._sleep = sleep

    def follow(self) -> None:
        """Return when the program has said its end; raise DeploymentError where it ended otherwise."""
        for _ in range(LOOKS):
            # First the state, then the log: so no line is missed that came before the end.
            described = self._task.describe()
            self._read()
            if self._results.ended:
                return
            if described.get("lastStatus") == "STOPPED":
                self._read_the_rest()
                if self._results.ended:
                    return
                raise DeploymentError(f"The scheduler's ECS task has stopped: {death(described)}")
            self._sleep(PERIOD)
        raise DeploymentError(
            f"The scheduler's ECS task has not ended within {LOOKS * PERIOD / 60:.0f} minutes."
        )

    def _read_the_rest(self) -> None:
        for _ in range(LAST_LOOKS):
            self._sleep(PERIOD)
            self._read()

    def _read(self) -> None:
        for line in self._reader.read():
            if self._results.take(line):
                self._keep(line)
