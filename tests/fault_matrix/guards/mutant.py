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
"""A copy of the executor's package from which a guard was taken out; the work tree is never touched."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tools.harness.environment import REPOSITORY

if TYPE_CHECKING:
    from tests.fault_matrix.guards.table import Guard

_AIRFLOW = REPOSITORY / "airflow"
#: What is copied: the package, and what it reads beside itself.
_COPIED = ("executors/fargate", "executors/fargate_executor.py", "config_templates/fargate.yml")


class NotFoundOnce(Exception):
    """A piece of text is not there, or more than once."""


@contextlib.contextmanager
def copy() -> Iterator[Path]:
    """Yield ``executors/`` of a copy as it is; it is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="without-a-guard-") as folder:
        for name in _COPIED:
            source, target = _AIRFLOW / name, Path(folder) / name
            target.parent.mkdir(exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        yield Path(folder) / "executors"


def take_out(guard: Guard, executors: Path) -> None:
    """
    Take a guard out of a copy.

    :raises NotFoundOnce: its place is not found exactly once
    """
    for edit in guard.edits:
        path = executors / edit.file
        text = path.read_text()
        if text.count(edit.old) != 1:
            raise NotFoundOnce(f"{edit.file} has {text.count(edit.old)} times, not once: {edit.old!r}")
        changed = text.replace(edit.old, edit.new)
        compile(changed, str(path), "exec")
        path.write_text(changed)
