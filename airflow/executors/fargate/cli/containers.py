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
"""This deployment's live containers, as AWS tells of them, and which of them somebody means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from airflow.executors.fargate.aws.ecs import MAX_DESCRIBED, MAX_LISTED
from airflow.executors.fargate.launch import Identity

#: The moment at which a task has come into its state, the first that AWS names.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
SINCE = {
    "RUNNING": ("startedAt", "createdAt"),
    "DEACTIVATING": ("stoppingAt", "createdAt"),
    "STOPPING": ("stoppingAt", "createdAt"),
    "DEPROVISIONING": ("executionStoppedAt", "stoppingAt", "createdAt"),
}


@dataclass(frozen=True)
class Container:
    """One ECS task that runs a task instance."""

    arn: str
    cluster: str
    identity: Identity
    state: str
    #: Since when it is in this state; None where AWS does not say.
    since: datetime | None
    #: CPU units and MiB, as AWS writes them; empty where it does not say.
    cpu: str
    memory: str
    #: The capacity provider, or the launch type where there is none.
    capacity: str

    @property
    def id(self) -> str:
        """The last part of the ARN, which AWS's console shows."""
        return self.arn.rsplit("/", 1)[-1]

    def is_of(self, dag_id: str, task_id: str | None = None, run_id: str | None = None) -> bool:
        """Tell whether it runs a task instance of this Dag, and of this task and run where they are given."""
        told = self.identity.task.as_dict()
        wanted = {"dag_id": dag_id, "task_id": task_id, "run_id": run_id}
        return all(told.get(name) == value for name, value in wanted.items() if value is not None)

    def row(self) -> dict[str, Any]:
        """Return what is shown of it."""
        told = self.identity.task.as_dict()
        return {
            "dag_id": told.get("dag_id", ""),
            # A callback is not of a task.
            "task_id": told.get("task_id", f"callback {told.get('callback_id')}"),
            "run_id": told.get("run_id", ""),
            "map_index": told.get("map_index", ""),
            "try_number": told.get("try_number", ""),
            "cluster": self.cluster.rsplit("/", 1)[-1],
            "container": self.id,
            "state": self.state,
            "since": self.since.isoformat(timespec="seconds") if self.since else "",
            "cpu": self.cpu,
            "memory": self.memory,
            "capacity": self.capacity,
        }


def in_order(containers: Iterable[Container]) -> list[Container]:
    """Return each container once, the longest in its state first: name and ARN can mean the same cluster."""
    found = {one.arn: one for one in containers}.values()
    return sorted(found, key=lambda one: (one.since is None, one.since, str(one.identity.task)))


def live_containers(ecs: Any, cluster: str, deployment: str) -> list[Container]:
    """
    Ask AWS for the deployment's containers in a cluster that are to run.

    One ListTasks and one DescribeTasks call for each hundred of them.

    :param ecs: a boto3 client.
    :param deployment: what the executor gives as ``startedBy``.
    """
    pages = ecs.get_paginator("list_tasks").paginate(
        cluster=cluster, startedBy=deployment, PaginationConfig={"PageSize": MAX_LISTED}
    )
    arns = [arn for page in pages for arn in page.get("taskArns") or ()]
    found: list[Container] = []
    for some in _parts(arns):
        answer = ecs.describe_tasks(cluster=cluster, tasks=some)
        found += filter(None, map(container_of, answer.get("tasks") or ()))
    return found


def _parts(arns: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(arns), MAX_DESCRIBED):
        yield arns[start : start + MAX_DESCRIBED]


def container_of(task: Mapping[str, Any]) -> Container | None:
    """Read a task of a DescribeTasks response; None for one that has stopped, or that is not Airflow's."""
    identity = Identity.of(task)
    state = task.get("lastStatus") or ""
    if identity is None or state in ("STOPPED", "DELETED"):
        return None
    return Container(
        arn=task.get("taskArn") or "",
        cluster=task.get("clusterArn") or "",
        identity=identity,
        state=state,
        since=_moment(task.get(name) for name in SINCE.get(state, ("createdAt",))),
        cpu=task.get("cpu") or "",
        memory=task.get("memory") or "",
        capacity=task.get("capacityProviderName") or task.get("launchType") or "",
    )


def _moment(told: Iterable[Any]) -> datetime | None:
    moment: Any = next(filter(None, told), None)
    return moment.astimezone(timezone.utc) if isinstance(moment, datetime) else None
