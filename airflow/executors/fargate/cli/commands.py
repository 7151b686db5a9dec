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
The functions behind ``airflow fargate …``: each reads the options, asks, and prints; one of those that know Airflow.

Whatever goes wrong is told in a sentence, and the exit code is 1.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.cli.simple_table import AirflowConsole
from airflow.executors.fargate.aws.explanations import STOPPED_BY_COMMAND
from airflow.executors.fargate.bridge import compat, sessions
from airflow.executors.fargate.errors import ConfigError, FargateError, RequestError
from airflow.utils import cli as cli_utils
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow.executors.fargate.cli.account import Account
    from airflow.executors.fargate.cli.checks import Row
    from airflow.executors.fargate.cli.containers import Container
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.request.builder import Prepared, RequestBuilder

#: The command of the example for which a request is made; 3.x makes it some 1,100 characters long.
EXAMPLE_COMMAND = ("airflow", "tasks", "run", "example_dag", "example_task", "example_run", "--local")
#: Outputs that a person reads.
FOR_PEOPLE = ("table", "plain")


@cli_utils.suppress_logs_and_warning
@providers_configuration_loaded
def fargate_check(args: Namespace) -> None:
    """Print a row for each check; exit with 1 where one has failed."""
    from airflow.executors.fargate.cli.checks import FAILED, MARKS

    rows = _check(args)
    people = args.output in FOR_PEOPLE
    _print(
        [
            {
                "result": MARKS[row.result] if people else row.result,
                "check": row.check,
                "found": row.found,
                "remedy": row.remedy,
            }
            for row in rows
        ],
        args.output,
    )
    if any(row.result == FAILED for row in rows):
        sys.exit(1)


def _check(args: Namespace) -> list[Row]:
    from airflow.executors.fargate.cli import checks, definition_checks, permissions
    from airflow.executors.fargate.cli.facts import gather

    try:
        with _options_of_team(args):
            config = read_config()
            account = _account(config)
    except ConfigError as error:
        return checks.check_options(error.mistakes)
    queues = {queue: _prepare_example(config, account, queue) for queue in config.queues}
    facts = gather(account, config, _prepare_example(config, account), queues)
    of_request = (
        checks.check_cluster,
        checks.check_request,
        definition_checks.check_task_definition,
        checks.check_network,
    )
    all_checks = (
        checks.check_region,
        checks.check_credentials,
        *of_request,
        partial(checks.check_queues, checks=of_request),
        permissions.check_permissions,
    )
    return [checks.Row("options", checks.OK, "all can be read"), *checks.rows_of(facts, all_checks)]


def _prepare_example(config: FargateConfig, account: Account, queue: str | None = None) -> Prepared | str:
    """Return the request for an example in a queue, or why there is none."""
    from airflow.executors.fargate.launch import Launch, TaskInstanceId

    task = TaskInstanceId("example_dag", "example_task", "example_run", 1)
    try:
        launch = Launch(task, ("example_dag", "example_task"), EXAMPLE_COMMAND, queue=queue)
        return _builder(config, account)(launch)
    except RequestError as error:
        return str(error)


@cli_utils.suppress_logs_and_warning
@providers_configuration_loaded
def fargate_render(args: Namespace) -> None:
    """Print the request for a task, and where each member comes from."""
    from airflow.executors.fargate.cli.rendering import TOKEN, render
    from airflow.executors.fargate.cli.workload import launch_of

    with _told():
        with _options_of_team(args):
            config = read_config()
        launch = launch_of(args.dag_id, args.task_id, args.map_index, TOKEN)
        rendered = render(launch, _builder(config, _account(config)), config)
    if args.output in FOR_PEOPLE:
        _print(rendered.rows(), args.output)
    else:
        _print_document(rendered.document(), args.output)


@cli_utils.suppress_logs_and_warning
@providers_configuration_loaded
def fargate_tasks(args: Namespace) -> None:
    """Print this deployment's live containers."""
    with _told():
        live = _live(args)
    _print([container.row() for container in live.containers], args.output)
    if live.unasked:
        sys.exit("\n".join(live.unasked))


@cli_utils.action_cli(check_db=False)  # It is in Airflow's audit log who has stopped what.
@cli_utils.suppress_logs_and_warning
@providers_configuration_loaded
def fargate_stop(args: Namespace) -> None:
    """Stop what matches, after asking; exit with 1 where nothing does, or one could not be stopped."""
    from airflow.executors.fargate.cli.account import ask

    with _told():
        live = _live(args)
    meant = [one for one in live.containers if one.is_of(args.dag_id, args.task_id, args.run_id)]
    for reason in live.unasked:
        print(reason, file=sys.stderr)
    if not meant:
        sys.exit("No live container matches. Nothing was stopped.")
    _print([container.row() for container in meant], "table")
    if not args.yes and not _agrees(f"Stop these {len(meant)} containers? [y/N] "):
        sys.exit("Nothing was stopped.")
    failed = len(live.unasked)
    for one in meant:
        answer = ask(live.account.ecs.stop_task, cluster=one.cluster, task=one.arn, reason=STOPPED_BY_COMMAND)
        failed += answer.error is not None
        print(f"{one.id}: {'asked to stop' if answer.error is None else f'{answer.error}: {answer.message}'}")
    if failed:
        sys.exit(1)


