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
"""What ``scripts/upstream`` makes of what it saw; the run itself needs a whole checkout."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from tools.overlay.checkout import DISTRIBUTED, Checkout
from tools.overlay.layout import Tree
from tools.upstreaming import distribution
from tools.upstreaming.__main__ import _possible
from tools.upstreaming.clone import Clone, Done, UpstreamError
from tools.upstreaming.hooks import Hooks
from tools.upstreaming.options import GROUPS
from tools.upstreaming.table import Row, lines
from tools.upstreaming.tests import RunsOfTests

from tests.overlay.checkouts import DISTRIBUTED_METRICS, LAYOUTS, make_checkout, make_distribution
from tests.overlay.conftest import put


def test_the_table_tells_each_check():
    """What passed, what failed as before, what failed, and what was not checked with its reason; details below."""
    rows = [
        Row("a", "-", "3 passed", True),
        Row("bb", "failed", "failed", True, ("why",)),
        Row("c", "passed", "failed", False, ("line 1", "line 2")),
        Row("d", "-", "needs Docker, and much else", None),
    ]
    assert lines(rows) == [
        "check  before  after",
        "--------------------",
        "a      -       3 passed  ok",
        "bb     failed  failed    as before",
        "c      passed  failed    FAILED",
        "d      -                 not checked: needs Docker, and much else",
        "",
        "bb:",
        "  why",
        "",
        "c:",
        "  line 1",
        "  line 2",
    ]


REPORT = """<testsuites><testsuite>{cases}</testsuite></testsuites>"""
CASES = {
    "passed": "",
    "failed": "<failure/>",
    "broken": "<error/>",
    "skipped": "<skipped/>",
}


AIRFLOWS = (
    "tests/executors/test_executor_loader.py",
    "tests/core/test_configuration.py",
    "tests/cli/test_cli_parser.py",
    "tests/cli/commands/test_config_command.py",
    "tests/always/test_example_dags.py",
)


def bed_of(tmp_path, runs, files=AIRFLOWS, package="airflow"):
    """Return a bed whose test runs come to what is given: for each, a dict of test to outcome; None: pytest broke off."""
    pending = iter(runs)

    def run(log, *command, **settings):
        outcomes = next(pending)
        if outcomes is not None:
            cases = "".join(
                f'<testcase classname="t" name="{n}">{CASES[o]}</testcase>' for n, o in outcomes.items()
            )
            report = next(word for word in command if str(word).startswith("--junitxml="))
            Path(report.partition("=")[2]).write_text(REPORT.format(cases=cases))
        return Done(1, "the end of what it said")

    for name in files:
        put(tmp_path / name, "")
    tree = Tree(tmp_path, "3.9.0", Checkout(tmp_path, package, "tests/executors", docs="", newsfragments=""))
    return SimpleNamespace(root=tmp_path, home=tmp_path, tree=tree, run=run, commits=lambda: ["the last"])


NAMED = {"core[FargateExecutor]": "passed"}


@pytest.mark.parametrize(
    "before, after, passed",
    [
        ({"a": "passed"}, {"a": "passed", **NAMED}, True),
        ({"a": "failed"}, {"a": "failed", **NAMED}, True),
        ({"a": "failed"}, {"a": "passed", **NAMED}, True),
        ({"a": "passed"}, {"a": "failed", **NAMED}, False),
        ({"a": "passed"}, {"a": "broken", **NAMED}, False),
        ({"a": "passed"}, {"a": "skipped", **NAMED}, False),
        ({"a": "passed"}, NAMED, False),
        ({"a": "passed"}, {"a": "passed", "b": "failed", **NAMED}, False),
        ({"a": "passed"}, {"a": "passed"}, False),
        ({"a": "passed"}, {"a": "passed", "core[FargateExecutor]": "failed"}, False),
        ({"a": "passed"}, {"a": "passed", "core[FargateExecutor]": "skipped"}, False),
    ],
)
def test_airflows_tests_must_pass_as_before(tmp_path, before, after, passed):
    """A test that failed already may fail; one that passed must pass, and those of the executor's name must."""
    tests = RunsOfTests(bed_of(tmp_path, [before, {"ours": "passed"}, after, {"example": "passed"}]))
    tests.before()
    ours, airflows, example, left_out = tests.after()
    assert (ours.passed, airflows.passed, example.passed) == (True, passed, True)
    assert (left_out.check, left_out.passed) == ("Airflow's TestCliSubprocess", None)


def test_a_source_distribution_has_our_tests_alone(tmp_path):
    """Airflow's are in no distribution, and neither is the plugin that makes them a database."""
    bed, given = bed_of(tmp_path, [{"a": "passed"}], package=DISTRIBUTED), []
    run = bed.run
    bed.run = lambda log, *command: given.extend(command) or run(log, *command)
    tests = RunsOfTests(bed)
    tests.before()
    assert [(row.check, row.passed) for row in tests.after()] == [("our tests, in the tree", True)]
    assert "--with-db-init" not in given


