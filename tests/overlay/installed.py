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
"""An ``airflow`` package that tests run commands of; each run takes seconds, in which Airflow is loaded."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

# Runs commands in one process, since Airflow takes seconds to start, and tells of each its exit code and output.
COMMANDS = """\
import contextlib, io, json, sys
from airflow.__main__ import main
told = []
for command in json.loads(sys.argv.pop()):
    sys.argv[1:], code = command, 0
    with contextlib.redirect_stdout(io.StringIO()) as output:
        try:
            main()
        except SystemExit as end:
            code = end.code
    told.append([code, output.getvalue()])
print(json.dumps(told))
"""


class Airflow:
    """An ``airflow`` package in a folder of its own, before the environment's on the path."""

    def __init__(self, package, home, *paths):
        self.package = package
        self.home = home
        self.paths = [package.parent, *paths]
        self.listed = None

    def run(self, *command, **settings):
        """Run the environment's Python; return the output and what was logged, with places and times made alike."""
        done = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.home,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(map(str, self.paths)),
                "AIRFLOW_HOME": str(self.home),
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db",
                # 2.11 refuses SQLite for an executor that runs tasks in parallel, whichever it is.
                "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
                "COLUMNS": "200",
                **settings,
            },
        )
        assert done.returncode == 0, done.stderr
        alike = re.compile(
            rf"{re.escape(str(self.package.parent))}|{re.escape(str(self.home))}|\d{{4}}-\d\d-\d\d[T ][\d:.+]+Z?"
        )
        return alike.sub("…", done.stdout), sorted(alike.sub("…", done.stderr).splitlines())

    def commands(self, *commands, **settings):
        """Run several commands of Airflow's; return the output of each, and what was logged by all."""
        output, log = self.run("-c", COMMANDS, json.dumps(commands), **settings)
        told = json.loads(output.splitlines()[-1])
        assert [code or 0 for code, _ in told] == [0] * len(commands), (told, log)
        return [text for _, text in told], log

    @property
    def listing(self):
        """The command that lists every option, with its help and its default."""
        cli = (self.package / "cli" / "cli_config.py").read_text(encoding="utf-8")
        # From 3.2 on the values, though defaults, are hidden unless asked for.
        return ["config", "list", "--defaults", *(["--show-values"] if "--show-values" in cli else [])]

    def list_defaults(self):
        if self.listed is None:
            self.listed = self.run("-m", "airflow", *self.listing)
        return self.listed

    def copy(self, folder: Path, home: Path) -> Airflow:
        """Return a copy of it in another folder, with what Python has compiled, which takes as long as a command does."""
        shutil.copytree(self.package, folder / "airflow")
        return Airflow(folder / "airflow", home)

    def lint(self, **settings):
        return self.run("-m", "airflow", "config", "lint", **settings)


def assert_listed(output, options):
    """See that a listing of defaults has each of the options with its help, its variable and its default."""
    [section] = re.findall(r"^\[fargate\]\n(.*?)(?=^\[|\Z)", output, re.MULTILINE | re.DOTALL)
    assert options
    for name, option in options.items():
        for line in option["description"].splitlines():
            assert f"# {line}".rstrip() in [written.rstrip() for written in section.splitlines()]
        assert f"# Variable: AIRFLOW__FARGATE__{name.upper()}\n" in section
        default = "" if option["default"] is None else option["default"]
        assert f"# {name} = {default}\n" in section