def _agrees(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:  # Nobody is there to answer.
        return False


@contextmanager
def _options_of_team(args: Namespace) -> Iterator[None]:
    """
    Let the options that are read meanwhile be those of the team that is named, where one is: 3.2 and newer.

    :raises ConfigError: where Airflow has no teams, or the options have mistakes.
    """
    team = getattr(args, "team_name", None)
    if team is None:
        yield
        return
    from airflow.configuration import conf
    from airflow.executors.base_executor import BaseExecutor

    if not conf.getboolean("core", "multi_team", fallback=False):
        raise ConfigError(
            [f"--team-name {team}: Airflow has no teams. Set [core] multi_team, or leave it out."]
        )
    # Nothing but a team's options is asked of it, which any executor has. Older ones know no such argument.
    of_team: dict[str, Any] = {"team_name": team}
    with compat.starting(BaseExecutor(**of_team)):
        yield


def read_config() -> FargateConfig:
    """
    Read the options as the executor does.

    :raises ConfigError: with every mistake in them.
    """
    from airflow.executors.fargate.aws.clients import service_model
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.request import startup_checks
    from airflow.executors.fargate.request.validation import RequestCheck

    check = RequestCheck(service_model())
    return FargateConfig.from_options(
        compat.option_reader(),
        check.launch_types,
        default_region=sessions.default_region,
        check_connection=partial(sessions.session_maker, region=None),
        check_requests=partial(startup_checks.mistakes, check),
    )


def _account(config: FargateConfig) -> Account:
    from botocore.exceptions import BotoCoreError, ClientError

    from airflow.executors.fargate.cli.account import Account

    try:
        return Account(config, sessions.session_maker(config.conn_id, config.region))
    except (BotoCoreError, ClientError) as error:
        # A profile that is not there, a role that cannot be assumed.
        told = _words(error)
    except FargateError:
        raise
    except Exception as error:
        # Of the connection's hook: its text can hold what is secret in the connection.
        told = type(error).__name__
    raise ConfigError(
        [
            f"The AWS client cannot be made: {told.rstrip('.')}. Check the AWS profile, the connection and the Region."
        ]
    )


def _builder(config: FargateConfig, account: Account) -> RequestBuilder:
    from airflow.executors.fargate.request.builder import RequestBuilder
    from airflow.executors.fargate.request.validation import RequestCheck

    return RequestBuilder(config, config.called_function, RequestCheck(account.service_model))


@dataclass(frozen=True)
class Live:
    """The deployment's live containers, and what AWS says where it does not tell of a cluster's."""

    account: Account
    containers: list[Container]
    unasked: list[str]


def _live(args: Namespace) -> Live:
    """Ask for the containers in each cluster that the options name; end the command where AWS tells of none."""
    from botocore.exceptions import BotoCoreError, ClientError

    from airflow.executors.fargate.cli.containers import in_order, live_containers

    with _options_of_team(args):
        config = read_config()
    account = _account(config)
    found, unasked = [], []
    for cluster in config.clusters:
        try:
            found += live_containers(account.ecs, cluster, config.deployment)
        except (ClientError, BotoCoreError) as error:
            unasked.append(f"Cluster {cluster}: {_words(error)}")
    if len(unasked) == len(config.clusters):
        sys.exit("\n".join(unasked))
    return Live(account, in_order(found), unasked)


def _words(error: Exception) -> str:
    """Return an error in a sentence, AWS's explained."""
    from botocore.exceptions import ClientError

    from airflow.executors.fargate.aws.classify import classify_error
    from airflow.executors.fargate.aws.verdict import Verdict

    outcome = classify_error(error)
    is_explained = isinstance(error, ClientError) or outcome.verdict is Verdict.CREDENTIALS
    return outcome.reason if is_explained else str(error)


@contextmanager
def _told() -> Iterator[None]:
    """End the command with a sentence where it cannot go on."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (FargateError, BotoCoreError, ClientError) as error:
        sys.exit(_words(error))


def _print(rows: list[dict[str, Any]], output: str) -> None:
    # As they stand: [fargate] is no style, and the colons of an ARN are no emoji.
    AirflowConsole(markup=False, emoji=False, highlight=False).print_as(data=rows, output=output)


def _print_document(document: dict[str, Any], output: str) -> None:
    console = AirflowConsole(markup=False, emoji=False)
    (console.print_as_json if output == "json" else console.print_as_yaml)(document)