@pytest.mark.parametrize("outcomes", [{}, {"a": "skipped"}, {"a": "passed", "b": "failed"}])
def test_our_tests_must_run_and_pass(tmp_path, outcomes):
    """No tests at all is no pass."""
    tests = RunsOfTests(bed_of(tmp_path, [{}, outcomes, NAMED, {"example": "passed"}]))
    tests.before()
    assert tests.after()[0].passed is False


def test_our_tests_must_pass_at_each_commit(tmp_path):
    """Each has a row of its own; what fails at one fails there alone, and the patch is in place afterwards."""
    runs = [{}, {"a": "passed"}, {"a": "failed"}, {"a": "passed"}, NAMED, {"example": "passed"}]
    bed, checked_out = bed_of(tmp_path, runs), []
    bed.commits = lambda: ["1", "2", "3"]

    def git(command, *arguments):
        if command == "checkout":
            checked_out.append(arguments[-1])
        return f"Commit {checked_out[-1]}"

    bed.git = git
    tests = RunsOfTests(bed)
    tests.before()
    first, second, last, *_ = tests.after()
    assert [(row.check, row.passed) for row in (first, second)] == [
        ('our tests, at "Commit 1"', True),
        ('our tests, at "Commit 2"', False),
    ]
    assert last.passed
    assert checked_out == ["1", "-", "2", "-"]


def test_a_run_that_broke_off_is_told(tmp_path):
    """Such as a conftest that cannot be imported: with what pytest said."""
    with pytest.raises(UpstreamError, match="the end of what it said"):
        RunsOfTests(bed_of(tmp_path, [None])).before()


CONFIG = """\
exclude: ^vendored/
repos:
  - repo: meta
    hooks:
      - id: identity
  - repo: https://github.com/codespell-project/codespell
    rev: 63c8f8312b  # frozen: v2.4.1
    hooks:
      - id: codespell
        args: [--ignore=x]
  - repo: https://github.com/someone/elses
    rev: v1
    hooks:
      - id: elses
      - id: others
        files: ^other/
  - repo: local
    hooks:
      - id: plain
        language: pygrep
        entry: TODO
        files: \\.py$
      - id: containers
        language: python
        entry: ./starts_docker.py
      - id: by-hand
        language: python
        entry: x
        stages: [manual]
      - id: styles
        language: node
        entry: x
      - id: whole
        language: python
        entry: ./everything.py --all
        pass_filenames: false
      - id: ruff-format
        language: python
        entry: ./everything.py
        pass_filenames: false
"""
CORE_CONFIG = """\
repos:
  - repo: local
    hooks:
      - id: plain
        language: pygrep
        entry: TODO
        files: ^c\\.py$
      - id: others
        language: pygrep
        entry: TODO
        files: ^core/
"""
OUTPUT = """\
✓ core
  A plain thing..............................................................Passed
  - hook id: plain
  - duration: 0.1s
× <workspace>
  A plain thing..............................................................Failed
  - hook id: plain
  - duration: 0.1s
  - exit code: 1

    a.py:1: TODO

  codespell..................................................................Passed
  - hook id: codespell
  - duration: 0.1s
  ruff...................................................(no files to check)Skipped
"""
# What a script can say that it needs.
SCRIPT = """\
# /// script
# dependencies = [
#   "rich>=13.6.0",
#   "other==1",
# ]
# ///
"""


@pytest.fixture
def hooks(tmp_path):
    """Return hooks of a small repository, prepared, and what they ran."""
    put(tmp_path / ".pre-commit-config.yaml", CONFIG)
    put(tmp_path / "core/.pre-commit-config.yaml", CORE_CONFIG)
    put(tmp_path / "starts_docker.py", "run('docker')\n")
    put(tmp_path / "everything.py", SCRIPT)
    bed = SimpleNamespace(
        root=tmp_path,
        home=tmp_path,
        git=lambda *_: "",
        run=lambda *_, **__: Done(1, OUTPUT),
        stand_in=lambda program: None,
    )
    hooks = Hooks(bed)
    hooks.prepare([Path("a.py"), Path("b.py"), Path("core/c.py")])
    return hooks


def configured(hooks, tmp_path, folder="."):
    """Return the hooks of a folder that prek is given, by their ids."""
    hooks.before([Path("a.py")])
    repositories = yaml.safe_load((tmp_path / folder / ".pre-commit-config.yaml").read_text())["repos"]
    return {hook["id"]: hook for repository in repositories for hook in repository["hooks"]}


