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
The one door to AWS: every call of the fleet is made here.

A part says what it asks, for whom, and what it does with the answer. Here a call takes a token of the bucket that it
shares with others, goes to a thread, is counted, and comes home with what its error means. Where AWS throttles, the
buckets whose calls AWS counts together slow down; where credentials are refused, all calls that use them wait, and the
client is made anew.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from airflow.executors.fargate.aws.classify import classify_error
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.fleet.throttle import BackOff, TokenBucket
from airflow.executors.fargate.lease import NotConfirmed

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.ecs import Ecs
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.fleet.launch_state import Run
    from airflow.executors.fargate.fleet.pool import Result
    from airflow.executors.fargate.messages import Counters

log = logging.getLogger(__name__)

#: How many calls of each kind may be under way, each on a thread of its own; of RunTask ``launch_concurrency`` says.
WATCH_CONCURRENCY = 4
STOP_CONCURRENCY = 2
SEARCH_CONCURRENCY = 2
LOG_CONCURRENCY = 2
#: StopTask calls a second, and at once. AWS counts them together with RunTask: 40 a second and 100 at once, of which the
#: launches of Fargate can be no more than 20 a second.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
STOP_RATE = 20.0
STOP_BURST = 20
#: GetLogEvents calls a second, of the 25 (10 in some Regions) that AWS grants all who read logs of an account in a Region.
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
LOG_RATE = 5.0
#: Calls of the burst of launches that are not used: the network may bring calls to AWS closer together than they were made.
SPARE_LAUNCHES = 2
#: Of ``describe_rate``: with a second's worth of calls at once before, still no minute has more than the rate says.
DESCRIBE_SHARE = 0.98
#: Of that what searches may take while ECS tasks that are followed wait for their look, so that these have as much at least.
SEARCH_SHARE = 0.5
#: Seconds; first wait and limit, where credentials are refused.
CREDENTIALS_BACK_OFF = 2.0, 15.0


class Pool(Protocol):
    """What makes calls elsewhere; see :class:`~airflow.executors.fargate.fleet.pool.DaemonPool`."""

    def submit(self, call: Callable[[], Any], then: Callable[[Result], None]) -> None:
        """Make the call and hand its result to ``then``."""


@dataclass(frozen=True)
class Reply:
    """What came of a call."""

    #: An answer can repeat the container's command, with its token: it is never logged.
    value: Any = field(default=None, repr=False)
    #: What the error means; None where there is an answer.
    problem: Outcome | None = None
    error: BaseException | None = None

    @property
    def verdict(self) -> Verdict | None:
        """What to do about the error; None where there is an answer."""
        return self.problem.verdict if self.problem else None


class Credentials:
    """
    The credentials that calls share, which wait together while these are refused.

    :param renew: lets the next call make a new client, with the credentials that there are then.
    :param clock: seconds, never going backwards.
    :param random: returns a number from 0 to 1.
    """

    def __init__(
        self, renew: Callable[[], None], clock: Callable[[], float], random: Callable[[], float]
    ) -> None:
        self._renew = renew
        self._clock = clock
        self._back_off = BackOff(*CREDENTIALS_BACK_OFF, random)
        self._refusals = 0  # in a row
        #: Why they are refused; empty while they are accepted.
        self.refusal = ""
        self.paused_until = clock()

    def accept(self) -> None:
        """Note that AWS has accepted them."""
        self._refusals, self.refusal = 0, ""

    def refuse(self, reason: str) -> bool:
        """Renew them and wait; return whether this was the first refusal in a row. Calls under way together count once."""
        self.refusal = reason
        if self._clock() < self.paused_until:
            return False
        self._refusals += 1
        self._renew()
        self.paused_until = self._clock() + self._back_off(self._refusals)
        return self._refusals == 1


