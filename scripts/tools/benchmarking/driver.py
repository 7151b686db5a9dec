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
"""The part of the scheduler that an executor meets: hands over, calls ``heartbeat()``, reads the events."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow.utils.state import TaskInstanceState
from tools.benchmarking.scenarios import BUSY_HEARTBEAT, HEARTBEAT
from tools.benchmarking.seen import Beat

if TYPE_CHECKING:
    from airflow.executors.base_executor import BaseExecutor
    from airflow.executors.workloads import ExecuteTask

_ENDS = (TaskInstanceState.SUCCESS, TaskInstanceState.FAILED)


class Unfinished(Exception):
    """What was waited for has not come to pass in time."""


@dataclass
class Driver:
    """
    Drives one executor, on one thread, as the scheduler's loop does.

    :param executor: started
    :param patience: seconds that may be waited for anything
    """

    executor: BaseExecutor
    patience: float
    beats: list[Beat] = field(default_factory=list)
    #: When each end was told, in seconds since the epoch, by task id.
    told: dict[str, float] = field(default_factory=dict)
    #: How often the executor told of a container that AWS accepted, and of a failure.
    accepted: int = 0
    failed: int = 0

    def beat(self, work: Sequence[ExecuteTask] = ()) -> None:
        """Queue workloads, have one heartbeat, and read the events."""
        for workload in work:
            self.executor.queue_workload(workload, session=None)
        at, began = time.time(), time.perf_counter()
        self.executor.heartbeat()
        self.beats.append(Beat(at, time.perf_counter() - began, len(work)))
        self._read_events()

    def _read_events(self) -> None:
        now = time.time()
        for key, (state, _) in self.executor.get_event_buffer().items():
            if state == TaskInstanceState.RUNNING:
                self.accepted += 1
            elif state in _ENDS:
                self.told[key.task_id] = now
                self.failed += state == TaskInstanceState.FAILED
        self.executor._task_event_logs.clear()

    def beat_until(self, done: Callable[[], bool], interval: float = HEARTBEAT) -> None:
        """
        Go on, a heartbeat each so many seconds, until something holds.

        :raises Unfinished: it took too long
        """
        deadline = time.monotonic() + self.patience
        while not done():
            if time.monotonic() > deadline:
                raise Unfinished
            self._paced(interval)

    def beat_for(self, seconds: float) -> None:
        """Go on, a heartbeat a second, for so long; the last one may end later."""
        end = time.monotonic() + seconds
        self.beat_until(lambda: time.monotonic() >= end)

    def hand_over(self, work: Sequence[ExecuteTask], a_heartbeat: int) -> None:
        """Hand work over, so much in each heartbeat; all at once where that is 0."""
        if not a_heartbeat:
            self.beat(work)
            return
        for first in range(0, len(work), a_heartbeat):
            self._paced(BUSY_HEARTBEAT, work[first : first + a_heartbeat])

    def _paced(self, interval: float, work: Sequence[ExecuteTask] = ()) -> None:
        """Have a heartbeat so long after the last one began, or at once where that one took longer."""
        if self.beats:
            time.sleep(max(0.0, self.beats[-1].at + interval - time.time()))
        self.beat(work)
