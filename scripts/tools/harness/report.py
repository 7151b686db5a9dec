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
"""What the demo shows: its progress, and a table with a row for each launch."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from tools.harness.database import TaskInstance
    from tools.harness.launches import Launch

# The table's width where the output is no terminal that has one.
WIDTH = 140

GOOD, BAD, BUSY = "green", "red", "cyan"
STATE_STYLES = {"success": GOOD, "failed": BAD, "upstream_failed": BAD, "up_for_retry": "yellow"}


class Progress:
    """Prints a line for each step and for each change of a task instance's state."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
        self._began = time.monotonic()
        self._states: dict[str, str] = {}

    def say(self, text: str) -> None:
        """Print one line, with the seconds since the start."""
        self.console.print(f"[dim]{time.monotonic() - self._began:6.1f} s[/dim]  {text}")

    def show(self, task_instances: Iterable[TaskInstance]) -> None:
        """Print the task instances whose state differs from the last time."""
        for task_instance in task_instances:
            state = task_instance.state
            if self._states.get(task_instance.name, "none") != state:
                style = STATE_STYLES.get(state, BUSY)
                self.say(f"{_escape(f'{task_instance.name:<20}')} [{style}]{state}[/{style}]")
            self._states[task_instance.name] = state


def launch_table(launches: Iterable[Launch]) -> Table:
    """Return the table of launches."""
    table = Table(title="Launches", title_justify="left")
    table.add_column("Task instance")
    table.add_column("Try", justify="right")
    table.add_column("ECS task", no_wrap=True)
    table.add_column("Stop code")
    table.add_column("Exit code", justify="right")
    table.add_column("Queued → started", justify="right")
    table.add_column("→ finished", justify="right")
    for launch in launches:
        table.add_row(
            _escape(launch.name),
            str(launch.try_number),
            launch.container,
            launch.stop_code or "-",
            "-" if launch.exit_code is None else str(launch.exit_code),
            _seconds(launch.queued, launch.started),
            _seconds(launch.started, launch.finished),
        )
    return table


def _seconds(since: float | None, until: float | None) -> str:
    return "-" if since is None or until is None else f"{until - since:.1f} s"


def _escape(name: str) -> str:
    """Keep a map index from being read as rich's markup."""
    return name.replace("[", "\\[")
