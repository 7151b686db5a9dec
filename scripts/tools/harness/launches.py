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
"""What became of each launch, read from the local Fargate's memory of the containers and from Airflow's database."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.harness.database import TaskInstance

# Where the executor leaves the identity of the launch that a container is for.
IDENTITY_VARIABLE = "AIRFLOW_FARGATE_LAUNCH"
# How the startedBy of an ECS task begins that ``airflow fargate check --run`` has started.
CHECKED = "airflow-fargate-check/"


@dataclass(frozen=True)
class Launch:
    """One launch of a task instance, with the container that it got. Times are seconds since 1970."""

    id: str
    task_id: str
    map_index: int
    run_id: str
    try_number: int
    container: str
    """The id of the ECS task."""
    stop_code: str | None
    exit_code: int | None
    queued: float
    created: float
    """When RunTask was accepted."""
    started: float | None
    finished: float | None
    """When the container ended."""
    stopped: float | None
    """When ECS had taken the task down, and everything about its end is known."""
    stopped_reason: str | None = None
    scheduler: str | None = None
    """The scheduler that has launched it."""
    uuid: str | None = None
    """Of the task instance, from 3.4 on."""

    @property
    def name(self) -> str:
        """The task's id, with the map index where it is mapped."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


def read_launches(ecs_tasks: Iterable[Mapping[str, Any]], run_id: str) -> list[Launch]:
    """
    Return the launches of a DAG run, one for each container, in the order in which they were handed over.

    :param ecs_tasks: everything that the local Fargate ever started; those of ``check --run`` are no launches
    :raises ValueError: where a container does not say what launch it is for
    """
    of_airflow = (each for each in ecs_tasks if not (each.get("startedBy") or "").startswith(CHECKED))
    launches = [launch for launch in map(_read_launch, of_airflow) if launch and launch.run_id == run_id]
    return sorted(launches, key=lambda launch: launch.queued)


def _read_launch(ecs_task: Mapping[str, Any]) -> Launch | None:
    """Return the launch of a task instance; None of a callback, which is of no task."""
    container = next((c for c in ecs_task["containers"] if IDENTITY_VARIABLE in c["environment"]), None)
    if container is None:
        raise ValueError(f"Container {ecs_task['taskArn']} does not say what launch it is for")
    identity = json.loads(container["environment"][IDENTITY_VARIABLE])
    if "callback_id" in identity:
        return None
    return Launch(
        id=identity["launch"],
        task_id=identity["task_id"],
        map_index=identity["map_index"],
        run_id=identity["run_id"],
        try_number=identity["try_number"],
        container=ecs_task["taskArn"].rsplit("/", 1)[-1],
        stop_code=ecs_task.get("stopCode"),
        exit_code=container.get("exitCode"),
        queued=identity["handed_over"],
        created=ecs_task["createdAt"],
        started=ecs_task.get("startedAt"),
        finished=ecs_task.get("executionStoppedAt"),
        stopped=ecs_task.get("stoppedAt"),
        stopped_reason=ecs_task.get("stoppedReason"),
        scheduler=identity.get("scheduler"),
        uuid=identity.get("uuid"),
    )


class HandOvers:
    """
    Counts how often Airflow handed each task instance to the executor.

    Airflow keeps only the time of the last hand-over, so look more often than launches follow each other.
    """

    def __init__(self) -> None:
        self._times: dict[str, set[object]] = defaultdict(set)

    def look(self, task_instances: Iterable[TaskInstance]) -> None:
        """Take note of what the database says now."""
        for task_instance in task_instances:
            if task_instance.queued is not None:
                self._times[task_instance.name].add(task_instance.queued)

    def counts(self) -> dict[str, int]:
        """Return the number of hand-overs by the task instance's name."""
        return {name: len(times) for name, times in self._times.items()}


def wrong_with(launches: Iterable[Launch], hand_overs: Mapping[str, int]) -> list[str]:
    """Say where a launch did not have exactly one ECS task; empty if each of them had."""
    launches = list(launches)
    containers = Counter(launch.id for launch in launches)
    wrong = [
        f"{launch.name} try {launch.try_number}: {containers[launch.id]} containers for one launch"
        for launch in {launch.id: launch for launch in launches}.values()
        if containers[launch.id] != 1
    ]
    launched = Counter(launch.name for launch in launches)
    return wrong + [
        f"{name}: handed over {hand_overs.get(name, 0)} times, but launched {launched[name]} times"
        for name in sorted({*launched, *hand_overs})
        if launched[name] != hand_overs.get(name, 0)
    ]