@dataclass(eq=False)
class Lane:
    """
    Calls of one kind.

    :param pool: makes them.
    :param most: how many may be under way.
    :param buckets: each of them admits a call.
    :param counted_with: buckets of other calls that AWS counts together with these: they slow down together.
    :param credentials: None for what is no call to AWS.
    :param shares_with: calls of another kind that come out of the same bucket: while these wait, the share admits a call, too.
    :param share: what may be had then.
    """

    pool: Pool
    most: int
    buckets: tuple[TokenBucket, ...] = ()
    counted_with: tuple[TokenBucket, ...] = ()
    credentials: Credentials | None = None
    shares_with: Lane | None = None
    share: TokenBucket | None = None
    under_way: int = 0
    #: Whether a call is due that is not admitted yet.
    is_waiting: bool = False
    #: Whether the last call was throttled, which is said once.
    throttled: bool = False

    @property
    def is_full(self) -> bool:
        """Whether as many calls as there may be are under way."""
        return self.under_way >= self.most

    @property
    def is_slow(self) -> bool:
        """Whether calls are fewer than their rate says, since AWS has throttled some."""
        return any(bucket.is_slow for bucket in self.buckets)

    def ready_at(self) -> float:
        """Return the time from which on a call is admitted: in the past, where it is now."""
        turns = [bucket.ready_at() for bucket in self.buckets]
        if self.share and self.shares_with and self.shares_with.is_waiting:
            turns.append(self.share.ready_at())
        return max(turns + ([self.credentials.paused_until] if self.credentials else []), default=0.0)

    def take(self) -> None:
        """Let a call begin."""
        self.under_way += 1
        for bucket in self._all_buckets():
            bucket.take()

    def slow_down(self, called_at: float) -> bool:
        """Slow down, since AWS has throttled a call that was made then; return whether that is to be said."""
        first, self.throttled = not self.throttled, True
        # All of them, whatever the first one says.
        buckets = (*self._all_buckets(), *self.counted_with)
        return any([bucket.slow_down(called_at) for bucket in buckets]) and first

    def _all_buckets(self) -> tuple[TokenBucket, ...]:
        return (*self.buckets, self.share) if self.share else self.buckets


Then = Callable[[Sequence["Run"], Reply], None]


