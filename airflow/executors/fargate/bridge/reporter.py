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
"""Acts on the fleet's events and the lookups for the scheduler, and sends metrics."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from airflow.executors.fargate import messages, notes
from airflow.executors.fargate.bridge import AIRFLOW, database, orphan_lookup
from airflow.executors.fargate.bridge.wanted import WantedState
from airflow.executors.fargate.bridge.workloads import coordinates_of
from airflow.executors.fargate.launch import TaskInstanceId
from airflow.models.log import Log

if TYPE_CHECKING:
    from typing import TypeAlias

    from airflow.executors.fargate.aws.usage import Billed, Took
    from airflow.executors.fargate.bridge import Base
    from airflow.executors.fargate.bridge.ledger import Ledger
    from airflow.executors.fargate.bridge.lookups import Findings, Lookups
    from airflow.executors.fargate.fleet.orphan_checks import AdoptionAnswer
    from airflow.executors.fargate.fleet.thread import FleetThread
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.present import Candidate

log = logging.getLogger(__name__)

#: Events that count only while their launch is the present one of its key.
LaunchEvent: TypeAlias = (
    "messages.Abandoned | messages.Accepted | messages.Ended | messages.Noted | messages.Waiting"
)

#: Notes on task instances that are neither adopted nor given back.
NOT_DESCRIBED = (
    "AWS refuses to say whether it has an ECS task of the previous scheduler. It is neither followed nor "
    "launched anew; Airflow's timeouts decide."
)
ELSEWHERE = (
    "Its ECS task comes from another metadata database under the same [fargate] deployment. It is neither "
    "followed nor launched anew; Airflow's timeouts decide. The scheduler's log says what to do."
)


class Metrics:
    """Sends Airflow's metrics of an executor. The names are literals, which Airflow's hook finds in its registry."""

    def __init__(self, executor: Base) -> None:
        #: The tags that Airflow 3.3 gives to its metrics of executors.
        tags = {"executor_class_name": type(executor).__name__, "team_name": executor.team_name}
        self._tags = {name: value for name, value in tags.items() if value is not None}
        #: The counts that were sent last.
        self._reported: Counter[str] = Counter()

    def report(self, counters: messages.Counters) -> None:
        """Send what the fleet has counted since the last time."""
        stats, counted = AIRFLOW.stats(), Counter(asdict(counters))
        grown, self._reported = counted - self._reported, counted
        if count := grown["launches"]:
            stats.incr("fargate_executor.launches", count, tags=self._tags)
        if count := grown["throttles"]:
            stats.incr("fargate_executor.throttles", count, tags=self._tags)
        if count := grown["describe_calls"]:
            stats.incr("fargate_executor.describe_calls", count, tags=self._tags)
        if count := grown["fleet_restarts"]:
            stats.incr("fargate_executor.fleet_restarts", count, tags=self._tags)
        stats.gauge("fargate_executor.live_containers", counters.live_containers, tags=self._tags)

    def time_launch(self, seconds: float | None) -> None:
        """Send how long it took until AWS accepted a launch; None where that is not known."""
        if seconds is not None:
            stats = AIRFLOW.stats()
            stats.timing("fargate_executor.launch_duration", _duration(seconds), tags=self._tags)

    def time_end(self, seconds: float | None) -> None:
        """Send how long ago an ECS task ended; None without one."""
        if seconds is not None:
            stats = AIRFLOW.stats()
            stats.timing("fargate_executor.end_to_event_duration", _duration(seconds), tags=self._tags)

    def measure(self, took: Took, billed: Billed | None) -> None:
        """Send how long the steps of an ECS task took that has ended, and what AWS bills for it."""
        stats, tags = AIRFLOW.stats(), self._tags
        if took.provisioned is not None:
            stats.timing("fargate_executor.provision_duration", _duration(took.provisioned), tags=tags)
        if took.pulled is not None:
            stats.timing("fargate_executor.pull_duration", _duration(took.pulled), tags=tags)
        if took.started is not None:
            stats.timing("fargate_executor.start_duration", _duration(took.started), tags=tags)
        if took.ran is not None:
            stats.timing("fargate_executor.run_duration", _duration(took.ran), tags=tags)
        if billed is not None:
            tags = {**tags, "capacity": "spot" if billed.is_spot else "on_demand"}
            if billed.architecture:
                tags["architecture"] = billed.architecture
            stats.incr("fargate_executor.vcpu_seconds", billed.vcpu_seconds, tags=tags)
            stats.incr("fargate_executor.gb_seconds", billed.gb_seconds, tags=tags)


def _duration(seconds: float) -> timedelta:
    return timedelta(seconds=max(0.0, seconds))  # AWS's clock may be ahead.


class Reporter:
    """
    Acts on events: changes the executor's state, writes to the task event log, and answers the fleet.

    Only the scheduler's thread calls it.

    :param executor: the executor.
    :param thread: its fleet's.
    :param ledger: its present launches.
    :param lookups: the lookups of its launches in the database.
    """

    def __init__(self, executor: Base, thread: FleetThread, ledger: Ledger, lookups: Lookups) -> None:
        self._executor = executor
        self._thread = thread
        self._ledger = ledger
        self._lookups = lookups
        self._metrics = Metrics(executor)
        #: Events of launches that could not be looked up yet.
        self._postponed: list[messages.Event] = []

    def report(self) -> None:
        """Act on the events since the last heartbeat, and on one batch of lookups; send the metrics."""
        # Airflow has read an end that is not in the buffer any more; others it reads later.
        self._ledger.just_ended.intersection_update(self._executor.event_buffer)
        events = [*self._postponed, *self._thread.events()]
        findings = self._lookups.look_up(events, AIRFLOW.queued(self._executor))
        self._postponed = [event for event in events if findings.postpones(event)]
        lost: list[Candidate] = []
        # First the events that count although their launch is not the present one: it is over, revoked, not
        # ours or not known. The rest counts only while its launch is the present one.
        for event in (event for event in events if not findings.postpones(event)):
            if isinstance(event, messages.OtherEcsTasks):
                orphans = orphan_lookup.find_orphans(event.ecs_tasks, self._thread.fleet.context.scheduler)
                self._thread.tell(self._thread.fleet.stop_orphans, orphans)
            elif isinstance(event, messages.Unconfirmed):
                if findings.of(event.launch).verdict is WantedState.WANTED:
                    self._thread.tell(self._thread.fleet.confirm, [event.launch.id])
            elif isinstance(event, messages.NotAdopted):
                if (candidate := self._ledger.take_kept(event.launch.key)) is not None:
                    lost.append(candidate)
            elif isinstance(event, messages.LogLines):
                # The launch has ended by now, so it is not the present one.
                self.note(event.launch, event.text, notes.LINES)
            elif isinstance(event, messages.Measured):
                self._metrics.measure(event.took, event.billed)
                self.note(event.launch, event.text)
            elif isinstance(event, messages.Revoked):
                self.note(event.launch, event.text)
            else:
                self._act_on_launch(event, findings)
        self._act_on_findings(findings)
        # Airflow also counts as running what adoption has neither adopted nor given back.
        self._executor.running.intersection_update(self._ledger.keys())
        if lost:
            database.hand_back(lost, self._executor.job_id)
        self._metrics.report(self._thread.fleet.context.counters)

    def adopt(self, answer: AdoptionAnswer) -> None:
        """Follow the ECS tasks that adoption has found, and note which task instances are left alone."""
        for launch in (found.launch for found in answer.found):
            self.supersede(self._ledger.replace(launch.key, launch))
            self._executor.running.add(launch.key)
        for candidate in answer.kept:
            self.supersede(self._ledger.keep(candidate))
            self._executor.running.add(candidate.key)
        for note, candidates in ((NOT_DESCRIBED, answer.unknown), (ELSEWHERE, answer.elsewhere)):
            for candidate in candidates:
                self.note(candidate, note, notes.ADOPTION)
        if answer.elsewhere:
            orphan_lookup.warn_of_another_database()
        if answer.kept:
            log.warning("It is not known yet which of %d task instances have an ECS task", len(answer.kept))
        log.info("Adopted %d task instances, %d have no ECS task", len(answer.found), len(answer.missing))

    def supersede(self, earlier: Launch | None) -> None:
        """Have the fleet forget a launch whose key has another present launch now."""
        if earlier is not None:
            self._thread.tell(self._thread.fleet.supersede, earlier.id)

    def note(self, of: Launch | Candidate, text: str, name: str = notes.LAUNCH) -> None:
        """
        Add an event of this name to the event log of a task instance, which the UI shows; callbacks have none.

        An empty text is not noted.

        Airflow's ``log_task_event()`` would leave out the Dag and the task of an event that comes after the end,
        when Airflow has forgotten of which task instance the UUID is.
        """
        if text and isinstance(task := of.task, TaskInstanceId):
            extra, row = database.storable(text), task.uuid and UUID(task.uuid)
            log_entry = Log(event=name, task_instance=coordinates_of(task), extra=extra, task_instance_id=row)
            self._executor._task_event_logs.append(log_entry)

    def _act_on_launch(self, event: LaunchEvent, findings: Findings) -> None:
        launch = event.launch
        if isinstance(event, messages.Accepted) and self._ledger.accept(launch, event.arn):
            self._thread.tell(self._thread.fleet.revoke, launch.id, "Airflow has abandoned the launch")
        if not self._ledger.is_present(launch):
            return  # Another launch has superseded it, or it was revoked.
        if isinstance(event, messages.Accepted):
            self._accepted(event, findings.of(launch).verdict)
        elif isinstance(event, messages.Ended):
            self._ended(event, findings)
        else:
            if isinstance(event, messages.Abandoned):
                self._ledger.remove(launch.key)
            self.note(launch, event.text)

    def _accepted(self, event: messages.Accepted, verdict: WantedState) -> None:
        # A task that ends before this heartbeat is not wanted any more: its log needs the note all the same.
        if verdict is WantedState.WANTED:
            # The scheduler stores it as external_executor_id; None clears the ARN of an earlier launch.
            self._executor.running_state(event.launch.key, event.arn)
        self._metrics.time_launch(event.waited)
        ecs_task = notes.ecs_task_text(event.arn, event.cluster, event.definition, event.container)
        name = notes.LAUNCH if event.attempt else notes.ADOPTION
        self.note(event.launch, notes.launched_text(event.attempt, ecs_task), name)

    def _ended(self, event: messages.Ended, findings: Findings) -> None:
        key = event.launch.key
        self._ledger.remove(key)
        if key in AIRFLOW.queued(self._executor):
            return  # Airflow has queued the task instance again: this is the end of an earlier launch.
        self._ledger.just_ended.add(key)
        self._metrics.time_end(event.seen_after)
        if event.reason is None:
            self._executor.success(key)
            return
        end = findings.explain(event)
        self.note(end.launch, end.reason or "", notes.FAILURE)
        self._fail(end)
        self._lookups.expect_recorded(end)

    def _fail(self, end: messages.Ended) -> None:
        self._executor.fail(end.launch.key, database.storable(end.reason or ""))

    def _act_on_findings(self, findings: Findings) -> None:
        """Abandon unwanted launches, and report failures again that Airflow has not recorded."""
        for finding in findings.unwanted:
            launch, is_taken_over = finding.launch, finding.verdict is WantedState.TAKEN_OVER
            if self._ledger.is_present(launch):
                self._executor.running.discard(launch.key)
                if is_taken_over:
                    self._ledger.remove(launch.key)
            if is_taken_over:
                self._thread.tell(self._thread.fleet.disown, launch.id)
            else:
                self._thread.tell(self._thread.fleet.abandon, launch.id, finding.reason, finding.overdue)
        for end in findings.unrecorded:
            log.warning("Airflow has not recorded the failure of %s; it is reported again", end.launch)
            self._fail(end)
