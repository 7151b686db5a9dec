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
"""What a trial is, what came of it, and what it can use."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tools.aws.inside.account import has_stopped, tag

if TYPE_CHECKING:
    from tools.aws.inside.account import Account, EcsTask
    from tools.aws.inside.components import Airflow
    from tools.aws.inside.rest import RestApi
    from tools.aws.inside.settings import Settings

AS_EXPECTED, OTHERWISE, NOT_PROVOKED, ANSWERED = "as expected", "otherwise", "not provoked", "answered"
#: The states in which a Dag run has ended.
ENDED = "success", "failed"
#: Seconds that a Dag run gets; a task on Fargate takes one or two minutes.
PATIENCE = 600.0
#: Seconds until the Dag processor has read all Dags.
DAG_PATIENCE = 120.0
#: Seconds that stopped ECS tasks get until they are STOPPED.
STOP_PATIENCE = 180.0
#: Seconds between two looks.
PERIOD = 2.0
#: Seconds that the note on a failure gets after the end of its Dag run.
NOTE_PATIENCE = 15.0
#: The names of the executor's notes, as they stand in the audit log.
LAUNCH, FAILURE, ADOPTION = "fargate launch", "fargate failure", "fargate adoption"


class TrialError(Exception):
    """A trial cannot go on; the message says why."""


@dataclass(frozen=True)
class Seen:
    """What a trial has seen."""

    verdict: str
    words: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """A trial or a question."""

    name: str
    title: str
    expected: str
    """What should come of it; of a question, what is asked."""
    run: Callable[[Bench], Seen]
    reason: str = ""
    """A word that the reason of a failure should have."""


@dataclass(frozen=True)
class Facts:
    """What is known of a Dag run at its end."""

    state: str
    task_instances: list[dict[str, Any]]
    notes: list[str]
    """The executor's, in Airflow's audit log."""
    failures: list[str]
    """Those of its notes that say why a launch has failed."""
    ecs_tasks: list[EcsTask]

    @cached_property
    def states(self) -> dict[str, int]:
        """How many task instances are in each state."""
        states = [str(ti["state"]) for ti in self.task_instances]
        return {state: states.count(state) for state in sorted(set(states))}

    @property
    def is_success(self) -> bool:
        """Whether the run and all of its task instances have succeeded."""
        return self.state == "success" and set(self.states) == {"success"}

    def in_words(self) -> str:
        """Return how the run ended."""
        states = ", ".join(f"{count} {state}" for state, count in self.states.items())
        return f"The Dag run is {self.state}; task instances: {states}; ECS tasks: {len(self.ecs_tasks)}"


class Run:
    """A Dag run of a trial."""

    def __init__(self, bench: Bench, dag_id: str) -> None:
        self._bench = bench
        self.dag_id = dag_id
        self.run_id = f"verify-{dag_id}-{time.time():.0f}"
        bench.wait_until(self._is_read, f"the Dag processor reads {dag_id}", DAG_PATIENCE)
        bench.api.trigger(dag_id, self.run_id)

    def _is_read(self) -> bool:
        """Whether the Dag processor has read the Dag; TrialError where it cannot read one and does not have this one."""
        if self._bench.api.has_dag(self.dag_id):
            return True
        if errors := self._bench.api.import_errors():
            raise TrialError(f"A file of Dags cannot be read: {errors[0]}")
        return False

    def state(self) -> str:
        """Return its present state."""
        return self._bench.api.run_state(self.dag_id, self.run_id)

    def states(self) -> list[str]:
        """Return the present states of its task instances."""
        found = self._bench.api.task_instances(self.dag_id, self.run_id)
        return [str(ti["state"]) for ti in found]

    def ecs_tasks(self) -> list[EcsTask]:
        """Return its ECS tasks."""
        return self._bench.account.of_run(self.run_id)

    def notes(self, *events: str) -> list[str]:
        """Return the executor's notes with these names; of those without the lines of logs where none is given."""
        wanted = events or (LAUNCH, FAILURE, ADOPTION)
        found = self._bench.api.events(self.dag_id, self.run_id)
        return [note["extra"] or "" for note in found if note["event"] in wanted]

    def wait_until_ended(self, patience: float = PATIENCE) -> None:
        """Wait until it and its ECS tasks have ended."""
        self._bench.wait_until(lambda: self.state() in ENDED, f"{self.dag_id} ends", patience)
        self._wait_until_stopped()

    def wait_for_failure(self) -> None:
        """Wait a little for the reason of a failure, which the scheduler writes after the run's end."""
        deadline = self._bench.clock() + NOTE_PATIENCE
        while self._bench.clock() < deadline and not self.notes(FAILURE):
            self._bench.sleep(PERIOD)

    def facts(self) -> Facts:
        """Return what is known of it."""
        task_instances = self._bench.api.task_instances(self.dag_id, self.run_id)
        failures = self.notes(FAILURE)
        return Facts(self.state(), task_instances, self.notes(), failures, self.ecs_tasks())

    def ends(self) -> list[dict[str, str]]:
        """Return the ECS tasks that alone ran a try whose end Airflow knows, each with its task instance's state."""
        tries: dict[tuple[str, ...], list[str]] = {}
        for task in self.ecs_tasks():
            which = tuple(tag(task, f"airflow:{name}") for name in ("task_id", "map_index", "try_number"))
            tries.setdefault(which, []).append(task["taskArn"])
        found = self._bench.api.task_instances(self.dag_id, self.run_id)
        ended = [ti for ti in found if ti["state"] in ENDED]
        keys = {(ti["task_id"], str(ti["map_index"]), str(ti["try_number"])): ti["state"] for ti in ended}
        return [
            {"ecs_task": arns[0], "state": keys[which]}
            for which, arns in tries.items()
            if which in keys and len(arns) == 1
        ]

    def clean_up(self) -> list[dict[str, str]]:
        """End what still runs of it; return how its ECS tasks ended, see :meth:`ends`, if it has ended by itself."""
        try:
            if self.state() in ENDED:
                return self.ends()
            self._bench.api.fail_run(self.dag_id, self.run_id)
            return []
        finally:
            for task in self.ecs_tasks():
                if not has_stopped(task):
                    self._bench.account.stop(task["taskArn"])
            self._wait_until_stopped()

    def _wait_until_stopped(self) -> None:
        stopped = f"the ECS tasks of {self.dag_id} are STOPPED"
        self._bench.wait_until(
            lambda: all(map(has_stopped, self.ecs_tasks())), stopped, STOP_PATIENCE, late=True
        )


