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
"""What the trials ask of ECS themselves, beside the executor."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.aws.inside.settings import Settings

#: The most ECS tasks of a DescribeTasks call.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
DESCRIBED_AT_ONCE = 100
TIMES = "createdAt", "pullStartedAt", "pullStoppedAt", "startedAt", "stoppingAt", "stoppedAt"
#: AWS shows it as the reason.
STOP_REASON = "Stopped by scripts/aws/verify"

EcsTask = dict[str, Any]


class Account:
    """
    The ECS tasks of the trials.

    :param ecs: boto3's client.
    """

    def __init__(self, settings: Settings, ecs: Any) -> None:
        self._settings = settings
        self.ecs = ecs
        #: Those that have stopped, by ARN; they do not change any more.
        self.stopped: dict[str, EcsTask] = {}

    def of_run(self, run_id: str) -> list[EcsTask]:
        """Return the ECS tasks of a Dag run, the oldest first."""
        families = (self._settings.task_definition, self._settings.broken_task_definition)
        arns = [arn for family in families for arn in self.list_all(family=family)]
        return [task for task in self.describe(arns) if tag(task, "airflow:run_id") == run_id]

    def list_all(self, **which: str) -> list[str]:
        """Return the ARNs of ECS tasks, running ones and stopped ones."""
        both = (self.listed(desiredStatus=status, **which) for status in ("RUNNING", "STOPPED"))
        return list(dict.fromkeys(itertools.chain.from_iterable(both)))

    def listed(self, **which: str) -> Iterator[str]:
        """Yield the ARNs that ListTasks has in the cluster."""
        pages = self.ecs.get_paginator("list_tasks").paginate(cluster=self._settings.cluster, **which)
        return (arn for page in pages for arn in page["taskArns"])

    def describe(self, arns: Iterable[str]) -> list[EcsTask]:
        """Return what DescribeTasks says of ECS tasks, the oldest first; those that it does not know are left out."""
        wanted = list(arns)
        asked = [arn for arn in wanted if arn not in self.stopped]
        found = {arn: self.stopped[arn] for arn in wanted if arn in self.stopped}
        for at in range(0, len(asked), DESCRIBED_AT_ONCE):
            answer = self.ecs.describe_tasks(
                cluster=self._settings.cluster, tasks=asked[at : at + DESCRIBED_AT_ONCE], include=["TAGS"]
            )
            found |= {task["taskArn"]: task for task in answer["tasks"]}
        self.stopped |= {arn: task for arn, task in found.items() if task["lastStatus"] == "STOPPED"}
        return sorted(found.values(), key=lambda task: str(task.get("createdAt", "")))

    def run(self, **members: Any) -> dict[str, Any]:
        """
        Call RunTask for an ECS task of our own, which no executor looks after, and return the answer.

        :param members: of the request, in the place of the usual ones; None leaves one out.
        """
        usual = {
            "cluster": self._settings.cluster,
            "taskDefinition": self._settings.task_definition,
            "launchType": "FARGATE",
            "networkConfiguration": self._settings.network,
            "overrides": self.overrides("sleep", "1"),
            "startedBy": f"{self._settings.deployment}-questions",
        }
        request = {name: value for name, value in {**usual, **members}.items() if value is not None}
        answer: dict[str, Any] = self.ecs.run_task(**request)
        return answer

    def overrides(
        self, *command: str, name: str = "", cpu: str = "256", memory: str = "512"
    ) -> dict[str, Any]:
        """Return the overrides of an ECS task of our own."""
        containers = [{"name": name or self._settings.container, "command": list(command)}]
        return {"cpu": cpu, "memory": memory, "containerOverrides": containers}

    def stop(self, arn: str) -> None:
        """Stop an ECS task."""
        self.ecs.stop_task(cluster=self._settings.cluster, task=arn, reason=STOP_REASON)


def tag(task: EcsTask, key: str) -> str:
    """Return the value of an ECS task's tag; empty without one."""
    return next((each["value"] for each in task.get("tags", ()) if each["key"] == key), "")


def has_stopped(task: EcsTask) -> bool:
    """Whether an ECS task has come to its end."""
    return bool(task.get("lastStatus") == "STOPPED")


def report(task: EcsTask, container: str) -> dict[str, Any]:
    """
    Return what the report has of an ECS task: size, capacity, times and end.

    :param container: the name of its main container.
    """
    main = next((each for each in task.get("containers", ()) if each.get("name") == container), {})
    architecture = next(
        (each["value"] for each in task.get("attributes", ()) if each["name"] == "ecs.cpu-architecture"), ""
    )
    return {
        "arn": task["taskArn"],
        "vcpu": int(task.get("cpu") or 0) / 1024,
        "gb": int(task.get("memory") or 0) / 1024,
        "architecture": architecture,
        "capacity": task.get("capacityProviderName") or task.get("launchType", ""),
        **{name: task[name].isoformat() for name in TIMES if name in task},
        "stopCode": task.get("stopCode", ""),
        "stoppedReason": task.get("stoppedReason", ""),
        "exitCode": main.get("exitCode"),
    }
