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
"""Each test starts a process, as Airflow reads its logging configuration once."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from airflow.version import version

IS_2 = version.startswith("2.")
CONFIG = "airflow.executors.fargate.ui.logging_config.LOGGING_CONFIG"
#: What Airflow's API server does: it asks for the remote log, or has the handler.
OF_THE_SERVER = """
import airflow.settings
airflow.settings.initialize()
from airflow import logging_config
find = vars(logging_config).get("get_remote_task_log")
remote = find() if find else logging_config.REMOTE_TASK_LOG
print(type(remote).__name__, type(remote.inner).__name__, len(remote.processors))
"""
OF_2_11 = """
import logging
import airflow.settings
airflow.settings.initialize()
(handler,) = [h for h in logging.getLogger("airflow.task").handlers if h.name == "task"]
print(type(handler).__name__, type(handler).__mro__[1].__name__, handler.local_base)
"""
#: What the supervisor in a container does.
OF_THE_CONTAINER = """
import sys
from airflow.sdk import log
remote = log.load_remote_log_handler()
print(type(remote).__name__)
"""
OF_A_PROVIDER = """
import os
import airflow.config_templates.airflow_local_settings  # It refuses the schemes that it does not know itself.
os.environ["AIRFLOW__LOGGING__REMOTE_LOGGING"] = "True"
from airflow.providers_manager import ProvidersManager, RemoteLoggingInfo
classes = {"own": "own.Own", "fargate": "airflow.executors.fargate.ui.remote_log.FargateRemoteLogIO"}
ProvidersManager.remote_logging_handler_by_scheme = lambda self, scheme: RemoteLoggingInfo(
    package_name="own", classpath=classes[scheme], scheme=scheme
)
import sys, types
sys.modules["own"] = types.SimpleNamespace(Own=type("Own", (), {"from_config": classmethod(lambda cls: cls())}))
from airflow.executors.fargate.ui import logging_config
print(type(logging_config.REMOTE_TASK_LOG.inner).__name__)
"""
LIGHT = """
import sys
import airflow.executors
before = set(sys.modules)
from airflow.executors.fargate.ui.remote_log import FargateRemoteLogIO
FargateRemoteLogIO.from_config().upload("path", None)
print(sorted(name for name in set(sys.modules) - before if ".fargate" not in name))
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs code with options, and returns the last line that it prints."""

    def run(code, **options):
        environment = {
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path),
            **{f"AIRFLOW__LOGGING__{name.upper()}": value for name, value in options.items()},
        }
        command = [sys.executable, "-W", "ignore", "-c", code]
        process = subprocess.run(
            command, capture_output=True, text=True, timeout=100, check=False, env=environment
        )
        assert process.returncode == 0, process.stderr
        return process.stdout.splitlines()[-1]

    return run


needs_s3 = pytest.mark.skipif(
    not find_spec("airflow.providers.amazon"), reason="comes with the amazon provider"
)
S3 = {"remote_logging": "True", "remote_base_log_folder": "s3://bucket/logs", "remote_log_conn_id": "aws_x"}


@pytest.mark.skipif(IS_2, reason="has a handler instead")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "FargateRemoteLogIO NoneType 0"),
        pytest.param(S3, "FargateRemoteLogIO S3RemoteLogIO 0", marks=needs_s3),
    ],
)
def test_remote_log(run, options, expected):
    """Airflow's own configuration has it, around the one that it would have had."""
    assert run(OF_THE_SERVER, logging_config_class=CONFIG, **options) == expected


@pytest.mark.skipif(
    not find_spec("airflow._shared") or not find_spec("airflow._shared.logging.factory"), reason="since 3.3"
)
@pytest.mark.parametrize(("folder", "inner"), [("own://bucket", "Own"), ("fargate://", "NoneType")])
def test_remote_log_of_a_provider(run, folder, inner):
    """Airflow looks it up by its scheme. The one of this package does not wrap itself."""
    assert run(OF_A_PROVIDER, remote_base_log_folder=folder) == inner


@pytest.mark.skipif(IS_2, reason="the container has the same handler")
def test_remote_log_in_a_container(run):
    """The supervisor finds it as well, and uploads nothing."""
    assert run(OF_THE_CONTAINER, logging_config_class=CONFIG) == "FargateRemoteLogIO"


@pytest.mark.skipif(not IS_2, reason="has a remote log instead")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "FargateTaskHandler FileTaskHandler /logs"),
        pytest.param(S3, "FargateTaskHandler S3TaskHandler /logs", marks=needs_s3),
    ],
)
def test_handler(run, options, expected, tmp_path):
    """It derives from the one that Airflow would have had, with its arguments."""
    logs = str(tmp_path / "logs")
    found = run(OF_2_11, logging_config_class=CONFIG, base_log_folder=logs, **options)
    assert found.replace(str(tmp_path), "") == expected


def test_it_is_light(run):
    """A container loads it: nothing heavy is imported, and no call is made."""
    assert run(LIGHT) == "[]"
