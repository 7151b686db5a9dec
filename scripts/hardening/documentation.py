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
"""The table of bad input for readers, made from the rows that the tests run."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from hardening.bad_input import (
    CHANGED_BY_AIRFLOW,
    FUNCTIONS,
    FUNCTIONS_AT_THE_START,
    LONG_COMMANDS,
    NO_DICTS,
    ODD_IDS,
    OPTIONS,
    REFUSED_BY_AIRFLOW,
    WISHES,
    Row,
)

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = REPOSITORY / "docs" / "executor" / "fargate-bad-input.rst"
#: What stands before what is made; it goes on to the end of the file.
MARK = ".. bad input: made by scripts/bad_input_table\n"
#: The heads of columns that quote; Airflow's check of spelling leaves out what is literal.
QUOTED = ("What is said", "Airflow's words", "What the executor meets")
#: The tables: their titles, what is said above, the head of the first and of the second column, their rows.
TABLES: dict[str, tuple[str, str, str, list[Row]]] = {
    "A wrong option": (
        "The scheduler does not start. Each message begins with ``[fargate] name = 'value':``, with ``…`` for a value that may be secret.",
        "Option",
        "What is said",
        OPTIONS,
    ),
    "An execution_config_function that goes wrong at the start": (
        "The scheduler does not start. Of the option stands first: ``[fargate] execution_config_function = 'path':``.",
        "The module",
        "What is said",
        FUNCTIONS_AT_THE_START,
    ),
    "An execution_config_function that goes wrong for a task": (
        "That task fails; where AWS has not been asked, ``No ECS task was launched:`` stands first.",
        "What it does",
        "What is said",
        FUNCTIONS,
    ),
    "A wrong executor_config": (
        "That task fails; where AWS has not been asked, ``No ECS task was launched:`` stands first.",
        "executor_config",
        "What is said",
        WISHES,
    ),
    "An executor_config that is no dict": (
        "On Airflow 2.11 that task fails with this. From 3.0 on Airflow itself takes none but a dict.",
        "executor_config",
        "What is said",
        NO_DICTS,
    ),
    "A command that is too long": (
        "That task fails. In the command are Airflow's ids and paths.",
        "A path",
        "What is said",
        LONG_COMMANDS,
    ),
    "What is no mistake": ("Ids of any alphabet that Airflow admits.", "Id", "What happens", ODD_IDS),
    "What Airflow itself refuses": (
        "When it reads the file of the DAG. No executor meets it.",
        "In the DAG",
        "Airflow's words",
        REFUSED_BY_AIRFLOW,
    ),
    "What Airflow changes": (
        "On the way through its database.",
        "In the DAG",
        "What the executor meets",
        CHANGED_BY_AIRFLOW,
    ),
}


def made() -> str:
    """Return the whole file as it ought to be."""
    head, _, _ = FILE.read_text().partition(MARK)
    return head + MARK + "".join(_table(title, *parts) for title, parts in TABLES.items())


def _table(title: str, above: str, first: str, second: str, rows: list[Row]) -> str:
    lines = ["", title, "-" * len(title), "", above, "", ".. list-table::", "   :header-rows: 1", ""]
    lines += [f"   * - {first}", f"     - {second}"]
    for row in rows:
        literal = row.given.encode("unicode_escape").decode() if not row.given.isprintable() else row.given
        said = f"``{row.says}``" if second in QUOTED else _plain(row.says)
        lines += [f"   * - ``{literal}``", *_wrapped(said)]
    return "\n".join(lines) + "\n"


def _wrapped(text: str) -> list[str]:
    # A long word, such as a path into a request, must not be broken.
    return textwrap.wrap(
        text,
        110,
        initial_indent="     - ",
        subsequent_indent="       ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _plain(text: str) -> str:
    """Return the text with what would be markup escaped."""
    return re.sub(r"([\\*`|_<>])", r"\\\1", text)
