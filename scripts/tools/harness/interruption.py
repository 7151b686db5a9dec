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
Lets a signal end a program only where it waits, and only once: so it knows of all that it has started.

A handler that raises wherever the program happens to be leaves behind the process that was just being started, or the
folder that was just made, since nobody has written them down yet. What stops everything in the end must not be interrupted
either, however often somebody presses Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Interruption:
    """What has come of the signals of this process."""

    def __init__(self) -> None:
        #: The first signal that came.
        self.number: int | None = None
        #: Whether it has been raised.
        self.raised = False
        #: Whether the program waits, so that it may be raised.
        self.waits = False

    def handle(self, number: int, _frame: FrameType | None = None) -> None:
        self.number = self.number or number
        if self.waits:
            self.raise_once()

    def raise_once(self) -> None:
        if self.number is None or self.raised:
            return
        self.raised = True
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + self.number)


_interruption = _Interruption()


def end_where_it_waits() -> None:
    """From now on, let SIGINT, SIGTERM and SIGHUP end this program where it waits; also where a shell had one ignored."""
    for number in SIGNALS:
        signal.signal(number, _interruption.handle)


@contextmanager
def waiting() -> Iterator[None]:
    """
    Let a signal end the program within the block, one that came before it, too.

    In the block nothing may be started or made that is to be stopped or removed. Without :func:`end_where_it_waits` it
    changes nothing.

    :raises KeyboardInterrupt: for SIGINT, SystemExit for the others; once in the life of a program.
    """
    before, _interruption.waits = _interruption.waits, True
    try:
        _interruption.raise_once()
        yield
    finally:
        _interruption.waits = before


def run(command: Sequence[str | Path], **popen: Any) -> subprocess.CompletedProcess[str]:
    """
    Run a command to its end in a session of its own; whatever ends the wait kills it and what it has started.

    :return: its exit code, and what it printed, as ``stdout`` and, unless told otherwise, ``stderr``.
    """
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen}
    words = [str(word) for word in command]
    process = subprocess.Popen(words, text=True, start_new_session=True, **options)
    try:
        with waiting():
            printed, said = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    return subprocess.CompletedProcess(words, process.returncode, printed, said)
