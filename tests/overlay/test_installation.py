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
"""The overlay on a copy of the Airflow that runs the tests: what comes, what changes, what is given back."""

from __future__ import annotations

import os
import py_compile
import shutil

import pytest
from tools.overlay.errors import OverlayError
from tools.overlay.installation import Installation
from tools.overlay.journal import FOLDER
from tools.overlay.layout import find_tree

from tests.overlay.conftest import FILES, LITTER, put, snapshot

EDITED = ("executors/executor_constants.py", "executors/executor_loader.py", "config_templates/config.yml")


def compiled(tree, *names):
    return [py_compile.compile(str(tree.package / name), doraise=True) for name in names]


@pytest.mark.parametrize("link", [False, True])
def test_apply_lays_every_file_and_no_litter(installation, overlay, tree, link):
    """Each file of the repository is in the tree, as a copy or as a link, and nothing else new but the journal."""
    before = snapshot(tree.package)
    installation.apply(link=link)
    for name, content in FILES.items():
        assert (tree.package / name).read_text(encoding="utf-8") == content
        assert (tree.package / name).is_symlink() is link
        assert not link or (tree.package / name).resolve() == (overlay.root / name).resolve()
    new = snapshot(tree.package).keys() - before.keys()
    assert {path for path in new if not path.startswith(FOLDER)} == {*FILES, "executors/fargate"}
    assert not new & set(LITTER)


def test_copied_files_can_be_read_by_everybody(installation, tree):
    """A strict umask of the one who applies does not lock out the user whom Airflow runs as."""
    umask = os.umask(0o077)
    try:
        installation.apply()
    finally:
        os.umask(umask)
    for name in (*FILES, *EDITED):
        assert (tree.package / name).stat().st_mode & 0o444 == 0o444


@pytest.mark.parametrize("link", [False, True])
def test_apply_again_changes_nothing(installation, tree, link):
    """A second apply finds nothing to do, says so, and leaves even the times as they are."""
    installation.apply(link=link)
    once = snapshot(tree.package)
    assert installation.apply(link=link).lines[-1] == "nothing to do: applied already"
    assert snapshot(tree.package) == once


@pytest.mark.parametrize("link", [False, True])
def test_revert_gives_back_every_file(installation, tree, link):
    """Bytes, modes and times are those from before, and the journal is gone."""
    (tree.package / EDITED[0]).chmod(0o640)
    before = snapshot(tree.package)
    installation.apply(link=link)
    assert snapshot(tree.package) != before
    installation.revert()
    assert snapshot(tree.package) == before


def test_revert_gives_back_compiled_modules(installation, tree):
    """What was compiled of Airflow's modules is valid again, and what was compiled of ours is gone."""
    compiled(tree, "executors/executor_loader.py", "executors/executor_constants.py")
    before = snapshot(tree.package)
    installation.apply()
    assert not list((tree.package / "executors" / "__pycache__").glob("executor_loader.*"))
    compiled(
        tree, "executors/executor_loader.py", "executors/fargate_executor.py", "executors/fargate/fleet.py"
    )
    installation.revert()
    assert snapshot(tree.package) == before


def test_revert_after_updates_gives_back_compiled_modules(installation, overlay, tree):
    """The caches that count are those from before the first apply."""
    compiled(tree, "executors/executor_loader.py")
    before = snapshot(tree.package)
    installation.apply()
    compiled(tree, "executors/executor_loader.py")
    put(overlay.root / "executors/fargate/fleet.py", "FLEET = 2\n")
    installation.apply(link=True)
    installation.revert()
    assert snapshot(tree.package) == before


def test_revert_twice_does_nothing(installation, tree):
    """A tree without the overlay is as it should be."""
    before = snapshot(tree.package)
    assert installation.revert().lines[-1] == "nothing to do: not applied"
    assert snapshot(tree.package) == before


def test_revert_needs_no_repository(installation, overlay, tree):
    """The journal holds all that revert needs."""
    before = snapshot(tree.package)
    installation.apply()
    shutil.rmtree(overlay.root)
    installation.revert()
    assert snapshot(tree.package) == before


