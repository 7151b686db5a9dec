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
The patch as a series of commits, in the order in which a reviewer reads them.

Each commit can be imported, and passes its tests: what needs modules that come later comes with them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tools.overlay.cli_parser import PATH as PARSER
from tools.overlay.errors import OverlayError
from tools.overlay.papers import COMMANDS, CORE, DOCUMENTATION, LOGS, Message

if TYPE_CHECKING:
    from tools.overlay.plan import Plan

PACKAGE = "airflow.executors.fargate"


@dataclass(frozen=True)
class Part:
    """
    One commit of the series.

    :param message: of the commit
    :param files: which of the patch's files are new, or edited, in it
    :param modules: the modules, or the rooms, that it brings, and that earlier commits cannot import
    """

    message: Message
    files: re.Pattern[str]
    modules: tuple[str, ...] = ()


# The first one whose pattern fits a file has it; the core comes first, and has what no other part has.
LATER = (
    Part(
        LOGS,
        re.compile(
            r"/fargate/(logs/(copies|elsewhere|fetching|lines|live|merging|tries)|bridge/(notes_table|tries|try_log)"
            r"|test_live)\.py$|/fargate/ui/"
        ),
        (
            *(f"{PACKAGE}.logs.{name}" for name in ("copies", "elsewhere", "fetching", "lines", "live")),
            *(f"{PACKAGE}.logs.{name}" for name in ("merging", "tries")),
            *(f"{PACKAGE}.bridge.{name}" for name in ("notes_table", "tries", "try_log")),
            f"{PACKAGE}.ui",
        ),
    ),
    Part(
        COMMANDS,
        re.compile(rf"/fargate/cli/|/fargate/test_(commands|imports)\.py$|/{PARSER}$"),
        (f"{PACKAGE}.cli",),
    ),
    Part(DOCUMENTATION, re.compile(r"(^|/)(docs|newsfragments|example_dags)/")),
)
PARTS = (Part(CORE, re.compile("")), *LATER)


def series_of(plan: Plan) -> Iterator[tuple[Message, dict[str, bytes]]]:
    """
    Yield each commit's message, and the files that it adds or changes.

    :raises OverlayError: a module cannot do without what comes later
    """
    patch, so_far = plan.after(), dict[str, bytes]()
    for number, part in enumerate(PARTS):
        missing = tuple(module for later in PARTS[number + 1 :] for module in later.modules)
        here = {path: content for path, content in patch.items() if PARTS.index(_part_of(path)) <= number}
        modules = {path for path in here if path in plan.files and path.endswith(".py")}
        here |= {path: without(here[path], missing, path) for path in modules}
        if new := {path: content for path, content in here.items() if so_far.get(path) != content}:
            yield part.message, new
        so_far = here


def _part_of(path: str) -> Part:
    return next((part for part in LATER if part.files.search(path)), PARTS[0])


def without(source: bytes, missing: tuple[str, ...], path: str) -> bytes:
    """
    Return a module without what needs modules that are missing: methods, statements of ``__init__()``, and imports.

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
    cut += [node for node in imports if not any(node in ast.walk(one) for one in cut)]
    left = _cut_out(text, cut)
    used = _read(ast.parse(left))
    if gone & used or any(module in left for module in missing):
        raise OverlayError(
            f"{PurePosixPath(path).name} needs what comes in a later commit in too many places"
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
