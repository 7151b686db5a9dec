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
"""The table: what is met and what is not, and how it is written."""

from __future__ import annotations

import json
import math

import pytest
from tools.benchmarking import report, table
from tools.benchmarking.options import parse
from tools.benchmarking.scenarios import FULL, INCUMBENT, OURS, QUICK
from tools.benchmarking.table import Line


def line(ours, **asked):
    return Line("work", "figure", "s", incumbent=10.0, ours=ours, **asked)


MET = [
    (5.0, {"at_most": 5.0}, True),
    (5.1, {"at_most": 5.0}, False),
    (math.inf, {"at_most": 5.0}, False),
    (100, {"at_most": 100, "below": True}, False),
    (99, {"at_most": 100, "below": True}, True),
    (0, {"at_most": 0}, True),
    (40.0, {"at_least": 40.0}, True),
    (39.9, {"at_least": 40.0}, False),
    (5.0, {}, None),
    (None, {"at_most": 5.0}, None),
]


def test_met():
    """Equal is enough, except where less is asked; what was not measured is neither met nor missed."""
    assert [(ours, asked, line(ours, **asked).met) for ours, asked, _ in MET] == MET


@pytest.mark.parametrize("ours, ratio", [(2.0, 5.0), (0.0, None), (None, None), (math.inf, None)])
def test_ratio(ours, ratio):
    """The incumbent's in ours, where that makes sense."""
    assert line(ours).ratio == ratio


def test_number():
    """Three digits count; no more are shown."""
    shown = {
        0: "0", 0.254: "0.25", 4.8349: "4.83", 47.3: "47.3", 205.8: "206", 20944.2: "20,944", 3.0: "3", math.inf: "never",
    }  # fmt: skip
    assert {value: table.number(value) for value in shown} == shown


def test_target_follows_the_limit():
    """The time for all launches is measured by what the service's limit allows, at either scale."""
    medians = {OURS: {"at-once": {"accepted": 47.2}}, INCUMBENT: {"at-once": {"accepted": 205.8}}}
    (full,) = [found for found in table.lines(FULL, medians, None) if found.ours]
    assert full.at_most == pytest.approx(47.25)
    assert "the limit allows 45 s" in full.figure
    assert full.met
    (quick,) = [found for found in table.lines(QUICK, medians, None) if found.ours]
    assert not quick.met


def test_only_what_was_measured_is_shown():
    """A row without a figure of either executor is left out; the ceiling has a line of its own."""
    assert table.lines(FULL, {}, None) == []
    (ceiling,) = table.lines(FULL, {}, 39.0)
    assert (ceiling.must_be, ceiling.met) == ("≥ 40", False)


def test_page(tmp_path):
    """The page's text stays, its table is replaced, and doing so twice changes nothing."""
    page = tmp_path / "page.rst"
    page.write_text(f"Before\n\n{report.BEGIN}\n\nold\n\n{report.END}\n\nAfter\n")
    report.write_into_page(page, [line(5.0, at_most=5.0), line(6.0, at_most=5.0)], "Caption")
    once = page.read_text()
    assert once.startswith("Before\n")
    assert once.endswith("\nAfter\n")
    assert "old" not in once
    assert (
        "    * - work\n      - figure\n      - 10 s\n      - 5 s\n      - 2 ×\n      - ≤ 5 s\n      - yes\n"
        in once
    )
    assert "    * -\n      - figure\n" in once
    report.write_into_page(page, [line(5.0, at_most=5.0), line(6.0, at_most=5.0)], "Caption")
    assert page.read_text() == once


def test_page_without_a_place_for_the_table(tmp_path):
    """A page that has lost its marks is not cut short."""
    page = tmp_path / "page.rst"
    page.write_text("Before\n")
    with pytest.raises(ValueError, match="begin of the figures"):
        report.write_into_page(page, [], "")
    assert page.read_text() == "Before\n"


def test_json(tmp_path):
    """The file is JSON that any reader takes, and has what the picture shows."""
    runs = {OURS: {"at-once": [{"accepted": math.inf, "median": 0.12345}]}}
    series = {OURS: {"at-once": {"accepted": [0.5]}}}
    content = report.to_json(FULL, {"cores": 2}, [line(math.inf, at_most=5.0)], runs, series)
    report.write_json(content, tmp_path / "figures.json")
    read = json.loads((tmp_path / "figures.json").read_text(), parse_constant=pytest.fail)
    assert read["runs"][OURS]["at-once"] == [{"accepted": None, "median": 0.123}]
    assert read["series"] == series
    assert read["table"][0]["met"] is False


@pytest.mark.parametrize(
    "arguments",
    [
        ["--docs", "--quick"],
        ["--docs", "--executor", "ours"],
        ["--repetitions", "0"],
        ["--only", "rain"],
        ["--executor", "x"],
    ],
)
def test_options_that_make_no_sense(arguments, capsys):
    """A mistake is told, and nothing is measured."""
    with pytest.raises(SystemExit) as raised:
        parse(arguments, None)
    assert raised.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_options():
    """A full run is repeated, so that there is a median; a quick one is not."""
    assert [
        parse(arguments, None).repetitions for arguments in ([], ["--quick"], ["--repetitions", "5"])
    ] == [3, 1, 5]
