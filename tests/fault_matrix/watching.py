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
"""Who asks AWS, or waits for somebody who does: what the scheduler's thread must not do, however fast the machine is."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any
from unittest import mock

from botocore.endpoint import Endpoint

#: What the present thread does that it must not do is noted here, while it is watched.
_present = threading.local()


@contextlib.contextmanager
def watched(noted: list[str], *, may_wait: bool = False) -> Iterator[None]:
    """
    Note what the present thread does within the block: each call to AWS, and each wait for another thread's result.

    :param noted: gets a line for each
    :param may_wait: whether waiting for another thread is no matter
    """
    _present.calls, _present.waits = noted, [] if may_wait else noted
    try:
        yield
    finally:
        del _present.calls, _present.waits


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Let botocore and futures tell of the threads that are watched, until the end of the block."""
    make_request, result = Endpoint.make_request, Future.result
    if hasattr(make_request, "notes"):
        # They tell already.
        yield
        return

    def noting_make_request(self: Any, operation_model: Any, request_dict: Any) -> Any:
        getattr(_present, "calls", []).append(f"it asked AWS: {operation_model.name}")
        return make_request(self, operation_model, request_dict)

    def noting_result(self: Any, timeout: float | None = None) -> Any:
        if not self.done():
            getattr(_present, "waits", []).append("it waited for another thread")
        return result(self, timeout)

    noting_make_request.notes = True  # type: ignore[attr-defined]
    with (
        mock.patch.object(Endpoint, "make_request", noting_make_request),
        mock.patch.object(Future, "result", noting_result),
    ):
        yield


class Lateness:
    """
    Measures for how long the machine keeps a thread from its turn.

    :param sleep: returns after so many seconds, or later
    """

    #: Seconds between two looks, and the lateness that is usual.
    EACH, USUAL = 0.05, 0.05

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], Any] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        #: Seconds in all.
        self.total = 0.0

    def look(self) -> None:
        """Sleep for a moment, and add what it took beyond that."""
        began = self._clock()
        self._sleep(self.EACH)
        late = self._clock() - began - self.EACH
        if late > self.USUAL:
            self.total += late

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Go on looking, on a thread of its own, until the end of the block."""
        over = threading.Event()

        def go_on() -> None:
            while not over.is_set():
                self.look()

        thread = threading.Thread(target=go_on, name="lateness", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


#: That of the process in which rows run.
machine = Lateness()
