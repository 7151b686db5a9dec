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
"""The types of the patch's files, with the mypy that the tree pins and as it configures it."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tools.harness.environment import REQUIREMENTS, VENVS
from tools.upstreaming.clone import UpstreamError
from tools.upstreaming.complaints import beyond
from tools.upstreaming.hook_configuration import folders
from tools.upstreaming.patch import changed_files
from tools.upstreaming.table import Row

if TYPE_CHECKING:
    from tools.upstreaming.clone import Clone

# Where trees pin mypy: to 2.11, since then.
PINS = ("hatch_build.py", "devel-common/pyproject.toml")
CHECK = "types, by mypy as the tree configures it"
# A source distribution has neither: our own pin, and what of a checkout's settings matters here.
OUR_PIN = REQUIREMENTS / "tools.in"
OUR_CHECK = "types, by our mypy"
OUR_OPTIONS = ("--ignore-missing-imports", "--explicit-package-bases")
# The hook for what is in Airflow's core, tests and all: to 2.11, since then.
HOOKS = ("mypy-airflow", "mypy-airflow-core")


def check_types(clone: Clone) -> Row:
    """Check the files of the patch that the tree's hook of mypy looks at; what is wrong in others does not count."""
    check, pins = CHECK, [clone.root / name for name in PINS]
    if clone.tree.checkout.is_distribution:
        check, pins = OUR_CHECK, [OUR_PIN]
    version = _pinned(pins)
    if version is None:
        return Row(check, "-", f"no pin of mypy in {' or '.join(PINS)}", None)
    modified, files = (_looked_at(clone, changed_files(clone, kinds)) for kinds in ("M", "AM"))
    try:
        before = _before(clone, version, modified)
        after = _errors(clone, version, files)
    except UpstreamError as error:
        return Row(check, "-", "broke off", False, tuple(str(error).splitlines()))
    new = beyond(after, before)
    return Row(
        f"{check} ({version})",
        f"{len(before)} errors in {len(modified)} files",
        f"{len(after)} errors in {len(files)} files",
        bool(files) and not new,
        tuple(new),
    )


def _before(clone: Clone, version: str, files: Sequence[Path]) -> list[str]:
    clone.git("checkout", "--quiet", "before")
    try:
        return _errors(clone, version, files)
    finally:
        clone.git("checkout", "--quiet", "-")


def _looked_at(clone: Clone, changed: Sequence[Path]) -> list[Path]:
    """Return the files that a hook of HOOKS looks at before each commit; where there is none, every Python file."""
    hooks = [
        (folder, hook)
        for folder in folders(clone.root)
        for hook, _, _ in folder.hooks()
        if hook["id"] in HOOKS and "manual" not in hook.get("stages", ())
    ]
    files = [path for path in changed if path.suffix == ".py"]
    return (
        [path for path in files if any(folder.concerned(hook, path) for folder, hook in hooks)]
        if hooks
        else files
    )


def _errors(clone: Clone, version: str, files: Sequence[Path]) -> list[str]:
    """Return what mypy finds wrong in files; raises UpstreamError where it breaks off."""
    if not files:
        return []
    mypy = [VENVS / "tools/bin/uv", "--quiet", "tool", "run", f"--from=mypy=={version}", "mypy"]
    options = ["--no-pretty", f"--python-executable={sys.executable}", f"--cache-dir={clone.home}/mypy"]
    settings = {}
    if clone.tree.checkout.is_distribution:
        options += OUR_OPTIONS
        settings["MYPYPATH"] = str(clone.tree.package.parent)
    done = clone.run("mypy", *mypy, *options, *files, **settings)
    if not re.search(r"(?m)^(Found \d+ error|Success)", done.output):
        raise UpstreamError("\n".join(done.output.splitlines()[-12:]))
    names = {path.as_posix() for path in files}
    return [
        line for line in done.output.splitlines() if line.partition(":")[0] in names and ": error:" in line
    ]


def _pinned(files: Sequence[Path]) -> str | None:
    texts = [path.read_text(encoding="utf-8") for path in files if path.is_file()]
    found = re.search(r"\bmypy==([0-9.]+)", "\n".join(texts))
    return found[1] if found else None
