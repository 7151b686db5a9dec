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
"""``scripts/demo``, as a newcomer runs it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
import requests
from tools.harness.demo import PICKED_UP_WITHIN
from tools.harness.environment import REPOSITORY
from tools.harness.processes import Process, wait_until

# Printed once there is nothing left to wait for but the user.
KEPT = "Press Ctrl-C"
#: A row of a table: the last cell is only its first line.
ROW = (
    r"(?P<name>\S+) +(?P<try>\d+) +(?P<ecs_task>[0-9a-f]{8}) +(?P<code>\d+|none)"
    r" +(?:-|(?P<ran>\d+\.\d) s) +(?P<existed>\d+\.\d) s *(?P<reason>.*?) *$"
)
OWN_DAG = """
from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:
    from airflow.decorators import dag, task


@dag(schedule=None, start_date=datetime(2024, 1, 1))
def own():
    @task
    def works():
        pass

    works()


own()
"""


@pytest.fixture
def folder():
    """A folder for everything temporary; its path is short, since sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="demo-"))
    # As root, the demo runs PostgreSQL as a user that must reach its own folder in here.
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def demo(folder, release):
    """Starts the demo with its temporary files in a folder of their own."""
    started = []

    def start(*arguments):
        temporary = folder / "tmp"
        temporary.mkdir(mode=0o711)
        env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        command = [sys.executable, REPOSITORY / "scripts" / "demo", "--airflow", release.line, *arguments]
        log = folder / "output"
        started.append(Process("demo", command, env=env | {"TMPDIR": str(temporary)}, log=log))
        return started[0]

    yield start
    for process in started:
        process.stop()


def output(demo):
    return demo.log.read_text()


def left_behind(folder):
    """What is left of a demo: its files, and every process that knows the folder it ran in."""
    return [*(folder / "tmp").iterdir(), *filter(None, (knows(p, folder) for p in psutil.process_iter()))]


def knows(process, folder):
    try:
        told = [*process.cmdline(), *process.environ().values()]
    except psutil.Error:
        return None
    return process if any(str(folder) in text for text in told) else None


def says(demo, text):
    assert demo.exit_code is None, f"The demo ended with {demo.exit_code}:\n{output(demo)}"
    return text in output(demo)


def log_in(release, address, user, password):
    """Log in as a person or a program would, and return what asks for a path of the API that only users see."""
    session = requests.Session()
    if release.major == 3:
        answer = session.post(f"{address}/auth/token", json={"username": user, "password": password})
        session.headers["Authorization"] = f"Bearer {answer.json().get('access_token')}"
        return lambda path: session.get(f"{address}/api/v2/{path}")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', session.get(f"{address}/login/").text)[1]
    session.post(
        f"{address}/login/", data={"username": user, "password": password, "csrf_token": token}
    ).raise_for_status()
    return lambda path: session.get(f"{address}/api/v1/{path}", allow_redirects=False)


