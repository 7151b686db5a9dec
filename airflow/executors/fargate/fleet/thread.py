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
"""The one thread that owns the fleet: commands in, events out; it goes on after a bug."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.clients import THREAD_NAMES
from airflow.executors.fargate.fleet.fleet import Fleet

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.context import Command, Context
    from airflow.executors.fargate.messages import Event

log = logging.getLogger(__name__)

#: Seconds between two checks whether the fleet has become idle.
IDLE_CHECK = 0.05
#: Seconds that the fleet's thread, which waits for no call, has to end once it is asked to.
END_TIMEOUT = 1.0
#: Seconds after a bug until the fleet goes on: a bug that comes again at once must not fill the log.
BUG_PAUSE = 1.0


class FleetThread:
    """
    Runs a fleet on a daemon thread of its own.

    The scheduler's thread calls the public methods. Only :meth:`close` waits for AWS, for a limited time.

    :param context: what the fleet has from outside.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        #: Other threads call its methods only through :meth:`tell`.
        self.fleet = Fleet(context)
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        #: The command that is being handled, and the last one that was repeated.
        self._handling: Command | None = None
        self._repeated: Command | None = None

    def tell(self, method: Callable[..., None], *arguments: Any) -> None:
        """Call a method of the fleet on its thread; return at once."""
        self._context.post(method, *arguments)

    def events(self) -> Iterator[Event]:
        """Yield the events that were not taken yet."""
        for _ in range(self._context.outbox.qsize()):
            yield self._context.outbox.get_nowait()

    def ensure_running(self) -> None:
        """Start the thread unless it is alive; an error is only logged."""
        if self._thread is not None and self._thread.is_alive():
            return
        thread = threading.Thread(target=self._run, name=f"{THREAD_NAMES}fleet", daemon=True)
        try:
            thread.start()
            self._thread = thread
        except RuntimeError as error:
            log.error("The fleet's thread cannot be started; the next heartbeat tries again", exc_info=error)

    def leave(self) -> None:
        """Launch nothing more."""
        self._context.leaving.set()

    def close(self, patience: float, *, deliver: bool = False) -> None:
        """
        Begin no more launches, wait for the calls under way, and end the thread.

        :param patience: seconds to wait at most.
        :param deliver: whether to launch first what was handed over; this counts towards the patience.
        """
        until = self._context.clock() + patience
        if deliver:
            self.ensure_running()
            all_accepted = lambda: all(run.arn or run.abandoned for run in self.fleet.runs_by_id.values())
            if not self._wait_until(all_accepted, until):
                log.error("AWS has not accepted all launches within %s s", patience)
        self.leave()
        self._wait_until(lambda: not self.fleet.awaited, until)
        self.tell(self._end.set)
        if self._thread is not None:
            self._thread.join(max(END_TIMEOUT, until - self._context.clock()))
        self.fleet.calls.close()  # Last, or the fleet would start threads that are never ended.
        self._context.ecs.close()

    def _wait_until(self, check: Callable[[], bool], until: float) -> bool:
        """Repeat a check on the fleet's thread until it is true; return False at the time limit."""
        done = threading.Event()
        while self._thread is not None and self._thread.is_alive() and self._context.clock() < until:
            self.tell(lambda: done.set() if check() else None)
            if done.wait(IDLE_CHECK):
                return True
        return False

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                # Since the first bug, each start of the loop is a recovery.
                if self._context.counters.fleet_restarts:
                    self._recover()
                self._loop()
            except BaseException as error:
                self._context.counters.fleet_restarts += 1
                text = "A bug of the executor in the fleet's thread; it goes on in %s s"
                log.error(text, BUG_PAUSE, exc_info=error)
                time.sleep(BUG_PAUSE)

    def _loop(self) -> None:
        inbox = self._context.inbox
        while not self._end.is_set():
            at = self.fleet.work()
            try:
                command = inbox.get(timeout=None if at is None else max(0.0, at - self._context.clock()))
            except queue.Empty:
                continue
            self._do(*command)
            del command  # Or the thread would keep the last command in memory while it waits.
            for _ in range(inbox.qsize()):
                self._do(*inbox.get_nowait())

    def _do(self, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self._handling = (function, arguments)
        function(*arguments)
        self._handling = None

    def _recover(self) -> None:
        """
        Let the fleet go on after a bug, and repeat, once, the command that was being handled.

        All commands can be repeated; they are methods of the fleet. A method of another object is the result
        of a call, which is not repeated: recover() gives its launches new turns.
        """
        self.fleet.recover()
        lost, self._handling = self._handling, None
        if lost and lost != self._repeated and getattr(lost[0], "__self__", None) is self.fleet:
            self._repeated = lost
            self._context.post(lost[0], *lost[1])
