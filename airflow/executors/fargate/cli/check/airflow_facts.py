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
"""What ``airflow fargate check`` looks at of Airflow's own configuration, where it is called."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from airflow.configuration import conf
from airflow.executors.executor_loader import ExecutorLoader
from airflow.version import version

#: The executor's class, and its name in ``[core] executor``.
CLASS = "airflow.executors.fargate_executor.FargateExecutor"
NAME = "FargateExecutor"


@dataclass(frozen=True)
class AirflowFacts:
    """Options of Airflow's. Those of the container can differ: it has its own environment and image."""

    #: ``[core] executor``.
    executor: str = ""
    #: Why none of its executors is the FargateExecutor; empty if one is.
    not_fargate: str = ""
    #: Whether a container asks the API server, as from Airflow 3 on, and not the database.
    has_api: bool = True
    #: ``[core] execution_api_server_url`` and ``[api] base_url``; empty if not set.
    api_url: str = ""
    base_url: str = ""
    #: ``[database] sql_alchemy_conn``. It can contain a password.
    database_url: str = ""
    #: ``[logging] remote_logging``, ``remote_base_log_folder`` and ``logging_config_class``.
    remote_logging: bool = False
    log_folder: str = ""
    logging_config_class: str = ""

    def __repr__(self) -> str:
        """Show nothing: the database's address can contain a password."""
        return f"{type(self).__name__}(…)"


def read_airflow(team: str | None = None) -> AirflowFacts:
    """
    Read the options.

    :param team: whose executors must have the FargateExecutor; None without teams.
    """
    has_api = int(version.partition(".")[0]) >= 3
    executor = _text("core", "executor")
    return AirflowFacts(
        executor=executor,
        not_fargate=why_not_fargate(executor, team),
        has_api=has_api,
        api_url=_text("core", "execution_api_server_url"),
        base_url=_text("api", "base_url") if has_api else "",
        database_url="" if has_api else _text("database", "sql_alchemy_conn"),
        remote_logging=conf.getboolean("logging", "remote_logging", fallback=False),
        log_folder=_text("logging", "remote_base_log_folder"),
        logging_config_class=_text("logging", "logging_config_class"),
    )


def _text(section: str, option: str) -> str:
    return str(conf.get(section, option, fallback=None) or "").strip()


def why_not_fargate(executor: str, team: str | None) -> str:
    """
    Return why none of the executors of a team is the FargateExecutor; empty if one is.

    :param executor: ``[core] executor``: names, module paths and aliases of them, of teams as well:
        ``LocalExecutor,fast:a.module.Path;team=FargateExecutor``.
    :param team: None for the executors of all teams.
    """
    names = [one.rpartition(":")[2].strip() for one in _of_team(executor, team) if one.strip()]
    reasons = [_why_not(name) for name in names]
    if "" in reasons:
        return ""
    return "; ".join(filter(None, dict.fromkeys(reasons))) if names else f"the team {team} has no executor"


def _of_team(executor: str, team: str | None) -> list[str]:
    for part in executor.split(";"):
        name, _, executors = part.rpartition("=")
        if name.strip() == (team or ""):
            return executors.split(",")
    return []


def _why_not(name: str) -> str:
    """Return why an executor is none of ours; a class may derive from ours."""
    if "." not in name:
        if name == NAME and NAME not in ExecutorLoader.executors:
            return f"this Airflow does not know the name {NAME}: write {CLASS}"
        return "" if name == NAME else f"{name} is another executor"
    try:
        loaded, ours = _class(name), _class(CLASS)
    except Exception as error:  # Whatever a module raises on import.
        return f"{name} cannot be imported: {type(error).__name__}"
    return "" if isinstance(loaded, type) and issubclass(loaded, ours) else f"{name} is another executor"


def _class(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)
