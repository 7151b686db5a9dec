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
"""What schedulers say of themselves, in their logs."""

from __future__ import annotations

import re
from pathlib import Path

from tools.harness.processes import wait_until

#: What a scheduler says of each look for task instances of schedulers that are gone.
LOOK_FOR_ORPHANS = "Adopting or resetting orphaned tasks"


class LogPart:
    """
    What schedulers write to a log from now on.

    :param log: need not be there yet.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._begin = log.stat().st_size if log.exists() else 0

    @property
    def text(self) -> str:
        """What was written by now."""
        if not self._log.exists():
            return ""
        with self._log.open("rb") as log:
            log.seek(self._begin)
            return log.read().decode(errors="replace")

    def count(self, what: str) -> int:
        """Return how often the text has this."""
        return self.text.count(what)

    @property
    def has_started(self) -> bool:
        """Whether a scheduler has started the executor."""
        return "FargateExecutor: cluster" in self.text

    @property
    def adopted(self) -> int:
        """How many task instances were adopted."""
        return sum(map(int, re.findall(r"Adopted (\d+) task instances", self.text)))

    def wait_until_started(self, timeout: float = 120) -> None:
        """Wait until a scheduler has started the executor."""
        wait_until(lambda: self.has_started, timeout=timeout, what="the scheduler to start", every=0.1)

    def wait_until_adopted(self, count: int, timeout: float = 120) -> None:
        """Wait until so many task instances were adopted."""
        wait_until(
            lambda: self.adopted >= count, timeout=timeout, what=f"{count} task instances to be adopted"
        )

    def wait_for_looks(self, count: int = 2, timeout: float = 120) -> None:
        """Wait until the scheduler has begun so many more looks for orphans: its loop has gone round in between."""
        wanted = self.count(LOOK_FOR_ORPHANS) + count
        wait_until(
            lambda: self.count(LOOK_FOR_ORPHANS) >= wanted,
            timeout=timeout,
            what="looks for orphans",
            every=0.1,
        )
