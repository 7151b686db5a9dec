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
What the overlay remembers about a tree, in a folder inside the tree, so that ``revert`` needs nothing else.

The folder holds ``state.json`` and, below ``originals/``, Airflow's files as they were. They are the very files where
the file system has hard links, so that they come back with times and mode.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tools.overlay.errors import OverlayError
from tools.overlay.transaction import duplicate

FOLDER = ".fargate_overlay"
FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """
    One path that the overlay has taken over.

    :param now: fingerprint of what it put there, None for nothing
    :param original: whether what was there before is kept below ``originals/``: a file of Airflow's
    """

    now: str | None
    original: bool = False


@dataclass(frozen=True)
class State:
    """
    What was applied.

    :param airflow: the tree's version then
    :param overlay: fingerprint of the repository's files then
    :param linked: whether our files are links to the repository
    :param complete: False while files are being changed; what is found so was interrupted
    :param entries: every path taken over, relative to the tree's root
    :param folders: folders that were made, outermost first
    """

    airflow: str
    overlay: str
    linked: bool
    complete: bool = True
    entries: dict[str, Entry] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)


class Journal:
    """The folder, which is there exactly while something is applied."""

    def __init__(self, root: Path):
        self._root = root
        self.folder = root / FOLDER
        self._state = self.folder / "state.json"

    def read(self) -> State | None:
        """Return what was applied, or None."""
        try:
            known = json.loads(self._state.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise OverlayError(f"{self._state} cannot be read ({error}); reinstall this Airflow.") from error
        if known.pop("format", None) != FORMAT:
            raise OverlayError(
                f"{self._state} is of another overlay's format; revert with the one that applied it."
            )
        entries = {path: Entry(**entry) for path, entry in known.pop("entries").items()}
        return State(entries=entries, **known)

    def begin(self) -> None:
        """Make the folder, which git is not to see in a source tree."""
        self.folder.mkdir(exist_ok=True)
        ignored = self.folder / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n", encoding="utf-8")

    def write(self, state: State) -> None:
        successor = self.folder / "state.json.new"
        successor.write_text(
            json.dumps({"format": FORMAT, **asdict(state)}, indent=1) + "\n", encoding="utf-8"
        )
        os.replace(successor, self._state)

    def end(self) -> None:
        """Forget the state; what else is in the folder is void then."""
        self._state.unlink()

    def original(self, path: str) -> Path:
        return self.folder / "originals" / path

    def keep(self, path: str) -> None:
        """Remember the file as it is now; a file remembered earlier is forgotten."""
        original = self.original(path)
        original.parent.mkdir(parents=True, exist_ok=True)
        original.unlink(missing_ok=True)
        duplicate(self._root / path, original)


def fingerprint(path: Path) -> str | None:
    """Tell files apart by what they hold, and links by where they lead; None where there is neither."""
    if path.is_symlink():
        return link_fingerprint(Path(os.readlink(path)))
    try:
        return content_fingerprint(path.read_bytes())
    except FileNotFoundError:
        return None


def content_fingerprint(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def link_fingerprint(target: Path) -> str:
    return f"link:{target}"
