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
The present launch of each task instance that the executor has handed over, adopted or kept.

A key identifies a task instance. The ledger makes no calls; the executor acts on what it returns. Only the
scheduler's thread calls it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.launch import Identity, Launch

if TYPE_CHECKING:
    from airflow.executors.fargate.present import Candidate


class Ledger:
    """
    The present launch of each key.

    A key is **kept** if AWS did not say in time, when Airflow asked to adopt it, whether it has an ECS task.
    Its launch is unknown until then. The first ECS task that is found for the key becomes that of its present
    launch, unless Airflow has revoked the key or handed it over again meanwhile.

    **The same key twice.** A defer, a reschedule and a requeue keep the try number, so Airflow can hand over
    a key while its earlier ECS task is still ending:

    * **Queued again before the end** (a heartbeat of 2.11 and 3.0): the earlier launch is superseded.
      Its slot is free, and its end is not reported.
    * **The end before it is queued again** (``process_executor_events`` of 3.0 and newer): the task instance is
      SCHEDULED. 3.0 and 3.1 would fail it, newer ones after a reschedule, so ``has_task()`` of the executor
      says that the executor has it.

    Both can be removed when no supported release fails a task instance for the end of an earlier launch.
    """

    def __init__(self) -> None:
        #: None where the launch is not known yet: the key is kept.
        self._launches: dict[Any, Launch | None] = {}
        #: The ARN of the ECS task of each key's present launch, once it is known.
        self._arns: dict[Any, str] = {}
        #: Candidates that were kept. They stay here after a revocation, so that an ECS task that is found
        #: late is stopped.
        self._kept: dict[Any, Candidate] = {}
        #: Keys whose end was reported, and that Airflow may not have read yet.
        self.just_ended: set[Any] = set()

    # What Airflow asks for.

    def replace(self, key: Any, launch: Launch | None) -> Launch | None:
        """Make this the key's present launch; return the earlier one, which is superseded, or None."""
        earlier = self.remove(key)
        self._launches[key] = launch
        return earlier

    def remove(self, key: Any) -> Launch | None:
        """Remove the key's present launch and return it; None where there is none, or it is not known."""
        self._arns.pop(key, None)
        return self._launches.pop(key, None)

    def keep(self, candidate: Candidate) -> Launch | None:
        """Keep a key until AWS answers; return the earlier launch, which is superseded, or None."""
        self._kept[candidate.key] = candidate
        return self.replace(candidate.key, None)

    def has(self, candidate: Candidate, queued: Container[Any]) -> bool:
        """
        Tell whether the present launch is queued, kept or known here, so that AWS need not be asked.

        :param queued: the keys that Airflow has queued here.
        """
        if candidate.key in queued or candidate.key in self._kept:
            return True
        launch, arn = self._launches.get(candidate.key), self._arns.get(candidate.key)
        if launch is None:
            return False
        return candidate.is_present(Identity(launch.id, launch.task, launch.handed_over, ""), arn)

    def keys(self) -> Iterable[Any]:
        """Return the keys that have a present launch, known or not."""
        return self._launches.keys()

    def has_key(self, key: Any) -> bool:
        """Tell whether the key has a present launch, known or not."""
        return key in self._launches

    def is_present(self, launch: Launch) -> bool:
        """Tell whether a launch is the present one of its key."""
        present = self._launches.get(launch.key)
        return present is not None and present.id == launch.id

    def launches(self) -> list[Launch]:
        """Return the present launches that are known."""
        return [launch for launch in self._launches.values() if launch is not None]

    # What the fleet tells.

    def _is_kept(self, key: Any) -> bool:
        return key in self._launches and self._launches[key] is None

    def accept(self, launch: Launch, arn: str) -> bool:
        """
        Record the ECS task of a launch, if that is the present one of its key.

        The launch of the first ECS task that is found for a kept key becomes its present launch.

        :return: whether that ECS task came too late, and is stopped: Airflow has revoked the kept key, or
            launched it anew.
        """
        if not self.is_present(launch):
            if self._kept.pop(launch.key, None) is None:
                return False
            if not self._is_kept(launch.key):
                return True
            self._launches[launch.key] = launch
        self._arns[launch.key] = arn
        return False

    def take_kept(self, key: Any) -> Candidate | None:
        """
        Remove a kept key that is not adopted.

        :return: its candidate; None where it was launched or revoked meanwhile.
        """
        candidate = self._kept.pop(key, None)
        if candidate is None or not self._is_kept(key):
            return None
        del self._launches[key]
        return candidate
