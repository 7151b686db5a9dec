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
"""The table: each figure of both executors, their ratio, what ours must be, and whether it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tools.benchmarking.scenarios import CEILING_AT_LEAST, INCUMBENT, NAMES, OURS, ROWS, Row, Scale, Scenario

HEAD = ("work", "figure", NAMES[INCUMBENT], NAMES[OURS], "ratio", "limit", "met")
#: Executor, then scenario, then figure: medians.
Medians = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class Line:
    """A line of the table. ``met`` is None where nothing is asked or nothing was measured."""

    work: str
    figure: str
    unit: str
    incumbent: float | None
    ours: float | None
    at_most: float | None = None
    at_least: float | None = None
    below: bool = False

    @property
    def met(self) -> bool | None:
        """Whether ours is what it must be."""
        if self.ours is None or (self.at_most is None and self.at_least is None):
            return None
        if self.at_least is not None:
            return self.ours >= self.at_least
        return self.ours < self.at_most if self.below else self.ours <= self.at_most

    @property
    def ratio(self) -> float | None:
        """How many times ours the incumbent's is."""
        if self.incumbent is None or not self.ours or not math.isfinite(self.ours):
            return None
        return self.incumbent / self.ours

    def cells(self) -> tuple[str, ...]:
        """Return the texts below :data:`HEAD`."""
        ratio = "" if self.ratio is None else f"{number(self.ratio)} ×"
        met = {None: "", True: "yes", False: "NO"}[self.met]
        return (
            self.work,
            self.figure,
            self._shown(self.incumbent),
            self._shown(self.ours),
            ratio,
            self.must_be,
            met,
        )

    @property
    def must_be(self) -> str:
        """What is asked of ours."""
        if self.at_least is not None:
            return f"≥ {self._shown(self.at_least)}"
        if self.at_most is None:
            return ""
        return f"{'<' if self.below else '≤'} {self._shown(self.at_most)}"

    def _shown(self, value: float | None) -> str:
        return "" if value is None else f"{number(value)} {self.unit if math.isfinite(value) else ''}".strip()


def lines(scale: Scale, medians: Medians, ceiling: float | None) -> list[Line]:
    """Return the lines for what was measured."""
    by_name = {scenario.name: scenario for scenario in scale.scenarios}
    found = [
        _line(row, by_name[row.scenario], scale, medians)
        for row in ROWS
        if any(row.scenario in measured for measured in medians.values())
    ]
    if ceiling is not None:
        found.append(
            Line("the local Fargate itself", "DescribeTasks of 100 tasks, a second", "", None, ceiling,
                 at_least=CEILING_AT_LEAST)
        )  # fmt: skip
    return [line for line in found if line.ours is not None or line.incumbent is not None]


def _line(row: Row, scenario: Scenario, scale: Scale, medians: Medians) -> Line:
    figure, at_most = row.text.format(**vars(scenario)), row.at_most
    if row.of_limit:
        limit = scale.run_limit.seconds(scenario.tasks)
        figure, at_most = f"{figure} (the limit allows {number(limit)} s)", scale.tolerance * limit
    incumbent, ours = (
        medians.get(executor, {}).get(row.scenario, {}).get(row.figure) for executor in (INCUMBENT, OURS)
    )
    return Line(title(scenario), figure, row.unit, incumbent, ours, at_most, below=row.below)


def title(scenario: Scenario) -> str:
    """Return what the scenario does, with its numbers."""
    return scenario.title.format(**vars(scenario))


def number(value: float) -> str:
    """Return a number with three digits that count, or all before the point."""
    if not math.isfinite(value):
        return "never"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"


def restructured(table: Sequence[Line], caption: str) -> str:
    """Return the table in reStructuredText."""
    rows = [HEAD, *without_repetition(line.cells() for line in table)]
    text = [f".. list-table:: {caption}", "    :header-rows: 1", ""]
    for row in rows:
        text += [f"    {'*' if not place else ' '} - {cell}".rstrip() for place, cell in enumerate(row)]
    return "\n".join(text) + "\n"


def without_repetition(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Leave the first cell out where it says what the one above says."""
    found, above = [], None
    for first, *rest in rows:
        found.append(("" if first == above else first, *rest))
        above = first
    return found
