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
"""Containers' output, line by line, on one thread for all of them."""

from __future__ import annotations

import logging
import os
import selectors
import threading
from collections.abc import Callable

from tools.simulator.limits import MAX_LOG_EVENT_CHARACTERS

log = logging.getLogger(__name__)

_CHUNK = 65536

Sink = Callable[[list[str]], None]


class Stream:
    """One container's output: bytes in, whole lines out to ``sink``."""

    def __init__(self, descriptor: int, sink: Sink) -> None:
        self.descriptor = descriptor
        self.ended = threading.Event()
        self._sink = sink
        self._rest = b""

    def read(self) -> bool:
        """Take what is there; False at the end."""
        try:
            chunk = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            chunk = b""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if self._rest and (not chunk or len(self._rest) >= MAX_LOG_EVENT_CHARACTERS):
            lines.append(self._rest)
            self._rest = b""
        if lines:
            self._sink([line.decode(errors="replace").rstrip("\r") for line in lines])
        return bool(chunk)

    def close(self) -> None:
        os.close(self.descriptor)
        self.ended.set()


class OutputPump:
    """Reads the pipes of all containers."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = os.pipe()
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._new: list[Stream] = []
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="fargate-output", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def follow(self, descriptor: int, sink: Sink) -> Stream:
        """Read a pipe to its end; the pump closes it. ``Stream.ended`` tells when."""
        os.set_blocking(descriptor, False)
        stream = Stream(descriptor, sink)
        with self._lock:
            self._new.append(stream)
        self._wake()
        return stream

    def close(self) -> None:
        self._closed = True
        self._wake()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if key.data:
                key.data.close()
        self._selector.close()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _wake(self) -> None:
        os.write(self._wake_writer, b"\0")

    def _run(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select():
                if key.data is None:
                    os.read(self._wake_reader, _CHUNK)
                    self._adopt()
                else:
                    self._read(key.data)

    def _adopt(self) -> None:
        with self._lock:
            new, self._new = self._new, []
        for stream in new:
            self._selector.register(stream.descriptor, selectors.EVENT_READ, stream)

    def _read(self, stream: Stream) -> None:
        try:
            more = stream.read()
        except Exception:
            log.exception("A container's output could not be kept")
            more = False
        if not more:
            self._selector.unregister(stream.descriptor)
            stream.close()
