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
"""The table of results: what was expected and what was seen, a line for each row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fault_matrix.runner import Result

#: The property of a test's report that holds its row of the table.
PROPERTY = "fault_row"
_HEAD = ("row", "fault", "expected", "states seen", "containers (ran)", "longest heartbeat", "")


def table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the table's lines, of what :func:`cells` has made of results."""
    lines = [_HEAD, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]


def cells(result: Result) -> tuple[str, ...]:
    """Return what the table tells of a result."""
    seen = result.seen
    states = ", ".join(f"{count} {state}" for state, count in sorted(seen.states().items()))
    containers, ran = seen.count_containers()
    return (
        result.row.name,
        result.row.fault if len(result.row.fault) < 60 else f"{result.row.fault[:57]}...",
        result.row.expected.in_words(),
        states,
        f"{containers} ({ran})",
        f"{seen.longest_heartbeat * 1000:.0f} ms",
        f"{len(result.differences)} DIFFERENCES" if result.differences else "as expected",
    )
