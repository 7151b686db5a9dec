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

import sys

from harness import processes
from harness.processes import Process, session_members, wait_until

PARENT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); time.sleep(600)"


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