def test_apply_follows_the_repository(installation, overlay, tree):
    """Files that changed, came or went in the repository do so in the tree; revert still gives back the original."""
    before = snapshot(tree.package)
    installation.apply()
    put(overlay.root / "executors/fargate/fleet.py", "FLEET = 2\n")
    put(overlay.root / "executors/fargate/logs.py", "LOGS = 1\n")
    put(
        overlay.root / "config_templates/fargate.yml",
        FILES["config_templates/fargate.yml"].replace('"2.0"', '"3.0"'),
    )
    (overlay.root / "example_dags/example_fargate_executor.py").unlink()
    installation.apply()
    assert (tree.package / "executors/fargate/fleet.py").read_text() == "FLEET = 2\n"
    assert (tree.package / "executors/fargate/logs.py").read_text() == "LOGS = 1\n"
    assert (
        (tree.package / "config_templates/config.yml")
        .read_text(encoding="utf-8")
        .endswith('default: "3.0"\n')
    )
    assert not (tree.package / "example_dags/example_fargate_executor.py").exists()
    installation.revert()
    assert snapshot(tree.package) == before


@pytest.mark.parametrize("first", [False, True])
def test_links_and_copies_replace_each_other(installation, tree, first):
    """Apply with the other choice switches, and never writes through a link into the repository."""
    installation.apply(link=first)
    installation.apply(link=not first)
    assert all((tree.package / name).is_symlink() is not first for name in FILES)
    assert installation.status().settled


def test_files_that_are_linked_elsewhere_stay(installation, tree, tmp_path):
    """Another environment whose files are the same inodes, as uv makes them, does not notice."""
    twin = tmp_path / "twin"
    shutil.copytree(tree.package, twin, copy_function=os.link)
    before = snapshot(twin)
    installation.apply()
    assert snapshot(twin) == before
    installation.revert()
    assert snapshot(twin) == before
    assert all(os.path.samefile(tree.package / name, twin / name) for name in EDITED)


@pytest.mark.parametrize("command", ["apply", "revert"])
@pytest.mark.parametrize("name", [*EDITED, "executors/fargate/fleet.py"])
def test_changes_by_others_are_protected(installation, overlay, tree, command, name):
    """A file that somebody changed since is named, with the remedy; nothing is done."""
    before = snapshot(tree.package)
    installation.apply()
    put(overlay.root / "executors/fargate_executor.py", "class FargateExecutor: ...\n")
    with (tree.package / name).open("a") as file:
        file.write("# somebody was here\n")
    changed = snapshot(tree.package)
    with pytest.raises(OverlayError, match=rf"(?s){name}.*--force"):
        getattr(installation, command)()
    assert snapshot(tree.package) == changed
    getattr(installation, command)(force=True)
    path = tree.package / name
    assert not path.exists() or b"somebody was here" not in path.read_bytes()
    installation.revert()
    assert snapshot(tree.package) == before


def test_an_upgraded_airflow_is_registered_anew(installation, tree):
    """An installer that replaced the edited files took our lines with them; the new files are what revert gives back."""
    originals = {name: (tree.package / name).read_bytes() for name in EDITED}
    installation.apply()
    for name, content in originals.items():
        (tree.package / name).unlink()
        (tree.package / name).write_bytes(content + b"# a newer release\n")
    compiled(tree, "executors/executor_loader.py")
    assert not installation.status().settled
    upgraded = {path: state for path, state in snapshot(tree.package).items() if path.startswith(EDITED)}
    installation.apply()
    assert installation.status().settled
    installation.revert()
    after = snapshot(tree.package)
    assert {path: state for path, state in after.items() if path.startswith(EDITED)} == upgraded
    assert list((tree.package / "executors" / "__pycache__").glob("executor_loader.*"))


