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
"""The tables that pages write as ``list-table``."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: A table, of which the indentation ends the block, and the begin of a row and of a further cell in it.
TABLE = re.compile(r"^\.\. list-table::\n((?: .*\n|\n)+)", re.MULTILINE)
ROW, CELL = "    * -", "      -"


def tables(text: str) -> list[list[list[str]]]:
    """Return the tables of a page: the rows of each without the header, and the cells of each row, on one line."""
    return [list(_rows(found[1]))[1:] for found in TABLE.finditer(text)]


def _rows(block: str) -> Iterator[list[str]]:
    for row in f"\n{block}".split(f"\n{ROW}")[1:]:
        yield [" ".join(cell.split()) for cell in row.split(f"\n{CELL}")]
