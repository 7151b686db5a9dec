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
"""A tiny scenario for real: a local Fargate and the executor, each in a process of its own."""

from __future__ import annotations

import os
from dataclasses import replace

import psutil
import pytest
from tools.benchmarking import figures
from tools.benchmarking.runner import LocalServices, airflow_home, run
from tools.benchmarking.scenarios import OURS, Limit, Scale, Scenario
from tools.harness.environment import IMPORT_PATH
from tools.harness.releases import NEWEST

TINY = Scenario("tiny", "launch", 5, "", a_heartbeat=2, seconds=(0.5, 0.5), patience=60.0)


@pytest.fixture(scope="module", autouse=True)
def import_path():
    """Let the process that executors are forked from import the benchmark, as scripts/benchmark does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", IMPORT_PATH["PYTHONPATH"])
        yield


@pytest.mark.skipif(
    os.environ.get("AIRFLOW_RELEASE", NEWEST) != NEWEST, reason="it measures on the newest Airflow"
)
def test_tiny_scenario():
    """All launches and ends are seen, each after the other, and the processes are gone afterwards."""
    before = dict(os.environ)
    with airflow_home() as folder:
        with LocalServices(Scale("tiny", (TINY,), run_limit=Limit(rate=100, burst=5)), folder) as services:
            seen = run(OURS, TINY, services)
    assert dict(os.environ) == before
    assert not folder.exists()
    assert seen.finished
    assert sorted(seen.told) == [f"task-{number:05}" for number in range(5)]
    assert [beat.handed_over for beat in seen.beats][:3] == [2, 2, 1]
    assert seen.calls["RunTask"] == {"ok": 5}
    for task in seen.tasks:
        assert seen.began < task.accepted < task.ended < seen.told[task.task_id]
    assert figures.figures(TINY, seen)["lost"] == 0
    left = [
        p.info["cmdline"]
        for p in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(p.info["cmdline"] or [])
    ]
    assert left == []


SMALL = (
    Scenario("restart", "restart", 3, "", live=120, seconds=(0.5, 0.5), window=20.0, settle=2.5),
    Scenario("overtaking", "overtake", 2, "", waiting=20, seconds=(0.5, 0.5), window=4.0, settle=2.0),
    Scenario("stopped", "adopt_stopped", 20, "", stopped=250, throttled=0.1),
)
#: What each gives, and what it must be at most: seconds, calls, seconds.
FIGURES = {"restart": ("told_p99", 10.0), "overtaking": ("overtaken", 4.0), "stopped": ("followed", 10.0)}


@pytest.fixture(scope="module")
def small_services():
    """Yield a local Fargate for all of them: starting one takes seconds."""
    with airflow_home() as folder:
        scale = Scale("small", SMALL, run_limit=Limit(rate=100, burst=50), fresh=False)
        with LocalServices(scale, folder) as services:
            yield services


@pytest.mark.skipif(
    os.environ.get("AIRFLOW_RELEASE", NEWEST) != NEWEST, reason="it measures on the newest Airflow"
)
@pytest.mark.parametrize("scenario", SMALL, ids=[scenario.name for scenario in SMALL])
def test_small_scenarios(small_services, scenario):
    """
    Restart, overtaking and adoption beside many that have stopped give their figures, small as they are.

    They take as long as the window in which each of them is measured, in real time.
    """
    seen = run(OURS, replace(scenario, patience=60.0), small_services)
    assert seen.finished
    name, most = FIGURES[scenario.name]
    assert figures.figures(scenario, seen)[name] < most
