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
"""What was measured: in this run, and for the documentation's other rows before."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tools.benchmarking import figures
from tools.benchmarking.runner import BenchmarkError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


@dataclass
class Measured:
    """What all repetitions until now have given, by executor and scenario."""

    runs: dict[str, Any] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    series: dict[str, Any] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    failures: int = 0

    @classmethod
    def of_page(cls, page: Path, facts: dict[str, Any], given: argparse.Namespace) -> Measured:
        """
        Return what the documentation has of the rows that are not measured now.

        :raises BenchmarkError: if that was measured on another machine, or not as often
        """
        content = json.loads(page.read_text())
        measured = cls()
        for executor, scenario, each in _each(content["runs"]):
            if scenario not in given.only:
                # JSON has no infinity; of the series it has the typical one.
                runs = [
                    {name: math.inf if value is None else value for name, value in one.items()}
                    for one in each
                ]
                measured.runs[executor][scenario] = runs
                measured.series[executor][scenario] = [content["series"][executor][scenario]] * len(each)
        times = {len(each) for _, _, each in _each(measured.runs)}
        if content["machine"] | {"load_before": 0} != facts | {"load_before": 0} or times - {
            given.repetitions
        }:
            raise BenchmarkError(
                f"{page.name} was measured on another machine, or not as often: measure all rows."
            )
        return measured

    @property
    def medians(self) -> dict[str, dict[str, dict[str, float]]]:
        """The median of each figure."""
        return {
            executor: {name: figures.medians(each) for name, each in found.items()}
            for executor, found in self.runs.items()
        }

    @property
    def typical(self) -> dict[str, dict[str, dict[str, list[Any]]]]:
        """The series of the run in the middle."""
        return {
            executor: {name: each[figures.typical(self.runs[executor][name])] for name, each in found.items()}
            for executor, found in self.series.items()
        }


def _each(runs: dict[str, Any]) -> Iterator[tuple[str, str, list[Any]]]:
    """Yield executor, scenario, and the figures of each repetition."""
    for executor, found in runs.items():
        for scenario, each in found.items():
            yield executor, scenario, each
