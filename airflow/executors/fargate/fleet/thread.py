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
"""The one thread that owns the fleet: it is told things, tells things, and is replaced if it dies."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.clients import THREAD_NAMES
from airflow.executors.fargate.fleet.fleet import Fleet
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

#: Seconds between two looks at whether the fleet has become idle.
IDLE_CHECK = 0.05
#: Seconds that the fleet's thread, which waits for no call, has to end once it is told to.
FAREWELL = 1.0


class FleetThread:
    """
    Runs a fleet on a daemon thread of its own.

    The scheduler's thread calls every method; none of them waits for AWS but :meth:`close`, which waits for
    a limited time.

    :param ecs: makes the calls.
    :param config: the options.
    :param build: makes the request of a launch.
    :param sweep_interval: seconds between two looks for containers that nobody wants any more; None for none.
    :param logs: reads the last lines of containers that failed; None where they are not wanted.
    :param mask: takes secrets out of these.
    :param scheduler: the name of this scheduler; None where it has none.
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
        #: The message that is being handled, and the last one that was repeated.
        self._in_hand: tuple[Callable[..., None], tuple[Any, ...]] | None = None
        self._repeated: tuple[Callable[..., None], tuple[Any, ...]] | None = None
        self.restarts = 0

    def _make_pool(self, name: str, size: int) -> DaemonPool:
        self._pools.append(DaemonPool(name, size))
        return self._pools[-1]

    @property
    def fleet(self) -> Fleet:
        """The fleet; its methods are called through :meth:`tell` alone."""
        return self._fleet

    def tell(self, method: Callable[..., None], *arguments: Any) -> None:
        """Have a method of the fleet called on its thread."""
        self._post(method, *arguments)

    def events(self) -> Iterator[Event]:
        """Yield what has happened since the last time."""
        for _ in range(self._outbox.qsize()):
            yield self._outbox.get_nowait()

    def ensure_running(self) -> None:
        """Start the thread; or start it again, with its state, where it has died. Nothing is raised."""
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
        """Launch nothing more from now on, not even what is due."""
        self._closing.set()

    def close(self, patience: float, *, deliver: bool = False) -> None:
        """
        Begin no more launches, let the calls under way come home, and end the thread.

        :param patience: seconds after which it is given up to wait for them.
        :param deliver: whether first what was handed over is to be launched, for which the patience is, too.
        """
        until = time.monotonic() + patience
        if deliver:
            self.ensure_running()
        if deliver and not self._wait_until(self._check_sent, until):
            log.error("AWS has not accepted all that was handed over within %s seconds", patience)
        self.leave()
        self.tell(self._fleet.close)  # Wakes it, if nothing else does.
        self._wait_until(self._check_idle, until)
        self._post(_end_thread)
        if self._thread is not None:
            self._thread.join(max(FAREWELL, until - time.monotonic()))
        for pool in self._pools:  # Last, or the fleet would start threads that nobody ends.
            pool.close()
        self._ecs.close()

    def _wait_until(self, check: Callable[[threading.Event], None], until: float) -> bool:
        """Wait until a check on the fleet's thread sets its event; False where that has not come in time."""
        done = threading.Event()
        while self._thread is not None and self._thread.is_alive() and time.monotonic() < until:
            self.tell(check, done)
            if done.wait(IDLE_CHECK):
                return True
        return False

    def _check_sent(self, sent: threading.Event) -> None:
        """Tell, on the fleet's thread, whether each launch has a container or an end."""
        if not self._fleet.launches_unsent:
            sent.set()

    def _check_idle(self, idle: threading.Event) -> None:
        """Tell, on the fleet's thread, whether no call is under way or due that changes anything at AWS."""
        if not self._fleet.launches_under_way and not self._fleet.containers_to_stop:
            idle.set()

    def _post(self, function: Callable[..., None], *arguments: Any) -> None:
        self._inbox.put((function, arguments))

    def _run(self, again: bool) -> None:
        try:
            if again:
                self._fleet.recover()
                self._say_again()
            self._loop()
        except _EndThread:
            pass
        except BaseException as error:
            self._death = error  # ensure_running() logs it, with its traceback.

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
            del function, arguments  # Or the thread would keep the last message in memory while it waits.

    def _do(self, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self._in_hand = (function, arguments)
        function(*arguments)
        self._in_hand = None

    def _say_again(self) -> None:
        """
        Repeat, once, what the fleet was being told when the thread died: all of that can be said twice.

        The result of a call is not repeated: recover() gives its launches their turn anew.
        """
        lost, self._in_hand = self._in_hand, None
        if lost is not None and lost != self._repeated and getattr(lost[0], "__self__", None) is self._fleet:
            self._repeated = lost
            self._post(lost[0], *lost[1])


class _EndThread(BaseException):
    """Leaves the loop."""


def _end_thread() -> None:
    raise _EndThread
