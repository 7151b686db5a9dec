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
"""The part of Airflow's scheduler that an executor meets, as each release does it, without a database."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from airflow.utils.state import TaskInstanceState

from tests.bench import work

if TYPE_CHECKING:
    from airflow.executors.base_executor import BaseExecutor
    from airflow.models.taskinstancekey import TaskInstanceKey

ENDS = (TaskInstanceState.SUCCESS, TaskInstanceState.FAILED)
#: Seconds that are waited for something, unless a deadline is given.
PATIENCE = 90.0


class Overdue(AssertionError):
    """What was waited for has not come to pass in time."""


class Scheduler:
    """
    Queues task instances, beats, and remembers what it was told, on one thread.

    A subclass remembers otherwise: :meth:`hear` gets each event, :meth:`note` each row of the task event log.

    :param executor: one that has been started
    :param interval: seconds from one heartbeat to the next at least
    """

    def __init__(self, executor: BaseExecutor, interval: float = 0.0) -> None:
        self.executor = executor
        self.interval = interval
        #: Called before each heartbeat.
        self.tick: Callable[[], None] = lambda: None
        #: The ends of task instances by key: state and what was told with it.
        self.ends: dict[TaskInstanceKey, tuple[Any, Any]] = {}
        #: The rows of the task event log.
        self.event_log: list[tuple[str, str, str]] = []
        #: When the last heartbeat began, by ``time.monotonic()``, and the seconds that it took.
        self.began, self.took = -math.inf, 0.0

    def queue(self, key: TaskInstanceKey, executor_config: Any = None, **more: Any) -> None:
        """Queue a task instance; see :func:`tests.bench.work.queue`."""
        work.queue(self.executor, key, executor_config, **more)

    def beat(self, given: Iterable[Any] = ()) -> None:
        """Wait for the time of the next heartbeat, queue what is given, have it, and read what the executor tells."""
        time.sleep(max(0.0, self.began + self.interval - time.monotonic()))
        self.tick()
        for one in given:
            self.hand_in(one)
        self.began = time.monotonic()
        try:
            self.heartbeat()
        finally:
            self.took = time.monotonic() - self.began
        # From 3.4 on an executor's keys are UUIDs, and the base class forgets what has ended.
        keys = dict(getattr(self.executor, "_task_coordinates", ()))
        for key, (state, info) in self.executor.get_event_buffer().items():
            self.hear(keys.get(key, key), state, info)
        rows = self.executor._task_event_logs  # Airflow's scheduler empties it, too.
        while rows:
            self.note(rows.popleft())

    def hand_in(self, one: Any) -> None:
        """Queue what :meth:`beat` was given: here, keys."""
        self.queue(one)

    def heartbeat(self) -> None:
        """Have the executor's heartbeat."""
        self.executor.heartbeat()

    def hear(self, key: TaskInstanceKey, state: Any, info: Any) -> None:
        """Remember an event: here, an end."""
        if state in ENDS:
            if key in self.ends:
                raise AssertionError(f"{key} has ended twice")
            self.ends[key] = state, info

    def note(self, row: Any) -> None:
        """Remember a row of the task event log."""
        self.event_log.append((row.event, row.task_id, row.extra))

    def until(self, done: Callable[[], Any], deadline: float | None = None) -> None:
        """
        Beat until something holds.

        :param deadline: by ``time.monotonic()``; None is :data:`PATIENCE` from now
        :raises Overdue: it took too long
        """
        deadline = time.monotonic() + PATIENCE if deadline is None else deadline
        while not done():
            if time.monotonic() > deadline:
                raise Overdue(f"it never came true; ends: {self.ends}")
            self.beat()


class Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def errors(self) -> list[str]:
        """Return what was said at the level ERROR and above."""
        return [r.getMessage() for r in self.records if r.levelno >= logging.ERROR]
