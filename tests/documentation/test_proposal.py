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
"""The results in the proposal's page are those that were measured."""

from __future__ import annotations

import re

from tools.documentation.options import REPOSITORY

PROPOSAL = REPOSITORY / "docs" / "reviewing" / "aip-29.rst"
PERFORMANCE = REPOSITORY / "docs" / "reviewing" / "performance.rst"


def rows(page):
    """Return the rows of the last table of a page: the text of each cell."""
    table = page.read_text(encoding="utf-8").rpartition(".. list-table::")[2]
    parts = re.split(r"^    \* -", table, flags=re.MULTILINE)[2:]
    return [[cell.strip() for cell in re.split(r"^      -", part, flags=re.MULTILINE)] for part in parts]


def measured():
    """Return what the page of the performance says: work and figure, and the values of both executors."""
    found, work = {}, ""
    for cells in rows(PERFORMANCE):
        work = cells[0] or work
        found[work, cells[1]] = (cells[2], cells[3])
    return found


def test_the_results_are_the_measured_ones():
    """Each line is one of the page that scripts/benchmark writes; where this fails, take its figures."""
    lines = rows(PROPOSAL)
    assert len(lines) > 3
    for work, figure, incumbent, ours in lines:
        assert measured()[work, figure] == (incumbent, ours)
