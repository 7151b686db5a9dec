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
"""Every task that was ever started, and which of them AWS would still show."""

from __future__ import annotations

import bisect
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.simulator.ecs.tasks import Task


class TaskStore:
    """
    Keeps tasks in the order of their start. ``lock`` guards the store and every task in it.

    Nothing is ever dropped, since the ledger tells everything: what AWS would have forgotten is only hidden.

    :param clock: seconds since 1970
    :param retention: returns for how many seconds a stopped task is shown
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, retention: Callable[[], float] = float
    ) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self._retention = retention
        self._by_arn: dict[str, Task] = {}
        self._by_cluster: dict[str, list[Task]] = defaultdict(list)
        self._by_starter: dict[tuple[str, str], list[Task]] = defaultdict(list)
        self._used_vcpus = 0.0

    def __len__(self) -> int:
        return len(self._by_arn)

    def __iter__(self) -> Iterator[Task]:
        return iter(self._by_arn.values())

    @property
    def used_vcpus(self) -> float:
        """Return the vCPUs of all tasks that are not stopped."""
        return self._used_vcpus

    def add(self, task: Task) -> None:
        self._by_arn[task.arn] = task
        self._by_cluster[task.cluster_arn].append(task)
        self._by_starter[task.cluster_arn, task.started_by].append(task)
        self._used_vcpus += task.vcpus

    def released(self, task: Task) -> None:
        """Give back the vCPUs of a task that is stopped."""
        self._used_vcpus -= task.vcpus

    def shown(self, arn: str) -> Task | None:
        """Return a task if AWS would show it by now, and still does."""
        task = self._by_arn.get(arn)
        return task if task and self._is_shown(task) else None

    def known(self, arn: str) -> Task | None:
        """Return a task whether or not AWS would show it."""
        return self._by_arn.get(arn)

    def shown_after(self, number: int, cluster_arn: str, started_by: str | None) -> Iterator[Task]:
        """Yield the shown tasks of a cluster (and of one starter) that follow a task's number."""
        tasks = (
            self._by_cluster[cluster_arn] if started_by is None else self._by_starter[cluster_arn, started_by]
        )
        start = bisect.bisect_right(tasks, number, key=lambda task: task.number)
        return (task for task in itertools.islice(tasks, start, None) if self._is_shown(task))

    def _is_shown(self, task: Task) -> bool:
        now = self.clock()
        if task.plan.never_seen or now < task.created_at + task.plan.missing_for:
            return False
        return not task.stopped or now < task.times["stoppedAt"] + self._retention()
