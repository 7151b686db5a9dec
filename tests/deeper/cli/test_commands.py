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
import os
import sys
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError, ProfileNotFound, ReadTimeoutError

from airflow.executors.fargate.cli import commands, ecs_tasks, workload
from airflow.executors.fargate.cli.check import checks
from airflow.executors.fargate.cli.check.airflow_facts import CLASS
from airflow.executors.fargate.cli.definition import OF_TEAM
from airflow.executors.fargate.cli.rendering import TOKEN
from airflow.executors.fargate.launch import Launch, TaskInstanceId
from airflow.executors.fargate_executor import default_task_id_to_fargate_options_function

from tests.deeper.cli.check.test_command import check, ready
from tests.executors.fargate.test_commands import (
    CLUSTER,
    actions,
    arguments,
    aws,
    ecs_task,
    expect_stop,
    live,
    live_by_cluster,
    stop,
)


class TestRender:
    @pytest.fixture(autouse=True)
    def _launch(self, monkeypatch):
        def launch_of(dag_id, task_id, map_index, token):
            return Launch(TaskInstanceId(dag_id, task_id, "run", 1, map_index), "key", ("run", token))

        monkeypatch.setattr(workload, "launch_of", launch_of)

    def render(self, output):
        commands.fargate_render(arguments(dag_id="etl", task_id="load", map_index=-1, output=output))

    def test_a_mistake_is_a_message(self, monkeypatch):
        """No traceback."""
        monkeypatch.setenv("AIRFLOW__FARGATE__CLUSTER", "a b")
        with pytest.raises(SystemExit, match=r"\[fargate\] cluster = 'a b'"):
            self.render("json")


class TestTasks:
    def test_a_table_shows_brackets_as_they_are(self, live, capsys):
        """An id may have any characters."""
        commands.fargate_tasks(arguments(output="table"))
        assert "run[1]" in capsys.readouterr().out

    @pytest.mark.parametrize(("missing", "left"), [("gpus", "extract"), ("fleet", "load")])
    def test_one_of_the_clusters_does_not_answer(self, live_by_cluster, capsys, missing, left):
        """The ECS tasks of the other one are shown, the error is printed, and the exit code is 1."""
        live_by_cluster[missing] = None
        with pytest.raises(SystemExit, match=f"Cluster {missing}: There is no such cluster"):
            commands.fargate_tasks(arguments(output="json"))
        assert [row["task_id"] for row in json.loads(capsys.readouterr().out)] == [left]

    def test_none_of_the_clusters_answers(self, live_by_cluster, capsys):
        """No empty table is printed, which would say that nothing runs."""
        live_by_cluster.update(fleet=None, gpus=None)
        with pytest.raises(SystemExit, match="Cluster fleet: .*\nCluster gpus: "):
            commands.fargate_tasks(arguments(output="table"))
        assert capsys.readouterr().out == ""

    def test_aws_cannot_be_reached(self, monkeypatch):
        """The error of the connection is printed."""

        def unreached(*args):
            raise ReadTimeoutError(endpoint_url="https://ecs.test")  # Its response is None.

        monkeypatch.setattr(ecs_tasks, "list_live_tasks", unreached)
        with pytest.raises(SystemExit, match="https://ecs.test"):
            commands.fargate_tasks(arguments(output="table"))


@pytest.mark.usefixtures("actions")
class TestStop:
    def test_in_each_cluster(self, live, live_by_cluster):
        """An ECS task is stopped in the cluster in which it runs."""
        expect_stop(live, 1)
        expect_stop(live, 2, cluster="gpus")
        stop()

    def test_one_of_the_clusters_does_not_answer(self, live, live_by_cluster, capsys):
        """What was found is stopped, the error is printed, and the exit code is 1."""
        live_by_cluster["gpus"] = None
        expect_stop(live, 1)
        with pytest.raises(SystemExit) as left:
            stop()
        assert left.value.code == 1
        assert "Cluster gpus: " in capsys.readouterr().err

    def test_only_another_database_has_what_matches(self, live, live_by_cluster, monkeypatch, capsys):
        """Then there is nothing to stop, and the exit code is 1."""
        monkeypatch.setattr(commands.database, "own_address_hash", lambda: "clone")
        live_by_cluster.update(fleet=[ecs_task(1, "extract", database="production")], gpus=[])
        with pytest.raises(SystemExit, match="Nothing was stopped"):
            stop()
        assert "[fargate] deployment" in capsys.readouterr().err

    def test_nobody_to_answer(self, live, monkeypatch):
        """The end of the input is no confirmation, and no traceback."""

        def ended(text):
            raise EOFError

        monkeypatch.setattr("builtins.input", ended)
        with pytest.raises(SystemExit, match="Nothing was stopped"):
            stop(yes=False)

    @pytest.mark.parametrize("answer", ["Y", "yes "])
    def test_with_a_yes_they_are(self, live, monkeypatch, answer):
        """In each way to write it."""
        expect_stop(live, 1)
        expect_stop(live, 2)
        monkeypatch.setattr("builtins.input", lambda text: answer)
        stop(yes=False)

    def test_nothing_matches_and_a_cluster_does_not_answer(self, live, live_by_cluster, capsys):
        """The error of the other cluster is printed too."""
        live_by_cluster["gpus"] = None
        with pytest.raises(SystemExit, match="No live ECS task matches"):
            stop(dag_id="nobody's")
        assert "Cluster gpus: " in capsys.readouterr().err

    def test_one_cannot_be_stopped(self, live, capsys):
        """The others are, and the exit code is 1."""
        expect_stop(live, 1, "AccessDeniedException")
        expect_stop(live, 2)
        with pytest.raises(SystemExit) as left:
            stop()
        assert left.value.code == 1
        assert "AccessDeniedException: why" in capsys.readouterr().out


