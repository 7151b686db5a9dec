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
"""The lines of the standard output: our own, which ``scripts/aws/verify`` reads, and Airflow's."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from typing import IO, Any, TextIO

from tools.aws.inside.recorder import to_parts

#: How a line of ours begins.
MARK = "VERIFY "
#: What looks like a bearer token.
TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")


class Lines:
    """
    Writes whole lines, from any thread.

    All of Airflow's output goes through here, too: in a pipe that is shared, it could part a long line of ours.

    :param secrets: what is replaced wherever it would be printed, as tokens are.
    """

    def __init__(self, secrets: Iterable[str] = (), stream: TextIO = sys.stdout) -> None:
        self._secrets = tuple(secrets)
        self._stream = stream
        self._lock = threading.Lock()

    def say(self, kind: str, **members: Any) -> None:
        """Write a line of ours."""
        self._write(MARK + json.dumps({"kind": kind, **members}, default=str))

    def log(self, text: str) -> None:
        """Write a word of progress for people."""
        self.say("log", text=text)

    def recording(self, trial: str, content: Mapping[str, Any]) -> None:
        """Write a recording of a trial, in parts."""
        parts = to_parts(content)
        for part, data in enumerate(parts, 1):
            self.say("recording", trial=trial, number=1, parts=len(parts), part=part, data=data)

    def pass_on(self, name: str, output: IO[bytes]) -> None:
        """Write the lines of a program of Airflow's, with its name before each, until it has ended."""
        for line in output:
            self._write(f"[{name}] {line.decode(errors='replace').rstrip()}")

    def without_secrets(self, text: str) -> str:
        """Return a text without passwords, keys and tokens."""
        for secret in self._secrets:
            text = text.replace(secret, "(secret)")
        return TOKEN.sub("(token)", text)

    def _write(self, line: str) -> None:
        with self._lock:
            self._stream.write(f"{self.without_secrets(line)}\n")
            self._stream.flush()
