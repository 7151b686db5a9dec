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
"""What the wheel tells Airflow of itself; ``test_wheel.py`` has what Airflow makes of it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import jsonschema
import pytest

import airflow
from airflow.executors import executor_constants

from tests.overlay.conftest import REPOSITORY


@pytest.fixture
def wheels():
    """Return the module that the wheel alone has."""
    spec = importlib.util.spec_from_file_location(
        "airflow_fargate_executor", REPOSITORY / "scripts" / "tools" / "wheel" / "airflow_fargate_executor.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("registered, expected", [(True, []), (False, ["fargate"])])
def test_the_commands_never_twice(wheels, monkeypatch, registered, expected):
    """Where the core brings the commands, the wheel does not: Airflow would refuse to start."""
    names = {*executor_constants.CORE_EXECUTOR_NAMES} - {"FargateExecutor"}
    names |= {"FargateExecutor"} if registered else set()
    monkeypatch.setattr(executor_constants, "CORE_EXECUTOR_NAMES", names)
    assert [command.name for command in wheels.commands()] == expected


@pytest.mark.parametrize(
    "core, expected",
    [
        ("core:\n  options: {}\n", True),
        ("core:\n  options: {}\nfargate:\n  options: {}\n", False),
        ("fargate:\n  options: {}\ncore:\n  options: {}\n", False),
        # Only a section counts.
        ("core:\n  description: see\n  fargate: 1\n", True),
        ("fargate_of_another:\n  options: {}\n", True),
    ],
)
def test_the_options_never_twice(wheels, monkeypatch, tmp_path, core, expected):
    """Where the core has the section, the wheel does not bring it: to 3.1 Airflow would refuse to start."""
    path = tmp_path / "config.yml"
    path.write_text(core)
    monkeypatch.setattr(wheels, "CORE_OPTIONS", path)
    assert ("config" in wheels.provider_info()) == expected


def test_it_says_what_airflow_reads(wheels, monkeypatch, tmp_path):
    """It fits Airflow's schema of a provider, and the function that it names is there."""
    monkeypatch.setattr(wheels, "CORE_OPTIONS", tmp_path / "config.yml")
    wheels.CORE_OPTIONS.write_text("core: {}\n")
    info = wheels.provider_info()
    schema = json.loads(Path(airflow.__file__).with_name("provider_info.schema.json").read_text())
    jsonschema.validate(info, schema)
    assert info["config"]["fargate"]["options"]["deployment"]["default"] == "airflow"
    assert info["cli"] == [f"{wheels.__name__}.{wheels.commands.__name__}"]
