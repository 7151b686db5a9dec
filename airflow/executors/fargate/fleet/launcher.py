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

A launch whose ECS task never started gets another attempt, up to ``max_launch_attempts`` in all. Lack of
capacity and throttling use up no attempt: the launch waits until Airflow's queued timeout. Once an ECS task
has started, its end is that of the launch, and Airflow's retries decide. No attempt begins when the token in
the command has less than ``launch_state.MIN_TOKEN_LIFE`` left. An attempt that may have started is not sent
again then: its ECS task is searched for (``unknown_outcomes.py``), and followed if there is one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.outcome import classify_run_task
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.fleet.attempts import Attempts, Decision, Fail, Search
from airflow.executors.fargate.fleet.calls import NotConfirmed, Reply
from airflow.executors.fargate.fleet.capacity_queue import CapacityQueue
from airflow.executors.fargate.fleet.context import Part
from airflow.executors.fargate.fleet.launch_state import Line, Run, Schedule, earliest
from airflow.executors.fargate.fleet.preparer import Preparer
from airflow.executors.fargate.fleet.waits import LOOKS, PAUSE, Wait, held_up
from airflow.executors.fargate.messages import Unconfirmed

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.lifecycle import Lifecycle

#: The most launches that wait to be confirmed: as many as the executor looks up at a heartbeat.
MAX_UNCONFIRMED = 200


