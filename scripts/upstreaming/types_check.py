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
"""The types of the package, with the mypy that the tree pins and as it configures it."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from harness.environment import VENVS

from upstreaming.patch import changed_files
from upstreaming.table import Row

if TYPE_CHECKING:
    from upstreaming.bed import Bed

# Where trees pin mypy: to 2.11, since then.
PINS = ("hatch_build.py", "devel-common/pyproject.toml")
CHECK = "mypy, as the tree configures it"


def check_types(bed: Bed) -> Row:
    """Check the package's files of the patch; only what is wrong in them counts."""
    version = _pinned(bed)
    if version is None:
        return Row(CHECK, "-", f"no pin of mypy in {' or '.join(PINS)}", None)
    package = bed.tree.checkout.package
    files = [path for path in changed_files(bed) if path.suffix == ".py" and path.is_relative_to(package)]
    mypy = [
        VENVS / "tools/bin/uv",
        "--quiet",
        "tool",
        "run",
        f"--from=mypy=={version}",
        "mypy",
    ]
    options = ["--no-pretty", f"--python-executable={sys.executable}", f"--cache-dir={bed.home}/mypy"]
    done = bed.run("mypy", *mypy, *options, *files)
    names = {path.as_posix() for path in files}
    errors = [
        line for line in done.output.splitlines() if line.partition(":")[0] in names and ": error:" in line
    ]
    if not errors and not re.search(r"(?m)^(Found \d+ error|Success)", done.output):
        return Row(CHECK, "-", "broke off", False, tuple(done.output.splitlines()[-12:]))
    return Row(
        f"{CHECK} ({version})", "-", f"{len(errors)} errors in {len(files)} files", not errors, tuple(errors)
    )


def _pinned(bed: Bed) -> str | None:
    for name in PINS:
        path = bed.root / name
        found = re.search(r'"mypy==([0-9.]+)"', path.read_text(encoding="utf-8")) if path.is_file() else None
        if found:
            return found[1]
    return None