class Bench:
    """
    All that a trial can use, and what it leaves.

    :param limit: seconds from now on after which no trial waits any more.
    """

    def __init__(
        self,
        settings: Settings,
        airflow: Airflow,
        api: RestApi,
        account: Account,
        *,
        limit: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self.airflow = airflow
        self.api = api
        self.account = account
        self.clock = clock
        self.sleep = sleep
        self.deadline = clock() + limit
        self._runs: list[Run] = []
        self._arns: list[str] = []
        self._reported: set[str] = set()
        #: How the ECS tasks of the last trial ended, by Airflow.
        self.ends: list[dict[str, str]] = []

    @property
    def is_over(self) -> bool:
        """Whether the time for all trials is over."""
        return self.clock() >= self.deadline

    def wait_until(
        self,
        condition: Callable[[], object],
        what: str,
        patience: float,
        *,
        period: float = PERIOD,
        late: bool = False,
    ) -> None:
        """
        Wait until a condition holds.

        :param late: whether to wait also when the time for all trials is over.
        :raises TrialError: after so many seconds, or when the time for all trials is over.
        :raises ComponentError: where a component of Airflow's has ended.
        """
        deadline = self.clock() + patience
        if not late:
            deadline = min(deadline, self.deadline)
        while not condition():
            self.airflow.check_alive()
            if self.clock() >= deadline:
                raise TrialError(f"Waited {patience:.0f} s in vain until {what}")
            self.sleep(period)

    def start(self, dag_id: str) -> Run:
        """Start a run of a Dag; it is cleaned up after the trial."""
        run = Run(self, dag_id)
        self._runs.append(run)
        return run

    def run_ecs_task(self, **members: Any) -> str:
        """Call RunTask for an ECS task of our own and return its ARN; it is cleaned up after the trial."""
        answer = self.account.run(**members)
        if not answer["tasks"]:
            raise TrialError(f"RunTask started nothing: {answer['failures']}")
        self._arns.append(answer["tasks"][0]["taskArn"])
        return self._arns[-1]

    def clean_up(self) -> None:
        """End what the trial has left."""
        self.ends = []
        for run in self._runs:
            self.ends += run.clean_up()
        for task in self._own():
            if not has_stopped(task):
                self.account.stop(task["taskArn"])
        stopped = "the ECS tasks are STOPPED"
        self.wait_until(lambda: all(map(has_stopped, self._own())), stopped, STOP_PATIENCE, late=True)

    def take_ecs_tasks(self) -> list[EcsTask]:
        """Return the ECS tasks of the trial, which then is over; each is returned once in all."""
        found = [task for run in self._runs for task in run.ecs_tasks()] + self._own()
        self._runs, self._arns = [], []
        new = {task["taskArn"]: task for task in found if task["taskArn"] not in self._reported}
        self._reported |= new.keys()
        return list(new.values())

    def _own(self) -> list[EcsTask]:
        """Return those that are no executor's."""
        return self.account.describe(dict.fromkeys(self._arns))
