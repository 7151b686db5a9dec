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
"""The checks, in the environment that ``scripts/upstream`` has made for them."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.overlay.errors import OverlayError
from tools.upstreaming.clone import Clone, UpstreamError
from tools.upstreaming.distribution import fetch
from tools.upstreaming.forms import check_forms
from tools.upstreaming.hooks import Hooks
from tools.upstreaming.options import (
    FAILED,
    GOOD,
    GROUPS,
    IMPOSSIBLE,
    INCOMPLETE,
    WITH_AIRFLOW,
    is_version,
    parse,
    why_unknown,
)
from tools.upstreaming.patch import changed_files, check_patch, commit_patch
from tools.upstreaming.table import Row, lines
from tools.upstreaming.tests import RunsOfTests
from tools.upstreaming.types_check import check_types


def main() -> int:
    """Check a clone before and after the patch; return the exit code, which the help explains."""
    options = parse(sys.argv[1:], None)
    with tempfile.TemporaryDirectory(prefix="upstream-") as room:
        logs = options.logs or Path(room)
        logs.mkdir(parents=True, exist_ok=True)
        try:
            tree = options.tree
            source = fetch(str(tree), Path(room)) if is_version(tree) else tree.resolve()
            clone = Clone(source, Path(room), logs)
            print(f"Airflow {clone.tree.version}, {clone.git('rev-parse', 'HEAD')}", flush=True)
            groups, skipped = _possible(clone, options.only or GROUPS)
            rows = _check(clone, groups) | skipped
        except (UpstreamError, OverlayError) as error:
            print(f"upstream: {error}", file=sys.stderr)
            return IMPOSSIBLE
    print("\n".join(lines([row for group in rows.values() for row in group])))
    return _verdict(rows)


def _verdict(rows: Mapping[str, Sequence[Row]]) -> int:
    """Tell what was not checked that could be, or a whole group, and return the exit code."""
    unchecked = [name for name, group in rows.items() if all(row.passed is None for row in group)]
    unchecked += [
        row.check for group in rows.values() for row in group if row.passed is None and row.possible
    ]
    if unchecked:
        print(f"\nNOT CHECKED: {', '.join(unchecked)}")
    if any(row.passed is False for group in rows.values() for row in group):
        return FAILED
    return INCOMPLETE if unchecked or not rows else GOOD


def _possible(clone: Clone, groups: Sequence[str]) -> tuple[list[str], dict[str, list[Row]]]:
    """Return the groups that can be checked in this tree, and of each other one a row that says why not."""
    if clone.tree.checkout.is_distribution:
        # A row of the patch tells of what it lacks.
        return [group for group in groups if group != "hooks"], {}
    reason = why_unknown(clone.tree.version)
    without = WITH_AIRFLOW if reason else ()
    skipped = {group: [Row(f"all {group}", "-", reason, None)] for group in groups if group in without}
    return [group for group in groups if group not in without], skipped


def _check(clone: Clone, groups: Sequence[str]) -> dict[str, list[Row]]:
    tests, hooks = RunsOfTests(clone), Hooks(clone)
    rows: dict[str, list[Row]] = {}
    if "tests" in groups:
        _say("Airflow's tests, without the patch")
        tests.before()
    if "patch" in groups:
        _say("the patch")
        rows["patch"] = check_patch(clone)
    else:
        commit_patch(clone)
    if "forms" in groups:
        _say("forms")
        rows["forms"] = check_forms(clone)
    if "hooks" in groups:
        _say("hooks of Airflow's repository")
        modified, added = changed_files(clone, "M"), changed_files(clone, "A")
        hooks.prepare(modified + added)
        clone.git("checkout", "--quiet", "before")
        hooks.before(modified)
        clone.git("checkout", "--quiet", "-")
        rows["hooks"] = hooks.after(modified, added)
    if "types" in groups:
        _say("types")
        rows["types"] = [check_types(clone)]
    if "tests" in groups:
        _say("our tests and Airflow's, with the patch")
        rows["tests"] = tests.after()
    return rows


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
