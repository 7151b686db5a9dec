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
"""A task and its containers: what is known of them, and how AWS describes it."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.simulator.faults.source import TaskPlan

PROVISIONING = "PROVISIONING"
PENDING = "PENDING"
ACTIVATING = "ACTIVATING"
RUNNING = "RUNNING"
DEACTIVATING = "DEACTIVATING"
STOPPING = "STOPPING"
DEPROVISIONING = "DEPROVISIONING"
STOPPED = "STOPPED"
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
STATES = (PROVISIONING, PENDING, ACTIVATING, RUNNING, DEACTIVATING, STOPPING, DEPROVISIONING, STOPPED)

STARTING_STATES = STATES[: STATES.index(RUNNING)]


@dataclass
class Container:
    """
    A container of a task.

    :param definition: its entry in the task definition
    :param override: its entry in RunTask's overrides, or empty
    """

    arn: str
    name: str
    definition: dict[str, Any]
    override: dict[str, Any]
    runtime_id: str
    #: None until it was started, then what signals it.
    process: Any = None
    #: The real process's id; None for a pretended one.
    pid: int | None = None
    #: None until it ended.
    exit_code: int | None = None
    reason: str = ""
    #: Whether DescribeTasks tells the exit code by now.
    reported: bool = False

    @property
    def essential(self) -> bool:
        return self.definition.get("essential", True)

    @property
    def running(self) -> bool:
        return self.process is not None and self.exit_code is None


@dataclass
class NetworkInterface:
    """The elastic network interface of a task in awsvpc mode."""

    attachment_id: str
    details: dict[str, str]
    status: str = "PRECREATED"

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.attachment_id,
            "type": "ElasticNetworkInterface",
            "status": self.status,
            "details": [{"name": name, "value": value} for name, value in self.details.items()],
        }


@dataclass
class Task:
    """
    A task. Whoever reads or changes it holds the store's lock; ``changed`` follows every change.

    :param facts: the members of AWS's description that never change
    :param request: the RunTask request, for the ledger
    """

    arn: str
    cluster_arn: str
    family: str
    launch_type: str
    started_by: str
    number: int
    plan: TaskPlan
    facts: dict[str, Any]
    request: dict[str, Any]
    tags: list[dict[str, str]]
    containers: list[Container]
    vcpus: float
    created_at: float
    network_interface: NetworkInterface | None = None
    status: str = PROVISIONING
    desired_status: str = "RUNNING"
    stop_code: str = ""
    stopped_reason: str = ""
    #: AWS's name of each timestamp, in seconds since 1970.
    times: dict[str, float] = field(default_factory=dict)
    #: Each state with the time when it was entered.
    history: list[tuple[str, float]] = field(default_factory=list)
    version: int = 1
    #: Nothing runs any more; only the rest of the chain is left.
    winding_down: bool = False
    #: It was put there, and never started.
    put: bool = False
    _described: dict[bool, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.history.append((self.status, self.created_at))

    @property
    def id(self) -> str:
        return self.arn.rsplit("/", 1)[1]

    @property
    def _network(self) -> dict[str, Any]:
        """What RunTask was asked for of its network."""
        network: dict[str, Any] = self.request.get("networkConfiguration", {})
        return network.get("awsvpcConfiguration", {})

    @property
    def stopped(self) -> bool:
        return self.status == STOPPED

    @property
    def stopping(self) -> bool:
        return self.desired_status == STOPPED

    def changed(self) -> None:
        self.version += 1
        self._described.clear()

    def enter(self, status: str, now: float) -> None:
        """Enter a state."""
        self.status = status
        self.history.append((status, now))
        self.changed()

    def described(self, with_tags: bool) -> str:
        """Return DescribeTasks' JSON of this task; made once a change, so that polling stays cheap."""
        if with_tags not in self._described:
            self._described[with_tags] = json.dumps(self._describe(with_tags), separators=(",", ":"))
        return self._described[with_tags]

    def _describe(self, with_tags: bool) -> dict[str, Any]:
        described = {
            **self.facts,
            "taskArn": self.arn,
            "clusterArn": self.cluster_arn,
            "createdAt": self.created_at,
            "lastStatus": self.status,
            "desiredStatus": self.desired_status,
            "version": self.version,
            "attachments": [self.network_interface.to_json()] if self.network_interface else [],
            "containers": [self._describe_container(container) for container in self.containers],
            **self.times,
        }
        if "connectivityAt" in self.times:
            described["connectivity"] = "CONNECTED"
        if self.stop_code:
            described["stopCode"] = self.stop_code
        if self.stopped_reason:
            described["stoppedReason"] = self.stopped_reason
        if with_tags:
            described["tags"] = self.tags
        return described

    def _describe_container(self, container: Container) -> dict[str, Any]:
        definition = container.definition
        described = {
            "containerArn": container.arn,
            "taskArn": self.arn,
            "name": container.name,
            "image": definition.get("image", ""),
            "runtimeId": container.runtime_id,
            "lastStatus": self._container_status(container),
            "networkInterfaces": self._container_interfaces(),
            "healthStatus": "UNKNOWN",
            "cpu": str(container.override.get("cpu", definition.get("cpu", 0))),
        }
        for member in ("memory", "memoryReservation"):
            value = container.override.get(member, definition.get(member))
            if value is not None:
                described[member] = str(value)
        if container.reported:
            if container.exit_code is not None:
                described["exitCode"] = container.exit_code
            if container.reason:
                described["reason"] = container.reason
        return described

    def _container_status(self, container: Container) -> str:
        if container.reported:
            return STOPPED
        return PENDING if self.status in STARTING_STATES or container.process is None else RUNNING

    def _container_interfaces(self) -> list[dict[str, str]]:
        if not self.network_interface:
            return []
        return [
            {
                "attachmentId": self.network_interface.attachment_id,
                "privateIpv4Address": self.network_interface.details["privateIPv4Address"],
            }
        ]

    def ledger_entry(self) -> dict[str, Any]:
        """Return everything known of the task, its whole history and its override's environment included."""
        return {
            **self._describe(with_tags=True),
            "clientToken": self.request.get("clientToken"),
            # DescribeTasks tells nothing of it.
            "assignPublicIp": self._network.get("assignPublicIp"),
            "neverSeen": self.plan.never_seen,
            "history": [{"status": status, "at": at} for status, at in self.history],
            "containers": [
                {
                    **self._describe_container(container),
                    "pid": container.pid,
                    "actualExitCode": container.exit_code,
                    "command": container.override.get("command", container.definition.get("command", [])),
                    "environment": {
                        variable.get("name", ""): variable.get("value", "")
                        for variable in container.override.get("environment", [])
                    },
                }
                for container in self.containers
            ],
        }


def in_milliseconds(seconds: float) -> float:
    """Return a time in whole milliseconds, of which none lies ahead: what is kept for no time is never seen."""
    return math.floor(seconds * 1000) / 1000


def new_id() -> str:
    """Return an id as ECS makes them: 32 hexadecimal digits."""
    return uuid.uuid4().hex
