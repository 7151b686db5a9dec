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
"""What is left of a run: the table on the terminal, the figures as JSON, the picture, the documentation's page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from tools.benchmarking import table
from tools.benchmarking.scenarios import NAMES

if TYPE_CHECKING:
    from tools.benchmarking.scenarios import Scale

#: What lies between these two lines of the documentation's page is written by :func:`write_into_page`.
BEGIN, END = ".. begin of the figures: written by scripts/benchmark --docs", ".. end of the figures"
#: What the page says of the files that a run writes beside it.
FILES = """.. image:: performance.svg
    :alt: Launches accepted over time, and the duration of heartbeats, for both executors

.. here only

``performance.json``, beside this page, has the figures of each repetition.

.. end of here only
"""
_RIGHT = (*NAMES.values(), "ratio", "limit")


def show(lines: Sequence[table.Line], caption: str) -> None:
    """Print the table."""
    shown = Table(title=caption, title_justify="left", title_style="")
    for name in table.HEAD:
        shown.add_column(name, justify="right" if name in _RIGHT else "left")
    work = None
    for line, cells in zip(lines, table.without_repetition([line.cells() for line in lines])):
        if work not in (None, line.work):
            shown.add_section()
        work = line.work
        shown.add_row(*cells, style="bold red" if line.met is False else None)
    console = Console()
    # Where nobody looks it is read later: no column is cut then.
    (console if console.is_terminal else Console(width=200)).print(shown)


def to_json(
    scale: Scale, facts: Mapping[str, Any], lines: Sequence[table.Line], runs: Mapping[str, Any], series: Any
) -> dict[str, Any]:
    """Return all figures, for a file."""
    return {
        "scale": scale.name,
        "machine": facts,
        "limits": {"RunTask": vars(scale.run_limit), "DescribeTasks": vars(scale.describe_limit)},
        "table": [_line(line) for line in lines],
        "runs": _finite(runs),
        "series": series,
    }


def _line(line: table.Line) -> dict[str, Any]:
    return _finite({**vars(line), "ratio": line.ratio, "met": line.met})


def _finite(value: Any) -> Any:
    """Put None, which JSON has, for infinity, which it has not; and no more digits than were measured."""
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else None
    return value


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write the figures, a line for each that stands alone."""
    series = content["series"]
    text = json.dumps({**content, "series": {}}, indent=1, ensure_ascii=False)
    path.write_text(
        text.replace('"series": {}', f'"series": {json.dumps(series, separators=(",", ":"))}') + "\n"
    )


def write_into_page(page: Path, lines: Sequence[table.Line], caption: str) -> None:
    """
    Put table and picture into the documentation, in place of what is there.

    :raises ValueError: the page has no place for it
    """
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} lacks the line {END if begin else BEGIN!r}")
    page.write_text(f"{before}{BEGIN}\n\n{table.restructured(lines, caption)}\n{FILES}\n{END}{after}")
