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
"""A real Airflow with the overlay on it, in processes of its own, against the same Airflow without."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import yaml
from tools.overlay.layout import find_tree

from tests.overlay.conftest import LOCAL_EXECUTOR, REPOSITORY
from tests.overlay.installed import assert_listed

LOADING = """\
import json, sys
from airflow.executors.executor_loader import ExecutorLoader
name = ExecutorLoader.get_default_executor_name()
executor, source = ExecutorLoader.import_default_executor_cls()
print(json.dumps([name.module_path, executor.__module__, executor.__name__, source.name]))
print(json.dumps(sorted(m for m in ("boto3", "botocore") if m in sys.modules)))
"""


@pytest.fixture(scope="module")
def plain(compiled_airflow, tmp_path_factory):
    """Airflow as it is installed, without the overlay."""
    return compiled_airflow.copy(tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("plain-home"))


@pytest.fixture(scope="module")
def overlaid(compiled_airflow, tmp_path_factory):
    """The same with the overlay, laid by its command line."""
    airflow = compiled_airflow.copy(
        tmp_path_factory.mktemp("overlaid"), tmp_path_factory.mktemp("overlaid-home")
    )
    subprocess.run([sys.executable, REPOSITORY / "scripts/overlay.py", "apply", airflow.package], check=True)
    return airflow


@pytest.fixture(scope="module")
def options():
    section = yaml.safe_load((REPOSITORY / "airflow/config_templates/fargate.yml").read_bytes())["fargate"]
    return section["options"]


def texts(log):
    """Return what is logged, however often and wherever: a warning of Airflow's names each module that imports it."""
    return {line.partition(" ")[2] for line in log}


def test_the_executor_loads_by_its_name(plain, overlaid):
    """``[core] executor = FargateExecutor`` is an executor of Airflow's core, and nothing more is logged than else."""
    output, log = overlaid.run("-c", LOADING, AIRFLOW__CORE__EXECUTOR="FargateExecutor")
    module = "airflow.executors.fargate_executor"
    identity, aws = map(json.loads, output.splitlines()[-2:])
    assert identity == [f"{module}.FargateExecutor", module, "FargateExecutor", "CORE"]
    assert aws == []
    of_another = plain.run("-c", LOADING, AIRFLOW__CORE__EXECUTOR="LocalExecutor")[1]
    assert texts(log) == texts(of_another)


def test_the_commands_are_there_once(overlaid):
    """``airflow fargate`` is found on every release, and by no two ways, which Airflow would refuse."""
    output, log = overlaid.run(
        "-m", "airflow", "fargate", "--help", AIRFLOW__CORE__EXECUTOR="FargateExecutor"
    )
    assert all(f"\n    {name} " in output for name in ("check", "render", "tasks", "stop"))
    assert "more than once" not in "\n".join(log)


def test_every_option_is_listed_with_its_help(overlaid, options):
    """``airflow config list --defaults`` shows the section, each option's help, its variable and its default."""
    assert_listed(overlaid.list_defaults()[0], options)


def test_the_other_sections_are_as_before(plain, overlaid):
    """What Airflow lists without the overlay it lists with it; keys that each home draws for itself aside."""
    drawn = re.compile(r"^# (fernet_key|secret_key|internal_api_secret_key|jwt_secret) = .*$", re.MULTILINE)
    without, listed = (drawn.sub("", airflow.list_defaults()[0]) for airflow in (plain, overlaid))
    assert re.sub(r"^\[fargate\]\n.*?(?=^\[|\Z)", "", listed, flags=re.MULTILINE | re.DOTALL) == without


def test_listing_logs_nothing_unusual(plain, overlaid):
    """Reading the configuration warns of nothing that an Airflow without the overlay does not warn of."""
    assert overlaid.list_defaults()[1] == plain.list_defaults()[1]


def test_lint_is_clean(overlaid):
    """``airflow config lint`` finds nothing in an overlaid 3.x; 2.11 finds its own defaults not ready for 3."""
    output = overlaid.lint()[0]
    assert "fargate" not in output.lower()
    assert "No issues found" in output or find_tree(overlaid.package).version.startswith("2.")


def test_lint_treats_ours_as_another_core_executor(plain, overlaid, options):
    """With our executor and options it says no more than of any other executor: that it is not the default."""
    # Airflow remarks on what is too short to be hidden of an option that can hold a password.
    settings = {f"AIRFLOW__FARGATE__{name.upper()}": "of some length" for name in options}
    output, log = overlaid.lint(AIRFLOW__CORE__EXECUTOR="FargateExecutor", **settings)
    other, other_log = plain.lint(AIRFLOW__CORE__EXECUTOR=LOCAL_EXECUTOR)
    assert words(output) == words(other.replace(LOCAL_EXECUTOR, "FargateExecutor"))
    assert texts(log) == texts(other_log)


def test_revert_gives_back_the_airflow_that_was_installed(plain, overlaid):
    """Every file is as it was, and none is left; the last test of what is overlaid."""
    script = REPOSITORY / "scripts/overlay.py"
    subprocess.run([sys.executable, script, "revert", overlaid.package], check=True)
    assert contents(overlaid.package) == contents(plain.package)


def contents(package):
    """Return the bytes of every file by its path, but for what Python has compiled."""
    files = (path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(package).as_posix(): path.read_bytes() for path in files}


def words(output):
    """Return the output without the line breaks, which fall elsewhere in a name of another length."""
    return output.split()
