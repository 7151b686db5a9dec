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
"""Threads that make calls. They own no state: a call goes in, and its result goes to a callback."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from airflow.executors.fargate.aws.clients import THREAD_NAMES


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
