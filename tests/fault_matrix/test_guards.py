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
"""scripts/guards itself: every guard is where the table says, and with --long each row turns red without its guard."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest
from tools.harness.environment import IMPORT_PATH

from tests.fault_matrix.guards.mutant import NotFoundOnce, copy, take_out
from tests.fault_matrix.guards.table import GUARDS, Edit, Guard
from tests.fault_matrix.package import VARIABLE
from tests.fault_matrix.rows import ROWS


@pytest.fixture
def executors():
    with copy() as folder:
        yield folder


def changed_without(guard, executors):
    """Return the files whose code is another without the guard, and put it back; or what keeps it from being found."""
    files = {path: path.read_text() for path in executors.rglob("*.py")}
    try:
        take_out(guard, executors)
        return {
            str(path.relative_to(executors))
            for path, before in files.items()
            if path.read_text() != before
            and ast.dump(ast.parse(path.read_text())) != ast.dump(ast.parse(before))
        }
    except (NotFoundOnce, SyntaxError) as error:
        return repr(error)
    finally:
        for path, before in files.items():
            path.write_text(before)


def test_each_guard_is_found(executors):
    """Its place is there exactly once, the code without it is Python, and no other file is touched."""
    changed = {guard.what: changed_without(guard, executors) for guard in GUARDS}
    assert changed == {guard.what: {edit.file for edit in guard.edits} for guard in GUARDS}


def test_each_guard_has_a_row():
    """It is a row of the fault matrix that turns red without it."""
    assert {guard.row for guard in GUARDS} <= {row.name for row in ROWS}


@pytest.mark.parametrize("old", ["no such text", "\n"])
def test_a_place_that_is_not_found_once_is_told(executors, old):
    """A text that is not there, and one that is there more than once."""
    with pytest.raises(NotFoundOnce, match="fleet.py has"):
        take_out(Guard("", "", "", (Edit("fargate/fleet/fleet.py", old, ""),)), executors)


def test_the_copy_is_what_runs(executors):
    """A process that is told of the copy imports it, and nothing of the installed package."""
    ask = (
        "from tests.fault_matrix.package import take_from_elsewhere as take; take()\n"
        "from airflow.executors import fargate_executor; from airflow.executors.fargate.config import options; from airflow.executors.fargate.fleet import fleet\n"
        "print(fargate_executor.__file__, fleet.__file__, len(options.template()) > 10)"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask],
        env=os.environ | {VARIABLE: str(executors), **IMPORT_PATH},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [f"{executors}/fargate_executor.py", f"{executors}/fargate/fleet/fleet.py", "True"]
    assert done.stdout.splitlines()[-1].split() == expected


def test_each_row_turns_red_without_its_guard(request):
    """The whole script, which takes minutes."""
    if not request.config.getoption("--long"):
        pytest.skip("only with --long")
    done = subprocess.run(
        [sys.executable, "-m", "tests.fault_matrix.guards"],
        env=os.environ | IMPORT_PATH,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  yes") == len(GUARDS)
