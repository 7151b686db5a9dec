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
"""What each check of ``scripts/upstream`` looks at, and what it makes of the answers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tools.overlay import checkout
from tools.overlay.checkout import DISTRIBUTED
from tools.overlay.layout import Tree
from tools.upstreaming import types_check
from tools.upstreaming.__main__ import _verdict
from tools.upstreaming.clone import Done
from tools.upstreaming.forms import SECTION, _config_listed
from tools.upstreaming.hook_configuration import Folder
from tools.upstreaming.hook_tables import EXPRESSIONS
from tools.upstreaming.options import FAILED, GOOD, IMPOSSIBLE, INCOMPLETE
from tools.upstreaming.table import Row
from tools.upstreaming.tests import RunsOfTests

from tests.overlay.conftest import REPOSITORY, put
from tests.overlay.test_upstream import AIRFLOWS, NAMED, bed_of

OK, BAD, SKIPPED = (Row("a check", "-", "", passed) for passed in (True, False, None))
BROKEN = Row("a hook", "-", "", None, (), True)


@pytest.mark.parametrize(
    "rows, code, unchecked",
    [
        ({"patch": [OK], "types": [OK]}, GOOD, ""),
        ({"patch": [OK], "hooks": [SKIPPED, OK]}, GOOD, ""),
        ({"patch": [OK, BAD], "hooks": [OK]}, FAILED, ""),
        ({"patch": [OK], "forms": [SKIPPED], "types": [SKIPPED]}, INCOMPLETE, "forms, types"),
        ({"patch": [OK], "types": [SKIPPED, SKIPPED]}, INCOMPLETE, "types"),
        ({"patch": [OK], "hooks": []}, INCOMPLETE, "hooks"),
        ({}, INCOMPLETE, ""),
        ({"patch": [OK], "hooks": [OK, BROKEN]}, INCOMPLETE, "a hook"),
        # A failure weighs more, and hides nothing.
        ({"patch": [BAD], "types": [SKIPPED]}, FAILED, "types"),
    ],
)
def test_a_group_that_was_not_checked_is_no_pass(capsys, rows, code, unchecked):
    """Such as of a tree whose Airflow cannot be installed; nor is a single check that can be made. The last line says so."""
    assert _verdict(rows) == code
    told = capsys.readouterr().out.strip()
    assert told == (f"NOT CHECKED: {unchecked}" if unchecked else "")


@pytest.mark.parametrize("tree", [".", "9.9.0"])
def test_what_cannot_be_checked_has_an_exit_code_of_its_own(tmp_path, tree):
    """It is no failure of the patch."""
    done = subprocess.run(
        [sys.executable, REPOSITORY / "scripts/upstream", tree],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr[:9]) == (IMPOSSIBLE, "upstream:")


HOOKS = """\
repos:
  - repo: local
    hooks:
      - {id: mypy-airflow, language: python, entry: x, files: '\\.py$', exclude: '^docs|^scripts'}
      - {id: mypy-airflow, language: python, entry: x, files: '\\.py$', stages: [manual]}
      - {id: mypy-docs, language: python, entry: x, files: '^docs/.*\\.py$'}
"""
OTHER_HOOKS = """\
repos:
  - repo: local
    hooks:
      - {id: ruff, language: python, entry: x, files: '\\.py$'}
