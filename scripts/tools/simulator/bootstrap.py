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
"""What a test or the demo needs in its account: cluster, network, log group and task definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.simulator.server import LocalFargate

LOG_GROUP = "/ecs/airflow"


@dataclass(frozen=True)
class Wanted:
    """
    What to create.

    :param environment: the container's, in the task definition
    :param stop_timeout: seconds between SIGTERM and SIGKILL
    :param sidecars: name to shell command; not essential
    """

    cluster: str = "airflow"
    family: str = "airflow"
    container: str = "airflow"
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_timeout: int = 30
    sidecars: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Created:
    """What was created, as RunTask wants it."""

    cluster: str
    task_definition: str
    container_name: str
    subnets: Sequence[str]
    security_groups: Sequence[str]
    log_group: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def create(fargate: LocalFargate, wanted: Wanted) -> Created:
    """
    Create through the server's own API what ``wanted`` says; what exists is taken as it is.

    The network is moto's default one.
    """
    ecs, logs = fargate.client("ecs"), fargate.client("logs")
    ecs.create_cluster(clusterName=wanted.cluster, capacityProviders=["FARGATE", "FARGATE_SPOT"])
    groups = logs.describe_log_groups(logGroupNamePrefix=LOG_GROUP)["logGroups"]
    if LOG_GROUP not in [group["logGroupName"] for group in groups]:
        logs.create_log_group(logGroupName=LOG_GROUP)
    subnets, security_groups = fargate.default_network()
    definition = ecs.register_task_definition(
        family=wanted.family,
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[_main(wanted, fargate.region), *_sidecars(wanted, fargate.region)],
    )["taskDefinition"]
    return Created(
        cluster=wanted.cluster,
        task_definition=f"{definition['family']}:{definition['revision']}",
        container_name=wanted.container,
        subnets=subnets[:2],
        security_groups=security_groups,
        log_group=LOG_GROUP,
    )


def _main(wanted: Wanted, region: str) -> dict[str, Any]:
    return {
        "name": wanted.container,
        "image": "local/airflow",
        "essential": True,
        "stopTimeout": wanted.stop_timeout,
        "environment": [{"name": name, "value": value} for name, value in wanted.environment.items()],
        "logConfiguration": _log_configuration(region),
    }


def _sidecars(wanted: Wanted, region: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "image": "local/sidecar",
            "essential": False,
            "stopTimeout": wanted.stop_timeout,
            "command": ["/bin/sh", "-c", command],
            "logConfiguration": _log_configuration(region),
        }
        for name, command in wanted.sidecars.items()
    ]


def _log_configuration(region: str) -> dict[str, Any]:
    return {
        "logDriver": "awslogs",
        "options": {"awslogs-group": LOG_GROUP, "awslogs-region": region, "awslogs-stream-prefix": "ecs"},
    }
