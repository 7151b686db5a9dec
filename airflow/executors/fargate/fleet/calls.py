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
Makes all calls of the fleet.

The other modules say what to ask, for which launches, and what handles the reply. :class:`Calls` takes a
token from each bucket of the call's lane, makes the call on a thread, counts it, and classifies its error.
When AWS throttles, the buckets whose calls AWS counts together slow down. When AWS refuses credentials, all
calls that use them wait, and the client is made anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.classify import classify_error
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.fleet.throttle import Credentials, Lane, TokenBucket

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.answers import Answer
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.fleet.context import Context
    from airflow.executors.fargate.fleet.launch_state import Run

log = logging.getLogger(__name__)

#: The most calls of a kind under way, each on a thread of its own; for RunTask it is ``launch_concurrency``.
WATCH_CONCURRENCY = 4
STOP_CONCURRENCY = 2
SEARCH_CONCURRENCY = 2
LOG_CONCURRENCY = 2
#: StopTask calls a second, and at once. AWS counts them together with RunTask: 40 a second and 100 at once.
#: Of these, at most 20 a second can be launches on Fargate.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
STOP_RATE = 20.0
STOP_BURST = 20
#: GetLogEvents calls a second, of the 25 (10 in some Regions) that AWS grants to an account in a Region.
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
LOG_RATE = 5.0
#: Calls of the launch burst that are not used, since calls may reach AWS closer together than they were made.
SPARE_LAUNCHES = 2
#: Share of ``describe_rate`` that is used. The bucket starts with a second's worth of calls; with this share
#: no minute has more calls than the rate allows.
DESCRIBE_SHARE = 0.98
#: Share of that which searches may use while followed ECS tasks wait for DescribeTasks: these have the rest.
SEARCH_SHARE = 0.5


class NotConfirmed(Exception):
    """A call was not made, because the confirmation of its launch has expired."""


@dataclass(frozen=True)
class Reply:
    """The result of a call."""

    #: Left out of ``repr``: an answer can repeat the container's command, with its token.
    value: Any = field(default=None, repr=False)
    #: What the error means; None if there was none.
    problem: Outcome | None = None
    error: BaseException | None = None


Then = Callable[[Reply], None]
Runs = Sequence["Run"]


