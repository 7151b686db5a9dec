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
"""The commits of the patch, in the order in which they are read."""

from __future__ import annotations

import ast
import re

import pytest
from tools.overlay.errors import OverlayError
from tools.overlay.left_out import without
from tools.overlay.papers import COMMANDS, CORE, DOCUMENTATION, LOGS
from tools.overlay.plan import Overlay, Plan
from tools.overlay.series import PARTS, series_of

from tests.overlay.conftest import REPOSITORY
from tests.overlay.test_pages import tree_of

LATER = ("package.later",)
SOURCE = """\
from package.first import One, Two
from package.later.logs import Log
from typing import Any, Text


class Executor:
    def __init__(self) -> None:
        self.one = One()
        self.log = Log(
            self.one,
        )

    # Why.
    @property
    def lines(self) -> Text:
        return self.log.read()

    def commands(self) -> Any:
        from package.later import commands

        return commands(Two)

    def run(self) -> Any:
        return self.one


PARTS = [Two]
PARTS.append(Log)
"""
WITHOUT = """\
from package.first import One, Two
from typing import Any


class Executor:
    def __init__(self) -> None:
        self.one = One()

    def run(self) -> Any:
        return self.one


PARTS = [Two]
"""


@pytest.fixture(scope="module")
def commits(tmp_path_factory):
    """Return the repository's own patch, for a new tree: what each commit adds or changes, by the commit's message."""
    tree = tree_of(tmp_path_factory.mktemp("tree"))
    return dict(series_of(Plan((), Overlay(REPOSITORY / "airflow").files(tree))))


def imported(source):
    """Return the modules of ours that a module imports anywhere."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    names = {f"{node.module}.{alias.name}" for node in nodes for alias in node.names} | {
        node.module for node in nodes
    }
    return {name for name in names if name.startswith("airflow.executors.fargate")}


def test_the_core_comes_first(commits):
    """Then logs, commands and documentation, each with its tests."""
    assert [*commits] == [CORE, LOGS, COMMANDS, DOCUMENTATION]
    logs, commands, documentation = ({*commits[message]} for message in (LOGS, COMMANDS, DOCUMENTATION))
    executor = "airflow/executors/fargate_executor.py"
    package = "airflow/executors/fargate"
    assert {
        f"{package}/logs/live.py",
        f"{package}/ui/remote_log.py",
        "tests/fargate/test_live.py",
        executor,
    } <= logs
    assert all(name == executor or re.search("/(logs|ui|bridge)/|/test_live", name) for name in logs)
    assert {"airflow/executors/fargate/cli/commands.py", "tests/fargate/test_commands.py"} <= commands
    assert {"docs/fargate.rst", "newsfragments/6440.feature.rst"} <= documentation
    assert not any(path.endswith(".py") and "example_dags" not in path for path in documentation)


def test_the_patch_is_one_that_somebody_reads(commits):
    """At most 20,000 lines that are not blank in 125 files, with what is added to Airflow's own; no more tests than package."""
    # Our section of options, the registry of metrics, and a line here and there.
    added = {"edits": 350, "docs": 0, "airflow": 0, "tests": 0, "newsfragments": 0}
    files = {path: content for new in commits.values() for path, content in new.items()}
    for path, content in files.items():
        added[path.split("/")[0]] += sum(1 for line in content.splitlines() if line.strip())
    assert sum(added.values()) <= 20_000, added
    assert added["tests"] <= added["airflow"]
    # Some ten of Airflow's own are edited.
    assert len(files) + 10 <= 125


def test_each_commit_has_what_it_imports(commits):
    """Also what is imported within a function, and by tests; and in the end each file is as it is laid."""
    so_far = {}
    for new in commits.values():
        so_far |= new
        modules = {
            path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for path in so_far
            if path.startswith("airflow/")
        }
        for path, content in so_far.items():
            if path.endswith(".py"):
                lacking = {
                    name for name in imported(content) if not {name, name.rpartition(".")[0]} & modules
                }
                assert lacking == set(), path
    executor = "airflow/executors/fargate_executor.py"
    assert so_far[executor] == (REPOSITORY / executor).read_bytes() != commits[CORE][executor]


def test_a_module_is_without_what_comes_later():
    """Neither methods and statements that need it nor imports that only these have used; what needs nothing of it stays as it is."""
    assert without(SOURCE.encode(), LATER, "executor.py").decode() == WITHOUT
    assert without(SOURCE.encode(), ("package.other",), "executor.py") == SOURCE.encode()


@pytest.mark.parametrize("use", ["ALL = [Log]\n", "import package.later\n", "class Other(Log):\n    pass\n"])
def test_what_cannot_do_without_is_refused(use):
    """A commit that cannot be imported is not made."""
    with pytest.raises(OverlayError, match=r"executor\.py needs what is not in this commit"):
        without((SOURCE + use).encode(), LATER, "folder/executor.py")


@pytest.mark.parametrize("message", [part.message for part in PARTS], ids=lambda message: message.subject)
def test_the_messages_have_the_form_that_the_guide_asks_for(message):
    """Subject of at most 50 characters, capitalised, without a full stop; body of at most 72 a line."""
    assert len(message.subject) <= 50
    assert message.subject[0].isupper()
    assert not message.subject.endswith(".")
    assert max(map(len, message.body.splitlines())) <= 72
