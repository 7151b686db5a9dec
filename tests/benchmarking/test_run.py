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

import psutil
import pytest
from benchmarking import figures
from benchmarking.runner import Bed, airflow_home, run
from benchmarking.scenarios import OURS, Limit, Scale, Scenario
from harness.releases import NEWEST

TINY = Scenario("tiny", "launch", 5, "", a_heartbeat=2, seconds=(0.5, 0.5), patience=60.0)


@pytest.mark.skipif(
    os.environ.get("AIRFLOW_RELEASE", NEWEST) != NEWEST, reason="it measures on the newest Airflow"
)
def test_tiny_scenario():
    """All launches and ends are seen, each after the other, and the processes are gone afterwards."""
    before = dict(os.environ)
    with airflow_home() as folder:
        with Bed(Scale("tiny", (TINY,), run_limit=Limit(rate=100, burst=5)), folder) as bed:
            seen = run(OURS, TINY, bed)
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
