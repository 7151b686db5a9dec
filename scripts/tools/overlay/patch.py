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
"""The whole change as a patch, made by git itself from the files before and after."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tools.overlay.errors import OverlayError
from tools.overlay.series import series_of

if TYPE_CHECKING:
    from tools.overlay.plan import Plan


def make_patch(plan: Plan, root: Path, mail: bool = False) -> bytes:
    """
    Return what ``git apply`` takes, or with ``mail`` the series of commits that ``git am`` takes.

    Nothing is read from the tree but the author's name, with ``mail``: whoever git there says would commit.

    :raises OverlayError: git is missing, or knows no author
    """
    with tempfile.TemporaryDirectory(prefix="overlay-patch-") as folder:
        git = _Git(Path(folder))
        git("init", "--quiet")
        before = {edit.rule.path: edit.before for edit in plan.edits}
        git.commit(before, "before")
        if not mail:
            git.add(plan.after())
            return git("diff", "--cached", "--binary")
        author, commits = _author(root), list(series_of(plan))
        for message, files in commits:
            git.commit(files, f"{message.subject}\n\n{message.body}", author)
        return git("format-patch", "--stdout", "--binary", f"-{len(commits)}")


class _Git:
    """A repository of our own, which no setting of the user's or the machine's reaches."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_COMMITTER_NAME": "overlay",
            "GIT_COMMITTER_EMAIL": "overlay@localhost",
        }

    def __call__(self, *arguments: str, **environment: str) -> bytes:
        return _run(["git", *arguments], self._folder, {**self._environment, **environment})

    def add(self, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self("add", "--force", "--all")

    def commit(
        self,
        files: dict[str, bytes],
        message: str,
        author: tuple[str, str] = ("overlay", "overlay@localhost"),
    ) -> None:
        self.add(files)
        name, address = author
        who = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": address}
        self("commit", "--quiet", "--no-verify", "--allow-empty", f"--message={message}", **who)


def _author(root: Path) -> tuple[str, str]:
    """Ask git who would be the author of a commit in ``root``."""
    known = _run(["git", "var", "GIT_AUTHOR_IDENT"], root, dict(os.environ)).decode()
    name, _, rest = known.partition(" <")
    return name, rest.partition(">")[0]


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> bytes:
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise OverlayError("git is missing; the patch is made with it.") from error
    if done.returncode:
        raise OverlayError(f"{' '.join(command[:2])}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
