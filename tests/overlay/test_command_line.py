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
"""The command line, run as a person runs it, and the trees that it finds."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tools.overlay.errors import OverlayError
from tools.overlay.layout import find_tree

from tests.overlay.conftest import REPOSITORY, put, snapshot

SCRIPT = REPOSITORY / "scripts" / "overlay.py"


def run(*arguments, python=(sys.executable,), **settings):
    return subprocess.run(
        [*python, SCRIPT, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **settings},
    )


def test_the_life_of_an_overlay(overlay, tree):
    """Each command ends with the exit code that it promises, and says in its last line how it stands."""
    before = snapshot(tree.package)
    repository = f"--repository={overlay.root.parent}"
    life = [
        (("status",), 1, "not applied"),
        (("apply",), 0, f"applied: copied, overlay {overlay.version()}"),
        (("apply",), 0, "nothing to do: applied already"),
        (("status",), 0, f"applied: copied, overlay {overlay.version()}, Airflow {tree.version}"),
        (("apply", "--link"), 0, f"applied: linked, overlay {overlay.version()}"),
        (("revert",), 0, "reverted"),
        (("revert",), 0, "nothing to do: not applied"),
    ]
    for (command, *options), code, last in life:
        done = run(command, tree.package, *options, repository)
        assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (code, last, "")
    assert snapshot(tree.package) == before


def test_apply_tells_what_it_does(overlay, tree):
    """A line for each file reads like a table of contents."""
    release = tuple(int(number) for number in tree.version.split(".")[:2])
    done = run("apply", tree.package, f"--repository={overlay.root.parent}")
    assert done.stdout.splitlines() == [
        f"Airflow {tree.version} in {tree.package}",
        "  ~ executors/executor_constants.py: constant FARGATE_EXECUTOR, member of CORE_EXECUTOR_NAMES",
        "  ~ executors/executor_loader.py: import, entry of ExecutorLoader.executors",
        *(["  ~ cli/cli_parser.py: commands airflow fargate"] if release >= (3, 2) else []),
        "  ~ config_templates/config.yml: section [fargate]",
        *(f"  + {name}" for name in overlay.files()),
        f"applied: copied, overlay {overlay.version()}",
    ]


def test_a_refusal_is_one_message_and_exit_code_2(overlay, tree):
    """No traceback, nothing on standard output, nothing changed."""
    (tree.package / "executors/executor_constants.py").write_text("CORE = 1\n")
    before = snapshot(tree.package)
    done = run("apply", tree.package, f"--repository={overlay.root.parent}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"overlay: The overlay does not know this tree, Airflow {tree.version} in {tree.package}, and has left it as "
        "it is. executors/executor_constants.py: no set CORE_EXECUTOR_NAMES.\n"
    )
    assert snapshot(tree.package) == before


def test_a_missing_library_is_named_with_the_remedy():
    """A Python without libcst says what to install, not where it failed."""
    done = run("status", python=(sys.executable, "-S"))
    assert done.returncode == 2
    assert done.stderr.endswith(f"{sys.executable} -m pip install -r {REPOSITORY}/requirements/overlay.in\n")


def test_without_target_it_is_the_airflow_of_this_python(tree):
    """It is found where Python would import it from, and nothing of it is imported."""
    put(tree.package / "__init__.py", f'__version__ = "{tree.version}"\nraise SystemExit("imported")\n')
    done = run("status", PYTHONPATH=str(tree.package.parent))
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, f"Airflow {tree.version} in {tree.package}")


@pytest.mark.parametrize("place", ["lib/python3.12/site-packages", "Lib/site-packages", "."])
@pytest.mark.parametrize("named", ["environment", "site-packages", "package"])
def test_a_target_is_found(tree, tmp_path, place, named):
    """An environment, its site-packages and the package itself all name the same tree."""
    package = tmp_path / "environment" / place / "airflow"
    package.parent.mkdir(parents=True)
    tree.package.rename(package)
    target = {"environment": tmp_path / "environment", "site-packages": package.parent, "package": package}[
        named
    ]
    assert find_tree(target) == type(tree)(package.resolve(), tree.version)


def test_a_target_may_be_relative(tree, monkeypatch):
    """The tree's path is told in full."""
    monkeypatch.chdir(tree.package.parent)
    assert find_tree(type(tree.package)("airflow")).package == tree.package


@pytest.mark.parametrize(
    "files, message",
    [
        ([], "holds no Airflow that the overlay knows"),
        (["airflow/__init__.py"], "holds no Airflow that the overlay knows"),
        (["airflow/executors/executor_loader.py"], "holds no Airflow that the overlay knows"),
    ],
)
def test_a_target_without_airflow_is_refused(tmp_path, files, message):
    """The message says what a tree looks like."""
    for name in files:
        put(tmp_path / "target" / name, "")
    (tmp_path / "target").mkdir(exist_ok=True)
    with pytest.raises(OverlayError, match=message):
        find_tree(tmp_path / "target")


def test_a_target_that_is_no_folder_is_refused(tmp_path):
    """A slip of the keyboard is told as such."""
    with pytest.raises(OverlayError, match="is not a folder"):
        find_tree(tmp_path / "nowhere")


def test_a_target_with_two_airflows_is_refused(tree, tmp_path):
    """The overlay does not choose."""
    for name in ("python3.11", "python3.12"):
        for landmark in ("__init__.py", "executors/executor_loader.py", "config_templates/config.yml"):
            put(tmp_path / "environment/lib" / name / "site-packages/airflow" / landmark, "")
    with pytest.raises(OverlayError, match="more than one Airflow"):
        find_tree(tmp_path / "environment")


@pytest.mark.parametrize("project", ["pyproject.toml", "../pyproject.toml"])
def test_half_a_source_tree_is_refused(tree, project):
    """A patch needs more there than the package."""
    put(tree.package.parent / project, "")
    with pytest.raises(OverlayError, match="a source tree"):
        find_tree(tree.package)
