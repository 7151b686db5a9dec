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
From an account with nothing in it to a Dag that runs, and back, by the commands: each test is a step after the one before.

ministack is the account, and a stand-in for the container engine starts containers as processes.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

import pytest
from tools.aws.templates import NETWORK, TASKS
from tools.harness import interruption
from tools.harness.dag_run import DagRun
from tools.harness.deployment import Deployment
from tools.harness.environment import locked_environment
from tools.harness.ministack import NAME as MINISTACK
from tools.harness.processes import free_port
from tools.harness.releases import NEWEST, RELEASES

from tests.aws.account import DATABASE_IMAGE, NAME, Account
from tests.aws.bench import Stack
from tests.aws.complaining import complaints_of
from tests.bench.quick_start import files
from tests.executors.fargate import fakes

RELEASE = RELEASES[".".join(importlib.metadata.version("apache-airflow").split(".")[:2])]
pytestmark = pytest.mark.skipif(RELEASE.line != NEWEST, reason="what the release does is tested end to end")

#: The stacks of a deployment whose Airflow is elsewhere.
MADE = (NETWORK, TASKS)
#: Rows of the check that cannot be green on ministack, with the reason.
NOT_ON_MINISTACK = {
    "security groups": "its DescribeSecurityGroups has no filter group-id, and tells of the default group, too",
}
#: Trials that ministack can do, and how they end there; it has no limits. The others are tried on the local Fargate.
TRIALS = {
    **dict.fromkeys(("killed", "mapped", "spot"), "as expected"),
    "no-capacity": "not provoked",
    **dict.fromkeys(("missing", "list-stopped", "client-token", "words"), "answered"),
}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    """An Airflow with the options that deploy has written, in an account of its own."""
    locked_environment(MINISTACK, RELEASE)
    dag = tmp_path_factory.mktemp("dags") / "hello.py"
    dag.write_text(files()["dags/hello.py"])
    deployment = Deployment(
        RELEASE,
        Path(sys.prefix),
        dags=[dag],
        # Also for the Airflow of the trials, which would listen everywhere else.
        container_env={"AIRFLOW__API__HOST": "127.0.0.1"},
        service=Account,
        configure=lambda account: account.environment,
    )
    with deployment:
        yield deployment


@pytest.fixture(scope="module")
def account(airflow):
    return airflow.fargate


def check(airflow, *arguments):
    """Return the rows of the check, as pairs of what each is about and its result."""
    program = airflow.airflow.settings.environment / "bin" / "airflow"
    done = interruption.run(
        [program, "fargate", "check", *arguments, "--output", "json"], env=airflow.airflow.env
    )
    found = json.loads(done.stdout[done.stdout.index("[") :])
    print(*found, sep="\n")
    return {row["check"]: row["result"] for row in found}


def test_deployed_again_nothing_changes(account):
    """The options stay as they are."""
    before = account.options
    printed = account.deploy()
    assert [line for line in printed.splitlines() if "nothing to be changed" in line] == [
        f"{template.stack_name(NAME)}: nothing to be changed" for template in MADE
    ]
    assert account.options == before


def failed(rows):
    return [check for check, result in rows.items() if result == "failed"]


def test_the_check_finds_nothing_wrong(airflow):
    """Each row is green, or not tested, or says that this is a stand-in, but for those that ministack cannot do."""
    rows = check(airflow)
    assert failed(rows) == [*NOT_ON_MINISTACK]
    assert [rows[name] for name in ("cluster", "task definition", "log", "task role", "subnets")] == [
        "ok"
    ] * 5


def test_the_first_dag_runs(airflow):
    """That of the quick start: its task has an ECS task, and its log is shown, which comes from CloudWatch."""
    run = DagRun(airflow, "hello", "first")
    run.trigger()
    run.follow(timeout=120)
    result = run.result()
    assert result.problems() == []
    assert [launch.name for launch in result.launches] == ["where"]
    assert "Hello from" in airflow.airflow.api.log("hello", "first", "where")


def test_the_check_runs_an_ecs_task(airflow, account):
    """Its container has Airflow and the executor, reaches the API server, and has the Dags."""
    before = len(account.tasks())
    rows = check(airflow, "--run")
    assert failed(rows) == [*NOT_ON_MINISTACK]
    assert [rows[f"run: {name}"] for name in ("ECS task", "Airflow", "execution API")] == ["ok"] * 3
    [ecs_task] = account.tasks()[before:]
    assert ecs_task["lastStatus"] == "STOPPED"


def test_the_status_has_the_outputs(account):
    printed = account.run("status")
    assert all(f"{template.stack_name(NAME)}: CREATE_COMPLETE" in printed for template in MADE)
    assert "no running ECS tasks" in printed


def test_the_trials_end_with_their_report(airflow, account, tmp_path):
    """A whole Airflow in an ECS task has run them; what it had is deleted, and what AWS answered can be replayed."""
    airflow.airflow.stop()
    settings = {
        "DatabaseImage": DATABASE_IMAGE,
        "DatabasePort": free_port(),
        "ApiPort": free_port(),
        "Mapped": 3,
    }
    parameters = [word for pair in settings.items() for word in ("--parameter", "{}={}".format(*pair))]
    printed = account.run("verify", "--yes", "--only", ",".join(TRIALS), "--report", tmp_path, *parameters)
    report = json.loads((tmp_path / "report.json").read_text())
    assert {row["trial"]: row["verdict"] for row in report["trials"]} == TRIALS
    recordings = {path.stem: path for path in (tmp_path / "recordings").iterdir()}
    assert sorted(recordings) == sorted(TRIALS)
    assert {trial: complaints_of(path, fakes) for trial, path in recordings.items()} == dict.fromkeys(
        recordings, []
    )
    assert "Nothing is left of it" in printed


def test_nothing_is_left(airflow, account):
    """The command says so, and so does each service of what its stacks had."""
    stacks = [Stack.find(account.server, template.stack_name(NAME), template.body) for template in MADE]
    made = [stack.resources() for stack in stacks]
    airflow.airflow.stop()
    assert "Nothing is left in us-east-1." in account.run("destroy", "--yes")
    assert all(made)
    assert [stack.left(resources) for stack, resources in zip(stacks, made)] == [[], []]