def test_hooks_run_as_they_are_configured(hooks, tmp_path):
    """Those of the repository, and those whose package is on the registry, pinned; those of a folder for its own files."""
    by_name = configured(hooks, tmp_path)
    assert by_name.keys() == {"codespell", "plain", "whole", "ruff-format"}
    assert by_name["codespell"]["additional_dependencies"] == ["codespell==2.4.1"]
    assert by_name["codespell"]["args"] == ["--ignore=x"]
    assert by_name["ruff-format"]["pass_filenames"] is True
    assert configured(hooks, tmp_path, "core").keys() == {"plain"}


def test_a_script_gets_what_it_lacks(hooks, tmp_path):
    """The packages that it names or imports, and somebody who executes it."""
    whole = configured(hooks, tmp_path)["whole"]
    assert whole["entry"] == "python ./everything.py --all"
    assert whole["additional_dependencies"] == ["rich>=13.6.0", "other==1", "astor", "pyyaml"]


def test_hooks_are_told_with_what_they_said(hooks):
    """What was not asked has no row; what was skipped has its reason, if it concerns a file of the patch."""
    hooks.before([Path("a.py")])
    rows = {row.check.removeprefix("hook "): row for row in hooks.after([Path("a.py")], [Path("b.py")])}
    assert rows.keys() == {"plain", "plain of core", "codespell", "identity", "elses", "containers", "styles"}
    assert rows["plain"].details == ("a.py:1: TODO",)
    plain = rows["plain"]
    assert (plain.before, plain.after, rows["codespell"].after) == ("failed", "failed", "passed")
    assert rows["plain of core"].after == "passed"
    reasons = {name: row.after for name, row in rows.items() if row.passed is None}
    assert reasons == {
        "identity": "checks the list of hooks, not the patch",
        "elses": "comes from someone/elses 1, which is on no package registry",
        "containers": "runs in Breeze, which needs Docker",
        "styles": "needs node",
    }


@pytest.mark.parametrize("before", ["ModuleNotFoundError: No module named 'x'", "", "a.py:1: TODO"])
@pytest.mark.parametrize(
    "said",
    ["ModuleNotFoundError: No module named 'x'", "json.AttributeError: x", "sh: 1: x: command not found"],
)
def test_a_hook_that_cannot_run_is_not_checked(hooks, monkeypatch, before, said):
    """Also where it could not run before: that is neither a pass nor a failure of the patch, and it can be mended."""
    pending = iter([before, f"Traceback\n{said}", None])

    def run(*command, **settings):
        text = next(pending)
        return Done(0, f"A thing....{'Failed' if text else 'Passed'}\n- hook id: plain\n{text or ''}\n")

    monkeypatch.setattr(hooks._clone, "run", run)
    hooks.before([Path("a.py")])
    row = hooks.after([Path("a.py")], [Path("b.py")])[0]
    assert (row.passed, row.possible, row.after) == (None, True, f"it could not run: {said}")


TODO = "a.py:1: TODO"
MOVED = "a.py:17: TODO"
OTHER = "a.py:2: TODO later"


@pytest.mark.parametrize(
    "before, modified, added, passed, shown",
    [
        ([TODO], [TODO], None, True, (TODO,)),
        ([TODO], [MOVED], None, True, (MOVED,)),
        ([TODO, OTHER], [TODO], None, True, (TODO,)),
        ([TODO], None, None, True, ()),
        (None, None, None, True, ()),
        # What it said before hides nothing that is new.
        (None, [TODO], None, False, (TODO,)),
        ([TODO], [TODO, OTHER], None, False, (OTHER,)),
        ([TODO], [TODO, MOVED], None, False, (MOVED,)),
        ([TODO], [TODO], ["b.py:1: TODO"], False, ("b.py:1: TODO",)),
        (None, None, [TODO], False, (TODO,)),
        ([TODO], None, [TODO], True, (TODO,)),
        ([TODO], [TODO], [TODO, OTHER], False, (OTHER,)),
    ],
)
def test_a_hook_fails_for_what_the_patch_has_brought(
    hooks, monkeypatch, before, modified, added, passed, shown
):
    """What it complained of already is excused, wherever that stood; a complaint of a new file names that file."""
    pending = iter([before, modified, added])

    def run(*command, **settings):
        complaints = next(pending)
        outcome = "Passed" if complaints is None else "Failed"
        return Done(0, "\n".join([f"A thing....{outcome}", "- hook id: plain", *(complaints or ())]) + "\n")

    monkeypatch.setattr(hooks._clone, "run", run)
    hooks.before([Path("a.py")])
    row = hooks.after([Path("a.py")], [Path("b.py")])[0]
    assert (row.check, row.passed, row.details) == ("hook plain", passed, shown)