@pytest.mark.usefixtures("same_on_all_releases")
def test_the_demo_shows_each_launch_and_leaves_nothing_behind(demo, folder, release):
    """
    It shows its progress and its tables, keeps Airflow up where asked to, ends with 0, and nothing is left.

    While it is up, it picks up a Dag file as soon as it says, and runs it as it says.

    On every release ``test_example_dag.py`` runs the same Dag. It takes minutes: an Airflow of its own starts, and then thirteen
    containers, each of which loads Airflow.
    """
    process = demo("--keep")
    wait_until(lambda: says(process, KEPT), timeout=400, what="the demo to be done")
    shown = output(process)
    # A slow machine may pass over a state, but not over that of every task.
    assert re.search(r"(\S+) +(queued|running)\n(.*\n)*.*\1 +success\n", shown), shown
    rows = [row for line in shown.splitlines() if (row := re.match(ROW, line))]
    tries = [(row["name"], row["try"]) for row in rows]
    for row in ("square[3]", "1"), ("fails_once", "1"), ("fails_once", "2"), ("with_overrides", "1"):
        assert tries.count(row) == 1
    assert tries.count(("wait_outside", "1")) == 2
    assert tries.count(("someone_came_back", "1")) >= 2
    assert len({row["ecs_task"] for row in rows}) == len(rows), "two launches have the same ECS task"
    others = [
        (*row.group("name", "try", "code"), row["reason"].partition(" (AWS:")[0])
        for row in rows
        if row["code"] != "0"
    ]
    assert others == [
        ("killed_once", "1", "137", "It was killed (SIGKILL)"),
        *[
            ("no_such_image", "1", "none", f"Attempt {number} of 3: There is no such image")
            for number in (1, 2, 3)
        ],
    ]
    assert "CannotPullContainerError: pull image manifest" in " ".join(shown.split())
    for row in (row for row in rows if row["name"].startswith("square")):
        assert 0 < float(row["ran"]) < float(row["existed"])

    address, user, password = re.search(r"(http://\S+)\n.*user (\S+), password (\S+)", shown).groups()
    assert not log_in(release, address, user, "wrong")("dags").ok
    ask = log_in(release, address, user, password)
    assert ask("dags").ok
    assert "example_fargate_executor" in ask("dags").text

    (Path(re.search(r"Dag folder +(\S+)", shown)[1]) / "own.py").write_text(OWN_DAG)
    wait_until(
        lambda: '"own"' in ask("dags").text, timeout=PICKED_UP_WITHIN, what="Airflow to pick up a Dag file"
    )
    trigger, tasks, check = (
        re.search(rf"^  {name} +(/.+)$", shown, re.MULTILINE)[1].split()
        for name in ("Run a Dag", "ECS tasks", "Check it")
    )
    subprocess.run([part.replace("example_fargate_executor", "own") for part in trigger], check=True)
    wait_until(
        lambda: '"success"' in ask("dags/own/dagRuns").text,
        timeout=120,
        what="the run of that Dag to succeed",
    )
    subprocess.run(tasks, check=True)
    checked = subprocess.run(check, capture_output=True, text=True, check=True).stdout
    assert "amazonaws.com" not in checked, "it has asked AWS itself"

    process.ask_to_end(signal.SIGINT)
    assert process.wait(60)
    assert process.exit_code == 0
    assert output(process).endswith(" s  All of it is stopped and removed\n")
    assert not re.search(r"\bDAGs?\b", output(process))
    assert left_behind(folder) == []


#: When a demo can be ended, from its first folder to its last wait; see ended_demo.py.
MOMENTS = (
    *(f"return tempfile.py:mkdtemp {number}" for number in (1, 2)),
    "return postgres.py:__init__ 1",
    # initdb, PostgreSQL, the local Fargate, airflow db migrate, and the first and the last of Airflow's components.
    *(f"return subprocess.py:_execute_child {number}" for number in (1, 2, 3, 4, 5, 8)),
    *(f"return processes.py:__init__ {number}" for number in (2, 3, 6)),
    "return airflow_processes.py:start_component 4",
    *(f"call processes.py:wait_until {number}" for number in range(1, 5)),
    "return contextlib.py:pop_all 1",
    "return deployment.py:__enter__ 1",
)


@pytest.fixture
def ended_demo(folder):
    """Runs the demo on programs of no use, lets it be ended at these moments, and returns its exit code."""
    started = []

    def end(number, *moments):
        temporary = folder / "tmp"
        temporary.mkdir(mode=0o711)
        command = [sys.executable, Path(__file__).with_name("ended_demo.py"), int(number), folder, *moments]
        env = {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(temporary),
            "PYTHONPATH": str(REPOSITORY / "scripts"),
        }
        started.append(Process("demo", command, env=env, log=folder / "output"))
        assert started[0].wait(60), output(started[0])
        return started[0].exit_code

    yield end
    for process in started:
        process.kill()
    for process in filter(None, (knows(p, folder) for p in psutil.process_iter())):
        process.kill()


@pytest.mark.usefixtures("same_on_all_releases")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_demo_that_is_ended_at_any_moment_leaves_nothing_behind(ended_demo, folder, moment):
    """Not even what it was about to start, or had just started and not written down yet."""
    assert ended_demo(signal.SIGTERM, moment) == 128 + signal.SIGTERM
    assert left_behind(folder) == []


@pytest.mark.usefixtures("same_on_all_releases")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
@pytest.mark.parametrize(
    "again",
    [
        "call processes.py:ask_to_end 2",
        "call shutil.py:rmtree 1",
    ],
)
def test_a_demo_that_is_ended_twice_leaves_nothing_behind(ended_demo, folder, number, again):
    """Who presses Ctrl-C again while it stops everything does not keep it from that."""
    assert ended_demo(number, "call processes.py:wait_until 4", again) == 128 + number
    assert left_behind(folder) == []


@pytest.mark.usefixtures("same_on_all_releases")
def test_the_demo_refuses_a_release_that_it_does_not_know():
    """A wrong release is told at once, with those that there are."""
    command = [sys.executable, REPOSITORY / "scripts" / "demo", "--airflow", "1.10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "'3.3'" in done.stderr