@pytest.mark.skipif(not OF_TEAM, reason="Airflow has teams from 3.2 on")
class TestTeams:
    """Each team has an executor with options of its own, which ``--team-name`` takes."""

    @pytest.fixture(autouse=True)
    def _options(self, ready, monkeypatch):
        for name in ("CLUSTER", "TASK_DEFINITION", "CONTAINER_NAME", "SUBNETS", "REGION"):
            value = os.environ[f"AIRFLOW__FARGATE__{name}"]
            monkeypatch.delenv(f"AIRFLOW__FARGATE__{name}")
            monkeypatch.setenv(f"AIRFLOW__PLANETS___FARGATE__{name}", value)
        monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
        monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", f"LocalExecutor;planets={CLASS}")

    def test_the_options_are_the_team_s(self, ready, capsys):
        """Also those that the default function reads; without the team's name they are missing."""
        check(output="json", team_name="planets")
        rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
        assert (rows["request"]["result"], rows["cluster"]["found"]) == ("ok", "fleet, ACTIVE")
        with pytest.raises(SystemExit):
            check(output="json", team_name=None)
        assert "[fargate] cluster" in capsys.readouterr().out

    def test_a_mistake_names_the_team(self, monkeypatch, capsys):
        """The message says whose option is wrong."""
        monkeypatch.setenv("AIRFLOW__PLANETS___FARGATE__CLUSTER", "two words")
        with pytest.raises(SystemExit):
            check(output="json", team_name="planets")
        [row, _] = json.loads(capsys.readouterr().out)
        assert row["found"].startswith("Team planets: [fargate] cluster")

    def test_the_other_commands_take_it_too(self, ready, monkeypatch, capsys):
        """``render``, ``tasks`` and ``stop`` use the options of the team."""
        launch = Launch(TaskInstanceId("etl", "load", "run", 1), "key", ("run", TOKEN))
        monkeypatch.setattr(workload, "launch_of", lambda *_: launch)
        of_team = {"team_name": "planets", "output": "json"}
        commands.fargate_render(arguments(**of_team, dag_id="etl", task_id="load", map_index=-1))
        assert json.loads(capsys.readouterr().out)["request"]["cluster"] == "fleet"
        commands.fargate_tasks(arguments(**of_team))
        assert json.loads(capsys.readouterr().out) == []
        with pytest.raises(SystemExit, match="No live ECS task matches"):
            stop(team_name="planets")

    def test_the_connection_is_the_team_s(self, ready, monkeypatch, capsys):
        """Airflow finds the connection of a team only by the team's name, and another one without it."""
        monkeypatch.setenv("AIRFLOW__PLANETS___FARGATE__CONN_ID", "aws_planets")
        made = []

        def session_maker(conn_id, region, team_name=None):
            made.append((conn_id, team_name))
            return lambda: boto3.session.Session(region_name=region)

        monkeypatch.setattr(commands.sessions, "session_maker", session_maker)
        check(output="json", team_name="planets")
        assert set(made) == {("aws_planets", "planets")}

    def test_a_function_reads_the_options_of_the_team(self, ready, monkeypatch, capsys):
        """Also when it is called for a launch, as in the executor."""
        monkeypatch.setenv("AIRFLOW__PLANETS___FARGATE__EXECUTION_CONFIG_FUNCTION", "mine.late")
        monkeypatch.setitem(sys.modules, "mine", SimpleNamespace(late=late_function))
        check(output="json", team_name="planets")
        rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
        assert rows["request"]["result"] == "ok"

    def test_without_teams(self, monkeypatch):
        """``--team-name`` is refused if Airflow has no teams."""
        monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "False")
        with pytest.raises(SystemExit, match=r"Set \[core\] multi_team"):
            commands.fargate_tasks(arguments(output="json", team_name="planets"))


def late_function():
    return lambda command: default_task_id_to_fargate_options_function()(command)
