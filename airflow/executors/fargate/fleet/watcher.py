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
"""Watches ECS tasks until they end, a hundred in a call, and stops those that must be stopped."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.arns import cluster_name
from airflow.executors.fargate.aws.ecs import MAX_DESCRIBED
from airflow.executors.fargate.aws.outcome import classify_ecs_task
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.fleet.attempts import RESEND_BACK_OFF
from airflow.executors.fargate.fleet.context import Part
from airflow.executors.fargate.fleet.launch_state import Run, Schedule, earliest

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.calls import Reply
    from airflow.executors.fargate.fleet.lifecycle import Lifecycle

log = logging.getLogger(__name__)

#: Seconds within which DescribeTasks must list an ECS task that AWS has accepted.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html (eventual consistency)
APPEARANCE = 300.0
#: Seconds that DescribeTasks may not know an ECS task which it has listed before, until it counts as
#: vanished.
DISAPPEARANCE = 60.0
#: Seconds between calls for an ECS task that AWS does not know; first wait and limit.
MISSING_BACK_OFF = 2.0, 30.0
#: Seconds until the next call if AWS refuses one for good, such as for a missing permission.
REFUSED_PAUSE = 30.0


class Watcher(Part):
    """
    Describes ECS tasks from the time their ARN is known until their end, and stops them.

    Its API budget: each ECS task is described every ``poll_interval`` seconds; the one that has waited
    longest comes first. A call is for up to 100 of one cluster. It includes those that are due within a
    quarter of an interval, so that runs which began at different times soon share their calls. If
    ``describe_rate`` is too low for that, an ECS task is described once in the time that ceil(n/100) calls
    for each cluster take. After a call that AWS throttles, its ECS tasks are still the first.
    """

    def __init__(self, owner: Lifecycle) -> None:
        super().__init__(owner)
        self._poll_interval = owner.context.config.poll_interval
        #: By cluster name: a call is for one cluster, for which the options may give the name or the ARN.
        self._due: dict[str, Schedule] = {}
        self._stops = Schedule()
        self._failures = 0  # of DescribeTasks, in a row

    def add(self, run: Run, delay: float | None = None) -> None:
        """Describe a run's ECS task after so many seconds; by default after ``poll_interval``."""
        run.look_at = self._clock() + (self._poll_interval if delay is None else delay)
        self._put(run)

    def _put(self, run: Run) -> None:
        self._due.setdefault(cluster_name(run.arn or "", run.cluster), Schedule()).put(run.look_at, run)

    @property
    def stops_open(self) -> int:
        """How many StopTask calls are to be made or under way."""
        return sum(1 for _ in self._stops) + len(self._calls.stop.under_way)

    def stop(self, run: Run, delay: float = 0.0) -> None:
        """Stop a run's ECS task, for the run's ``stop_reason``."""
        self._stops.put(self._clock() + delay, run)

    def clear(self) -> None:
        """Forget all turns; the fleet adds the runs again."""
        self._due.clear()
        self._stops = Schedule()

    def work(self) -> float | None:
        """Make the calls that are due; return when to look again, or None if only a message can tell."""
        now, watch, stop = self._clock(), self._calls.watch, self._calls.stop
        while self._calls.admits(stop) and (run := self._stops.take(now)):
            self._calls.stop_task(run, partial(self._stop_answered, run))
        while (first := self._first()) and first[0] <= now and self._calls.admits(watch):
            self._describe(first[1], now)
        watch.is_waiting = first is not None and first[0] <= now
        looks_at = self._calls.turn(watch, first and first[0])
        return earliest(looks_at, self._calls.turn(stop, self._stops.first()))

    def _first(self) -> tuple[float, str] | None:
        """Return when an ECS task is due next, and its cluster; None if there is none."""
        turns = [(first, name) for name, due in self._due.items() if (first := due.first()) is not None]
        self._due = {name: self._due[name] for _, name in turns}
        return min(turns, default=None)

    def _describe(self, cluster: str, now: float) -> None:
        due, soon = self._due[cluster], now + self._poll_interval / 4
        batch: list[Run] = []
        while len(batch) < MAX_DESCRIBED and (run := due.take(soon)):
            batch.append(run)
        arns = [run.arn or "" for run in batch]
        then = partial(self._described, batch)
        self._calls.describe_tasks(self._calls.watch, cluster, arns, then, batch)

    def _described(self, runs: Sequence[Run], reply: Reply) -> None:
        if reply.problem is not None:
            self._not_described(runs, reply.problem)
            return
        self._failures = 0
        # DescribeTasks documents only the failure MISSING.
        missing = {failure.arn for failure in reply.value.failures}
        ecs_tasks = {each.arn: each for each in reply.value.tasks}
        for run in runs:
            if run.over:
                continue
            if (ecs_task := ecs_tasks.get(run.arn or "")) is None:
                self._not_listed(run, run.arn in missing)
                continue
            run.seen, run.missing_since, run.last_status = True, None, ecs_task.last_status
            self._owner.apply_outcome(run, classify_ecs_task(ecs_task, run.container_name))
            if not run.over and run.arn:
                self.add(run)

    def _not_described(self, runs: Sequence[Run], problem: Outcome) -> None:
        """Describe the ECS tasks again later: without an answer nothing is known about them."""
        if problem.verdict in (Verdict.THROTTLED, Verdict.CREDENTIALS):
            for run in runs:  # All calls wait, so they keep their places.
                self._put(run)
            return
        self._failures += 1
        is_refused = problem.verdict is Verdict.FAILED
        if self._failures == 1 or is_refused:
            text = "DescribeTasks has failed, %d ECS tasks are described later: %s"
            log.warning(text, len(runs), problem.reason)
        delay = REFUSED_PAUSE if is_refused else self._context.back_off(RESEND_BACK_OFF, self._failures)
        for run in runs:
            self.add(run, delay)

    def _not_listed(self, run: Run, missing: bool) -> None:
        """
        Describe it again later, since AWS is eventually consistent, until it counts as vanished.

        :param missing: whether AWS said MISSING; if it only does not list the ECS task, there is more time.
        """
        if not self._is_gone(run, missing):
            looks = 1 + int((self._clock() - (run.missing_since or 0.0)) / self._poll_interval)
            self.add(run, self._context.back_off(MISSING_BACK_OFF, looks))
            return
        been = "no longer knows" if run.seen else "has never come to know"
        said = "MISSING" if missing else "it is not listed"
        reason = f"AWS {been} the ECS task {run.arn} (DescribeTasks: {said}), so how it ended is unknown."
        self._owner.apply_outcome(run, Outcome(Verdict.MISSING, reason, run.arn, started=True))

    def _is_gone(self, run: Run, missing: bool) -> bool:
        """Note that AWS does not know the ECS task; return whether it counts as gone after so long a time."""
        now = self._clock()
        if run.missing_since is None:
            run.missing_since = now
        since = run.missing_since if run.seen else run.accepted_at
        return now - since >= (DISAPPEARANCE if run.seen and missing else APPEARANCE)

    def _stop_answered(self, run: Run, reply: Reply) -> None:
        if (problem := reply.problem) is None:
            return
        delay = 0.0
        if problem.verdict not in (Verdict.THROTTLED, Verdict.CREDENTIALS):  # For these all calls wait.
            run.stop_failures += 1
            delay = self._context.back_off(RESEND_BACK_OFF, run.stop_failures)
        if problem.verdict is Verdict.FAILED and "task was not found" in problem.reason:
            if self._is_gone(run, missing=True):
                self._owner.ended(run, None)
                return
            # It was accepted or seen: AWS may know it again soon.
            delay = self._context.back_off(MISSING_BACK_OFF, run.stop_failures)
        elif problem.verdict is Verdict.FAILED:
            # It runs on until the permission is granted.
            log.error("StopTask for %s, ECS task %s, is refused: %s", run, run.arn, problem.reason)
            delay = REFUSED_PAUSE
        self.stop(run, delay)
