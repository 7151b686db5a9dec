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
"""``airflow fargate check --run``: an ECS task with the probe, and the rows of what it finds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.executors.fargate.aws.answers import log_configurations
from airflow.executors.fargate.aws.arns import whereabouts
from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.bridge import AIRFLOW
from airflow.executors.fargate.cli.check import findings, probe
from airflow.executors.fargate.cli.check.checks import ADVICE, FAILED, OK, UNKNOWN, Row
from airflow.executors.fargate.cli.check.trial import INTERVAL, Ended, Trial, TrialError, probe_request
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.logs.cloudwatch import Line, LogError, LogReader, without_tokens
from airflow.version import version

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.asking import Account
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.request.builder import RequestBuilder

#: Seconds in which the last lines of a container that has ended arrive in CloudWatch.
LOG_PATIENCE = 30.0
#: How many lines from the end of the log are searched for the probe's.
LAST_LINES = 50
#: The highest exit code of the probe: everything is wrong.
MAX_CODE = probe.LOOKED + probe.AIRFLOW + probe.VERSION + probe.SERVER + probe.DAGS + probe.REMOTE_LOG
#: Characters of a line that are shown.
MAX_SHOWN = 500
#: The names of rows.
ECS_TASK, LOG = "run: ECS task", "run: log"

T = TypeVar("T")


def check_by_running(
    account: Account,
    config: FargateConfig,
    build: RequestBuilder,
    queue: str | None,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[list[Row], list[dict[str, str]]]:
    """
    Run an ECS task with the probe; return the rows of what it finds, and its phases: none if no ECS task has ended.

    :param queue: whose tasks' request is used; None for the one without a queue.
    :param say: is told in a few words what happens.
    """
    rows = []
    if queue is not None and queue not in config.queues:
        rows.append(Row("run: queue", ADVICE, f"{queue} is not in [fargate] queues", "Check the name"))
    try:
        ended = Trial(account.ecs, probe_request(build, queue), clock, sleep, say).run()
    except RequestError as error:
        no_request = f"there is no request for the probe: {error}"
        return [*rows, Row(ECS_TASK, UNKNOWN, no_request, "Correct what is named")], []
    except TrialError as error:
        return [*rows, Row(ECS_TASK, FAILED, str(error), "Correct what AWS names, and check again")], []
    describe_logs = lambda name: log_configurations(account.ecs.describe_task_definition(taskDefinition=name))
    reader = LogReader(describe_logs, lambda region: account.client("logs", region=region))
    return [*rows, *rows_of(ended, reader, clock, sleep)], findings.phases(
        ended.ecs_task.usage, ended.accepted
    )


def rows_of(
    ended: Ended, reader: LogReader, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Iterator[Row]:
    """Return the rows of an ECS task that has ended."""
    code, ecs_task = ended.exit_code, ended.ecs_task
    link = whereabouts(ecs_task.arn, ecs_task.cluster)
    if code is None or not (code == 0 or probe.LOOKED <= code <= MAX_CODE):
        yield Row(ECS_TASK, FAILED, ended.outcome.reason, link)
        if code is not None:
            yield _last_line(ended, reader, clock, sleep)
        return
    definition = ecs_task.task_definition.rpartition("/")[2]
    started = f"{definition} has run, so RunTask and what AWS checks for it are allowed. {link}"
    yield Row(ECS_TASK, OK, started)
    try:
        found = read_log(reader, ended, probe_line, clock, sleep)
    except LogError as error:
        yield from _rows_without_findings(error, code)
    else:
        yield from findings.rows_of_findings(found, version, ecs_task.usage.architecture)


def _last_line(
    ended: Ended, reader: LogReader, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Row:
    """Return a row with what a container said before it failed."""
    try:
        said = read_log(reader, ended, last_line, clock, sleep)
    except LogError as error:
        return Row(LOG, UNKNOWN, str(error), "Make the log readable to see more")
    return Row(LOG, FAILED, f"its last line: {said}", "See all of the log")


def _rows_without_findings(error: LogError, code: int) -> Iterator[Row]:
    if error.verdict is Verdict.MISSING:
        # The exit code may be that of another program.
        late = f"{error}, {LOG_PATIENCE:.0f} s after exit code {code}"
        yield Row(LOG, FAILED, late, findings.ENTRY_POINT)
        return
    use = "is used" if code else "is not the probe's"
    yield Row(LOG, UNKNOWN, f"{error}. The exit code, {code}, {use}", "Make the log readable to see more")
    yield from findings.rows_of_exit_code(code)


def read_log(
    reader: LogReader,
    ended: Ended,
    find: Callable[[list[Line]], T | None],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> T:
    """
    Return what is found in the last lines of the container's log. They may arrive late.

    :param find: returns None if it is not in these lines.
    :raises LogError: if the log cannot be read, or it is not there.
    """
    stream = reader.stream(ended.ecs_task.task_definition, ended.container, ended.ecs_task.arn)
    limit = clock() + LOG_PATIENCE
    while True:
        missing = LogError("the probe's line is not in the log", Verdict.MISSING)
        try:
            if (found := find(reader.last(stream, LAST_LINES))) is not None:
                return found
        except LogError as error:
            if error.verdict is Verdict.FAILED:
                raise
            missing = error
        if clock() >= limit:
            raise missing
        sleep(INTERVAL)


def last_line(lines: list[Line]) -> str | None:
    """Return the last line that is not blank, with secrets masked; None if there is none."""
    text = next((line.text.strip() for line in reversed(lines) if line.text.strip()), None)
    return text and AIRFLOW.mask_secrets(without_tokens(text))[:MAX_SHOWN]


def probe_line(lines: list[Line]) -> dict[str, Any] | None:
    """Return what the probe says in one of the lines."""
    return next(filter(None, (parse_line(line.text) for line in reversed(lines))), None)


def parse_line(text: str) -> dict[str, Any] | None:
    """Return what the probe says in a line of a log; None if the line is not the probe's."""
    try:
        found = json.loads(text.partition(probe.MARKER)[2])
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
