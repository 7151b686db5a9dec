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
"""The overlay on every release that it supports, as the package registry has it."""

from __future__ import annotations

import ast
import functools
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest
from parameterized import parameterized
from tools.harness.environment import registry_settings, tools_environment
from tools.overlay.installation import Installation
from tools.overlay.layout import NEWEST_TESTED, find_tree
from tools.overlay.plan import Overlay
from tools.overlay.yaml_text import load

from tests.overlay.conftest import REPOSITORY, TOUCHED, clone, snapshot

#: Each release's package, unpacked, and what it was unpacked from.
UNPACKED = REPOSITORY / ".cache" / "releases"
DOWNLOADS_AT_ONCE = 4


def pinned() -> dict[str, str]:
    """Return a requirement with its hashes for each release."""
    lines = (REPOSITORY / "requirements" / "release-wheels.txt").read_text().replace("\\\n", "").splitlines()
    requirements = [" ".join(line.split()) for line in lines if line and not line.startswith("#")]
    return {line.split()[0].split("==")[1]: line for line in requirements}


RELEASES = pinned()


def test_the_newest_tested_is_the_newest_here():
    """What ``apply`` says on a newer one is true."""
    assert list(RELEASES)[-1] == NEWEST_TESTED


@pytest.fixture(scope="session")
def releases():
    """Download and unpack the releases that are not there yet; uv compares their hashes."""
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        list(pool.map(unpack, [release for release in RELEASES if not is_there(release)]))


def is_there(release: str) -> bool:
    stamp = UNPACKED / release / "unpacked-from"
    return stamp.exists() and stamp.read_text() == RELEASES[release]


def unpack(release: str) -> None:
    folder = UNPACKED / release
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    requirement = folder / "requirement.txt"
    requirement.write_text(RELEASES[release] + "\n")
    # The tree is not run: whether this Python could is of no matter.
    command = [tools_environment() / "bin" / "uv", "--quiet", "pip", "install", "--no-deps"]
    command += ["--require-hashes", "--only-binary", ":all:", "--python-version", "3.11"]
    command += ["--target", folder, "-r", requirement]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=registry_settings() | os.environ
    )
    assert done.returncode == 0, f"{RELEASES[release]} cannot be had:\n{done.stderr}"
    (folder / "unpacked-from").write_text(RELEASES[release])


def names_in(assigned: str, path: Path) -> ast.expr:
    """Return what a Python file assigns to a name, at any depth."""
    [value] = [
        node.value
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == assigned
    ]
    return value


@functools.cache
def compiled(source: bytes, name: Path) -> None:
    """Compile a file; once where several releases have the same, as of all of ours."""
    compile(source, str(name), "exec")


class TestRelease:
    """Each release's own files, unpacked without what they depend on."""

    @pytest.fixture(autouse=True)
    def _places(self, tmp_path, releases):
        self.site_packages = tmp_path

    def tree_of(self, release):
        clone(UNPACKED / release / "airflow", self.site_packages / "airflow", only=TOUCHED)
        return find_tree(self.site_packages)

    @parameterized.expand(RELEASES)
    def test_apply_and_revert(self, release):
        """The four places of the registration and the section are there; again changes nothing; revert all."""
        tree = self.tree_of(release)
        assert tree.version == release
        installation = Installation(Overlay(REPOSITORY / "airflow"), tree)
        before = snapshot(tree.package)
        installation.apply()
        self.check_registration(tree.package)
        self.check_commands(tree)
        self.check_section(tree.package, release)
        self.check_style(tree.package)
        applied = snapshot(tree.package)
        for path in tree.package.rglob("*.py"):
            compiled(path.read_bytes(), path.relative_to(tree.package))
        assert installation.apply().lines[-1] == "nothing to do: applied already"
        assert installation.status().settled
        assert snapshot(tree.package) == applied
        installation.revert()
        assert snapshot(tree.package) == before

    def check_registration(self, package):
        constants = package / "executors" / "executor_constants.py"
        loader = package / "executors" / "executor_loader.py"
        assert ast.literal_eval(names_in("FARGATE_EXECUTOR", constants)) == "FargateExecutor"
        assert "FARGATE_EXECUTOR" in [name.id for name in names_in("CORE_EXECUTOR_NAMES", constants).elts]
        executors = names_in("executors", loader)
        entries = {key.id: ast.literal_eval(value) for key, value in zip(executors.keys, executors.values)}
        assert entries["FARGATE_EXECUTOR"] == "airflow.executors.fargate_executor.FargateExecutor"
        assert "    FARGATE_EXECUTOR,\n" in loader.read_text()

    def check_commands(self, tree):
        """Airflow 3.2 and newer do not ask an executor of the core for its commands; older releases do."""
        source = (tree.package / "cli" / "cli_parser.py").read_text()
        asked = "executor.get_cli_commands()" in source and "providers_manager" not in source
        assert asked == (tuple(map(int, tree.version.split(".")[:2])) < (3, 2))
        assert source.count("\nairflow_commands.extend(fargate_commands())\n") == (0 if asked else 1)

    def check_section(self, package, release):
        base, _, _ = release.partition("b")
        templates = package / "config_templates"
        config = load((templates / "config.yml").read_bytes())
        ours = load((REPOSITORY / "airflow/config_templates/fargate.yml").read_bytes())["fargate"]
        for option in ours["options"].values():
            option["version_added"] = base
        assert config["fargate"] == ours
        schema = load((templates / "config.yml.schema.json").read_bytes())
        jsonschema.validate({"fargate": config["fargate"]}, schema)

    def check_style(self, package):
        """Airflow's formatter and import order, which all these files keep before, they keep after."""
        ruff = tools_environment() / "bin" / "ruff"
        files = [package / "executors" / f"executor_{name}.py" for name in ("constants", "loader")]
        files.append(package / "cli" / "cli_parser.py")
        common = ["--isolated", "--target-version=py39", "--line-length=110", "--no-cache"]
        isort = ["lint.isort.combine-as-imports=true", "lint.isort.known-first-party=['airflow']"]
        for command in (
            ["format", "--check", *common],
            ["check", "--select=I,F", *common, *(f"--config={setting}" for setting in isort)],
        ):
            done = subprocess.run([ruff, *command, *files], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout
