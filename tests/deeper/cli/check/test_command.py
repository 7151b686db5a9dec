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
"""More on what ``test_commands.py`` tests."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError, ProfileNotFound

from airflow.executors.fargate.cli import commands
from airflow.executors.fargate.cli.check import checks, command
from airflow.executors.fargate.cli.check.address_checks import API_URL, DATABASE_URL
from airflow.executors.fargate.cli.check.airflow_facts import CLASS

from tests.executors.fargate.test_commands import arguments, aws


@pytest.fixture
def ready(monkeypatch):
    """Create what a deployment needs, so that no check fails; moto has a VPC, and an IP address needs no resolver."""
    ec2 = boto3.client("ec2", region_name="us-east-1")
    [vpc] = ec2.describe_vpcs()["Vpcs"]
    in_vpc = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    [group] = ec2.describe_security_groups(Filters=in_vpc)["SecurityGroups"]
    monkeypatch.setenv("AIRFLOW__FARGATE__SUBNETS", ec2.describe_subnets()["Subnets"][0]["SubnetId"])
    monkeypatch.setenv("AIRFLOW__FARGATE__SECURITY_GROUPS", group["GroupId"])
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", CLASS)
    api, database = "http://10.0.0.1:8080/execution/", "postgresql://me:secret@10.0.0.2/airflow"
    environment = {API_URL: api, DATABASE_URL: database}
    ecs = boto3.client("ecs", region_name="us-east-1")
    ecs.create_cluster(clusterName="fleet")
    ecs.register_task_definition(
        family="task",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[
            {
                "name": "airflow",
                "image": "x",
                "environment": [{"name": name, "value": value} for name, value in environment.items()],
            }
        ],
    )


def check(**given):
    """Run the command."""
    command.fargate_check(arguments(**{"run": False, "queue": None, **given}))


class TestCheck:
    def test_all_is_well(self, ready, capsys):
        """No failure, no exit code; as JSON each row has its result as a word."""
        check(output="json")
        printed = capsys.readouterr().out
        rows = json.loads(printed)
        assert {row["result"] for row in rows} == {"ok", "advice", "not tested"}
        assert {"executor", "account", "image", "subnets", "logs of ended tasks"} <= {
            row["check"] for row in rows
        }
        assert "secret" not in printed
        assert rows[0] == {"result": "ok", "check": "options", "found": "all can be read", "remedy": ""}
        assert "task:1, ACTIVE" in [row["found"] for row in rows]

    def test_a_failure(self, capsys):
        """A missing cluster is a row with its mark and its remedy, and the exit code is 1."""
        with pytest.raises(SystemExit) as left:
            check(output="plain")
        assert left.value.code == 1
        [line] = [line for line in capsys.readouterr().out.splitlines() if " cluster " in line]
        assert line.startswith("✗")
        assert "[fargate] cluster" in line

    def test_mistakes_in_options(self, monkeypatch, capsys):
        """All are reported at once, and AWS is not called."""
        monkeypatch.setenv("AIRFLOW__FARGATE__LAUNCH_TYPE", "MOON")
        monkeypatch.setenv("AIRFLOW__FARGATE__CLUSTER", "")
        with pytest.raises(SystemExit) as left:
            check(output="json")
        assert left.value.code == 1
        rows = json.loads(capsys.readouterr().out)
        assert [row["result"] for row in rows] == ["failed", "failed", "not tested"]
        assert {row["found"].split(" = ")[0] for row in rows[:2]} == {
            "[fargate] launch_type",
            "[fargate] cluster",
        }

    def test_each_queue_is_looked_at(self, ready, monkeypatch, capsys):
        """What the tasks of a queue ask for is compared with its task definition."""
        queues = {
            "large": {"overrides": {"cpu": "1024", "memory": "2048"}},
            "wrong": {"overrides": {"memory": "4096"}},
            "gpu": {"taskDefinition": "none-such"},
        }
        monkeypatch.setenv("AIRFLOW__FARGATE__QUEUES", json.dumps(queues))
        with pytest.raises(SystemExit):
            check(output="json")
        rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
        assert rows["queue large: size"]["found"] == "1024 CPU units, 2048 MiB"
        assert rows["queue wrong: size"]["result"] == "failed"
        assert rows["queue gpu: task definition"]["result"] == "failed"
        assert rows["size"]["result"] == "ok"

    @pytest.mark.parametrize(
        ("error", "shown"),
        [
            (ProfileNotFound(profile="mine"), "The config profile (mine) could not be found"),
            (ClientError({"Error": {"Code": "AccessDenied", "Message": "no role"}}, "AssumeRole"), "no role"),
            (ValueError("a-password"), "ValueError"),
        ],
    )
    def test_no_session_can_be_made(self, error, shown, monkeypatch, capsys):
        """It is a row like any other; a secret in the connection is not shown."""

        def make_session():
            raise error

        monkeypatch.setattr(commands.sessions, "session_maker", lambda *_, **__: make_session)
        with pytest.raises(SystemExit):
            check(output="json")
        output = capsys.readouterr().out
        assert [row["result"] for row in json.loads(output)] == ["failed", "not tested"]
        assert shown in output
        assert "a-password" not in output

    def test_a_function_that_makes_no_request(self, ready, monkeypatch, capsys):
        """The function is called for an example, and its failure is a row."""
        monkeypatch.setenv("AIRFLOW__FARGATE__EXECUTION_CONFIG_FUNCTION", "mine.own")
        monkeypatch.setitem(sys.modules, "mine", SimpleNamespace(own=bad_function))
        with pytest.raises(SystemExit):
            check(output="json")
        rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
        assert rows["request"]["result"] == "failed"
        assert "raised ZeroDivisionError" in rows["request"]["found"]


class TestRun:
    """``check --run``: the rows of what the container finds follow the others."""

    PHASES = [{"phase": "accepted", "seconds": "0.5", "since_run_task": "0.5"}]

    @pytest.fixture
    def checked(self, ready, monkeypatch):
        """Return a function that runs the command, with a row of this result in the place of an ECS task."""

        def _check(result, phases=self.PHASES, **given):
            def run(account, config, build, queue, say):
                say(f"queue {queue}")
                return [checks.Row("run: ECS task", result, "found")], phases

            monkeypatch.setattr(command, "check_by_running", run)
            check(**{"run": True, "queue": "gpu", **given})

        return _check

    def test_one_document(self, checked, capsys):
        """The rows, and then the phases as rows; nothing is said beside it."""
        checked(checks.OK, output="json")
        output = capsys.readouterr()
        assert [row["check"] for row in json.loads(output.out)][-2:] == ["run: ECS task", "phase: accepted"]
        assert output.err == ""

    def test_for_people(self, checked, capsys):
        """The phases are a table of their own, and what happens is told meanwhile."""
        checked(checks.OK, output="plain")
        output = capsys.readouterr()
        assert output.out.splitlines()[-1].split() == ["accepted", "0.5", "0.5"]
        assert output.err == "queue gpu\n"

    def test_a_failure(self, checked, capsys):
        """The exit code is 1."""
        with pytest.raises(SystemExit) as left:
            checked(checks.FAILED, output="json")
        assert left.value.code == 1

    @pytest.mark.parametrize(
        ("result", "queue", "phases", "run_task"),
        [
            (checks.OK, None, PHASES, "ok"),
            (checks.OK, "large", PHASES, "ok"),
            (checks.OK, "gpu", PHASES, "not tested"),
            (checks.FAILED, None, PHASES, "ok"),
            (checks.FAILED, None, [], "not tested"),
        ],
    )
    def test_what_the_ecs_task_shows(self, checked, capsys, monkeypatch, result, queue, phases, run_task):
        """RunTask is allowed if it has started the ECS task of a known request, however that ended."""
        monkeypatch.setenv("AIRFLOW__FARGATE__QUEUES", '{"large": {"overrides": {"cpu": "512"}}}')
        with suppress(SystemExit):
            checked(result, phases=phases, queue=queue, output="json")
        rows = {row["check"]: row["result"] for row in json.loads(capsys.readouterr().out)}
        assert (rows["ecs:RunTask"], rows["ecs:StopTask"]) == (run_task, "not tested")

    def test_a_queue_without_a_run(self, checked):
        """It would have no effect, so it is refused."""
        with pytest.raises(SystemExit, match="--queue gpu: .* Add --run"):
            checked(checks.OK, output="json", run=False)


def bad_function():
    return lambda command: 1 / 0
