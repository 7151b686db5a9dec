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
"""The documentation's figures: each row is there, and rows can be measured anew by themselves."""

from __future__ import annotations

import json
import math
from collections import defaultdict

import pytest
from tools.benchmarking.measured import Measured
from tools.benchmarking.options import parse
from tools.benchmarking.runner import BenchmarkError
from tools.benchmarking.scenarios import CEILING_AT_LEAST, FULL, OURS, ROWS
from tools.benchmarking.table import lines, restructured
from tools.harness.environment import REPOSITORY

PAGE = REPOSITORY / "docs" / "reviewing" / "performance.json"
STORM_AGAIN = parse(["--docs", "--only", "storm", "--repetitions", "2"], None)
MACHINE = {"cores": 2, "load_before": 0.1}


def test_the_page_has_each_row():
    """Where this fails, measure what is missing: scripts/benchmark --docs --only ROW."""
    page = json.loads(PAGE.read_text())
    some = {OURS: defaultdict(dict)}
    for row in ROWS:
        some[OURS][row.scenario][row.figure] = 1.0
    expected = {(line.work, line.figure) for line in lines(FULL, some, CEILING_AT_LEAST)}
    assert {(line["work"], line["figure"]) for line in page["table"]} == expected


def test_the_page_names_the_columns():
    """As the next ``scripts/benchmark --docs`` would."""
    assert restructured([], "").partition("\n\n")[2] in PAGE.with_suffix(".rst").read_text()


@pytest.fixture
def page(tmp_path):
    """Return a page's figures, of which one is infinite: it never came."""
    path = tmp_path / "figures.json"
    runs = {OURS: {name: [{"accepted": None}, {"accepted": 2.0}] for name in ("storm", "at-once")}}
    series = {OURS: {"storm": {"accepted": [1.0]}, "at-once": {"accepted": [2.0]}}}
    path.write_text(json.dumps({"machine": MACHINE, "runs": runs, "series": series}))
    return path


def test_rows_that_are_not_measured_again_keep_their_figures(page):
    """Those that are have none yet; another load before the run is no other machine."""
    measured = Measured.of_page(page, MACHINE | {"load_before": 1.0}, STORM_AGAIN)
    assert measured.runs == {OURS: {"at-once": [{"accepted": math.inf}, {"accepted": 2.0}]}}
    assert measured.typical == {OURS: {"at-once": {"accepted": [2.0]}}}


@pytest.mark.parametrize(("machine", "repetitions"), [({"cores": 4}, "2"), ({}, "1")])
def test_figures_of_another_machine_stand_in_no_table_with_these(page, machine, repetitions):
    """Nor those of another number of repetitions, which the heading names."""
    given = parse(["--docs", "--only", "storm", "--repetitions", repetitions], None)
    with pytest.raises(BenchmarkError, match="measure all rows"):
        Measured.of_page(page, MACHINE | machine, given)
