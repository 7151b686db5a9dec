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
The commands ``airflow fargate`` in Airflow's ``cli/cli_parser.py``.

To 3.1 Airflow asks the executors that are configured for their commands. Since 3.2 it asks providers alone, and
executors only where they belong to providers, so that an executor of its core is not heard.
"""

from __future__ import annotations

import ast
from functools import cache

import libcst as cst
import libcst.matchers as m
from libcst.helpers import get_full_name_for_node

from tools.overlay.errors import OverlayError
from tools.overlay.python_source import only, parse

PATH = "cli/cli_parser.py"
MODULE = "airflow.executors.fargate.cli.definition"
FUNCTION = "fargate_commands"
#: Where Airflow gathers its commands.
LIST = "airflow_commands"


@cache
def asks_executors(source: bytes) -> bool:
    """
    Tell whether Airflow asks every executor that is configured for its commands.

    :param source: ``cli_parser.py``; what cannot be read asks nobody, so that :func:`bring_commands` refuses it
    """
    try:
        names = {
            node.attr if isinstance(node, ast.Attribute) else node.id
            for node in ast.walk(ast.parse(source))
            if isinstance(node, (ast.Attribute, ast.Name))
        }
    except SyntaxError:
        return False
    return {"ExecutorLoader", "get_cli_commands"} <= names and "ProvidersManager" not in names


@cache
def bring_commands(source: bytes) -> bytes:
    """
    Return ``cli_parser.py`` with our commands beside those of Airflow's core.

    :raises OverlayError: the file is not of the form that the edit needs
    """
    module = parse(source)
    if FUNCTION.encode() in source:
        raise OverlayError(f"{FUNCTION} stands there already, and not by this overlay")
    line = m.SimpleStatementLine(body=[m.Assign(targets=[m.AssignTarget(m.Name(LIST))])])
    gathered = only([i for i, node in enumerate(module.body) if m.matches(node, line)], f"list {LIST}")
    before = [i for i, node in enumerate(module.body[:gathered]) if _comes_before(node)]
    if not before:
        raise OverlayError("no import from Airflow stands before the list of commands")
    body = list(module.body)
    # The later place first, so that the other one stays where it is.
    body.insert(gathered + 1, _statement(module, f"{LIST}.extend({FUNCTION}())"))
    body.insert(before[-1] + 1, _statement(module, f"from {MODULE} import {FUNCTION}"))
    return module.with_changes(body=body).bytes


def _comes_before(node: cst.CSTNode) -> bool:
    """Tell whether a statement is an import of Airflow's that isort puts before ours."""
    if not m.matches(node, m.SimpleStatementLine(body=[m.ImportFrom()])):
        return False
    name = get_full_name_for_node(node.body[0].module)
    return name.startswith("airflow.") and name < MODULE


def _statement(module: cst.Module, text: str) -> cst.SimpleStatementLine:
    return cst.parse_statement(f"{text}\n", config=module.config_for_parsing)
