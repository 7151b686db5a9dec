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
Brings launches to AWS: each attempt with a token of its own, and no container too many.

``clientToken`` makes RunTask idempotent
(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html). An attempt keeps its token and its
frozen request through every resend, so a lost response costs nothing: AWS answers with the container that it started. A
new token is drawn only after AWS said that nothing was started.

A container that never started is launched again, at most ``max_launch_attempts`` times; capacity and throttling use up
no attempt, and wait until Airflow's own queued timeout. Once a container has started, its end is the launch's, and
Airflow's own retries decide. No attempt begins where the token in the command has less than
:data:`~airflow.executors.fargate.fleet.launch_state.MIN_TOKEN_LIFE` left, and none that is in doubt is sent again then: its container
is searched for (``unknown_outcomes.py``), and followed where there is one.
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
from airflow.executors.fargate.fleet.launch_state import Run, Schedule
from airflow.executors.fargate.fleet.preparer import Preparer
from airflow.executors.fargate.fleet.throttle import BackOff
from airflow.executors.fargate.fleet.waits import LOOKS, PAUSE, Wait, held_up
from airflow.executors.fargate.lease import Lease, NotConfirmed

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.calls import Calls, Reply
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.request.builder import Prepared

log = logging.getLogger(__name__)

#: Seconds; first wait and limit.
RESEND_BACK_OFF = 1.0, 30.0
#: Launches that wait to be confirmed: as many as the executor looks up at a heartbeat.
MAX_UNCONFIRMED = 200


class Owner(Protocol):
    """Who is told what becomes of a run."""

    def accepted(self, run: Run, arn: str) -> None:
        """AWS has accepted a container."""

    def ended(self, run: Run, reason: str | None) -> None:
        """End the launch; without a reason it finished well."""

    def noted(self, run: Run, text: str) -> None:
        """Something that the user wants to know."""

    def unconfirmed(self, run: Run) -> None:
        """Nothing is sent for the launch before it is confirmed that Airflow still wants it."""

    def outcome_unknown(self, run: Run) -> None:
        """Nobody knows whether a launch has a container, and RunTask is not asked any more."""


