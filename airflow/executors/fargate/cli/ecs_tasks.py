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
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.answers import read_identity
from airflow.executors.fargate.aws.arns import cluster_name, ecs_task_id
from airflow.executors.fargate.aws.ecs import MAX_DESCRIBED, MAX_LISTED, in_batches

if TYPE_CHECKING:
    from airflow.executors.fargate.launch import Identity

#: The members that say since when an ECS task has been in a state; the first that AWS returns counts.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
SINCE = {
    "RUNNING": ("startedAt", "createdAt"),
    "DEACTIVATING": ("stoppingAt", "createdAt"),
    "STOPPING": ("stoppingAt", "createdAt"),
    "DEPROVISIONING": ("executionStoppedAt", "stoppingAt", "createdAt"),
}
#: The columns of a task instance. Those that a callback does not have are empty.
TASK_COLUMNS = ("dag_id", "task_id", "run_id", "map_index", "try_number")


@dataclass(frozen=True)
class LiveTask:
    """One ECS task that runs a task instance or a callback."""

    arn: str
    cluster: str
    identity: Identity
    state: str
    #: Since when it has been in this state, in UTC; None if AWS does not say.
    since: datetime | None
    #: CPU units, MiB and the kind of capacity, as AWS writes them; empty if AWS does not say.
    resources: Mapping[str, str]

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
            "cluster": cluster_name(self.arn, self.cluster),
            "ecs_task": ecs_task_id(self.arn),
            "state": self.state,
            "since": self.since.isoformat(timespec="seconds") if self.since else "",
            **self.resources,
        }


def in_order(ecs_tasks: Iterable[LiveTask]) -> list[LiveTask]:
    """Sort by time in the state, longest first; drop duplicates, since two names can mean the same cluster."""
    found = {one.arn: one for one in ecs_tasks}.values()
    return sorted(found, key=lambda one: (one.since is None, one.since, str(one.identity.task)))


def list_live_tasks(ecs: Any, cluster: str, deployment: str) -> list[LiveTask]:
    """
    Return the deployment's ECS tasks in a cluster whose desired status is RUNNING.

    Makes one ListTasks and one DescribeTasks call for each hundred of them.

    :param ecs: a boto3 client.
    :param deployment: the ``startedBy`` of the ECS tasks.
    """
    pages = ecs.get_paginator("list_tasks").paginate(
        cluster=cluster, startedBy=deployment, PaginationConfig={"PageSize": MAX_LISTED}
    )
    arns = [arn for page in pages for arn in page.get("taskArns") or ()]
    found: list[LiveTask] = []
    for batch in in_batches(arns, MAX_DESCRIBED):
        answer = ecs.describe_tasks(cluster=cluster, tasks=batch)
        found += filter(None, map(parse_ecs_task, answer.get("tasks") or ()))
    return found


def parse_ecs_task(ecs_task: Mapping[str, Any]) -> LiveTask | None:
    """Parse an ECS task of a DescribeTasks response; None if it has stopped or is not Airflow's."""
    identity = read_identity(ecs_task)
    state = ecs_task.get("lastStatus") or ""
    if identity is None or state in ("STOPPED", "DELETED"):
        return None
    times = (ecs_task.get(name) for name in SINCE.get(state, ("createdAt",)))
    since = next(filter(None, times), None)
    resources = {
        "cpu": ecs_task.get("cpu") or "",
        "memory": ecs_task.get("memory") or "",
        # The capacity provider, or the launch type if there is none.
        "capacity": ecs_task.get("capacityProviderName") or ecs_task.get("launchType") or "",
    }
    in_utc = since.astimezone(timezone.utc) if since else None
    cluster = ecs_task.get("clusterArn") or ""
    return LiveTask(ecs_task.get("taskArn") or "", cluster, identity, state, in_utc, resources)
