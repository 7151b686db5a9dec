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
"""The options of ``scripts/compare``; the standard library alone, since nothing is installed yet."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tools.benchmarking.options import LINES
from tools.comparing.rows import LAUNCHES, LOCAL, ROWS, SERVICES, rows_on

#: The line that docs/reviewing/performance.json is measured on: a release, which the newest line may not have yet.
LINE = "3.3"


def parse(arguments: Sequence[str], description: str | None) -> argparse.Namespace:
    """Read the command line; a mistake in it ends the program."""
    parser = argparse.ArgumentParser(
        prog="scripts/compare",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--airflow", choices=LINES, default=LINE, help="the Airflow release (%(default)s)")
    parser.add_argument(
        "--on", choices=SERVICES, default=LOCAL,
        help="the service: the local Fargate, or ministack, which others have written and which allows fewer rows",
    )  # fmt: skip
    names = [row.name for row in ROWS]
    parser.add_argument(
        "--only", choices=names, action="append", metavar="ROW",
        help=f"measure this row alone; repeatable: {', '.join(names)}",
    )  # fmt: skip
    parser.add_argument(
        "--measure-launches", action="store_true",
        help=f"measure the row {LAUNCHES!r}, too, in five minutes more; without it that row has the figures of "
        "docs/reviewing/performance.json, which scripts/benchmark --docs has measured",
    )  # fmt: skip
    parser.add_argument(
        "--docs", action="store_true",
        help="write the table of README.md and docs/reviewing/compared.json anew, for this service; takes all rows",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    if given.docs and (given.only or given.measure_launches):
        parser.error(
            "--docs takes all rows, and the launches of performance.json: no --only or --measure-launches"
        )
    allowed = [row.name for row in rows_on(given.on)]
    if missing := [name for name in given.only or () if name not in allowed]:
        parser.error(f"--only {missing[0]}: {given.on} allows {', '.join(allowed)}")
    given.only = given.only or allowed
    return given
