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
"""The settings, as environment variables, of an Airflow that the harness runs, and of its containers."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tools.harness.processes import free_port

if TYPE_CHECKING:
    from tools.harness.releases import Release

USER = "admin"

# What a program may see of the environment that the harness was started in.
PASSED_ON = ("HOME", "LANG", "TZ", "USER")

DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"

# With it Airflow shows the log of every try, running or ended.
LOGGING_CONFIG = "airflow.executors.fargate.ui.logging_config.LOGGING_CONFIG"


@dataclass(frozen=True)
class Settings:
    """One Airflow: where it lies, what it runs on, and what it shares with its containers."""

    release: Release
    environment: Path
    """The virtual environment that Airflow is installed in."""
    home: Path
    database: str
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_hex(9), repr=False)
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    fernet_key: str = field(
        default_factory=lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(), repr=False
    )

    @property
    def address(self) -> str:
        """Where the web server listens."""
        return f"http://127.0.0.1:{self.port}"

    def airflow(self, fargate: Mapping[str, object], extra: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of Airflow's components, for the local Fargate that ``fargate`` tells of."""
        return self._shared() | self._components() | fargate_settings(fargate) | extra

    def container(self) -> dict[str, str]:
        """
        Return what the task definition gives to each container.

        On Airflow 3 a container asks the API server, so it is not told of the database.
        """
        shared = self._shared()
        if self.release.major == 3:
            del shared[DATABASE]
            # Airflow repeats a request after 5 s without an answer, and the API server refuses the repeated
            # start of a task instance: on a slow machine it would fail.
            shared["AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT"] = "60"
            # Nothing speaks TLS here, and to read all certificates takes each container a quarter of a second.
            shared["SSL_CERT_FILE"] = os.devnull
        return shared

    def _shared(self) -> dict[str, str]:
        path = os.pathsep.join((str(self.environment / "bin"), os.environ.get("PATH", os.defpath)))
        shared = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return shared | {
            "PATH": path,
            # Airflow 2's web server, for one, leaves its cache in the folder for temporary files.
            "TMPDIR": str(self.home / "tmp"),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home / "dags"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.address}/execution/",
            "AIRFLOW__CORE__FERNET_KEY": self.fernet_key,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS": LOGGING_CONFIG,
            DATABASE: self.database,
        }

    def _components(self) -> dict[str, str]:
        backends = ("airflow.api.auth.backend.session", "airflow.api.auth.backend.basic_auth")
        # Airflow 2's REST API takes a name and a password, as programs give them, only where it is told to.
        of_release_2 = {"AIRFLOW__API__AUTH_BACKENDS": ",".join(backends)} if self.release.major == 2 else {}
        return of_release_2 | {
            "AIRFLOW__API__BASE_URL": self.address,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__SECRET_KEY": self.secret,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": self.secret,
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords()),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "AIRFLOW__WEBSERVER__BASE_URL": self.address,
            "AIRFLOW__WEBSERVER__SECRET_KEY": self.secret,
            "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(self.port),
            "AIRFLOW__WEBSERVER__WORKERS": "1",
        }

    def _passwords(self) -> Path:
        """Write the file in which Airflow 3's simple auth manager finds the user's password."""
        path = self.home / "passwords.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({USER: self.password}))
        return path


def fargate_settings(fargate: Mapping[str, object]) -> dict[str, str]:
    """Return ``[fargate]`` for the local Fargate that says this of itself, and credentials of no value."""
    options = {
        "cluster": fargate["cluster"],
        "container_name": fargate["container_name"],
        "endpoint_url": fargate["endpoint_url"],
        "region": fargate["region"],
        "security_groups": ",".join(fargate["security_groups"]),
        "subnets": ",".join(fargate["subnets"]),
        "task_definition": fargate["task_definition"],
    }
    return {f"AIRFLOW__FARGATE__{name.upper()}": str(value) for name, value in options.items()} | {
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_EC2_METADATA_DISABLED": "true",
        # The executor's own option is for ECS alone.
        "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": str(fargate["endpoint_url"]),
    }
