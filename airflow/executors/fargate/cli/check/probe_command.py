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
"""Makes the command of ``airflow fargate check --run`` from the source of the probe."""

from __future__ import annotations

import ast
import inspect
from typing import Any

from airflow.executors.fargate.cli.check import probe

#: Modules that only annotations need.
OF_ANNOTATIONS = ("__future__", "typing")


class _Shortener(ast.NodeTransformer):
    """Takes out of a syntax tree what only readers and type checkers need: docstrings and annotations."""

    def visit_Module(self, node: Any) -> Any:
        if ast.get_docstring(node) is not None:
            del node.body[0]
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: Any) -> Any:
        node.returns = None
        return self.visit_Module(node)

    def visit_arg(self, node: ast.arg) -> Any:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: Any) -> Any:
        return ast.Assign([node.target], self.visit(node.value), lineno=node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        return None if node.module in OF_ANNOTATIONS else node

    def visit_If(self, node: ast.If) -> Any:
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


def probe_command(version: str) -> tuple[str, ...]:
    """
    Return the command of the container. The source stays readable, as AWS shows it in the console.

    :param version: the scheduler's version of Airflow, for the probe's exit code.
    """
    source = ast.unparse(_Shortener().visit(ast.parse(inspect.getsource(probe))))
    lines = source.replace("    ", " ").splitlines()
    return "python", "-c", "\n".join(filter(None, lines)), version
