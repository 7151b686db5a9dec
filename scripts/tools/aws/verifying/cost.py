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
"""What the ECS tasks of the trials cost, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import TYPE_CHECKING, Any

from tools.aws import prices
from tools.aws.inside.everything import ALL
from tools.aws.verifying.task_definitions import LIMIT, SIZE

if TYPE_CHECKING:
    from tools.aws.verifying.target import Target

#: Fargate bills from the beginning of the pull until the ECS task has stopped, and so many seconds at least:
#: https://aws.amazon.com/fargate/pricing/
LEAST = 60
#: The phases of an ECS task by the times that DescribeTasks has, each from one to the next one.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
PHASES = {
    "provisioned": ("createdAt", "pullStartedAt"),
    "image pulled": ("pullStartedAt", "pullStoppedAt"),
    "started": ("pullStoppedAt", "startedAt"),
    "ran": ("startedAt", "stoppedAt"),
}


@dataclass(frozen=True)
class Planned:
    """What a trial launches at most; without a size it is that of the deployment's task definition."""

    ecs_tasks: int
    minutes: float
    vcpu: float = 0.0
    gb: float = 0.0


#: What each trial and question is, by its name, in the order in which they run.
TITLES = {trial.name: trial.title for trial in ALL}
#: The minutes are those of one ECS task, and generous.
PLAN = {
    "dag": Planned(20, 4),
    "killed": Planned(2, 4),
    "image": Planned(2, 6),
    "stopped": Planned(2, 4),
    "scheduler-killed": Planned(40, 4),
    "mapped": Planned(200, 4),
    "spot": Planned(4, 4),
    "no-capacity": Planned(4, 3, 16, 32),
    "missing": Planned(5, 4),
    "list-stopped": Planned(5, 4),
    "client-token": Planned(4, 4),
    "words": Planned(30, 4),
}


def most(target: Target, trials: Iterable[str]) -> dict[str, float]:
    """Return what each trial costs at most, in US dollars, and under ``scheduler`` the whole Airflow's ECS task."""
    own = int(target.parameters["TaskCpu"]) / 1024, int(target.parameters["TaskMemory"]) / 1024
    architecture = target.parameters["Architecture"].lower()
    address = prices.ADDRESS / 3600 if target.assigns_public_ip else 0.0
    size = int(SIZE["cpu"]) / 1024, int(SIZE["memory"]) / 1024
    costs = {"scheduler": _cost(LIMIT, *size, architecture) + LIMIT * address}
    for name in trials:
        planned = PLAN[name]
        count = int(target.settings["Mapped"]) if name == "mapped" else planned.ecs_tasks
        size = (planned.vcpu, planned.gb) if planned.vcpu else own
        seconds = planned.minutes * 60
        costs[name] = count * (_cost(seconds, *size, architecture) + seconds * address)
    return costs


def cost(ecs_task: Mapping[str, Any], assigns_public_ip: bool, until: datetime) -> float:
    """
    Return what an ECS task has cost, in US dollars.

    :param ecs_task: its size, its processor and its times, as the protocol has them.
    :param until: until when one has run that had not stopped when it was looked at.
    """
    begun = time(ecs_task, "pullStartedAt")
    if begun is None:
        return 0.0
    ended = time(ecs_task, "stoppedAt") or max(until, begun)
    seconds = max(LEAST, ceil((ended - begun).total_seconds()))
    architecture = str(ecs_task.get("architecture") or "x86_64").lower()
    dollars = _cost(seconds, float(ecs_task["vcpu"]), float(ecs_task["gb"]), architecture)
    if ecs_task.get("capacity") == "FARGATE_SPOT":
        dollars *= 1 - prices.SPOT_DISCOUNT
    return dollars + (seconds / 3600 * prices.ADDRESS if assigns_public_ip else 0.0)


def phases(ecs_task: Mapping[str, Any]) -> dict[str, float]:
    """Return the seconds of each phase that an ECS task has been through."""
    found = {}
    for name, (first, last) in PHASES.items():
        begun, ended = time(ecs_task, first), time(ecs_task, last)
        if begun and ended:
            found[name] = (ended - begun).total_seconds()
    return found


def time(ecs_task: Mapping[str, Any], name: str) -> datetime | None:
    """Return one of an ECS task's times, None where ECS has not said it."""
    value = ecs_task.get(name)
    # Python reads the Z from 3.11 on.
    return datetime.fromisoformat(str(value).replace("Z", "+00:00")) if value else None


def of_described(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return an ECS task of DescribeTasks as the protocol has one."""
    attributes = {each["name"]: each.get("value") for each in described.get("attributes", ())}
    times = ("createdAt", "pullStartedAt", "pullStoppedAt", "startedAt", "stoppingAt", "stoppedAt")
    return {
        "arn": described.get("taskArn", ""),
        "vcpu": int(described.get("cpu", 0)) / 1024,
        "gb": int(described.get("memory", 0)) / 1024,
        "architecture": attributes.get("ecs.cpu-architecture", "x86_64"),
        "capacity": described.get("capacityProviderName") or described.get("launchType", ""),
        **{name: described[name].isoformat() for name in times if described.get(name)},
    }


def _cost(seconds: float, vcpu: float, gb: float, architecture: str) -> float:
    by_vcpu, by_gb = prices.FARGATE.get(architecture, prices.FARGATE["x86_64"])
    return seconds / 3600 * (vcpu * by_vcpu + gb * by_gb)