"""
OLD, NEW = "airflow/executors/loader.py", "tests/executors/fargate/test_x.py"


class Checkout:
    """A bed whose mypy says what it is given, before and with the patch."""

    def __init__(self, root, before, after, hooks=HOOKS, package="airflow"):
        if hooks:
            put(root / ".pre-commit-config.yaml", hooks)
            put(root / "hatch_build.py", '"mypy==1.9.0"')
        parts = checkout.Checkout(root, package, "tests/executors", docs="", newsfragments="")
        self.tree = Tree(root / package, "3.9.0", parts)
        self.root = self.home = root
        self.looked_at = []
        self._state = "with"
        self._said = {"before": before, "with": after}

    def git(self, command, *arguments):
        """Know the files of the patch, and check out what is asked for."""
        if command == "checkout":
            self._state = {"before": "before", "-": "with"}[arguments[-1]]
            return ""
        added = "" if "--diff-filter=M" in arguments else f"\n{NEW}\ndocs/conf.py\nchart/values.yaml"
        return OLD + added

    def run(self, log, *command, **settings):
        """Be mypy."""
        self.last = (command, settings)
        self.looked_at.append((self._state, [str(word) for word in command if str(word).endswith(".py")]))
        return Done(1, "\n".join(self._said[self._state]))


FOUND = "Found 1 error in 1 file (checked 2 source files)"
KNOWN, MOVED, FRESH = (
    f"{OLD}:{line}: error: {words}" for line, words in [(3, "No"), (17, "No"), (4, "Never")]
)
OURS = f"{NEW}:1: error: No"


@pytest.mark.parametrize(
    "before, after, passed, new",
    [
        (["Success: no"], ["Success: no"], True, ()),
        ([KNOWN, FOUND], [MOVED, FOUND], True, ()),
        ([KNOWN, FOUND], ["Success: no"], True, ()),
        ([KNOWN, FOUND], [KNOWN, FRESH, FOUND], False, (FRESH,)),
        (["Success: no"], [OURS, FOUND], False, (OURS,)),
        # In a file that the patch leaves alone.
        (["Success: no"], ["airflow/models/dag.py:1: error: No", FOUND], True, ()),
        (["Success: no"], ["Traceback"], False, ("Traceback",)),
        (["Traceback"], ["Success: no"], False, ("Traceback",)),
    ],
)
def test_types_are_compared_in_all_files_that_the_trees_hook_looks_at(tmp_path, before, after, passed, new):
    """Tests are among them; an edited file may have the errors that it had."""
    bed = Checkout(tmp_path, before, after)
    row = types_check.check_types(bed)
    assert (row.passed, row.details) == (passed, new)
    looked_at = dict(bed.looked_at)
    assert looked_at["before"] == [OLD]
    assert looked_at.get("with", [OLD, NEW]) == [OLD, NEW]
    # The checks that follow find the patch in place.
    assert bed._state == "with"


def test_types_of_every_file_are_checked_where_the_tree_does_not_say(tmp_path):
    """Rather too many files than none."""
    bed = Checkout(tmp_path, ["Success: no"], ["Success: no"], OTHER_HOOKS)
    assert types_check.check_types(bed).passed
    assert bed.looked_at[-1] == ("with", [OLD, NEW, "docs/conf.py"])


def test_types_in_a_source_distribution_are_checked_with_our_pin(tmp_path):
    """It has neither a pin nor settings; Airflow's own types are seen."""
    bed = Checkout(tmp_path, ["Success: no"], ["Success: no"], "", DISTRIBUTED)
    assert types_check.check_types(bed).passed
    command, settings = bed.last
    [version] = re.findall("mypy==(.+)", (REPOSITORY / "requirements/tools.in").read_text())
    assert f"--from=mypy=={version}" in command
    assert settings == {"MYPYPATH": str(tmp_path / "src")}


def test_no_file_to_check_is_no_pass(tmp_path):
    """A pattern that no file fits is a mistake of ours."""
    bed = Checkout(tmp_path, ["Success: no"], ["Success: no"], HOOKS.replace("exclude: '", "exclude: '^|"))
    row = types_check.check_types(bed)
    assert (row.passed, row.after) == (False, "0 errors in 0 files")


def listed(*names):
    """Return how Airflow lists options, with what it says of them."""
    return "[fargate]\n" + "\n".join(
        f"# What it is.\n#\n# Example: {name} = x\n#\n# Variable: AIRFLOW__FARGATE__{name.upper()}\n#\n# {name} = x\n"
        for name in names
    )


