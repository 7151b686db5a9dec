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
:data:`~airflow.executors.fargate.run.MIN_TOKEN_LIFE` left, and none that is in doubt is sent again then: its container
is searched for (``searching.py``), and followed where there is one.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.fitting import providers
from airflow.executors.fargate.outcome import Outcome, Verdict, judge_run_task
from airflow.executors.fargate.run import Agenda, Run
from airflow.executors.fargate.throttle import BackOff

if TYPE_CHECKING:
    from airflow.executors.fargate.calls import Calls, Reply
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.request import Prepared

log = logging.getLogger(__name__)

#: Seconds; first wait and limit.
RESEND_BACK_OFF = 1.0, 30.0
ATTEMPT_BACK_OFF = 2.0, 30.0
#: Seconds after the last moment for an attempt in which Airflow should have taken a launch back: the rest of the
#: token's life, and two of its looks for what is queued too long ([scheduler] task_queued_timeout_check_interval).
REVOCATION = 60.0 + 2 * 120.0
#: After the rank of any launch.
ANY_RANK = float("inf")


class Owner(Protocol):
    """Who is told what becomes of a run."""

    def accepted(self, run: Run, arn: str) -> None:
        """AWS has accepted a container."""

    def ended(self, run: Run, reason: str | None) -> None:
        """End the launch; without a reason it finished well."""

    def noted(self, run: Run, text: str) -> None:
        """Something that the user wants to know."""

    def in_doubt(self, run: Run) -> None:
        """Nobody knows whether a launch has a container, and RunTask is not asked any more."""


