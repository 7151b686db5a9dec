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
"""
The Dockerfile does what it says, as far as that can be told without Docker.

Its COPY and RUN instructions are carried out in a fresh environment with the Airflow of these tests, in a folder of their own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tools.documentation.options import REPOSITORY
from tools.harness.environment import registry_settings, tools_environment
from tools.harness.releases import RELEASES
from tools.overlay.installation import Installation
from tools.overlay.layout import find_tree
from tools.overlay.plan import Overlay

import airflow

DOCKERFILE = REPOSITORY / "scripts" / "docker" / "Dockerfile"
#: Where the image has the repository's files while it is built.
INSIDE = "/tmp/fargate"
#: In one process, since Airflow takes seconds to start.
LOADING = (
    "import boto3, sys; from airflow.executors.executor_loader import ExecutorLoader as loader;"
    "print(loader.import_default_executor_cls()[0].__module__);"
    "from airflow.__main__ import main; sys.argv[1:] = ['version']; main()"
)


def instructions():
    """Return the instructions of the Dockerfile in their order: the word, and what stands behind it."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def of(word):
    return [rest for instruction, rest in instructions() if instruction == word]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """
    Return an environment with the Airflow of these tests as it comes from its package, and pip.

    It is a copy of theirs without the overlay, with what Python has compiled there: to compile Airflow takes as long as all
    that is tested here.
    """
    uv = tools_environment() / "bin" / "uv"
    folder = tmp_path_factory.mktemp("image") / "environment"
    run([uv, "--quiet", "venv", "--python", sys.executable, folder])
    packages = find_tree().package.parent
    copied = folder / packages.relative_to(Path(sys.prefix).resolve())
    # Without what Python, in other tests, is about to rename.
    shutil.copytree(packages, copied, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.pyc.*"))
    Installation(Overlay(REPOSITORY / "airflow"), find_tree(copied / "airflow")).revert(force=True)
    # What a slim image has not got.
    run([uv, "--quiet", "pip", "uninstall", "boto3", "libcst", "--python", folder])
    run([uv, "--quiet", "pip", "install", "pip", "--python", folder], registry_settings())
    return folder


def run(command, env=None):
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | (env or {}), cwd="/"
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_it_starts_from_airflows_image():
    """FROM the official image of the version that is asked for, by default the newest of the tests that is no beta."""
    assert {word for word, _ in instructions()} == {"ARG", "FROM", "USER", "COPY", "RUN"}
    assert of("FROM") == ["apache/airflow:${AIRFLOW_VERSION}"]
    [default] = of("ARG")
    files = [REPOSITORY / "requirements" / f"airflow-{line}.in" for line in RELEASES]
    pins = [re.search(r"^apache-airflow==(.+)$", file.read_text(encoding="utf-8"), re.M)[1] for file in files]
    assert default == f"AIRFLOW_VERSION={next(pin for pin in pins if pin.replace('.', '').isdigit())}"


def test_it_ends_as_airflows_user():
    """Nothing in the image runs or is installed as root."""
    assert set(of("USER")) == {"airflow"}
    assert all(copy.startswith("--chown=airflow:0 ") for copy in of("COPY"))


def test_docker_gets_what_is_copied():
    """The folder that is sent to Docker has all of it, and not the environments beside it."""
    lines = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    sources = [f"!{copy.split()[1]}" for copy in of("COPY")]
    assert rules == ["*", *sources, "**/__pycache__"]


def test_it_makes_an_airflow_that_knows_the_executor(environment, tmp_path):
    """With no other file than those that are copied, the commands leave an Airflow with the executor, and nothing else."""
    there = tmp_path / "fargate"
    for copy in of("COPY"):
        _, source, target = copy.split()
        place = Path(target.replace(INSIDE, str(there)))
        place.parent.mkdir(parents=True, exist_ok=True)
        take = shutil.copytree if (REPOSITORY / source).is_dir() else shutil.copy
        take(REPOSITORY / source, place)
    env = {
        "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_VERSION": airflow.__version__,
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path),
    }
    for command in of("RUN"):
        run(["bash", "-c", command.replace(INSIDE, str(there))], env)
    assert not there.exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"home"}
    executor = {
        "AIRFLOW__CORE__EXECUTOR": "FargateExecutor",
        # Airflow 2 has no other database here.
        "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
    }
    loaded = run([environment / "bin" / "python", "-c", LOADING], env | executor)
    assert loaded.split()[-2:] == ["airflow.executors.fargate_executor", airflow.__version__]
