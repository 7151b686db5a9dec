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
"""The part of the scheduler that an executor meets: queues, calls ``heartbeat()``, reads events, takes back."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow.utils.state import TaskInstanceState

from tests.fault_matrix.watching import watched
from tests.fault_matrix.work import MARKERS

if TYPE_CHECKING:
    from airflow.executors.fargate_executor import FargateExecutor
    from airflow.models.taskinstancekey import TaskInstanceKey

    from tests.fault_matrix.work import Task

#: Seconds between two heartbeats, as Airflow has them by default where it has nothing to do.
HEARTBEAT = 1.0
#: In how many heartbeats all task instances of a row are queued.
HEARTBEATS_OF_QUEUEING = 10
#: After how many heartbeats the reprs of all that is kept are looked at: it takes as long as the heartbeats do.
HEARTBEATS_OF_A_LOOK = 4
ENDS = (TaskInstanceState.SUCCESS, TaskInstanceState.FAILED)


class Overdue(Exception):
    """What a row waits for has not come to pass in time."""


@dataclass(frozen=True)
class Told:
    """An event, with how many hand-overs of its task instance there had been."""

    state: str
    info: Any
    hand_overs: int


@dataclass
class Scheduler:
    """
    Drives one executor on one thread, as the scheduler's loop does.

    :param executor: started
    :param scale: what times are multiplied with
    :param tick: called before each heartbeat
    """

    executor: FargateExecutor
    scale: float
    tick: Callable[[], None] = lambda: None
    tasks: dict[TaskInstanceKey, list[Task]] = field(default_factory=lambda: defaultdict(list))
    told: dict[TaskInstanceKey, list[Told]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    revoked: set[TaskInstanceKey] = field(default_factory=set)
    longest: float = 0.0
    #: Seconds by which the machine has made the hand-over take longer than it should.
    late: float = 0.0
    #: What has left ``heartbeat()``: nothing ever may.
    errors: list[BaseException] = field(default_factory=list)
    #: Calls to AWS that the scheduler's own thread made, and its waits for them in ``heartbeat()``: there are none.
    waited: list[str] = field(default_factory=list)
    #: What wait to be queued again after a defer or a reschedule: their task instances are SCHEDULED.
    returning: set[TaskInstanceKey] = field(default_factory=set)
    #: Whether Airflow would have left each of these alone when an end was told of it.
    left_alone: list[tuple[TaskInstanceKey, bool]] = field(default_factory=list)
    #: How many launches of an earlier scheduler were adopted; None where there was none.
    adopted: int | None = None
    #: The reprs of what the executor keeps, where a secret is in them.
    leaks: list[str] = field(default_factory=list)
    _next: float = 0.0
    _beats: int = 0

    def beat(self, tasks: Iterable[Task] = ()) -> None:
        """Queue, have one heartbeat at its time, and read the events."""
        time.sleep(max(0.0, self._next - time.monotonic()))
        self.tick()
        for task in tasks:
            self.tasks[task.key].append(task)
            task.queue(self.executor)
        began = time.monotonic()
        self._next = began + HEARTBEAT * self.scale
        try:
            with watched(self.waited):
                self.executor.heartbeat()
        except BaseException as error:
            self.errors.append(error)
        self.longest = max(self.longest, time.monotonic() - began)
        self._read_events()
        self._beats += 1
        if self._beats % HEARTBEATS_OF_A_LOOK == 0:
            self._look_for_secrets()

    def _read_events(self) -> None:
        for key, (state, info) in self.executor.get_event_buffer().items():
            self.told[key].append(Told(str(getattr(state, "value", state)), info, len(self.tasks[key])))
            if key in self.returning and state in ENDS:
                # Airflow asks when it reads an end, and fails what is SCHEDULED and not the executor's any more.
                ti = SimpleNamespace(id=key.task_id, key=key, state=TaskInstanceState.SCHEDULED)
                self.left_alone.append((key, self.executor.has_task(ti)))
        for entry in self.executor._task_event_logs:
            self.notes[entry.task_id].append(f"{entry.event}: {entry.extra}")
        self.executor._task_event_logs.clear()

    def _look_for_secrets(self) -> None:
        fleet = self.executor._fleet_thread.fleet
        kept = [*list(fleet.runs()), *self.executor._ledger.launches()]
        self.leaks += [text for text in map(repr, kept) if any(marker in text for marker in MARKERS)]

    def hand_over(self, tasks: Sequence[Task]) -> None:
        """Queue task instances, some in each heartbeat."""
        size = max(1, -(-len(tasks) // HEARTBEATS_OF_QUEUEING))
        began = time.monotonic()
        for number, first in enumerate(range(0, len(tasks), size)):
            self.late = max(self.late, time.monotonic() - began - number * HEARTBEAT * self.scale)
            self.beat(tasks[first : first + size])

    def until(self, done: Callable[[], bool], deadline: float) -> None:
        """
        Go on until something holds.

        :param deadline: by ``time.monotonic()``
        :raises Overdue: it took too long
        """
        while not done():
            if time.monotonic() > deadline:
                raise Overdue
            self.beat()

    def revoke(self, key: TaskInstanceKey) -> None:
        """Take a task instance back, as Airflow does with what is queued for too long."""
        self.executor.revoke_task(ti=SimpleNamespace(key=key))

    def give_up(self) -> None:
        """Take back all that has not ended, for good."""
        for key in self.tasks:
            if not self.end(key):
                self.revoked.add(key)
                self.revoke(key)

    def end(self, key: TaskInstanceKey) -> Told | None:
        """Return the end of a task instance's last launch, once it was told."""
        launches = len(self.tasks[key])
        ends = [told for told in self.told[key] if told.state in ENDS and told.hand_overs == launches]
        return ends[-1] if ends else None

    @property
    def all_ended(self) -> bool:
        """Whether each task instance has come to its end, or was taken back for good."""
        return all(key in self.revoked or self.end(key) for key in list(self.tasks))
