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
"""
The part that moto plays: clusters, task definitions, subnets, log groups, and every call that is not ours.

moto has no locks, and its state belongs to the process, so one lock stands before all of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.config import default_user_config
from moto.ec2 import ec2_backends
from moto.ec2.exceptions import InvalidSubnetIdError
from moto.ecs.models import ecs_backends
from moto.logs import logs_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import Client

from tools.simulator.aws_errors import client_exception, cluster_not_found, invalid_parameter
from tools.simulator.http.server import Answer

ACCOUNT_ID = DEFAULT_ACCOUNT_ID
# Each account has AWS's own policies, which roles may be given.
default_user_config["iam"] = {"load_aws_managed_policies": True}
_LOCK = threading.RLock()


@dataclass(frozen=True)
class Cluster:
    """A cluster, as far as RunTask looks."""

    arn: str
    name: str
    capacity_providers: Sequence[str]
    default_strategy: Sequence[dict[str, Any]]
    container_instances: Sequence[str]


@dataclass(frozen=True)
class TaskDefinition:
    """A task definition, as far as RunTask looks."""

    arn: str
    family: str
    active: bool
    network_mode: str
    compatibilities: Sequence[str]
    cpu: str | None
    memory: str | None
    task_role: str | None
    #: ``runtimePlatform``: operating system and CPU architecture; empty is Linux on x86.
    platform: Mapping[str, str]
    containers: Sequence[dict[str, Any]]
    tags: Sequence[dict[str, str]]


@dataclass(frozen=True)
class LogLine:
    """A line of a log stream; times in milliseconds since the epoch."""

    timestamp: int
    ingested: int
    message: str


class MotoSide:
    """Asks moto, in moto's process and under its lock."""

    def __init__(self) -> None:
        self._client = Client(DomainDispatcherApplication(create_backend_app), use_cookies=False)

    def handle(
        self, method: str, path: str, headers: list[tuple[str, str]], body: bytes, base: str
    ) -> Answer:
        """Let moto answer an HTTP request. ``base`` is the server's own address."""
        with _LOCK:
            response = self._client.open(
                path, method=method, headers=headers, data=body, base_url=base, buffered=True
            )
            return Answer(response.status_code, list(response.headers), response.get_data())

    def cluster(self, region: str, name_or_arn: str) -> Cluster:
        """
        Look up a cluster by name or ARN.

        :raises AwsError: ClusterNotFoundException
        """
        with _LOCK:
            backend = ecs_backends[ACCOUNT_ID][region]
            found = backend.clusters.get(name_or_arn.rsplit("/", 1)[-1])
            if found is None or found.status != "ACTIVE" or ("/" in name_or_arn and found.arn != name_or_arn):
                raise cluster_not_found()
            instances = backend.container_instances.get(found.name, {})
            return Cluster(
                arn=found.arn,
                name=found.name,
                capacity_providers=tuple(found.capacity_providers or ()),
                default_strategy=tuple(found.default_capacity_provider_strategy or ()),
                container_instances=tuple(instance.container_instance_arn for instance in instances.values()),
            )

    def task_definition(self, region: str, reference: str) -> TaskDefinition:
        """
        Look up a task definition by family, ``family:revision`` or ARN; the latest active without revision.

        :raises AwsError: ClientException where there is none
        """
        family, _, revision = reference.rsplit("/", 1)[-1].partition(":")
        if revision and not revision.isdigit():
            raise invalid_parameter(f"Invalid revision number. Number: {revision}")
        with _LOCK:
            revisions = ecs_backends[ACCOUNT_ID][region].task_definitions.get(family, {})
            if not revision:
                active = [number for number, found in revisions.items() if found.status == "ACTIVE"]
                revision = str(max(active, default=0))
            found = revisions.get(int(revision))
            if found is None or ("/" in reference and found.arn != reference):
                raise client_exception("TaskDefinition not found.")
            return TaskDefinition(
                arn=found.arn,
                family=found.family,
                active=found.status == "ACTIVE",
                network_mode=found.network_mode,
                compatibilities=tuple(found.compatibilities),
                cpu=found.cpu,
                memory=found.memory,
                task_role=getattr(found, "task_role_arn", None),
                platform=found.runtime_platform or {},
                containers=tuple(found.container_definitions),
                tags=tuple(found.tags),
            )

    def default_network(self, region: str) -> tuple[list[str], list[str]]:
        """
        Return the ids of the default VPC's subnets and security groups.

        To load EC2 for HTTP, and its model for a client, takes a third of a second each time that a server starts.
        """
        with _LOCK:
            backend = ec2_backends[ACCOUNT_ID][region]
            subnets = backend.describe_subnets(filters={"default-for-az": ["true"]})
            groups = backend.describe_security_groups(
                filters={"group-name": ["default"], "vpc-id": [subnets[0].vpc_id]}
            )
            return [subnet.id for subnet in subnets], [group.id for group in groups]

    def subnet_zone(self, region: str, subnet_id: str) -> str:
        """
        Return a subnet's availability zone.

        :raises AwsError: InvalidParameterException, which wraps EC2's own error as ECS does
        """
        with _LOCK:
            try:
                return ec2_backends[ACCOUNT_ID][region].get_subnet(subnet_id).availability_zone
            except InvalidSubnetIdError:
                raise invalid_parameter(
                    f"Error retrieving subnet information for [{subnet_id}]: "
                    f"The subnet ID '{subnet_id}' does not exist (ErrorCode: InvalidSubnetID.NotFound)"
                ) from None

    def check_security_group(self, region: str, group_id: str) -> None:
        """
        See that a security group exists.

        :raises AwsError: InvalidParameterException, which wraps EC2's own error as ECS does
        """
        with _LOCK:
            if ec2_backends[ACCOUNT_ID][region].get_security_group_from_id(group_id) is None:
                raise invalid_parameter(
                    f"Error retrieving security group information for [{group_id}]: "
                    f"The security group '{group_id}' does not exist (ErrorCode: InvalidGroup.NotFound)"
                )

    def create_log_stream(self, region: str, group: str, stream: str, create_group: bool) -> bool:
        """Create a log stream, and its group where asked; False where there is no such group."""
        with _LOCK:
            backend = logs_backends[ACCOUNT_ID][region]
            if group not in backend.groups:
                if not create_group:
                    return False
                backend.create_log_group(group, {})
            backend.ensure_log_stream(group, stream)
            return True

    def log_lines(self, region: str, group: str, stream: str) -> list[LogLine] | None:
        """Return the lines of a log stream, the oldest first; None where there is no such stream."""
        with _LOCK:
            found = logs_backends[ACCOUNT_ID][region].groups.get(group)
            if not found or stream not in found.streams:
                return None
            lines = [LogLine(e.timestamp, e.ingestion_time, e.message) for e in found.streams[stream].events]
        return sorted(lines, key=lambda line: line.timestamp)

    def append_log(self, region: str, group: str, stream: str, lines: list[str]) -> None:
        """Add lines to a log stream; they are lost, as at AWS, where somebody deleted it meanwhile."""
        now = int(time.time() * 1000)
        with _LOCK:
            found = logs_backends[ACCOUNT_ID][region].groups.get(group)
            if found and stream in found.streams:
                found.put_log_events(stream, [{"timestamp": now, "message": line} for line in lines])
