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
"""The tables of AWS's words and of exit codes in the page about troubleshooting, made from what the executor says."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator

from airflow.executors.fargate.aws.explanations import EXIT_CODES, EXPLANATIONS, Explanation
from tools.harness.environment import REPOSITORY

FILE = REPOSITORY / "docs" / "executor" / "fargate-troubleshooting.rst"
WIDTH = 120
#: AWS's names of actions and of members, which are shown as literal text: Airflow's check of spelling leaves that out.
NAMES = re.compile(r"\b(?:[a-z0-9]+:[A-Z]\w*|[a-z]+[A-Z]\w*|awsvpc)")


def made() -> str:
    """Return the whole file as it ought to be."""
    words = _table("AWS says", _explanations())
    codes = _table("Exit code", ((str(code), *told) for code, told in EXIT_CODES.items()))
    text = _put(FILE.read_text(encoding="utf-8"), "words of AWS", words)
    return _put(text, "exit codes", codes)


def sign(row: Explanation) -> str:
    """Return what AWS says, by which a row is found, as literal text: a leading word, and a phrase behind it."""
    words, phrase = row.leading.split(), row.phrase.strip(" :")
    if not phrase:
        return ", ".join(f"``{word}``" for word in words)
    # What tells of EC2's errors can begin with any of several words, which say nothing.
    return f"``{phrase}``" if not words or "Unexpected" in words else f"``{words[0]} … {phrase}``"


def _explanations() -> Iterator[tuple[str, str, str]]:
    """Yield a row for each meaning, with all that AWS says of it."""
    signs: dict[tuple[str, str], list[str]] = {}
    for row in EXPLANATIONS:
        signs.setdefault((row.meaning.replace("{subnet}", "a subnet"), row.remedy), []).append(sign(row))
    yield from ((", ".join(said), meaning, remedy) for (meaning, remedy), said in signs.items())


def _put(text: str, name: str, table: str) -> str:
    """Return the text with a table between its marks."""
    begin, end = f".. {name}: made by scripts/docs --write\n", f".. end of the {name}\n"
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ValueError(f"{FILE} has no marks for the {name}")
    return f"{before}{begin}\n{table}\n{end}{after}"


def _table(head: str, rows: Iterable[tuple[str, str, str]]) -> str:
    lines = [".. list-table::", "    :header-rows: 1", "    :widths: 3 4 6", ""]
    for row in ((head, "What it means", "What to do"), *rows):
        for first, cell in enumerate(row):
            lines += _wrapped("    * - " if not first else "      - ", cell)
    return "\n".join(lines) + "\n"


def _wrapped(mark: str, cell: str) -> list[str]:
    plain = re.sub(r"([\\*`|_<>])", r"\\\1", cell[0].upper() + cell[1:])
    text = cell if cell.startswith("``") else NAMES.sub(r"``\g<0>``", plain)
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )
