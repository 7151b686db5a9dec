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
"""What becomes of each launch, decided on what the fleet's parts find."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.arns import whereabouts
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.fleet.launch_state import Run
from airflow.executors.fargate.fleet.waits import START_PATIENCE, Wait, starting, with_last_error
from airflow.executors.fargate.fleet.wiring import Parts
from airflow.executors.fargate.launch import Launch
from airflow.executors.fargate.logs.failure_lines import Failed
from airflow.executors.fargate.messages import (
    Abandoned,
    Accepted,
    Counters,
    Ended,
    Noted,
    Unconfirmed,
    Waiting,
)

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.wiring import Context
    from airflow.executors.fargate.messages import OtherEcsTask
    from airflow.executors.fargate.present import Found

log = logging.getLogger(__name__)


class Lifecycle:
    """
    Holds the launches that are not over, and decides what becomes of each; the fleet's thread alone uses it.

    It owns the parts: they ask it about launches, and report to it what they found.

    :param context: what the fleet has from outside.
    """

    def __init__(self, context: Context) -> None:
        self._emit = context.emit
        self._clock = context.clock
        self._now = context.now
        self.counters = Counters()
        #: By the ids of their launches.
        self.runs_by_id: dict[str, Run] = {}
        #: Ids of the launches that have an ECS task.
        self._live: set[str] = set()
        #: The run that is being handled: the suspect, if the thread dies.
        self._handling: Run | None = None
        self.parts = Parts(context, self, self.counters)

    def cancel(self, run: Run, reason: str) -> None:
        """Launch no ECS task for an abandoned launch, or stop the one that there is, for this reason."""
        run.abandoned, run.stop_reason = True, reason
        if run.arn:
            self.parts.watcher.stop(run)
        else:
            self.parts.launcher.give_up(run)

    def abandon(self, run: Run, text: str) -> None:
        """Abandon a launch that Airflow no longer wants; the text is for the user."""
        run.abandoned = True  # First: if a later line fails, the event is still emitted only once.
        log.warning("%s is abandoned: %s", run, text)
        self._emit(Abandoned(run.launch.without_workload(), text))
        self.cancel(run, text)

    def take_suspects(self) -> list[Run]:
        """Return the run whose handling ended the thread; none if it may be any of a batch."""
        calls = self.parts.calls
        suspects = [self._handling] if self._handling else [*calls.handling]
        self._handling, calls.handling = None, ()
        return suspects if len(suspects) == 1 else []

    # What the parts ask, and what they found.

    def adopt(self, found: Found) -> None:
        """Take over an ECS task of another scheduler."""
        if found.launch.id in self.runs_by_id:
            return
        run = Run(found.launch, container_name=found.container_name, cluster=found.cluster, seen=True)
        self.runs_by_id[found.launch.id] = run
        self.accepted(run, found.arn)
        self.parts.waits.add(run)
        self.seen(run, found.outcome)

    def runs(self) -> Iterable[Run]:
        """Return the runs that are not over."""
        return self.runs_by_id.values()

    def arns(self) -> Collection[str]:
        """Return the ARNs of the ECS tasks that are watched."""
        return [run.arn for run in self.runs_by_id.values() if run.arn]

    def knows(self, launch_id: str) -> bool:
        """Tell whether the launch is one of this fleet's and not over."""
        return launch_id in self.runs_by_id

    def discard(self, orphan: OtherEcsTask, reason: str) -> None:
        """Stop an orphaned ECS task, and watch it until it has stopped."""
        identity = orphan.identity
        launch = Launch(identity.task, None, id=identity.launch_id, handed_over=identity.handed_over)
        run = Run(launch, container_name=identity.container_name, cluster=orphan.cluster, seen=True)
        run.abandoned, run.stop_reason = True, reason
        self.runs_by_id[launch.id] = run
        log.warning("ECS task %s is stopped: %s (%s)", orphan.arn, reason, launch)
        self.accepted(run, orphan.arn)

    def accepted(self, run: Run, arn: str) -> None:
        """AWS has accepted an ECS task for the run."""
        self._handling = run
        run.arn, run.accepted_at, run.may_have_started = arn, self._clock(), False
        self._live.add(run.launch.id)
        self.counters.live_containers = len(self._live)
        self.parts.watcher.add(run)
        if run.abandoned:
            self.parts.watcher.stop(run)
        else:
            self.counters.launches += 1
            log.info("ECS task %s is for %s", arn, run)
            waited = self._now() - run.launch.handed_over if run.attempt else None
            self._emit(Accepted(run.launch.without_workload(), arn, waited, run.attempt, run.cluster))
        self._handling = None

    def seen(self, run: Run, outcome: Outcome) -> None:
        """DescribeTasks has answered for the run's ECS task, or it counts as vanished."""
        self._handling = run
        launcher = self.parts.launcher
        if outcome.started and not run.started:
            run.started, run.prepared = True, None
            run.launch = run.launch.without_workload()
        if run.started or outcome.verdict is Verdict.LIVE and run.last_status not in ("", "PROVISIONING"):
            launcher.provisioned(run)
        if run.unwanted and not run.abandoned and not run.started:
            self.abandon(run, f"{run.unwanted} while its ECS task was starting: it is stopped.")
        if outcome.verdict is Verdict.FINISHED:
            if outcome.note:
                self.noted(run, outcome.note)
            self.ended(run, None, outcome.ended_at)
        elif outcome.verdict is Verdict.FAILED or outcome.verdict is not Verdict.LIVE and run.started:
            self.ended(run, outcome.reason, outcome.ended_at)
            self._want_last_lines(run, outcome)
        elif outcome.verdict is not Verdict.LIVE:
            launcher.nothing_started(run, outcome)
        if run.arn is None:
            self._remove_live(run)
        self._handling = None

    def ended(self, run: Run, reason: str | None, ended_at: float | None = None) -> None:
        """
        End the launch. If it may have an ECS task of which no ARN is known, that is searched for and stopped.

        :param reason: why it failed; None if it finished well.
        :param ended_at: when its ECS task ended, seconds since the epoch by AWS's clock.
        """
        was_wanted = not run.abandoned
        if was_wanted:
            # First: if a later line fails, the event has been emitted and is not emitted again.
            seen_after = None if ended_at is None else self._now() - ended_at
            if reason and not run.started:
                reason = with_last_error(run, reason)
            text = reason and _with_whereabouts(reason, run)
            self._emit(Ended(run.launch.without_workload(), text, run.arn, seen_after))
        if was_wanted and run.may_have_started:
            run.abandoned, run.stop_reason = True, "Airflow's launch has failed"
            self.outcome_unknown(run)
        else:
            run.over = True
            self.runs_by_id.pop(run.launch.id, None)
            self.parts.launcher.forget(run)
        self._remove_live(run)
        if was_wanted and reason is None:
            log.info("%s has finished in ECS task %s", run, run.arn)
        elif was_wanted:
            log.error("%s has failed (ECS task: %s): %s", run, run.arn, reason)

    def _remove_live(self, run: Run) -> None:
        self._live.discard(run.launch.id)
        self.counters.live_containers = len(self._live)

    def _want_last_lines(self, run: Run, outcome: Outcome) -> None:
        if self.parts.last_lines and run.arn and outcome.task_definition and not run.abandoned:
            launch = run.launch.without_workload()
            self.parts.last_lines.add(Failed(launch, run.arn, run.container_name, outcome.task_definition))

    def stopped(self, run: Run) -> None:
        """End a launch that has no ECS task to stop."""
        if run.abandoned:
            self.ended(run, None)

    def noted(self, run: Run, text: str) -> None:
        """Emit a note that does not end the launch; once the launch is abandoned, only log it."""
        log.warning("%s: %s", run, text)
        if not run.abandoned:
            self._emit(Noted(run.launch.without_workload(), _with_whereabouts(text, run)))

    def find_wait(self, run: Run) -> Wait | None:
        """Return what a launch waits for whose ECS task has not started; None if only for its turn."""
        if run.arn is None:
            return self.parts.launcher.look(run)
        # A probe that has not left PROVISIONING waits for the same as before.
        waits_on = run.waits and run.last_status in ("", "PROVISIONING")
        patient = self._clock() - run.accepted_at < START_PATIENCE
        return None if waits_on or patient else starting(run)

    def note_wait(self, run: Run, text: str, revoked: bool = False) -> None:
        """Emit what a launch waits for, or had come to when Airflow revoked it."""
        log.info("%s: %s", run, text)
        self._emit(Waiting(run.launch.without_workload(), _with_whereabouts(text, run), revoked))

    def unconfirmed(self, run: Run) -> None:
        """Have the database confirm that Airflow still wants a launch that is about to be sent."""
        self._emit(Unconfirmed(run.launch.without_workload()))

    def outcome_unknown(self, run: Run) -> None:
        """Search for the ECS task of a launch that may have started; RunTask is not called again."""
        self.parts.unknown_outcomes.add(run)


def _with_whereabouts(text: str, run: Run) -> str:
    """Append the ECS task that a text is about, if there is one, and where to see it."""
    return f"{text} {whereabouts(run.arn, run.cluster)}" if run.arn else text
