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
"""What the tests of bad input share: an executor on doubles, and how what is said is compared."""

from __future__ import annotations

import logging
import re
import sys

import pytest

from tests.bench.scheduler import Records
from tests.bench.stepped import OPTIONS, SteppedScheduler, set_options
from tests.executors.fargate import fakes


@pytest.fixture
def options(monkeypatch):
    """Set the options that have no default, and return a function that sets others; None unsets one."""

    def put(**values):
        set_options(monkeypatch, values)

    put(**OPTIONS)
    return put


@pytest.fixture
def user_module(tmp_path, monkeypatch):
    """Return a function that writes a user's module and returns the dotted path of its ``function``."""

    def write(source):
        (tmp_path / "users_own_bad_functions.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "users_own_bad_functions", raising=False)
        return "users_own_bad_functions.function"

    return write


@pytest.fixture
def records():
    """Yield what is logged meanwhile, by whomever, from INFO on."""
    handler, root = Records(), logging.getLogger()
    loggers = [root, *(logging.getLogger(n) for n in ("airflow", "airflow.executors", "airflow.task"))]
    levels = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.INFO)
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    for logger, level, propagate in levels:
        logger.setLevel(level)
        logger.propagate = propagate


class PickyEcs(fakes.FakeEcs):
    """Knows which containers the task definition has."""

    def _new_task(self, request):
        for override in request["overrides"]["containerOverrides"]:
            if override["name"] not in ("airflow", "sidecar"):
                raise fakes.aws_error(
                    "InvalidParameterException",
                    f"Override for container named {override['name']} is not a container in the TaskDefinition.",
                )
        return super()._new_task(request)


@pytest.fixture
def clock():
    """Return the clock of the executor and of ECS."""
    return fakes.Clock()


@pytest.fixture
def ecs(clock):
    """Return the ECS of the executor that a test starts."""
    return PickyEcs(clock)


@pytest.fixture
def start(monkeypatch, ecs, clock, options):
    """Return a function that starts an executor, whose fleet a test moves by hand, and returns its scheduler."""

    def start(**values):
        options(**values)
        return SteppedScheduler(monkeypatch, ecs, clock)

    return start


def says(expected, told):
    """Tell whether this is what was expected, where ``…`` stands for anything."""
    pattern = ".+".join(map(re.escape, expected.split("…")))
    return re.fullmatch(pattern, told, re.DOTALL) is not None


@pytest.fixture(name="says")
def _says():
    return says
