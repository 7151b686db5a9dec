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
What ``[logging] logging_config_class = airflow.executors.fargate.ui.logging_config.LOGGING_CONFIG`` gives Airflow.

That is Airflow's own configuration, and a remote log that reads CloudWatch. A logging module of your own has the same
by one line: ``REMOTE_TASK_LOG = FargateRemoteLogIO(REMOTE_TASK_LOG)`` (from Airflow 3.0 on).
"""

from __future__ import annotations

import importlib
from typing import Any

from airflow.configuration import conf
from airflow.executors.fargate.ui.remote_log import FargateRemoteLogIO
from airflow.version import version

#: Airflow's own logging module, and the value of the option that names it.
DEFAULTS: Any = importlib.import_module("airflow.config_templates.airflow_local_settings")
DEFAULT = f"{DEFAULTS.__name__}.DEFAULT_LOGGING_CONFIG"


class _DefaultConf:
    """Airflow's configuration without ``logging_config_class``."""

    def get(self, section: str, key: str, **arguments: Any) -> Any:
        """Return an option."""
        return DEFAULT if key == "logging_config_class" else conf.get(section, key, **arguments)

    getboolean = conf.getboolean


def _inner() -> tuple[Any, str | None]:
    """Return the remote log that Airflow would have without this module, and its connection; None where it has none."""
    own = (getattr(DEFAULTS, name, None) for name in ("REMOTE_TASK_LOG", "DEFAULT_REMOTE_CONN_ID"))
    if not conf.getboolean("logging", "remote_logging", fallback=False):
        return None, None
    try:
        # From 3.3 on, providers bring remote logs.
        factory = importlib.import_module("airflow._shared.logging.factory")
        shared = importlib.import_module("airflow._shared.module_loading")
        from airflow.providers_manager import ProvidersManager
    except ImportError:
        return tuple(own)  # type: ignore[return-value]
    found: tuple[Any, str | None] = factory.resolve_remote_task_log(
        conf=_DefaultConf(), providers_manager=ProvidersManager(), import_string=shared.import_string
    )
    return (None, None) if isinstance(found[0], FargateRemoteLogIO) else found


LOGGING_CONFIG: dict[str, Any] = DEFAULTS.DEFAULT_LOGGING_CONFIG
if version.startswith("2."):
    # By its name, as newer source trees do not have it.
    older = importlib.import_module("airflow.executors.fargate.ui.older.airflow_2_11")
    LOGGING_CONFIG = older.with_own_handler(LOGGING_CONFIG)
else:
    _remote, DEFAULT_REMOTE_CONN_ID = _inner()
    REMOTE_TASK_LOG = FargateRemoteLogIO(_remote)
