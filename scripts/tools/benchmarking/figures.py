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
"""From what was seen to the figures of the table: arithmetic, and nothing else."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tools.benchmarking.seen import Seen, made, refused

if TYPE_CHECKING:
    from tools.benchmarking.scenarios import Scenario

#: What never came to pass took so long.
NEVER = math.inf


def figures(scenario: Scenario, seen: Seen) -> dict[str, float]:
    """Return all figures that a run gives, by the names that the table's rows use; ``NEVER`` where there is none."""
    found = dict(seen.figures)
    if seen.beats:
        found |= _heartbeats(seen)
    if scenario.kind == "launch":
        found |= _launches(scenario, seen)
    if scenario.kind in ("launch", "follow", "restart"):
        found |= _ends(scenario, seen)
    if seen.window:
        found["processor"] = seen.processor * 60 / seen.window
        found["describes"] = made(seen.calls, "DescribeTasks") * 60 / seen.window
    return found


def _heartbeats(seen: Seen) -> dict[str, float]:
    """Milliseconds."""
    took = [beat.took * 1000 for beat in seen.beats]
    others = [beat.took * 1000 for beat in seen.beats if not beat.handed_over]
    return {
        "longest": max(took),
        "median": statistics.median(took),
        "hand_over": max((beat.took * 1000 for beat in seen.beats if beat.handed_over), default=0.0),
        "longest_other": max(others, default=0.0),
    }


def acceptances(seen: Seen) -> list[float]:
    """Return when each task instance's first container was accepted, in seconds since the hand-over, in order."""
    first: dict[str, float] = {}
    for task in seen.tasks:
        first[task.task_id] = min(task.accepted, first.get(task.task_id, NEVER))
    return sorted(accepted - seen.began for accepted in first.values())


def _launches(scenario: Scenario, seen: Seen) -> dict[str, float]:
    accepted = acceptances(seen)
    complete = len(accepted) == scenario.tasks
    last = accepted[-1] if complete else NEVER
    found = {
        "accepted": last,
        "lost": scenario.tasks - len(accepted),
        "refused": refused(seen.calls, "RunTask"),
    }
    if scenario.storm:
        found["after_storm"] = max(0.0, seen.began + last - seen.storm_ended) if seen.storm_ended else NEVER
    return found


def _ends(scenario: Scenario, seen: Seen) -> dict[str, float]:
    """Seconds from the moment at which an end could be read to the event."""
    ended: dict[str, float] = {}
    for task in seen.tasks:
        ended[task.task_id] = max(task.ended or NEVER, ended.get(task.task_id, 0.0))
    waits = [told - ended[task_id] for task_id, told in seen.told.items() if task_id in ended]
    if len(waits) < max(1, scenario.tasks):
        return {"told_mean": NEVER, "told_p99": NEVER}
    return {"told_mean": statistics.fmean(waits), "told_p99": percentile(waits, 99)}


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the value that so many percent of the values are at most (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]} if runs else {}


def typical(runs: Sequence[dict[str, float]]) -> int:
    """Return which of the runs the picture shows: the one in the middle, by its longest heartbeat."""
    order = sorted(range(len(runs)), key=lambda place: runs[place].get("longest", 0.0))
    return order[(len(order) - 1) // 2]


def series(scenario: Scenario, seen: Seen) -> dict[str, list]:
    """Return what the picture shows of a run: seconds, to the millisecond."""
    began = seen.began or (seen.beats[0].at if seen.beats else 0.0)
    found: dict[str, list] = {
        "heartbeats": [[round(beat.at - began, 3), round(beat.took, 6)] for beat in seen.beats]
    }
    if scenario.kind == "launch":
        found["accepted"] = [round(at, 3) for at in acceptances(seen)]
    return found
