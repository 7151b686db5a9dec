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
"""The patch itself: it applies, it becomes a commit, and it can be taken back."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tools.upstreaming.clone import Clone, UpstreamError
from tools.upstreaming.table import Row


def check_patch(clone: Clone) -> list[Row]:
    """Check the commands of the overlay on the clone, and leave the clone with the patch as a commit."""
    rows = [_round_trip(clone), _git_apply(clone)]
    clone.git("tag", "before")
    rows.append(_git_am(clone))
    if clone.tree.checkout.is_distribution:
        lacks = "hooks, Airflow's tests, its documentation, its chart"
        rows.append(Row(lacks, "-", "a source distribution has the package alone", None))
    return rows


def commit_patch(clone: Clone) -> None:
    """Leave the clone with the patch as a commit, and with the state before it as the tag ``before``."""
    clone.git("tag", "before")
    if not (row := _git_am(clone)).passed:
        raise UpstreamError(f"git am: {row.after}")


def _round_trip(clone: Clone) -> Row:
    # Airflow's tests leave files, too.
    before = _unknown(clone)
    said = [clone.overlay(command) for command in ("apply", "status", "apply", "revert")]
    left = sorted(_unknown(clone) - before)
    settled = all(done.code == 0 for done in said) and "nothing to do" in said[2].output
    after = f"left: {left[0]}" if left else "as before"
    return Row("overlay apply, status, apply, revert", "clean", after, settled and not left)


def _unknown(clone: Clone) -> set[str]:
    return set(clone.git("status", "--porcelain", "--ignored").splitlines())


def _git_apply(clone: Clone) -> Row:
    patch = _patch(clone)
    done = _given(clone, patch, "apply", "--check", "-")
    files = patch.count(b"\ndiff --git ") + 1
    return Row(
        "overlay diff | git apply --check",
        "-",
        f"{files} files" if not done else done,
        not done and files > 1,
    )


def _git_am(clone: Clone) -> Row:
    refused = _given(clone, _patch(clone, "--format-patch"), "am", "--quiet")
    if refused:
        return Row("overlay diff --format-patch | git am", "-", refused, False)
    clean = not clone.git("status", "--porcelain")
    return Row("overlay diff --format-patch | git am", "-", f"{len(clone.commits())} commits", clean)


def _patch(clone: Clone, *options: str) -> bytes:
    done = subprocess.run(clone.overlay_command("diff", *options), check=False, capture_output=True)
    if done.returncode:
        raise UpstreamError(done.stderr.decode(errors="replace").strip())
    return done.stdout


def _given(clone: Clone, patch: bytes, *arguments: str) -> str:
    """Run git on a patch; return what it complains of."""
    who = ["-c", "user.name=Upstream Check", "-c", "user.email=upstream@localhost"]
    command = ["git", "-C", str(clone.root), *who, *arguments]
    done = subprocess.run(command, check=False, input=patch, capture_output=True)
    return done.stderr.decode(errors="replace").strip() or "refused" if done.returncode else ""


def changed_files(clone: Clone, kinds: str = "AM") -> list[Path]:
    """Return what the patch adds (``A``) or modifies (``M``), relative to the root."""
    names = clone.git("diff", "--name-only", f"--diff-filter={kinds}", "before", "HEAD")
    return [Path(name) for name in names.splitlines()]
