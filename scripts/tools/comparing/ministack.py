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
"""ministack, an ECS on this machine that others have written, in the place of the local Fargate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tools.harness.fargate_process import LocalFargate
from tools.harness.ministack import NAME, REGION, MinistackServer
from tools.simulator import bootstrap

#: The most ECS tasks that one DescribeTasks takes.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
MOST = 100


class Ministack(LocalFargate):
    """ministack with a cluster, a task definition and a network of its own; it has no faults to adjust, and no gates."""

    title = NAME
    _server: MinistackServer | None = None

    @property
    def region(self) -> str:
        return REGION

    def start(self) -> None:
        """Start it, and have created in it what the executors need."""
        own = {name: self._container_env[name] for name in ("PATH", "TMPDIR")}
        self._server = MinistackServer(self._folder, own)
        self._server.start()
        self.told = {"endpoint_url": self._server.endpoint_url, "region": REGION}
        self.told |= self._create(self._server)

    def _create(self, server: MinistackServer) -> dict[str, Any]:
        """Create what the executors need, and return what is to be told of it."""
        for image in ("local/airflow", "local/sidecar"):
            server.add_image(image, {})
        return bootstrap.create(self, bootstrap.Wanted(environment=self._container_env)).to_json()

    def stop(self) -> None:
        """Stop it and every container that runs."""
        if self._server:
            self._server.stop()

    def default_network(self) -> tuple[list[str], list[str]]:
        """Return the subnets and the security groups of the default network."""
        ec2 = self.client("ec2")
        subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]]
        return subnets, [group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"]][:1]

    def tasks(self) -> list[dict[str, Any]]:
        """Return every ECS task that can be described, with what the local Fargate's ledger has of it."""
        ecs, cluster = self.client("ecs"), self.told["cluster"]
        arns = {
            arn
            for status in ("RUNNING", "STOPPED")
            for page in ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus=status)
            for arn in page["taskArns"]
        }
        listed = sorted(arns)
        found: list[dict[str, Any]] = []
        for first in range(0, len(listed), MOST):
            found += ecs.describe_tasks(cluster=cluster, tasks=listed[first : first + MOST])["tasks"]
        return sorted(map(ledger_entry, found), key=lambda entry: entry["createdAt"])

    def pid(self, ecs_task_id: str) -> int:
        """Return the number of the process that an ECS task's first container is."""
        name = f"ministack-ecs-{ecs_task_id[:8]}-{self.told['container_name']}.pid"
        return int((self._server.containers / name).read_text())

    def adjust(self, **settings: Any) -> None:
        """Do nothing: an image that is not there is missed by the stand-in."""

    def reset(self) -> None:
        """Do nothing."""


def ledger_entry(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return what DescribeTasks says of an ECS task as the local Fargate's ledger has it; times are seconds since 1970."""
    times = {name: value.timestamp() for name, value in described.items() if isinstance(value, datetime)}
    told = {container["name"]: container for container in described["containers"]}
    overrides: Sequence[Mapping[str, Any]] = described["overrides"]["containerOverrides"]
    containers = [_overridden(told.get(override["name"], {}), override) for override in overrides]
    return {**described, **times, "containers": containers}


def _overridden(container: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    environment = {variable["name"]: variable["value"] for variable in override.get("environment", ())}
    return {**container, "command": override.get("command", []), "environment": environment}
