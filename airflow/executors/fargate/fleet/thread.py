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
"""The one thread that owns the fleet: commands in, events out; it is replaced if it dies."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.clients import THREAD_NAMES
from airflow.executors.fargate.fleet.fleet import Fleet
from airflow.executors.fargate.fleet.lifecycle import Lifecycle
from airflow.executors.fargate.fleet.pool import DaemonPool
from airflow.executors.fargate.fleet.wiring import Context

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.ecs import Ecs
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.logs.cloudwatch import LogReader
    from airflow.executors.fargate.messages import Event
    from airflow.executors.fargate.request.builder import Prepared

log = logging.getLogger(__name__)

#: Seconds between two checks whether the fleet has become idle.
IDLE_CHECK = 0.05
#: Seconds that the fleet's thread, which waits for no call, has to end once it is asked to.
END_TIMEOUT = 1.0


class FleetThread:
    """
    Runs a fleet on a daemon thread of its own.

    The scheduler's thread calls every method. Only :meth:`close` waits for AWS, for a limited time.

    :param ecs: makes the calls to ECS.
    :param config: the options.
    :param build: makes the request of a launch.
    :param sweep_interval: seconds between two sweeps for orphaned ECS tasks; None disables them.
    :param logs: reads the last lines of containers that failed; None disables that.
    :param mask: removes secrets from these lines.
    :param scheduler: the name of this scheduler; None if it has none.
    :param lease: seconds for which a launch may be sent after the database has confirmed it; None for ever.
    """

    def __init__(
        self,
        ecs: Ecs,
        config: FargateConfig,
        build: Callable[[Launch], Prepared],
        sweep_interval: float | None = None,
        logs: LogReader | None = None,
        mask: Callable[[str], str] = str,
        scheduler: str | None = None,
        lease: float | None = None,
    ) -> None:
        self._inbox: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._ecs = ecs
        self._pools: list[DaemonPool] = []
        self._fleet = Fleet(
            Context(
                ecs=ecs,
                config=config,
                build=build,
                make_pool=self._make_pool,
                post=self._post,
                emit=self._outbox.put,
                clock=time.monotonic,
                now=time.time,
                sweep_interval=sweep_interval,
                scheduler=scheduler,
                lease=lease,
                logs=logs,
                mask=mask,
            ),
            leaving=self._closing.is_set,
        )
        self._thread: threading.Thread | None = None
        self._death: BaseException | None = None
        #: The command that is being handled, and the last one that was repeated.
        self._handling: tuple[Callable[..., None], tuple[Any, ...]] | None = None
        self._repeated: tuple[Callable[..., None], tuple[Any, ...]] | None = None
        self.restarts = 0

    def _make_pool(self, name: str, size: int) -> DaemonPool:
        self._pools.append(DaemonPool(name, size))
        return self._pools[-1]

    @property
    def fleet(self) -> Fleet:
        """The fleet; other threads call its methods only through :meth:`tell`."""
        return self._fleet

    def tell(self, method: Callable[..., None], *arguments: Any) -> None:
        """Call a method of the fleet on its thread; return at once."""
        self._post(method, *arguments)

    def events(self) -> Iterator[Event]:
        """Yield the events that were not taken yet."""
        for _ in range(self._outbox.qsize()):
            yield self._outbox.get_nowait()

    def ensure_running(self) -> None:
        """Start the thread, or start it again with the same fleet if it has died; errors are only logged."""
        if self._thread is not None and self._thread.is_alive():
            return
        again, death = self._thread is not None, self._death
        thread = threading.Thread(target=self._run, args=(again,), name=f"{THREAD_NAMES}fleet", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            log.error("The fleet's thread cannot be started; the next heartbeat tries again", exc_info=error)
            return
        self._thread = thread
        if again:
            log.error("The fleet's thread has died; it is started again", exc_info=death)
            self.restarts += 1

    def leave(self) -> None:
        """Launch nothing more from now on, not even launches that are due."""
        self._closing.set()

    def close(self, patience: float, *, deliver: bool = False) -> None:
        """
        Begin no more launches, wait for the calls under way, and end the thread.

        :param patience: seconds to wait at most.
        :param deliver: whether to launch first what was handed over; this counts towards the patience.
        """
        until = time.monotonic() + patience
        if deliver:
            self.ensure_running()
        if deliver and not self._wait_until(self._check_sent, until):
            log.error("AWS has not accepted all launches within %s s", patience)
        self.leave()
        self.tell(self._fleet.close)  # Wakes the thread, if nothing else does.
        self._wait_until(self._check_idle, until)
        self._post(_end_thread)
        if self._thread is not None:
            self._thread.join(max(END_TIMEOUT, until - time.monotonic()))
        for pool in self._pools:  # Last, or the fleet would start threads that are never ended.
            pool.close()
        self._ecs.close()

    def _wait_until(self, check: Callable[[threading.Event], None], until: float) -> bool:
        """Repeat a check on the fleet's thread until it sets its event; return False at the time limit."""
        done = threading.Event()
        while self._thread is not None and self._thread.is_alive() and time.monotonic() < until:
            self.tell(check, done)
            if done.wait(IDLE_CHECK):
                return True
        return False

    def _check_sent(self, sent: threading.Event) -> None:
        """Set the event, on the fleet's thread, if each launch has an ECS task or an end."""
        if not self._fleet.launches_unsent:
            sent.set()

    def _check_idle(self, idle: threading.Event) -> None:
        """Set the event, on the fleet's thread, if no RunTask or StopTask call is under way or due."""
        if not self._fleet.launches_under_way and not self._fleet.ecs_tasks_to_stop:
            idle.set()

    def _post(self, function: Callable[..., None], *arguments: Any) -> None:
        self._inbox.put((function, arguments))

    def _run(self, again: bool) -> None:
        try:
            if again:
                self._fleet.recover()
                self._repeat_lost_command()
            self._loop()
        except _EndThread:
            pass
        except BaseException as error:
            self._death = error  # ensure_running() logs it with its traceback.

    def _loop(self) -> None:
        while True:
            at = self._fleet.work()
            try:
                timeout = None if at is None else max(0.0, at - time.monotonic())
                function, arguments = self._inbox.get(timeout=timeout)
            except queue.Empty:
                continue
            self._do(function, arguments)
            for _ in range(self._inbox.qsize()):
                self._do(*self._inbox.get_nowait())
            del function, arguments  # Or the thread would keep the last command in memory while it waits.

    def _do(self, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self._handling = (function, arguments)
        function(*arguments)
        self._handling = None

    def _repeat_lost_command(self) -> None:
        """
        Repeat, once, the command that was being handled when the thread died: all commands can be repeated.

        The result of a call is not repeated: recover() gives its launches new turns.
        """
        lost, self._handling = self._handling, None
        owner = getattr(lost[0], "__self__", None) if lost is not None else None
        if lost is not None and lost != self._repeated and isinstance(owner, (Fleet, Lifecycle)):
            self._repeated = lost
            self._post(lost[0], *lost[1])


class _EndThread(BaseException):
    """Ends the loop."""


def _end_thread() -> None:
    raise _EndThread
