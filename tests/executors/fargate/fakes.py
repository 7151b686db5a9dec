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
Doubles for tests of the FargateExecutor: an ECS that keeps state, a clock and a fleet that tests move by hand.

Tests get them from the fixtures of ``conftest.py``: the path from which this file could be imported differs
between Airflow's releases.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast
from unittest import mock

from airflow.executors.fargate.aws.answers import Answer, Page
from airflow.executors.fargate.aws.ecs import Ecs
from airflow.executors.fargate.config.config import FargateConfig
from airflow.executors.fargate.fleet.context import Context
from airflow.executors.fargate.fleet.thread import FleetThread
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch, Lease, TaskInstanceId
from airflow.executors.fargate.logs.cloudwatch import LogReader
from airflow.executors.fargate.messages import Event, Measured, OtherEcsTasks, Started, Waiting
from airflow.executors.fargate.request import builder
from airflow.executors.fargate.request.builder import Prepared, RequestBuilder, default_request

CONFIG = FargateConfig(
    region="us-east-1",
    cluster="cluster",
    task_definition="airflow:1",
    container_name="airflow",
    security_groups=(),
    subnets=("subnet-0123456789abcdef0",),
    platform_version="LATEST",
    launch_type="FARGATE",
    assign_public_ip="ENABLED",
    command_to_request=None,  # type: ignore[arg-type]
    deployment="airflow",
    conn_id=None,
    endpoint_url=None,
    max_launch_attempts=3,
    launch_concurrency=16,
    poll_interval=2.0,
    launch_rate=20.0,
    launch_burst=100,
    describe_rate=10.0,
)
#: What tests look for where nothing secret may be.
SECRET = "bearer-token-of-a-workload"


def make_config(**options: Any) -> FargateConfig:
    """Return a valid configuration with these options changed."""
    return replace(CONFIG, **options)


def make_context(clock: Callable[[], float], **others: Any) -> Context:
    """Return what comes from outside for a part of a fleet that makes no calls."""
    members = {"ecs": None, "config": CONFIG, "build": None, "logs": None, "random": lambda: 1.0, **others}
    return Context(clock=clock, now=clock, lease=Lease(None, clock, clock), **members)


def make_task(number: int = 0, **changes: Any) -> TaskInstanceId:
    """Return the id of a task instance."""
    return replace(TaskInstanceId("dag", f"task{number}", "run", 1), **changes)


def make_launch(number: int = 0, **changes: Any) -> Launch:
    """Return a launch whose id says its number, with a command that must stay secret."""
    task = changes.pop("task", None) or make_task(number)
    values = {"id": f"launch-{number}", "command": ("run", SECRET), "handed_over": 1000.0, **changes}
    return Launch(task, values.pop("key", task), **values)


def make_request(launch: Launch, **members: Any) -> dict[str, Any]:
    """Return the least request for a launch by which its container can be told."""
    identity = {"name": IDENTITY_VARIABLE, "value": launch.identity}
    return {
        "cluster": CONFIG.cluster,
        "startedBy": CONFIG.deployment,
        "overrides": {"containerOverrides": [{"name": CONFIG.container_name, "environment": [identity]}]},
        **members,
    }


def aws_error(code: str, message: str = "AWS says no", status: int = 400, **members: Any) -> Exception:
    """Return the error that botocore raises for an error response of ECS."""
    from botocore.exceptions import ClientError

    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **members,
    }
    return ClientError(response, "RunTask")


def until(condition: Callable[[], Any], timeout: float = 20.0) -> Any:
    """Return what the condition returns as soon as that is true, for what other threads do."""
    end, pause = time.monotonic() + timeout, threading.Event()
    while not (result := condition()):
        if time.monotonic() > end:
            raise AssertionError("it never came true")
        pause.wait(0.002)
    return result


