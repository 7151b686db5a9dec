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
"""The table of what is untested, for readers, in the documentation. Made from the rows."""

from __future__ import annotations

import textwrap

from tools.harness.environment import REPOSITORY

from tests.aws.resolver import TEMPLATES, read
from tests.aws.untested import PROPERTIES, TYPES

FILE = REPOSITORY / "docs" / "executor" / "fargate-aws.rst"
#: What stands before and after what is made.
BEGIN, END = ".. untested: made by scripts/docs --write\n", ".. end of untested\n"
WIDTH = 110


def rst() -> str:
    """Return the table: the resource or its property, the templates that have it, and the reason."""
    types = {
        path.name: {resource["Type"] for resource in read(path)["Resources"].values()}
        for path in sorted(TEMPLATES.glob("*.yaml"))
    }
    lines = [".. list-table::", "    :header-rows: 1", "    :widths: 5 3 5", ""]
    lines += ["    * - Resource and property", "      - Template", "      - Why ministack does not show it"]
    for what, reason in sorted({**PROPERTIES, **TYPES}.items()):
        kind = what.partition(".")[0]
        having = ", ".join(f"``{name}``" for name, found in types.items() if kind in found)
        # Else a long property makes the table wider than the page.
        lines.append(f"    * - ``{what.removeprefix('AWS::')}``")
        lines += [f"      - {having}", *_wrapped(reason)]
    return "\n".join(["", *lines, "", ""])


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="      - ", subsequent_indent="        ")


def made() -> str:
    """
    Return the text of the page with the table in its place; the rest of it is as it is.

    :raises ValueError: where the page has no place for it.
    """
    before, begun, rest = FILE.read_text(encoding="utf-8").partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (begun and ended):
        raise ValueError(f"{FILE} has no marks for what is untested")
    return f"{before}{BEGIN}{rst()}{END}{after}"