class Launching:
    """
    Everything between the hand-over of a launch and the ARN of its container.

    The order is Airflow's: higher priority first, then first come. A launch that waits for its back-off
    holds up nobody. A launch that has met no room goes on with its fallback, where it has one.

    :param build: makes the request of a launch, on a thread of its own.
    :param calls: makes the calls.
    :param max_attempts: containers that may fail to start before the launch fails.
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
        max_attempts: int,
        owner: Owner,
        clock: Callable[[], float],
        now: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._build = build
        self._calls = calls
        self._max_attempts = max_attempts
        self._owner = owner
        self._clock = clock
        self._now = now
        self._unbuilt = Agenda()
        self._ready = Agenda()
        self._waiting = Agenda()
        self._resend = BackOff(*RESEND_BACK_OFF, random)
        self._attempt = BackOff(*ATTEMPT_BACK_OFF, random)
        self.closed = False

    def add(self, run: Run, delay: float = 0.0) -> None:
        """Let a run take its turn, after so many seconds."""
        self._waiting.put(self._clock() + delay, run)

    def clear(self) -> None:
        """Forget all turns; the fleet enters the runs anew."""
        self._unbuilt.clear()
        self._ready.clear()
        self._waiting.clear()

    def work(self) -> float | None:
        """Make the calls whose turn it is; return when to look again, or None if only a message can tell."""
        now = self._clock()
        while run := self._waiting.take(now):
            (self._unbuilt if run.prepared is None else self._ready).put(-run.launch.priority, run)
        if self.closed:
            return self._waiting.first()
        # No further ahead of the calls than it takes: requests would only lie about, and a higher priority would wait.
        while (
            self._calls.admits(self._calls.build)
            and self._wants_requests()
            and (run := self._unbuilt.take(ANY_RANK))
        ):
            if not run.quiet:  # Given up while it waited.
                self._calls.make_request(run, partial(self._build, run.launch), self._built)
        while self._calls.admits(self._calls.launch) and (run := self._ready.take(ANY_RANK)):
            self._advance(run, now)
        ready = None if self._ready.first() is None else now
        turns = (self._calls.turn(self._calls.launch, ready), self._waiting.first())
        return min((turn for turn in turns if turn is not None), default=None)

    def _wants_requests(self) -> bool:
        """Tell whether a request is to be made: one is wanted soon, or the next launch is one without."""
        if len(self._ready) < self._calls.launch.most:
            return True
        unbuilt, ready = self._unbuilt.first(), self._ready.first()
        return unbuilt is not None and ready is not None and unbuilt < ready

    def launch_again(self, run: Run, reason: str) -> None:
        """Begin a new attempt, where there is one left, after a container that never started."""
        if run.quiet:
            self._owner.ended(run, reason)
        elif run.prepared is None:
            self._owner.ended(
                run, f"{reason} The scheduler that had its command is gone: it is not launched again."
            )
        elif run.attempt >= self._max_attempts:
            self._owner.ended(run, f"{reason} Attempts: {run.attempt} of {self._max_attempts}.")
        else:
            self._owner.noted(
                run, f"{reason} Attempt {run.attempt} of {self._max_attempts}; launching again."
            )
            run.forget_container()
            self.add(run, self._attempt(run.attempt))

    def wait_for_capacity(self, run: Run, reason: str) -> None:
        """
        Try elsewhere at once, or else here later, at the cost of no attempt.

        It goes on as long as Airflow leaves the task instance queued.
        """
        run.attempt -= 1
        if run.quiet or run.prepared is None:
            self.launch_again(run, reason)
            return
        if run.prepared.fallback is not None:
            fallen_back = run.prepared.fallen_back()
            where = ", ".join(map(str, providers(fallen_back.request)))
            self._owner.noted(
                run, f"{reason} Launching with [fargate] capacity_provider_fallback instead: {where}."
            )
            run.prepared = fallen_back
            run.forget_container()
            self.add(run)
            return
        run.waits += 1
        if run.waits == 1:
            told = f" {run.prepared.no_fallback}" if run.prepared.no_fallback else ""
            self._owner.noted(run, f"{reason}{told} Trying again until there is room.")
        run.forget_container()
        self.add(run, self._attempt(run.waits))

    def wait_while_away(self, run: Run, reason: str) -> None:
        """Try again later, at the cost of no attempt, what AWS cannot do for a while."""
        run.attempt -= 1
        if run.quiet or run.prepared is None:
            self.launch_again(run, reason)
            return
        run.waits += 1
        if run.waits == 1:
            self._owner.noted(run, f"{reason} Trying again.")
        run.forget_container()
        self.add(run, self._attempt(run.waits))

    def _leave_fallback(self, run: Run, prepared: Prepared, reason: str) -> None:
        """Go back to the first request, after AWS has refused the fallback and started nothing."""
        run.prepared = prepared.as_first()
        run.waits = 0  # So that this is told, whatever was told before.
        self.wait_for_capacity(run, f"AWS refused [fargate] capacity_provider_fallback. {reason}")

    def give_up(self, run: Run) -> None:
        """Launch no container for a run; where a call is under way, its answer is awaited."""
        if run not in self.runs_under_way():
            self._give_up(run)

    def runs_under_way(self) -> list[Run]:
        """Return the runs whose request is being made, or sent."""
        return [*self._calls.runs(self._calls.build), *self._calls.runs(self._calls.launch)]

    def _give_up(self, run: Run) -> None:
        if run.doubtful:
            self._owner.in_doubt(run)
        else:
            self._owner.ended(run, "Airflow has given up the launch.")

    def _advance(self, run: Run, now: float) -> None:
        if run.quiet or run.prepared is None:
            return  # It was given up while it waited: its container may be searched for, but none is launched.
        run.bring_deadline_forward(now, self._now())
        if run.deadline is not None and now > run.deadline:
            if run.doubtful:
                # To say the same again could start a container now whose token expires before it is used.
                self._owner.in_doubt(run)
            else:
                self._wait_to_be_revoked(run, run.deadline + REVOCATION, now)
            return
        if run.token is None:
            run.token = uuid.uuid4().hex
            run.attempt += 1
        self._calls.run_task(run, run.prepared.request, run.token, self._sent)

    def _wait_to_be_revoked(self, run: Run, until: float, now: float) -> None:
        """Begin no attempt whose token would expire before it is used: Airflow's queued timeout takes it back."""
        if now >= until:
            self._owner.ended(run, "No container could be launched before the token in its command expired.")
            return
        self._owner.noted(
            run,
            "No attempt is begun: the token in the command expires too soon. How long it lives is set by [scheduler] "
            "task_queued_timeout, before Airflow 3.2 by [execution_api] jwt_expiration_time.",
        )
        self._waiting.put(until, run)

    def _built(self, runs: Sequence[Run], result: Reply) -> None:
        (run,) = runs
        if run.quiet:
            self._give_up(run)
        elif result.error is None:
            prepared: Prepared = result.value
            run.container_name, run.cluster = prepared.container_name, prepared.cluster
            run.prepared = prepared
            self.add(run)
        elif isinstance(result.error, RequestError):
            self._owner.ended(run, f"No container was launched: {result.error}.")
        else:
            # A bug of ours, or of the service model: the traceback is for the log, the type for the user.
            log.error("Making the request for %s failed", run, exc_info=result.error)
            self._owner.ended(
                run, f"No container was launched: {type(result.error).__name__} in the executor."
            )

    def _sent(self, runs: Sequence[Run], reply: Reply) -> None:
        (run,) = runs
        outcome = reply.problem or judge_run_task(reply.value)
        if outcome.verdict in (Verdict.THROTTLED, Verdict.CREDENTIALS):
            # Nothing was started, for a reason that all launches share: the door lets all of them wait.
            if run.quiet:
                self._give_up(run)
            else:
                self.add(run)
            return
        if run.doubtful and reply.problem and outcome.verdict in (Verdict.NO_CAPACITY, Verdict.AWAY):
            # An error does not say what an earlier call with this token has started.
            self._say_again(run, outcome)
            return
        if outcome.verdict in (Verdict.NO_CAPACITY, Verdict.AWAY, Verdict.LAUNCH_AGAIN):
            run.doubtful = False  # A resend repeats the first answer: nothing was started.
        if outcome.verdict is Verdict.ACCEPTED:
            self._owner.accepted(run, outcome.arn or "")
        elif outcome.verdict is Verdict.IN_DOUBT:
            self._say_again(run, outcome)
        elif outcome.verdict is Verdict.NO_CAPACITY:
            self.wait_for_capacity(run, outcome.reason)
        elif outcome.verdict is Verdict.AWAY:
            self.wait_while_away(run, outcome.reason)
        elif outcome.verdict is Verdict.LAUNCH_AGAIN:
            self.launch_again(run, outcome.reason)
        elif run.prepared is not None and run.prepared.first is not None and not run.doubtful:
            self._leave_fallback(run, run.prepared, outcome.reason)
        else:
            self._owner.ended(run, f"AWS refused to launch a container. {outcome.reason}")

    def _say_again(self, run: Run, outcome: Outcome) -> None:
        run.repeats += 1
        run.doubtful = True
        if run.quiet:
            self._give_up(run)
            return
        if run.repeats == 1:
            log.warning("No clear answer to RunTask for %s, saying the same again: %s", run, outcome.reason)
        self.add(run, self._resend(run.repeats))