class Clock:
    """Seconds that pass only where a test says so; the same for ``time.monotonic`` and ``time.time``."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@dataclass(frozen=True)
class Call:
    """A call that was made to ECS."""

    name: str
    arguments: tuple[Any, ...]
    at: float
    thread: str


@dataclass(frozen=True)
class Lost:
    """The call is carried out, and then this error is raised instead of its answer."""

    error: BaseException


class FakeEcs(Ecs):
    """
    ECS as the executor sees it: tasks live until a test ends them, and tokens are honoured as AWS does.

    :param clock: for the times of calls and tasks.
    """

    service_model: Any = None

    endpoint_url = "https://ecs.us-east-1.amazonaws.com"

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self._answers: dict[str, deque[Any]] = {}
        self._tokens: dict[str, tuple[Any, Any]] = {}
        self._lock = threading.Lock()
        self.calls: list[Call] = []
        self.tasks: dict[str, dict[str, Any]] = {}
        #: ARNs that exist and that no call knows, as AWS is eventually consistent.
        self.hidden: set[str] = set()
        self.renewed = 0
        self.closed = False

    # For tests.

    def next(self, call: str, *answers: Any) -> None:
        """
        Set what the next calls of that name do, one each.

        An exception is raised and nothing is done; :class:`Lost` does it and then raises; a function is
        called instead, with the call's arguments; None does it; anything else is returned, and nothing done.
        """
        self._answers.setdefault(call, deque()).extend(answers)

    def made(self, name: str) -> list[Call]:
        """Return the calls of that name."""
        return [call for call in self.calls if call.name == name]

    @property
    def tokens(self) -> list[str]:
        """The ``clientToken`` of each RunTask call."""
        return [call.arguments[1] for call in self.made("run_task")]

    @property
    def arns(self) -> list[str]:
        """The ARNs of all tasks, oldest first."""
        return list(self.tasks)

    def launches_of(self, launch_id: str) -> list[str]:
        """Return the ARNs of a launch's containers."""
        return [arn for arn, task in self.tasks.items() if f'"{launch_id}"' in str(task["overrides"])]

    def put(self, request: Mapping[str, Any], **members: Any) -> str:
        """Let a task run that nobody here has launched; return its ARN."""
        task = self._new_task(request)
        task.update(members)
        self.tasks[task["taskArn"]] = task
        return task["taskArn"]

    def start(self, arn: str) -> None:
        """Let a task reach RUNNING."""
        task = self.tasks[arn]
        task.update(lastStatus="RUNNING", startedAt=self._clock())
        for container in task["containers"]:
            container["lastStatus"] = "RUNNING"

    def exit(self, arn: str, code: int | None, reason: str = "Essential container in task exited") -> None:
        """Let a task end after it has started; without a code nobody knows how."""
        self.start(arn)
        self._stop(arn, "EssentialContainerExited", reason)
        if code is not None:
            self.tasks[arn]["containers"][0]["exitCode"] = code

    def break_at_start(self, arn: str, reason: str = "CannotPullContainerError: no such image") -> None:
        """Let a task end without ever having started."""
        self._stop(arn, "TaskFailedToStart", reason)

    def _stop(self, arn: str, code: str, reason: str) -> None:
        task = self.tasks[arn]
        task.update(lastStatus="STOPPED", desiredStatus="STOPPED", stopCode=code, stoppedReason=reason)
        for container in task["containers"]:
            container["lastStatus"] = "STOPPED"

    # What the fleet calls.

    def renew(self) -> None:
        self.renewed += 1

    def close(self) -> None:
        self.closed = True

    def run_task(self, request: Mapping[str, Any], client_token: str) -> Any:
        return Answer.parse(self._call("run_task", self._run_task, request, client_token))

    def describe_tasks(self, cluster: str, arns: Sequence[str]) -> Any:
        return Answer.parse(self._call("describe_tasks", self._describe_tasks, cluster, tuple(arns)))

    def stop_task(self, cluster: str, arn: str, reason: str) -> None:
        self._call("stop_task", self._stop_task, cluster, arn, reason)

    def list_running(self, cluster: str, started_by: str, next_token: str | None = None) -> Page:
        return self._page(cluster, started_by, "RUNNING", next_token)

    def list_stopped(self, cluster: str, started_by: str, next_token: str | None = None) -> Page:
        return self._page(cluster, started_by, "STOPPED", next_token)

    def _page(self, cluster: str, started_by: str, desired_status: str, next_token: str | None) -> Page:
        list_tasks = partial(self._list_tasks, next_token)
        return Page.parse(self._call("list_tasks", list_tasks, cluster, started_by, desired_status))

    def _list_tasks(
        self, next_token: str | None, cluster: str, started_by: str, desired_status: str
    ) -> dict[str, Any]:
        arns = [
            arn
            for arn, task in self.tasks.items()
            if (_name(task["clusterArn"]), task.get("startedBy")) == (_name(cluster), started_by)
            and task["desiredStatus"] == desired_status
            and arn not in self.hidden
        ]
        end = int(next_token or 0) + 100
        following = {"nextToken": str(end)} if end < len(arns) else {}
        return {"taskArns": arns[end - 100 : end], **following}

    def _call(self, name: str, carry_out: Callable[..., Any], *arguments: Any) -> Any:
        with self._lock:
            self.calls.append(Call(name, arguments, self._clock(), threading.current_thread().name))
            answers = self._answers.get(name)
            answer = answers.popleft() if answers else None
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            return answer(*arguments)
        if answer is not None and not isinstance(answer, Lost):
            return answer
        with self._lock:
            result = carry_out(*arguments)
        if isinstance(answer, Lost):
            raise answer.error
        return result

    def _new_task(self, request: Mapping[str, Any]) -> dict[str, Any]:
        cluster = _name(request.get("cluster") or "default")
        overrides = request.get("overrides") or {}
        return {
            "taskArn": f"arn:aws:ecs:us-east-1:123456789012:task/{cluster}/{next(self._numbers):032x}",
            "clusterArn": f"arn:aws:ecs:us-east-1:123456789012:cluster/{cluster}",
            "startedBy": request.get("startedBy"),
            "overrides": overrides,
            "lastStatus": "PROVISIONING",
            "desiredStatus": "RUNNING",
            "createdAt": self._clock(),
            "containers": [
                {"name": override["name"], "lastStatus": "PENDING"}
                for override in overrides.get("containerOverrides", ())
            ],
        }

    def _run_task(self, request: Mapping[str, Any], token: str) -> Any:
        if token in self._tokens:
            known, arn = self._tokens[token]
            if known != request:
                raise aws_error("ConflictException", resourceIds=[arn])
            return {"tasks": [self.tasks[arn]], "failures": []}
        task = self._new_task(request)
        self.tasks[task["taskArn"]] = task
        self._tokens[token] = request, task["taskArn"]
        return {"tasks": [task], "failures": []}

    def _describe_tasks(self, cluster: str, arns: Sequence[str]) -> Any:
        if not 0 < len(arns) <= 100:
            raise aws_error("InvalidParameterException", f"{len(arns)} tasks")
        known = [
            arn
            for arn in arns
            if arn in self.tasks
            and arn not in self.hidden
            and _name(self.tasks[arn]["clusterArn"]) == _name(cluster)
        ]
        missing = [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in known]
        return {"tasks": [self.tasks[arn] for arn in known], "failures": missing}

    def _stop_task(self, cluster: str, arn: str, reason: str) -> None:
        if arn not in self.tasks or arn in self.hidden:
            raise aws_error("InvalidParameterException", "The referenced task was not found.")
        self.tasks[arn]["desiredStatus"] = "STOPPED"
        self.tasks[arn]["stoppedReason"] = reason


