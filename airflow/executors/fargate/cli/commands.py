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
The functions behind ``airflow fargate …``: each reads the options and prints; tasks and stop call AWS.

An error ends the command with a message and the exit code 1.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from airflow.cli.simple_table import AirflowConsole
from airflow.configuration import conf
from airflow.executors.fargate.aws.arns import ecs_task_id
from airflow.executors.fargate.aws.classify import classify_error, without_user
from airflow.executors.fargate.aws.explanations import STOPPED_BY_COMMAND
from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.bridge import Base, database, sessions, settings
from airflow.executors.fargate.cli import ecs_tasks, rendering
from airflow.executors.fargate.cli.asking import Account, ask, known_errors
from airflow.executors.fargate.errors import ConfigError
from airflow.executors.fargate.request.builder import RequestBuilder
from airflow.executors.fargate.request.startup_checks import read_options
from airflow.utils import cli as cli_utils
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

if TYPE_CHECKING:
    from airflow.executors.fargate.config.config import FargateConfig

#: Output formats for people.
FOR_PEOPLE = ("table", "plain")
#: Follows the number of ECS tasks that are left out.
OF_ANOTHER_DATABASE = (
    "ECS tasks under this [fargate] deployment come from another metadata database, or from this one before its "
    "address changed. They are left out. Give each Airflow a [fargate] deployment of its own."
)


def command(function: Callable[[Namespace], None]) -> Any:
    """
    Return a function as a command: with the providers' configuration, without lines of logs and warnings.

    An error of the executor's or of botocore's ends it with a message, not a traceback.
    """

    @wraps(function)
    def run(args: Namespace) -> None:
        try:
            function(args)
        except known_errors() as error:
            sys.exit(_explain(error))

    return cli_utils.suppress_logs_and_warning(providers_configuration_loaded(run))


@command
def fargate_render(args: Namespace) -> None:
    """Print the request for a task, and where each member comes from."""
    # Not before: it imports Airflow's models, which the other commands do not need.
    from airflow.executors.fargate.cli.workload import launch_of

    config, _, build = prepare(args)
    launch = launch_of(args.dag_id, args.task_id, args.map_index, rendering.TOKEN)
    document = rendering.render(launch, build, config)
    if args.output in FOR_PEOPLE:
        print_as(rendering.rows(document), args.output)
    else:
        console = AirflowConsole(markup=False, emoji=False)
        (console.print_as_json if args.output == "json" else console.print_as_yaml)(document)


@command
def fargate_tasks(args: Namespace) -> None:
    """Print this deployment's live ECS tasks; exit with 1 if AWS refused to list a cluster."""
    _, live, errors = _list_live(args)
    print_as([one.row() for one in live], args.output)
    if errors:
        sys.exit("\n".join(errors))


@cli_utils.action_cli(check_db=False)  # Airflow's audit log says who stopped what.
@command
def fargate_stop(args: Namespace) -> None:
    """Stop what matches, after a confirmation; exit with 1 if nothing matches or one could not be stopped."""
    ecs, live, errors = _list_live(args)
    matching = [one for one in live if one.is_of(args.dag_id, args.task_id, args.run_id)]
    for error in errors:
        print(error, file=sys.stderr)
    if not matching:
        sys.exit("No live ECS task matches. Nothing was stopped.")
    print_as([one.row() for one in matching], "table")
    if not args.yes and not _confirm(f"ECS tasks to stop: {len(matching)}. Stop them? [y/N] "):
        sys.exit("Nothing was stopped.")
    failed = len(errors)
    for one in matching:
        answer = ask(ecs.stop_task, cluster=one.task.cluster, task=one.task.arn, reason=STOPPED_BY_COMMAND)
        failed += answer.error is not None
        print(f"{ecs_task_id(one.task.arn)}: {'asked to stop' if answer.error is None else answer}")
    if failed:
        sys.exit(1)


def _confirm(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:  # There is no terminal.
        return False


def prepare(args: Namespace) -> tuple[FargateConfig, Callable[[], Account], RequestBuilder]:
    """
    Read the options as the executor does, and return them with what connects to AWS and what makes requests.

    On Airflow 3.2 and newer, ``--team-name`` names the team whose options and connection are used.

    :raises ConfigError: with every mistake in the options; or if Airflow has no teams. What connects raises it
        if no client can be made.
    """
    team = getattr(args, "team_name", None)
    if team is not None and not conf.getboolean("core", "multi_team", fallback=False):
        what = f"--team-name {team}: Airflow has no teams"
        raise ConfigError([f"{what}. Set [core] multi_team, or leave it out."])
    # Only its configuration is used, which any executor has. Not each release knows such an argument.
    executor: Any = Base(**({} if team is None else {"team_name": team}))
    session_maker = partial(sessions.session_maker, team_name=team)
    with settings.options_of(executor):
        config = read_options(settings.option_reader(), session_maker)
        make_session = session_maker(config.conn_id, config.region)
    connect = settings.options_of(executor)(partial(_make_account, config, make_session))
    config = replace(config, command_to_request=settings.options_of(executor)(config.command_to_request))
    return config, connect, RequestBuilder(config)


def _make_account(config: FargateConfig, make_session: Callable[[], Any]) -> Account:
    try:
        return Account(config, make_session)
    except Exception as error:
        # Such as a missing profile, or a role that cannot be assumed.
        what = f"The AWS client cannot be made: {_explain(error).rstrip('.')}"
        raise ConfigError([f"{what}. Check the AWS profile, the connection and the Region."]) from error


def _list_live(args: Namespace) -> tuple[Any, list[ecs_tasks.LiveTask], list[str]]:
    """
    Return the ECS client, the live ECS tasks, and the errors of the clusters that AWS did not list.

    The clusters are those that the options name. The command ends if AWS lists none of them. ECS tasks of
    another metadata database are left out: a copy of it names the same task instances.
    """
    config, connect, _ = prepare(args)
    account = connect()
    found, errors = [], []
    for cluster in config.clusters:
        try:
            found += ecs_tasks.list_live_tasks(account.ecs, cluster, config.deployment)
        except known_errors() as error:
            errors.append(f"Cluster {cluster}: {_explain(error)}")
    if len(errors) == len(config.clusters):
        sys.exit("\n".join(errors))
    own = database.own_address_hash()
    ours = [one for one in found if not one.identity.is_of_another_database(own)]
    if len(ours) < len(found):
        print(f"{len(found) - len(ours)} {OF_ANOTHER_DATABASE}", file=sys.stderr)
    return account.ecs, ecs_tasks.in_order(ours), errors


def _explain(error: Exception) -> str:
    """
    Return the text of an error, with the explanation if it is one of AWS's.

    Of other errors than AWS's and our own only the type: the text can contain a secret of the connection.
    """
    outcome = classify_error(error)
    if getattr(error, "response", None) or outcome.verdict is Verdict.CREDENTIALS:
        return outcome.reason
    return without_user(str(error)) if isinstance(error, known_errors()) else type(error).__name__


def print_as(rows: list[dict[str, Any]], output: str) -> None:
    """Print rows in one of Airflow's output formats."""
    # Without markup and emoji: rich would take [fargate] for a style, and replace colons of an ARN.
    AirflowConsole(markup=False, emoji=False, highlight=False).print_as(data=rows, output=output)
