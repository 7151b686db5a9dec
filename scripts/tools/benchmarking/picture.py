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
"""The picture: launches accepted over time, and heartbeats, for both executors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from tools.benchmarking.scenarios import INCUMBENT, NAMES, OURS, Scale, Scenario
from tools.benchmarking.table import title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: From Paul Tol's palette for colour-blind readers: https://personal.sron.nl/~pault/
COLOURS = {OURS: "#0077BB", INCUMBENT: "#EE7733"}
#: Executor, then scenario, then ``accepted`` (seconds) and ``heartbeats`` (pairs of seconds).
Series = Mapping[str, Mapping[str, Mapping[str, Sequence[Any]]]]


def draw(scale: Scale, series: Series, note: str, path: Path) -> None:
    """
    Write the picture as SVG.

    :param series: what was measured; what is missing is left out
    :param note: the small print
    """
    # The same figures make the same file.
    mpl.rcParams.update({"svg.hashsalt": "fargate", "svg.fonttype": "none", "font.size": 9})
    shown = [(scenario, accepted) for scenario, accepted in _panels(scale) if _measured(series, scenario)]
    if not shown:
        return
    figure = Figure(figsize=(9, 3.1 * len(shown)), layout="constrained")
    for axes, (scenario, accepted) in zip(figure.subplots(len(shown), squeeze=False).flat, shown):
        (_draw_accepted if accepted else _draw_heartbeats)(axes, scale, scenario, series)
    figure.supxlabel(note, fontsize=6, wrap=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
    # As Airflow's repository asks of every text.
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("".join(f"{line.rstrip()}\n" for line in lines), encoding="utf-8")


def _panels(scale: Scale) -> list[tuple[Scenario, bool]]:
    """Return what is shown: a scenario's launches over time, or its heartbeats."""
    by_name = {scenario.name: scenario for scenario in scale.scenarios}
    return [(by_name["at-once"], True), (by_name["at-once"], False), (by_name["running"], False)]


def _measured(series: Series, scenario: Scenario) -> bool:
    return any(scenario.name in measured for measured in series.values())


def _draw_accepted(axes: Axes, scale: Scale, scenario: Scenario, series: Series) -> None:
    for executor, measured in _of(series, scenario):
        times = measured["accepted"]
        axes.step(
            times, range(1, len(times) + 1), where="post", color=COLOURS[executor], label=NAMES[executor]
        )
    burst = min(scale.run_limit.burst, scenario.tasks)
    end = scale.run_limit.seconds(scenario.tasks)
    axes.plot(
        [0, 0, end],
        [0, burst, scenario.tasks],
        color="black",
        linestyle="--",
        linewidth=1,
        label="AWS's limit",
    )
    axes.set(title=f"{title(scenario)}: launches accepted", xlabel="seconds", ylabel="tasks")
    _finish(axes, "lower right")


def _draw_heartbeats(axes: Axes, scale: Scale, scenario: Scenario, series: Series) -> None:
    for executor, measured in _of(series, scenario):
        at, took = zip(*measured["heartbeats"])
        milliseconds = [max(seconds * 1000, 0.01) for seconds in took]
        axes.plot(at, milliseconds, ".", markersize=4, color=COLOURS[executor], label=NAMES[executor])
        # As long as it is high: the scheduler does nothing else meanwhile.
        axes.hlines(milliseconds, at, [sum(beat) for beat in zip(at, took)], color=COLOURS[executor])
    axes.set(title=f"{title(scenario)}: heartbeats", xlabel="seconds", ylabel="milliseconds", yscale="log")
    # Between the two, which are far apart.
    _finish(axes, "center")


def _of(series: Series, scenario: Scenario) -> list[tuple[str, Mapping[str, Sequence[Any]]]]:
    return [(name, measured[scenario.name]) for name, measured in series.items() if scenario.name in measured]


def _finish(axes: Axes, legend: str) -> None:
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc=legend)
    axes.spines[["top", "right"]].set_visible(False)
