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
"""Tells of each launch that waits for long what it waits for, and at its end what it had come to."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.fleet.launch_state import Run, Schedule

#: Seconds that a launch may wait before its user is told for what.
NOTE_PATIENCE = 60.0
#: Seconds until the next look at whether it waits for something else by then.
AGAIN = 30.0
#: Seconds that the start of an ECS task may take before it is what its launch waits for.
START_PATIENCE = 30.0
#: How many launches are looked at in a turn, so that none takes long where thousands were handed over at once; and seconds
#: until the next turn, where more are due.
LOOKS = 100
PAUSE = 0.1

#: What no launch can go on without.
REASONS = {
    Verdict.NO_CAPACITY: "The launch waits for capacity, which AWS has not for those that ask for the same",
    Verdict.AWAY: "The launch waits for AWS, which cannot do it for a while",
    Verdict.THROTTLED: "The launch waits since AWS wants fewer calls",
    Verdict.CREDENTIALS: "The launch waits for credentials, which all calls need",
    Verdict.UNKNOWN: "The launch waits for an answer of AWS to RunTask",
}
#: What AWS does in the states of an ECS task before it runs.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
STATES = {
    "PROVISIONING": "AWS looks for capacity and makes its network interface",
    "PENDING": "AWS waits for the container agent or for resources",
    "ACTIVATING": "AWS pulls its images and creates its containers",
}


class Wait(NamedTuple):
    """What a launch waits for."""

    #: The same for as long as nothing has changed of which the user is to be told.
    kind: str
    #: For the user.
    text: str


class Waits:
    """
    Looks at each launch after a minute and, for as long as its ECS task has not started, again and again.

    :param tell: returns what a launch waits for; None where only its turn has not come.
    :param note: takes a note for the launch's user.
    :param clock: seconds, never going backwards.
    """

    def __init__(
        self,
        *,
        tell: Callable[[Run], Wait | None],
        note: Callable[[Run, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._tell = tell
        self._note = note
        self._clock = clock
        self._due = Schedule()

    def add(self, run: Run) -> None:
        """Look at a launch once it has waited for long."""
        self._due.put(self._clock() + NOTE_PATIENCE, run)

    def clear(self) -> None:
        """Forget all looks."""
        self._due.clear()

    def work(self) -> float | None:
        """Look at those launches whose turn it is; return when to look again, or None."""
        now = self._clock()
        for _ in range(LOOKS):
            run = self._due.take(now)
            if run is None:
                return self._due.first()
            if not run.started and not run.abandoned:
                self._look(run)
                self._due.put(now + AGAIN, run)
        first = self._due.first()
        return None if first is None else max(first, now + PAUSE)

    def _look(self, run: Run) -> None:
        wait = self._tell(run)
        if wait is not None and wait.kind != run.wait:
            # First of all, or a fault in telling it would tell it for ever.
            run.wait = wait.kind
            self._note(run, wait.text)


def held_up(problem: Outcome | None) -> Wait | None:
    """Return what a launch waits for that cannot be sent, or to which no answer came; None where it can."""
    if problem is None:
        return None
    return Wait(problem.verdict.value, f"{REASONS.get(problem.verdict, 'It waits')}: {problem.reason}")


def starting(run: Run) -> Wait:
    """Return what a launch waits for whose ECS task AWS has accepted."""
    return Wait(run.last_status or "unknown", f"AWS has accepted the ECS task, and it is {_state(run)}.")


def revoked(run: Run, reason: str, seconds: float, wait: Wait | None) -> str:
    """
    Tell what a launch had come to that Airflow takes back before its ECS task has started.

    :param seconds: since it was handed over.
    :param wait: what it has waited for.
    """
    if run.arn:
        came_to = f"the ECS task was {_state(run)}"
    else:
        came_to = (
            f"AWS had accepted no ECS task: {wait.text.rstrip('.') if wait else 'its turn had not come'}"
        )
    return with_last_error(run, f"Revoked after {seconds:.0f} s; {came_to}. {reason}.")


def with_last_error(run: Run, reason: str) -> str:
    """Let a reason for an end before the start tell what AWS said last, and the last state, where it does not yet."""
    said = run.problem.reason if run.problem else ""
    state = run.last_status if run.arn and run.last_status != "STOPPED" else ""
    if state and state not in reason:
        reason = f"{reason} The ECS task was {_state(run)}."
    return reason if not said or said.rstrip(".") in reason else f"{reason} AWS said last: {said}"


def _state(run: Run) -> str:
    """Return the state of an ECS task that AWS has accepted, with what it means."""
    if not run.last_status:
        return "not known to DescribeTasks yet"
    does = f": {STATES[run.last_status]}" if run.last_status in STATES else ""
    return f"{run.last_status}{does}"
