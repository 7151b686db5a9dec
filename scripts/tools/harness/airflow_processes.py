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
"""Airflow's own components, each a process, as an operator would run them."""

from __future__ import annotations

import json
import shlex
import shutil
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path

from tools.harness import interruption
from tools.harness.database import Database
from tools.harness.processes import HarnessError, Process, wait_until
from tools.harness.rest import RestApi
from tools.harness.settings import USER, Settings

COMPONENTS = {
    3: {
        "api-server": ["api-server"],
        "scheduler": ["scheduler"],
        "dag-processor": ["dag-processor"],
        "triggerer": ["triggerer", "--skip-serve-logs"],
    },
    # Its scheduler forks the DAG processor by itself.
    2: {
        "webserver": ["webserver"],
        "scheduler": ["scheduler"],
        "triggerer": ["triggerer", "--skip-serve-logs"],
    },
}
# Where the web server tells how the others are, and which of them run as components here.
HEALTH = {
    3: ("/api/v2/monitor/health", {"scheduler", "dag_processor", "triggerer"}),
    2: ("/health", {"scheduler", "triggerer"}),
}


#: The wheel brings the plugin by an entry point, which the overlay has not.
PLUGIN = "from airflow.executors.fargate.ui.links import FargatePlugin\n"


class Airflow:
    """One Airflow installation's components on one database."""

    def __init__(self, settings: Settings, env: Mapping[str, str], dags: Iterable[Path]) -> None:
        """Prepare the home folder and the database; nothing runs yet."""
        self.settings = settings
        self.database = Database(settings.database)
        self.api = RestApi(settings)
        self.env = dict(env)
        self.processes: dict[str, Process] = {}
        self._user_added = False
        self.logs = settings.home / "component-logs"
        self.dags = settings.home / "dags"
        for folder in ("component-logs", "dags", "plugins"):
            (settings.home / folder).mkdir()
        if "FargateExecutor" in self.env["AIRFLOW__CORE__EXECUTOR"]:
            (settings.home / "plugins" / "fargate.py").write_text(PLUGIN)
        for dag in dags:
            shutil.copy(dag, self.dags)

    def migrate(self) -> None:
        """Create the database's tables."""
        self.command("db", "migrate")

    def start(self) -> None:
        """Start every component and wait until all of them say that they are well."""
        for name in self.components:
            self.start_component(name)
        self.wait_until_well()

    def wait_until_well(self) -> None:
        """Wait until every component says that it is well."""
        wait_until(self._is_well, timeout=180, what="Airflow's components to be well")

    def start_component(
        self, name: str, *, env: Mapping[str, str] | None = None, called: str | None = None
    ) -> Process:
        """
        Start one component, with some settings of its own where so told.

        :param called: what a further one of its kind is called, beside the first
        """
        program = self.settings.environment / "bin" / "airflow"
        command = [program, *COMPONENTS[self.settings.release.major][name]]
        called = called or name
        log = self.logs / f"{called}.log"
        process = Process(called, command, env=self.env | dict(env or {}), log=log, cwd=self.settings.home)
        self.processes[called] = process
        return process

    def revive(self) -> None:
        """Start again the components that have ended; what is not the scheduler alone is waited for."""
        ended = [
            name
            for name in self.components
            if name not in self.processes or self.processes[name].exit_code is not None
        ]
        for name in ended:
            self.start_component(name)
        if set(ended) - {"scheduler"}:
            self.wait_until_well()

    def remove(self, called: str) -> None:
        """Stop a component that is not needed any more."""
        self.processes.pop(called).stop()

    @property
    def components(self) -> list[str]:
        """The names of the components that this release runs."""
        return list(COMPONENTS[self.settings.release.major])

    @property
    def scheduler(self) -> Process:
        """The scheduler that was started last."""
        return self.processes["scheduler"]

    def stop(self) -> None:
        """Stop every component."""
        for process in self.processes.values():
            process.ask_to_end()
        for process in self.processes.values():
            process.stop()

    def add_user(self) -> None:
        """Make the user that can log in, and ask the REST API; Airflow 3 has it from its settings."""
        if self.settings.release.major == 2 and not self._user_added:
            self._user_added = True
            who = ["--username", USER, "--role", "Admin", "--firstname", "A", "--lastname", "B"]
            self.command("users", "create", *who, "--email", "a@b.c", "--password", self.settings.password)

    def trigger(self, dag_id: str, run_id: str) -> None:
        """Start a DAG run, once the DAG processor has read the DAG."""
        wait_until(lambda: self._has_dag(dag_id), timeout=120, what=f"the Dag processor to read {dag_id}")
        if self.settings.release.major == 2:
            self.command("dags", "trigger", "--run-id", run_id, dag_id)
            return
        # The command line takes seconds to start.
        self.api.trigger(dag_id, run_id)

    def command(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run a command of Airflow's to its end, with some settings of its own where so told; return what it printed."""
        program = self.settings.environment / "bin" / "airflow"
        done = interruption.run([program, *arguments], env=self.env | dict(env or {}), cwd=self.settings.home)
        if done.returncode:
            said = (done.stdout + done.stderr).strip()[-4000:]
            raise HarnessError(f"airflow {' '.join(arguments[:2])} ended with {done.returncode}:\n{said}")
        return done.stdout

    def write_command(self, env: Mapping[str, str]) -> Path:
        """Write a program that is Airflow's command line with this Airflow's settings and more; return its path."""
        variables = shlex.join(f"{name}={value}" for name, value in {**self.env, **env}.items())
        airflow = shlex.quote(str(self.settings.environment / "bin" / "airflow"))
        program = self.settings.home / "airflow"
        # Passwords are in it, which must not stand on a command line either.
        program.touch(mode=0o700)
        program.write_text(f'#!/bin/sh\nexport {variables}\nexec {airflow} "$@"\n')
        return program

    def check_alive(self) -> None:
        """Raise HarnessError, with the end of its log, where a component has ended by itself."""
        for process in self.processes.values():
            if process.exit_code is not None:
                raise HarnessError(f"The {process.name} ended with {process.exit_code}:\n{process.tail()}")

    def _has_dag(self, dag_id: str) -> bool:
        self.check_alive()
        if self.database.has_dag(dag_id):
            # A scheduler of 2.11 that was told to go may have left an error of a file that it was just reading again.
            return True
        if errors := self.database.import_errors():
            raise HarnessError("A Dag file cannot be read:\n" + "\n".join(errors))
        return False

    def _is_well(self) -> bool:
        self.check_alive()
        path, others = HEALTH[self.settings.release.major]
        try:
            with urllib.request.urlopen(self.settings.address + path, timeout=5) as answer:
                told = json.load(answer)
        except (OSError, ValueError):
            return False
        return all(told[name]["status"] == "healthy" for name in others)
