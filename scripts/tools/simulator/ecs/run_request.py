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
What AWS checks before it accepts a RunTask, in AWS's words where they are known.

Limits: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.validate import ParamValidator

from tools.simulator import limits
from tools.simulator.aws_errors import AwsError, invalid_parameter
from tools.simulator.ecs import task_size

if TYPE_CHECKING:
    from tools.simulator.ecs.moto_side import Cluster, MotoSide, TaskDefinition

FARGATE_PROVIDERS = ("FARGATE", "FARGATE_SPOT")
LAUNCH_TYPES = ("EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES")
# What LATEST means: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/platform-fargate.html
LATEST_PLATFORM = "1.4.0"


@dataclass(frozen=True)
class Placement:
    """Where a task is to run."""

    launch_type: str
    capacity_provider: str | None
    container_instance: str | None
    subnet: str | None
    zone: str | None


@dataclass(frozen=True)
class RunRequest:
    """A RunTask that AWS would accept, with what it refers to."""

    request: dict[str, Any]
    region: str
    cluster: Cluster
    definition: TaskDefinition
    placement: Placement

    @property
    def cpu(self) -> str | None:
        """The task's CPU units: the override's, or the definition's."""
        given = self.request.get("overrides", {}).get("cpu", self.definition.cpu)
        return given and str(task_size.cpu_units(given))

    @property
    def memory(self) -> str | None:
        """The task's MiB of memory, likewise."""
        given = self.request.get("overrides", {}).get("memory", self.definition.memory)
        return given and str(task_size.mebibytes(given))

    @property
    def count(self) -> int:
        return self.request.get("count", 1)

    def override_of(self, container: str) -> dict[str, Any]:
        """Return the override of a container, or an empty one."""
        overrides = self.request.get("overrides", {}).get("containerOverrides", [])
        return next((override for override in overrides if override.get("name") == container), {})


def check(request: dict[str, Any], region: str, cluster: Cluster, moto: MotoSide) -> RunRequest:
    """
    Check a RunTask request whose members have the right types.

    :raises AwsError: the error that AWS answers with
    """
    definition = moto.task_definition(region, request["taskDefinition"])
    if not definition.active:
        raise invalid_parameter("TaskDefinition is inactive")
    _check_members(request)
    _check_tags(request.get("tags", []))
    _check_overrides(request.get("overrides", {}), definition)
    _check_task_role(request, definition)
    launch_type, provider = _launch_type(request, cluster, definition)
    on_fargate = launch_type == "FARGATE"
    if not on_fargate and request.get("platformVersion"):
        raise invalid_parameter("The platform version must be null when specifying an EC2 launch type.")
    if not on_fargate and not cluster.container_instances:
        raise invalid_parameter("No Container Instances were found in your cluster.")
    subnet, zone = _network(request, region, definition, moto)
    instance = None if on_fargate else cluster.container_instances[0]
    run = RunRequest(
        request, region, cluster, definition, Placement(launch_type, provider, instance, subnet, zone)
    )
    _check_size(run)
    return run


def _check_members(request: dict[str, Any]) -> None:
    if not 1 <= request.get("count", 1) <= limits.MAX_TASKS_PER_RUN:
        raise invalid_parameter(f"count should be between 1 and {limits.MAX_TASKS_PER_RUN}.")
    started_by = request.get("startedBy", "")
    if len(started_by) > limits.MAX_STARTED_BY_CHARACTERS:
        raise invalid_parameter(
            f"startedBy length should be no longer than {limits.MAX_STARTED_BY_CHARACTERS}."
        )
    if not limits.STARTED_BY_PATTERN.fullmatch(started_by):
        raise invalid_parameter(
            "startedBy can only contain letters, numbers, hyphens, forward slashes and underscores."
        )
    token = request.get("clientToken")
    if token is not None:
        if len(token) > limits.MAX_CLIENT_TOKEN_CHARACTERS:
            raise invalid_parameter(
                f"clientToken length should be no longer than {limits.MAX_CLIENT_TOKEN_CHARACTERS}."
            )
        if not limits.CLIENT_TOKEN_PATTERN.fullmatch(token):
            raise invalid_parameter("clientToken can only contain ASCII characters from 33 to 126.")
    if request.get("propagateTags") == "SERVICE":
        raise invalid_parameter("Unable to propagate tags from service: the task has none.")