class Calls:
    """
    Makes the calls, and knows which launches wait for one; the fleet's thread alone uses it.

    :param ecs: makes the calls to ECS.
    :param config: how fast, and how many at once.
    :param make_pool: returns threads by a name and how many there are to be.
    :param post: brings a function and its arguments to the fleet's thread, to be called there.
    :param renew_logs: lets the next look at a log use new credentials.
    :param counters: counts.
    :param clock: seconds, never going backwards.
    :param random: returns a number from 0 to 1.
    """

    def __init__(
        self,
        *,
        ecs: Ecs,
        config: FargateConfig,
        make_pool: Callable[[str, int], Pool],
        post: Callable[..., None],
        renew_logs: Callable[[], None],
        counters: Counters,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._ecs = ecs
        self._post = post
        self._counters = counters
        self._clock = clock
        self._numbers = itertools.count()
        self._under_way: dict[int, tuple[Lane, Sequence[Run]]] = {}
        #: The runs whose result is being handled: the suspects, if that ends the thread.
        self.handling: Sequence[Run] = ()
        credentials = Credentials(ecs.renew, clock, random)
        launches = TokenBucket(config.launch_rate, max(1, config.launch_burst - SPARE_LAUNCHES), clock)
        stops = TokenBucket(STOP_RATE, STOP_BURST, clock)
        rate = config.describe_rate * DESCRIBE_SHARE
        looks = TokenBucket(rate, max(1.0, config.describe_rate), clock)
        searches = TokenBucket(rate * SEARCH_SHARE, max(1.0, rate * SEARCH_SHARE), clock)

        def lane(name: str, most: int, *buckets: TokenBucket, **others: Any) -> Lane:
            return Lane(make_pool(name, most), most, buckets, **others)

        # The function that makes requests is the user's own, and is called once at a time: more threads would only wait.
        self.build = lane("build", 1)
        concurrency = config.launch_concurrency
        self.launch = lane("launch", concurrency, launches, counted_with=(stops,), credentials=credentials)
        self.stop = lane("stop", STOP_CONCURRENCY, stops, counted_with=(launches,), credentials=credentials)
        self.watch = lane("watch", WATCH_CONCURRENCY, looks, credentials=credentials)
        self.search = lane(
            "search",
            SEARCH_CONCURRENCY,
            looks,
            credentials=credentials,
            shares_with=self.watch,
            share=searches,
        )
        log_credentials = Credentials(renew_logs, clock, random)
        log_bucket = TokenBucket(LOG_RATE, LOG_RATE, clock)
        self.logs = lane("logs", LOG_CONCURRENCY, log_bucket, credentials=log_credentials)

    # When.

    def admits(self, lane: Lane) -> bool:
        """Tell whether a call can be made now."""
        return not lane.is_full and lane.ready_at() <= self._clock()

    def turn(self, lane: Lane, due: float | None) -> float | None:
        """Return when to make a call that is due then; None where there is none, or only an answer can tell."""
        return None if due is None or lane.is_full else max(due, lane.ready_at())

    # What is asked: each brings its answer to ``then``, with the launches that it was for.

    def make_request(self, run: Run, build: Callable[[], Any], then: Then) -> None:
        """Have a launch's request made."""
        self._make(self.build, build, then, [run])

    def run_task(
        self,
        run: Run,
        request: Mapping[str, Any],
        token: str,
        then: Then,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        """Call RunTask; the error is :class:`NotConfirmed` where it may not be sent any more once a thread takes the call."""
        self._make(self.launch, partial(self._run_task, request, token, may_send), then, [run])

    def _run_task(self, request: Mapping[str, Any], token: str, may_send: Callable[[], bool]) -> Any:
        if not may_send():
            raise NotConfirmed
        return self._ecs.run_task(request, token)

    def describe_tasks(
        self,
        cluster: str,
        arns: Sequence[str],
        then: Then,
        runs: Sequence[Run] = (),
        lane: Lane | None = None,
    ) -> None:
        """Call DescribeTasks, for ECS tasks that are followed or, in the lane of searches, for others."""
        self._counters.describe_calls += 1
        self._make(lane or self.watch, partial(self._ecs.describe_tasks, cluster, arns), then, runs)

    def list_tasks(
        self,
        cluster: str,
        started_by: str,
        next_token: str | None,
        then: Then,
        runs: Sequence[Run] = (),
        stopped: bool = False,
    ) -> None:
        """Call ListTasks for a page."""
        ask = self._ecs.list_stopped if stopped else self._ecs.list_running
        self._make(self.search, partial(ask, cluster, started_by, next_token), then, runs)

    def stop_task(self, run: Run, then: Then) -> None:
        """Call StopTask for a launch's ECS task."""
        call = partial(self._ecs.stop_task, run.cluster, run.arn or "", run.stop_reason or "")
        self._make(self.stop, call, then, [run])

    def read_log(self, read: Callable[[], Any], then: Then) -> None:
        """Have a log read."""
        self._make(self.logs, read, then, ())

    # Who waits.

    def runs(self, lane: Lane) -> Iterable[Run]:
        """Return the runs that wait for a call of this kind."""
        waiting = (runs for of, runs in self._under_way.values() if of is lane)
        return itertools.chain.from_iterable(waiting)

    # The way there and back.

    def _make(self, lane: Lane, call: Callable[[], Any], then: Then, runs: Sequence[Run]) -> None:
        number, called_at = next(self._numbers), self._clock()
        lane.pool.submit(call, lambda result: self._post(self._done, number, called_at, then, result))
        # Not before, since no thread may be there to take the call. The result waits for the thread that we are on.
        self._under_way[number] = lane, runs
        lane.take()

    def _done(self, number: int, called_at: float, then: Then, result: Result) -> None:
        lane, runs = self._under_way.pop(number, (None, ()))
        if lane is None:
            return  # The thread died before it could note the call: the runs have had their turns anew.
        lane.under_way -= 1
        self.handling = runs
        then(runs, self._classified(lane, called_at, result))
        self.handling = ()

    def _classified(self, lane: Lane, called_at: float, result: Result) -> Reply:
        error = result.error
        if error is None or lane.credentials is None:
            self._answered(lane, result.value)
            return Reply(result.value, error=error)
        # An error of ours has been judged before.
        verdict = getattr(error, "verdict", None)
        if isinstance(verdict, Verdict):
            problem = Outcome(verdict, str(error))
        else:
            problem = classify_error(error, self._ecs.endpoint_url)
        first = False
        if problem.verdict is Verdict.THROTTLED:
            self._counters.throttles += 1
            first = lane.slow_down(called_at)
        elif problem.verdict is Verdict.CREDENTIALS:
            first = lane.credentials.refuse(problem.reason)
        if first:
            log.warning("AWS refuses calls for the moment, they wait: %s", problem.reason)
        return Reply(problem=problem, error=error)

    def _answered(self, lane: Lane, value: Any) -> None:
        lane.throttled = False
        if lane.credentials is not None:
            lane.credentials.accept()
        malformed = getattr(value, "malformed", 0)
        if malformed and not self._counters.malformed:
            log.warning("An answer of AWS has %d malformed items; such items are left out", malformed)
        self._counters.malformed += malformed


def connections(config: FargateConfig) -> int:
    """Return how many threads call ECS at the same time: each keeps a connection."""
    others = WATCH_CONCURRENCY, STOP_CONCURRENCY, SEARCH_CONCURRENCY, LOG_CONCURRENCY
    return config.launch_concurrency + sum(others)
