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

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.overlay.cli_parser import PATH as PARSER
from tools.overlay.left_out import without
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
