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
"""A clone of the checkout, and commands that run in it with nothing of the caller's own settings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.harness.environment import REPOSITORY, VENVS, registry_settings
from tools.overlay.layout import Tree, find_tree

# Seconds for the longest of the commands, Airflow's tests.
TIMEOUT = 3600
WHO = ("-c", "user.name=Upstream Check", "-c", "user.email=upstream@localhost")


class UpstreamError(Exception):
    """The checks cannot be made at all; the message says why."""


def ask(*command: str | Path) -> str:
    """Run a command and return what it says; raises UpstreamError where it fails."""
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise UpstreamError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout.strip()


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    output: str


class Clone:
    """
    The clone.

    :param source: the checkout, which is only read
    :param room: an empty folder that is gone afterwards
    :param logs: where to keep what commands said
    """

    def __init__(self, source: Path, room: Path, logs: Path):
        self.root = room / "airflow"
        self.home = room / "home"
        # Airflow's tests put their database there, and those of 3.0 do not make the folder.
        (self.home / "airflow").mkdir(parents=True)
        self._logs = logs
        self._programs = self.home / "bin"
        self.repository = room / "repository"
        for name in ("airflow", "tests/executors", "docs/executor"):
            # A copy, so that all checks see the same, whatever is edited meanwhile.
            shutil.copytree(REPOSITORY / name, self.repository / name)
        self._clone(source)
        self.tree: Tree = find_tree(self.root)

    def _clone(self, source: Path) -> None:
        top = ask("git", "-C", source, "rev-parse", "--show-toplevel")
        if Path(top) != find_tree(source).root:
            raise UpstreamError(
                f"{source} is no git repository of its own: git init, git add -A, git commit."
            )
        if ask("git", "-C", source, "status", "--porcelain", "--untracked-files=no"):
            raise UpstreamError(
                f"{source} has changes that are not committed; they would not be in the clone."
            )
        ask("git", "clone", "--quiet", "--shared", "--no-tags", source, self.root)

    def git(self, *arguments: str) -> str:
        """Run git in the clone and return what it says; raises UpstreamError where it fails."""
        return ask("git", "-C", self.root, *WHO, *arguments)

    def commits(self) -> list[str]:
        """Return the commits of the patch, the first one first."""
        return self.git("rev-list", "--reverse", "--abbrev-commit", "before..HEAD").splitlines()

    def stand_in(self, program: str) -> None:
        """Let there be a program that fails; commands find it unless there is one before it on the path."""
        path = self._programs / program
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\necho '{program} is not here' >&2\nexit 1\n", encoding="utf-8")
        path.chmod(0o755)

    def overlay(self, *arguments: str) -> Done:
        """Run the overlay's command line on the clone."""
        return self.run("overlay", *self.overlay_command(*arguments))

    def overlay_command(self, command: str, *options: str) -> list[str]:
        """Return a command of the overlay on the clone."""
        script = [sys.executable, str(REPOSITORY / "scripts" / "overlay.py"), command, str(self.root)]
        return [*script, f"--repository={self.repository}", *options]

    def run(self, log: str, *command: str | Path, **settings: str) -> Done:
        """Run a command in the clone; what it says goes to the log of that name, too."""
        done = subprocess.run(
            [str(word) for word in command],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=self.root,
            timeout=TIMEOUT,
            env=self._environment() | settings,
        )
        with (self._logs / f"{log}.log").open("a", encoding="utf-8") as file:
            file.write(f"$ {' '.join(map(str, command))}\n{done.stdout}\n")
        return Done(done.returncode, done.stdout)

    def _environment(self) -> dict[str, str]:
        """Return the caller's environment without his Airflow, with the clone's packages in front of installed ones."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW", "AWS_", "GIT_", "PYTEST", "PYTHON"))
        }
        sources = (self.tree.package.parent, *(self.root / p for p in ("task-sdk/src", "devel-common/src")))
        # Airflow's test plugin calls uv, since 3.0, with scripts that are for one Python.
        programs = (
            str(Path(sys.executable).parent),
            str(VENVS / "tools/bin"),
            kept.get("PATH", os.defpath),
            str(self._programs),
        )
        return (
            registry_settings()
            | kept
            | {
                # Airflow's tests of its configuration expect its folder where it is by default.
                "HOME": str(self.home),
                "PATH": os.pathsep.join(programs),
                "PYTHONPATH": os.pathsep.join(str(path) for path in sources if path.is_dir()),
                "PYTHONDONTWRITEBYTECODE": "1",
                # Environments of hooks take minutes to make.
                "PREK_HOME": str(VENVS / "prek"),
                "BACKEND": "sqlite",
                "UV_PYTHON": sys.executable,
            }
        )
