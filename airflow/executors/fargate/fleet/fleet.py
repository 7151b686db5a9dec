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
"""The state of all launches and containers, owned by one thread; see ``thread.py`` for the thread."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.arns import whereabouts
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.fleet.launch_state import MAX_FAULTS, Run
from airflow.executors.fargate.fleet.waits import (
    START_PATIENCE,
    Wait,
    Waits,
    revoked,
    starting,
    with_last_error,
)
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
    from concurrent.futures import Future

    from airflow.executors.fargate.fleet.adoption import Adoption
    from airflow.executors.fargate.fleet.orphan_checks import Adopted
    from airflow.executors.fargate.fleet.unknown_outcomes import UnknownOutcomes
    from airflow.executors.fargate.fleet.wiring import Context
    from airflow.executors.fargate.messages import OtherEcsTask
    from airflow.executors.fargate.present import Candidate, Found

log = logging.getLogger(__name__)


class Fleet:
    """
    Decides what becomes of each launch, and has the calls made.

    Only its own thread calls its methods. What it tells goes out through ``emit``, as immutable events.

    :param around: what it has from outside.
    :param leaving: tells whether the scheduler ends, so that nothing more is to be launched.
    """

    def __init__(
        self,
        context: Context,
        *,
        leaving: Callable[[], bool] = lambda: False,
    ) -> None:
        self._emit = context.emit
        self._clock = context.clock
        self._now = context.now
        self._leaving = leaving
        self.counters = Counters()
        #: Ids of the launches that have a container.
        self._live: set[str] = set()
        self._runs: dict[str, Run] = {}
        self._order = itertools.count()
        #: The run that is being handled: the suspect, if the thread dies.
        self._handling: Run | None = None
        self._calls = context.calls(self.counters)
        self._launcher = context.launcher(self, self._calls)
        self._waits = Waits(tell=self._wait, note=self._tell_wait, clock=self._clock)
        self._watcher = context.watcher(self, self._calls)
        self._unknown_outcomes = context.unknown_outcomes(self, self._calls)
        self._adoption = context.adoption(self, self._calls)
        self._searches: deque[UnknownOutcomes | Adoption] = deque((self._unknown_outcomes, self._adoption))
        self._orphans = context.orphans(self, self._calls)
        self._last_lines = context.last_lines(self._calls)

    # What the executor asks for.

    def add(self, launch: Launch) -> None:
        """Launch a container; said twice, it is done once."""
        if launch.id in self._runs:
            return
        run = self._runs[launch.id] = Run(launch, order=next(self._order))
        # The scheduler has just queued it. Where the process was stopped since then, the other clock tells.
        run.confirmed = self._clock(), launch.handed_over
        run.bring_deadline_forward(self._clock(), self._now())
        self._launcher.add(run)
        self._waits.add(run)

    def revoke(self, launch_id: str, reason: str) -> None:
        """Let the launch have no container: launch none, and stop the one that there is; tell what it had come to."""
        run = self._runs.get(launch_id)
        if run is None:
            return
        if not run.abandoned and not run.started:
            run.abandoned = True  # First of all: whatever fails after that, it is not told twice.
            seconds, wait = self._now() - run.launch.handed_over, self._wait(run)
            self._tell_wait(run, revoked(run, reason, seconds, wait), revoked=True)
        self._let_go(run, reason)

    def _let_go(self, run: Run, reason: str) -> None:
        run.abandoned, run.stop_reason = True, reason
        if run.arn:
            self._watcher.stop(run)
        else:
            self._launcher.give_up(run)

    def confirm(self, launch_ids: Collection[str]) -> None:
        """Send these launches: the database has confirmed that Airflow still wants them."""
        for launch_id in launch_ids:
            self._launcher.confirm(launch_id)

    def abandon(self, launch_id: str, reason: str, overdue: bool) -> None:
        """
        Stop caring about a launch that Airflow no longer wants: launch nothing for it, and stop its container.

        One that has started is left to end by itself until it is overdue. Whether it has, the next look at it tells.

        :param reason: why it is not wanted, without a full stop.
        :param overdue: whether it has had the time to end by itself.
        """
        run = self._runs.get(launch_id)
        if run is None or run.abandoned:
            return
        if not run.arn:
            self._abandon(run, f"{reason} before its ECS task was launched: none is launched.")
        elif overdue:
            self._abandon(run, f"{reason}, and its ECS task has not ended since then: it is stopped.")
        elif not run.started:
            run.unwanted = reason

    def _abandon(self, run: Run, text: str) -> None:
        run.abandoned = True  # First of all: whatever fails after that, it is not told twice.
        log.warning("%s is abandoned: %s", run, text)
        self._emit(Abandoned(run.launch.without_workload(), text))
        self._let_go(run, text)

    def disown(self, launch_id: str) -> None:
        """Forget a launch that another scheduler has adopted; what it has left behind, sweeping sees."""
        run = self._runs.get(launch_id)
        if run is None:
            return
        log.warning("%s was taken over by another scheduler", run)
        run.abandoned = True
        self._launcher.forget(run)
        run.may_have_started = False
        self.ended(run, None)
        self._orphans.hasten()

    def supersede(self, launch_id: str) -> None:
        """
        Forget the launch, since Airflow has handed its task instance over again.

        Its container has done its work, or Airflow would not have done so; if it is still ending, let it.
        """
        run = self._runs.get(launch_id)
        if run is None:
            return
        if run.arn:
            run.abandoned = True
        else:
            self._let_go(run, "Airflow has launched the task instance again")

    def revoke_all(self, reason: str) -> None:
        """Revoke every launch."""
        for launch_id in list(self._runs):
            self.revoke(launch_id, reason)

    def close(self) -> None:
        """Begin no more launches, and take over no more; calls under way come home."""
        self._launcher.closed = self._adoption.closed = True

    @property
    def launches_unsent(self) -> int:
        """How many launches have neither a container nor an end yet."""
        return sum(not run.arn and not run.abandoned for run in self._runs.values())

    @property
    def launches_under_way(self) -> int:
        """How many RunTask calls have not come home yet."""
        return len(self._launcher.runs_under_way())

    @property
    def containers_to_stop(self) -> int:
        """How many containers are to be stopped and have not been asked to."""
        return self._watcher.stops_open + self._unknown_outcomes.open

    def look_for(self, candidates: Sequence[Candidate], reply: Future[Adopted]) -> None:
        """Find the containers of task instances whose scheduler is gone; see :class:`Adoption`."""
        self._adoption.look_for(candidates, reply)
        self._orphans.hasten()  # For those that will have none, and that may come late.

    def judged(self, arns: Collection[str]) -> None:
        """Stop those strangers whose launch has been given up; see :class:`OrphanReaper`."""
        self._orphans.judged(arns)

    def adopt(self, found: Found) -> None:
        """Take over a container of another scheduler."""
        if found.launch.id in self._runs:
            return
        run = Run(found.launch, container_name=found.container_name, cluster=found.cluster, seen=True)
        self._runs[found.launch.id] = run
        self.accepted(run, found.arn)
        self._waits.add(run)
        self.seen(run, found.outcome)

    # What sweeping asks and tells.

    def arns(self) -> Collection[str]:
        """Return the ARNs of the containers that are followed."""
        return [run.arn for run in self._runs.values() if run.arn]

    def knows(self, launch_id: str) -> bool:
        """Tell whether the launch is not over."""
        return launch_id in self._runs

    def discard(self, other_ecs_task: OtherEcsTask, reason: str) -> None:
        """Stop a container that nobody wants, and follow it until it has stopped."""
        identity = other_ecs_task.identity
        launch = Launch(identity.task, None, id=identity.launch_id, handed_over=identity.handed_over)
        run = Run(launch, container_name=identity.container_name, cluster=other_ecs_task.cluster, seen=True)
        run.abandoned, run.stop_reason = True, reason
        self._runs[launch.id] = run
        log.warning("Container %s is stopped: %s (%s)", other_ecs_task.arn, reason, launch)
        self.accepted(run, other_ecs_task.arn)

    # What launching and following tell.

    def accepted(self, run: Run, arn: str) -> None:
        """AWS has accepted a container for the run."""
        self._handling = run
        run.arn, run.accepted_at, run.may_have_started = arn, self._clock(), False
        self._live.add(run.launch.id)
        self.counters.live_containers = len(self._live)
        self._watcher.add(run)
        if run.abandoned:
            self._watcher.stop(run)
        else:
            self.counters.launches += 1
            log.info("Container %s is for %s", arn, run)
            waited = self._now() - run.launch.handed_over if run.attempt else None
            self._emit(Accepted(run.launch.without_workload(), arn, waited, run.attempt, run.cluster))
        self._handling = None

    def seen(self, run: Run, outcome: Outcome) -> None:
        """DescribeTasks has told of the run's container."""
        self._handling = run
        if outcome.started and not run.started:
            run.started, run.prepared = True, None
            run.launch = run.launch.without_workload()
        if run.started or outcome.verdict is Verdict.LIVE and run.last_status not in ("", "PROVISIONING"):
            self._launcher.provisioned(run)
        if run.unwanted and not run.abandoned and not run.started:
            self._abandon(run, f"{run.unwanted} while its ECS task was starting: it is stopped.")
        if outcome.verdict is Verdict.FINISHED:
            if outcome.note:
                self.noted(run, outcome.note)
            self.ended(run, None, outcome.ended_at)
        elif outcome.verdict is Verdict.FAILED or outcome.verdict is not Verdict.LIVE and run.started:
            self.ended(run, outcome.reason, outcome.ended_at)
            self._want_last_lines(run, outcome)
        elif outcome.verdict is not Verdict.LIVE:
            self._launcher.nothing_started(run, outcome)
        if run.arn is None:
            self._live.discard(run.launch.id)
            self.counters.live_containers = len(self._live)
        self._handling = None

    def ended(self, run: Run, reason: str | None, ended_at: float | None = None) -> None:
        """
        End the launch; without a reason it finished well.

        :param ended_at: when its container ended, seconds since the epoch by AWS's clock.

        Where nobody knows whether it has a container, that is still searched for, and stopped.
        """
        tell = not run.abandoned
        if tell:
            # First of all: whatever fails after that, the end has been told, and is not told twice.
            seen_after = None if ended_at is None else self._now() - ended_at
            if reason and not run.started:
                reason = with_last_error(run, reason)
            told = reason and _with_whereabouts(reason, run)
            self._emit(Ended(run.launch.without_workload(), told, run.arn, seen_after))
        if tell and run.may_have_started:
            run.abandoned, run.stop_reason = True, "Airflow's launch has failed"
            self.outcome_unknown(run)
        else:
            run.over = True
            self._runs.pop(run.launch.id, None)
            self._launcher.forget(run)
        self._live.discard(run.launch.id)
        self.counters.live_containers = len(self._live)
        if tell and reason is None:
            log.info("%s has finished in container %s", run, run.arn)
        elif tell:
            log.error("%s has failed (container: %s): %s", run, run.arn, reason)

    def _want_last_lines(self, run: Run, outcome: Outcome) -> None:
        if self._last_lines and run.arn and outcome.task_definition and not run.abandoned:
            launch = run.launch.without_workload()
            self._last_lines.add(Failed(launch, run.arn, run.container_name, outcome.task_definition))

    def noted(self, run: Run, text: str) -> None:
        """Tell the user something that does not end the launch."""
        log.warning("%s: %s", run, text)
        if not run.abandoned:
            self._emit(Noted(run.launch.without_workload(), _with_whereabouts(text, run)))

    def _wait(self, run: Run) -> Wait | None:
        """Return what a launch waits for whose ECS task has not started; None where only its turn has not come."""
        if run.arn is None:
            return self._launcher.look(run)
        # A probe that has not left PROVISIONING waits for the same as before.
        waits_on = run.waits and run.last_status in ("", "PROVISIONING")
        patient = self._clock() - run.accepted_at < START_PATIENCE
        return None if waits_on or patient else starting(run)

    def _tell_wait(self, run: Run, text: str, revoked: bool = False) -> None:
        log.info("%s: %s", run, text)
        self._emit(Waiting(run.launch.without_workload(), _with_whereabouts(text, run), revoked))

    def stopped(self, run: Run) -> None:
        """End a launch that has no container to stop."""
        if run.abandoned:
            self.ended(run, None)

    def unconfirmed(self, run: Run) -> None:
        """Ask the database whether Airflow still wants a launch that is about to be sent."""
        self._emit(Unconfirmed(run.launch.without_workload()))

    def outcome_unknown(self, run: Run) -> None:
        """Look for the container of a launch for which RunTask had no clear answer and is not asked any more."""
        self._unknown_outcomes.add(run)

    # The thread's part.

    def work(self) -> float | None:
        """Make all calls whose turn it is; return when to look again, or None if only a message can tell."""
        if self._leaving():
            self.close()  # At once, whatever else was told before.
        self._searches.rotate()  # None holds up the other.
        # Following comes last, since it can use up all that is admitted; searches leave it its share.
        turns = (
            self._waits.work(),
            self._launcher.work(),
            *(search.work() for search in self._searches),
            self._orphans.work(),
            self._watcher.work(),
            self._last_lines.work() if self._last_lines else None,
        )
        return min((turn for turn in turns if turn is not None), default=None)

    def recover(self) -> None:
        """
        Go on after the thread died: every run gets the turns anew whose calls are not under way.

        A launch whose handling ended the thread more than once is given up, so that it harms itself alone.
        """
        for run in self._suspects():
            run.faults += 1
            if run.faults >= MAX_FAULTS and not run.over:
                # So that its container, if there is one, is stopped.
                run.may_have_started = bool(run.token or run.arn)
                self.ended(run, "The executor could not handle it; the scheduler's log has the traceback.")
        for go_on in (
            self._launcher.clear,
            self._watcher.clear,
            self._unknown_outcomes.clear,
            self._adoption.recover,
            self._orphans.clear,
            self._waits.clear,
        ):
            go_on()
        if self._last_lines:
            self._last_lines.clear()
        for run in list(self._runs.values()):  # Those that have been given up end here.
            self._resume(run)
            if not run.started:
                self._waits.add(run)

    def _suspects(self) -> list[Run]:
        """Return the run whose handling ended the thread: of a batch, the one that it had come to, if any."""
        suspects = [self._handling] if self._handling else [*self._calls.handling]
        self._handling, self._calls.handling = None, ()
        return suspects if len(suspects) == 1 else []

    def _resume(self, run: Run) -> None:
        calls = self._calls
        if run.arn:
            if run not in calls.runs(calls.watch):
                self._watcher.add(run)
            if run.stop_reason and run not in calls.runs(calls.stop):
                self._watcher.stop(run)
        elif self._unknown_outcomes.has(run) or run in self._launcher.runs_under_way():
            return
        else:
            # The answer that was being handled is lost: there may be a container.
            run.may_have_started = run.may_have_started or run.token is not None
            if run.abandoned:
                self._launcher.give_up(run)
            else:
                self._launcher.add(run)

    def runs(self) -> Iterable[Run]:
        """Return the runs that are not over."""
        return self._runs.values()


def _with_whereabouts(text: str, run: Run) -> str:
    """Let a sentence end with the container that it is about, if there is one, and where to see it."""
    return f"{text} {whereabouts(run.arn, run.cluster)}" if run.arn else text
