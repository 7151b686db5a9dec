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
"""Has launches confirmed before they are sent, as another scheduler may have launched them meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.launch_state import Run
    from airflow.executors.fargate.fleet.launcher import Owner
    from airflow.executors.fargate.lease import Lease

#: The most launches that wait to be confirmed: as many as the executor looks up at a heartbeat.
MAX_UNCONFIRMED = 200


class Confirmations:
    """
    The runs that wait until the database confirms that Airflow still wants them.

    :param lease: begins with each confirmation.
    :param owner: asks the database.
    """

    def __init__(self, lease: Lease, owner: Owner) -> None:
        self._lease = lease
        self._owner = owner
        #: By the id of the launch.
        self._waiting: dict[str, Run] = {}

    def __contains__(self, run: Run) -> bool:
        return run.launch.id in self._waiting

    @property
    def is_full(self) -> bool:
        """Whether so many runs wait that the next one is not sent before there are answers."""
        return len(self._waiting) >= MAX_UNCONFIRMED

    def ask(self, run: Run) -> None:
        """Let a run wait until the database has confirmed it."""
        self._waiting[run.launch.id] = run
        self._owner.unconfirmed(run)

    def confirm(self, launch_id: str) -> Run | None:
        """Note that the database has confirmed a launch; return its run, or None if that does not wait."""
        run = self._waiting.pop(launch_id, None)
        if run is not None:
            run.confirmed = self._lease.begin()
        return run

    def discard(self, run: Run) -> None:
        """Forget a run."""
        self._waiting.pop(run.launch.id, None)

    def clear(self) -> None:
        """Forget all runs."""
        self._waiting.clear()
