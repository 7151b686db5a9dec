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
from tests.overlay.installed import LINT, LOADING, assert_listed, contents


@pytest.fixture(scope="module")
def overlaid(plain_airflow, with_another_executor, tmp_path_factory):
    """Airflow with the overlay, laid by its command line."""
    airflow = plain_airflow.copy(
        tmp_path_factory.mktemp("overlaid"), tmp_path_factory.mktemp("overlaid-home")
    )
    subprocess.run([sys.executable, REPOSITORY / "scripts/overlay.py", "apply", airflow.package], check=True)
    return airflow


@pytest.fixture(scope="module")
def with_ours(overlaid, options):
    """What it answers where our executor is set: what that loads first; at the end with all its options set, too."""
    # Airflow remarks on what is too short to be hidden of an option that can hold a password.
    settings = [f"AIRFLOW__FARGATE__{name.upper()}=of some length" for name in options]
    commands = [overlaid.listing, ["fargate", "--help"], [*settings, *LINT]]
    return overlaid.ask(*commands, first=LOADING, AIRFLOW__CORE__EXECUTOR="FargateExecutor")


@pytest.fixture(scope="module")
def by_default(overlaid):
    """What it answers where nothing is set."""
    return overlaid.ask(overlaid.listing, LINT)


@pytest.fixture(scope="module")
def options():
    section = yaml.safe_load((REPOSITORY / "airflow/config_templates/fargate.yml").read_bytes())["fargate"]
    return section["options"]


def texts(log):
    """Return what is logged, however often and wherever: a warning of Airflow's names each module that imports it."""
    return {line.partition(" ")[2] for line in log}


def test_the_executor_loads_by_its_name(with_ours, with_another_executor):
    """``[core] executor = FargateExecutor`` is an executor of Airflow's core, and nothing more is logged than else."""
    module = "airflow.executors.fargate_executor"
    identity, aws = map(json.loads, with_ours.first[-2:])
    assert identity == [f"{module}.FargateExecutor", module, "FargateExecutor", "CORE"]
    assert aws == []
    assert texts(with_ours.logs[0]) == texts(with_another_executor.logs[0])


def test_the_commands_are_there_once(with_ours):
    """``airflow fargate`` is found on every release, and by no two ways, which Airflow would refuse."""
    _, output, _ = with_ours.outputs
    assert all(f"\n    {name} " in output for name in ("check", "render", "tasks", "stop"))
    assert "more than once" not in "\n".join(with_ours.log)


def test_every_option_is_listed_with_its_help(by_default, options):
    """``airflow config list --defaults`` shows the section, each option's help, its variable and its default."""
    assert_listed(by_default.outputs[0], options)


@pytest.mark.parametrize("setting", ["by_default", "with_ours"])
def test_the_other_sections_are_as_before(with_another_executor, setting, request):
    """What Airflow lists without the overlay it lists with it; keys that each home draws for itself aside."""
    drawn = re.compile(r"^# (fernet_key|secret_key|internal_api_secret_key|jwt_secret) = .*$", re.MULTILINE)
    answers = with_another_executor, request.getfixturevalue(setting)
    without, listed = (drawn.sub("", answer.outputs[0]) for answer in answers)
    assert re.sub(r"^\[fargate\]\n.*?(?=^\[|\Z)", "", listed, flags=re.MULTILINE | re.DOTALL) == without


def test_listing_logs_nothing_unusual(with_another_executor, with_ours):
    """Reading the configuration warns of nothing that an Airflow without the overlay does not warn of."""
    assert with_ours.logs[1] == with_another_executor.logs[1]


def test_lint_is_clean(overlaid, by_default):
    """``airflow config lint`` finds nothing in an overlaid 3.x; 2.11 finds its own defaults not ready for 3."""
    output = by_default.outputs[1]
    assert "fargate" not in output.lower()
    assert "No issues found" in output or find_tree(overlaid.package).version.startswith("2.")


def test_lint_treats_ours_as_another_core_executor(with_ours, with_another_executor):
    """With our executor and options it says no more than of any other executor: that it is not the default."""
    (*_, output), (_, other) = with_ours.outputs, with_another_executor.outputs
    assert words(output) == words(other.replace(LOCAL_EXECUTOR, "FargateExecutor"))
    assert texts(with_ours.log) == texts(with_another_executor.log)


def test_revert_gives_back_the_airflow_that_was_installed(plain_airflow, overlaid):
    """Every file is as it was, and none is left; the last test of what is overlaid."""
    script = REPOSITORY / "scripts/overlay.py"
    subprocess.run([sys.executable, script, "revert", overlaid.package], check=True)
    assert contents(overlaid.package) == contents(plain_airflow.package)


def words(output):
    """Return the output without the line breaks, which fall elsewhere in a name of another length."""
    return output.split()
