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
"""What ``--docs`` writes: the table of README.md, and compared.json with all that was measured."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.comparing import table
from tools.harness.environment import REPOSITORY

README = REPOSITORY / "README.md"
JSON = REPOSITORY / "docs" / "reviewing" / "compared.json"
#: Where it is written without ``--docs``.
BUILT = REPOSITORY / "build" / "compared.json"
PERFORMANCE = REPOSITORY / "docs" / "reviewing" / "performance.json"
#: What stands between these two lines of README.md is written by :func:`write`.
BEGIN, END = "<!-- compared: made by scripts/compare --docs -->", "<!-- end of compared -->"
#: What compared.json has, by service.
Compared = Mapping[str, Mapping[str, Any]]


class PageError(Exception):
    """A file is not as it has to be; the message says which and what it lacks."""


def written(page: str) -> str:
    """
    Return what stands between the markers.

    :raises PageError: where one of them is not there
    """
    before, begin, rest = page.partition(BEGIN)
    inside, end, _ = rest.partition(END)
    if not (begin and end):
        raise PageError(f"README.md lacks the line {END if begin else BEGIN!r}")
    return inside.strip()


def with_table(page: str, compared: Compared) -> str:
    """Return a page's text with what was measured in place of what stands between the markers."""
    written(page)
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table.markdown(compared)}\n{END}{rest.partition(END)[2]}"


def write(service: str, content: Mapping[str, Any]) -> None:
    """Write both files: what was measured on a service, beside what compared.json has of the other one."""
    before = json.loads(JSON.read_text(encoding="utf-8")) if JSON.exists() else {}
    compared = dict(sorted({**before, service: content}.items()))
    text = with_table(README.read_text(encoding="utf-8"), compared)
    write_json(compared, JSON)
    README.write_text(text, encoding="utf-8")


def write_json(compared: Compared, path: Path) -> None:
    """Write all that was measured."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(compared, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def launches_of(performance: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the figures of performance.json for 1,000 tasks at once, by executor, with the Airflow they are of."""
    airflow = performance["machine"]["packages"]["apache-airflow"]
    return {
        executor: {
            name: statistics.median(run[name] for run in runs["at-once"]) for name in ("accepted", "longest")
        }
        | {"airflow": airflow}
        for executor, runs in performance["runs"].items()
    }
