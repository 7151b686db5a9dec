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
"""Notes for users: what a launch waits for, and what state it was in when Airflow revoked it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from airflow.executors.fargate.aws.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.launch_state import Run

#: Seconds until the first look at what a launch waits for.
NOTE_PATIENCE = 60.0
#: Seconds until the next look, which makes a note if it waits for something else by then.
AGAIN = 30.0
#: Seconds that an ECS task may take to start before this makes a note.
START_PATIENCE = 30.0
#: The most launches that are looked at in a turn, so that thousands that were handed over together do not
#: take long; and seconds until the next turn if more are due.
LOOKS = 100
PAUSE = 0.1

#: Why a launch is not sent, or got no answer. What AWS said follows.
REASONS = {
    Verdict.NO_CAPACITY: "The launch waits for capacity, as AWS has none for launches that ask for the same",
    Verdict.AWAY: "The launch waits for a part of AWS that is unavailable for a while",
    Verdict.THROTTLED: "The launch waits, as AWS throttles calls",
    Verdict.CREDENTIALS: "The launch waits for credentials that AWS accepts",
    Verdict.UNKNOWN: "The launch waits for an answer to RunTask",
}
#: What AWS does in each state of an ECS task before RUNNING.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
STATES = {
    "PROVISIONING": "AWS looks for capacity and creates its network interface",
    "PENDING": "AWS waits for the container agent or for resources",
    "ACTIVATING": "AWS pulls its images and creates its containers",
}


class Wait(NamedTuple):
    """What a launch waits for."""

    #: Another kind makes another note.
    kind: str
    #: For the user.
    text: str


def held_up(problem: Outcome | None) -> Wait | None:
    """Return why a launch is not sent, or has no answer; None if there is no problem."""
    if problem is None:
        return None
    reason = REASONS.get(problem.verdict, "The launch waits")
    return Wait(problem.verdict.value, f"{reason}: {problem.reason}")


def starting(run: Run) -> Wait:
    """Return what a launch waits for once AWS has accepted its ECS task."""
    return Wait(run.last_status or "unknown", f"AWS has accepted the ECS task, and it is {_state(run)}.")


def revoked(run: Run, reason: str, seconds: float, wait: Wait | None) -> str:
    """
    Return a note on a launch that Airflow revokes before its ECS task has started.

    :param reason: why, without a full stop.
    :param seconds: since it was handed over.
    :param wait: what it waited for.
    """
    if run.arn:
        state = f"the ECS task was {_state(run)}"
    else:
        state = f"AWS had accepted no ECS task: {wait.text.rstrip('.') if wait else 'its turn had not come'}"
    return with_last_error(run, f"Revoked after {seconds:.0f} s; {state}. {reason}.")


def with_last_error(run: Run, reason: str) -> str:
    """Add the ECS task's last state and AWS's last error to a reason, unless it has them."""
    said = run.problem.reason if run.problem else ""
    state = run.last_status if run.arn and run.last_status != "STOPPED" else ""
    if state and state not in reason:
        reason = f"{reason} The ECS task was {_state(run)}."
    return reason if not said or said.rstrip(".") in reason else f"{reason} AWS said last: {said}"


def _state(run: Run) -> str:
    """Return the state of an accepted ECS task, with what AWS does in it."""
    if not run.last_status:
        return "not known to DescribeTasks yet"
    does = f": {STATES[run.last_status]}" if run.last_status in STATES else ""
    return f"{run.last_status}{does}"
