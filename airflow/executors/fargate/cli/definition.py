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
The commands ``airflow fargate …`` as Airflow's parser wants them; one of the modules that know Airflow.

Airflow makes its parser for each ``airflow`` command, whichever it is: nothing heavy may be imported here. The
functions are imported when they are called.

2.11, 3.0 and 3.1 ask the executors that are configured: ``FargateExecutor.get_cli_commands()``. 3.2 and newer ask
providers alone: there Airflow's own ``cli_parser`` names :func:`fargate_commands` (the overlay puts it there), and
where it does not, the wheel's entry point does. No way is open where another one has brought the commands already,
since Airflow refuses to start with a command that is there twice.
"""

from __future__ import annotations

from airflow.cli import cli_config
from airflow.cli.cli_config import (
    ARG_DAG_ID,
    ARG_OUTPUT,
    ARG_TASK_ID,
    ARG_VERBOSE,
    ARG_YES,
    ActionCommand,
    Arg,
    GroupCommand,
    lazy_load_command,
)

FUNCTIONS = "airflow.executors.fargate.cli.commands"

ARG_OF_DAG = Arg(("--dag-id",), help="Only containers of this Dag", required=True)
ARG_OF_TASK = Arg(("--task-id",), help="Only containers of this task")
ARG_OF_RUN = Arg(("--run-id",), help="Only containers of this Dag run")
ARG_MAP_INDEX = Arg(("--map-index",), type=int, default=-1, help="The index of a mapped task instance")
#: Where Airflow has teams, 3.2 and newer, each has options of its own.
ARG_TEAM_NAME = Arg(("--team-name",), help="The team whose executor is meant (requires multi_team mode)")
OF_TEAM = (ARG_TEAM_NAME,) if hasattr(cli_config, "TEAMS_COMMANDS") else ()

#: No brackets in what is told here: Airflow's help takes them for markup, and leaves out what is in them.
SUBCOMMANDS = (
    ActionCommand(
        name="check",
        help="Check whether the FargateExecutor can work as it is configured",
        description=(
            "Check the options of the section fargate, the credentials, the cluster, the task definition, the request "
            "that a task would make, and the permissions. Nothing is started, changed or stopped. "
            "Exits with 1 where a check has failed."
        ),
        func=lazy_load_command(f"{FUNCTIONS}.fargate_check"),
        args=(*OF_TEAM, ARG_OUTPUT, ARG_VERBOSE),
    ),
    ActionCommand(
        name="render",
        help="Show the RunTask request that the FargateExecutor would make for a task",
        description=(
            "Show each member of the request, and where it comes from: the default that the options of the section "
            "fargate make, or the function that execution_config_function names; the options run_task_kwargs and "
            "queues, the latter for the task's queue; the task's executor_config; Airflow, whose command it is; "
            "the executor itself, with tag_tasks; and what capacity_provider_fallback makes of it. AWS is not asked. "
            "The token that Airflow gives to the container is left out."
        ),
        func=lazy_load_command(f"{FUNCTIONS}.fargate_render"),
        args=(ARG_DAG_ID, ARG_TASK_ID, ARG_MAP_INDEX, *OF_TEAM, ARG_OUTPUT, ARG_VERBOSE),
    ),
    ActionCommand(
        name="tasks",
        help="List this deployment's live containers",
        description="List the containers that AWS runs, or is to run, for this deployment.",
        func=lazy_load_command(f"{FUNCTIONS}.fargate_tasks"),
        args=(*OF_TEAM, ARG_OUTPUT, ARG_VERBOSE),
    ),
    ActionCommand(
        name="stop",
        help="Stop live containers of a Dag",
        description=(
            "Stop the containers of this deployment that match, after asking. To Airflow their task "
            "instances have failed: it retries them where they have retries left."
        ),
        func=lazy_load_command(f"{FUNCTIONS}.fargate_stop"),
        args=(ARG_OF_DAG, ARG_OF_TASK, ARG_OF_RUN, *OF_TEAM, ARG_YES, ARG_VERBOSE),
    ),
)


def fargate_commands() -> list[GroupCommand]:
    """Return the group ``fargate``, for ``airflow.cli.cli_parser`` to take."""
    return [
        GroupCommand(
            name="fargate",
            help="Check and look at the FargateExecutor",
            subcommands=SUBCOMMANDS,
        )
    ]
