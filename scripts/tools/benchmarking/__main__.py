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
"""The benchmark, in the environment that ``scripts/benchmark`` has made for it."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from tools.benchmarking import figures, picture, report, table
from tools.benchmarking.machine import described, machine
from tools.benchmarking.measured import Measured
from tools.benchmarking.options import parse
from tools.benchmarking.runner import BenchmarkError, LocalServices, airflow_home, ceiling, run
from tools.benchmarking.scenarios import FULL, QUICK, Scale, Scenario
from tools.harness.environment import REPOSITORY
from tools.harness.processes import HarnessError

#: Seconds for which the local Fargate is asked as fast as it answers.
CEILING_SECONDS = {FULL.name: 5.0, QUICK.name: 2.0}
DOCS = REPOSITORY / "docs" / "reviewing"
NAME = "performance"


def main() -> int:
    """
    Measure, show and write; the exit code is 1 where a row is not met, 2 where something failed.

    Files are written after each repetition, so that an interrupted benchmark keeps what it has.
    """
    given = parse(sys.argv[1:], None)
    # So that whatever was started ends in an orderly way.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    scale = QUICK if given.quick else FULL
    facts, began = machine(), time.monotonic()
    partly = given.only and given.docs
    try:
        measured = Measured.of_page(DOCS / f"{NAME}.json", facts, given) if partly else Measured()
    except BenchmarkError as error:
        say(str(error))
        return 2
    limit = None
    if given.docs or not given.only:
        limit = ceiling(CEILING_SECONDS[scale.name])["describe_tasks_a_second"]
    with airflow_home() as folder, LocalServices(scale, folder) as services:
        for repetition in range(1, given.repetitions + 1):
            measure(given, scale, services, repetition, measured)
            lines = table.lines(scale, measured.medians, limit)
            caption = _caption(repetition, scale, facts)
            content = report.to_json(scale, facts, lines, measured.runs, measured.typical)
            write(given, scale, caption, lines, content)
    say(f"All that took {time.monotonic() - began:.0f} s.")
    report.show(lines, caption)
    if measured.failures:
        return 2
    return 1 if any(line.met is False for line in lines) else 0


def measure(
    given: argparse.Namespace, scale: Scale, services: LocalServices, repetition: int, measured: Measured
) -> None:
    """Measure once all that was asked for, the executors in turn."""
    for scenario, executor in _plan(given, scale):
        began = time.monotonic()
        try:
            seen = run(executor, scenario, services)
        except (BenchmarkError, HarnessError) as error:
            say(f"{repetition}: {scenario.name}, {executor}: FAILED: {error}")
            measured.failures += 1
            continue
        found = figures.figures(scenario, seen)
        measured.runs[executor][scenario.name].append(found)
        measured.series[executor][scenario.name].append(figures.series(scenario, seen))
        _say_done(repetition, scenario, executor, found, seen.finished, time.monotonic() - began)


def _plan(given: argparse.Namespace, scale: Scale) -> Iterator[tuple[Scenario, str]]:
    """Yield what is to be measured, in order."""
    for scenario in scale.scenarios:
        for executor in scenario.executors:
            if scenario.name in (given.only or [scenario.name]) and given.executor in (None, executor):
                yield scenario, executor


def _say_done(
    repetition: int, scenario: Scenario, executor: str, found: dict[str, float], finished: bool, took: float
) -> None:
    shown = ", ".join(f"{name} {table.number(value)}" for name, value in found.items())
    say(
        f"{repetition}: {scenario.name}, {executor}: {shown}{'' if finished else ' (GIVEN UP)'} [{took:.0f} s]"
    )


def _caption(repetitions: int, scale: Scale, facts: dict[str, Any]) -> str:
    size = "Smaller loads (--quick): not the figures that count. " if scale is QUICK else ""
    times = "One repetition" if repetitions == 1 else f"Medians of {repetitions} repetitions"
    return f"{size}{times}. {described(facts)}"


def write(
    given: argparse.Namespace, scale: Scale, caption: str, lines: list[table.Line], content: dict[str, Any]
) -> None:
    """Write the files."""
    folder = DOCS if given.docs else given.output or REPOSITORY / "build" / "benchmark"
    folder.mkdir(parents=True, exist_ok=True)
    report.write_json(content, folder / f"{NAME}.json")
    picture.draw(scale, content["series"], caption, folder / f"{NAME}.svg")
    if given.docs:
        report.write_into_page(folder / f"{NAME}.rst", lines, caption)
    say(f"Written: {folder / NAME}.json and .svg")


def say(message: str) -> None:
    """Tell how far it is."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
