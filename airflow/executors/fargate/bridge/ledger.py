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
Which launch is the present one of each task instance, as the executor has handed it over, adopted or kept it.

It knows nothing of Airflow: a key is what tells one task instance from another. It makes no call and tells nobody; what it
returns the executor acts on. The scheduler's thread alone calls it.
"""

from __future__ import annotations

from collections.abc import Container
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.launch import Identity, Launch
from airflow.executors.fargate.messages import Abandoned, Accepted, Ended, Noted, Waiting

if TYPE_CHECKING:
    from airflow.executors.fargate.present import Candidate


class Standing(Enum):
    """What an event is about."""

    #: The present launch of its key.
    PRESENT = "present"
    #: A launch that another one has replaced, or that was taken back: its events are nobody's.
    EARLIER = "earlier"
    #: A container of which AWS has told so late that Airflow has given up its launch: it is to be stopped.
    GIVEN_UP = "given up"


class Ledger:
    """
    The present launch of each key.

    A key is **kept** where Airflow has asked for the container of an earlier scheduler and AWS has not told in time. Then the
    launch is not known yet: the first container of which AWS tells becomes the key's, unless Airflow has taken the key back
    or handed it over again in the meantime.
    """

    def __init__(self) -> None:
        #: None where the launch is not known yet, as AWS has not told.
        self._launches: dict[Any, Launch | None] = {}
        #: The ARN of the container of a key's present launch, once AWS has told.
        self._arns: dict[Any, str] = {}
        #: Task instances of which AWS has still to tell whether they have a container of an earlier scheduler.
        self._untold: dict[Any, Candidate] = {}
        #: Keys whose end was told since the last heartbeat.
        self._just_ended: set[Any] = set()

    # What Airflow asks for.

    def replace(self, key: Any, launch: Launch) -> Launch | None:
        """Let this be the key's present launch; return the earlier one, which is superseded, or None."""
        earlier = self.take_back(key)
        self._launches[key] = launch
        return earlier

    def take_back(self, key: Any) -> Launch | None:
        """Forget the key's present launch, and return it; None where there is none, or none that is known."""
        self._arns.pop(key, None)
        return self._launches.pop(key, None)

    def keep(self, candidate: Candidate) -> Launch | None:
        """Let a key wait for what AWS will tell; return the earlier launch, which is superseded, or None."""
        earlier = self.take_back(candidate.key)
        self._launches[candidate.key] = None
        self._untold[candidate.key] = candidate
        return earlier

    def has(self, candidate: Candidate, queued: Container[Any]) -> bool:
        """
        Tell whether the task instance's present launch is queued or known here, so that AWS need not be asked.

        :param queued: the keys that wait here for their hand-over.
        """
        if candidate.key in queued or candidate.key in self._untold:
            return True
        launch = self._launches.get(candidate.key)
        return launch is not None and candidate.is_present(
            Identity(launch.id, launch.task, launch.handed_over, ""), self._arns.get(candidate.key)
        )

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

    def standing(self, event: Accepted | Noted | Waiting | Ended | Abandoned) -> Standing:
        """Tell what an event is about; the container of a key that was kept becomes the key's by it."""
        launch = event.launch
        present = self._launches.get(launch.key)
        if self.is_present(launch):
            if isinstance(event, Accepted):
                self._arns[launch.key] = event.arn
            return Standing.PRESENT
        if not isinstance(event, Accepted) or launch.key not in self._untold:
            return Standing.EARLIER
        del self._untold[launch.key]
        if present is not None or launch.key not in self._launches:
            return Standing.GIVEN_UP
        self._launches[launch.key] = launch
        self._arns[launch.key] = event.arn
        return Standing.PRESENT

    def end(self, key: Any) -> None:
        """Forget the key's present launch, which is over."""
        del self._launches[key]
        self._arns.pop(key, None)

    def not_found(self, key: Any) -> Candidate | None:
        """Let go of a key that was kept and has no container; return it, or None where it was launched or taken back."""
        candidate = self._untold.pop(key, None)
        if candidate is None or self._launches.get(key, "") is not None:
            return None
        del self._launches[key]
        return candidate

    # The moment after an end.

    def beat(self) -> None:
        """Forget which keys have just ended: a heartbeat begins."""
        self._just_ended.clear()

    def tell_end(self, key: Any) -> None:
        """Note that the scheduler is told of the key's end."""
        self._just_ended.add(key)

    def has_just_ended(self, key: Any) -> bool:
        """Tell whether the key's end was told since the last heartbeat."""
        return key in self._just_ended
