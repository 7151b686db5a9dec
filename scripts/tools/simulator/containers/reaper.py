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
Ends the containers of a server that was killed.

A child of the server, in a session of its own. It reads from the server which containers live; the pipe's
end means that the server is gone, and then it kills what is left. A process asks for no more than a pipe,
so it works however the server died, and from whichever thread a container was started.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from tools.simulator.containers import process_tree


class Reaper:
    """
    The server's end of the pipe. Thread-safe.

    :param marker: what all containers of this server have in their environment
    :param directory: removed at the end, since the containers wrote there
    """

    def __init__(self, marker: str, directory: str) -> None:
        self._marker = marker
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-m", "tools.simulator.containers.reaper", marker, directory],
            stdin=subprocess.PIPE,
            env={"PYTHONPATH": str(Path(__file__).parents[3])},
            start_new_session=True,
            text=True,
        )

    def watch(self, pid: int) -> None:
        self._tell(f"+{pid}\n")

    def forget(self, pid: int) -> None:
        self._tell(f"-{pid}\n")

    def close(self) -> None:
        """Let it end what is left, and wait for it."""
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        process_tree.end_all((), self._marker)

    def _tell(self, line: str) -> None:
        # Should somebody have ended the reaper, the server still ends its containers itself.
        with self._lock, contextlib.suppress(BrokenPipeError):
            if not self._process.stdin.closed:
                self._process.stdin.write(line)
                self._process.stdin.flush()


def run(lines: Iterable[str], marker: str) -> None:
    """Follow which sessions live until ``lines`` end, then end those."""
    sessions: set[int] = set()
    for line in lines:
        pid = int(line[1:])
        (sessions.add if line[0] == "+" else sessions.discard)(pid)
    process_tree.end_all(sessions, marker)


if __name__ == "__main__":
    os.chdir("/")
    run(sys.stdin, sys.argv[1])
    shutil.rmtree(sys.argv[2], ignore_errors=True)
