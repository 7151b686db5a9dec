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
"""README.md's table says what compared.json has, and nothing else of the page is touched."""

from __future__ import annotations

import json

import pytest
from tools.benchmarking.scenarios import INCUMBENT, OURS
from tools.comparing import page, table
from tools.comparing.rows import LAUNCHES, LOCAL, SERVICES, rows_on


def test_the_table_is_made_of_what_was_measured():
    """Where this fails: scripts/compare --docs."""
    compared = json.loads(page.JSON.read_text(encoding="utf-8"))
    assert page.written(page.README.read_text(encoding="utf-8")) == table.markdown(compared).strip()
    for service in SERVICES:
        measured = {name: set(setups) for name, setups in compared[service]["rows"].items()}
        assert measured == {row.name: set(row.setups_on(service)) for row in rows_on(service)}


def test_the_launches_are_those_of_the_performance_page():
    """Where this fails, the benchmark was run anew: scripts/compare --docs."""
    content = json.loads(page.JSON.read_text(encoding="utf-8"))[LOCAL]
    performance = json.loads(page.PERFORMANCE.read_text(encoding="utf-8"))
    assert content["rows"][LAUNCHES] == page.launches_of(performance)


CONTENT = {
    LOCAL: {"date": "2026-01-01", "on": "the local Fargate", "packages": {"Airflow": "3.3.2"}, "rows": {}}
}


def test_the_rest_of_the_page_stays():
    """Twice is like once."""
    before = f"# Title\n\n{page.BEGIN}\nold\n{page.END}\n\nend\n"
    after = page.with_table(before, CONTENT)
    assert after.startswith(f"# Title\n\n{page.BEGIN}\n\nMeasured on the local Fargate ")
    assert after.endswith(f"\n\n{page.END}\n\nend\n")
    assert "old" not in after
    assert page.with_table(after, CONTENT) == after


@pytest.mark.parametrize("text", ["", page.BEGIN, page.END, f"{page.END}{page.BEGIN}"])
def test_a_page_without_a_place_for_the_table(text):
    """It is named, and nothing is written."""
    with pytest.raises(page.PageError, match=r"README.md lacks the line '<!-- "):
        page.with_table(text, CONTENT)


def test_launches_are_medians_of_the_repetitions():
    """The page's table has these, too."""
    runs = [{"accepted": one, "longest": 2 * one, "median": 0} for one in (1.0, 3.0, 8.0)]
    performance = {
        "machine": {"packages": {"apache-airflow": "3.3.2"}},
        "runs": {OURS: {"at-once": runs}, INCUMBENT: {"at-once": runs[:1]}},
    }
    assert page.launches_of(performance) == {
        OURS: {"accepted": 3.0, "longest": 6.0, "airflow": "3.3.2"},
        INCUMBENT: {"accepted": 1.0, "longest": 2.0, "airflow": "3.3.2"},
    }
