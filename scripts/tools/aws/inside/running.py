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
"""Runs the trials one after the other; whatever happens to one, the next one runs."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from tools.aws.inside.account import report
from tools.aws.inside.trial import OTHERWISE, Seen

if TYPE_CHECKING:
    from tools.aws.inside.lines import Lines
    from tools.aws.inside.recorder import Recorder
    from tools.aws.inside.trial import Bench, Trial

#: Seconds until Airflow's components are well.
START_PATIENCE = 300.0


def chosen(trials: Sequence[Trial], names: Sequence[str]) -> list[Trial]:
    """Return the trials with these names, in the table's order; all without a name."""
    return [trial for trial in trials if not names or trial.name in names]


def run_all(trials: Sequence[Trial], bench: Bench, lines: Lines, recorder: Recorder | None = None) -> None:
    """Run trials and write a row for each, and the recording of what AWS has answered meanwhile."""
    for trial in trials:
        if bench.is_over:
            row = _row(trial, Seen(OTHERWISE, "It was not run: the time for all trials is over"), _now(), 0.0)
            lines.say("trial", **row)
            continue
        lines.log(f"{trial.title} …")
        lines.say("trial", **run_one(trial, bench))
        if recorder:
            lines.recording(trial.name, recorder.take(trial.name, _ends(trial, bench)))


def run_one(trial: Trial, bench: Bench) -> dict[str, Any]:
    """Run a trial, clean up after it, and return its row."""
    at, began = _now(), bench.clock()
    seen = _try(lambda: _run(trial, bench))
    seconds = bench.clock() - began
    ecs_tasks: list[dict[str, Any]] = []

    def count() -> None:
        ecs_tasks.extend(report(task, bench.settings.container) for task in bench.take_ecs_tasks())

    for step in (bench.clean_up, count, bench.airflow.revive):
        seen = _after(step, seen)
    return _row(trial, seen, at, seconds, ecs_tasks)


def _ends(trial: Trial, bench: Bench) -> list[dict[str, Any]]:
    """Return how the trial's ECS tasks ended by Airflow, and what the reason of a failure should have."""
    words = [trial.reason] * bool(trial.reason)
    return [{**end, "words": words if end["state"] == "failed" else []} for end in bench.ends]


def _run(trial: Trial, bench: Bench) -> Seen:
    bench.wait_until(bench.api.is_well, "Airflow's components are well", START_PATIENCE)
    return trial.run(bench)


def _try(run: Callable[[], Seen]) -> Seen:
    """Run something; what it raises is what was seen."""
    try:
        return run()
    except Exception as error:
        trace = traceback.format_exc().splitlines()[-12:]
        return Seen(OTHERWISE, f"{type(error).__name__}: {error}", {"traceback": trace})


def _after(step: Callable[[], None], seen: Seen) -> Seen:
    """Do something after a trial; what it raises comes to what was seen."""
    try:
        step()
    except Exception as error:
        words = f"{seen.words}. Cleaning up: {type(error).__name__}: {error}"
        return Seen(OTHERWISE, words, seen.details)
    return seen


def _row(
    trial: Trial, seen: Seen, began: datetime, seconds: float, ecs_tasks: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    return {
        "trial": trial.name,
        "title": trial.title,
        "expected": trial.expected,
        "seen": seen.words,
        "verdict": seen.verdict,
        "began": began.isoformat(),
        "seconds": round(seconds, 1),
        "ecs_tasks": list(ecs_tasks),
        "details": seen.details,
    }


def _now() -> datetime:
    return datetime.now(timezone.utc)