def _check_tags(tags: Sequence[dict[str, str]]) -> None:
    if len(tags) > limits.MAX_TAGS:
        raise invalid_parameter(f"tags can have at most {limits.MAX_TAGS} items.")
    for tag in tags:
        key, value = tag.get("key", ""), tag.get("value", "")
        if not 1 <= len(key) <= limits.MAX_TAG_KEY_CHARACTERS:
            raise invalid_parameter(
                f"Tag key length should be between 1 and {limits.MAX_TAG_KEY_CHARACTERS}."
            )
        if len(value) > limits.MAX_TAG_VALUE_CHARACTERS:
            raise invalid_parameter(
                f"Tag value length should be no longer than {limits.MAX_TAG_VALUE_CHARACTERS}."
            )
        if not all(map(_is_tag_character, key + value)):
            raise invalid_parameter(
                "Tags can only contain unicode letters, digits, white space, or one of these symbols: _ . : / = + - @"
            )
        if key.lower().startswith("aws:") or value.lower().startswith("aws:"):
            raise invalid_parameter("Tags with the aws: prefix are reserved for AWS.")
    if len({tag["key"] for tag in tags}) < len(tags):
        raise invalid_parameter("Tag keys must be unique.")


def _is_tag_character(character: str) -> bool:
    return character in limits.TAG_SYMBOLS or unicodedata.category(character)[0] in ("L", "N", "Z")


def _check_overrides(overrides: dict[str, Any], definition: TaskDefinition) -> None:
    if (
        len(json.dumps(overrides, separators=(",", ":"), ensure_ascii=False))
        > limits.MAX_OVERRIDES_CHARACTERS
    ):
        raise invalid_parameter(
            f"Container Overrides length must be at most {limits.MAX_OVERRIDES_CHARACTERS}"
        )
    names = {container["name"] for container in definition.containers}
    for override in overrides.get("containerOverrides", []):
        name = override.get("name")
        if not name:
            raise invalid_parameter("Container Override name can not be blank.")
        if name not in names:
            raise invalid_parameter(
                f"Override for container named {name} is not a container in the TaskDefinition."
            )


def _check_size(run: RunRequest) -> None:
    on_fargate = run.placement.launch_type == "FARGATE"
    if on_fargate:
        task_size.check_on_fargate(run.cpu, run.memory)
    storage = run.request.get("overrides", {}).get("ephemeralStorage")
    if storage and not on_fargate:
        raise invalid_parameter("Ephemeral storage is only supported for tasks that run on Fargate.")
    least, most = limits.EPHEMERAL_STORAGE_GIB[0], limits.EPHEMERAL_STORAGE_GIB[-1]
    if storage and storage["sizeInGiB"] not in limits.EPHEMERAL_STORAGE_GIB:
        raise invalid_parameter(f"ephemeralStorage should be between {least} and {most} GiB.")


def _check_task_role(request: dict[str, Any], definition: TaskDefinition) -> None:
    role = request.get("overrides", {}).get("taskRoleArn") or definition.task_role
    if request.get("enableExecuteCommand") and not role:
        raise invalid_parameter("ECS Exec requires a task role: specify one in the task definition.")


def _launch_type(
    request: dict[str, Any], cluster: Cluster, definition: TaskDefinition
) -> tuple[str, str | None]:
    """Return the launch type and, where a strategy decides, the capacity provider."""
    launch_type, strategy = request.get("launchType"), request.get("capacityProviderStrategy")
    if launch_type and strategy:
        raise invalid_parameter(
            "Specifying both a launch type and capacity provider strategy is not supported. "
            "Remove one and try again."
        )
    if launch_type and launch_type not in LAUNCH_TYPES:
        raise invalid_parameter(f"launchType {launch_type} is not one of [{', '.join(LAUNCH_TYPES)}].")
    provider = None
    if not launch_type:
        provider = _provider(strategy or cluster.default_strategy, cluster)
        launch_type = "FARGATE" if provider in FARGATE_PROVIDERS else "EC2"
    if launch_type == "FARGATE" and "FARGATE" not in definition.compatibilities:
        raise invalid_parameter("Task definition does not support launch_type FARGATE.")
    return launch_type, provider


