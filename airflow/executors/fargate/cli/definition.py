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
The commands ``airflow fargate …`` for Airflow's parser.

Airflow makes its parser for every ``airflow`` command, so nothing heavy may be imported here. The functions
are imported when they are called.

Airflow 2.11, 3.0 and 3.1 ask the configured executors: ``FargateExecutor.get_cli_commands()``. 3.2 and newer
ask providers only. There ``airflow.cli.cli_parser`` calls :func:`fargate_commands`; outside Airflow's tree a
provider's entry point does. Only one of them adds the commands: Airflow does not start if a command
exists twice.
"""

from __future__ import annotations

from airflow.cli import cli_config
from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand
from airflow.executors.fargate.cli.check import arguments

ARG_OF_DAG = Arg(("--dag-id",), help="Only ECS tasks of this Dag", required=True)
ARG_OF_TASK = Arg(("--task-id",), help="Only ECS tasks of this task")
ARG_OF_RUN = Arg(("--run-id",), help="Only ECS tasks of this Dag run")
ARG_MAP_INDEX = Arg(("--map-index",), type=int, default=-1, help="The index of a mapped task instance")
#: Airflow 3.2 and newer have teams, each with options of its own.
ARG_TEAM_NAME = Arg(("--team-name",), help="The team whose executor is meant (requires multi_team mode)")
OF_TEAM = (ARG_TEAM_NAME,) if hasattr(cli_config, "TEAMS_COMMANDS") else ()


def _command(
    name: str, summary: str, description: str, args: tuple[Arg, ...], module: str = "commands"
) -> ActionCommand:
    """Return a command; the function of that name in a module of this room is imported when it is called."""
    function = cli_config.lazy_load_command(f"airflow.executors.fargate.cli.{module}.fargate_{name}")
    return ActionCommand(name, summary, function, (*args, *OF_TEAM, cli_config.ARG_VERBOSE), description)


#: Without brackets: Airflow's help takes them for markup and leaves out what is in them.
SUBCOMMANDS = [
    _command(
        "render",
        "Show the RunTask request that the FargateExecutor would make for a task",
        "Show each member of the request, and where it comes from: the default that the options of the "
        "section fargate make, or the function that execution_config_function names; the options "
        "run_task_kwargs and queues, the latter for the task's queue; the task's executor_config; "
        "Airflow, which makes the command; the executor itself, with tag_tasks; and "
        "capacity_provider_fallback. AWS is not called. The token in the command is not shown.",
        (cli_config.ARG_DAG_ID, cli_config.ARG_TASK_ID, ARG_MAP_INDEX, cli_config.ARG_OUTPUT),
    ),
    _command(
        "tasks",
        "List this deployment's live ECS tasks",
        "List the ECS tasks of this deployment that run or are about to run.",
        (cli_config.ARG_OUTPUT,),
    ),
    _command(
        "stop",
        "Stop live ECS tasks of a Dag",
        "Stop the ECS tasks of this deployment that match, after a confirmation. Their task instances "
        "fail, and Airflow retries those that have retries left.",
        (ARG_OF_DAG, ARG_OF_TASK, ARG_OF_RUN, cli_config.ARG_YES),
    ),
]
SUBCOMMANDS.insert(0, _command(*arguments.CHECK, module="check.command"))


def fargate_commands() -> list[GroupCommand]:
    """Return the group ``fargate`` for ``airflow.cli.cli_parser``."""
    return [GroupCommand("fargate", "Inspect the FargateExecutor and its ECS tasks", SUBCOMMANDS)]
