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
"""The options of ``scripts/benchmark``; the standard library alone, since nothing is installed yet."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tools.benchmarking.scenarios import EXECUTORS, FULL
from tools.harness.environment import REQUIREMENTS
from tools.harness.releases import NEWEST, RELEASES

#: The lines of Airflow for which what the benchmark needs is pinned.
LINES = [line for line in RELEASES if (REQUIREMENTS / f"airflow-{line}-benchmark.lock").is_file()]


def parse(arguments: Sequence[str], description: str | None) -> argparse.Namespace:
    """Read the command line; a mistake in it ends the program."""
    parser = argparse.ArgumentParser(
        prog="scripts/benchmark",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--airflow", choices=LINES, default=NEWEST, help="the Airflow release (%(default)s)")
    names = [scenario.name for scenario in FULL.scenarios]
    parser.add_argument(
        "--quick", action="store_true", help="smaller loads and limits, once: under three minutes"
    )
    parser.add_argument(
        "--repetitions", type=_positive, metavar="N",
        help="how often each is measured; the table has the medians (3; 1 with --quick)",
    )  # fmt: skip
    parser.add_argument(
        "--only", choices=names, action="append", metavar="ROW",
        help=f"measure this row alone; repeatable: {', '.join(names)}",
    )  # fmt: skip
    parser.add_argument("--executor", choices=EXECUTORS, help="measure this one alone")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER",
        help="where the figures (JSON) and the picture (SVG) go; build/benchmark",
    )  # fmt: skip
    parser.add_argument(
        "--docs", action="store_true",
        help="write the documentation's figures, picture and table anew; with --only those rows of it",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    if given.docs and (given.quick or given.executor or given.output):
        parser.error("--docs takes full loads and both executors: no --quick, --executor or --output")
    given.repetitions = given.repetitions or (1 if given.quick else 3)
    return given


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number
