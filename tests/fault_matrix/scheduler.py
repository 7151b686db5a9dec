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
"""The scheduler that drives the executor of a row, and all that it is told meanwhile."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.utils.state import TaskInstanceState

from tests.bench.scheduler import ENDS, Scheduler as MiniScheduler
from tests.bench.work import task_instance
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


@dataclass(frozen=True)
class Told:
    """An event, with how many hand-overs of its task instance there had been."""

    state: str
    info: Any
    hand_overs: int


class Scheduler(MiniScheduler):
    """
    Drives one executor, and keeps all that it was told.

    :param executor: started
    :param scale: what times are multiplied with
    """

    def __init__(self, executor: FargateExecutor, scale: float) -> None:
        super().__init__(executor, HEARTBEAT * scale)
        self.tasks: dict[TaskInstanceKey, list[Task]] = defaultdict(list)
        self.told: dict[TaskInstanceKey, list[Told]] = defaultdict(list)
        self.notes: dict[str, list[str]] = defaultdict(list)
        self.revoked: set[TaskInstanceKey] = set()
        self.longest = 0.0
        #: Seconds by which the machine has made the hand-over take longer than it should.
        self.late = 0.0
        #: What has left ``heartbeat()``: nothing ever may.
        self.errors: list[BaseException] = []
        #: Calls to AWS that the scheduler's own thread made, and its waits for them in ``heartbeat()``: there are none.
        self.waited: list[str] = []
        #: What wait to be queued again after a defer or a reschedule: their task instances are SCHEDULED.
        self.returning: set[TaskInstanceKey] = set()
        #: Whether Airflow would have left each of these alone when an end was told of it.
        self.left_alone: list[tuple[TaskInstanceKey, bool]] = []
        #: How many launches of an earlier scheduler were adopted; None where there was none.
        self.adopted: int | None = None
        #: The reprs of what the executor keeps, where a secret is in them.
        self.leaks: list[str] = []
        self._beats = itertools.count(1)

    def beat(self, given: Iterable[Task] = ()) -> None:
        """Have one heartbeat, and look for secrets in what the executor keeps."""
        super().beat(given)
        self.longest = max(self.longest, self.took)
        if next(self._beats) % HEARTBEATS_OF_A_LOOK == 0:
            state = self.executor.debug_state()
            kept = map(repr, (*state["followed"], *state["launches"]))
            self.leaks += [text for text in kept if any(marker in text for marker in MARKERS)]

    def hand_in(self, task: Task) -> None:
        """Queue a task instance of the row."""
        self.tasks[task.key].append(task)
        task.queue(self.executor)

    def heartbeat(self) -> None:
        """Have the executor's heartbeat, and note what it raises, asks and waits for."""
        try:
            with watched(self.waited):
                super().heartbeat()
        except BaseException as error:
            self.errors.append(error)

    def hear(self, key: TaskInstanceKey, state: Any, info: Any) -> None:
        """Remember an event."""
        self.told[key].append(Told(str(getattr(state, "value", state)), info, len(self.tasks[key])))
        if key in self.returning and state in ENDS:
            # Airflow asks when it reads an end, and fails what is SCHEDULED and not the executor's any more.
            ti = task_instance(key, state=TaskInstanceState.SCHEDULED)
            self.left_alone.append((key, self.executor.has_task(ti)))

    def note(self, row: Any) -> None:
        """Remember a row of the task event log."""
        self.notes[row.task_id].append(f"{row.event}: {row.extra}")

    def hand_over(self, tasks: Sequence[Task]) -> None:
        """Queue task instances, some in each heartbeat."""
        size = max(1, -(-len(tasks) // HEARTBEATS_OF_QUEUEING))
        began = time.monotonic()
        for number, first in enumerate(range(0, len(tasks), size)):
            self.late = max(self.late, time.monotonic() - began - number * self.interval)
            self.beat(tasks[first : first + size])

    def revoke(self, key: TaskInstanceKey) -> None:
        """Take a task instance back, as Airflow does with what is queued for too long."""
        self.executor.revoke_task(ti=task_instance(key))

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