def test_revert_leaves_an_upgraded_airflow(installation, tree):
    """Revert does not put the older release's file into a newer one."""
    original = (tree.package / EDITED[1]).read_bytes()
    installation.apply()
    (tree.package / EDITED[1]).unlink()
    (tree.package / EDITED[1]).write_bytes(original + b"# a newer release\n")
    assert f"  {EDITED[1]}: left, it was replaced since" in installation.revert().lines
    assert (tree.package / EDITED[1]).read_bytes() == original + b"# a newer release\n"
    assert b"FARGATE" not in (tree.package / EDITED[0]).read_bytes()


def test_a_file_of_somebody_elses_is_in_the_way(installation, tree):
    """A file that another distribution put there is never overwritten."""
    put(tree.package / "executors/fargate_executor.py", "OTHER = 1\n")
    before = snapshot(tree.package)
    with pytest.raises(OverlayError, match="was not laid by this overlay"):
        installation.apply(force=True)
    assert snapshot(tree.package) == before


def test_the_same_file_of_somebody_elses_stays(installation, tree):
    """A wheel of the same version lies there already: its files stay, also after revert."""
    for name, content in FILES.items():
        put(tree.package / name, content)
    before = snapshot(tree.package)
    assert "  = executors/fargate/fleet.py: there already" in installation.apply().lines
    assert installation.apply().lines[-1] == "nothing to do: applied already"
    assert installation.status().settled
    installation.revert()
    assert snapshot(tree.package) == before


def test_files_in_our_folder_are_left_and_told(installation, tree):
    """Revert removes what the overlay made, and nothing that somebody else added."""
    installation.apply()
    put(tree.package / "executors/fargate/mine.py", "MINE = 1\n")
    assert "  executors/fargate: left, it holds files of others" in installation.revert().lines
    assert os.listdir(tree.package / "executors/fargate") == ["mine.py"]


class TestStatus:
    """``status`` against what was done to the tree before."""

    def test_not_applied(self, installation):
        """An untouched tree is not settled."""
        report = installation.status()
        assert (report.lines[-1], report.settled) == ("not applied", False)

    @pytest.mark.parametrize("link, how", [(False, "copied"), (True, "linked")])
    def test_applied(self, installation, overlay, tree, link, how):
        """It says how, which overlay, which Airflow, and where."""
        installation.apply(link=link)
        report = installation.status()
        assert report.settled
        assert report.lines == (
            f"Airflow {tree.version} in {tree.package}",
            f"applied: {how}, overlay {overlay.version()}, Airflow {tree.version}",
        )

    @pytest.mark.parametrize(
        "where, name, content, told",
        [
            ("tree", "executors/fargate/fleet.py", "FLEET = 3\n", "changed"),
            ("tree", "executors/fargate/fleet.py", None, "missing"),
            ("tree", "executors/executor_loader.py", "FARGATE_EXECUTOR = 1\n", "changed"),
            ("repository", "executors/fargate/fleet.py", "FLEET = 2\n", "not the repository's"),
            ("repository", "executors/fargate/logs.py", "LOGS = 1\n", "not the repository's"),
            ("repository", "executors/fargate/fleet.py", None, "no longer in the repository"),
        ],
    )
    def test_differs(self, installation, overlay, tree, where, name, content, told):
        """Each file that differs is named, and how it does."""
        installation.apply()
        path = (tree.package if where == "tree" else overlay.root) / name
        if content is None:
            path.unlink()
        else:
            put(path, content)
        report = installation.status()
        assert f"  {name}: {told}" in report.lines
        assert not report.settled

    def test_writes_nothing(self, installation, tree):
        """Asking leaves no trace."""
        installation.apply()
        before = snapshot(tree.package)
        installation.status()
        assert snapshot(tree.package) == before


@pytest.mark.parametrize(
    "state, message",
    [("{", "cannot be read"), ('{"format": 2}', "another overlay's format")],
)
def test_a_journal_that_is_not_ours_is_refused(overlay, tree, state, message):
    """Without a journal that can be read there is no telling what is whose."""
    put(tree.package / FOLDER / "state.json", state)
    before = snapshot(tree.package)
    for command in ("apply", "revert", "status"):
        with pytest.raises(OverlayError, match=message):
            getattr(Installation(overlay, find_tree(tree.package)), command)()
    assert snapshot(tree.package) == before
