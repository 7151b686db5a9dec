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
from collections import deque
from collections.abc import Collection
from typing import TYPE_CHECKING

from airflow.executors.fargate import messages
from airflow.executors.fargate.aws import usage
from airflow.executors.fargate.aws.arns import whereabouts
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.fleet import waits
from airflow.executors.fargate.fleet.adoption import Adoption
from airflow.executors.fargate.fleet.calls import Calls
from airflow.executors.fargate.fleet.launch_state import Run, Schedule, earliest
from airflow.executors.fargate.fleet.launcher import Launcher
from airflow.executors.fargate.fleet.orphans import OrphanReaper
from airflow.executors.fargate.fleet.unknown_outcomes import UnknownOutcomes
from airflow.executors.fargate.fleet.watcher import Watcher
from airflow.executors.fargate.launch import Launch
from airflow.executors.fargate.logs.failure_lines import Failed, LastLines

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.context import Context
    from airflow.executors.fargate.messages import OtherEcsTask
    from airflow.executors.fargate.present import Match

log = logging.getLogger(__name__)


class Lifecycle:
    """
    Holds the launches that are not over, and decides what becomes of each; the fleet's thread alone uses it.

    It owns the parts of the fleet, each of which does one thing for all launches: they ask it about launches,
    and report to it what they found. :class:`Fleet` adds what the executor asks for.

    :param context: what the fleet has from outside.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self._clock = context.clock
        #: The runs that are not over, by the ids of their launches.
        self.runs_by_id: dict[str, Run] = {}
        #: The ids of those that have an ECS task.
        self._live: set[str] = set()
        self.calls = Calls(context)
        self.launcher = Launcher(self)
        #: When to look at what a launch waits for.
        self.looks = Schedule()
        self.watcher = Watcher(self)
        self.unknown_outcomes = UnknownOutcomes(self)
        self.adoption = Adoption(self)
        self._searches: deque[UnknownOutcomes | Adoption] = deque((self.unknown_outcomes, self.adoption))
        self.orphans = OrphanReaper(self)
        self.last_lines = LastLines(context, self.calls)

    def cancel(self, run: Run, reason: str) -> None:
        """Launch no ECS task for an abandoned launch, or stop the one that there is, for this reason."""
        run.abandoned, run.stop_reason = True, reason
        if run.arn:
            self.watcher.stop(run)
        else:
            self.launcher.give_up(run)

    def _abandon(self, run: Run, text: str) -> None:
        """Abandon a launch that Airflow no longer wants; the text is for the user."""
        run.abandoned = True  # First: if a later line fails, the event is still emitted only once.
        log.warning("%s is abandoned: %s", run, text)
        self.context.emit(messages.Abandoned(run.launch.without_workload(), text))
        self.cancel(run, text)

    # Turns.

    def work(self) -> float | None:
        """Make all calls that are due; return when to look again, or None if only a message can tell."""
        self.context.counters.live_containers = len(self._live)
        self._searches.rotate()  # Neither holds up the other.
        turns = [self._look(), self.launcher.work(), *[search.work() for search in self._searches]]
        # The watcher comes after the searches, since it can use up all calls that are admitted; searches
        # leave it its share.
        turns += [self.orphans.work(), self.watcher.work(), self.last_lines.work()]
        return earliest(*turns)

    def look_later(self, run: Run) -> None:
        """Look, in a while, at what a launch waits for."""
        self.looks.put(self._clock() + waits.NOTE_PATIENCE, run)

    def _look(self) -> float | None:
        """Note what launches wait for whose turn it is; return when the next turn is, or None."""
        now = self._clock()
        for _ in range(waits.LOOKS):
            run = self.looks.take(now)
            if run is None:
                return self.looks.first()
            if run.started or run.abandoned:
                continue
            wait = self.find_wait(run)
            if wait is not None and wait.kind != run.wait:
                # Before the note: if making it fails, it is not tried again and again.
                run.wait = wait.kind
                self.note_wait(run, wait.text)
            self.looks.put(now + waits.AGAIN, run)
        return now + waits.PAUSE

    # What the parts ask, and what they found.

    def take_over(self, found: Match) -> None:
        """Take over an ECS task of another scheduler."""
        if found.launch.id in self.runs_by_id:
            return
        run = Run(found.launch, container_name=found.container_name, cluster=found.cluster, seen=True)
        # Then it is not noted again that it has started.
        run.started = found.is_start_noted
        self.runs_by_id[found.launch.id] = run
        self.accepted(run, found.arn, found.outcome.task_definition)
        self.look_later(run)
        self.apply_outcome(run, found.outcome)

    def arns(self) -> Collection[str]:
        """Return the ARNs of the ECS tasks that are watched."""
        return [run.arn for run in self.runs_by_id.values() if run.arn]

    def discard(self, orphan: OtherEcsTask, reason: str) -> None:
        """Stop an orphaned ECS task, and watch it until it has stopped."""
        identity = orphan.identity
        launch = Launch(identity.task, None, id=identity.launch_id, handed_over=identity.handed_over)
        run = Run(launch, container_name=identity.container_name, cluster=orphan.cluster, seen=True)
        run.abandoned, run.stop_reason = True, reason
        self.runs_by_id[launch.id] = run
        log.warning("ECS task %s is stopped: %s (%s)", orphan.arn, reason, launch)
        self.accepted(run, orphan.arn)

    def accepted(self, run: Run, arn: str, definition: str = "") -> None:
        """
        Follow the run's ECS task, which was accepted by RunTask, found by a search, or is adopted.

        :param definition: the ARN of its task definition; empty if it is not known.
        """
        # An error here counts against this run alone: see Fleet.recover().
        before, self.calls.handling = self.calls.handling, [run]
        run.arn, run.accepted_at, run.may_have_started = arn, self._clock(), False
        self._live.add(run.launch.id)
        self.watcher.add(run)
        if run.abandoned:
            self.watcher.stop(run)
        else:
            self.context.counters.launches += 1
            log.info("ECS task %s is for %s", arn, run)
            waited = self.context.now() - run.launch.handed_over if run.attempt else None
            launch = run.launch.without_workload()
            where = run.cluster, definition, run.container_name
            self.context.emit(messages.Accepted(launch, arn, waited, run.attempt, *where))
        self.calls.handling = before

    def apply_outcome(self, run: Run, outcome: Outcome) -> None:
        """Act on what DescribeTasks says of the run's ECS task: it goes on, or has ended."""
        # An error here counts against this run alone: see Fleet.recover().
        before, self.calls.handling = self.calls.handling, [run]
        if outcome.started and not run.started:
            run.started, run.prepared = True, None
            run.launch = run.launch.without_workload()
            self._note_start(run, outcome)
        if run.started or outcome.verdict is Verdict.LIVE and run.last_status not in ("", "PROVISIONING"):
            # It has left PROVISIONING: there is capacity for it.
            self.launcher.queue.accepted(run, provisioned=True)
        if run.unwanted and not run.abandoned and not run.started:
            self._abandon(run, f"{run.unwanted} while its ECS task was starting: it is stopped.")
        if outcome.verdict is Verdict.FINISHED:
            if outcome.note:
                self.noted(run, outcome.note)
            self.ended(run, None, outcome.ended_at)
        # Once the main container has started, any end is the launch's end.
        elif outcome.verdict is Verdict.FAILED or (run.started and outcome.verdict is not Verdict.LIVE):
            self.ended(run, outcome.reason, outcome.ended_at)
            if run.arn and outcome.task_definition and not run.abandoned:
                self.last_lines.add(Failed(run.launch, run.arn, run.container_name, outcome.task_definition))
        elif outcome.verdict is not Verdict.LIVE:
            self.launcher.nothing_started(run, outcome)
        if run.arn is None:
            self._live.discard(run.launch.id)
        if not outcome.lives:
            self._measure(run, outcome)
        self.calls.handling = before

    def _note_start(self, run: Run, outcome: Outcome) -> None:
        """Note when the ECS task started; if it has ended by now, the note on its end says that."""
        text = usage.started_note(outcome.usage, run.launch.handed_over) if outcome.usage else None
        if text and outcome.lives and not run.abandoned:
            self.context.emit(messages.Started(run.launch.without_workload(), text))

    def _measure(self, run: Run, outcome: Outcome) -> None:
        """Emit what an ECS task took that has ended; for the user only if no other one follows it."""
        if outcome.usage is not None:
            took, billed = usage.took(outcome.usage, run.launch.handed_over), usage.billed(outcome.usage)
            text = usage.ended_note(took, billed) if run.started or run.over else ""
            self.context.emit(messages.Measured(run.launch.without_workload(), took, billed, text))

    def ended(self, run: Run, reason: str | None, ended_at: float | None = None) -> None:
        """
        End the launch. If it may have an ECS task of which no ARN is known, that is searched for and stopped.

        :param reason: why it failed; None if it finished well.
        :param ended_at: when its ECS task ended, seconds since the epoch by AWS's clock.
        """
        was_wanted = not run.abandoned
        if was_wanted:
            # First: if a later line fails, the event has been emitted and is not emitted again.
            seen_after = None if ended_at is None else self.context.now() - ended_at
            if reason and not run.started:
                reason = waits.with_last_error(run, reason)
            text = reason and _with_whereabouts(reason, run)
            self.context.emit(messages.Ended(run.launch.without_workload(), text, run.arn, seen_after))
        if was_wanted and run.may_have_started:
            run.abandoned, run.stop_reason = True, "Airflow's launch has failed"
            self.unknown_outcomes.add(run)
        else:
            run.over = True
            self.runs_by_id.pop(run.launch.id, None)
            self.launcher.forget(run)
        self._live.discard(run.launch.id)
        if was_wanted and reason is None:
            log.info("%s has finished in ECS task %s", run, run.arn)
        elif was_wanted:
            log.error("%s has failed (ECS task: %s): %s", run, run.arn, reason)

    def noted(self, run: Run, text: str) -> None:
        """Emit a note that does not end the launch; once the launch is abandoned, only log it."""
        log.warning("%s: %s", run, text)
        if not run.abandoned:
            self.context.emit(messages.Noted(run.launch.without_workload(), _with_whereabouts(text, run)))

    def find_wait(self, run: Run) -> waits.Wait | None:
        """Return what a launch waits for whose ECS task has not started; None if only for its turn."""
        if run.arn is None:
            return self.launcher.look(run)
        # A probe that has not left PROVISIONING waits for the same as before.
        waits_on = run.waits and run.last_status in ("", "PROVISIONING")
        patient = self._clock() - run.accepted_at < waits.START_PATIENCE
        return None if waits_on or patient else waits.starting(run)

    def note_wait(self, run: Run, text: str, event: type[messages.Waiting] = messages.Waiting) -> None:
        """Emit what a launch waits for, or had come to when Airflow revoked it."""
        log.info("%s: %s", run, text)
        self.context.emit(event(run.launch.without_workload(), _with_whereabouts(text, run)))


def _with_whereabouts(text: str, run: Run) -> str:
    """Append the ECS task that a text is about, if there is one, and where to see it."""
    return f"{text} {whereabouts(run.arn, run.cluster)}" if run.arn else text
