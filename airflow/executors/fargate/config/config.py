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
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow.executors.fargate.aws.capacity import on_fargate
from airflow.executors.fargate.config import regions
from airflow.executors.fargate.config.options import DEFAULT_FUNCTION, Options, describe_error
from airflow.executors.fargate.errors import ConfigError

#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html
MAX_SUBNETS = 16
MAX_SECURITY_GROUPS = 5
#: Characters of ``overrides``, the JSON included: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
MAX_OVERRIDES = 8192
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCluster.html
CLUSTER = re.compile(
    r"[A-Za-z0-9_-]{1,255}|arn:aws[a-z-]*:ecs:[^:\s]+:[0-9]{12}:cluster/[A-Za-z0-9_-]{1,255}"
)
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
TASK_DEFINITION = re.compile(
    r"(?:arn:aws[a-z-]*:ecs:[^:\s]+:[0-9]{12}:task-definition/)?[A-Za-z0-9_-]{1,255}(?::[0-9]+)?"
)
#: ``startedBy``: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
STARTED_BY = re.compile(r"[A-Za-z0-9_/-]{1,128}")
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
CONTAINER_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/platform-fargate.html
PLATFORM_VERSION = re.compile(r"LATEST|[0-9]+\.[0-9]+\.[0-9]+")
#: The proposal, AIRFLOW-6440, says ECS where AWS says EC2.
LAUNCH_TYPE_ALIASES = {"ECS": "EC2"}
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_EphemeralStorage.html
EPHEMERAL_STORAGE_GIB = range(21, 201)
#: If the option is empty: in a public subnet a Fargate task cannot pull its image without a public IP.
PUBLIC_IP_ON_FARGATE = "ENABLED"
#: Without SERVICE, which RunTask does not accept.
PROPAGATE_TAGS = {"TASK_DEFINITION": "TASK_DEFINITION", "NONE": "NONE"}

#: A function that makes a ``run_task`` request of an Airflow command.
CommandToRequest = Callable[[list[str]], dict[str, Any]]


@dataclass(frozen=True)
class FargateConfig:
    """The options of ``[fargate]``, which ``config_templates/fargate.yml`` describes."""

    region: str | None
    cluster: str
    task_definition: str | None
    container_name: str | None
    security_groups: tuple[str, ...]
    subnets: tuple[str, ...]
    platform_version: str
    #: None: the cluster's default capacity provider strategy decides.
    launch_type: str | None
    #: ENABLED or DISABLED. None, if the option is empty: sent only on Fargate, as ``PUBLIC_IP_ON_FARGATE``.
    assign_public_ip: str | None
    #: The result of the function that ``execution_config_function`` names; None if it was not called.
    command_to_request: CommandToRequest | None
    deployment: str
    conn_id: str | None
    endpoint_url: str | None
    max_launch_attempts: int
    launch_concurrency: int
    #: Seconds.
    poll_interval: float
    #: Calls per second; ``launch_burst`` calls at once.
    launch_rate: float
    launch_burst: int
    describe_rate: float
    #: Whether ``execution_config_function`` names a function of the user's own.
    own_function: bool = False
    #: As in RunTask. If empty, ``launch_type`` decides, or there is no fallback.
    capacity_provider_strategy: tuple[Mapping[str, Any], ...] = ()
    capacity_provider_fallback: tuple[Mapping[str, Any], ...] = ()
    #: GiB; None: the task definition decides.
    ephemeral_storage: int | None = None
    enable_execute_command: bool = False
    #: As in RunTask.
    tags: tuple[Mapping[str, Any], ...] = ()
    tag_tasks: bool = True
    propagate_tags: str | None = None
    #: A fragment of a request. It can contain passwords.
    run_task_kwargs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    #: The same for each Airflow queue.
    queues: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def called_function(self) -> CommandToRequest:
        """
        ``command_to_request``, if the options were read with ``call_function``.

        :raises ConfigError: if they were not.
        """
        if self.command_to_request is None:
            raise ConfigError(["[fargate] execution_config_function was not called."])
        return self.command_to_request

    @property
    def clusters(self) -> tuple[str, ...]:
        """The clusters that the options name, ``cluster`` first."""
        fragments = (self.run_task_kwargs, *self.queues.values())
        named = [self.cluster, *(one.get("cluster") for one in fragments if isinstance(one, Mapping))]
        return tuple(dict.fromkeys(name for name in named if isinstance(name, str) and name))

    @classmethod
    def from_options(
        cls,
        get: Callable[[str], str | None],
        launch_types: Collection[str],
        call_function: bool = True,
        default_region: Callable[[], str | None] | None = None,
        check_connection: Callable[[str], Any] | None = None,
        check_requests: Callable[[FargateConfig, bool], Iterable[tuple[str, str, str]]] | None = None,
    ) -> FargateConfig:
        """
        Parse and check all options.

        :param get: returns the text of an option, or None if it is not set.
        :param launch_types: the launch types that the installed botocore lists for ``RunTask``.
        :param call_function: whether to call ``execution_config_function``. The default function passes
            False: it reads the options itself.
        :param default_region: returns the Region that is used if the option is empty. None skips this check.
        :param check_connection: raises ConfigError if the connection does not exist. None skips this check.
        :param check_requests: returns what AWS would refuse in the requests that the options make: the
            option, the mistake, the remedy. None skips this check. See
            :func:`~airflow.executors.fargate.request.startup_checks.mistakes`.
        :raises ConfigError: with every mistake.
        """
        options = Options(get)
        function_path = options.text("execution_config_function") or DEFAULT_FUNCTION
        own_function = function_path != DEFAULT_FUNCTION
        capacity = _read_capacity(options, launch_types)
        config = cls(
            own_function=own_function,
            **_read_place(options, own_function),
            **capacity,
            **_read_network(options, needs_subnets=not own_function and _is_on_fargate(**capacity)),
            **_read_extras(options),
            **_read_pace(options),
            command_to_request=options.function("execution_config_function", function_path, call_function),
        )
        if default_region and not config.region and not config.conn_id:
            regions.check(options, _find_default_region(options, default_region))
        if check_connection and config.conn_id:
            _check_connection(options, check_connection, config.conn_id)
        for mistake in check_requests(config, not options.mistakes) if check_requests else ():
            options.add_mistake(*mistake)
        if options.mistakes:
            raise ConfigError(options.mistakes)
        return config


