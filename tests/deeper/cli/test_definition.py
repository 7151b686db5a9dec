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
"""How Airflow finds ``airflow fargate …``: by the executor, its own parser, or the wheel's entry point."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from airflow.cli.cli_config import ActionCommand
from airflow.executors.fargate.cli import commands, rendering
from airflow.executors.fargate.cli.check import command
from airflow.executors.fargate.cli.definition import OF_TEAM, fargate_commands
from airflow.executors.fargate_executor import FargateExecutor

LOADED = """
import json, sys
import airflow.cli.cli_config
before = set(sys.modules)
from airflow.executors.fargate.cli.definition import fargate_commands
fargate_commands()
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.fixture
def parse():
    """Return the parser that Airflow makes of the executor's commands."""
    return FargateExecutor._get_parser().parse_args


@pytest.fixture
def called(monkeypatch):
    """Return the arguments of the commands' functions, by name."""
    found = {}
    for module, name in ((command, "check"), (commands, "render"), (commands, "tasks"), (commands, "stop")):
        monkeypatch.setattr(module, f"fargate_{name}", lambda args, name=name: found.update({name: args}))
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["check"], {"output": "table", "run": False, "queue": None}),
        (["check", "--run", "--queue", "gpu", "-o", "json"], {"run": True, "queue": "gpu", "output": "json"}),
        (["tasks", "-o", "yaml"], {"output": "yaml"}),
        (["render", "etl", "load"], {"dag_id": "etl", "task_id": "load", "map_index": -1, "output": "table"}),
        (["render", "etl", "load", "--map-index", "3"], {"map_index": 3}),
        (["stop", "--dag-id", "etl"], {"dag_id": "etl", "task_id": None, "run_id": None, "yes": False}),
        (["stop", "--dag-id", "etl", "--task-id", "load", "--run-id", "r", "--yes"], {"task_id": "load", "run_id": "r", "yes": True}),
    ],
)  # fmt: skip
def test_a_line_calls_its_function(parse, called, line, expected):
    """Each command has its function, which gets the arguments."""
    args = parse(["fargate", *line])
    args.func(args)
    assert list(called) == line[:1]
    assert {name: getattr(args, name) for name in expected} == expected


@pytest.mark.parametrize("line", [[], ["stop"], ["render", "etl"]])
def test_a_wrong_line_is_refused(parse, line, capsys):
    """Required arguments are required: nothing is stopped by default."""
    with pytest.raises(SystemExit):
        parse(["fargate", *line])
    assert "error" in capsys.readouterr().err


@pytest.mark.skipif(not OF_TEAM, reason="Airflow has teams from 3.2 on")
@pytest.mark.parametrize(
    "line", [["check"], ["render", "etl", "load"], ["tasks"], ["stop", "--dag-id", "etl"]]
)
def test_a_team_can_be_named(parse, line):
    """As with Airflow's own commands; without it no team's options are read."""
    assert parse(["fargate", *line, "--team-name", "planets"]).team_name == "planets"
    assert parse(["fargate", *line]).team_name is None


def test_every_command_has_help():
    """Each command has a help and a description."""
    [group] = fargate_commands()
    assert [command.name for command in group.subcommands] == ["check", "render", "tasks", "stop"]
    assert all(isinstance(command, ActionCommand) for command in group.subcommands)
    assert all(command.help and command.description for command in group.subcommands)


def test_render_says_where_members_come_from():
    """Each origin is in its description."""
    [group] = fargate_commands()
    [render] = (command for command in group.subcommands if command.name == "render")
    words = set(re.findall(r"\w+", render.description))
    origins = (rendering.DEFAULT, rendering.FUNCTION, rendering.EXECUTOR_CONFIG, rendering.RUN_TASK_KWARGS)
    origins += (
        rendering.QUEUES,
        rendering.FALLBACK,
        rendering.TAG_TASKS,
        rendering.AIRFLOW,
        rendering.EXECUTOR,
    )
    assert {name.replace("[fargate] ", "") for name in origins} <= words


def test_help_has_no_brackets():
    """Airflow's help takes them for markup, and leaves out what is in them."""
    [group] = fargate_commands()
    words = [
        group.help,
        *(text for command in group.subcommands for text in (command.help, command.description)),
    ]
    words += [arg.kwargs["help"] for command in group.subcommands for arg in command.args]
    assert [text for text in words if "[" in text] == []


def test_the_executor_brings_them():
    """Airflow up to 3.1 asks the class, without an instance."""
    assert [command.name for command in FargateExecutor.get_cli_commands()] == ["fargate"]


def test_nothing_heavy_is_loaded():
    """Every ``airflow`` command makes them: neither boto3 nor the executor may be imported."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    package = "airflow.executors.fargate"
    assert f"{package}.cli.definition" in loaded
    modules = ("cli", "cli.definition", "cli.check", "cli.check.arguments")
    assert loaded <= {package, *(f"{package}.{name}" for name in modules)}
