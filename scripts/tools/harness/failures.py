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
"""The demo's Dag of two tasks that are meant to fail: what has to come of them, and Airflow's reasons for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.harness.dag_run import Result
    from tools.harness.deployment import Deployment
    from tools.harness.launches import Launch

DAG_ID = "demo_failures"
DAG_FILE = Path(__file__).parent / "dags" / f"{DAG_ID}.py"

# What the task asks for by its executor_config, and the image of it.
FAMILY = "demo-no-such-image"
IMAGE = "docker.io/apache/airflow:not-there"
#: As a fault of the local Fargate, in AWS's words:
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html
NO_SUCH_IMAGE = {
    "kind": "start_failure",
    "image": IMAGE,
    "reason": "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
    f"failed to resolve ref {IMAGE}: {IMAGE}: not found",
}

#: Each ECS task, by name and try: its exit code, and how its reason begins, if it has one.
EXPECTED = (
    ("killed_once", 1, 137, "It was killed (SIGKILL) (AWS: "),
    ("killed_once", 2, 0, ""),
    *[("no_such_image", 1, None, "There is no such image (AWS: CannotPullContainerError")] * 3,
)
AS_MEANT = (
    "Both failures are meant: killed_once was killed (SIGKILL) in its first try and succeeded in its second; the ECS task of "
    "no_such_image could not be started in three attempts, so that it failed."
)
EXPECTED_STATES = {"killed_once": "success", "no_such_image": "failed"}

# The executor's notes, as the event log shows them: one that an ECS task was launched, then one of its end.
_LAUNCHED = re.compile(r"(?:Launched|launched) arn:\S+/(?P<ecs_task>[0-9a-f]{32})")
_ENDED = re.compile(r"Container \S+ (?:never started|exited with code [1-9]\d*)\. (?P<reason>.*)", re.DOTALL)
# With what such a note ends: the ECS task's page in the AWS console, where the local Fargate has none.
_PAGE = re.compile(r" ECS task [0-9a-f]{32}: https://\S+$")


def prepare(deployment: Deployment) -> None:
    """Register the task definition whose image does not exist."""
    deployment.fargate.register(FAMILY, image=IMAGE)


def reasons(notes: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """
    Return why each ECS task that failed did, by its id, without the address of its page.

    :param notes: the executor's on each task instance, the oldest first
    """
    found: dict[str, str] = {}
    ecs_task = ""
    for note in (note for of_one in notes.values() for note in of_one):
        if launched := _LAUNCHED.search(note):
            ecs_task = launched["ecs_task"]
        elif ended := _ENDED.match(note):
            found[ecs_task] = _PAGE.sub("", ended["reason"])
    return found


def unexpected(result: Result, reasons: Mapping[str, str]) -> list[str]:
    """Say where the two tasks did not fail as they are meant to, or Airflow does not have the reason."""
    states = {ti.name: ti.state for ti in result.task_instances}
    wrong = [
        f"{name} ended as {states.get(name)}, not as {state}"
        for name, state in EXPECTED_STATES.items()
        if states.get(name) != state
    ]
    launches = sorted(result.launches, key=lambda launch: (launch.name, launch.try_number))
    if len(launches) != len(EXPECTED):
        return [*wrong, f"{DAG_ID}: {len(launches)} ECS tasks, not {len(EXPECTED)}"]
    pairs = zip(launches, EXPECTED)
    return wrong + [text for launch, expected in pairs if (text := _wrong(launch, expected, reasons))]


def _wrong(launch: Launch, expected: tuple[str, int, int | None, str], reasons: Mapping[str, str]) -> str:
    reason = reasons.get(launch.container, "")
    name, try_number, exit_code, begin = expected
    is_right = (launch.name, launch.try_number, launch.exit_code) == (name, try_number, exit_code)
    if is_right and (reason.startswith(begin) if begin else not reason):
        return ""
    return (
        f"{launch.name} try {launch.try_number}: exit code {launch.exit_code}, reason {reason!r};"
        f" not {name} try {try_number}, exit code {exit_code}, reason {begin!r}"
    )
