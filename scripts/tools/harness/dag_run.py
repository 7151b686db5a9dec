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
"""A DAG run, from its trigger to what became of each of its launches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.harness.launches import HandOvers, Launch, read_launches, wrong_with
from tools.harness.processes import wait_until

if TYPE_CHECKING:
    from tools.harness.database import TaskInstance
    from tools.harness.deployment import Deployment

FINISHED = ("success", "failed")

# How often Airflow's database is asked, in seconds; launches of one task instance are further apart.
LOOK_EVERY = 0.5

# A container's way to STOPPED after its task instance has ended: it takes what the local Fargate is set to.
STOP_TIMEOUT = 60


@dataclass(frozen=True)
class Result:
    """How a DAG run ended."""

    run_id: str
    state: str
    task_instances: list[TaskInstance]
    launches: list[Launch]
    hand_overs: Mapping[str, int]

    def problems(self) -> list[str]:
        """Say what went wrong: a task instance that did not succeed, a launch without exactly one container."""
        failed = [ti for ti in self.task_instances if ti.state != "success"]
        wrong = [] if self.state == "success" else [f"the Dag run ended as {self.state}"]
        wrong += [f"{ti.name} ended as {ti.state}" for ti in failed]
        return wrong + wrong_with(self.launches, self.hand_overs)


class DagRun:
    """One run of a DAG on a deployment."""

    def __init__(self, deployment: Deployment, dag_id: str, run_id: str) -> None:
        self.dag_id = dag_id
        self.run_id = run_id
        self._deployment = deployment
        self._hand_overs = HandOvers()

    def trigger(self) -> None:
        """Start the run."""
        self._deployment.airflow.trigger(self.dag_id, self.run_id)

    def follow(
        self,
        *,
        until: Callable[[list[TaskInstance]], object] = lambda _: False,
        timeout: float = 600,
        show: Callable[[Iterable[TaskInstance]], object] = lambda _: None,
    ) -> str | None:
        """
        Watch the run until it has ended or ``until`` holds of its task instances, and return its state.

        :raises HarnessError: after ``timeout`` seconds, or where a component of Airflow ended by itself
        """
        wait_until(
            lambda: self.look(show, until), timeout=timeout, what=f"{self.dag_id} to end", every=LOOK_EVERY
        )
        return self.state

    @property
    def state(self) -> str | None:
        """The state that Airflow's database has for the run."""
        return self._deployment.airflow.database.run_state(self.dag_id, self.run_id)

    def launches(self) -> list[Launch]:
        """Return the launches up to now."""
        return read_launches(self._deployment.fargate.tasks(), self.run_id)

    def result(self, stop_timeout: float = STOP_TIMEOUT) -> Result:
        """Return how the run ended, once every container of it has stopped, which may take so many seconds."""
        wait_until(
            lambda: all(launch.stopped for launch in self.launches()),
            timeout=stop_timeout,
            what=f"the containers of {self.dag_id} to stop",
        )
        state = self.state or "none"
        return Result(self.run_id, state, self._task_instances(), self.launches(), self._hand_overs.counts())

    def look(
        self,
        show: Callable[[Iterable[TaskInstance]], object],
        until: Callable[[list[TaskInstance]], object] = lambda _: False,
    ) -> object:
        """Look once at the run, and say whether it has ended or ``until`` holds of its task instances."""
        self._deployment.airflow.check_alive()
        # The state before the task instances: these then hold whatever has ended the run.
        ended = self.state in FINISHED
        task_instances = self._task_instances()
        self._hand_overs.look(task_instances)
        show(task_instances)
        return ended or until(task_instances)

    def _task_instances(self) -> list[TaskInstance]:
        return self._deployment.airflow.database.task_instances(self.dag_id, self.run_id)
