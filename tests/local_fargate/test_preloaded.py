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
from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest
from tools.harness.processes import wait_until
from tools.simulator.bootstrap import Wanted, create
from tools.simulator.server import LocalFargate

from tests.local_fargate.conftest import QUICK, Account

#: A module that tells which processes import it.
HEAVY = """
import os
print("imported by", os.getpid(), file=open(os.environ["AIRFLOW_COUNT"], "a"))
"""
PROGRAM = """
import os, signal, sys
import heavy
print(__name__, sys.argv[1:], os.getcwd() == os.environ["HOME"], os.getsid(0) == os.getpid())
print(sorted(name for name in os.environ if name.startswith("OF_")))
print(sys.stdin.read(), "error", file=sys.stderr)
if sys.argv[1] == "raise":
    raise RuntimeError("on purpose")
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "waits":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    print("ready", flush=True)
    signal.pause()
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules")
    (folder / "heavy.py").write_text(HEAVY)
    (folder / "program.py").write_text(PROGRAM)
    return folder


@pytest.fixture(scope="module")
def environment(modules):
    return {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.defpath)),
        "PYTHONPATH": str(modules),
        "AIRFLOW_COUNT": str(modules / "count"),
    }


@pytest.fixture(scope="module")
def account(environment):
    with LocalFargate(QUICK, preload=["heavy"]) as fargate:
        yield Account(fargate, create(fargate, Wanted(environment=environment)))


def run(account, argument, **environment):
    """Run the program to its end; return its exit code and its lines."""
    task = account.end_of("python", "-m", "program", argument, environment=environment)
    return task["containers"][0]["exitCode"], account.output(task["taskArn"])


def imports(modules):
    """Return the processes that have imported the module so far."""
    return (modules / "count").read_text().splitlines()


@pytest.mark.parametrize(("argument", "code"), [("0", 0), ("3", 3), ("raise", 1), ("killed", 137)])
def test_it_runs_as_python_would_run_it(account, argument, code):
    """With its arguments, its own environment, folder, session and output, and its exit code."""
    exit_code, lines = run(account, argument, OF_THIS="1")
    assert exit_code == code
    if argument != "killed":  # Nothing flushes its output.
        assert f"__main__ {[argument]} True True" in lines
        assert "['OF_THIS']" in lines
        assert " error" in lines
    assert ("RuntimeError: on purpose" in lines) == (argument == "raise")


def test_what_is_imported_once_serves_all_of_an_environment(account, modules):
    """Of the variables that an import may read, one that differs takes a process of its own."""
    run(account, "0")
    known = imports(modules)
    assert [run(account, "0", OF_THIS=str(number))[0] for number in range(3)] == [0, 0, 0]
    assert imports(modules) == known
    run(account, "0", AIRFLOW__CORE__ANY="1")
    assert len(imports(modules)) == len(known) + 1


def test_it_can_be_stopped(account):
    """SIGTERM reaches it, and its exit code is told."""
    arn = account.run("python", "-m", "program", "waits")
    account.wait(arn, "RUNNING")
    wait_until(lambda: "ready" in account.output(arn), timeout=30, what="it catches SIGTERM")
    account.stop(arn)
    assert account.wait(arn)["containers"][0]["exitCode"] == 7


def test_other_commands_run_as_ever(account):
    """What is no Python module is started, or cannot be."""
    assert account.end_of("sh", "-c", "exit 4")["containers"][0]["exitCode"] == 4
    assert account.end_of("python", "-c", "exit(5)")["containers"][0]["exitCode"] == 5
    assert account.end_of("no-such-program")["stopCode"] == "TaskFailedToStart"


@pytest.mark.parametrize("missing", ["python", "/no/such/folder"])
def test_what_cannot_be_started_fails_to_start(account, environment, missing):
    """As where nothing is imported for it: its PATH has no ``python``, or its folder is not there."""
    if missing == "python":
        members = {"environment": environment | {"PATH": "/no/such/folder"}}
    else:
        definition = account.register("elsewhere", {"name": account.container, "workingDirectory": missing})
        members = {"environment": environment, "taskDefinition": definition}
    task = account.end_of("python", "-m", "program", "0", **members)
    assert task["stopCode"] == "TaskFailedToStart"
    assert f"No such file or directory: '{missing}'" in task["containers"][0]["reason"]


def test_what_cannot_be_imported_is_the_container_s_own_affair(account, modules):
    """Where an environment lets the import fail, the program runs as if nothing was to be imported for it, again and again."""
    for _ in range(2):
        code, lines = run(account, "0", AIRFLOW_COUNT="/no/such/folder/count")
        assert code == 1
        assert "No such file or directory: '/no/such/folder/count'" in lines[-1]


def test_nothing_is_left(modules):
    """Neither the process that has imported the modules nor what it has started."""
    with LocalFargate(QUICK, preload=["heavy"]) as fargate:
        environment = {"PATH": str(Path(sys.executable).parent), "PYTHONPATH": str(modules)}
        count = modules / "count-of-another"
        one = Account(
            fargate, create(fargate, Wanted(environment=environment | {"AIRFLOW_COUNT": str(count)}))
        )
        arn = one.run("python", "-m", "program", "waits")
        one.wait(arn, "RUNNING")
        pid = one.ledger(arn)["containers"][0]["pid"]
        parent = psutil.Process(pid).parent()
        assert f"imported by {parent.pid}" in count.read_text()
    assert not psutil.pid_exists(pid)
    assert not parent.is_running()
