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
"""Follows containers to their end, a hundred in a call, and stops those that nobody wants any more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from airflow.executors.fargate.ecs import MAX_DESCRIBED, Ecs
from airflow.executors.fargate.launching import CREDENTIALS_BACK_OFF, RESEND_BACK_OFF
from airflow.executors.fargate.outcome import Outcome, Verdict, judge_error, judge_task
from airflow.executors.fargate.run import Agenda, Calls, Run
from airflow.executors.fargate.throttle import BackOff, TokenBucket

if TYPE_CHECKING:
    from airflow.executors.fargate.pool import Result
    from airflow.executors.fargate.tally import Tally

log = logging.getLogger(__name__)

#: How many DescribeTasks and StopTask calls may be under way.
WATCH_CONCURRENCY = 4
#: Seconds within which a container that AWS has accepted must become known to DescribeTasks.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html (eventual consistency)
APPEARANCE = 300.0
#: Seconds that a container which DescribeTasks has known may be unknown to it before it counts as vanished.
DISAPPEARANCE = 60.0
MISSING_BACK_OFF = 2.0, 30.0
#: Seconds until the next look where AWS refuses looks altogether.
REFUSED_PAUSE = 30.0


class Owner(Protocol):
    """Who is told what is seen."""

    def seen(self, run: Run, outcome: Outcome) -> None:
        """DescribeTasks has told of a container, or it counts as vanished."""

    def stopped(self, run: Run) -> None:
        """There is no container to stop."""


class Following:
    """
    Everything between the ARN of a container and its end.

    Its budget: each container is looked at every ``poll_interval`` seconds, those that have waited longest
    first. A call takes 100 of them, and takes along those whose turn is a quarter of an interval away, so
    that runs which began at different times soon share their calls. The bucket admits half of what AWS
    grants an account, so that others can look as well; beyond 100 containers for each admitted call the
    interval grows.

    :param ecs: what is called.
    :param calls: makes DescribeTasks calls on a pool.
    :param stop_calls: makes StopTask calls.
    :param poll_interval: seconds between two looks at the same container.
    :param bucket: admits DescribeTasks calls.
    :param owner: is told what is seen.
    :param tally: counts calls and throttles.
    :param clock: seconds, never going backwards.
    :param random: returns a number from 0 to 1.
    """

    def __init__(
        self,
        *,
        ecs: Ecs,
        calls: Calls,
        stop_calls: Calls,
        poll_interval: float,
        bucket: TokenBucket,
        owner: Owner,
        tally: Tally,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._ecs = ecs
        self._calls = calls
        self._stop_calls = stop_calls
        self._poll_interval = poll_interval
        self._bucket = bucket
        self._owner = owner
        self._tally = tally
        self._clock = clock
        self._due = Agenda()
        self._stops = Agenda()
        self._failures = 0  # of DescribeTasks, in a row
        self._again = BackOff(*RESEND_BACK_OFF, random)
        self._credentials = BackOff(*CREDENTIALS_BACK_OFF, random)
        self._missing = BackOff(*MISSING_BACK_OFF, random)

    def add(self, run: Run, delay: float | None = None) -> None:
        """Look at a run's container after so many seconds: not before AWS can know a new one."""
        self._due.put(self._clock() + (self._poll_interval if delay is None else delay), run)

    @property
    def stops_open(self) -> int:
        """How many containers are to be stopped and have not been asked to."""
        return len(self._stops) + len(self._stop_calls)

    @property
    def _all_busy(self) -> bool:
        return len(self._calls) + len(self._stop_calls) >= WATCH_CONCURRENCY

    def stop(self, run: Run, delay: float = 0.0) -> None:
        """Stop a run's container, for the run's ``stop_reason``."""
        self._stops.put(self._clock() + delay, run)

    def clear(self) -> None:
        """Forget all turns; the fleet enters the runs anew."""
        self._due.clear()
        self._stops.clear()

    def work(self) -> float | None:
        """Make the calls whose turn it is; return when to look again, or None if only a message can tell."""
        now = self._clock()
        while not self._all_busy and (run := self._stops.take(now)):
            call = partial(self._ecs.stop_task, run.cluster, run.arn or "", run.stop_reason or "")
            self._stop_calls.make([run], call, self._stop_answered)
        while not self._all_busy and (first := self._due.first()) is not None and first <= now:
            if not self._bucket.take():
                break
            self._describe(self._batch(now), now)
        if self._all_busy:
            return None
        first, stop = self._due.first(), self._stops.first()
        turns = [] if first is None else [max(first, self._bucket.ready_at())]
        return min(turns + ([] if stop is None else [stop]), default=None)

    def _batch(self, now: float) -> list[Run]:
        """Take up to a hundred runs of one cluster."""
        batch: list[Run] = []
        others: list[Run] = []
        while len(batch) < MAX_DESCRIBED and (run := self._due.take(now + self._poll_interval / 4)):
            (batch if not batch or run.cluster == batch[0].cluster else others).append(run)
        for run in others:
            self._due.put(now, run)
        return batch

    def _describe(self, batch: list[Run], now: float) -> None:
        self._tally.describe_calls += 1
        call = partial(self._ecs.describe_tasks, batch[0].cluster, [run.arn or "" for run in batch])
        self._calls.make(batch, call, partial(self._described, now))

    def _described(self, called_at: float, runs: Sequence[Run], result: Result) -> None:
        tasks = _tasks_by_arn(result.value)
        if result.error is not None or tasks is None:
            self._not_described(called_at, runs, result)
            return
        self._failures = 0
        missing = _arns_missing(result.value)
        for run in runs:
            if run.over:
                continue
            task = tasks.get(run.arn or "")
            if task is None:
                self._not_told_of(run, run.arn in missing)
                continue
            run.seen, run.missing_since = True, None
            self._owner.seen(run, judge_task(task, run.container_name))
            if not run.over and run.arn:
                self.add(run)

    def _not_described(self, called_at: float, runs: Sequence[Run], result: Result) -> None:
        """No answer: each container is as it was; ask again, later."""
        self._failures += 1
        outcome = (
            Outcome(Verdict.IN_DOUBT, "not a response") if result.error is None else judge_error(result.error)
        )
        delay = self._again(self._failures)
        if outcome.verdict is Verdict.THROTTLED:
            self._tally.throttles += 1
            self._bucket.slow_down(called_at)
            delay = 0.0
        elif outcome.verdict is Verdict.CREDENTIALS:
            self._ecs.renew()
            delay = self._credentials(self._failures)
        elif outcome.verdict is Verdict.FAILED:
            delay = REFUSED_PAUSE
        if self._failures == 1 or outcome.verdict is Verdict.FAILED:
            log.warning(
                "DescribeTasks has failed, %d containers are asked for later: %s", len(runs), outcome.reason
            )
        for run in runs:
            self.add(run, delay)

    def _not_told_of(self, run: Run, missing: bool) -> None:
        """
        Look again, later: MISSING soon after RunTask is AWS's eventual consistency, and only for ever is it the end.

        :param missing: whether AWS said so; an answer without a word about the container is given more time.
        """
        if not self._is_gone(run, missing):
            looks = 1 + int((self._clock() - (run.missing_since or 0.0)) / self._poll_interval)
            self.add(run, self._missing(looks))
            return
        been = "no longer knows" if run.seen else "has never come to know"
        said = "MISSING" if missing else "not a word of it"
        reason = f"AWS {been} the container {run.arn} (DescribeTasks: {said}), so its end cannot be told."
        self._owner.seen(run, Outcome(Verdict.MISSING, reason, run.arn, started=True))

    def _is_gone(self, run: Run, missing: bool) -> bool:
        """Tell whether AWS has not known the container for so long that it counts as gone."""
        now = self._clock()
        if run.missing_since is None:
            run.missing_since = now
        since = run.missing_since if run.seen else run.accepted_at
        return now - since >= (DISAPPEARANCE if run.seen and missing else APPEARANCE)

    def _stop_answered(self, runs: Sequence[Run], result: Result) -> None:
        (run,) = runs
        if result.error is None:
            return
        outcome = judge_error(result.error)
        run.stop_failures += 1
        if outcome.verdict is Verdict.FAILED and "not found" in outcome.reason:
            if self._is_gone(run, missing=True):
                self._owner.stopped(run)
            else:  # It has been accepted or seen, so AWS may know it again soon.
                self.stop(run, self._missing(run.stop_failures))
            return
        if outcome.verdict is Verdict.FAILED:
            # It runs on until somebody allows us to stop it.
            log.error("StopTask for %s, container %s, is refused: %s", run, run.arn, outcome.reason)
            self.stop(run, REFUSED_PAUSE)
            return
        if outcome.verdict is Verdict.CREDENTIALS:
            self._ecs.renew()
        self._tally.throttles += outcome.verdict is Verdict.THROTTLED
        self.stop(run, self._again(run.stop_failures))


def _arns_missing(response: Mapping[str, Any]) -> set[str]:
    """Return the ARNs that DescribeTasks says it does not know."""
    failures = response.get("failures")
    listed = failures if isinstance(failures, list) else []
    arns = [failure.get("arn") for failure in listed if isinstance(failure, Mapping)]
    return {arn for arn in arns if isinstance(arn, str)}


def _tasks_by_arn(response: Any) -> dict[str, Mapping[str, Any]] | None:
    """Return the tasks that DescribeTasks has told of; None where that is no response of DescribeTasks."""
    if not isinstance(response, Mapping) or not ("tasks" in response or "failures" in response):
        return None
    tasks = response.get("tasks") or []
    if not isinstance(tasks, list):
        return None
    return {
        task["taskArn"]: task
        for task in tasks
        if isinstance(task, Mapping) and isinstance(task.get("taskArn"), str)
    }