class Launcher:
    """
    Everything between the hand-over of a launch and the ARN of its container.

    The order is Airflow's: higher priority first, then first come. A launch that waits, for its back-off or for capacity,
    holds up nobody. A launch that has met no capacity goes on with its fallback, where it has one.

    :param build: makes the request of a launch, on a thread of its own.
    :param calls: makes the calls.
    :param launch_rate: RunTask calls a second.
    :param max_attempts: containers that may fail to start before the launch fails.
    :param lease: tells whether a launch was confirmed lately.
    :param owner: is told what becomes of each run.
    :param clock: seconds, never going backwards.
    :param now: seconds since the epoch.
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
        self._attempts = Attempts(max_attempts=max_attempts, owner=self, clock=clock, random=random)
        self._preparer = Preparer(build=build, calls=calls, owner=self, clock=clock)
        self._queue = CapacityQueue(launch_rate, clock, random)
        self._waiting = Schedule()
        #: Launches that wait to be confirmed, by their ids.
        self._unconfirmed: dict[str, Run] = {}
        self._resend = BackOff(*RESEND_BACK_OFF, random)
        #: Why no answer came to the last RunTask, None where one did; and what AWS said as it throttled last.
        self._trouble: Outcome | None = None
        self._throttle: Outcome | None = None
        self.closed = False

    def add(self, run: Run, delay: float = 0.0) -> None:
        """Let a run take its turn, after so many seconds."""
        self._waiting.put(self._clock() + delay, run)

    def forget(self, run: Run) -> None:
        """Let a run leave that takes no turn any more."""
        self._preparer.discard(run)
        self._queue.discard(run)
        self._unconfirmed.pop(run.launch.id, None)

    def clear(self) -> None:
        """Forget all turns; the fleet enters the runs anew."""
        self._preparer.clear()
        self._queue.clear()
        self._waiting.clear()
        self._unconfirmed.clear()

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
        # No further ahead of the calls than it takes: requests would only lie about, and a higher priority would wait.
        request_at = self._preparer.work(self._queue.has(self._calls.launch.most), self._queue.first())
        launch_at = self._send_all(now)
        turns = (request_at, launch_at, self._waiting.first())
        return min((turn for turn in turns if turn is not None), default=None)

    def _send_all(self, now: float) -> float | None:
        """Send those whose turn it is; return when to send the next one, or None if only a message can tell."""
        probe_at = self._send_probes(now)
        while self._may_send and (run := self._queue.take()):
            if self._may_begin(run, now):
                self._send(run)
        dues = (None if self._queue.first() is None else now, probe_at)
        due = min((due for due in dues if due is not None), default=None)
        return None if self._asks_enough else self._calls.turn(self._calls.launch, due)

    @property
    def _may_send(self) -> bool:
        return self._calls.admits(self._calls.launch) and not self._asks_enough

    @property
    def _asks_enough(self) -> bool:
        """Whether so many launches wait to be confirmed that the answer is awaited before the next one has its turn."""
        return len(self._unconfirmed) >= MAX_UNCONFIRMED

    def _send_probes(self, now: float) -> float | None:
        """Send those that are to show whether there is capacity; return when to send the next one, or None."""
        for _ in range(LOOKS):
            run = self._queue.take_probe() if self._may_send else None
            if run is None:
                return self._queue.probe_at()
            if self._may_begin(run, now):
                self._queue.sent(run)
                self._send(run)
            elif run.launch.id in self._unconfirmed:
                self._queue.sent(run)
        return now + PAUSE  # The tokens of many have expired: no turn takes long for that.

    def nothing_started(self, run: Run, outcome: Outcome) -> None:
        """Go on with a run for which AWS says that nothing runs: in the answer to RunTask, or by an end before the start."""
        run.problem = outcome
        if outcome.verdict is Verdict.NO_CAPACITY:
            self._queue.refused(run, outcome.reason)
        self._attempts.decide(run, outcome)

    def provisioned(self, run: Run) -> None:
        """Note that a run's ECS task has left PROVISIONING: there is capacity for it."""
        self._queue.provisioned(run)

    def give_up(self, run: Run) -> None:
        """Launch no container for a run; where a call is under way, its answer is awaited."""
        self.forget(run)
        if run not in self.runs_under_way():
            self.given_up(run)

    def runs_under_way(self) -> list[Run]:
        """Return the runs whose request is being made, or sent."""
        return [*self._calls.runs(self._calls.build), *self._calls.runs(self._calls.launch)]

    def confirm(self, launch_id: str) -> None:
        """Go on with a launch that Airflow still wants."""
        run = self._unconfirmed.pop(launch_id, None)
        if run is None:
            return
        run.confirmed = self._lease.begin()
        if self.closed or not self._queue.is_probe(run):
            self.add(run)
        else:
            self._queue.resume(run)

    def _ask(self, run: Run) -> None:
        """Let a launch wait until the database has confirmed it: another scheduler may have launched it meanwhile."""
        self._unconfirmed[run.launch.id] = run
        self._owner.unconfirmed(run)

    # What its parts tell.

    def prepared(self, run: Run) -> None:
        """Let a run whose request is made take its turn."""
        self.add(run)

    def given_up(self, run: Run) -> None:
        """End a launch that Airflow has given up, unless there may be a container."""
        self.forget(run)
        if run.may_have_started:
            self._owner.outcome_unknown(run)
        else:
            self._owner.ended(run, "Airflow has given up the launch.")

    def ended(self, run: Run, reason: str | None) -> None:
        """End a launch that AWS, or the making of its request, refuses."""
        self._owner.ended(run, reason)

    def noted(self, run: Run, text: str) -> None:
        """Pass on what the user wants to know."""
        self._owner.noted(run, text)

    # One attempt.

    def _may_begin(self, run: Run, now: float) -> bool:
        """Tell whether a run may be sent; what cannot any more is seen to."""
        if run.abandoned or run.prepared is None:
            return False  # It was given up while it waited: its container may be searched for, but none is launched.
        if self._lease.is_over(run.confirmed):
            self._ask(run)
            return False
        run.bring_deadline_forward(now, self._now())
        if run.deadline is None or now <= run.deadline:
            return True
        if run.may_have_started:
            # To say the same again could start a container now whose token expires before it is used.
            self._owner.outcome_unknown(run)
        else:
            self._attempts.begin_none(run, run.deadline)
        return False

    def _send(self, run: Run) -> None:
        if run.prepared is None:
            return
        if run.token is None:
            run.token = uuid.uuid4().hex
            run.attempt += 1
        # Looked at once more by the thread that makes the call: the process can be stopped until then.
        may_send = partial(self._lease.holds, run.confirmed)
        self._calls.run_task(run, run.prepared.request, run.token, self._sent, may_send)

    def _sent(self, runs: Sequence[Run], reply: Reply) -> None:
        (run,) = runs
        if run.over:
            return  # Another scheduler has taken over the launch.
        if isinstance(reply.error, NotConfirmed):
            self.given_up(run) if run.abandoned else self._ask(run)
            return
        outcome = reply.problem or classify_run_task(reply.value)
        self._trouble = outcome if outcome.verdict is Verdict.UNKNOWN else None
        if outcome.verdict is Verdict.THROTTLED:
            self._throttle = outcome
        if outcome.verdict is Verdict.ACCEPTED:
            self._queue.accepted(run)
            self._owner.accepted(run, outcome.arn or "")
            return
        run.problem = outcome
        if outcome.verdict in (Verdict.THROTTLED, Verdict.CREDENTIALS):
            # Nothing was started, for a reason that all launches share: the door lets all of them wait.
            if run.abandoned:
                self.given_up(run)
            else:
                self.add(run)
            return
        if run.may_have_started and reply.problem and outcome.verdict in (Verdict.NO_CAPACITY, Verdict.AWAY):
            # An error does not say what an earlier call with this token has started.
            self._say_again(run, outcome)
            return
        if outcome.verdict in (Verdict.NO_CAPACITY, Verdict.AWAY, Verdict.LAUNCH_AGAIN):
            run.may_have_started = False  # A resend repeats the first answer: nothing was started.
        if outcome.verdict is Verdict.UNKNOWN:
            self._say_again(run, outcome)
        else:
            self.nothing_started(run, outcome)

    def _say_again(self, run: Run, outcome: Outcome) -> None:
        run.repeats += 1
        run.may_have_started = True
        if run.abandoned:
            self.given_up(run)
            return
        if run.repeats == 1:
            log.warning("No clear answer to RunTask for %s, saying the same again: %s", run, outcome.reason)
        self.add(run, self._resend(run.repeats))

    # What a launch waits for.

    def look(self, run: Run) -> Wait | None:
        """Return what a launch waits for that has no ECS task; None where only its turn has not come."""
        if run.prepared is None:
            why = self._preparer.waits(run)
            return Wait("request", why) if why else held_up(self._shared_trouble())
        lack, now = self._queue.waits(run), self._clock()
        if run.deadline is not None and now > run.deadline and not run.may_have_started:
            if lack is not None:  # Its turn may be long in coming: it leaves the line.
                self._queue.discard(run)
                self._may_begin(run, now)
            return None  # That is told once.
        if lack is not None:
            return held_up(Outcome(Verdict.NO_CAPACITY, lack))
        own = run.problem if run.may_have_started or run.away_since is not None else None
        return held_up(own or self._shared_trouble())

    def _shared_trouble(self) -> Outcome | None:
        """Return why no launch at all goes on, or none at its rate; None where all is well."""
        refused = self._calls.launch.credentials and self._calls.launch.credentials.refusal
        if refused:
            return Outcome(Verdict.CREDENTIALS, refused)
        if self._calls.launch.is_slow:
            return self._throttle or Outcome(
                Verdict.THROTTLED, "StopTask was throttled, which AWS counts together"
            )
        return self._trouble
