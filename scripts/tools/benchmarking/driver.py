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
"""The scheduler that drives a measured executor: hands over, and remembers when it was told what."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.utils.state import TaskInstanceState
from tools.benchmarking.scenarios import BUSY_HEARTBEAT, HEARTBEAT
from tools.benchmarking.seen import Beat

from tests.bench.scheduler import ENDS, Scheduler

if TYPE_CHECKING:
    from airflow.executors.base_executor import BaseExecutor
    from airflow.executors.workloads import ExecuteTask
    from airflow.models.taskinstancekey import TaskInstanceKey


class Driver(Scheduler):
    """
    Drives one executor, on one thread, as the scheduler's loop does.

    :param executor: started
    :param patience: seconds that may be waited for anything
    """

    def __init__(self, executor: BaseExecutor, patience: float) -> None:
        super().__init__(executor, HEARTBEAT)
        self.patience = patience
        self.beats: list[Beat] = []
        #: When each end was told, in seconds since the epoch, by task id.
        self.told: dict[str, float] = {}
        #: How often the executor told of a container that AWS accepted, and of a failure.
        self.accepted = self.failed = 0

    def beat(self, given: Sequence[ExecuteTask] = ()) -> None:
        """Have one heartbeat, and remember how long it took."""
        super().beat(given)
        self.beats.append(Beat(self.at, self.took, len(given)))

    def hand_in(self, workload: ExecuteTask) -> None:
        """Queue a workload."""
        self.executor.queue_workload(workload, session=None)

    def heartbeat(self) -> None:
        """Have the executor's heartbeat, and remember when."""
        self.at = time.time()
        super().heartbeat()

    def hear(self, key: TaskInstanceKey, state: Any, info: Any) -> None:
        """Count what was accepted and what failed, and remember when an end was told."""
        if state == TaskInstanceState.RUNNING:
            self.accepted += 1
        elif state in ENDS:
            self.told[key.task_id] = time.time()
            self.failed += state == TaskInstanceState.FAILED

    def note(self, row: Any) -> None:
        """Remember nothing of the task event log."""

    def beat_until(self, done: Callable[[], bool], interval: float = HEARTBEAT) -> None:
        """
        Go on, a heartbeat each so many seconds, until something holds.

        :raises Overdue: it took too long
        """
        self.interval = interval
        self.until(done, time.monotonic() + self.patience)

    def beat_for(self, seconds: float) -> None:
        """Go on, a heartbeat a second, for so long; the last one may end later."""
        end = time.monotonic() + seconds
        self.beat_until(lambda: time.monotonic() >= end)

    def hand_over(self, work: Sequence[ExecuteTask], a_heartbeat: int) -> None:
        """Hand work over, so much in each heartbeat; all at once where that is 0. The first one is at once."""
        self.began, self.interval = -math.inf, BUSY_HEARTBEAT
        for first in range(0, len(work), a_heartbeat or len(work)):
            self.beat(work[first : first + (a_heartbeat or len(work))])
