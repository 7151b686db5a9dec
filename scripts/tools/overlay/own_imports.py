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
"""
Imports that our files try, as a source tree has them.

Here a file serves all releases, so it tries to import from where the newer ones have a name, and falls back to Airflow 2.
A source tree is of one release: a pull request names the one place that it has.
"""

from __future__ import annotations

from functools import cache

import libcst as cst
import libcst.matchers as m

from tools.overlay.errors import OverlayError

# What stands behind the fallback.
MARK = "# Airflow 2"


@cache
def resolve(source: bytes, has_sdk: bool) -> bytes:
    """
    Return a file of ours with each such ``try`` replaced by the imports of one line of releases.

    :param has_sdk: whether the tree has Airflow's Task SDK, which Airflow 2 has not
    """
    module = cst.parse_module(source)
    choices = [statement for statement in module.body if _is_choice(statement)]
    if source.count(MARK.encode()) != len(choices):
        raise OverlayError(f"our own {MARK} is not behind an except ImportError of a module")
    body: list[cst.BaseStatement] = []
    for statement in module.body:
        body += _chosen(statement, has_sdk) if statement in choices else [statement]
    return module.with_changes(body=body).bytes


def _is_choice(statement: cst.BaseStatement) -> bool:
    """Whether this is a ``try`` of imports alone, with the mark behind its one handler."""
    imports = m.SimpleStatementLine(body=[m.ImportFrom() | m.Import()])
    block = m.IndentedBlock(body=[m.AtLeastN(imports, n=1)])
    marked = m.IndentedBlock(
        body=[m.AtLeastN(imports, n=1)], header=m.TrailingWhitespace(comment=m.Comment(MARK))
    )
    handler = m.ExceptHandler(type=m.Name("ImportError"), body=marked)
    return m.matches(statement, m.Try(body=block, handlers=[handler], orelse=None, finalbody=None))


def _chosen(statement: cst.Try, has_sdk: bool) -> list[cst.BaseStatement]:
    lines = list((statement if has_sdk else statement.handlers[0]).body.body)
    return [lines[0].with_changes(leading_lines=statement.leading_lines), *lines[1:]]
