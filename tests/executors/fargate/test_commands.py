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
"""What ``airflow fargate …`` prints, and the code that it exits with."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from datetime import datetime
from types import SimpleNamespace

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from pendulum import UTC

from airflow.executors.fargate.aws.answers import EcsTask
from airflow.executors.fargate.aws.explanations import STOPPED_BY_COMMAND
from airflow.executors.fargate.cli import asking, commands, ecs_tasks, workload
from airflow.executors.fargate.cli.ecs_tasks import LiveTask
from airflow.executors.fargate.cli.rendering import TOKEN
from airflow.executors.fargate.launch import Identity, Launch, TaskInstanceId

CLUSTER = "arn:aws:ecs:us-east-1:123456789012:cluster/fleet"


@pytest.fixture(autouse=True)
def aws(monkeypatch, moto_aws):
    """Set the options, and let moto play AWS."""
    options = {
        "CLUSTER": "fleet",
        "TASK_DEFINITION": "task",
        "CONTAINER_NAME": "airflow",
        "SUBNETS": "subnet-0a",
    }
    for name, value in {**options, "REGION": "us-east-1", "SECURITY_GROUPS": "sg-0a"}.items():
        monkeypatch.setenv(f"AIRFLOW__FARGATE__{name}", value)


@pytest.fixture
def live(monkeypatch):
    """Make three ECS tasks live, and return a stub of the ECS client."""
    found = [ecs_task(1, "extract"), ecs_task(2, "load"), ecs_task(3, "load", dag_id="other")]
    monkeypatch.setattr(ecs_tasks, "list_live_tasks", lambda ecs, cluster, deployment: found)
    ecs = boto3.client("ecs", region_name="us-east-1")
    monkeypatch.setattr(asking, "make_client", lambda *_, **__: ecs)
    with Stubber(ecs) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def live_by_cluster(live, monkeypatch):
    """Give a queue a cluster of its own; return the live ECS tasks by cluster, None for a missing cluster."""
    monkeypatch.setenv("AIRFLOW__FARGATE__QUEUES", '{"gpu": {"cluster": "gpus"}, "large": {"group": "g"}}')
    found = {"fleet": [ecs_task(1, "extract")], "gpus": [ecs_task(2, "load", cluster="gpus")]}

    def list_live_tasks(ecs, cluster, deployment):
        if found[cluster] is None:
            raise ClientError({"Error": {"Code": "ClusterNotFoundException", "Message": "No."}}, "ListTasks")
        return found[cluster]

    monkeypatch.setattr(ecs_tasks, "list_live_tasks", list_live_tasks)
    return found


def ecs_task(number, task_id, dag_id="etl", cluster="fleet", database=None):
    of = TaskInstanceId(dag_id, task_id, "run[1]", 1)
    identity = Identity(f"launch-{number}", of, 0.0, "airflow", database=database)
    since = datetime(2026, 3, 1, tzinfo=UTC)
    arn = f"arn:aws:ecs:us-east-1:123456789012:task/{cluster}/{number:032}"
    task = EcsTask(arn, CLUSTER.replace("fleet", cluster), "RUNNING")
    return LiveTask(task, identity, since, {"cpu": "256"})


def arguments(**given):
    """Return what Airflow's parser makes of a line, with what it adds itself."""
    return Namespace(**given, verbose=False, subcommand="fargate")


def expect_stop(stub, number, error=None, cluster="fleet"):
    if error:
        stub.add_client_error("stop_task", error, "why")
        return
    one = ecs_task(number, "", cluster=cluster)
    stub.add_response(
        "stop_task", {}, {"cluster": one.task.cluster, "task": one.task.arn, "reason": STOPPED_BY_COMMAND}
    )


def stop(yes=True, **filters):
    commands.fargate_stop(arguments(**{"dag_id": "etl", "task_id": None, "run_id": None, **filters}, yes=yes))


class TestRender:
    @pytest.fixture(autouse=True)
    def _launch(self, monkeypatch):
        def launch_of(dag_id, task_id, map_index, token):
            return Launch(TaskInstanceId(dag_id, task_id, "run", 1, map_index), "key", ("run", token))

        monkeypatch.setattr(workload, "launch_of", launch_of)

    def render(self, output):
        commands.fargate_render(arguments(dag_id="etl", task_id="load", map_index=-1, output=output))

    @pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
    def test_a_document_is_the_request_as_it_is(self, output, read, capsys):
        """Numbers stay numbers, so that it can be given to RunTask."""
        self.render(output)
        document = read(capsys.readouterr().out)
        assert document["request"]["count"] == 1
        [override] = document["request"]["overrides"]["containerOverrides"]
        assert override["command"] == ["run", "***"]
        assert document["from"]["cluster"] == "default: [fargate] cluster"

    @pytest.mark.parametrize("output", ["table", "json", "yaml"])
    def test_the_token_is_not_shown(self, output, capsys):
        """In no output format."""
        self.render(output)
        shown = capsys.readouterr().out
        assert "subnet-0a" in shown
        assert TOKEN not in shown

    def test_a_function_of_ones_own(self, monkeypatch, capsys):
        """Its members have the origin ``function``."""
        monkeypatch.setenv("AIRFLOW__FARGATE__EXECUTION_CONFIG_FUNCTION", "mine.own")
        monkeypatch.setitem(sys.modules, "mine", SimpleNamespace(own=own_function))
        self.render("json")
        assert json.loads(capsys.readouterr().out)["from"]["group"] == "function"


