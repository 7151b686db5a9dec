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
"""Programs that run beside this one, each in a session of its own so that nothing of it can stay behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from tools.harness.interruption import waiting


class HarnessError(Exception):
    """Something that the harness started did not do what it should; the message says what, with its log."""


#: How often a session is looked at until nobody is left in it: who is being killed may just have started another one.
ROUNDS = 10


class Process:
    """A running program whose output goes to a file."""

    def __init__(
        self, name: str, command: Sequence[str | Path], *, env: Mapping[str, str], log: Path, **popen
    ):
        """Start ``command`` with the environment ``env`` alone, its output appended to ``log``."""
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [str(word) for word in command],
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **popen,
            )

    @property
    def pid(self) -> int:
        """The program's process id, which is its session's id too."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._popen.poll()

    def ask_to_end(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal and wait for nothing."""
        self._popen.send_signal(sign)

    def wait(self, timeout: float) -> bool:
        """Wait until it has ended; False if it still runs after ``timeout`` seconds."""
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End it and everything that it started, at once, and wait until that is so."""
        for _ in range(ROUNDS):
            victims = session_members(self.pid)
            for victim in victims:
                _quietly(victim.kill)
            psutil.wait_procs(victims, timeout=10)
            if self.wait(10) and not victims:
                break

    def stop(self, timeout: float = 20, sign: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, and end by force what is left of it after ``timeout`` seconds."""
        self.ask_to_end(sign)
        self.wait(timeout)
        self.kill()

    def tail(self, lines: int = 40) -> str:
        """Return the end of its output, fit to be shown to others."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return without_tokens("\n".join(text.splitlines()[-lines:]))


def without_tokens(text: str) -> str:
    """Replace whatever looks like a bearer token."""
    return re.sub(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "(token)", text)


def session_members(session: int) -> list[psutil.Process]:
    """Return the processes of a session, which survive a change of their process group or of their parent."""
    return [
        process
        for process in psutil.process_iter()
        if _quietly(lambda p=process: os.getsid(p.pid)) == session
    ]


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition: Callable[[], object], *, timeout: float, what: str, every: float = 0.3) -> object:
    """Ask again and again until ``condition`` holds, and return what it said; HarnessError after ``timeout`` s."""
    deadline = time.monotonic() + timeout
    while True:
        if answer := condition():
            return answer
        if time.monotonic() > deadline:
            raise HarnessError(f"Waited {timeout:.0f} s in vain: {what}")
        with waiting():
            time.sleep(every)


def _quietly(call: Callable[[], object]) -> object:
    """Call on a process that may have gone by now."""
    try:
        return call()
    except (psutil.NoSuchProcess, ProcessLookupError, PermissionError):
        return None
