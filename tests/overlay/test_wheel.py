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
import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes

import pytest
import yaml
from tools.harness.environment import tools_environment
from tools.overlay.installation import Installation
from tools.overlay.layout import find_tree
from tools.overlay.plan import Overlay

from tests.overlay.conftest import REPOSITORY
from tests.overlay.installed import LINT, Airflow, assert_listed, contents

BUILDING = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
MODULE = "airflow.executors.fargate_executor"
LOADING = """\
import json
from airflow.executors.executor_loader import ExecutorLoader
executor, source = ExecutorLoader.import_default_executor_cls()
from airflow.executors.fargate.config.template import template
print(json.dumps([executor.__name__, executor.__module__, source.name, sorted(template())]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build from a copy, since setuptools writes beside what it builds."""
    source = tmp_path_factory.mktemp("source")
    names = ("setup.py", "pyproject.toml", "MANIFEST.in")
    for name in (*names, "README.md", "LICENSE", "NOTICE"):
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
def beside(plain_airflow, with_another_executor, wheel, tmp_path_factory):
    """
    Return the installed Airflow, without the overlay, with the wheel unpacked over it.

    What the wheel says of itself lies in another folder on the path, so that an Airflow without it is at hand.
    """
    folder = tmp_path_factory.mktemp("site-packages")
    metadata = tmp_path_factory.mktemp("metadata")
    airflow = plain_airflow.copy(folder, tmp_path_factory.mktemp("home"))
    for name in wheel.namelist():
        wheel.extract(name, folder if name.startswith("airflow/") else metadata)
    airflow.paths.append(metadata)
    return airflow


@pytest.fixture(scope="module")
def options():
    section = yaml.safe_load((REPOSITORY / "airflow/config_templates/fargate.yml").read_bytes())["fargate"]
    return section["options"]


def test_it_carries_our_files_and_none_of_airflows(wheel):
    """Every file below ``airflow/``, no ``__init__.py`` of a package that is Airflow's, and what Airflow asks it."""
    names = [name for name in wheel.namelist() if ".dist-info/" not in name]
    ours = [f"airflow/{name}" for name in Overlay(REPOSITORY / "airflow").files()]
    assert sorted(names) == sorted([*ours, "airflow_fargate_executor.py"])
    packages = [name for name in names if name.endswith("__init__.py")]
    assert packages
    assert all(name.startswith("airflow/executors/fargate/") for name in packages)


def test_it_says_what_it_needs(wheel):
    """The oldest Airflow and the oldest boto3 that it works with, and the extra."""
    [path] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = message_from_bytes(wheel.read(path))
    assert metadata["Name"] == "airflow-fargate-executor"
    needed = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert needed == ["apache-airflow>=2.11", "boto3>=1.28.85"]
    assert metadata.get_all("Provides-Extra") == ["amazon"]
    assert sorted(metadata.get_all("License-File")) == ["LICENSE", "NOTICE"]


def test_it_leaves_the_installed_airflow_as_it_is(wheel):
    """Whichever release that is, a pre-release too: nothing but the wheel is installed."""
    command = [tools_environment() / "bin" / "uv", "pip", "install", "--dry-run", "--offline", "--no-cache"]
    command += ["--python", sys.executable, wheel.filename]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^ [+~-] (\S+)", done.stderr, re.MULTILINE) == ["airflow-fargate-executor"]


CLASS = f"{MODULE}.FargateExecutor"
SETTINGS = {"AIRFLOW__CORE__EXECUTOR": CLASS}
USAGE = ["fargate", "--help"]
PROVIDERS = ["providers", "list", "--output", "json"]
PLUGINS = ["plugins", "--output", "json"]


def ours(providers):
    """Return what ``airflow providers list`` tells of the wheel."""
    return [told for told in json.loads(providers) if told["package_name"] == "airflow-fargate-executor"]


@pytest.fixture(scope="module")
def with_the_wheel(beside, options):
    """What Airflow answers with the wheel, loading the executor first; at the end with all its options set, too."""
    value = ["config", "get-value", "fargate", "deployment"]
    settings = [f"AIRFLOW__FARGATE__{name.upper()}=x" for name in options]
    commands = [USAGE, beside.listing, PROVIDERS, PLUGINS, value, [*settings, *LINT]]
    return beside.ask(*commands, first=LOADING, **SETTINGS)


def test_the_executor_works_by_its_module_path(with_the_wheel):
    """Without any registration, with the options' defaults from the file that the wheel carries."""
    name, found, source, options = json.loads(with_the_wheel.first[-1])
    assert (name, found, source) == ("FargateExecutor", MODULE, "CUSTOM_PATH")
    assert {"cluster", "task_definition", "container_name"} <= set(options)


def test_airflow_knows_the_wheel(beside, with_the_wheel, options, tmp_path):
    """Its options with their help and defaults, and itself; and Airflow logs no more than without it."""
    _, listing, providers, _, value, _ = with_the_wheel.outputs
    assert_listed(listing, options)
    assert value.splitlines()[-1] == options["deployment"]["default"] != ""
    assert len(ours(providers)) == 1
    without = Airflow(beside.package, tmp_path).ask(beside.listing, PROVIDERS, first=LOADING, **SETTINGS)
    listing, providers = without.outputs
    assert "[fargate]" not in listing
    assert ours(providers) == []
    assert set(with_the_wheel.log) <= set(without.log)


def test_airflow_loads_the_plugin(with_the_wheel):
    """By the wheel's entry point, with both buttons and nothing else."""
    plugins = json.loads(with_the_wheel.outputs[3])
    [plugin] = [told for told in plugins if told["name"] == "fargate"]
    assert "airflow-fargate-executor" in plugin["source"]
    buttons = plugin.pop("global_operator_extra_links")
    assert str(buttons).count("airflow.executors.fargate.ui.links.EcsTaskButton") == 2
    assert not any(value for name, value in plugin.items() if name not in ("name", "source"))


def test_lint_finds_nothing_in_its_options(with_the_wheel):
    """``airflow config lint`` takes them for options that are there, whatever they are set to."""
    output = "".join(with_the_wheel.outputs[-1].split())
    assert "fargate" not in output.replace(CLASS, "").lower()


def test_the_overlay_comes_and_goes_beside_it(beside, with_the_wheel, options):
    """The overlay adds registration and options, and leaves the wheel's files to pip; nothing is there twice."""
    installation = Installation(Overlay(REPOSITORY / "airflow"), find_tree(beside.package))
    before = contents(beside.package)
    assert "  = executors/fargate_executor.py: there already" in installation.apply().lines
    assert installation.status().settled
    overlaid = beside.ask(USAGE, beside.listing, PROVIDERS, AIRFLOW__CORE__EXECUTOR="FargateExecutor")
    installation.revert()
    # So that it answers as it did before.
    assert contents(beside.package) == before
    for answers in (overlaid, with_the_wheel):
        usage, listing, providers, *_ = answers.outputs
        assert "render" in usage
        assert_listed(listing, options)
        assert len(ours(providers)) == 1
        # Without the file: a warning of Airflow's imports names the module that imports first.
        texts = [line.partition(" ")[2] for log in answers.logs[:4] for line in log]
        assert not [text for text in texts if "more than once" in text or "fargate" in text.lower()]
    assert (beside.package / "executors" / "fargate_executor.py").exists()