class Calls:
    """
    Makes calls, and knows which launches wait for one. Only the fleet's thread uses it.

    :param context: the clients, the rates, the threads, the counters, and the way back to the fleet's thread.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._clock = clock = context.clock
        #: The runs whose result is being handled: the suspects if that raises.
        self.handling: Runs = ()

        config = context.config
        credentials = Credentials(context, context.ecs.renew)
        launches = TokenBucket(config.launch_rate, max(1, config.launch_burst - SPARE_LAUNCHES), clock)
        stops = TokenBucket(STOP_RATE, STOP_BURST, clock)
        rate = config.describe_rate * DESCRIBE_SHARE
        looks = TokenBucket(rate, max(1.0, config.describe_rate), clock)
        searches = TokenBucket(rate * SEARCH_SHARE, max(1.0, rate * SEARCH_SHARE), clock)
        # One thread: the user's function that makes requests is called once at a time.
        self.build = self._lane("build", 1)
        self.launch = self._lane("launch", config.launch_concurrency, (launches,), credentials, (stops,))
        self.stop = self._lane("stop", STOP_CONCURRENCY, (stops,), credentials, (launches,))
        self.watch = self._lane("watch", WATCH_CONCURRENCY, (looks,), credentials)
        self.search = self._lane("search", SEARCH_CONCURRENCY, (looks, searches), credentials)
        self.search.shares_with, self.search.share = self.watch, searches
        # Where a container logs to, ECS says: its client is renewed as well.
        for_logs = Credentials(context, context.logs.renew, context.ecs.renew)
        self.logs = self._lane("logs", LOG_CONCURRENCY, (TokenBucket(LOG_RATE, LOG_RATE, clock),), for_logs)

    def _lane(self, name: str, most: int, *others: Any) -> Lane:
        return Lane(self._context.make_pool(name, most), most, *others)

    def close(self) -> None:
        """Let the threads end after the calls that are under way."""
        for lane in (self.build, self.launch, self.stop, self.watch, self.search, self.logs):
            lane.pool.close()

    def admits(self, lane: Lane) -> bool:
        """Tell whether a call can be made now."""
        return len(lane.under_way) < lane.most and lane.ready_at() <= self._clock()

    def turn(self, lane: Lane, due: float | None) -> float | None:
        """Return when a call that is due then can be made; None if none is due, or while the lane is full."""
        return None if due is None or len(lane.under_way) >= lane.most else max(due, lane.ready_at())

    # The calls. Each passes its reply to ``then``; the runs are those that wait for it.

    def run_task(self, run: Run, request: Mapping[str, Any], token: str, then: Then) -> None:
        """
        Call RunTask, unless the confirmation of the launch has expired by then.

        If so, nothing is sent, and the reply's error is :class:`NotConfirmed`.
        """
        self.make(self.launch, partial(self._run_task, run.confirmed, request, token), then, [run])

    def _run_task(self, confirmed: tuple[float, float], request: Mapping[str, Any], token: str) -> Answer:
        # On the thread, right before the call: the process can be stopped until then.
        if not self._context.lease.is_valid(confirmed):
            raise NotConfirmed
        return self._context.ecs.run_task(request, token)

    def describe_tasks(self, lane: Lane, cluster: str, arns: Sequence[str], then: Then, runs: Runs) -> None:
        """Call DescribeTasks in a lane: ``watch`` or ``search``."""
        self._context.counters.describe_calls += 1
        self.make(lane, partial(self._context.ecs.describe_tasks, cluster, arns), then, runs)

    def list_tasks(self, cluster: str, next_token: str | None, stopped: bool, then: Then, runs: Runs) -> None:
        """Call ListTasks for a page of the deployment's ECS tasks."""
        ask = self._context.ecs.list_stopped if stopped else self._context.ecs.list_running
        call = partial(ask, cluster, self._context.config.deployment, next_token)
        self.make(self.search, call, then, runs)

    def stop_task(self, run: Run, then: Then) -> None:
        """Call StopTask for a launch's ECS task."""
        call = partial(self._context.ecs.stop_task, run.cluster, run.arn or "", run.stop_reason or "")
        self.make(self.stop, call, then, [run])

    def make(self, lane: Lane, call: Callable[[], Any], then: Then, runs: Runs = ()) -> None:
        """Make a call on a thread of the lane; ``then`` gets the reply on the fleet's thread."""
        lane.pool.submit(call, partial(self._context.post, self._done, lane, runs, self._clock(), then))
        # On the lane's thread this posts ``_done(lane, runs, called_at, then, value, error)`` to the fleet's
        # thread. Noted only now, as submit() raises if no thread can start. The result comes later: this is
        # the thread that handles it.
        lane.take(runs)

    def _done(self, lane: Lane, runs: Runs, called_at: float, then: Then, *result: Any) -> None:
        if runs not in lane.under_way:
            return  # A bug kept the call from being noted. Its runs have had another turn since.
        lane.under_way.remove(runs)
        self.handling = runs
        then(self._classify(lane, called_at, *result))
        self.handling = ()

    def _classify(self, lane: Lane, called_at: float, value: Any, error: BaseException | None) -> Reply:
        if error is None or lane.credentials is None:
            self._note_answer(lane, value)
            return Reply(value, error=error)
        # An error of this package brings its verdict along.
        own: Verdict | None = getattr(error, "verdict", None)
        problem = Outcome(own, str(error)) if own else classify_error(error, self._context.ecs.endpoint_url)
        is_first = False
        if problem.verdict is Verdict.THROTTLED:
            self._context.counters.throttles += 1
            is_first = lane.slow_down(called_at)
        elif problem.verdict is Verdict.CREDENTIALS:
            is_first = lane.credentials.refuse(problem.reason)
        if is_first:
            log.warning("AWS refuses calls for now; they wait: %s", problem.reason)
        return Reply(problem=problem, error=error)

    def _note_answer(self, lane: Lane, value: Any) -> None:
        lane.throttled = False
        if lane.credentials is not None:
            lane.credentials.accept()
        malformed = getattr(value, "malformed", 0)
        if malformed and not self._context.counters.malformed:
            log.warning("An answer of AWS has %d malformed items; malformed items are ignored", malformed)
        self._context.counters.malformed += malformed


def connections(config: FargateConfig) -> int:
    """Return how many threads call ECS at the same time: each keeps a connection."""
    others = WATCH_CONCURRENCY, STOP_CONCURRENCY, SEARCH_CONCURRENCY, LOG_CONCURRENCY
    return config.launch_concurrency + sum(others)