def _name(cluster: str) -> str:
    return cluster.rpartition("/")[2]


#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
NO_CAPACITY = (
    "Capacity is unavailable at this time. Please try again later or in a different availability zone"
)


class BusyEcs(FakeEcs):
    """ECS where something happens by itself as time passes, and where some requests find no capacity."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._happens: list[tuple[float, int, Callable[[], None]]] = []
        #: Tells whether there is no capacity for a request: RunTask refuses it.
        self.lacks: Callable[[Mapping[str, Any]], bool] = lambda request: False
        #: The same, told late: the ECS task is accepted, and fails to start after so many seconds.
        self.lacks_late: Callable[[Mapping[str, Any]], bool] = lambda request: False
        self.seconds_until_told = 5.0
        #: Seconds until what was accepted runs, and until it has ended well; None is never.
        self.starts_after: float | None = None
        self.ends_after: float | None = None
        #: Each so-manieth call of these names is throttled.
        self.throttled: Mapping[str, int] = {}
        #: The calls that were.
        self.throttles: list[Call] = []
        self._counts: Counter[str] = Counter()

    def later(self, seconds: float, happens: Callable[[], None]) -> None:
        """Let something happen after so many seconds, before the next call after that."""
        heapq.heappush(self._happens, (self._clock() + seconds, next(self._numbers), happens))

    def end_after(self, seconds: float, arn: str) -> None:
        """Let an ECS task end well after so many seconds, by then told with this time."""
        ends_at = self._clock() + seconds

        def end() -> None:
            self.exit(arn, 0)
            self.tasks[arn]["executionStoppedAt"] = ends_at

        self.later(seconds, end)

    def _call(self, name: str, carry_out: Callable[..., Any], *arguments: Any) -> Any:
        while self._happens and self._happens[0][0] <= self._clock():
            heapq.heappop(self._happens)[-1]()
        self._counts[name] += 1
        if name in self.throttled and not self._counts[name] % self.throttled[name]:
            self.throttles.append(Call(name, arguments, self._clock(), threading.current_thread().name))
            self.next(name, aws_error("ThrottlingException", "Rate exceeded"))
        return super()._call(name, carry_out, *arguments)

    def _run_task(self, request: Mapping[str, Any], token: str) -> Any:
        if self.lacks(request):
            return {"tasks": [], "failures": [{"reason": NO_CAPACITY}]}
        known = token in self._tokens
        answer = super()._run_task(request, token)
        if known:
            return answer
        arn = self._tokens[token][1]
        if self.lacks_late(request):
            self.later(self.seconds_until_told, partial(self.break_at_start, arn, "RESOURCE:CPU"))
            return answer
        if self.starts_after is not None:
            self.later(self.starts_after, partial(self.start, arn))
        if self.ends_after is not None:
            self.end_after(self.ends_after, arn)
        return answer


class FakeLogs:
    """
    CloudWatch Logs as a boto3 client shows it: streams of lines, in pages, with tokens as AWS has them.

    :param page_size: lines of a page at most.
    :param empty_pages: pages without a line before each one with lines, as AWS documents that there may be.
    """

    def __init__(self, page_size: int = 10_000, empty_pages: int = 0) -> None:
        self._page_size = page_size
        self._empty_pages = empty_pages
        #: Lines by log group and stream, and when each was written and ingested, milliseconds since the epoch.
        self.streams: dict[tuple[str, str], list[str]] = {}
        self.times: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self.calls: list[dict[str, Any]] = []
        #: Errors that the next calls raise, one each; None lets a call be.
        self.errors: deque[Exception | None] = deque()

    def write(self, group: str, stream: str, *lines: str, at: int | None = None, lag: int = 0) -> None:
        """Add lines to a stream, a millisecond apart, which were ingested ``lag`` milliseconds after their times."""
        texts = self.streams.setdefault((group, stream), [])
        begin = 1_700_000_000_000 + len(texts) if at is None else at
        times = self.times.setdefault((group, stream), [])
        times.extend((begin + n, begin + n + lag) for n in range(len(lines)))
        texts.extend(lines)

    def get_log_events(self, **arguments: Any) -> dict[str, Any]:
        """Answer GetLogEvents."""
        self.calls.append(arguments)
        error = self.errors.popleft() if self.errors else None
        if error is not None:
            raise error
        where = arguments["logGroupName"], arguments["logStreamName"]
        if where not in self.streams:
            raise aws_error("ResourceNotFoundException", "The specified log stream does not exist.")
        lines, times = self.streams[where], self.times[where]
        size = min(arguments.get("limit", self._page_size), self._page_size)
        start, empty = 0 if arguments["startFromHead"] else len(lines), 0
        forward = arguments["startFromHead"]
        if "nextToken" in arguments:
            direction, start, empty = arguments["nextToken"].split("/")
            forward, start, empty = direction == "f", int(start), int(empty)
        end = min(start + size, len(lines)) if forward else max(start - size, 0)
        if empty < self._empty_pages and start != end:
            end, empty = start, empty + 1
        elif start != end:
            empty = 0
        first, last = sorted((start, end))
        ends = (end, start) if forward else (start, end)
        return {
            "events": [
                {"timestamp": times[n][0], "ingestionTime": times[n][1], "message": lines[n]}
                for n in range(first, last)
            ],
            "nextForwardToken": f"f/{ends[0]}/{empty}",
            "nextBackwardToken": f"b/{ends[1]}/{empty}",
        }


class SteppedPool:
    """
    Makes calls when it is told to, on the thread that tells it; ``held`` keeps them under way.

    A call of ECS takes no time, unless :meth:`take_time` says so.
    """

    def __init__(self) -> None:
        self.jobs: deque[tuple[Callable[[], Any], Callable[..., None]]] = deque()
        self.held = False
        self.most = 0
        #: Answers that are on their way: when they arrive, and who gets them.
        self._answers: list[tuple[float, int, Callable[..., None], tuple[Any, Any]]] = []
        self._numbers = itertools.count()
        self._calls: list[Call] = []
        self._clock, self._seconds, self._threads = Clock(), 0.0, 1

    def take_time(self, clock: Clock, ecs: FakeEcs, seconds: float, threads: int) -> None:
        """Let each call of ECS take so many seconds, with at most so many jobs under way."""
        self._clock, self._calls, self._seconds, self._threads = clock, ecs.calls, seconds, threads

    def submit(self, call: Callable[[], Any], then: Callable[..., None]) -> None:
        self.jobs.append((call, then))
        self.most = max(self.most, len(self.jobs))

    def step(self) -> bool:
        """Make the first call, or hand over an answer; False where there is nothing to do, or calls are held."""
        if self.held:
            return False
        if self._answers and self._answers[0][0] <= self._clock.at:
            *_, then, result = heapq.heappop(self._answers)
            then(*result)
            return True
        if not self.jobs or len(self._answers) >= self._threads:
            return False
        call, then = self.jobs.popleft()
        before = len(self._calls)
        try:
            result = call(), None
        except BaseException as error:  # As a pool's thread does.
            result = None, error
        took = self._seconds * (len(self._calls) - before)
        if took:
            heapq.heappush(self._answers, (self._clock.at + took, next(self._numbers), then, result))
        else:
            then(*result)
        return True

    @property
    def next_answer_at(self) -> float | None:
        """When the next answer arrives; None where none is on its way."""
        return self._answers[0][0] if self._answers and not self.held else None


class Outbox(queue.SimpleQueue):
    """Events on their way to the executor, each shown to a test when it is emitted."""

    remember: Callable[[Event], None]

    def put(self, event: Event, *args: Any) -> None:
        """Show the event, and add it."""
        self.remember(event)
        super().put(event)


def without_check(build: Callable[[Launch], Prepared], launch: Launch) -> Prepared:
    """Make a request without asking botocore's model what AWS would refuse, which takes most of the time."""
    with mock.patch.object(builder, "check_request"):
        return build(launch)


