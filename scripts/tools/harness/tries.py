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
"""A DAG run with a try of each kind whose log people look for, and what each of these logs has to show."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.harness.dag_run import FINISHED, DagRun
from tools.harness.environment import REPOSITORY
from tools.harness.interruption import waiting
from tools.harness.processes import HarnessError, wait_until

if TYPE_CHECKING:
    from tools.harness.deployment import Deployment

DAG_FILE = REPOSITORY / "tests" / "end_to_end" / "dags" / "tries.py"
DAG_ID = "tries"
#: Seconds for each step, on a slow machine.
PATIENCE = 120
IMAGE = "docker.io/apache/airflow:3.4.00"
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html
AWS_WORDS = (
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
    f"failed to resolve ref {IMAGE}: {IMAGE}: not found"
)
#: It strikes the one task that asks for more than the task definition's CPU units.
NO_SUCH_IMAGE = {"kind": "start_failure", "over_cpu": 256, "reason": AWS_WORDS}
#: Seconds from RunTask to a container's first line: longer than a scheduler takes to note the launch, as at AWS.
PROVISIONING_TIME = 5
LAST_WORDS = "Copying the table orders"
ROWS = [f"Row {number} of " for number in range(1, 6)]
# How the executor's notes begin.
LAUNCHED = "Launched arn:aws:ecs:us-east-1:"
LAUNCHED_AGAIN = "launched arn:aws:ecs:us-east-1:"
NEVER_STARTED = (
    "Container airflow never started. There is no such image",
    AWS_WORDS,
    "Check its name and its tag",
)


@dataclass(frozen=True)
class Shown:
    """What the log of a try shows: these texts in this order and no more often, and none of ``others``."""

    task_id: str
    try_number: int
    texts: tuple[str, ...]
    others: tuple[str, ...] = ()

    def wrong_with(self, log: str) -> list[str]:
        """Say which of the texts are not there as often as they should be, or which one is not in its place."""
        wanted = dict.fromkeys(self.others, 0) | Counter(self.texts)
        counts = {text: (log.count(text), times) for text, times in wanted.items()}
        wrong = [
            f"{text!r}: {is_there} times, not {times}"
            for text, (is_there, times) in counts.items()
            if is_there != times
        ]
        return wrong or self._out_of_order(log)

    def _out_of_order(self, log: str) -> list[str]:
        end = 0
        for text in self.texts:
            place = log.find(text, end)
            if place < 0:
                return [f"{text!r} comes too early"]
            end = place + len(text)
        return []

    def check(self, read: Callable[[], str]) -> None:
        """
        Read the log again and again until nothing is wrong with it.

        :raises HarnessError: something still is after :data:`PATIENCE`
        """
        deadline = time.monotonic() + PATIENCE
        while wrong := self.wrong_with(log := read()):
            if time.monotonic() > deadline:
                name = f"{self.task_id}, try {self.try_number}"
                raise HarnessError("\n".join([f"The log of {name} is wrong:", *wrong, "It is:", log]))
            with waiting():
                time.sleep(1)


SHOWN = (
    Shown("running", 1, (LAUNCHED, *ROWS), (LAUNCHED_AGAIN, "exited with code")),
    Shown(
        "killed", 1, (LAUNCHED, LAST_WORDS, "Container airflow exited with code 137. It was killed (SIGKILL)")
    ),
    Shown(
        "never_started",
        1,
        (
            *(LAUNCHED, *NEVER_STARTED, "Attempt 1 of 3; launching again"),
            *(f"Attempt 2: {LAUNCHED_AGAIN}", *NEVER_STARTED, "Attempt 2 of 3; launching again"),
            *(f"Attempt 3: {LAUNCHED_AGAIN}", *NEVER_STARTED, "Attempts: 3 of 3"),
        ),
        ("cannot be shown",),
    ),
    Shown("retried", 1, (LAUNCHED, "Try 1 calls the bank", "Task failed with exception"), ("Try 2",)),
    Shown("retried", 2, (LAUNCHED, "Try 2 calls the bank", "The bank answers"), ("Try 1", "Task failed")),
    Shown("deferred", 1, (LAUNCHED, "Is the file there? Not yet", LAUNCHED, "The file is there")),
)


class Tries:
    """A run of the DAG, on a deployment that has its file."""

    def __init__(self, deployment: Deployment, run_id: str) -> None:
        self.run_id = run_id
        self._airflow = deployment.airflow
        self._fargate = deployment.fargate
        self._run = DagRun(deployment, DAG_ID, run_id)

    def begin(self) -> None:
        """Let all come to pass; on return one task runs, and all others have ended."""
        self._fargate.adjust(faults=[NO_SUCH_IMAGE], provisioning_time=PROVISIONING_TIME)
        self._run.trigger()
        self._wait_for_line("killed", LAST_WORDS)
        self._kill("killed")
        # Airflow 2 believes for minutes that what was killed runs.
        go_on = {"running", "killed"} if self._airflow.settings.release.major == 2 else {"running"}
        self._run.follow(
            until=lambda tis: all(ti.name in go_on or ti.state in FINISHED for ti in tis), timeout=PATIENCE
        )
        self._wait_for_line("running", ROWS[-1])

    def end(self) -> None:
        """Let the last task end, too."""
        self._kill("running")
        self._airflow.api.fail_run(DAG_ID, self.run_id)
        self._run.follow(timeout=PATIENCE)
        self._run.result()

    def _wait_for_line(self, name: str, text: str) -> None:
        """Wait until CloudWatch has a line of a task's ECS task."""

        def is_there() -> bool:
            return any(text in line for arn in self._ecs_tasks(name) for line in self._fargate.lines(arn))

        wait_until(is_there, timeout=PATIENCE, what=f"the line {text!r} of {name}")

    def _kill(self, name: str) -> None:
        """Kill the container of a task, as the kernel does where memory is short."""
        (ecs_task,) = self._ecs_tasks(name)
        os.kill(self._fargate.pid(ecs_task), signal.SIGKILL)

    def _ecs_tasks(self, name: str) -> list[str]:
        return [launch.container for launch in self._run.launches() if launch.name == name]