@pytest.mark.parametrize(
    "modified, added, passed",
    [
        ("broke", "broke", True),
        ("broke\nand more", "broke\nand more", False),
        (None, "broke", True),
        (None, "broke\nand more", False),
    ],
)
def test_a_hook_that_looks_at_everything_is_compared_once(hooks, monkeypatch, modified, added, passed):
    """One that broke before breaks for new files, too, which is nothing that the patch has brought."""
    said = iter(
        [("Failed", "broke"), ("Failed" if modified else "Skipped", modified or ""), ("Failed", added)]
    )

    def run(*command, **settings):
        outcome, text = next(said)
        return Done(0, f"A thing....{outcome}\n- hook id: whole\n{text}\n")

    monkeypatch.setattr(hooks._clone, "run", run)
    hooks.before([Path("a.py")])
    assert hooks.after([Path("a.py")], [Path("b.py")])[0].passed is passed


def test_hooks_that_broke_off_are_told(hooks, monkeypatch):
    """No hook at all has passed then."""
    monkeypatch.setattr(hooks._clone, "run", lambda *_, **__: Done(3, "An unexpected error"))
    with pytest.raises(UpstreamError, match="An unexpected error"):
        hooks.after([Path("a.py")], [Path("b.py")])


@pytest.mark.parametrize(
    "version, possible, reason",
    [
        ("2.11.1", list(GROUPS), ""),
        ("3.0.0", list(GROUPS), ""),
        ("3.9.0", ["patch", "hooks"], "there is no requirements/upstream-3.9.in"),
        ("3.0.0.dev0", ["patch", "hooks"], "requirements/upstream-3.0.in is of the release"),
    ],
)
def test_of_a_tree_without_requirements_the_patch_alone_is_checked(tmp_path, version, possible, reason):
    """What would import the tree's Airflow is skipped, with the reason."""
    bed = bed_of(tmp_path, [])
    bed.tree = replace(bed.tree, version=version)
    groups, skipped = _possible(bed, GROUPS)
    assert groups == possible
    assert sorted([*groups, *skipped]) == sorted(GROUPS)
    for name, rows in skipped.items():
        [row] = rows
        assert (row.check, row.passed) == (f"all {name}", None)
        assert reason in row.after


def test_a_source_distribution_has_no_hooks(tmp_path):
    """What it depends on is known from our own tests."""
    groups, skipped = _possible(bed_of(tmp_path, [], package=DISTRIBUTED), GROUPS)
    assert (groups, skipped) == (["patch", "forms", "types", "tests"], {})


PIP = """\
#!{python}
import sys, tarfile

[folder] = [word.partition("=")[2] for word in sys.argv if word.startswith("--dest=")]
if sys.argv[-1] != "apache-airflow-core==3.9.0":
    sys.exit("No matching distribution")
with tarfile.open(folder + "/core-3.9.0.tar.gz", "w:gz") as file:
    file.add({source!r}, "core-3.9.0")
"""


def test_a_release_is_fetched_as_a_checkout_of_the_package(tmp_path, monkeypatch):
    """All of it, whatever its .gitignore says, as what can be cloned; a version that there is not is told."""
    source = make_distribution(tmp_path / "source")
    put(source / ".gitignore", "*.yaml\n")
    pip = tmp_path / "venvs/tools/bin/python"
    put(pip, PIP.format(python=sys.executable, source=str(source)))
    pip.chmod(0o755)
    monkeypatch.setattr(distribution, "VENVS", tmp_path / "venvs")
    room = tmp_path / "room"
    room.mkdir()
    clone = Clone(distribution.fetch("3.9.0", room), room, tmp_path)
    assert clone.tree.checkout.is_distribution
    assert (clone.root / DISTRIBUTED_METRICS / "metrics_template.yaml").is_file()
    with pytest.raises(UpstreamError, match="No matching distribution"):
        distribution.fetch("3.9.1", room)


@pytest.mark.parametrize("state, message", [("no repository", "git"), ("changed", "not committed")])
def test_a_checkout_that_cannot_be_cloned_as_it_is_is_refused(tmp_path, state, message):
    """Changes that are not committed would not be in the clone."""
    root = make_checkout(tmp_path / "checkout", LAYOUTS["old"])
    room = tmp_path / "room"
    room.mkdir()
    if state == "changed":
        for command in (["init", "-q"], ["add", "-A"]):
            subprocess.run(["git", "-C", root, *command], check=True)
        who = ["-c", "user.name=x", "-c", "user.email=x@localhost"]
        subprocess.run(["git", "-C", root, *who, "commit", "-q", "-m", "x"], check=True)
        put(root / "pyproject.toml", "changed = 1\n")
    with pytest.raises(UpstreamError, match=message):
        Clone(root, room, tmp_path)
