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
"""Airflow trees to lay the overlay on, and small repositories to lay on them."""

from __future__ import annotations

import os
import shutil
import sys
from functools import lru_cache
from pathlib import Path

import pytest
from tools.overlay import rules
from tools.overlay.installation import Installation
from tools.overlay.layout import Tree, find_tree
from tools.overlay.plan import Overlay

from tests.overlay.installed import LINT, LOADING, Airflow

REPOSITORY = Path(__file__).resolve().parents[2]
LOCAL_EXECUTOR = "airflow.executors.local_executor.LocalExecutor"
# What the overlay reads or writes of Airflow's package.
TOUCHED = ("__init__.py", "cli", "executors", "config_templates", "example_dags")

SECTION = """\
# A header that stays in the repository.
---
fargate:
  description: Runs on « Fargate »
  options:
    cluster:
      description: |
        Where tasks run.
      version_added: ~
      type: string
      example: ~
      default: ~
    poll_interval:
      description: Seconds
      version_added: ~
      type: float
      example: "1.0"
      default: "2.0"
"""
EXAMPLE = """\
import os

# Why.
try:
    from airflow.sdk import dag
    from airflow.standard import trigger
except ImportError:  # Airflow 2
    from airflow.decorators import dag

DAG = dag
"""
FILES = {
    "config_templates/fargate.yml": SECTION,
    "executors/fargate_executor.py": "class FargateExecutor:\n    pass\n",
    "executors/fargate/__init__.py": "",
    "executors/fargate/fleet.py": "FLEET = 1\n",
    "example_dags/example_fargate_executor.py": EXAMPLE,
}
HEADER = "".join(f"# Line {number} of a licence.\n" for number in range(1, 17))
PAGE = """\
Fargate Executor
================

=========================  =======  ==========================
Name                       Kind     What it tells
=========================  =======  ==========================
``fargate_executor.ends``  counter  what has "ended"
``fargate_executor.lives`` gauge    what lives
``fargate_executor.lasts`` timer    how long it lasts
=========================  =======  ==========================
"""
# What only a source tree takes.
PAPERS = {
    "tests/executors/conftest.py": HEADER + "CLOCK = 1\n",
    "tests/executors/test_fargate_executor.py": HEADER + "TEST = 1\n",
    "tests/executors/fargate/test_fleet.py": HEADER + "TEST = 2\n",
    "docs/executor/fargate.rst": PAGE,
    "docs/executor/fargate-cli.rst": "Commands\n========\n",
}
# What stays in the repository: tables of tests, data, pictures.
STAYS = {
    "docs/executor/fargate-check.rst": "Check\n=====\n",
    "docs/executor/picture.svg": "<svg/>\n",
    "docs/executor/figures.json": "{}\n",
}
LITTER = (
    "executors/fargate/__pycache__/fleet.cpython-312.pyc",
    "executors/.fleet.py.swp",
    "executors/fargate/fleet.py~",
)


@pytest.fixture(scope="session", autouse=True)
def edits_once():
    """Work out the same edit of the same bytes once for all tests; nothing but the bytes goes into it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("register_name", "register_class", "bring_commands", "add_section"):
            patch.setattr(rules, name, lru_cache(getattr(rules, name)))
        yield


@pytest.fixture(autouse=True)
def compiled_beside_the_source(monkeypatch):
    """Have compiled modules where an Airflow has them, wherever the test run keeps its own."""
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)


@pytest.fixture(scope="session")
def plain_airflow(tmp_path_factory):
    """Return the installed Airflow as it is without the overlay, with what Python has compiled of it; to be copied."""
    folder = tmp_path_factory.mktemp("plain")
    clone(find_tree().package, folder / "airflow", compiled=True)
    return Airflow(folder / "airflow", tmp_path_factory.mktemp("plain-home"))


@pytest.fixture(scope="session")
def with_another_executor(plain_airflow):
    """Return what it answers where another executor of the core is set; this also compiles what its commands need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONPYCACHEPREFIX", raising=False)
        commands = plain_airflow.listing, LINT
        return plain_airflow.ask(*commands, first=LOADING, AIRFLOW__CORE__EXECUTOR=LOCAL_EXECUTOR)


@pytest.fixture
def overlay(tmp_path):
    """Return a repository with few files, and with what Python and editors leave behind."""
    root = tmp_path / "repository" / "airflow"
    for name, content in {**FILES, **dict.fromkeys(LITTER, "litter")}.items():
        put(root / name, content)
    for name, content in (PAPERS | STAYS).items():
        put(root.parent / name, content)
    return Overlay(root)


@pytest.fixture
def tree(tmp_path):
    """Return a copy of what the overlay touches of the Airflow that runs the tests, without the overlay."""
    package = tmp_path / "site-packages" / "airflow"
    clone(find_tree().package, package, only=TOUCHED)
    return find_tree(package)


@pytest.fixture
def installation(overlay, tree):
    return Installation(overlay, tree)


def clone(installed: Path, package: Path, only: tuple[str, ...] = (), compiled: bool = False) -> None:
    """Copy an installed package; the overlay that the environment may have is taken off the copy."""
    # Python, in other tests, is about to rename what ends on a number.
    left = ("*.map", "*.pyc.*") if compiled else ("*.map", "__pycache__")
    names = [*only, ".fargate_overlay"] if only else os.listdir(installed)
    package.mkdir(parents=True)
    for name in names:
        source = installed / name
        if source.is_dir():
            # Through a link a test would write into the working tree.
            assert not any(path.is_symlink() for path in source.rglob("*")), (
                f"{source} holds links; run these tests in an environment that has its own files (scripts/test)"
            )
            shutil.copytree(source, package / name, ignore=shutil.ignore_patterns(*left))
        elif source.exists():
            shutil.copy2(source, package / name)
    Installation(Overlay(REPOSITORY / "airflow"), Tree(package, "")).revert(force=True)


def put(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def snapshot(package: Path) -> dict[str, tuple]:
    """Return every file with its bytes, mode and time, every link with its target, every folder."""
    return {path.relative_to(package).as_posix(): _state(path) for path in sorted(package.rglob("*"))}


def _state(path: Path) -> tuple:
    if path.is_symlink():
        return "link", os.readlink(path)
    if path.is_dir():
        return ("folder",)
    status = path.stat()
    return "file", path.read_bytes(), status.st_mode, status.st_mtime_ns
