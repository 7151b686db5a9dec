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
"""The command ``airflow fargate check``."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from airflow.executors.fargate.cli.check import checks
from airflow.executors.fargate.cli.check.airflow_facts import read_airflow
from airflow.executors.fargate.cli.check.all_checks import ALL_CHECKS, ASKS
from airflow.executors.fargate.cli.check.check_run import check_by_running
from airflow.executors.fargate.cli.check.facts import gather
from airflow.executors.fargate.cli.check.findings import rows_of_phases
from airflow.executors.fargate.cli.check.questions import look_further
from airflow.executors.fargate.cli.check.trial import ended_by_signals
from airflow.executors.fargate.cli.commands import FOR_PEOPLE, command, prepare, print_as
from airflow.executors.fargate.errors import ConfigError

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.asking import Account
    from airflow.executors.fargate.cli.check.facts import Facts
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.request.builder import RequestBuilder


@command
def fargate_check(args: Namespace) -> None:
    """Print a row for each check; exit with 1 if one has failed."""
    phases: list[dict[str, str]] = []
    if args.queue and not args.run:
        sys.exit(f"--queue {args.queue}: it says whose request --run uses. Add --run.")
    try:
        config, connect, build = prepare(args)
        account = connect()
    except ConfigError as error:
        rows = list(checks.check_options(error.mistakes))
    else:
        facts = _look(args, account, config, build)
        more: list[checks.Row] = []
        if args.run:
            more, phases = _run(args, account, config, build)
        if phases:
            # Of a queue that the options do not name, nothing is known but its name.
            facts = replace(facts, started=facts if args.queue is None else facts.queues.get(args.queue))
        rows = [
            checks.Row("options", checks.OK, "all can be read"),
            *checks.rows_of(facts, ALL_CHECKS),
            *more,
        ]
    for_people = args.output in FOR_PEOPLE
    rows += [] if for_people else rows_of_phases(phases)
    print_as([row.columns(marks=for_people) for row in rows], args.output)
    if for_people and phases:
        print_as(phases, args.output)
    if any(row.result == checks.FAILED for row in rows):
        sys.exit(1)


def _look(args: Namespace, account: Account, config: FargateConfig, build: RequestBuilder) -> Facts:
    """Return everything that the checks look at."""
    airflow = read_airflow(getattr(args, "team_name", None))
    facts = gather(account, config, build)
    queues = {name: replace(own, airflow=airflow) for name, own in facts.queues.items()}
    return look_further(account, replace(facts, airflow=airflow, queues=queues), ASKS)


def _run(
    args: Namespace, account: Account, config: FargateConfig, build: RequestBuilder
) -> tuple[list[checks.Row], list[dict[str, str]]]:
    """Run an ECS task with the probe; return its rows and phases. What happens is printed for people."""
    to_stderr = partial(print, file=sys.stderr, flush=True)
    say = to_stderr if args.output in FOR_PEOPLE else lambda _: None
    with ended_by_signals():
        return check_by_running(account, config, build, args.queue, say)
