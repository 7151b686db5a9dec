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
The request that the executor would make for a launch, and where each of its members comes from.

The request is made as the executor makes it, several times: of less first, then of more. A member comes from the
step that has last given it its value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.launch import IDENTITY_VARIABLE
from airflow.executors.fargate.merging import NAMED_LISTS
from airflow.executors.fargate.tags import PREFIX
from airflow.executors.fargate.template import SECTION

if TYPE_CHECKING:
    from airflow.executors.fargate.config import CommandToRequest
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.request import RequestBuilder

#: Stands in the request in place of the token; as long as Airflow's own, so that the request has its true size.
TOKEN = "token-" * 67 + "end"
#: What is shown in its place.
BLANK = "***"
#: Where members come from.
DEFAULT, FUNCTION, EXECUTOR_CONFIG = "default", "function", "executor_config"
RUN_TASK_KWARGS, QUEUES, FALLBACK, TAG_TASKS = (
    f"[{SECTION}] {option}"
    for option in ("run_task_kwargs", "queues", "capacity_provider_fallback", "tag_tasks")
)
AIRFLOW, EXECUTOR = "Airflow", "executor"

#: The options from which the default function takes members; the first that fits.
OPTIONS = (
    ("cluster", "cluster"),
    ("taskDefinition", "task_definition"),
    ("launchType", "launch_type"),
    ("capacityProviderStrategy", "capacity_provider_strategy"),
    ("tags", "tags"),
    ("enableExecuteCommand", "enable_execute_command"),
    ("propagateTags", "propagate_tags"),
    ("overrides.ephemeralStorage", "ephemeral_storage"),
    ("platformVersion", "platform_version"),
    ("networkConfiguration.awsvpcConfiguration.subnets", "subnets"),
    ("networkConfiguration.awsvpcConfiguration.securityGroups", "security_groups"),
    ("networkConfiguration.awsvpcConfiguration.assignPublicIp", "assign_public_ip"),
)


@dataclass(frozen=True)
class Rendered:
    """A request as RunTask would get it, without its token, and the origin of each member by its path."""

    request: Mapping[str, Any]
    origins: Mapping[str, str]
    #: The capacity providers that take the place of the request's after a capacity failure; None where nothing does.
    fallback: list[Mapping[str, Any]] | None = None

    def rows(self) -> list[dict[str, str]]:
        """Return a row for each member, and one for the fallback."""
        rows = [_row(path, value, self.origins[path]) for path, value in members(self.request)]
        if self.fallback:
            rows.append(_row("after a capacity failure: capacityProviderStrategy", self.fallback, FALLBACK))
        return rows

    def document(self) -> dict[str, Any]:
        """Return the same as one document."""
        fallback = {"fallback": self.fallback} if self.fallback else {}
        return {"request": self.request, "from": self.origins, **fallback}


def _row(path: str, value: Any, origin: str) -> dict[str, str]:
    return {
        "member": path,
        "value": value if isinstance(value, str) else json.dumps(value),
        "from": origin,
    }


def render(
    launch: Launch,
    build: RequestBuilder,
    function: CommandToRequest,
    function_is_default: bool,
) -> Rendered:
    """
    Make the request of a launch, and find out where its members come from.

    :param build: makes requests, as the executor does.
    :param function: what ``execution_config_function`` returned.
    :raises RequestError: where the executor could make no request of it either.
    """
    prepared = build(launch)
    command = launch.make_command()
    steps = [
        (DEFAULT if function_is_default else FUNCTION, dict(function(list(command)))),
        (EXECUTOR, _partly(build, launch, 0)),
        (RUN_TASK_KWARGS, _partly(build, launch, 1)),
        (f"{QUEUES}: {launch.queue}", _partly(build, launch, 2)),
        (EXECUTOR_CONFIG, prepared.request),
    ]
    origins = {
        path: _named(path, origin, value == command)
        for path, (origin, value) in _origins([(name, step) for name, step in steps if step]).items()
    }
    # A new one is drawn for each attempt, so there is none to show.
    request = {**prepared.request, "clientToken": BLANK}
    fallback = (prepared.fallback or {}).get("capacityProviderStrategy")
    return Rendered(_blanked(request), {**origins, "clientToken": EXECUTOR}, fallback)


def _partly(build: RequestBuilder, launch: Launch, steps: int) -> Mapping[str, Any]:
    """Return the request of less than all; nothing where that alone makes none."""
    try:
        return build.partly(launch, steps).request
    except RequestError:
        return {}


def members(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each member with its path; an item of a named list is called by its name."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from members(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)) and any(isinstance(item, Mapping) for item in value):
        name = NAMED_LISTS.get(path.rpartition(".")[2], "")
        for place, item in enumerate(value):
            label = item.get(name, place) if isinstance(item, Mapping) else place
            yield from members(item, f"{path}[{label}]")
    else:
        yield path, value


def _origins(steps: list[tuple[str, Mapping[str, Any]]]) -> dict[str, tuple[str, Any]]:
    """Return for each member of the last step's request the step that gave it its value, and that value."""
    found: dict[str, tuple[str, Any]] = {}
    for name, request in steps:
        values = dict(members(request))
        found = {
            path: found[path] if path in found and found[path][1] == value else (name, value)
            for path, value in values.items()
        }
    return found


def _named(path: str, origin: str, is_command: bool) -> str:
    """Say more of an origin where more is known."""
    if is_command:
        return AIRFLOW
    if origin == DEFAULT:
        option = next((option for start, option in OPTIONS if path.startswith(start)), None)
        if path.endswith("].name") and path.startswith("overrides.containerOverrides"):
            option = "container_name"
        return f"{DEFAULT}: [{SECTION}] {option}" if option else DEFAULT
    if origin == EXECUTOR and path.startswith(f"tags[{PREFIX}"):
        return f"{EXECUTOR}: {TAG_TASKS}"
    if origin == EXECUTOR and path == "startedBy":
        return f"{EXECUTOR}: [{SECTION}] deployment"
    if origin == EXECUTOR and IDENTITY_VARIABLE in path:
        return f"{EXECUTOR}: the identity of the launch"
    return origin


def _blanked(value: Any) -> Any:
    """Return the request with the token blanked, wherever the user's function may have put it."""
    if isinstance(value, Mapping):
        return {key: _blanked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_blanked(item) for item in value]
    return value.replace(TOKEN, BLANK) if isinstance(value, str) else value
