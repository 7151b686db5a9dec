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
"""The row of 1,000 launches, by the benchmark's own procedure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tools.benchmarking import figures
from tools.benchmarking.runner import BenchmarkError, LocalServices, airflow_home, run
from tools.benchmarking.scenarios import FULL
from tools.harness.interruption import waiting
from tools.harness.processes import HarnessError


def measure(say: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """
    Return the figures of the scenario ``at-once``, by executor.

    :raises HarnessError: a measurement failed
    """
    (scenario,) = [one for one in FULL.scenarios if one.name == "at-once"]
    found = {}
    with airflow_home() as folder, LocalServices(FULL, folder) as services:
        for executor in scenario.executors:
            say(f"{executor}: {scenario.tasks} launches")
            try:
                # As under scripts/benchmark, a signal ends it wherever it is, and what runs is ended on the way out.
                with waiting():
                    seen = figures.figures(scenario, run(executor, scenario, services))
            except BenchmarkError as error:
                raise HarnessError(str(error)) from error
            found[executor] = {name: round(seen[name], 3) for name in ("accepted", "longest")}
    return found
