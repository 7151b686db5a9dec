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
"""Decides how a launch goes on when AWS says that its attempt has started nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.capacity import providers
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.fleet.launch_state import MIN_TOKEN_LIFE
from airflow.executors.fargate.fleet.throttle import BackOff

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.launch_state import Run
    from airflow.executors.fargate.fleet.launcher import Launcher, Owner
    from airflow.executors.fargate.request.builder import Prepared

#: Seconds; first wait and limit.
ATTEMPT_BACK_OFF = 2.0, 30.0
#: Seconds for which a launch is tried while AWS reports something unavailable that comes back by itself: an
#: ECS agent that reconnects, or EC2, which ECS calls.
AWAY_PATIENCE = 120.0
#: Seconds after the last moment for an attempt by which Airflow should have revoked the launch: the rest of
#: the token's life, and two of Airflow's checks for what is queued too long ([scheduler]
#: task_queued_timeout_check_interval).
REVOCATION = 60.0 + 2 * 120.0


class Attempts:
    """
    Begins another attempt, elsewhere or later, or ends the launch.

    :param max_attempts: ECS tasks that may fail to start before the launch fails.
    :param launcher: takes the runs that are tried again.
    :param owner: is told of ends and notes.
    :param clock: returns monotonic seconds.
    :param random: returns a number from 0 to 1.
    """

    def __init__(
        self,
        max_attempts: int,
        launcher: Launcher,
        owner: Owner,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._max_attempts = max_attempts
        self._launcher = launcher
        self._owner = owner
        self._clock = clock
        self._back_off = BackOff(*ATTEMPT_BACK_OFF, random)

    def decide(self, run: Run, outcome: Outcome) -> None:
        """Go on with a run for which nothing has started, by the outcome of RunTask or of its ECS task."""
        costs_one = outcome.verdict is Verdict.LAUNCH_AGAIN
        if outcome.verdict not in (Verdict.NO_CAPACITY, Verdict.AWAY) and not costs_one:
            self._refuse(run, outcome.reason)
            return
        if outcome.verdict is not Verdict.AWAY:
            run.away_since = None
        run.attempt -= not costs_one
        if run.abandoned:
            self._owner.ended(run, outcome.reason)
        elif run.prepared is None:
            self._owner.ended(
                run, f"{outcome.reason} It is not launched again: the scheduler that had its command is gone."
            )
        elif costs_one:
            self._launch_again(run, outcome.reason)
        elif outcome.verdict is Verdict.AWAY:
            self._wait_while_away(run, outcome.reason)
        elif run.prepared.fallback is not None:
            self._fall_back(run, run.prepared, outcome.reason)
        else:
            self._wait_for_capacity(run, run.prepared, outcome.reason)

    def wait_for_revocation(self, run: Run, deadline: float) -> None:
        """
        Launch nothing for a run whose token expires too soon: Airflow's queued timeout revokes the launch.

        :param deadline: the last moment for an attempt, by the clock.
        """
        now = self._clock()
        if now >= deadline + REVOCATION:
            self._owner.ended(run, "No ECS task could be launched before the token in its command expired.")
            return
        self._owner.noted(
            run,
            f"Not launching: the token in the command expires in under {MIN_TOKEN_LIFE:.0f} s. Raise "
            "[scheduler] task_queued_timeout ([execution_api] jwt_expiration_time before Airflow 3.2).",
        )
        self._launcher.add(run, deadline + REVOCATION - now)

    def _launch_again(self, run: Run, reason: str) -> None:
        """Begin a new attempt, if there is one left."""
        if run.attempt >= self._max_attempts:
            self._owner.ended(run, f"{reason} Attempts: {run.attempt} of {self._max_attempts}.")
            return
        self._owner.noted(run, f"{reason} Attempt {run.attempt} of {self._max_attempts}; launching again.")
        self._retry(run, self._back_off(run.attempt))

    def _fall_back(self, run: Run, prepared: Prepared, reason: str) -> None:
        """Try the fallback at once."""
        fallen_back = prepared.fallen_back()
        where = ", ".join(map(str, providers(fallen_back.request)))
        self._owner.noted(
            run, f"{reason} Launching with [fargate] capacity_provider_fallback instead: {where}."
        )
        run.prepared = fallen_back
        self._retry(run)

    def _wait_for_capacity(self, run: Run, prepared: Prepared, reason: str) -> None:
        """Let the run wait in the capacity queue, for as long as Airflow leaves the task instance queued."""
        run.waits += 1
        if run.waits == 1:
            why_no_fallback = f" {prepared.no_fallback}" if prepared.no_fallback else ""
            self._owner.noted(run, f"{reason}{why_no_fallback} Trying again until there is capacity.")
            run.wait = Verdict.NO_CAPACITY.value
        self._retry(run)

    def _wait_while_away(self, run: Run, reason: str) -> None:
        """Try again, for :data:`AWAY_PATIENCE`."""
        now = self._clock()
        if run.away_since is None:
            run.away_since, run.away_tries = now, 0
        left = run.away_since + AWAY_PATIENCE - now
        if left <= 0:
            self._refuse(run, f"{reason} It was tried for {now - run.away_since:.0f} s.")
            return
        run.away_tries += 1
        self._retry(run, min(self._back_off(run.away_tries), left))

    def _refuse(self, run: Run, reason: str) -> None:
        """End the launch, or return to its first request if AWS refuses the fallback and nothing started."""
        prepared = run.prepared
        if prepared is None or prepared.first is None or run.may_have_started or run.abandoned:
            refused = "" if run.arn else "AWS refused to launch an ECS task. "
            self._owner.ended(run, f"{refused}{reason}")
            return
        run.prepared = prepared.as_first()
        run.attempt -= 1
        run.waits, run.away_since = 0, None  # So that this is noted, whatever was noted before.
        self._wait_for_capacity(
            run, run.prepared, f"AWS refused [fargate] capacity_provider_fallback. {reason}"
        )

    def _retry(self, run: Run, delay: float = 0.0) -> None:
        run.forget_ecs_task()
        self._launcher.add(run, delay)
