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
"""An account on ministack in which the commands have deployed what the executor needs, with a stand-in for the image."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.comparing.ministack import Ministack
from tools.harness.environment import IMPORT_PATH, REPOSITORY
from tools.harness.ministack import REGION
from tools.harness.postgres import open_folder
from tools.harness.processes import wait_until

NAME, IMAGE, DATABASE_IMAGE = "airflow", "local/airflow:3.4", "local/postgres"
API_URL = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"


class Account(Ministack):
    """
    ministack, in which ``scripts/aws/deploy`` has made a VPC and what ECS tasks need.

    The image has on its disk what a container of the harness is told otherwise, but not the API server's address: that is a
    parameter of the template.
    """

    title = "an account on ministack"
    _database = None

    def _create(self, server):
        self.server = server
        own = {name: value for name, value in self._container_env.items() if name != API_URL}
        server.add_image(IMAGE, own)
        server.add_image(DATABASE_IMAGE, *self._database_image())
        self.options_file = self._folder / "fargate.cfg"
        self.deploy()
        options = self.options
        lists = {name: options[name].split(",") for name in ("subnets", "security_groups")}
        return {**options, **lists}

    def _database_image(self):
        """Return the environment and the entry point of what stands for PostgreSQL's image."""
        self._database = Path(tempfile.mkdtemp(prefix="pg-", dir=open_folder()))
        environment = {**IMPORT_PATH, "PATH": os.environ["PATH"], "PGDATA": str(self._database)}
        return environment, [sys.executable, "-m", "tools.harness.postgres_image"]

    def stop(self):
        super().stop()
        # PostgreSQL's processes end by themselves once the first one is gone, and may write until then.
        wait_until(self._has_no_database, timeout=10, what="PostgreSQL to end", every=0.1)

    def _has_no_database(self):
        if self._database:
            shutil.rmtree(self._database, ignore_errors=True)
        return not (self._database and self._database.exists())

    def deploy(self):
        """Run the command as the page has it; return what it printed."""
        return self.run(
            "deploy", "--tasks-only", "--network", "public", "--yes", "--image", IMAGE,
            "--parameter", f"ExecutionApiUrl={self._container_env[API_URL]}", "--options-file", self.options_file,
        )  # fmt: skip

    @property
    def options(self):
        """The options that the command has written."""
        parser = configparser.ConfigParser()
        parser.read_string(self.options_file.read_text())
        assert parser.sections() == ["fargate"]
        return dict(parser["fargate"])

    @property
    def environment(self):
        """Return what Airflow has in its environment: these options, and that this account is AWS."""
        options = {f"AIRFLOW__FARGATE__{name.upper()}": value for name, value in self.options.items()}
        return options | {"AWS_ENDPOINT_URL": self.server.endpoint_url}

    def run(self, command, *arguments):
        """Run one of the commands to its end, with keys of the account; return what it printed."""
        keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "key", "AWS_DEFAULT_REGION": REGION}
        where = {"AWS_ENDPOINT_URL": self.server.endpoint_url, "COLUMNS": "200"}
        done = subprocess.run(
            [REPOSITORY / "scripts" / "aws" / command, "--name", NAME, *arguments],
            env={**os.environ, **keys, **where},
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout[-6000:]}\n{done.stderr[-4000:]}"
        return done.stdout
