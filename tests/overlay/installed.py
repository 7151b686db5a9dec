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
"""An ``airflow`` package that tests ask; each process takes seconds, in which Airflow is loaded, and answers several questions."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

#: Printed to the error stream before each command, since what is logged is not the command's own.
NEXT = "--- the next command's"
#: It ends before there is much to free: looking for that takes a fifth of the time.
BEGINNING = "import gc; gc.disable()\n"
#: Runs commands in one process, since Airflow takes seconds to start, and tells of each its exit code and output.
COMMANDS = f"""
import contextlib, io, json, os, sys
from airflow.__main__ import main
told = []
for command in json.loads(sys.argv.pop()):
    while "=" in command[0]:
        name, _, value = command.pop(0).partition("=")
        os.environ[name] = value
    sys.argv[1:], code = command, 0
    print("{NEXT}", file=sys.stderr, flush=True)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        try:
            main()
        except SystemExit as end:
            code = end.code
    told.append([code, output.getvalue()])
print(json.dumps(told))
"""
#: Loads the executor that is set, and prints what it is, and what of AWS's that has loaded.
LOADING = """\
import json, sys
from airflow.executors.executor_loader import ExecutorLoader
name = ExecutorLoader.get_default_executor_name()
executor, source = ExecutorLoader.import_default_executor_cls()
print(json.dumps([name.module_path, executor.__module__, executor.__name__, source.name]))
print(json.dumps(sorted(m for m in ("boto3", "botocore") if m in sys.modules)))
"""
LINT = ["config", "lint"]


@dataclass
class Answers:
    """
    What one process has answered that has loaded Airflow once.

    :param first: what its program has printed
    :param outputs: what each command has printed
    :param logs: what was logged before the first command, and by each of them; sorted lines
    """

    first: list[str]
    outputs: list[str]
    logs: list[list[str]]

    @property
    def log(self) -> list[str]:
        """All that was logged."""
        return [line for log in self.logs for line in log]


class Airflow:
    """An ``airflow`` package in a folder of its own, before the environment's on the path."""

    def __init__(self, package, home, *paths):
        self.package = package
        self.home = home
        self.paths = [package.parent, *paths]

    def ask(self, *commands, first="", **settings) -> Answers:
        """
        Run a program in the environment's Python, and then commands of Airflow's in the same process.

        A command can begin with ``NAME=VALUE``, as in a shell: Airflow reads a setting anew each time. It is kept for the
        commands after it.

        Places and times are made alike in what it prints and logs.
        """
        done = subprocess.run(
            [sys.executable, "-c", BEGINNING + first + COMMANDS, json.dumps(commands)],
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
        *printed, told = alike.sub("…", done.stdout).splitlines()
        codes, outputs = zip(*json.loads(told))
        assert [code or 0 for code in codes] == [0] * len(commands), (told, done.stderr)
        logs = [sorted(log.splitlines()) for log in alike.sub("…", done.stderr).split(f"{NEXT}\n")]
        return Answers(printed, list(outputs), logs)

    @property
    def listing(self):
        """The command that lists every option, with its help and its default."""
        cli = (self.package / "cli" / "cli_config.py").read_text(encoding="utf-8")
        # From 3.2 on the values, though defaults, are hidden unless asked for.
        return ["config", "list", "--defaults", *(["--show-values"] if "--show-values" in cli else [])]

    def copy(self, folder: Path, home: Path) -> Airflow:
        """Return a copy of it in another folder, with what Python has compiled, which takes as long as a command does."""
        shutil.copytree(self.package, folder / "airflow")
        return Airflow(folder / "airflow", home)


def contents(package):
    """Return the bytes of every file by its path, but for what Python has compiled."""
    files = (path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(package).as_posix(): path.read_bytes() for path in files}


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
