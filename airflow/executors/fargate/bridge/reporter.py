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
"""Reports to the scheduler what the fleet's events and the database say of its launches."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.arns import launched
from airflow.executors.fargate.bridge import compat, database, orphan_lookup
from airflow.executors.fargate.bridge.ledger import Standing
from airflow.executors.fargate.bridge.wanted import Verdict
from airflow.executors.fargate.messages import (
    Abandoned,
    Accepted,
    Ended,
    LogLines,
    Noted,
    NotFound,
    OtherEcsTasks,
    Unconfirmed,
    Waiting,
)

if TYPE_CHECKING:
    from airflow.executors.base_executor import BaseExecutor
    from airflow.executors.fargate.bridge.findings import Findings
    from airflow.executors.fargate.bridge.ledger import Ledger
    from airflow.executors.fargate.bridge.lookups import Lookups
    from airflow.executors.fargate.bridge.metrics import Metrics
    from airflow.executors.fargate.fleet.thread import FleetThread
    from airflow.executors.fargate.messages import Event
    from airflow.executors.fargate.present import Candidate

log = logging.getLogger(__name__)


class Reporter:
    """
    Acts on events: changes the executor's state, writes to the task event log, and answers the fleet.

    Only the scheduler's thread calls it.

    :param executor: the executor.
    :param ledger: its present launches.
    :param lookups: the lookups of its launches in the database.
    :param metrics: its metrics.
    """

    def __init__(self, executor: BaseExecutor, ledger: Ledger, lookups: Lookups, metrics: Metrics) -> None:
        self._executor = executor
        self._ledger = ledger
        self._lookups = lookups
        self._metrics = metrics
        #: Events of launches that could not be looked up yet.
        self._postponed: list[Event] = []

    def report(self, thread: FleetThread, scheduler: str | None) -> None:
        """
        Act on the events since the last heartbeat, and on one batch of lookups.

        :param thread: the fleet's.
        :param scheduler: the ``database.scheduler_name()`` of this scheduler; None without one.
        """
        events = [*self._postponed, *thread.events()]
        findings = self._lookups.beat(events, self._executor.queued_tasks)
        self._postponed = []
        lost: list[Candidate] = []
        for event in events:
            if findings.postpones(event):
                self._postponed.append(event)
            elif isinstance(event, OtherEcsTasks):
                thread.tell(thread.fleet.stop_orphans, orphan_lookup.find_orphans(event.ecs_tasks, scheduler))
            elif isinstance(event, LogLines):
                # The launch has ended by now, so it is not the present one.
                self._note(event, "fargate log")
            elif isinstance(event, Waiting) and event.revoked:
                self._note(event)
            elif isinstance(event, NotFound):
                candidate = self._ledger.not_found(event.launch.key)
                if candidate is not None:
                    self._executor.running.discard(candidate.key)
                    lost.append(candidate)
            elif not isinstance(event, Unconfirmed):
                self._act_on_launch(thread, event, findings)
        self._act_on_findings(thread, findings)
        if lost:
            database.hand_back(lost, self._executor.job_id)

    def _note(self, event: Noted | Waiting | Abandoned | LogLines, name: str = "fargate launch") -> None:
        self._executor.log_task_event(event=name, extra=event.text, ti_key=event.launch.key)

    def _act_on_launch(
        self,
        thread: FleetThread,
        event: Accepted | Noted | Waiting | Ended | Abandoned,
        findings: Findings,
    ) -> None:
        key: Any = event.launch.key
        standing = self._ledger.standing(event)
        if standing is Standing.ABANDONED:
            thread.tell(thread.fleet.revoke, event.launch.id, "Airflow has abandoned the launch")
        if standing is not Standing.PRESENT:
            return
        if isinstance(event, Accepted):
            if findings.verdict(event.launch) is Verdict.WANTED:
                self._accepted(key, event)
        elif isinstance(event, Ended):
            self._ended(key, event, findings)
        else:
            if isinstance(event, Abandoned):
                self._ledger.end(key)
                self._executor.running.discard(key)
            self._note(event)

    def _accepted(self, key: Any, event: Accepted) -> None:
        # The scheduler stores it as external_executor_id; None clears the ARN of an earlier launch.
        self._executor.running_state(key, compat.external_id(event.arn))
        self._metrics.time("launch_duration", event.waited)
        if event.attempt:
            text = launched(event.arn, event.cluster, event.attempt)
            self._executor.log_task_event(event="fargate launch", extra=text, ti_key=key)

    def _ended(self, key: Any, event: Ended, findings: Findings) -> None:
        self._ledger.end(key)
        if key in self._executor.queued_tasks:
            # Airflow has queued the task instance again: this is the end of an earlier launch.
            self._executor.running.discard(key)
            return
        self._ledger.remember_end(key)
        self._metrics.time("end_to_event_duration", event.seen_after)
        if event.reason is None:
            self._executor.success(key)
            return
        end = findings.explain(event)
        self._executor.log_task_event(event="fargate failure", extra=end.reason or "", ti_key=key)
        self._fail(end)
        self._lookups.keep_end(end)

    def _fail(self, end: Ended) -> None:
        self._executor.fail(end.launch.key, database.storable(end.reason or ""))

    def _act_on_findings(self, thread: FleetThread, findings: Findings) -> None:
        """Confirm wanted launches, abandon unwanted ones, and report untaken failures again."""
        if findings.confirmed:
            thread.tell(thread.fleet.confirm, findings.confirmed)
        for finding in findings.unwanted:
            launch = finding.launch
            is_present = self._ledger.is_present(launch)
            if is_present:
                self._executor.running.discard(launch.key)
            if finding.verdict is not Verdict.TAKEN_OVER:
                thread.tell(thread.fleet.abandon, launch.id, finding.reason, finding.overdue)
                continue
            if is_present:
                self._ledger.end(launch.key)
            thread.tell(thread.fleet.disown, launch.id)
        for end in findings.untaken:
            log.warning("Airflow has not taken the failure of %s; it is reported again", end.launch)
            self._fail(end)
