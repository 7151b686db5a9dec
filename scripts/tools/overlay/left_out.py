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
"""A module without what needs modules that are missing: those of a later commit, or those that a source tree never gets."""

from __future__ import annotations

import ast
from pathlib import PurePosixPath

from tools.overlay.errors import OverlayError


def without(source: bytes, missing: tuple[str, ...], path: str) -> bytes:
    """
    Return a module without what needs modules that are missing.

    That is methods, statements of ``__init__()``, statements of the module that are one expression, and imports.

    :raises OverlayError: what is left would still need one
    """
    text = source.decode()
    if not any(module in text for module in missing):
        return source
    tree = ast.parse(text)
    imports = [node for node in ast.walk(tree) if _imports(node, missing)]
    # What is gone: what they import, and the attributes of ``self`` that are made of it.
    gone = {alias.name for node in imports for alias in node.names}
    methods = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    cut = [
        statement
        for node in methods
        if node.name == "__init__"
        for statement in node.body
        if gone & _read(statement)
    ]
    gone |= {
        node.attr
        for one in cut
        for node in ast.walk(one)
        if isinstance(node, ast.Attribute) and _is_set(node)
    }
    cut += [node for node in methods if node.name != "__init__" and gone & _read(node)]
    cut += [node for node in tree.body if isinstance(node, ast.Expr) and gone & _read(node)]
    cut += [node for node in imports if not any(node in ast.walk(one) for one in cut)]
    left = _cut_out(text, cut)
    used = _read(ast.parse(left))
    if gone & used or any(module in left for module in missing):
        raise OverlayError(
            f"{PurePosixPath(path).name} needs what is not in this commit, or not in the patch, in too many places"
        )
    return _without_imports(left, _read(tree) - used).encode()


def _imports(node: ast.AST, modules: tuple[str, ...]) -> bool:
    return isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(
        tuple(f"{name}." for name in modules)
    )


def _read(node: ast.AST) -> set[str]:
    """Return the names and the attributes that are read somewhere in a node; also those in annotations."""
    return {
        one.id if isinstance(one, ast.Name) else one.attr
        for one in ast.walk(node)
        if isinstance(one, (ast.Name, ast.Attribute)) and not _is_set(one)
    }


def _is_set(node: ast.Name | ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Store)


def _cut_out(text: str, nodes: list[ast.stmt]) -> str:
    """Return a text without the lines of some statements; a function goes with its decorators and what is above it."""
    lines = text.splitlines(keepends=True)
    for node in sorted(nodes, key=lambda node: node.lineno, reverse=True):
        begin = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))]) - 1
        while isinstance(node, ast.FunctionDef) and lines[begin - 1].lstrip()[:1] in ("", "#"):
            begin -= 1
        del lines[begin : node.end_lineno]
    return "".join(lines)


def _without_imports(text: str, names: set[str]) -> str:
    """Return a text without the imports of names that nothing reads any more."""
    for node in sorted(ast.walk(ast.parse(text)), key=lambda node: -getattr(node, "lineno", 0)):
        if isinstance(node, ast.ImportFrom) and names & {alias.name for alias in node.names}:
            kept = [alias for alias in node.names if alias.name not in names]
            lines = text.splitlines(keepends=True)
            node.names = kept
            line = f"{' ' * node.col_offset}{ast.unparse(node)}\n" if kept else ""
            text = "".join([*lines[: node.lineno - 1], line, *lines[node.end_lineno :]])
    return text
