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
"""A whole deployment on this machine: PostgreSQL, the local Fargate, and Airflow on FargateExecutor."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.harness.airflow_processes import Airflow
from tools.harness.fargate_process import LocalFargate
from tools.harness.postgres import Postgres
from tools.harness.settings import Settings

if TYPE_CHECKING:
    from tools.harness.releases import Release

#: What every container imports, by Airflow's major release.
PRELOAD = {
    3: (
        "airflow.executors.base_executor",
        "airflow.executors.workloads",
        "airflow.models.dagbag",
        "airflow.sdk.execution_time.supervisor",
        "airflow.sdk.execution_time.task_runner",
    ),
    2: ("airflow.cli.commands.task_command", "airflow.cli.cli_parser", "airflow.models.dagbag"),
}


class Deployment:
    """
    A context manager: everything runs inside, and nothing is left after it, no process and no file.

    :param environment: the virtual environment with that release and the overlay
    :param dags: the DAG files
    :param extra: further settings of Airflow's components, as environment variables
    :param container_env: further environment variables of the containers
    :param fargate: settings of the local Fargate
    :param configure: returns the settings of Airflow's components that depend on the local Fargate, which runs by then
    :param service: what starts the containers, in the place of the local Fargate
    :param say: told in a few words what begins now
    """

    airflow: Airflow
    fargate: LocalFargate
    folder: Path

    def __init__(
        self,
        release: Release,
        environment: Path,
        *,
        dags: Iterable[Path],
        extra: Mapping[str, str] | None = None,
        container_env: Mapping[str, str] | None = None,
        fargate: Mapping[str, Any] | None = None,
        configure: Callable[[LocalFargate], Mapping[str, str]] = lambda _: {},
        service: type[LocalFargate] = LocalFargate,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._release = release
        self._environment = environment
        self._dags = list(dags)
        self._extra = {"AIRFLOW__CORE__EXECUTOR": "FargateExecutor", **(extra or {})}
        self._container_env = dict(container_env or {})
        self._fargate = dict(fargate or {})
        self._configure = configure
        self._service = service
        self._say = say
        self._stack = ExitStack()

    def __enter__(self) -> Deployment:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._say("Stopping everything")
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="airflow-"))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "tmp").mkdir()
        self._say("Starting PostgreSQL")
        postgres = Postgres()
        stack.callback(postgres.stop)
        postgres.start()
        settings = Settings(self._release, self._environment, self.folder, postgres.uri)
        self._say(f"Starting {self._service.title}, which stands in for AWS")
        python, container_env = (
            self._environment / "bin" / "python",
            settings.container() | self._container_env,
        )
        preload = PRELOAD[self._release.major]
        self.fargate = self._service(python, self.folder, container_env, preload, **self._fargate)
        stack.callback(self.fargate.stop)
        self.fargate.start()
        extra = self._extra | dict(self._configure(self.fargate))
        self.airflow = Airflow(settings, settings.airflow(self.fargate.told, extra), self._dags)
        self._say("Creating Airflow's database")
        self.airflow.migrate()
        stack.callback(self.airflow.stop)
        self._say(f"Starting Airflow: {', '.join(self.airflow.components)}")
        self.airflow.start()