@pytest.mark.parametrize(
    "said, code, passed, details",
    [
        (listed("region", "cluster"), 0, True, ()),
        (listed("region", "cluster").replace("# region = ", "region = "), 0, True, ()),
        (re.sub("# Variable.*", "#", listed("region", "cluster")), 0, True, ()),
        (re.sub("# Variable.*", "#", listed("region")), 0, False, ("listed 0 times: cluster",)),
        (listed("region", "region", "cluster"), 0, False, ("listed 2 times: region",)),
        (listed("region", "cluster", "other"), 0, False, ("none of ours: other",)),
        (listed("region", "cluster"), 1, False, ()),
        ("", 0, False, ("listed 0 times: cluster", "listed 0 times: region")),
    ],
)
def test_airflow_lists_each_of_our_options(tmp_path, said, code, passed, details):
    """They are counted in our section, since not every Airflow says which variable stands for one."""
    put(tmp_path / SECTION, "fargate:\n  options:\n    region: {}\n    cluster: {}\n")
    bed = SimpleNamespace(repository=tmp_path, run=lambda *_: Done(code, said))
    row = _config_listed(bed)
    assert (row.passed, row.details) == (passed, details)


def airflows_run(tmp_path, files):
    """Return the paths that each run is given, and the rows; without the one of tests that are always left out."""
    bed = bed_of(tmp_path, [{}, {"ours": "passed"}, NAMED, {"example": "passed"}], files)
    given, run = [], bed.run

    def remember(log, *command):
        # Nor is anything run in the caller's own home.
        assert log.startswith("airflows") is ("not TestCliSubprocess" in command)
        given.append([str(word) for word in command if str(word).startswith("tests/")])
        return run(log, *command)

    bed.run = remember
    tests = RunsOfTests(bed)
    tests.before()
    return given, [row for row in tests.after() if "TestCliSubprocess" not in row.check]


def test_airflows_tests_are_found_wherever_a_tree_has_them(tmp_path):
    """Newer trees have those of the command line in other folders."""
    moved = "tests/cli/commands/remote_commands/test_config_command.py"
    files = [moved if Path(path).name == Path(moved).name else path for path in AIRFLOWS]
    given, rows = airflows_run(tmp_path, files)
    assert given[0] == [
        "tests/executors",
        "tests/core/test_configuration.py",
        moved,
        "tests/cli/test_cli_parser.py",
    ]
    assert given[-1] == ["tests/always/test_example_dags.py"]
    assert all(row.passed for row in rows)


@pytest.mark.parametrize("path", AIRFLOWS[1:], ids=lambda path: Path(path).stem)
def test_airflows_tests_that_a_tree_does_not_have_are_told(tmp_path, path):
    """A file that is not there has a row with the reason, and is not given to pytest."""
    given, rows = airflows_run(tmp_path, [other for other in AIRFLOWS if other != path])
    assert not any(path in paths for paths in given)
    [row] = [row for row in rows if row.passed is None]
    assert "no tests of this name" in row.after
    assert Path(path).name in row.check or "example" in row.check


LINES = {
    "python-no-log-warn": {
        "log.warn('x')": True,
        "self.log.warn(": True,
        "log.warning('x')": False,
        "warnings.warn('x')": False,
        "warn('x')": False,
    },
    "rst-backticks": {
        "see `this`": True,
        "`this`": True,
        "a `b` c": True,
        "``this``": False,
        "see :ref:`this`": False,
        "see `this <https://x>`_": False,
        "see `this <https://x>`__": False,
        "    see `this`, in a block of code": False,
    },
}


def test_expressions_find_what_their_hooks_are_for():
    """They stand for hooks that no registry has."""
    [expressions] = EXPRESSIONS.values()
    assert {
        hook: {line: bool(re.search(expressions[hook]["entry"], line)) for line in lines}
        for hook, lines in LINES.items()
    } == LINES


@pytest.mark.parametrize(
    "revision, run", [("v1.10.0", True), ("abcdef  # frozen: v1.10.0", True), ("v9", False)]
)
def test_expressions_are_of_one_version(tmp_path, revision, run):
    """In another version a hook of the same name may look for something else: it is skipped, with the reason."""
    config = f"""\
repos:
  - repo: https://github.com/pre-commit/pygrep-hooks
    rev: {revision}
    hooks:
      - id: rst-backticks
        name: x
        exclude: ^y
"""
    put(tmp_path / ".pre-commit-config.yaml", config)
    [(_, hook, reason)] = Folder(tmp_path, ".").hooks()
    if run:
        assert (hook["id"], hook["language"], hook["exclude"]) == ("rst-backticks", "pygrep", "^y")
    else:
        assert hook is None
    assert reason == ("" if run else "comes from pre-commit/pygrep-hooks 9, which is on no package registry")