def _provider(strategy: Sequence[dict[str, Any]], cluster: Cluster) -> str | None:
    """Return the provider of a strategy with the most weight; a base comes first."""
    _check_strategy(strategy, cluster)
    ranked = sorted(strategy, key=lambda item: (item.get("base", 0) > 0, item.get("weight", 0)), reverse=True)
    return ranked[0]["capacityProvider"] if ranked else None


def _check_strategy(strategy: Sequence[dict[str, Any]], cluster: Cluster) -> None:
    if len(strategy) > limits.MAX_STRATEGY_ITEMS:
        raise invalid_parameter(
            f"capacityProviderStrategy can have at most {limits.MAX_STRATEGY_ITEMS} items."
        )
    if sum(item.get("base", 0) > 0 for item in strategy) > 1:
        raise invalid_parameter("Only one capacity provider in a capacity provider strategy can have a base.")
    if any(item["capacityProvider"] not in cluster.capacity_providers for item in strategy):
        raise invalid_parameter(
            "The specified capacity provider strategy cannot contain a capacity provider that is not "
            "associated with the cluster. Associate the capacity provider with the cluster and try again."
        )
    for name, most in (("weight", limits.MAX_WEIGHT), ("base", limits.MAX_BASE)):
        if not all(0 <= item.get(name, 0) <= most for item in strategy):
            raise invalid_parameter(f"{name} should be between 0 and {most}.")
    if len({item["capacityProvider"] in FARGATE_PROVIDERS for item in strategy}) > 1:
        raise invalid_parameter(
            "A capacity provider strategy cannot contain a mix of capacity providers using Auto Scaling groups "
            "and Fargate providers. Specify one or the other and try again."
        )
    if len(strategy) > 1 and not any(item.get("weight", 0) for item in strategy):
        raise invalid_parameter(
            "The specified capacity provider strategy must contain a capacity provider with a weight greater than 0."
        )


def _network(
    request: dict[str, Any], region: str, definition: TaskDefinition, moto: MotoSide
) -> tuple[str | None, str | None]:
    """Return the subnet that the task goes to, and its zone."""
    configuration = request.get("networkConfiguration", {}).get("awsvpcConfiguration")
    if definition.network_mode != "awsvpc":
        if configuration:
            raise invalid_parameter(
                "Network Configuration is not valid for the given networkMode of this task definition."
            )
        return None, None
    if configuration is None:
        raise invalid_parameter(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        )
    subnets, groups = configuration["subnets"], configuration.get("securityGroups", [])
    if not subnets:
        raise invalid_parameter("subnets can not be empty.")
    _check_length("subnets", subnets, limits.MAX_SUBNETS)
    _check_length("securityGroups", groups, limits.MAX_SECURITY_GROUPS)
    zones = [moto.subnet_zone(region, subnet) for subnet in subnets]
    for group in groups:
        moto.check_security_group(region, group)
    return subnets[0], zones[0]


def _check_length(name: str, items: Sequence[str], most: int) -> None:
    if len(items) > most:
        raise invalid_parameter(f"{name} can have at most {most} items.")


def parsed(body: bytes, shape: Any) -> dict[str, Any]:
    """
    Return the request in the body of a call.

    :param shape: botocore's, of the operation's input
    :raises AwsError: for what is no JSON, members of a wrong type, unknown ones and missing ones
    """
    try:
        request: dict[str, Any] = json.loads(body or b"{}")
    except ValueError as error:
        raise AwsError("SerializationException", str(error)) from error
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        raise AwsError("SerializationException", report.generate_report())
    return request
