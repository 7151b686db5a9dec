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
What stands for an image of PostgreSQL: a program that makes a database and becomes its server.

It reads variables that PostgreSQL's own image reads (https://hub.docker.com/_/postgres), and ``PGPORT``; its command is
``postgres`` with options, as there. Everybody on this machine may log in. Its folder, which is empty, is in ``PGDATA``;
who has made it deletes it.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

from tools.harness import postgres


def main() -> None:
    """Make the database, and become the server; it stays in the session that it was started in."""
    folder = Path(os.environ["PGDATA"])
    programs = postgres.installed_programs()
    if os.geteuid() == 0:
        programs = _become_nobody(programs, folder)
    data, user = folder / "data", os.environ.get("POSTGRES_USER", "postgres")
    made = ["initdb", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", f"--username={user}"]
    subprocess.run([programs / made[0], *made[1:], "--pgdata", data], check=True)
    if (database := os.environ.get("POSTGRES_DB", user)) != "postgres":
        create = f'CREATE DATABASE "{database}"\n'
        subprocess.run(
            [programs / "postgres", "--single", "-D", data, "postgres"], input=create, text=True, check=True
        )
    settings = postgres.SETTINGS | {"listen_addresses": "127.0.0.1"}
    options = [f"--{name}={value}" for name, value in settings.items()]
    os.execv(
        programs / "postgres", [programs / "postgres", "-D", data, "-k", folder, *options, *sys.argv[2:]]
    )


def _become_nobody(programs: Path, folder: Path) -> Path:
    """Be nobody from now on, since PostgreSQL refuses to run as root; return the programs where nobody can read them."""
    nobody = pwd.getpwnam("nobody")
    programs = postgres.copy_programs(programs, folder / "install")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
    os.chdir(folder)
    return programs


if __name__ == "__main__":
    main()
