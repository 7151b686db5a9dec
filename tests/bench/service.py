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
"""A local Fargate beside the tests, to which the options of ``[fargate]`` lead."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.harness.fargate_process import LocalFargate
from tools.harness.settings import fargate_settings

if TYPE_CHECKING:
    import pytest


@contextmanager
def local_fargate(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Iterator[LocalFargate]:
    """
    Start one in a process of its own, and end it. It only pretends to run anything.

    :param folder: where its files go.
    :param monkeypatch: sets the options in the environment.
    :param settings: the local Fargate's own, beside those that make it quick.
    """
    quick = {"provisioning_time": 0.05, "stopping_time": 0.05, "pretend": {"duration": 0.2}}
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(folder)}
    server = LocalFargate(Path(sys.executable), folder, environment, **{**quick, **settings})
    try:
        server.start()
        for name, value in fargate_settings(server.told).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AIRFLOW__FARGATE__POLL_INTERVAL", "0.2")
        yield server
    finally:
        server.stop()