def _read_place(options: Options, own_function: bool) -> dict[str, Any]:
    """Read which task definition runs, and where."""
    region = options.matching("region", regions.REGION, "the code of an AWS Region")
    regions.check(options, region)
    return {
        "region": region,
        "cluster": options.matching(
            "cluster", CLUSTER, "the name or the ARN of an ECS cluster", required=True
        ),
        "task_definition": options.matching(
            "task_definition",
            TASK_DEFINITION,
            "a family, family:revision or the ARN of a task definition",
            required=not own_function,
        ),
        "container_name": options.matching(
            "container_name",
            CONTAINER_NAME,
            "the name of a container in the task definition",
            required=not own_function,
        ),
        "deployment": options.matching(
            "deployment",
            STARTED_BY,
            "at most 128 letters, digits, hyphens, slashes and underscores",
            required=True,
        ),
        "conn_id": options.text("conn_id"),
        "endpoint_url": options.url("endpoint_url"),
    }


def _read_capacity(options: Options, launch_types: Collection[str]) -> dict[str, Any]:
    """Read the kind of capacity."""
    choices = {**{name: name for name in launch_types}, **LAUNCH_TYPE_ALIASES}
    return {
        "launch_type": options.choice("launch_type", choices),
        "capacity_provider_strategy": options.strategy("capacity_provider_strategy"),
        "capacity_provider_fallback": options.strategy("capacity_provider_fallback"),
    }


def _is_on_fargate(
    launch_type: str | None, capacity_provider_strategy: tuple[Mapping[str, Any], ...], **_: Any
) -> bool:
    """Return whether the options say that ECS tasks run on Fargate."""
    if capacity_provider_strategy:
        return on_fargate({"capacityProviderStrategy": capacity_provider_strategy}) is True
    return launch_type == "FARGATE"


def _read_network(options: Options, needs_subnets: bool) -> dict[str, Any]:
    return {
        "security_groups": options.ids("security_groups", "sg-", MAX_SECURITY_GROUPS, required=False),
        "subnets": options.ids("subnets", "subnet-", MAX_SUBNETS, required=needs_subnets),
        "platform_version": options.matching(
            "platform_version", PLATFORM_VERSION, "LATEST or a number such as 1.4.0"
        )
        or options.default("platform_version"),
        "assign_public_ip": _read_public_ip(options),
    }


def _read_public_ip(options: Options) -> str | None:
    if not options.text("assign_public_ip"):
        return None
    return "ENABLED" if options.boolean("assign_public_ip") else "DISABLED"


def _read_extras(options: Options) -> dict[str, Any]:
    """Read the optional members of requests."""
    return {
        "ephemeral_storage": options.number_or_none(
            "ephemeral_storage", EPHEMERAL_STORAGE_GIB[0], EPHEMERAL_STORAGE_GIB[-1]
        ),
        "enable_execute_command": options.boolean("enable_execute_command"),
        "tags": options.tags("tags"),
        "tag_tasks": options.boolean("tag_tasks"),
        "propagate_tags": options.choice("propagate_tags", PROPAGATE_TAGS),
        "run_task_kwargs": options.members("run_task_kwargs"),
        "queues": options.members("queues"),
    }


def _read_pace(options: Options) -> dict[str, Any]:
    """Read the rates and limits of calls."""
    return {
        "max_launch_attempts": int(options.number("max_launch_attempts", int, 1, 10)),
        "launch_concurrency": int(options.number("launch_concurrency", int, 1, 128)),
        "poll_interval": options.number("poll_interval", float, 0.1, 300.0),
        "launch_rate": options.number("launch_rate", float, 0.1, 1000.0),
        "launch_burst": int(options.number("launch_burst", int, 1, 10_000)),
        "describe_rate": options.number("describe_rate", float, 0.1, 1000.0),
    }


def _find_default_region(options: Options, default_region: Callable[[], str | None]) -> str | None:
    try:
        region, what = default_region(), "it is not set, and there is no default"
    except Exception as error:
        # Of botocore, which is not imported here; for example a missing profile.
        region, what = None, f"it is not set, and the default cannot be read: {describe_error(error)}"
    if not region:
        options.add_mistake("region", what, "Set it, or AWS_DEFAULT_REGION")
    return region


def _check_connection(options: Options, check: Callable[[str], Any], conn_id: str) -> None:
    try:
        check(conn_id)
    except ConfigError as error:
        options.mistakes += error.mistakes
    except Exception as error:  # Only the type: the text can contain the password of the connection's URI.
        what = f"it cannot be read: {type(error).__name__}"
        options.add_mistake("conn_id", what, "Correct it, or leave conn_id empty")
