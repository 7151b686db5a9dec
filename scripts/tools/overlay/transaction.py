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
Changes to files that take place all or not at all.

A file is never written in place: its successor is made elsewhere and renamed over it. Installers such as uv link the
files of an environment to those in their cache, and a write in place would reach every environment on the machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType


class Transaction:
    """
    A context in which files change; any exception that leaves it, Ctrl-C too, undoes all of them.

    :param room: a folder on the tree's file system for what was there before, while the context lasts
    """

    def __init__(self, room: Path):
        self._room = room
        self._undo: list[Callable[[], object]] = []

    def __enter__(self) -> Transaction:
        self._kept = Path(tempfile.mkdtemp(prefix="undo-", dir=self._room))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if kind is not None:
            for undo in reversed(self._undo):
                undo()
        # Nobody misses what may be left here, and it must not undo what is done.
        shutil.rmtree(self._kept, ignore_errors=True)

    def write(self, path: Path, content: bytes, mode: int) -> None:
        def make(successor: Path) -> None:
            successor.write_bytes(content)
            successor.chmod(mode)

        self._put(path, make)

    def link(self, path: Path, target: Path) -> None:
        self._put(path, lambda successor: successor.symlink_to(target))

    def restore(self, path: Path, original: Path) -> None:
        """Put ``original`` itself at ``path``, with its times and mode; it stays where it is, too."""
        self._put(path, lambda successor: duplicate(original, successor))

    def remove(self, path: Path) -> None:
        if os.path.lexists(path):
            kept = self._keep(path)
            path.unlink()
            self._undo.append(lambda: os.replace(kept, path))

    def make_folder(self, path: Path) -> None:
        path.mkdir()
        self._undo.append(path.rmdir)

    def remove_folder(self, path: Path) -> None:
        path.rmdir()
        self._undo.append(path.mkdir)

    def _put(self, path: Path, make: Callable[[Path], object]) -> None:
        kept = self._keep(path) if os.path.lexists(path) else None
        successor = self._kept / "successor"
        try:
            make(successor)
            os.replace(successor, path)
        finally:
            # Left over after a failure, and where both names were links to one file: then rename does nothing.
            successor.unlink(missing_ok=True)
        self._undo.append(path.unlink if kept is None else lambda: os.replace(kept, path))

    def _keep(self, path: Path) -> Path:
        kept = self._kept / str(len(self._undo))
        duplicate(path, kept)
        return kept


def duplicate(path: Path, copy: Path) -> None:
    """Give the very file a second name, or copy it with times and mode where the file system has no hard links."""
    try:
        os.link(path, copy, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(path, copy, follow_symlinks=False)
