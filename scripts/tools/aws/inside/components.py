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
"""A whole Airflow, each of its components a child process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tools.aws.inside.payload import BUNDLE, FOLDER

if TYPE_CHECKING:
    from tools.aws.inside.lines import Lines
    from tools.aws.inside.settings import Settings

USER = "verify"
COMPONENTS = {
    "api-server": ["api-server"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
}
#: Seconds that a component gets to end before it is killed.
GRACE = 15
#: Seconds that the database may take to answer: its image may come long after this one.
DATABASE_PATIENCE = 180


class ComponentError(Exception):
    """A program of Airflow's did not do what it should."""


class Airflow:
    """
    Airflow's components on the database that is there.

    :param home: an empty folder, for Airflow's files.
    :param recorded: environment variables of the scheduler, with which its calls to AWS are recorded.
    """

    def __init__(self, settings: Settings, lines: Lines, home: Path, recorded: Mapping[str, str]) -> None:
        self._settings = settings
        self._recorded = dict(recorded)
        self._lines = lines
        self._home = home
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Wait for the database, make its tables and start every component."""
        wait_for_database(self._settings.database)
        migration = self._run("db migrate", ["db", "migrate"])
        if code := migration.wait():
            raise ComponentError(f"airflow db migrate ended with {code}; its output says why")
        for name in COMPONENTS:
            self.start_component(name)

    def start_component(self, name: str, **environment: str) -> None:
        """Start a component, with some settings of its own."""
        if name == "scheduler":
            environment = self._recorded | environment
        self._processes[name] = self._run(name, COMPONENTS[name], environment)

    def restart_scheduler(self, **environment: str) -> None:
        """Let the scheduler end as it wants to, and start the next one."""
        self._end(self._processes.pop("scheduler"))
        self.start_component("scheduler", **environment)

    def kill_scheduler(self) -> None:
        """End the scheduler and all that it has started, at once."""
        process = self._processes.pop("scheduler")
        _signal(process, signal.SIGKILL)
        process.wait()

    def revive(self) -> None:
        """Start every component that is not there any more, whatever a trial has done."""
        for name in COMPONENTS:
            if name not in self._processes or self._processes[name].poll() is not None:
                self.start_component(name)

    def check_alive(self) -> None:
        """Raise ComponentError where a component has ended by itself."""
        for name, process in self._processes.items():
            if (code := process.poll()) is not None:
                raise ComponentError(f"Airflow's {name} ended with {code}; its output says why")

    def stop(self) -> None:
        """Stop every component."""
        for process in self._processes.values():
            _signal(process, signal.SIGTERM)
        for process in self._processes.values():
            self._end(process)
        self._processes.clear()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        _signal(process, signal.SIGTERM)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()

    def _run(
        self, name: str, arguments: list[str], environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", *arguments],
            env={**os.environ, **component_environment(self._settings, self._home), **(environment or {})},
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=self._lines.pass_on, args=(name, process.stdout), daemon=True).start()
        return process


def wait_for_database(address: str) -> None:
    """
    Wait until a database answers: its container starts beside this one.

    :raises ComponentError: after DATABASE_PATIENCE
    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import OperationalError

    engine, deadline = create_engine(address), time.monotonic() + DATABASE_PATIENCE
    while True:
        try:
            return engine.connect().close()
        except OperationalError as error:
            if time.monotonic() > deadline:
                raise ComponentError(f"The database does not answer: {error.orig}") from error
        time.sleep(1)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a program and all that it has started."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


def component_environment(settings: Settings, home: Path) -> dict[str, str]:
    """Return the settings of Airflow's components, as environment variables."""
    passwords = home / "passwords.json"
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps({USER: settings.password}))
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundle = {"name": BUNDLE, "classpath": local, "kwargs": {"path": str(FOLDER / "dags")}}
    sections = {
        "api": {
            "base_url": settings.api,
            "port": settings.port,
            "secret_key": settings.secret,
            "workers": 2,
        },
        "api_auth": {"jwt_secret": settings.secret},
        "core": {
            "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "dags_are_paused_at_creation": False,
            "default_pool_task_slot_count": 1000,
            "execution_api_server_url": f"{settings.api}/execution/",
            # By its path it is found whether the image has the overlay or the wheel.
            "executor": "airflow.executors.fargate_executor.FargateExecutor",
            "load_examples": False,
            # The account's quotas are what limits.
            "max_active_tasks_per_dag": 1000,
            "parallelism": 1000,
            "simple_auth_manager_passwords_file": passwords,
            "simple_auth_manager_users": f"{USER}:admin",
        },
        "dag_processor": {"dag_bundle_config_list": json.dumps([bundle])},
        "database": {"sql_alchemy_conn": settings.database},
        "fargate": _fargate(settings),
        # The death of a scheduler is noticed within half a minute.
        "scheduler": {
            "job_heartbeat_sec": 2,
            "orphaned_tasks_check_interval": 10,
            "scheduler_health_check_threshold": 20,
            "scheduler_heartbeat_sec": 2,
        },
    }
    names = ((section, option) for section, options in sections.items() for option in options)
    return {"AIRFLOW_HOME": str(home)} | {
        f"AIRFLOW__{section}__{option}".upper(): str(sections[section][option]) for section, option in names
    }


def _fargate(settings: Settings) -> dict[str, object]:
    environment = {
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": settings.execution_api,
        # Airflow gives up a request after 5 s, and the API server refuses the repeated start of a task instance.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # The trials' Dags read it.
        "VERIFY_MAPPED": str(settings.mapped),
    }
    override = {"environment": [{"name": name, "value": value} for name, value in environment.items()]}
    return {
        "assign_public_ip": settings.assign_public_ip,
        "cluster": settings.cluster,
        "container_name": settings.container,
        "deployment": settings.deployment,
        "region": settings.region,
        "run_task_kwargs": json.dumps({"overrides": {"containerOverrides": [override]}}),
        "security_groups": settings.security_groups,
        "subnets": settings.subnets,
        "task_definition": settings.task_definition,
    }
