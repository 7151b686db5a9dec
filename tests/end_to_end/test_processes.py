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
"""How what the harness has started is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest
from tools.harness import processes
from tools.harness.environment import REPOSITORY
from tools.harness.processes import Process, session_members, wait_until

pytestmark = pytest.mark.usefixtures("same_on_all_releases")

PARENT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); time.sleep(600)"
#: Sends itself a signal while it does not wait, and then runs a command that would go on for ever.
ENDED = """
import os, signal
from tools.harness import interruption
interruption.end_where_it_waits()
os.kill(os.getpid(), {number})
print("goes on", flush=True)
interruption.run(["sh", "-c", "sleep 600 & sleep 600"])
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, -signal.SIGINT)]
)
def test_a_signal_ends_a_program_where_it_waits_with_all_that_it_has_started(number, code, monkeypatch):
    """It comes while nobody waits, is kept until somebody does, and takes the command that has begun meanwhile with it."""
    monkeypatch.setenv("MARK", mark := f"{os.getpid()}-{number}")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "scripts"))
    done = subprocess.run(
        [sys.executable, "-c", ENDED.format(number=int(number))],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.returncode) == ("goes on\n", code)
    # What was killed may need a moment to be gone, on a busy machine.
    left = lambda: [process for process in psutil.process_iter() if has_mark(process, mark)]
    wait_until(lambda: not left(), timeout=60, what="all that it has started to be gone")


def has_mark(process, mark):
    try:
        return process.environ().get("MARK") == mark
    except psutil.Error:
        return False


def test_who_was_started_while_the_others_were_killed_is_killed_too(tmp_path, monkeypatch):
    """A look at a session misses what one of its processes starts right afterwards; another one does not."""
    process = Process("two", [sys.executable, "-c", PARENT], env={}, log=tmp_path / "log")
    try:
        wait_until(lambda: len(session_members(process.pid)) == 2, timeout=60, what="both to run")
        looks = []

        def look(session):
            looks.append(session)
            found = session_members(session)
            return [one for one in found if one.pid == process.pid] if len(looks) == 1 else found

        monkeypatch.setattr(processes, "session_members", look)
        process.kill()
    finally:
        left = session_members(process.pid)
        for one in left:
            one.kill()
    assert left == []
    assert len(looks) > 1
