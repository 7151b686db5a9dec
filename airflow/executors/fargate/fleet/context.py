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
"""What the parts of a fleet share: what comes from outside, threads that make calls, the queues, the owner."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from random import random as random_number
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.clients import THREAD_NAMES
from airflow.executors.fargate.messages import Counters, Event

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.ecs import Ecs
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.fleet.lifecycle import Lifecycle
    from airflow.executors.fargate.launch import Launch, Lease
    from airflow.executors.fargate.logs.cloudwatch import LogReader
    from airflow.executors.fargate.request.builder import Prepared

#: What the fleet's thread is to call, and the arguments.
Command = tuple[Callable[..., None], tuple[Any, ...]]


class DaemonPool:
    """
    A fixed number of daemon threads.

    ``concurrent.futures`` is not used, as the interpreter joins its threads at exit: one hanging call would
    keep the scheduler's process from ending.

    :param name: part of the threads' names.
    :param size: the number of threads.
    """

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        #: Each call, and what gets its result; None ends a thread.
        self._calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._threads = 0

    def submit(self, call: Callable[[], Any], then: Callable[[Any, BaseException | None], None]) -> None:
        """
        Make the call on one of the threads, and call ``then`` on that thread.

        :param then: gets what the call returned, and None; or None, and the exception that it raised.
        """
        # All start with the first call; those that could not start then, with a later one.
        while self._threads < self._size:
            name = f"{THREAD_NAMES}{self._name}-{self._threads}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
            self._threads += 1
        self._calls.put((call, then))

    def close(self) -> None:
        """Let the threads end after the calls that are submitted so far."""
        for _ in range(self._threads):
            self._calls.put(None)

    def _work(self) -> None:
        while (job := self._calls.get()) is not None:
            call, then = job
            result: tuple[Any, BaseException | None]
            try:
                result = call(), None
            except BaseException as error:
                result = None, error
            then(*result)
            del job, call, then, result  # A waiting thread would keep the last answer in memory.


@dataclass(frozen=True)
class Context:
    """
    What comes from outside, the two queues between the threads, and the counters: each part takes what it needs.

    :param ecs: makes the calls to ECS.
    :param config: the options.
    :param build: makes the request of a launch.
    :param clock: seconds, never going backwards.
    :param now: seconds since the epoch.
    :param lease: how long a launch may be sent after the database has confirmed it.
    :param logs: reads the last lines of containers that failed.
    :param sweep_interval: seconds between two sweeps for orphaned ECS tasks; None disables them.
    :param mask: removes secrets from these lines.
    :param scheduler: the name of this scheduler; None if it has none.
    :param random: returns a number from 0 to 1.
    :param make_pool: returns threads that make calls, by their name and number.
    """

    ecs: Ecs
    config: FargateConfig
    build: Callable[[Launch], Prepared]
    clock: Callable[[], float]
    now: Callable[[], float]
    lease: Lease
    logs: LogReader
    sweep_interval: float | None = None
    mask: Callable[[str], str] = str
    scheduler: str | None = None
    random: Callable[[], float] = random_number
    make_pool: Callable[[str, int], DaemonPool] = DaemonPool
    inbox: queue.SimpleQueue[Command] = field(default_factory=queue.SimpleQueue)
    #: The events that the executor has not taken yet.
    outbox: queue.SimpleQueue[Event] = field(default_factory=queue.SimpleQueue)
    counters: Counters = field(default_factory=Counters)
    #: Set when the scheduler ends: no more launches are begun, and no more searches for ECS tasks to adopt.
    leaving: threading.Event = field(default_factory=threading.Event)

    def post(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have the fleet's thread call a function; any thread may ask for it."""
        self.inbox.put((function, arguments))

    def emit(self, event: Event) -> None:
        """Tell the executor of an event."""
        self.outbox.put(event)

    def back_off(self, limits: tuple[float, float], repetition: int) -> float:
        """
        Return the seconds to wait before a repetition: twice as long each time; half of the wait is random.

        :param limits: seconds; the first wait, and the longest.
        :param repetition: counted from 1.
        """
        first, longest = limits
        # The exponent is bounded, as the power of the thousandth repetition would overflow.
        full = min(longest, first * 2.0 ** min(repetition - 1, 30))
        return full * (0.5 + 0.5 * self.random())


class Part:
    """
    A part of the fleet, which does one thing for all launches. Only the fleet's thread uses it.

    :param owner: has the context and the calls. It knows all launches, and decides on what is found.
    """

    def __init__(self, owner: Lifecycle) -> None:
        self._owner = owner
        self._context = owner.context
        self._calls = owner.calls
        self._clock = owner.context.clock