class Launcher(Part):
    """
    Everything between the hand-over of a launch and the ARN of its ECS task.

    The order is Airflow's: priority, then hand-over. A launch that waits for its back-off or for capacity
    does not delay others. If there is no capacity, a launch goes on with its fallback if it has one. A launch
    that the database has not confirmed lately is confirmed before it is sent, as another scheduler may have
    launched it meanwhile.
    """

    def __init__(self, owner: Lifecycle) -> None:
        super().__init__(owner)
        self._attempts = Attempts(owner.context)
        self._preparer = Preparer(owner)
        self.queue = CapacityQueue(owner.context)
        self._waiting = Schedule()
        #: The runs that wait until the database confirms that Airflow still wants them, by launch id.
        self._unconfirmed: dict[str, Run] = {}
        #: The outcomes of the last RunTask, and of the last one that was throttled.
        self._last: Outcome | None = None
        self._throttled: Outcome | None = None

    def add(self, run: Run, delay: float = 0.0) -> None:
        """Queue a run, for its request to be made or sent, after a delay in seconds."""
        self._waiting.put(self._clock() + delay, run)

    def forget(self, run: Run) -> None:
        """Let a run take no turn any more."""
        self._preparer.line.discard(run)
        self.queue.discard(run)
        self._unconfirmed.pop(run.launch.id, None)

    def clear(self) -> None:
        """Forget all turns; the fleet enters the runs again."""
        self._preparer.line = Line()
        self.queue.clear()
        self._waiting = Schedule()
        self._unconfirmed.clear()

    def work(self) -> float | None:
        """Make the calls whose turn it is; return when to look again, or None if only a message can tell."""
        now = self._clock()
        while run := self._waiting.take(now):
            if run.prepared is None:
                self._preparer.line.put(run)
            else:
                self.queue.put(run)
        if self._context.leaving.is_set():
            return self._waiting.first()
        # As many requests as there can be calls: more would take memory, and a launch with a higher priority
        # may come first.
        enough = self.queue.has_at_least(self._calls.launch.most)
        prepares_at = self._preparer.work(enough, self.queue.first())
        return earliest(prepares_at, self._send_all(now), self._waiting.first())

    def _send_all(self, now: float) -> float | None:
        """Send the runs whose turn it is; return when to look again, or None if only a message can tell."""
        probe_at = self._send_probes(now)
        while self._can_send and (run := self.queue.take()):
            self._begin(run, now)
        due = probe_at if self.queue.first() is None else now
        is_full = len(self._unconfirmed) >= MAX_UNCONFIRMED
        return None if is_full else self._calls.turn(self._calls.launch, due)

    @property
    def _can_send(self) -> bool:
        return self._calls.admits(self._calls.launch) and len(self._unconfirmed) < MAX_UNCONFIRMED

    def _send_probes(self, now: float) -> float | None:
        """Send the probes whose turn it is; return when to look again, or None."""
        for _ in range(LOOKS):
            if not self._can_send or (run := self.queue.take_probe()) is None:
                return self.queue.probe_at()
            if self._begin(run, now) or run.launch.id in self._unconfirmed:
                self.queue.sent(run)
        return now + PAUSE  # None of so many could be sent: the others are for the next turn.

    def nothing_started(self, run: Run, outcome: Outcome) -> None:
        """Go on with a run by the outcome of its RunTask, which has accepted none, or of its ECS task."""
        run.problem = outcome
        if outcome.verdict is Verdict.NO_CAPACITY:
            self.queue.refused(run, outcome.reason)
        self.apply(run, self._attempts.go_on(run, outcome))

    def give_up(self, run: Run) -> None:
        """End an abandoned launch without an ECS task; if a call is under way, once it is answered."""
        self.forget(run)
        if run not in self.runs_under_way():
            self.search_or_end(run)

    def search_or_end(self, run: Run) -> None:
        """Have the ECS task of a launch searched for if it may have started; else end the launch."""
        self.forget(run)
        if run.may_have_started:
            self._owner.unknown_outcomes.add(run)
        else:
            self._owner.ended(run, None)

    def runs_under_way(self) -> list[Run]:
        """Return the runs whose request is being made, or sent."""
        return [*self._calls.build.runs, *self._calls.launch.runs]

    def confirm(self, launch_ids: Iterable[str]) -> None:
        """Go on with launches that Airflow still wants."""
        for run in filter(None, (self._unconfirmed.pop(launch_id, None) for launch_id in launch_ids)):
            run.confirmed = self._context.lease.begin()
            if self._context.leaving.is_set() or not self.queue.is_probe(run):
                self.add(run)
            else:
                self.queue.resume(run)

    def _ask_to_confirm(self, run: Run) -> None:
        """Have the database confirm that Airflow still wants a launch that is about to be sent."""
        self._unconfirmed[run.launch.id] = run
        self._context.emit(Unconfirmed(run.launch.without_workload()))

    def _begin(self, run: Run, now: float) -> bool:
        """Send a run if it may be sent now, else do what is needed instead; return whether it was sent."""
        if run.abandoned or run.prepared is None:
            return False  # It was abandoned while it waited; its ECS task may be searched for.
        if not self._context.lease.is_valid(run.confirmed):
            self._ask_to_confirm(run)
            return False
        run.bring_deadline_forward(now, self._context.now())
        if (too_late := self._attempts.too_late(run, now)) is not None:
            self.apply(run, too_late)
            return False
        if run.token is None:
            run.token = uuid.uuid4().hex
            run.attempt += 1
        self._calls.run_task(run, run.prepared.request, run.token, partial(self._sent, run))
        return True

    def _sent(self, run: Run, reply: Reply) -> None:
        if run.over:
            return  # Another scheduler has adopted the launch.
        if isinstance(reply.error, NotConfirmed):
            self.search_or_end(run) if run.abandoned else self._ask_to_confirm(run)
            return
        outcome = reply.problem or classify_run_task(reply.value)
        self._last = outcome
        if outcome.verdict is Verdict.THROTTLED:
            self._throttled = outcome
        if outcome.verdict is Verdict.ACCEPTED:
            self.queue.accepted(run)
            self._owner.accepted(run, outcome.arn or "", outcome.task_definition)
            return
        run.problem = outcome
        resend = self._attempts.resend(run, outcome, reply.problem is not None)
        if resend is None:
            self.nothing_started(run, outcome)
        else:
            self.apply(run, resend)

    def apply(self, run: Run, decision: Decision) -> None:
        """Carry out what was decided about a run without an ECS task: the one place that does."""
        if isinstance(decision, Fail):
            self._owner.ended(run, decision.reason)
        elif run.abandoned or isinstance(decision, Search):
            self.search_or_end(run)
        else:
            if decision.note:
                self._owner.noted(run, decision.note)
            if decision.prepared is not None:
                run.prepared = decision.prepared
                run.forget_ecs_task()
            self.add(run, decision.after)

    def look(self, run: Run) -> Wait | None:
        """Return what a launch without an ECS task waits for; None if it only waits in the queue."""
        if run.prepared is None:
            return self._preparer.look() or held_up(self._shared_problem())
        shortage, now = self.queue.reason_to_wait(run), self._clock()
        if run.deadline is not None and now > run.deadline and not run.may_have_started:
            if shortage is not None:  # It could wait long for capacity, so it leaves the queue now.
                self.queue.discard(run)
                self._begin(run, now)
            return None  # The decision on the deadline brings its own note.
        if shortage is not None:
            return held_up(Outcome(Verdict.NO_CAPACITY, shortage))
        own = run.problem if run.may_have_started or run.away_since is not None else None
        return held_up(own or self._shared_problem())

    def _shared_problem(self) -> Outcome | None:
        """Return why no launch is sent, or fewer than configured; None if there is no such problem."""
        lane = self._calls.launch
        if lane.credentials and lane.credentials.refusal:
            return Outcome(Verdict.CREDENTIALS, lane.credentials.refusal)
        if any(bucket.is_slow for bucket in lane.buckets):
            by_stop_task = "AWS throttled StopTask, which it counts together with RunTask"
            return self._throttled or Outcome(Verdict.THROTTLED, by_stop_task)
        return self._last if self._last and self._last.verdict is Verdict.UNKNOWN else None
