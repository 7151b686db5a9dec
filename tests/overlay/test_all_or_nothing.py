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
"""All or nothing: whatever fails or dies in between, the tree is whole."""

from __future__ import annotations

import os

import pytest
from tools.overlay.errors import OverlayError

from tests.overlay.conftest import put, snapshot

# An apply of the small repository renames 10 files, a revert fewer: every one of them fails once.
STEPS = range(1, 25)


class Step:
    """Stands for os.replace, and does something else at the given call, once."""

    def __init__(self, number, act):
        self.left = number
        self.act = act
        self.replace = os.replace

    def __call__(self, source, target):
        self.left -= 1
        if self.left == 0:
            self.act()
        self.replace(source, target)

    @property
    def reached(self):
        return self.left <= 0


def fail(error):
    def act():
        raise error

    return act


def prepare(installation, overlay, before):
    """Bring the tree to where the command under test starts."""
    if before != "apply":
        installation.apply()
    if before == "update":
        put(overlay.root / "executors/fargate/fleet.py", "FLEET = 2\n")
        put(overlay.root / "executors/fargate/more/logs.py", "LOGS = 1\n")
        (overlay.root / "example_dags/example_fargate_executor.py").unlink()
    return {"apply": installation.apply, "update": installation.apply, "revert": installation.revert}[before]


@pytest.mark.parametrize("command", ["apply", "update", "revert"])
@pytest.mark.parametrize(
    "error, raised", [(OSError("disk full"), OverlayError), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_a_failure_leaves_everything_as_it_was(
    installation, overlay, tree, monkeypatch, command, error, raised
):
    """Whichever file cannot be written, and where Ctrl-C comes in between, the tree and its journal are as before."""
    run = prepare(installation, overlay, command)
    before = snapshot(tree.package)
    reached = 0
    for number in STEPS:
        step = Step(number, fail(error))
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", step)
            try:
                run()
            except raised:
                reached += 1
            else:
                assert not step.reached
                break
        assert without_journal_times(snapshot(tree.package)) == without_journal_times(before)
    assert reached >= 3
    assert number < STEPS[-1]


@pytest.mark.parametrize("command", ["apply", "update", "revert"])
@pytest.mark.parametrize("afterwards", ["apply", "revert"])
def test_the_next_run_mends_what_a_kill_left(installation, overlay, tree, command, afterwards):
    """A process that is killed between two files leaves a tree that status calls interrupted and the next run mends."""
    pristine = snapshot(tree.package)
    for number in STEPS:
        run = prepare(installation, overlay, command)
        killed = in_child_that_dies_at(number, run)
        if not killed:
            break
        report = getattr(installation, afterwards)()
        if afterwards == "apply":
            assert installation.status().settled
        assert report.lines[0].startswith("Airflow")
        installation.revert()
        assert snapshot(tree.package) == pristine
        put(overlay.root / "example_dags/example_fargate_executor.py", "DAG = 1\n")
        put(overlay.root / "executors/fargate/fleet.py", "FLEET = 1\n")
    assert 3 < number < STEPS[-1]


def test_status_names_an_interrupted_run(installation, tree):
    """It is not called applied."""
    assert in_child_that_dies_at(3, installation.apply)
    report = installation.status()
    assert (report.settled, report.lines[-1]) == (
        False,
        "interrupted: the next apply or revert puts it right",
    )
    assert "an earlier run was interrupted; its changes were taken back" in installation.apply().lines


def in_child_that_dies_at(number, run):
    """Run in a child process that ends, as by SIGKILL, at its ``number``-th rename; return whether it did."""
    child = os.fork()
    if child == 0:
        os.replace = Step(number, lambda: os._exit(9))
        run()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def without_journal_times(state):
    """The journal's state file is written anew, with the same bytes."""
    return {path: entry[:-1] if path.endswith("state.json") else entry for path, entry in state.items()}
