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
"""The table of checks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """
    One check.

    :param before: what it says without the patch; a dash where it can only be made with it
    :param after: what it says with the patch; of a check that was not made, the reason
    :param passed: None where it was not made
    :param details: what to read below the table
    :param possible: whether a check that was not made could be made here
    """

    check: str
    before: str
    after: str
    passed: bool | None
    details: tuple[str, ...] = ()
    possible: bool = False


def lines(rows: list[Row]) -> list[str]:
    """Return the table, and below it what is to be read about a row."""
    titles = Row("check", "before", "after", None)
    widths = [max(len(text) for text in column) for column in zip(*(_cells(row) for row in (titles, *rows)))]
    table = [_line(titles, widths, "")]
    table.append("-" * len(table[0]))
    table += [_line(row, widths, _mark(row)) for row in rows]
    for row in rows:
        if row.details:
            table += ["", f"{row.check}:", *(f"  {detail}" for detail in row.details)]
    return table


def _mark(row: Row) -> str:
    if row.passed is None:
        return "not checked"
    if row.passed:
        return "ok" if row.after != "failed" else "as before"
    return "FAILED"


def _cells(row: Row) -> tuple[str, ...]:
    # What was not checked has its reason in the last column, which may be as long as it likes.
    return row.check, row.before, "" if row.passed is None else row.after


def _line(row: Row, widths: list[int], mark: str) -> str:
    after = row.after if row.check == "check" or row.passed is not None else ""
    cells = [text.ljust(width) for text, width in zip((row.check, row.before, after), widths)]
    reason = f": {row.after}" if mark == "not checked" else ""
    return "  ".join([*cells, mark + reason]).rstrip()
