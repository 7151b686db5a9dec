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
"""The commands of the executor, and the way on after a bug."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from airflow.executors.fargate import messages
from airflow.executors.fargate.fleet.launch_state import MAX_FAULTS, Run, Schedule
from airflow.executors.fargate.fleet.lifecycle import Lifecycle
from airflow.executors.fargate.fleet.waits import revoked

if TYPE_CHECKING:
    from concurrent.futures import Future

    from airflow.executors.fargate.fleet.orphan_checks import AdoptionAnswer
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.present import Candidate

log = logging.getLogger(__name__)


class Fleet(Lifecycle):
    """
    Adds to the lifecycle of launches the commands of the executor, and the way on after a bug.

    :class:`Lifecycle` holds the launches and the parts that make the calls, and decides what AWS's answers
    mean for a launch. What this class adds decides nothing of that: it finds the launch that a command is
    for. Only the fleet's thread calls its methods. Events go out through ``context.emit``; they are
    immutable.

    These end a launch before its ECS task has ended:

    * :meth:`revoke`: Airflow takes the task instance back. A note is emitted; the ECS task is stopped.
    * :meth:`abandon`: the database no longer wants the launch. ``Abandoned`` is emitted; the ECS task is
      stopped, unless it has started and is not overdue.
    * :meth:`disown`: another scheduler has adopted it. Nothing is emitted; the ECS task goes on.
    * :meth:`supersede`: Airflow has handed its task instance over again. Nothing is emitted; an ECS task may
      end by itself.
    """

    # What the executor asks for.

    def add(self, launch: Launch) -> None:
        """Launch an ECS task; a repeated call is ignored."""
        if launch.id in self.runs_by_id:
            return
        run = self.runs_by_id[launch.id] = Run(launch)
        # The scheduler has just queued it. If the process was stopped since then, the wall clock shows it.
        run.confirmed = self._clock(), launch.handed_over
        run.bring_deadline_forward(self._clock(), self.context.now())
        self.launcher.add(run)
        self.look_later(run)

    def revoke(self, launch_id: str, reason: str) -> None:
        """Launch no ECS task, or stop it; unless it has started, note what the launch had come to."""
        if (run := self.runs_by_id.get(launch_id)) is None:
            return
        if not run.abandoned and not run.started:
            run.abandoned = True  # First: if a later line fails, the event is still emitted only once.
            seconds, wait = self.context.now() - run.launch.handed_over, self.find_wait(run)
            self.note_wait(run, revoked(run, reason, seconds, wait), messages.Revoked)
        self.cancel(run, reason)

    def confirm(self, launch_ids: Collection[str]) -> None:
        """Send these launches: the database has confirmed that Airflow still wants them."""
        self.launcher.confirm(launch_ids)

    def abandon(self, launch_id: str, reason: str, overdue: bool) -> None:
        """
        Abandon a launch that Airflow no longer wants: launch nothing for it, and stop its ECS task.

        An ECS task that has started may end by itself until it is overdue. The next DescribeTasks shows
        whether it has started.

        :param reason: why Airflow does not want it, without a full stop.
        :param overdue: whether the ECS task has had the time to end by itself.
        """
        if (run := self.runs_by_id.get(launch_id)) is None or run.abandoned:
            return
        if not run.arn:
            self._abandon(run, f"{reason} before its ECS task was launched: none is launched.")
        elif overdue:
            self._abandon(run, f"{reason}, and its ECS task has not ended since then: it is stopped.")
        elif not run.started:
            run.unwanted = reason

    def disown(self, launch_id: str) -> None:
        """Forget a launch that another scheduler has adopted; its ECS task may become an orphan."""
        if (run := self.runs_by_id.get(launch_id)) is None:
            return
        log.warning("%s was adopted by another scheduler", run)
        run.abandoned = True
        self.ended(run, None)
        self.orphans.hasten()

    def supersede(self, launch_id: str) -> None:
        """
        Emit nothing more about the launch, since Airflow has handed its task instance over again.

        Airflow does so only once the ECS task has done its work; it is watched until it ends. If there is
        none yet, none is launched.
        """
        if (run := self.runs_by_id.get(launch_id)) is None:
            return
        if run.arn:
            run.abandoned = True
        else:
            self.cancel(run, "Airflow has launched the task instance again")

    def revoke_all(self, reason: str) -> None:
        """Revoke every launch."""
        for launch_id in list(self.runs_by_id):
            self.revoke(launch_id, reason)

    @property
    def awaited(self) -> int:
        """How many requests are being made or sent, and how many ECS tasks must be stopped and are not yet."""
        return len(self.launcher.runs_under_way()) + self.watcher.stops_open + self.unknown_outcomes.open

    def adopt(self, candidates: Sequence[Candidate], reply: Future[AdoptionAnswer]) -> None:
        """Adopt the ECS tasks of task instances whose scheduler is gone; see :class:`Adoption`."""
        self.adoption.ask(candidates, reply)
        self.orphans.hasten()  # An ECS task may appear after none was found.

    def stop_orphans(self, arns: Collection[str]) -> None:
        """Stop the ECS tasks that the database has confirmed to be orphaned; see :class:`OrphanReaper`."""
        self.orphans.stop(arns)

    # What the thread asks for, beside the turns.

    def recover(self) -> None:
        """
        Go on after a bug: every run gets new turns, except for calls that are under way.

        A launch whose handling raised :data:`MAX_FAULTS` times fails, so that it harms no other.
        """
        suspects, self.calls.handling = self.calls.handling, ()
        for run in suspects if len(suspects) == 1 else ():  # Else it may be any of a batch.
            run.faults += 1
            if run.faults >= MAX_FAULTS and not run.over:
                # Keeps the run: _resume() has its ECS task stopped, or searched for if no ARN is known.
                run.may_have_started = bool(run.token or run.arn)
                self.ended(run, "The executor could not handle it; the scheduler's log has the traceback.")
        self.adoption.recover()  # It keeps its candidates, and searches anew.
        self.looks = Schedule()
        self.launcher.clear()
        self.watcher.clear()
        self.unknown_outcomes.clear()
        self.orphans.clear()
        self.last_lines.clear()
        for run in list(self.runs_by_id.values()):  # Those that have been abandoned end here.
            self._resume(run)

    def _resume(self, run: Run) -> None:
        if run.arn:
            if run not in self.calls.watch.runs:
                self.watcher.add(run)
            if run.stop_reason and run not in self.calls.stop.runs:
                self.watcher.stop(run)
        elif not self.unknown_outcomes.has(run) and run not in self.launcher.runs_under_way():
            # The answer that was being handled is lost: an ECS task may have started.
            run.may_have_started = run.may_have_started or run.token is not None
            if run.abandoned:
                self.launcher.give_up(run)
            else:
                self.launcher.add(run)
        if not run.started:
            self.look_later(run)
