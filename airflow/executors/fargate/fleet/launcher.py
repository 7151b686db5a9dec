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
Brings launches to AWS: each attempt with a token of its own, so that nothing is launched twice.

``clientToken`` makes RunTask idempotent
(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html). An attempt keeps its token
and its frozen request through every resend: after a lost response AWS answers with the ECS task that it has
started. A new token is drawn only after AWS has said that nothing was started.

What never started is launched again, at most ``max_launch_attempts`` times. Lack of capacity and throttling
use up no attempt: the launch waits until Airflow's queued timeout. Once an ECS task has started, its end is
that of the launch, and Airflow's retries decide. No attempt begins when the token in the command has less
than ``launch_state.MIN_TOKEN_LIFE`` left. An attempt that may have started is not sent again then: its ECS
task is searched for (``unknown_outcomes.py``), and followed if there is one.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from airflow.executors.fargate.aws.outcome import classify_run_task
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.fleet.attempts import Attempts
from airflow.executors.fargate.fleet.capacity_queue import CapacityQueue
from airflow.executors.fargate.fleet.confirmations import Confirmations
from airflow.executors.fargate.fleet.launch_state import Run, Schedule
from airflow.executors.fargate.fleet.preparer import Preparer
from airflow.executors.fargate.fleet.throttle import BackOff
from airflow.executors.fargate.fleet.waits import LOOKS, PAUSE, SharedProblem, Wait, held_up
from airflow.executors.fargate.lease import Lease, NotConfirmed

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.calls import Calls, Reply
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.request.builder import Prepared

log = logging.getLogger(__name__)

#: Seconds; first wait and limit.
RESEND_BACK_OFF = 1.0, 30.0


class Owner(Protocol):
    """Is told what becomes of a run."""

    def accepted(self, run: Run, arn: str) -> None:
        """AWS has accepted an ECS task."""

    def ended(self, run: Run, reason: str | None) -> None:
        """End the launch; without a reason it has succeeded."""

    def noted(self, run: Run, text: str) -> None:
        """Make a note for the user."""

    def unconfirmed(self, run: Run) -> None:
        """Ask whether Airflow still wants the launch; nothing is sent for it before that is confirmed."""

    def outcome_unknown(self, run: Run) -> None:
        """Search for the ECS task of a launch that may have started and is not sent again."""


