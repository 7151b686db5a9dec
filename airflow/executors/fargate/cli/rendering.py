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

The request is the executor's own. A member comes from the source that has last given it another value: the function,
the parts that are merged into its request, and, for what none of them names, the options or the executor itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.config.template import SECTION
from airflow.executors.fargate.launch import IDENTITY_VARIABLE
from airflow.executors.fargate.request.builder import for_fargate
from airflow.executors.fargate.request.merging import NAMED_LISTS, container_overrides, plain_copy
from airflow.executors.fargate.request.tags import PREFIX

if TYPE_CHECKING:
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.request.builder import RequestBuilder

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
PROVIDERS = "capacityProviderStrategy"
AFTERWARDS = "after a capacity failure"
LEFT_OUT = "left out"
#: An item of a list that has no names, in a path.
UNNAMED = re.compile(r"\[[0-9]+\]")

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
    #: The same for what takes the request's place after a capacity failure; None where nothing does.
    fallback: Rendered | None = None
    #: Why nothing does though something is to.
    no_fallback: str = ""

    def rows(self) -> list[dict[str, str]]:
        """Return a row for each member, and one for each that is another one after a capacity failure."""
        rows = [_row(path, value, self.origins[path]) for path, value in members(self.request)]
        if self.fallback:
            rows += self._changed_rows(self.fallback)
        elif self.no_fallback:
            rows.append(_row(AFTERWARDS, self.no_fallback, FALLBACK))
        return rows

    def _changed_rows(self, fallback: Rendered) -> Iterator[dict[str, str]]:
        before, after = dict(members(self.request)), dict(members(fallback.request))
        for path, value in after.items():
            # The capacity providers belong together: they are shown in full.
            if path.startswith(PROVIDERS) or before.get(path, LEFT_OUT) != value:
                yield _row(f"{AFTERWARDS}: {path}", value, fallback.origins[path])
        for path in before:
            if path not in after and not path.startswith(PROVIDERS):
                yield _row(f"{AFTERWARDS}: {path}", LEFT_OUT, FALLBACK)

    def document(self) -> dict[str, Any]:
        """Return the same as one document, the request after a capacity failure in full."""
        document: dict[str, Any] = {"request": self.request, "from": self.origins}
        if self.fallback:
            document["fallback"] = self.fallback.document()
        elif self.no_fallback:
            document["no_fallback"] = self.no_fallback
        return document


def _row(path: str, value: Any, origin: str) -> dict[str, str]:
    return {
        "member": path,
        "value": value if isinstance(value, str) else json.dumps(value),
        "from": origin,
    }


def render(launch: Launch, build: RequestBuilder, config: FargateConfig) -> Rendered:
    """
    Make the request of a launch, and find out where its members come from.

    :param build: makes requests, as the executor does.
    :param config: the options, read with their function.
    :raises RequestError: where the executor could make no request of it either.
    """
    prepared = build(launch)
    name = prepared.container_name
    command = launch.make_command()
    sources = [
        (FUNCTION if config.own_function else DEFAULT, config.called_function(list(command))),
        (RUN_TASK_KWARGS, config.run_task_kwargs),
        (f"{QUEUES}: {launch.queue}", config.queues.get(launch.queue or "", {})),
        (EXECUTOR_CONFIG, launch.executor_config or {}),
    ]
    asked = [(source, _asked(wishes, name)) for source, wishes in sources]
    of_options = {} if config.own_function else dict(members(for_fargate(config)))
    own = _own(launch, name)
    rendered = _rendered(prepared.request, asked, of_options, own, _blanked(command))
    if prepared.fallback is None:
        return replace(rendered, no_fallback=prepared.no_fallback)
    providers = {PROVIDERS: [dict(item) for item in config.capacity_provider_fallback]}
    asked.append((FALLBACK, dict(members(providers))))
    fallback = _rendered(prepared.fallback, asked, of_options, own, _blanked(command))
    return replace(rendered, fallback=fallback)


def _asked(wishes: Any, container_name: str) -> dict[str, Any]:
    """Return what a part of a request names, by path; an override without a name is for the task's container."""
    copy = _blanked(plain_copy(wishes, "the request"))
    for override in container_overrides(copy):
        override.setdefault("name", container_name)
    return dict(members(copy))


def _own(launch: Launch, container_name: str) -> dict[str, str]:
    """Return the paths that nobody but the executor sets, with what they are called."""
    own = {"startedBy": f"{EXECUTOR}: [{SECTION}] deployment", "clientToken": EXECUTOR}
    for variable in (IDENTITY_VARIABLE, *(name for name, _ in launch.environment)):
        path = f"overrides.containerOverrides[{container_name}].environment[{variable}]"
        origin = f"{EXECUTOR}: the identity of the launch" if variable == IDENTITY_VARIABLE else EXECUTOR
        own.update({f"{path}.{member}": origin for member in ("name", "value")})
    return own


def _rendered(
    request: Mapping[str, Any],
    asked: list[tuple[str, dict[str, Any]]],
    of_options: Mapping[str, Any],
    own: Mapping[str, str],
    command: list[str],
) -> Rendered:
    """
    Return a request with the origins of its members.

    :param asked: what each source names, in the order in which they are merged.
    :param of_options: what the options give to a request that a source has made one for Fargate.
    :param own: the paths that are the executor's.
    """
    # A token is drawn anew for each attempt, so there is none to show.
    shown = _blanked({**request, "clientToken": BLANK})
    origins = {}
    for path, value in members(shown):
        source, told = _last_change(path, asked)
        if path in own:
            origins[path] = own[path]
        elif value == command:
            origins[path] = AIRFLOW
        elif source == DEFAULT or (path in of_options and value == of_options[path] != told):
            origins[path] = _default(path)
        elif source is None and path.startswith(f"tags[{PREFIX}"):
            origins[path] = f"{EXECUTOR}: {TAG_TASKS}"
        else:
            origins[path] = source or EXECUTOR
    return Rendered(shown, origins)


def _last_change(path: str, asked: list[tuple[str, dict[str, Any]]]) -> tuple[str | None, Any]:
    """Return the source that has last given a member another value, and the value; None where nobody names it."""
    source: str | None = None
    told: dict[str, Any] = {}
    # A list without names is replaced as a whole: who changes one of its items has set all of them.
    start = UNNAMED.split(path)[0]
    for name, named in asked:
        some = {path: named.get(path)} if start == path else _beginning_with(f"{start}[", named)
        if path in named and (source is None or some != told):
            source, told = name, some
    return source, told.get(path)


def _beginning_with(start: str, named: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in named.items() if path.startswith(start)}


def _default(path: str) -> str:
    """Return what is said of a member of the default, with its option where it has one."""
    option = next((option for start, option in OPTIONS if path.startswith(start)), None)
    if path.endswith("].name") and path.startswith("overrides.containerOverrides"):
        option = "container_name"
    return f"{DEFAULT}: [{SECTION}] {option}" if option else DEFAULT


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


def _blanked(value: Any) -> Any:
    """Return the request with the token blanked, wherever the user's function may have put it."""
    if isinstance(value, Mapping):
        return {key: _blanked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_blanked(item) for item in value]
    return value.replace(TOKEN, BLANK) if isinstance(value, str) else value
