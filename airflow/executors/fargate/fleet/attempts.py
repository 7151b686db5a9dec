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
"""Decides how a launch goes on, by what AWS has answered; ``launcher.py`` carries that out."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.capacity import providers
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.fleet.launch_state import MIN_TOKEN_LIFE, Run

if TYPE_CHECKING:
    from typing import TypeAlias

    from airflow.executors.fargate.fleet.context import Context
    from airflow.executors.fargate.request.builder import Prepared

log = logging.getLogger(__name__)

#: Seconds before the same request is sent again, and before a new attempt; first wait and limit.
RESEND_BACK_OFF = 1.0, 30.0
ATTEMPT_BACK_OFF = 2.0, 30.0
#: Seconds for which a launch is tried while AWS reports something unavailable that comes back by itself: an
#: ECS agent that reconnects, or EC2, which ECS calls.
AWAY_PATIENCE = 120.0
#: Seconds after a launch's deadline within which Airflow should have revoked it: the rest of the token's
#: life, and two of Airflow's checks for what is queued too long ([scheduler]
#: task_queued_timeout_check_interval).
REVOCATION = 60.0 + 2 * 120.0


@dataclass(frozen=True)
class Retry:
    """The launch's request is sent, for the first time or again, after so many seconds."""

    after: float = 0.0
    #: For the user; empty if there is nothing to say.
    note: str = ""
    #: The request of a new attempt; None if the same request is sent with the same token.
    prepared: Prepared | None = None


@dataclass(frozen=True)
class Search:
    """RunTask is not called again. The ECS task that may have started is searched for."""


@dataclass(frozen=True)
class Fail:
    """The launch has failed."""

    reason: str


Decision: TypeAlias = "Retry | Search | Fail"


class Attempts:
    """
    Decides when a launch is sent again, elsewhere or later, and when it fails.

    It writes only counts and flags of the runs. The launcher carries the decisions out.

    :param context: the options, the clock and random numbers.
    """

    def __init__(self, context: Context) -> None:
        self._most = context.config.max_launch_attempts
        self._context = context

    def resend(self, run: Run, outcome: Outcome, is_error: bool) -> Retry | None:
        """
        Return when the same request is sent again; None if :meth:`go_on` decides.

        That is so if AWS has refused the request, or said that this attempt has started nothing.

        :param outcome: of a RunTask call that was not accepted.
        :param is_error: whether AWS raised an error, instead of answering with a failure.
        """
        verdict, reason = outcome.verdict, outcome.reason
        if verdict in (Verdict.THROTTLED, Verdict.CREDENTIALS):
            # Nothing was started, for a reason that all launches share: the lane lets all of them wait.
            return Retry()
        passes = verdict in (Verdict.NO_CAPACITY, Verdict.AWAY)
        # An error that passes does not say what an earlier call with this token has started.
        if verdict is Verdict.UNKNOWN or (passes and is_error and run.may_have_started):
            run.repeats += 1
            run.may_have_started = True
            if run.repeats == 1 and not run.abandoned:
                log.warning("No clear answer to RunTask for %s, sending it again unchanged: %s", run, reason)
            return Retry(self._context.back_off(RESEND_BACK_OFF, run.repeats))
        if passes or verdict is Verdict.LAUNCH_AGAIN:
            run.may_have_started = False  # AWS repeats the first answer to a token: nothing was started.
        return None

    def go_on(self, run: Run, outcome: Outcome) -> Decision:
        """Decide by the outcome of RunTask or of its ECS task, if nothing has started."""
        verdict, reason = outcome.verdict, outcome.reason
        costs_one = verdict is Verdict.LAUNCH_AGAIN
        if verdict not in (Verdict.NO_CAPACITY, Verdict.AWAY) and not costs_one:
            return self._refused(run, reason)
        if verdict is not Verdict.AWAY:
            run.away_since = None
        run.attempt -= not costs_one  # Back to what it was, unless this uses up an attempt.
        if run.prepared is None:
            return Fail(f"{reason} It is not launched again: the scheduler that had its command is gone.")
        if costs_one:
            if run.attempt >= self._most:
                return Fail(f"{reason} Attempts: {run.attempt} of {self._most}.")
            note = f"{reason} Attempt {run.attempt} of {self._most}; launching again."
            return Retry(self._context.back_off(ATTEMPT_BACK_OFF, run.attempt), note, run.prepared)
        if verdict is Verdict.AWAY:
            return self._while_away(run, run.prepared, reason)
        if run.prepared.fallback is not None:
            fallen_back = run.prepared.fallen_back()
            where = ", ".join(map(str, providers(fallen_back.request)))
            note = f"{reason} Launching with [fargate] capacity_provider_fallback instead: {where}."
            return Retry(0.0, note, fallen_back)
        return self._until_capacity(run, run.prepared, reason)

    def too_late(self, run: Run, now: float) -> Decision | None:
        """Decide about a run whose deadline is over, so that nothing is sent; None if it is not over."""
        if run.deadline is None or now <= run.deadline:
            return None
        if run.may_have_started:
            return Search()  # A resend could start an ECS task whose token expires before Airflow uses it.
        # Until then, Airflow's queued timeout revokes the launch.
        left = run.deadline + REVOCATION - now
        if left <= 0:
            return Fail("No ECS task could be launched before the token in its command expired.")
        return Retry(
            left,
            f"Not launching: the token in the command expires in under {MIN_TOKEN_LIFE:.0f} s. Raise "
            "[scheduler] task_queued_timeout ([execution_api] jwt_expiration_time before Airflow 3.2).",
        )

    def _until_capacity(self, run: Run, prepared: Prepared, reason: str) -> Retry:
        """Let the run wait in the capacity queue, for as long as Airflow leaves the task instance queued."""
        run.waits += 1
        if run.waits > 1:
            return Retry(prepared=prepared)
        run.wait = Verdict.NO_CAPACITY.value
        why_no_fallback = f" {prepared.no_fallback}" if prepared.no_fallback else ""
        return Retry(0.0, f"{reason}{why_no_fallback} Trying again until there is capacity.", prepared)

    def _while_away(self, run: Run, prepared: Prepared, reason: str) -> Decision:
        """Try again, for :data:`AWAY_PATIENCE`."""
        now = self._context.clock()
        if run.away_since is None:
            run.away_since, run.away_tries = now, 0
        left = run.away_since + AWAY_PATIENCE - now
        if left <= 0:
            return self._refused(run, f"{reason} It was tried for {now - run.away_since:.0f} s.")
        run.away_tries += 1
        delay = self._context.back_off(ATTEMPT_BACK_OFF, run.away_tries)
        return Retry(min(delay, left), prepared=prepared)

    def _refused(self, run: Run, reason: str) -> Decision:
        """Fail, or return to the first request if AWS refuses the fallback and nothing started."""
        prepared = run.prepared
        if prepared is None or prepared.first is None or run.may_have_started:
            return Fail(reason if run.arn else f"AWS refused to launch an ECS task. {reason}")
        run.attempt -= 1
        run.waits, run.away_since = 0, None  # Reset, so that _until_capacity() makes its note again.
        refused = f"AWS refused [fargate] capacity_provider_fallback. {reason}"
        return self._until_capacity(run, prepared.as_first(), refused)
