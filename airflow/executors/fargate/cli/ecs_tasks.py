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
"""The live ECS tasks of this deployment, as DescribeTasks returns them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pendulum import UTC

from airflow.executors.fargate.aws.answers import EcsTask
from airflow.executors.fargate.aws.arns import ecs_task_id
from airflow.executors.fargate.aws.ecs import MAX_LISTED

if TYPE_CHECKING:
    from airflow.executors.fargate.launch import Identity

#: The members with the times of changes of state, in their order; the last that AWS returns is since when an
#: ECS task has been in its state.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
TIMES = ("createdAt", "startedAt", "stoppingAt", "executionStoppedAt")
#: The columns of a task instance. Those that a callback does not have are empty.
TASK_COLUMNS = ("dag_id", "task_id", "run_id", "map_index", "try_number")


@dataclass(frozen=True)
class LiveTask:
    """One ECS task that runs a task instance or a callback."""

    task: EcsTask
    identity: Identity
    #: Since when it has been in its state, in UTC; None if AWS does not say.
    since: datetime | None
    #: CPU units, MiB and the kind of capacity, as AWS writes them; None if AWS does not say.
    resources: Mapping[str, str | None]

    def is_of(self, dag_id: str, task_id: str | None = None, run_id: str | None = None) -> bool:
        """Return whether it runs a task instance of this Dag, and of this task and run if they are given."""
        own = self.identity.task.as_dict()
        wanted = {"dag_id": dag_id, "task_id": task_id, "run_id": run_id}
        return all(own.get(name) == value for name, value in wanted.items() if value is not None)

    def row(self) -> dict[str, Any]:
        """Return the row of the output."""
        own = self.identity.task.as_dict()
        if "callback_id" in own:
            own["task_id"] = f"callback {own['callback_id']}"
        return {
            **{name: own.get(name, "") for name in TASK_COLUMNS},
            "cluster": self.task.cluster_name,
            "ecs_task": ecs_task_id(self.task.arn),
            "state": self.task.last_status,
            "since": self.since.isoformat(timespec="seconds") if self.since else "",
            **{name: size or "" for name, size in self.resources.items()},
        }


def in_order(ecs_tasks: Iterable[LiveTask]) -> list[LiveTask]:
    """Sort by time in the state, longest first; drop duplicates, since two names can mean the same cluster."""
    found = {one.task.arn: one for one in ecs_tasks}.values()
    return sorted(found, key=lambda one: (one.since is None, one.since, str(one.identity.task)))


def list_live_tasks(ecs: Any, cluster: str, deployment: str) -> list[LiveTask]:
    """
    Return the deployment's ECS tasks in a cluster whose desired status is RUNNING.

    Makes one ListTasks and one DescribeTasks call for each hundred of them: one page is one batch.

    :param ecs: a boto3 client.
    :param deployment: the ``startedBy`` of the ECS tasks.
    """
    asked = {"cluster": cluster, "startedBy": deployment, "PaginationConfig": {"PageSize": MAX_LISTED}}
    pages = ecs.get_paginator("list_tasks").paginate(**asked)
    found: list[LiveTask] = []
    for page in pages:
        if arns := page.get("taskArns"):
            answer = ecs.describe_tasks(cluster=cluster, tasks=arns)
            found += filter(None, map(parse_ecs_task, answer.get("tasks") or ()))
    return found


def parse_ecs_task(ecs_task: Mapping[str, Any]) -> LiveTask | None:
    """Parse an ECS task of a DescribeTasks response; None if it has stopped or is not Airflow's."""
    task = EcsTask.parse(ecs_task)
    if task is None or (identity := task.identity) is None or task.last_status in ("STOPPED", "DELETED"):
        return None
    since = next(filter(None, map(ecs_task.get, reversed(TIMES))), None)
    # The capacity provider, or the launch type if there is none.
    kind = ecs_task.get("capacityProviderName") or ecs_task.get("launchType")
    resources = {"cpu": ecs_task.get("cpu"), "memory": ecs_task.get("memory"), "capacity": kind}
    return LiveTask(task, identity, since and since.astimezone(UTC), resources)
