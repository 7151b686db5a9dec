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
"""A local Fargate beside the tests, with faults of every kind, and an executor on its real threads."""

from __future__ import annotations

import logging

import pytest

from airflow.executors.fargate_executor import FargateExecutor

from tests.bench.scheduler import Records, Scheduler
from tests.bench.service import local_fargate


@pytest.fixture
def fargate(tmp_path, monkeypatch):
    """Yield a local Fargate that only pretends to run anything; the options lead to it."""
    with local_fargate(tmp_path, monkeypatch) as server:
        yield server


@pytest.fixture
def start():
    """Return a function that starts an executor and returns its scheduler; ends them all afterwards."""
    executors = []

    def start():
        executor = FargateExecutor()
        executors.append(executor)
        executor.start()
        return Scheduler(executor, interval=0.02)

    yield start
    for executor in executors:
        executor.end()


@pytest.fixture
def written():
    """Yield what every logger writes, at every level, with all that an error brings with it."""
    handler, root = Records(), logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in ("airflow", "botocore", "boto3", "urllib3"))]
    levels = [(logger, logger.level) for logger in loggers]
    root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield lambda: "\n".join(map(FORMATTER.format, handler.records))
    root.removeHandler(handler)
    for logger, level in levels:
        logger.setLevel(level)


FORMATTER = logging.Formatter("%(name)s %(levelname)s %(message)s")