class Launcher:
    """
    Everything between the hand-over of a launch and the ARN of its ECS task.

    The order is Airflow's: higher priority first, then first come. A launch that waits for its back-off or
    for capacity delays no other. Without capacity, a launch goes on with its fallback if it has one.

    :param build: makes the request of a launch, on a thread of its own.
    :param calls: makes the calls.
    :param launch_rate: RunTask calls a second.
    :param max_attempts: ECS tasks that may fail to start before the launch fails.
    :param lease: tells whether the database has confirmed a launch lately.
    :param owner: is told what becomes of each run.
    :param clock: returns monotonic seconds.
    :param now: returns seconds since the epoch.
    :param random: returns a number from 0 to 1.
    """

    def __init__(
        self,
        *,
        build: Callable[[Launch], Prepared],
        calls: Calls,
        launch_rate: float,
        max_attempts: int,
        lease: Lease,
        owner: Owner,
        clock: Callable[[], float],
        now: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._calls = calls
        self._lease = lease
        self._owner = owner
        self._clock = clock
        self._now = now
        self._attempts = Attempts(max_attempts, self, owner, clock, random)
        self._preparer = Preparer(build=build, calls=calls, launcher=self, owner=owner, clock=clock)
        self._confirmations = Confirmations(lease, owner)
        self._queue = CapacityQueue(launch_rate, clock, random)
        self._waiting = Schedule()
        self._resend_back_off = BackOff(*RESEND_BACK_OFF, random)
        self._problem = SharedProblem(calls.launch)
        self.closed = False

    def add(self, run: Run, delay: float = 0.0) -> None:
        """Let a run take its turn, after that many seconds."""
        self._waiting.put(self._clock() + delay, run)

    def forget(self, run: Run) -> None:
        """Let a run take no turn any more."""
        self._preparer.discard(run)
        self._queue.discard(run)
        self._confirmations.discard(run)

    def clear(self) -> None:
        """Forget all turns; the fleet enters the runs again."""
        self._preparer.clear()
        self._queue.clear()
        self._waiting.clear()
        self._confirmations.clear()

    def work(self) -> float | None:
        """Make the calls whose turn it is; return when to look again, or None if only a message can tell."""
        now = self._clock()
        while run := self._waiting.take(now):
            if run.prepared is None:
                self._preparer.put(run)
            else:
                self._queue.put(run)
        if self.closed:
            return self._waiting.first()
        # No more requests than calls at a time: others would take memory, and higher priorities may come.
        enough = self._queue.has_at_least(self._calls.launch.most)
        turns = (self._preparer.work(enough, self._queue.first()), self._send_all(now), self._waiting.first())
        return min((turn for turn in turns if turn is not None), default=None)

    def _send_all(self, now: float) -> float | None:
        """Send the runs whose turn it is; return when to look again, or None if only a message can tell."""
        probe_at = self._send_probes(now)
        while self._can_send and (run := self._queue.take()):
            if self._may_begin(run, now):
                self._send(run)
        due = probe_at if self._queue.first() is None else now
        return None if self._confirmations.is_full else self._calls.turn(self._calls.launch, due)

    @property
    def _can_send(self) -> bool:
        return self._calls.admits(self._calls.launch) and not self._confirmations.is_full

    def _send_probes(self, now: float) -> float | None:
        """Send the probes whose turn it is; return when to look again, or None."""
        for _ in range(LOOKS):
            if not self._can_send or (run := self._queue.take_probe()) is None:
                return self._queue.probe_at()
            if self._may_begin(run, now):
                self._queue.sent(run)
                self._send(run)
            elif run in self._confirmations:
                self._queue.sent(run)
        return now + PAUSE  # The tokens of many runs have expired: the rest is for the next turn.

    def nothing_started(self, run: Run, outcome: Outcome) -> None:
        """Go on with a run for which nothing has started, by the outcome of RunTask or of its ECS task."""
        run.problem = outcome
        if outcome.verdict is Verdict.NO_CAPACITY:
            self._queue.refused(run, outcome.reason)
        self._attempts.decide(run, outcome)

    def provisioned(self, run: Run) -> None:
        """Note that a run's ECS task has left PROVISIONING: there is capacity for it."""
        self._queue.provisioned(run)

    def give_up(self, run: Run) -> None:
        """End an abandoned launch without an ECS task; if a call is under way, once it is answered."""
        self.forget(run)
        if run not in self.runs_under_way():
            self.end_abandoned(run)

    def end_abandoned(self, run: Run) -> None:
        """End an abandoned launch, or have its ECS task searched for if it may have started."""
        self.forget(run)
        if run.may_have_started:
            self._owner.outcome_unknown(run)
        else:
            self._owner.ended(run, "Airflow has abandoned the launch.")

    def runs_under_way(self) -> list[Run]:
        """Return the runs whose request is being made, or sent."""
        return [*self._calls.runs(self._calls.build), *self._calls.runs(self._calls.launch)]

    def confirm(self, launch_id: str) -> None:
        """Go on with a launch that Airflow still wants."""
        if (run := self._confirmations.confirm(launch_id)) is None:
            return
        if self.closed or not self._queue.is_probe(run):
            self.add(run)
        else:
            self._queue.resume(run)

    def _may_begin(self, run: Run, now: float) -> bool:
        """Tell whether a run may be sent now; if not, do with it what is needed."""
        if run.abandoned or run.prepared is None:
            return False  # It was abandoned while it waited; its ECS task may be searched for.
        if self._lease.is_over(run.confirmed):
            self._confirmations.ask(run)
            return False
        run.bring_deadline_forward(now, self._now())
        if run.deadline is None or now <= run.deadline:
            return True
        if run.may_have_started:
            # A resend could start an ECS task now, whose token expires before it is used.
            self._owner.outcome_unknown(run)
        else:
            self._attempts.wait_for_revocation(run, run.deadline)
        return False

    def _send(self, run: Run) -> None:
        if run.prepared is None:
            return
        if run.token is None:
            run.token = uuid.uuid4().hex
            run.attempt += 1
        # The thread that makes the call checks the lease again, as the process can be stopped until then.
        may_send = partial(self._lease.holds, run.confirmed)
        self._calls.run_task(run, run.prepared.request, run.token, self._sent, may_send)

    def _sent(self, runs: Sequence[Run], reply: Reply) -> None:
        (run,) = runs
        if run.over:
            return  # Another scheduler has adopted the launch.
        if isinstance(reply.error, NotConfirmed):
            self.end_abandoned(run) if run.abandoned else self._confirmations.ask(run)
            return
        outcome = reply.problem or classify_run_task(reply.value)
        self._problem.note(outcome)
        if outcome.verdict is Verdict.ACCEPTED:
            self._queue.accepted(run)
            self._owner.accepted(run, outcome.arn or "")
            return
        run.problem = outcome
        passes = outcome.verdict in (Verdict.NO_CAPACITY, Verdict.AWAY)
        if outcome.verdict in (Verdict.THROTTLED, Verdict.CREDENTIALS):
            # Nothing was started, for a reason that all launches share: the lane lets all of them wait.
            self.end_abandoned(run) if run.abandoned else self.add(run)
        elif outcome.verdict is Verdict.UNKNOWN or (passes and reply.problem and run.may_have_started):
            # An error that passes does not say what an earlier call with this token has started.
            self._send_again(run, outcome)
        else:
            if passes or outcome.verdict is Verdict.LAUNCH_AGAIN:
                run.may_have_started = False  # AWS repeats the first answer to a token: nothing was started.
            self.nothing_started(run, outcome)

    def _send_again(self, run: Run, outcome: Outcome) -> None:
        """Send the same request with the same token again, after a back-off."""
        run.repeats += 1
        run.may_have_started = True
        if run.abandoned:
            self.end_abandoned(run)
            return
        if run.repeats == 1:
            log.warning(
                "No clear answer to RunTask for %s, sending it again unchanged: %s", run, outcome.reason
            )
        self.add(run, self._resend_back_off(run.repeats))

    def look(self, run: Run) -> Wait | None:
        """Return what a launch without an ECS task waits for; None if only its turn has not come."""
        if run.prepared is None:
            return self._preparer.look() or held_up(self._problem.find())
        shortage, now = self._queue.reason_to_wait(run), self._clock()
        if run.deadline is not None and now > run.deadline and not run.may_have_started:
            if shortage is not None:  # Its turn could be long in coming: it leaves the queue.
                self._queue.discard(run)
                self._may_begin(run, now)
            return None  # _may_begin() makes a note of it.
        if shortage is not None:
            return held_up(Outcome(Verdict.NO_CAPACITY, shortage))
        own = run.problem if run.may_have_started or run.away_since is not None else None
        return held_up(own or self._problem.find())
