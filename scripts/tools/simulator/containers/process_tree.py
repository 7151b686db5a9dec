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
Which processes belong to a container, and how they are ended.

A real container's processes share a PID namespace; here they share the session that was made for the
container, and the environment variable that marks it. The first finds what changed its title (which
overwrites the environment), the second what made a session of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

_PROC = "/proc"
#: Linux's ``PF_KTHREAD``, among the flags in ``/proc/PID/stat``.
_KERNEL_THREAD = 0x00200000
_ROUNDS = 50
_PAUSE = 0.02


def end_all(sessions: Collection[int], marker: str) -> None:
    """
    Kill every process of these sessions, and every process that has ``marker`` in its environment.

    Where there is no ``/proc`` only the sessions' process groups are killed. Returns when none is left, or
    after a second, since a process in an uninterruptible sleep would keep it for ever.
    """
    for session in sessions:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(session, signal.SIGKILL)
    for _ in range(_ROUNDS):
        found = _census.look()
        remaining = [process.pid for process in found if process.belongs(sessions, marker.encode())]
        if not remaining and not any(process.is_starting for process in found):
            return
        for pid in remaining:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE)


@dataclass(frozen=True)
class _Process:
    """A process that lives, as ``/proc`` shows it."""

    pid: int
    session: int
    environment: bytes
    #: Whether it executes its program just now: its environment is not to be seen for a moment.
    is_starting: bool

    def belongs(self, sessions: Collection[int], marker: bytes) -> bool:
        """Tell whether it is of one of the sessions, or has the marker."""
        return self.session in sessions or marker in self.environment


class _Census:
    """
    Looks at all processes, for many threads.

    Hundreds of containers end at the same time, and each look reads two files for every process of the machine: so
    a look serves all who asked for one before it began.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._begun = self._done = 0
        self._found: Sequence[_Process] = ()

    def look(self) -> Sequence[_Process]:
        """Return the processes there were at some moment after this call."""
        with self._changed:
            wanted = self._begun + 1
            while self._done < wanted:
                if self._done < self._begun:
                    self._changed.wait()
                else:
                    self._take()
            return self._found

    def _take(self) -> None:
        """Take a look, without holding up those who ask for the next one meanwhile."""
        self._begun += 1
        self._changed.release()
        found: Sequence[_Process] = ()
        try:
            found = tuple(_living())
        finally:
            self._changed.acquire()
            self._found, self._done = found, self._begun
            self._changed.notify_all()


_census = _Census()


def _living() -> Iterator[_Process]:
    """Yield all processes but our own and those that have ended; none where there is no ``/proc``."""
    try:
        entries = os.listdir(_PROC)
    except OSError:
        return
    for entry in entries:
        if entry.isdigit() and int(entry) != os.getpid():
            with contextlib.suppress(OSError, ValueError):
                yield from _read(entry)


def _read(entry: str) -> Iterator[_Process]:
    with open(f"{_PROC}/{entry}/stat", "rb") as file:
        # The name stands in brackets and may hold anything; what follows it does not.
        state, _, _, session, _, _, flags = file.read().rpartition(b")")[2].split()[:7]
    if state in (b"Z", b"X"):
        return
    environment, is_starting = b"", False
    # Another user's process may show its session and not its environment.
    with contextlib.suppress(OSError), open(f"{_PROC}/{entry}/environ", "rb") as file:
        environment = file.read()
        if not environment and not int(flags) & _KERNEL_THREAD:
            with open(f"{_PROC}/{entry}/cmdline", "rb") as arguments:
                is_starting = not arguments.read()
    yield _Process(int(entry), int(session), environment, is_starting)