def own_function():
    overrides = {"name": "airflow"}
    return lambda command: {
        "taskDefinition": "own",
        "group": "nightly",
        "overrides": {"containerOverrides": [{**overrides, "command": command}]},
    }


class TestTasks:
    def test_the_live_ecs_tasks(self, live, capsys):
        """Each is a row, in Airflow's output formats."""
        commands.fargate_tasks(arguments(output="yaml"))
        rows = yaml.safe_load(capsys.readouterr().out)
        assert [row["task_id"] for row in rows] == ["extract", "load", "load"]
        assert rows[0]["since"] == "2026-03-01T00:00:00+00:00"

    def test_no_such_cluster(self):
        """AWS's error is printed with its explanation, without a traceback."""
        with pytest.raises(SystemExit, match="Cluster fleet: There is no such cluster"):
            commands.fargate_tasks(arguments(output="table"))

    def test_each_cluster_that_the_options_name(self, live_by_cluster, capsys):
        """ECS tasks in a queue's own cluster are listed too, with the cluster."""
        commands.fargate_tasks(arguments(output="json"))
        rows = json.loads(capsys.readouterr().out)
        assert [(row["task_id"], row["cluster"]) for row in rows] == [("extract", "fleet"), ("load", "gpus")]


@pytest.fixture
def actions(monkeypatch):
    """Return what would be written to Airflow's audit log in the database."""
    actions = []
    monkeypatch.setattr(
        "airflow.utils.cli_action_loggers.on_pre_execution", lambda **action: actions.append(action)
    )
    return actions


@pytest.mark.usefixtures("actions")
class TestStop:
    def test_the_audit_log_has_an_entry(self, live, actions):
        """It says who stopped what."""
        expect_stop(live, 2)
        stop(task_id="load")
        assert [(action["sub_command"], action["dag_id"], action["task_id"]) for action in actions] == [
            ("fargate_stop", "etl", "load")
        ]

    def test_what_matches_is_stopped(self, live, capsys):
        """All ECS tasks of the Dag are stopped, and no other Dag's; each has a line."""
        expect_stop(live, 1)
        expect_stop(live, 2)
        stop()
        assert capsys.readouterr().out.count("asked to stop") == 2

    def test_what_another_database_has_is_left_alone(self, live, live_by_cluster, monkeypatch, capsys):
        """A clone of the database names the same task instances; what names no database is stopped as before."""
        monkeypatch.setattr(commands.database, "own_address_hash", lambda: "clone")
        live_by_cluster["fleet"] = [
            ecs_task(1, "extract", database="production"),
            ecs_task(2, "extract", database="clone"),
            ecs_task(3, "extract"),
        ]
        live_by_cluster["gpus"] = []
        expect_stop(live, 2)
        expect_stop(live, 3)
        stop()
        output = capsys.readouterr()
        assert f"1 {commands.OF_ANOTHER_DATABASE}" in output.err
        assert f"{1:032}" not in output.out

    def test_a_task_alone(self, live):
        """The ids of the task and of the run narrow it down."""
        expect_stop(live, 2)
        stop(task_id="load", run_id="run[1]")

    @pytest.mark.parametrize("answer", ["", "maybe"])
    def test_without_a_yes_nothing_is_stopped(self, live, monkeypatch, answer):
        """Only a yes confirms."""
        asked = []
        monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or answer)
        with pytest.raises(SystemExit, match="Nothing was stopped"):
            stop(yes=False)
        assert asked == ["ECS tasks to stop: 2. Stop them? [y/N] "]

    @pytest.mark.parametrize(
        ("yes", "filters"), [(True, {"dag_id": "nobody's"}), (False, {"run_id": "never"})]
    )
    def test_nothing_matches(self, live, capsys, yes, filters):
        """It says so and does not ask; the exit code is 1, so that a script with a wrong id fails."""
        with pytest.raises(SystemExit) as left:
            stop(yes=yes, **filters)
        assert left.value.code == "No live ECS task matches. Nothing was stopped."
        assert capsys.readouterr().out == ""
