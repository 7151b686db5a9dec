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
"""The wheel that ``setup.py`` builds, beside a real Airflow that knows nothing of the overlay."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes

import pytest
from overlay_parts.installation import Installation
from overlay_parts.layout import find_tree
from overlay_parts.plan import Overlay

from tests.overlay.conftest import REPOSITORY, clone

BUILDING = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
MODULE = "airflow.executors.fargate_executor"
LOADING = """\
import json
from airflow.executors.executor_loader import ExecutorLoader
executor, source = ExecutorLoader.import_default_executor_cls()
from airflow.executors.fargate.options import template
print(json.dumps([executor.__name__, executor.__module__, source.name, sorted(template())]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build from a copy, since setuptools writes beside what it builds."""
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(REPOSITORY / name, source)
    for name in ("airflow", "requirements", "tests", "scripts"):
        shutil.copytree(
            REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.lock")
        )
    target = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-c", BUILDING, target], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    [built] = target.glob("*.whl")
    return zipfile.ZipFile(built)


@pytest.fixture(scope="module")
def beside(wheel, tmp_path_factory):
    """Return a copy of the installed Airflow, without the overlay, with the wheel unpacked over it."""
    site_packages = tmp_path_factory.mktemp("site-packages")
    clone(find_tree().package, site_packages / "airflow")
    wheel.extractall(site_packages)
    return site_packages


def test_it_carries_our_files_and_none_of_airflows(wheel):
    """Every file below ``airflow/``, and no ``__init__.py`` of a package that is Airflow's."""
    names = [name for name in wheel.namelist() if ".dist-info/" not in name]
    assert sorted(names) == sorted(f"airflow/{name}" for name in Overlay(REPOSITORY / "airflow").files())
    assert [name for name in names if name.endswith("__init__.py")] == [
        "airflow/executors/fargate/__init__.py",
        "airflow/executors/fargate/cli/__init__.py",
    ]


def test_it_says_what_it_needs(wheel):
    """The Airflow releases and the boto3 that it works with, and the two extras."""
    [path] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = message_from_bytes(wheel.read(path))
    assert metadata["Name"] == "airflow-fargate-executor"
    needed = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert needed == ["apache-airflow<3.4,>=2.11", "boto3>=1.28.85"]
    assert metadata.get_all("Provides-Extra") == ["test", "local-fargate"]
    assert sorted(metadata.get_all("License-File")) == ["LICENSE", "NOTICE"]


def run(beside, home, *arguments):
    """Run Python with the copy of Airflow before the environment's, and our executor by its module path."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
        env={
            **os.environ,
            "PYTHONPATH": str(beside),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__EXECUTOR": f"{MODULE}.FargateExecutor",
            # 2.11 refuses SQLite for an executor that runs tasks in parallel, whichever it is.
            "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
        },
    )


def test_the_executor_works_by_its_module_path(beside, tmp_path):
    """Without any registration, with the options' defaults from the file that the wheel carries."""
    done = run(beside, tmp_path, "-c", LOADING)
    assert done.returncode == 0, done.stderr
    name, found, source, options = json.loads(done.stdout.splitlines()[-1])
    assert (name, found, source) == ("FargateExecutor", MODULE, "CUSTOM_PATH")
    assert {"cluster", "task_definition", "container_name"} <= set(options)


def test_the_overlay_comes_and_goes_beside_it(beside, tmp_path):
    """The overlay adds the registration and leaves the wheel's files to pip; the commands are there, and once."""
    tree = find_tree(beside)
    installation = Installation(Overlay(REPOSITORY / "airflow"), tree)
    found = []
    assert "  = executors/fargate_executor.py: there already" in installation.apply().lines
    assert installation.status().settled
    found.append(run(beside, tmp_path, "-m", "airflow", "fargate", "--help"))
    installation.revert()
    found.append(run(beside, tmp_path, "-m", "airflow", "fargate", "--help"))
    for done in found:
        assert done.returncode == 0, done.stderr
        assert "render" in done.stdout
        assert "defined more than once" not in done.stderr
    assert (tree.package / "executors" / "fargate_executor.py").exists()
