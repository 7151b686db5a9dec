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
"""ministack for the tests of templates."""

from __future__ import annotations

import os

import pytest
from tools.harness.environment import locked_environment
from tools.harness.ministack import NAME, MinistackServer
from tools.harness.releases import NEWEST, RELEASES


@pytest.fixture(scope="session")
def ministack(tmp_path_factory):
    """Start ministack once for all tests, each of which deletes its stacks."""
    # It pins a botocore that differs from Airflow's.
    locked_environment(NAME, RELEASES[NEWEST])
    server = MinistackServer(tmp_path_factory.mktemp(NAME), {"PATH": os.environ["PATH"]})
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def programs():
    """Return the folder with cfn-lint and parliament."""
    return locked_environment("templates", RELEASES[NEWEST]) / "bin"
