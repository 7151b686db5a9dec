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
"""The report of a run as data, and the files of it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.aws.verifying import cost, page

if TYPE_CHECKING:
    from tools.aws.verifying.protocol import Results
    from tools.aws.verifying.target import Target

#: The verdicts with which nothing is to be looked into.
GOOD = ("as expected", "answered", "not provoked")
#: The verdict of a trial of which nothing has come.
MISSING = "did not come"
#: In place of the account's id, as in the recordings.
NO_ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Ending:
    """How a run has ended."""

    began: datetime
    ended: datetime
    failure: str = ""
    """Why not all trials have come; empty where they have."""
    scheduler: Mapping[str, Any] | None = None
    """The ECS task with the whole Airflow as DescribeTasks had it last; None where there was none."""


def build(target: Target, results: Results, trials: Sequence[str], ending: Ending) -> dict[str, Any]:
    """
    Return the report; all in it is text, numbers, lists and dictionaries.

    :param trials: the names of those that were to run.
    """
    rows = [_row(trial, target, ending.ended) for trial in results.trials]
    come = {row["trial"] for row in rows}
    rows += [_missing(name, ending.failure) for name in trials if name not in come]
    scheduler = [cost.of_described(ending.scheduler)] if ending.scheduler else []
    scheduler_cost = _costs(scheduler, target, ending.ended)
    return {
        "deployment": target.deployment,
        "region": target.region,
        "began": ending.began.isoformat(timespec="seconds"),
        "ended": ending.ended.isoformat(timespec="seconds"),
        "versions": results.versions,
        "failure": ending.failure,
        "last_lines": list(results.tail) if ending.failure else [],
        "unreadable_lines": results.broken,
        "trials": rows,
        "cost": {
            "trials": round(sum(row["cost"] for row in rows), 4),
            "scheduler": round(scheduler_cost, 4),
            "together": round(sum(row["cost"] for row in rows) + scheduler_cost, 4),
            "prices": "US dollars, US East (N. Virginia); the log and transferred data come on top",
        },
    }


def exit_code(report: Mapping[str, Any]) -> int:
    """Return 0 where all trials have come and none was otherwise than expected."""
    good = all(row["verdict"] in GOOD for row in report["trials"])
    return 0 if good and not report["failure"] else 1


def write(folder: Path, report: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
    """
    Write the report as JSON and as a page.

    :param secrets: what must not be in it, with what stands in its place.
    """
    text = without(json.dumps(report, indent=2, default=str), secrets)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page.page(json.loads(text)), encoding="utf-8")


def write_recordings(folder: Path, results: Results, secrets: Mapping[str, str]) -> list[str]:
    """Write AWS's recorded answers, and return the names of those that have not come whole."""
    broken = []
    for name, content in results.recordings():
        if content is None:
            broken.append(name)
            continue
        (folder / "recordings").mkdir(exist_ok=True)
        text = without(json.dumps(content, indent=1), secrets)
        (folder / "recordings" / Path(name).name).write_text(text + "\n", encoding="utf-8")
    return broken


def without(text: str, secrets: Mapping[str, str]) -> str:
    """Return a text with each secret replaced."""
    for secret, instead in secrets.items():
        text = text.replace(secret, instead) if secret else text
    return text


def _row(trial: Mapping[str, Any], target: Target, until: datetime) -> dict[str, Any]:
    ecs_tasks = trial.get("ecs_tasks", [])
    return {**trial, "phases": _phases(ecs_tasks), "cost": round(_costs(ecs_tasks, target, until), 4)}


def _missing(name: str, failure: str) -> dict[str, Any]:
    return {
        "trial": name, "title": cost.TITLES[name], "expected": "", "seen": failure, "verdict": MISSING,
        "ecs_tasks": [], "phases": {}, "cost": 0.0,
    }  # fmt: skip


def _phases(ecs_tasks: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the seconds of each phase, of the ECS tasks in the middle and of the slowest one."""
    each = [cost.phases(ecs_task) for ecs_task in ecs_tasks]
    found = {name: [one[name] for one in each if name in one] for name in cost.PHASES}
    return {
        name: {"median": round(statistics.median(seconds), 1), "most": round(max(seconds), 1)}
        for name, seconds in found.items()
        if seconds
    }


def _costs(ecs_tasks: Iterable[Mapping[str, Any]], target: Target, until: datetime) -> float:
    return sum(cost.cost(ecs_task, target.assigns_public_ip, until) for ecs_task in ecs_tasks)
