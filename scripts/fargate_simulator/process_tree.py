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
import time
from collections.abc import Collection, Iterator

_PROC = "/proc"
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
        remaining = list(_find(sessions, marker.encode()))
        if not remaining:
            return
        for pid in remaining:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE)


def _find(sessions: Collection[int], marker: bytes) -> Iterator[int]:
    try:
        entries = os.listdir(_PROC)
    except OSError:
        return
    for entry in entries:
        if entry.isdigit() and int(entry) != os.getpid() and _belongs(entry, sessions, marker):
            yield int(entry)


def _belongs(entry: str, sessions: Collection[int], marker: bytes) -> bool:
    try:
        with open(f"{_PROC}/{entry}/stat", "rb") as file:
            # The name stands in brackets and may hold anything; what follows it does not.
            state, _parent, _group, session = file.read().rpartition(b")")[2].split()[:4]
        if state in (b"Z", b"X"):
            return False
        if int(session) in sessions:
            return True
        with open(f"{_PROC}/{entry}/environ", "rb") as file:
            return marker in file.read()
    except (OSError, ValueError):
        return False
