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
"""
What the wheel alone has: what it tells Airflow as its providers do, by the entry point ``apache_airflow_provider``.

Airflow reads it while it reads its configuration, and for each of its commands: nothing is imported here that takes long.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.config.template import CONFIG_TEMPLATE, SECTION, section

if TYPE_CHECKING:
    from airflow.cli.cli_config import GroupCommand

#: Where Airflow's own package has its options, and ours where it is patched.
CORE_OPTIONS = CONFIG_TEMPLATE.with_name("config.yml")
#: What reads the log of a task, for ``[logging] remote_base_log_folder = fargate://``. Airflow up to 3.4 does not start
#: with that, as its own logging module does not know the scheme; ``logging_config_class`` works on each release.
REMOTE_LOG = "airflow.executors.fargate.ui.remote_log.FargateRemoteLogIO"


def provider_info() -> dict[str, Any]:
    """
    Return the commands, which 3.2 and newer know, the remote log, which 3.3 and newer know, and the options.

    Older releases pass over what they do not know.

    To 3.1 Airflow does not start where a provider brings a section that is there already, so the options are left out
    where Airflow's core has them.
    """
    info: dict[str, Any] = {
        "package-name": "airflow-fargate-executor",
        "name": "FargateExecutor",
        "description": "Runs each task instance in a container of its own on AWS Fargate.",
        "cli": [f"{__name__}.commands"],
        "remote-logging": [{"classpath": REMOTE_LOG, "scheme": "fargate"}],
    }
    return info if _core_has_section() else {**info, "config": {SECTION: section()}}


def _core_has_section() -> bool:
    # As text, since each airflow command asks: the whole file takes a tenth of a second to parse.
    return re.search(rf"(?m)^{SECTION}:".encode(), CORE_OPTIONS.read_bytes()) is not None


def commands() -> list[GroupCommand]:
    """Return ``airflow fargate``, where Airflow's core does not bring it: Airflow refuses what is there twice."""
    from airflow.executors.executor_constants import CORE_EXECUTOR_NAMES
    from airflow.executors.fargate.cli.definition import fargate_commands

    return [] if "FargateExecutor" in CORE_EXECUTOR_NAMES else fargate_commands()
