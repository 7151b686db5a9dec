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
The notes on a task instance in Airflow's table ``log``: their events, and the ECS task that a note tells of.

They are readable text. The scheduler writes them; what shows a task instance's log reads its ECS tasks from them.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from pendulum import UTC

from airflow.executors.fargate.aws.arns import TASK_ARN, whereabouts

#: The names of the events: an ECS task and what keeps it from starting; why a launch failed; the last lines of
#: its main container; a task instance whose scheduler is gone.
LAUNCH, FAILURE, LINES, ADOPTION = "fargate launch", "fargate failure", "fargate log", "fargate adoption"
EVENTS = LAUNCH, FAILURE, LINES, ADOPTION
#: How a note begins on an ECS task that has ended, whether it failed or not; the latter if it is not known how long it ran.
ENDS = RAN, ENDED = "Ran for", "Ended"

#: A note that AWS has accepted an ECS task, or that one is adopted, as far as it is read again.
_ECS_TASK = re.compile(
    rf"(?:Launched|Attempt \d+: launched|Adopted) (?P<arn>{TASK_ARN.pattern})"
    r"(?: \((?:task definition (?P<definition>[^\s,)]+))?(?:, )?(?:container (?P<container>[^\s,)]+))?\))?"
    r"\. ECS task "
)

#: When what a note tells of happened, if its scheduler saw it later.
_MOMENT = re.compile(r", at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC)\.$")
_MOMENT_FORMAT = "%Y-%m-%d %H:%M:%S UTC"


class NotedEcsTask(NamedTuple):
    """The ECS task that a note tells of. A text is empty if the note does not have it."""

    arn: str
    #: Family and revision of its task definition, as in ``airflow:7``.
    definition: str = ""
    #: The name of its main container.
    container: str = ""


def launched_text(attempt: int, ecs_task: str) -> str:
    """
    Return the note that an attempt of a launch has an ECS task.

    :param attempt: counted from 1; 0 for an adopted ECS task.
    :param ecs_task: see :func:`ecs_task_text`.
    """
    if not attempt:
        return f"Adopted {ecs_task}"
    return f"Attempt {attempt}: launched {ecs_task}" if attempt > 1 else f"Launched {ecs_task}"


def ecs_task_text(arn: str, cluster: str = "", definition: str = "", container: str = "") -> str:
    """
    Return an ECS task's ARN, what is known of it, and where to see it: a link, which ends the text.

    :param cluster: name or ARN, for an ARN that does not contain the cluster.
    :param definition: of the task, as family and revision or as ARN.
    :param container: the name of its main container.
    """
    # DescribeTaskDefinition takes family and revision, too.
    short = definition.rpartition("task-definition/")[2]
    known = [
        f"{name} {value}" for name, value in (("task definition", short), ("container", container)) if value
    ]
    details = f" ({', '.join(known)})" if known else ""
    return f"{arn}{details}. {whereabouts(arn, cluster)}"


def noted_ecs_task(text: str) -> NotedEcsTask | None:
    """Return the ECS task that a note tells of: it was launched, or is adopted; None if it tells of none."""
    if (found := _ECS_TASK.match(text)) is None:
        return None
    return NotedEcsTask(found["arn"], found["definition"] or "", found["container"] or "")


def with_moment(text: str, at: float) -> str:
    """Return a note with the moment of what it tells of, in seconds since the epoch."""
    return f"{text}, at {datetime.fromtimestamp(at, UTC):{_MOMENT_FORMAT}}."


def moment_in(text: str) -> float | None:
    """Return the moment of what a note tells of, in seconds since the epoch; None if the note does not have it."""
    if found := _MOMENT.search(text):
        with suppress(ValueError):  # Words of a user's.
            return datetime.strptime(found[1], _MOMENT_FORMAT).replace(tzinfo=UTC).timestamp()
    return None
