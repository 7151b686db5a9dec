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
"""BaseExecutor as the FargateExecutor needs it, on each release of Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.bridge import compat, database, sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session


class Base(BaseExecutor):
    """What Airflow asks of every executor, whatever it launches."""

    # 3.2 and newer: the scheduler stores an id of the launch in the transaction that queues the task
    # instance.
    pre_assigns_external_executor_id = True
    # 3.2 and newer: each team has its own executor and options.
    supports_multi_team: bool = True
    # An executor that does not support them would end the scheduler of 3.2; callbacks that cannot run fail.
    supports_callbacks: bool = compat.HANDS_OVER_CALLBACKS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Priorities of the queued commands, 2.11.
        self._priorities: dict[Any, int] = {}
        #: Events that the scheduler has still to save, or is saving: see :meth:`log_task_event`.
        self._unsaved_events: list[Any] = []

    if compat.QUEUES_WORKLOADS_ITSELF:

        def queue_workload(self, workload: Any, session: Session) -> None:
            """Queue a workload, which 3.0 leaves to the executor."""
            self.queued_tasks[workload.ti.key] = workload

    def trigger_tasks(self, open_slots: int) -> None:
        """Hand over what is queued. 2.11 calls execute_async() without the priority, so it is read before."""
        commands = {key: queued for key, queued in self.queued_tasks.items() if isinstance(queued, tuple)}
        self._priorities = {key: priority for key, (_, priority, *_) in commands.items()}
        super().trigger_tasks(open_slots)

    def session_maker(self, conn_id: str | None, region: str | None) -> Callable[[], Any]:
        """Return what makes boto3 sessions of a connection, which can be the team's own."""
        return sessions.session_maker(conn_id, region, compat.team_of(self))

    def log_task_event(self, *, event: str, extra: str, ti_key: Any) -> None:
        """
        Add an event to the event log of a task instance, which the UI shows.

        The scheduler removes events from the queue one by one and saves them together in the end. Until then
        only SQLAlchemy's session refers to them, weakly. The executor keeps a reference, or they and what is
        saved with them would be lost.
        """
        super().log_task_event(event=event, extra=database.storable(extra), ti_key=ti_key)
        # Airflow keeps no events of callbacks.
        if self._task_event_logs:
            self._unsaved_events.append(self._task_event_logs[-1])

    def debug_dump(self) -> None:
        """Log the keys that are here, on SIGUSR2; the base class would log commands with their tokens."""
        for name in ("queued_tasks", "queued_callbacks", "running", "event_buffer"):
            keys = list(getattr(self, name, ()))
            self.log.info("executor.%s (%d)\n\t%s", name, len(keys), "\n\t".join(map(repr, keys)))
