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
"""The tables of bad input in the documentation, made from the rows that the tests run."""

from __future__ import annotations

import re
import textwrap

from tools.harness.environment import REPOSITORY

from tests.bad_input.table import (
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

FILE = REPOSITORY / "docs" / "reviewing" / "bad-input.rst"
#: The line before the generated text, which goes on to the end of the file.
MARK = ".. bad input: made by scripts/docs --write\n"
#: The heads of columns that quote. They are literal text, which Airflow's spelling check leaves out.
QUOTED = ("Message", "Airflow's message", "What the executor receives")
#: The tables: title, text above the table, head of the first and of the second column, rows.
TABLES: dict[str, tuple[str, str, str, list[Row]]] = {
    "A wrong option": (
        (
            "The scheduler does not start. Each message begins with ``[fargate] name = 'value':``, "
            "with ``…`` for a value that may be secret."
        ),
        "Option",
        "Message",
        OPTIONS,
    ),
    "An execution_config_function that fails at the start": (
        (
            "The scheduler does not start. "
            "Each message begins with ``[fargate] execution_config_function = 'path':``."
        ),
        "The module",
        "Message",
        FUNCTIONS_AT_THE_START,
    ),
    "An execution_config_function that fails for a task": (
        "This task fails. If AWS has not been asked, the message begins with ``No ECS task was launched:``.",
        "What it does",
        "Message",
        FUNCTIONS,
    ),
    "A wrong executor_config": (
        "This task fails. If AWS has not been asked, the message begins with ``No ECS task was launched:``.",
        "executor_config",
        "Message",
        WISHES,
    ),
    "An executor_config that is not a dict": (
        (
            "On Airflow 2.11 this task fails, with the message below.\n\n"
            ".. warning::\n\n"
            "    From Airflow 3.0 on **the scheduler ends**, with any executor, and again at each start, until the\n"
            "    Dag is paused: it makes a workload before it asks an executor, and a workload takes a dict only.\n"
            "    :ref:`executor:FargateExecutor:scheduler-ends` says what to do, and has a policy that prevents it."
        ),
        "executor_config",
        "Message",
        NO_DICTS,
    ),
    "A command that is too long": (
        "This task fails. The command contains Airflow's ids and paths.",
        "A path",
        "Message",
        LONG_COMMANDS,
    ),
    "Input that is valid": ("Ids in any alphabet that Airflow accepts.", "Id", "What happens", ODD_IDS),
    "Input that Airflow itself refuses": (
        "Airflow refuses this when it reads the Dag file. It does not reach an executor.",
        "In the Dag",
        "Airflow's message",
        REFUSED_BY_AIRFLOW,
    ),
    "Input that Airflow changes": (
        "Airflow changes this when it stores it in its database.",
        "In the Dag",
        "What the executor receives",
        CHANGED_BY_AIRFLOW,
    ),
}


def made() -> str:
    """Return the whole file with new tables."""
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
    # A long word, such as a path in a request, must not be broken.
    return textwrap.wrap(
        text,
        110,
        initial_indent="     - ",
        subsequent_indent="       ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _plain(text: str) -> str:
    """Return the text with characters that would be markup escaped."""
    return re.sub(r"([\\*`|_<>])", r"\\\1", text)
