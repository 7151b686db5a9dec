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
"""What the demo shows: its progress, and a table with a row for each ECS task."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from tools.harness.database import TaskInstance
    from tools.harness.launches import Launch

# The width where the output is no terminal that has one.
WIDTH = 100
# Characters of an ECS task's id that tell it from the others.
SHORT = 8

GOOD, BAD, BUSY = "green", "red", "cyan"
STATE_STYLES = {"success": GOOD, "failed": BAD, "upstream_failed": BAD, "up_for_retry": "yellow"}
# States that tell nothing of the executor.
UNTOLD = ("none", "scheduled")


class Progress:
    """Prints a line for each step and for each change of a task instance's state."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
        self._began = time.monotonic()
        self._states: dict[str, str] = {}

    def say(self, text: str) -> None:
        """Print one line, with the seconds since the start."""
        self._print_timed(escape(text))

    def tell(self, text: str, style: str | None = None) -> None:
        """Print a paragraph."""
        self.console.print(text, style=style, markup=False)

    def show(self, task_instances: Iterable[TaskInstance]) -> None:
        """Print the task instances whose state differs from the last time."""
        for task_instance in task_instances:
            state = task_instance.state
            if self._states.get(task_instance.name, UNTOLD[0]) != state and state not in UNTOLD:
                style = STATE_STYLES.get(state, BUSY)
                self._print_timed(f"{escape(f'{task_instance.name:<20}')} [{style}]{state}[/{style}]")
            self._states[task_instance.name] = state

    def _print_timed(self, markup: str) -> None:
        grid = Table.grid(padding=(0, 2))
        grid.add_row(f"[dim]{time.monotonic() - self._began:6.1f} s[/dim]", markup)
        self.console.print(grid)


def launch_table(
    title: str,
    launches: Iterable[Launch],
    durations: Mapping[tuple[str, int], float],
    reasons: Mapping[str, str] | None = None,
) -> Table:
    """
    Return the table of launches, a row for each ECS task.

    :param durations: how long each try ran by Airflow's record, by name and try number
    :param reasons: why an ECS task failed, by its id; without them the table has no such column
    """
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("Task instance", no_wrap=True)
    table.add_column("Try", justify="right")
    table.add_column("ECS task", no_wrap=True)
    for name in ("Exit\ncode", "Task\nran", "ECS task\nexisted"):
        table.add_column(name, justify="right", no_wrap=True)
    if reasons is not None:
        table.add_column("Reason", overflow="fold")
    launches = list(launches)
    last = {(launch.name, launch.try_number): launch for launch in launches}
    attempts = _attempts(launches)
    for launch in launches:
        try_ = launch.name, launch.try_number
        ran = durations.get(try_) if launch.started and launch is last[try_] else None
        reason = attempts[launch.container] + short((reasons or {}).get(launch.container, ""))
        table.add_row(*_cells(launch, ran), *([] if reasons is None else [escape(reason)]))
    return table


def _cells(launch: Launch, ran: float | None) -> tuple[str, ...]:
    return (
        escape(launch.name),
        str(launch.try_number),
        launch.container[:SHORT],
        "none" if launch.exit_code is None else str(launch.exit_code),
        "-" if ran is None else f"{ran:.1f} s",
        "-" if launch.stopped is None else f"{launch.stopped - launch.created:.1f} s",
    )


def short(reason: str) -> str:
    """Return a reason's meaning and the word that AWS has for it."""
    meaning, _, words = reason.partition(" (AWS: ")
    code = words.partition(":")[0].partition(";")[0]
    return f"{meaning} (AWS: {code})" if words else meaning


def _attempts(launches: Iterable[Launch]) -> dict[str, str]:
    """Return which attempt of its launch each ECS task is, by its id; nothing where it is the only one."""
    ids: dict[str, list[str]] = {}
    for launch in launches:
        ids.setdefault(launch.id, []).append(launch.container)
    return {
        container: f"Attempt {number} of {len(containers)}: " if len(containers) > 1 else ""
        for containers in ids.values()
        for number, container in enumerate(containers, 1)
    }
