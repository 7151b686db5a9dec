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
"""What the documentation says of faults is what the rows say that the tests drive."""

from __future__ import annotations

import re

from tests.fault_matrix.documentation import FILE, made, rst
from tests.fault_matrix.rows import ROWS


def test_the_page_is_current():
    """scripts/docs --write would write nothing else; where this fails, run it."""
    assert FILE.read_text() == made()


def test_every_row_is_told():
    """The documentation has a cell for each row's fault and for what happens then."""
    cells = [" ".join(cell.split()) for cell in re.split(r"^ +(?:\* )?- ", rst(), flags=re.MULTILINE)]
    for row in ROWS:
        fault = cells.index(row.fault)
        assert cells[fault + 1].startswith(row.happens)


def test_names_are_unique():
    """A name stands for one row."""
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