class SteppedFleet(FleetThread):
    """
    ``FleetThread`` without threads: everything happens when a test says so, on its own thread.

    Each time that it has nothing more to do, the time at which the fleet wants to be woken must lie in the
    future: else its thread would be a busy loop.

    :param ecs: the fake.
    :param config: the options.
    :param build: makes requests; without one, the real builder does, and checks nothing.
    :param clock: the fake.
    :param lease: seconds for which a launch may be sent after it was confirmed; None for ever.
    :param logs: reads logs; without one, there are none.
    :param others: members of the fleet's context.
    """

    #: How many steps may follow upon each other without any time passing.
    MOST_STEPS = 100_000

    def __init__(
        self,
        ecs: FakeEcs,
        config: FargateConfig | None = None,
        build: Callable[[Launch], Prepared] | None = None,
        *,
        clock: Clock,
        lease: float | None = None,
        logs: LogReader | None = None,
        **others: Any,
    ) -> None:
        self.config = config = config or CONFIG
        self.clock = clock
        #: All events that there have ever been, but for those of the next lists.
        self.told: list[Event] = []
        #: What launches have waited for.
        self.waiting: list[Waiting] = []
        #: What ECS tasks took until they had started, and until they ended.
        self.took: list[Started | Measured] = []
        #: By the kind of call.
        self.pools: dict[str, SteppedPool] = defaultdict(SteppedPool)
        self._threads: dict[str, int] = {}
        #: Seconds by which ``time.time`` is ahead of ``time.monotonic``: a host was suspended, or its clock set.
        self.ahead = 0.0
        self.running = False
        self.wake_ups = 0
        complete = replace(config, command_to_request=partial(default_request, config))
        outbox = Outbox()
        outbox.remember = self._remember
        now = lambda: clock.at + self.ahead
        super().__init__(
            Context(
                ecs=ecs,
                config=config,
                build=build or partial(without_check, RequestBuilder(complete)),
                make_pool=self._make_pool,  # type: ignore[arg-type]
                clock=clock,
                now=now,
                lease=Lease(lease, clock, now),
                logs=logs or LogReader(ecs.describe_logs, lambda region: FakeLogs()),
                random=lambda: 1.0,
                outbox=outbox,
                **others,
            )
        )

    @classmethod
    def of(cls, context: Context, clock: Clock) -> SteppedFleet:
        """Return one in the place of ``FleetThread``, with this clock."""
        names = ("sweep_interval", "logs", "mask", "scheduler")
        others = {name: getattr(context, name) for name in names}
        lease = context.lease._seconds
        return cls(
            cast("FakeEcs", context.ecs), context.config, context.build, clock=clock, lease=lease, **others
        )

    # What FleetThread does with threads.

    def tell(self, method: Callable[..., None], *arguments: Any) -> None:
        super().tell(method, *arguments)
        if self.running:
            self.settle()

    def ensure_running(self) -> None:
        self.running = True
        self.settle()

    def close(self, patience: float, *, deliver: bool = False) -> None:
        if deliver:
            self.ensure_running()
        self.leave()
        if self.running:
            self.settle()
        self.running = False

    # For tests.

    def take_time(self, seconds: float) -> None:
        """Let each call of ECS take so many seconds from now on, with as many under way as there are threads."""
        for name, pool in self.pools.items():
            pool.take_time(self.clock, cast("FakeEcs", self._context.ecs), seconds, self._threads[name])

    def add(self, *launches: Launch) -> None:
        """Hand over launches, and let happen what happens at once."""
        for launch in launches:
            self._context.post(self.fleet.add, launch)
        self.settle()

    def settle(self) -> float | None:
        """Let everything happen that happens without time passing; return the next wake-up."""
        for _ in range(self.MOST_STEPS):
            at = self.fleet.work()
            if not self._context.inbox.empty():
                self._do(*self._context.inbox.get_nowait())
            elif not any(pool.step() for pool in self.pools.values()):
                if at is not None and at <= self.clock.at:
                    raise AssertionError(f"a busy loop: to be woken at {at}, and it is {self.clock.at}")
                answers = [pool.next_answer_at for pool in self.pools.values()]
                return min((time for time in (at, *answers) if time is not None), default=None)
        raise AssertionError("it never settles")

    def hold(self, held: bool = True, *names: str) -> None:
        """Keep calls of these kinds under way, or let them come home: all but launches where none is named."""
        for name in names or ("watch", "stop", "search"):
            self.pools[name].held = held

    def advance(self, seconds: float) -> None:
        """Let time pass, from wake-up to wake-up."""
        until = self.clock.at + seconds
        while (at := self.settle()) is not None and at <= until:
            self.clock.at = at
            self.wake_ups += 1
        self.clock.at = until
        self.settle()

    def told_of(self, launch: Launch, kind: type | None = None) -> list[Event]:
        """Return the events of a launch, of one kind or all."""
        told = [e for e in self.told if not isinstance(e, OtherEcsTasks) and e.launch.id == launch.id]
        return [event for event in told if kind is None or isinstance(event, kind)]

    def _make_pool(self, name: str, size: int) -> SteppedPool:
        self._threads[name] = size
        return self.pools[name]

    def _remember(self, event: Event) -> None:
        if isinstance(event, Waiting):
            self.waiting.append(event)
        elif isinstance(event, (Started, Measured)):
            self.took.append(event)
        else:
            self.told.append(event)
