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
"""The comparison, in the environment that ``scripts/compare`` has made for it."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.benchmarking.machine import machine
from tools.comparing import page, setups, table
from tools.comparing.bed import PATIENCE, Bed, witness_in
from tools.comparing.ministack import Ministack
from tools.comparing.options import parse
from tools.comparing.procedures import COUNTED, PROCEDURES, Measured, counted
from tools.comparing.rows import LAUNCHES, LOCAL, MINISTACK, ROWS
from tools.harness.deployment import Deployment
from tools.harness.fargate_process import LocalFargate
from tools.harness.interruption import end_where_it_waits
from tools.harness.ministack import installed_version
from tools.harness.processes import HarnessError
from tools.harness.releases import RELEASES
from tools.harness.report import BAD, WIDTH, Progress

DAG_FILE = Path(__file__).parent / "dags" / "compared.py"
CLASSES: dict[str, type[LocalFargate]] = {LOCAL: LocalFargate, MINISTACK: Ministack}
VERSIONS: dict[str, Callable[[], str]] = {LOCAL: lambda: "", MINISTACK: installed_version}
PACKAGES = {"Airflow": "apache-airflow", "amazon provider": "apache-airflow-providers-amazon"}


def main() -> int:
    """Measure, show and write; the exit code is 1 where something failed."""
    given = parse(sys.argv[1:], None)
    # SIGINT, too, which a shell that starts us in the background has ignored.
    end_where_it_waits()
    progress = Progress()
    try:
        if given.docs:  # It takes long enough to know before that there is a place for the table.
            page.written(page.README.read_text(encoding="utf-8"))
        content = measured(given, progress)
        show(content, progress.console)
        if given.docs:
            page.write(given.on, content)
        else:
            page.write_json({given.on: content}, page.BUILT)
            progress.say(f"All that was measured is in {page.BUILT}")
    except (HarnessError, page.PageError) as error:
        progress.console.print(str(error), style=BAD, markup=False)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def measured(given: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Return all that compared.json has of a service."""
    rows: dict[str, dict[str, Measured]] = {name: {} for name in given.only}
    chosen = [row for row in ROWS if row.name in given.only and row.name in PROCEDURES]
    for setup in dict.fromkeys(setup for row in chosen for setup in row.setups_on(given.on)):
        names = [row.name for row in chosen if setup in row.setups_on(given.on)]
        for name, found in _measure(given, setup, names, progress).items():
            rows[name][setup] = found
    if LAUNCHES in rows:
        rows[LAUNCHES] = _launches(given, progress)
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "on": f"{CLASSES[given.on].title} {VERSIONS[given.on]()}".strip(),
        "packages": {name: version(package) for name, package in PACKAGES.items()},
        "machine": machine(),
        "rows": rows,
    }


def _measure(
    given: argparse.Namespace, setup: str, names: list[str], progress: Progress
) -> dict[str, Measured]:
    """Measure some rows for one set-up."""
    progress.say(f"{setup}: {', '.join(names)}")
    with tempfile.TemporaryDirectory(prefix="airflow-compared-") as folder:
        witness = witness_in(Path(folder))
        with Deployment(
            RELEASES[given.airflow],
            Path(sys.prefix),
            dags=[DAG_FILE],
            container_env=setups.container_env(setup) | {"COMPARED_FILE": str(witness.path)},
            configure=lambda fargate: setups.airflow_env(setup, fargate),
            service=CLASSES[given.on],
            say=progress.say,
        ) as deployment:
            bed = Bed(deployment, witness)
            bed.airflow.add_user()
            found = {name: _measure_row(bed, name, progress) for name in names}
            bed.wait_until_quiet()
            return {name: _completed(bed, name, found[name]) for name in names}


def _completed(bed: Bed, name: str, found: Measured) -> Measured:
    """Return what was measured of a row, with what could not be counted before."""
    return found | (counted(bed, name) if name in COUNTED else {}) | {"patience": PATIENCE}


def _measure_row(bed: Bed, name: str, progress: Progress) -> Measured:
    found = PROCEDURES[name](bed)
    progress.say(f"{name}: measured")
    return found


def _launches(given: argparse.Namespace, progress: Progress) -> dict[str, Measured]:
    """Return the row of 1,000 launches: what the benchmark measures now, or what performance.json has of it."""
    if not given.measure_launches:
        return page.launches_of(json.loads(page.PERFORMANCE.read_text()))
    from tools.comparing.launches import measure

    return measure(progress.say)


def show(content: dict[str, Any], console: Console) -> None:
    """Print the table."""
    shown = Table(title=table.caption(content), title_justify="left", title_style="", show_lines=True)
    for name in table.HEAD:
        shown.add_column(name, ratio=1 if name == table.HEAD[0] else 2, overflow="fold")
    for row in table.cells(content):
        shown.add_row(*(cell.replace("[", "\\[") for cell in row))
    console = console if console.is_terminal else Console(width=WIDTH)
    console.print(shown)
    console.print(table.notes(content))


if __name__ == "__main__":
    sys.exit(main())
