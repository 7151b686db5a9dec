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
"""The table of faults for readers, in the documentation. Made from the rows."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tools.harness.environment import REPOSITORY

from tests.fault_matrix.rows import SECTIONS

if TYPE_CHECKING:
    from tests.fault_matrix.row import Row

FILE = REPOSITORY / "docs" / "reviewing" / "faults.rst"
#: What stands before and after what is made.
BEGIN, END = ".. faults: made by scripts/docs --write\n", ".. end of faults\n"
_WIDTH = 110


def rst() -> str:
    """Return a section with a table for each kind of fault."""
    return "".join(_rst_section(title, rows) for title, rows in SECTIONS.items())


def _rst_section(title: str, rows: Iterable[Row]) -> str:
    lines = [title, "-" * len(title), "", ".. list-table::", "   :header-rows: 1", "   :widths: 2 3", ""]
    lines += ["   * - Fault", "     - What happens"]
    for row in rows:
        lines += _rst_cell("   * - ", row.fault) + _rst_cell("     - ", row.happens)
    return "\n".join(["", *lines, ""])


def _rst_cell(first: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first))


def made() -> str:
    """Return the text of the page with what is made in its place; the rest of it is as it is."""
    before, _, rest = FILE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{rst()}{END}{after}"
