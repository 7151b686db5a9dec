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
"""What a row runs on: a local Fargate of its own, executors that know it, and the steps of its time."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

from tools.simulator.bootstrap import Created, Wanted, create
from tools.simulator.server import LocalFargate

from airflow.executors.fargate.bridge import sessions
from airflow.executors.fargate.config.template import template
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch, TaskInstanceId
from airflow.executors.fargate_executor import FargateExecutor

from tests.fault_matrix import acts, scaling
from tests.fault_matrix.credentials import Credentials, from_sts
from tests.fault_matrix.scheduler import Scheduler
from tests.fault_matrix.watching import machine

if TYPE_CHECKING:
    from tests.fault_matrix.row import Row, Size, Step

#: The local Fargate as it is where a row does not say otherwise; a fifth of the tasks fails by itself.
USUAL = {
    "provisioning_time": [2, 6],
    "stopping_time": [1, 3],
    "pretend": {"duration": [10, 30], "exit_codes": {"0": 4, "3": 1}},
    "seed": 20200101,
}
#: Seconds that a real container works, and the seconds from its SIGTERM to SIGKILL, which AWS takes whole ones of.
WORK = 15.0
STOP_TIMEOUT = 2
#: How many task instances an executor may run: more than there are.
PARALLELISM = 10_000
#: vCPUs of a container.
VCPUS = 0.25
#: Starting reads what belongs to the process, and moto's state belongs to all local Fargates in it.
_one_at_a_time = threading.Lock()
_created: list[Created] = []


class Bed:
    """
    A running local Fargate for one row.

    :param row: what goes wrong
    :param size: how many tasks, and how fast
    """

    def __init__(self, row: Row, size: Size) -> None:
        self.row = row
        self.size = size
        self.began = time.monotonic()
        self.schedulers: list[Scheduler] = []
        #: What acts have taken away, and a folder of theirs.
        self.kept: dict[str, str] = {}
        self.folder: tempfile.TemporaryDirectory[str] | None = None
        #: Where the scheduler's credentials come from, if not from the environment.
        self.credentials: Credentials | None = None
        self._steps = list(row.steps)
        #: How late the last step was, in seconds: what follows is as late.
        self._late = 0.0
        #: When the last step was made, in seconds since the epoch by a clock that nobody makes jump; and how late the
        #: machine was in all by then.
        self.quiet_since: float | None = None
        self.late_before = machine.total
        #: What other processes have written.
        self.written = ""
        given = scaling.settings(USUAL | dict(row.settings), size.scale)
        if row.sidecars:
            given["pretend"] = None
        if row.quota is not None:
            given["vcpu_quota"] = self.vcpus(row.quota)
        self.fargate = LocalFargate(given | {"faults": []})
        self._faults = given.get("faults", [])

    @contextlib.contextmanager
    def running(self) -> Iterator[Bed]:
        """Serve, and end everything that was started."""
        with contextlib.ExitStack() as stack:
            with _one_at_a_time:
                stack.enter_context(self.fargate)
                stack.callback(acts.restore, self)
                self.environment = self._environment(self._create())
            if self.row.sts:
                self.credentials = stack.enter_context(from_sts(self.row.sts, self.size.scale))
            stack.callback(self._end_executors)
            self.began = time.monotonic()
            self.fargate.configure(faults=self._faults)
            self.tick()
            yield self

    def vcpus(self, share: float) -> float:
        """Return the vCPUs of a share of the row's task instances."""
        return VCPUS * max(1, round(self.size.tasks * share))

    def _create(self) -> Created:
        if not _created:
            _created.append(create(self.fargate, Wanted()))
            # For whenever an executor asks first: logs, too, are the process's, so any server has those of all.
            os.environ["AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"] = self.fargate.endpoint_url
        return _created[0]

    def _environment(self, created: Created) -> dict[str, str]:
        """Return the environment of an executor for this local Fargate."""
        options = {
            "region": self.fargate.region,
            "cluster": created.cluster,
            "task_definition": self._definition() if self.row.sidecars else created.task_definition,
            "container_name": created.container_name,
            "subnets": ",".join(created.subnets),
            "endpoint_url": self.fargate.endpoint_url,
            **scaling.options(self.size.scale),
            **self._launch_rate(),
            **self.row.options,
        }
        return {f"AIRFLOW__FARGATE__{name}".upper(): value for name, value in options.items()}

    def _launch_rate(self) -> dict[str, str]:
        share = self.row.launches_a_second
        return {} if share is None else {"launch_rate": str(share * self.size.tasks / self.size.scale)}

    def put_stopped(self) -> None:
        """Put the ECS tasks there that stopped before a successor adopts."""
        if not self.row.stopped:
            return
        launch = Launch(TaskInstanceId("others", "task", "run", 1), None, id="other", handed_over=self.began)
        created = self._create()
        container = {
            "name": created.container_name,
            "environment": [{"name": IDENTITY_VARIABLE, "value": launch.identity}],
        }
        request = {
            "cluster": created.cluster,
            "taskDefinition": created.task_definition,
            "launchType": "FARGATE",
            "startedBy": template()["deployment"]["default"],
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": list(created.subnets)}},
            "overrides": {"containerOverrides": [container]},
        }
        self.fargate.put_stopped(request, self.row.stopped)

    def _definition(self) -> str:
        """Register a task definition with the row's sidecars first, since AWS names containers in any order."""
        work = f"sleep {WORK * self.size.scale}; exit $(($$ % 5 == 0))"
        sidecars = [
            {"name": name, "essential": self.row.essential, "command": ["/bin/sh", "-c", command]}
            for name, command in self.row.sidecars.items()
        ]
        # The command that the executor gives becomes arguments that nobody reads.
        main = {"name": Wanted().container, "essential": True, "entryPoint": ["/bin/sh", "-c", work]}
        definition = self.fargate.client("ecs").register_task_definition(
            family=self.row.name,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            containerDefinitions=[
                {"image": "local", "stopTimeout": STOP_TIMEOUT, **container}
                for container in (*sidecars, main)
            ],
        )["taskDefinition"]
        return f"{definition['family']}:{definition['revision']}"

    def scheduler(self, job: int | None = None) -> Scheduler:
        """Start an executor, of the scheduler with this job if it has one, and return what drives it."""
        with _one_at_a_time, _set(self.environment), self._sessions():
            executor = FargateExecutor(parallelism=PARALLELISM)
            executor.job_id = job
            executor.start()
        if not self.schedulers:
            self.began = time.monotonic()  # Rows that start together wait for each other.
        self.schedulers.append(Scheduler(executor, self.size.scale))
        self.schedulers[-1].tick = self.tick
        return self.schedulers[-1]

    @contextlib.contextmanager
    def _sessions(self) -> Iterator[None]:
        """Let an executor that starts get its credentials where the row says."""
        if self.credentials is None:
            yield
            return
        make = partial(self.credentials.session, self.fargate.region)
        with mock.patch.object(sessions, "session_maker", return_value=make):
            yield

    def tick(self) -> None:
        """Make the steps whose time has come."""
        while self._steps and self._is_time_for(self._steps[0]):
            step = self._steps.pop(0)
            self._late = time.monotonic() - self.began - step.at * self.size.scale
            if not self._steps:
                self.quiet_since, self.late_before = time.time(), machine.total
            if step.settings:
                self.fargate.configure(**scaling.settings(step.settings, self.size.scale))
            if step.sts and self.credentials:
                self.credentials.let_sts(step.sts)
            if step.act:
                getattr(acts, step.act)(self)

    def _is_time_for(self, step: Step) -> bool:
        late = max([self._late, *(scheduler.late for scheduler in self.schedulers)])
        if time.monotonic() - self.began - late < step.at * self.size.scale:
            return False
        if step.settled and any(s.executor.debug_state()["followed"] for s in self.schedulers):
            return False
        if step.noted and not self._all_noted():
            return False
        return not (step.running or step.starting) or (
            len(self.in_state("RUNNING")) >= step.running and len(self.starting()) >= step.starting
        )

    def _all_noted(self) -> bool:
        """Tell whether each launch has the note that the row expects."""
        noted: set[str] = set()
        for scheduler in self.schedulers:
            noted |= {
                task_id for task_id, notes in scheduler.notes.items() if self.row.expected.is_told(notes)
            }
        return len(noted) == self.size.tasks

    @property
    def steps_made(self) -> bool:
        return not self._steps

    def containers(self) -> list[dict[str, Any]]:
        """Return the local Fargate's ledger: every task that AWS accepted."""
        return self.fargate.ledger()

    def in_state(self, *states: str) -> list[dict[str, Any]]:
        """Return those of the ledger's entries that are in one of these states."""
        return [entry for entry in self.containers() if entry["lastStatus"] in states]

    def starting(self) -> list[dict[str, Any]]:
        """Return those that have not started yet."""
        return self.in_state("PROVISIONING", "PENDING", "ACTIVATING")

    def alive(self) -> list[str]:
        """Return the ARNs of containers that have not stopped; what nobody will ever see does not count."""
        return [
            entry["taskArn"]
            for entry in self.containers()
            if entry["lastStatus"] != "STOPPED" and not entry["neverSeen"]
        ]

    def _end_executors(self) -> None:
        self.fargate.configure(faults=[], latency={})
        for scheduler in self.schedulers:
            scheduler.executor.end()


@contextlib.contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    """Put variables into the process's environment; whoever does so holds the lock."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
