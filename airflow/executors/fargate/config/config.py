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
"""The options of ``[fargate]``, read once into a typed object; all mistakes are reported together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

from airflow.executors.fargate.aws.capacity import on_fargate
from airflow.executors.fargate.aws.clients import service_model
from airflow.executors.fargate.config.options import Options

#: The Regions that botocore accepts: https://github.com/boto/botocore/blob/develop/botocore/utils.py
REGION = re.compile(r"(?!\d+$)(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
#: The code of an Availability Zone or a Local Zone, and the Region's in it: us-east-1a, us-west-2-lax-1a.
#: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-regions-availability-zones.html
ZONE = re.compile(r"([a-z]{2,4}(?:-[a-z]+)+-[0-9]+)(?:-[a-z]+-[0-9]+)?[a-z]")
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html
MAX_SUBNETS = 16
MAX_SECURITY_GROUPS = 5
#: Characters of ``overrides``, the JSON included: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
MAX_OVERRIDES = 8192
#: What precedes a kind of thing in an ARN of ECS, with the Region.
_ARN = r"arn:aws[a-z-]*:ecs:(?P<region>[^:\s]+):[0-9]{12}"
_NAME = r"[A-Za-z0-9_-]{1,255}"
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCluster.html
CLUSTER = re.compile(rf"(?:{_ARN}:cluster/)?{_NAME}")
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
TASK_DEFINITION = re.compile(rf"(?:{_ARN}:task-definition/)?{_NAME}(?::[0-9]+)?")
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
CONTAINER_NAME = re.compile(_NAME)
#: ``startedBy``: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
STARTED_BY = re.compile(r"[A-Za-z0-9_/-]{1,128}")
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/platform-fargate.html
PLATFORM_VERSION = re.compile(r"LATEST|[0-9]+\.[0-9]+\.[0-9]+")
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_EphemeralStorage.html
EPHEMERAL_STORAGE_GIB = 21, 200
#: Sent for Fargate if the option is empty: without it, an ECS task in a public subnet cannot pull its image.
PUBLIC_IP_ON_FARGATE = "ENABLED"
#: Without SERVICE, which RunTask does not accept.
PROPAGATE_TAGS = {"TASK_DEFINITION": "TASK_DEFINITION", "NONE": "NONE"}


def _option(read: Callable[..., Any], *arguments: Any, **default: Any) -> Any:
    """
    Return a field for the option of the same name.

    :param read: returns the value; it is called with the :class:`Options`, the name, and the arguments.
    :param default: as in :func:`dataclasses.field`; without one the field is required.
    """
    return field(metadata={"read": lambda options, name: read(options, name, *arguments)}, **default)


_matching = partial(_option, Options.matching)


def _read_launch_type(options: Options, name: str) -> str | None:
    """Return one of the launch types that the installed botocore lists."""
    listed = service_model().shape_for("LaunchType").enum
    # The proposal, AIRFLOW-6440, says ECS where AWS says EC2.
    return options.choice(name, {**dict(zip(listed, listed)), "ECS": "EC2"})


def _read_public_ip(options: Options, name: str) -> str | None:
    if not options.text(name):
        return None
    return "ENABLED" if options.boolean(name) else "DISABLED"


@dataclass(frozen=True)
class FargateConfig:
    """The options of ``[fargate]``, which ``config_templates/fargate.yml`` describes."""

    #: What the function that ``execution_config_function`` names returned: it makes a ``run_task`` request of an
    #: Airflow command. None only if it was not called.
    command_to_request: Callable[[list[str]], dict[str, Any]]
    #: None: the cluster's default capacity provider strategy decides.
    launch_type: str | None = _option(_read_launch_type)
    region: str | None = _matching(REGION, "the code of an AWS Region")
    cluster: str = _matching(CLUSTER, "the name or the ARN of an ECS cluster")
    task_definition: str | None = _matching(
        TASK_DEFINITION, "a family, family:revision or the ARN of a task definition"
    )
    container_name: str | None = _matching(CONTAINER_NAME, "the name of a container in the task definition")
    security_groups: tuple[str, ...] = _option(Options.ids, "sg-", MAX_SECURITY_GROUPS)
    subnets: tuple[str, ...] = _option(Options.ids, "subnet-", MAX_SUBNETS)
    platform_version: str = _matching(PLATFORM_VERSION, "LATEST or a number such as 1.4.0")
    #: ENABLED or DISABLED. None if the option is empty: then ``PUBLIC_IP_ON_FARGATE`` is sent, only for Fargate.
    assign_public_ip: str | None = _option(_read_public_ip)
    deployment: str = _matching(STARTED_BY, "at most 128 letters, digits, hyphens, slashes and underscores")
    conn_id: str | None = _option(Options.text)
    endpoint_url: str | None = _option(Options.url)
    max_launch_attempts: int = _option(Options.number, int, 1, 10)
    launch_concurrency: int = _option(Options.number, int, 1, 128)
    #: Seconds.
    poll_interval: float = _option(Options.number, float, 0.1, 300.0)
    #: Calls per second; ``launch_burst`` calls at once.
    launch_rate: float = _option(Options.number, float, 0.1, 1000.0)
    launch_burst: int = _option(Options.number, int, 1, 10_000)
    describe_rate: float = _option(Options.number, float, 0.1, 1000.0)
    #: Whether ``execution_config_function`` names a function of the user's own.
    own_function: bool = False
    #: As in RunTask. If empty, ``launch_type`` decides, or there is no fallback.
    capacity_provider_strategy: tuple[Mapping[str, Any], ...] = _option(Options.strategy, default=())
    capacity_provider_fallback: tuple[Mapping[str, Any], ...] = _option(Options.strategy, default=())
    #: GiB; None: the task definition decides.
    ephemeral_storage: int | None = _option(Options.number, int, *EPHEMERAL_STORAGE_GIB, default=None)
    enable_execute_command: bool = _option(Options.boolean, default=False)
    #: As in RunTask.
    tags: tuple[Mapping[str, Any], ...] = _option(Options.tags, default=())
    tag_tasks: bool = _option(Options.boolean, default=True)
    propagate_tags: str | None = _option(Options.choice, PROPAGATE_TAGS, default=None)
    #: A fragment of a request. It can contain passwords.
    run_task_kwargs: Mapping[str, Any] = _option(Options.members, default_factory=dict, repr=False)
    #: The same for each Airflow queue.
    queues: Mapping[str, Mapping[str, Any]] = _option(Options.members, default_factory=dict, repr=False)

    @property
    def clusters(self) -> tuple[str, ...]:
        """The clusters that the options name, ``cluster`` first."""
        named = [self.cluster, *(one.get("cluster") for one in (self.run_task_kwargs, *self.queues.values()))]
        return tuple(dict.fromkeys(filter(None, named)))


def read_config(options: Options, call_function: bool = True) -> FargateConfig:
    """
    Read all options, each by itself, and check that the required ones are set. Mistakes are collected.

    :param call_function: whether to import and call ``execution_config_function``. The default function passes
        False: it reads the options itself.
    """
    name = "execution_config_function"
    own_function = options.text(name) not in (None, options.default(name))
    all_fields = fields(FargateConfig)
    values = {one.name: one.metadata["read"](options, one.name) for one in all_fields if one.metadata}
    check_region(options, values["region"])
    options.require("cluster", "deployment")
    if not own_function:
        options.require("task_definition", "container_name")
        strategy = values["capacity_provider_strategy"]
        if on_fargate({"capacityProviderStrategy": strategy, "launchType": values["launch_type"]}):
            options.require("subnets")
    # The default function reads these options too, and would report the same mistakes.
    is_called = call_function and (own_function or not options.mistakes)
    values["command_to_request"] = options.function(name) if is_called else None
    return FargateConfig(**values, own_function=own_function)


def check_region(options: Options, region: str | None) -> None:
    """
    Add the mistakes of the Region, and of the ARNs that must be in it.

    :param region: the Region of all calls; None if it is not known.
    """
    if not region or not REGION.fullmatch(region):
        return
    zone = ZONE.fullmatch(region.lower())
    code = zone.group(1) if zone else region.lower()
    if code != region:
        what = "it is an Availability Zone, not a Region" if zone else "the code of a Region has no capitals"
        options.add_mistake("region", what, f"Set it to {code}")
        return
    for name, pattern in (("cluster", CLUSTER), ("task_definition", TASK_DEFINITION)):
        arn = pattern.fullmatch(options.text(name) or "")
        if arn and arn["region"] not in (None, region):
            what = f"it is in {arn['region']}, and the Region is {region}"
            options.add_mistake(name, what, "Correct it, or region")
