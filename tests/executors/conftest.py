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
"""Doubles for the tests of the FargateExecutor; see ``fargate/fakes.py``."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


class WithoutBoto3(pytest.Module):
    """A module of our tests that is skipped, and says so: boto3 comes with a provider, not with Airflow itself."""

    def collect(self):
        """Skip the module without importing it."""
        pytest.skip("boto3 is missing, which comes with the amazon provider", allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    """Return what skips a module of our tests where there is no boto3; None leaves a module to pytest."""
    ours = "fargate" in module_path.parts or module_path.name == "test_fargate_executor.py"
    if ours and not importlib.util.find_spec("boto3"):
        return WithoutBoto3.from_parent(parent, path=module_path)
    return None


def _load_fakes() -> ModuleType:
    # By its path: the package that it is in has another name in each of Airflow's releases.
    spec = importlib.util.spec_from_file_location("fargate_fakes", Path(__file__).parent / "fargate/fakes.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Where dataclasses looks up the names in annotations.
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fakes():
    """Return the module of doubles."""
    return _load_fakes()


@pytest.fixture
def clock(fakes):
    """Return a clock that stands still until a test moves it."""
    return fakes.Clock()


@pytest.fixture
def ecs(fakes, clock):
    """Return an ECS without any tasks."""
    return fakes.FakeEcs(clock)


@pytest.fixture
def make_fleet(fakes, ecs, clock):
    """Return a function that makes a fleet, moved by hand, with these options."""

    def make(build=None, scheduler=None, lease=None, **options):
        config = fakes.make_config(**options)
        return fakes.SteppedFleet(ecs, config, build, scheduler=scheduler, lease=lease, clock=clock)

    return make


@pytest.fixture
def fleet(make_fleet):
    """Return a fleet with the default options."""
    return make_fleet()
