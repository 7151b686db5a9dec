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
The request that the executor would make for a launch, and the origin of each member.

The executor's own builder makes the request. The origin of a member is the source that last changed its
value: the function, or one of the fragments merged into its request. If none of them names it, it is an
option or the executor.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.config.template import SECTION, template
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch
from airflow.executors.fargate.request.builder import RequestBuilder, for_fargate
from airflow.executors.fargate.request.merging import NAMED_LISTS, container_overrides, plain_copy
from airflow.executors.fargate.request.tags import PREFIX

if TYPE_CHECKING:
    from airflow.executors.fargate.config.config import FargateConfig

#: Stands in for the token, with the same length, so that the size check is right.
TOKEN = "token-" * 67 + "end"
#: Shown instead of it.
BLANK = "***"
#: Origins of members.
DEFAULT, FUNCTION, EXECUTOR_CONFIG = "default", "function", "executor_config"
RUN_TASK_KWARGS, QUEUES = f"[{SECTION}] run_task_kwargs", f"[{SECTION}] queues"
FALLBACK, TAG_TASKS = f"[{SECTION}] capacity_provider_fallback", f"[{SECTION}] tag_tasks"
AIRFLOW, EXECUTOR = "Airflow", "executor"
PROVIDERS = "capacityProviderStrategy"
AFTERWARDS = "after a capacity failure"
LEFT_OUT = "left out"
#: An item of a list without names, in a path.
UNNAMED = re.compile(r"\[[0-9]+\]")

#: Members of a request: as they are, or by path.
Members = Mapping[str, Any]
#: A source, and the members that it names, by path.
Named = tuple[str, Members]


def render(launch: Launch, build: RequestBuilder, config: FargateConfig) -> dict[str, Any]:
    """
    Make the request of a launch, and find the origins of its members.

    :param build: makes requests, as in the executor.
    :param config: the options, read with ``call_function``.
    :return: ``request``, without the token, and ``from``, the origin of each member by its path;
        ``fallback``, the same for the request after a capacity failure; or ``no_fallback``, why there is none
        although one is configured.
    :raises RequestError: if the executor could not make the request either.
    """
    prepared = build(launch)
    name = prepared.container_name
    command = launch.make_command()
    sources = (
        (FUNCTION if config.own_function else DEFAULT, config.command_to_request(list(command))),
        (RUN_TASK_KWARGS, config.run_task_kwargs),
        (f"{QUEUES}: {launch.queue}", config.queues.get(launch.queue or "", {})),
        (EXECUTOR_CONFIG, launch.executor_config or {}),
    )
    named: list[Named] = [(source, _named_members(fragment, name)) for source, fragment in sources]
    of_options = {} if config.own_function else dict(members(for_fargate(config)))
    own = _own_origins(launch, name)
    document = _document(prepared.request, named, of_options, own, _blank_token(command))
    if prepared.fallback is not None:
        named.append((FALLBACK, dict(members({PROVIDERS: config.capacity_provider_fallback}))))
        document["fallback"] = _document(prepared.fallback, named, of_options, own, _blank_token(command))
    elif prepared.no_fallback:
        document["no_fallback"] = prepared.no_fallback
    return document


def rows(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return a row for each member of what :func:`render` returns, and one for each that the fallback changes."""
    before = dict(members(document["request"]))
    found = [(path, value, document["from"][path]) for path, value in before.items()]
    if "fallback" in document:
        after, origins = dict(members(document["fallback"]["request"])), document["fallback"]["from"]
        for path, value in after.items():
            # The capacity providers are shown in full.
            if path.startswith(PROVIDERS) or before.get(path, LEFT_OUT) != value:
                found.append((f"{AFTERWARDS}: {path}", value, origins[path]))
        gone = (path for path in before if path not in after and not path.startswith(PROVIDERS))
        found += [(f"{AFTERWARDS}: {path}", LEFT_OUT, FALLBACK) for path in gone]
    elif "no_fallback" in document:
        found.append((AFTERWARDS, document["no_fallback"], FALLBACK))
    as_text: Callable[[Any], str] = lambda value: value if isinstance(value, str) else json.dumps(value)
    return [{"member": path, "value": as_text(value), "from": origin} for path, value, origin in found]


def _named_members(fragment: Any, container_name: str) -> dict[str, Any]:
    """Return the members of a fragment by path; an override without a name is for the main container."""
    copy = _blank_token(plain_copy(fragment, "the request"))
    for override in container_overrides(copy):
        override.setdefault("name", container_name)
    return dict(members(copy))


def _own_origins(launch: Launch, container_name: str) -> dict[str, str]:
    """Return the paths that only the executor sets, with their origins."""
    own = {"startedBy": f"{EXECUTOR}: [{SECTION}] deployment", "clientToken": EXECUTOR}
    for variable in (IDENTITY_VARIABLE, *(name for name, _ in launch.environment)):
        path = f"overrides.containerOverrides[{container_name}].environment[{variable}]"
        origin = f"{EXECUTOR}: the identity of the launch" if variable == IDENTITY_VARIABLE else EXECUTOR
        own.update({f"{path}.{member}": origin for member in ("name", "value")})
    return own


def _document(
    request: Members, named: list[Named], of_options: Members, own: Mapping[str, str], command: list[str]
) -> dict[str, Any]:
    """
    Return a request with the origins of its members.

    :param named: the members that each source names, in the order of merging.
    :param of_options: the members that a request gets from the options when a source moves it to Fargate.
    :param own: the paths that only the executor sets.
    """
    # Each attempt has a token of its own.
    shown = _blank_token({**request, "clientToken": BLANK})
    origins = {}
    for path, value in members(shown):
        source, last = _last_change(path, named)
        if path in own:
            origins[path] = own[path]
        elif value == command:
            origins[path] = AIRFLOW
        elif source == DEFAULT or (path in of_options and value == of_options[path] != last):
            origins[path] = _default_origin(path)
        elif source is None and path.startswith(f"tags[{PREFIX}"):
            origins[path] = f"{EXECUTOR}: {TAG_TASKS}"
        else:
            origins[path] = source or EXECUTOR
    return {"request": shown, "from": origins}


def _last_change(path: str, named: list[Named]) -> tuple[str | None, Any]:
    """Return the source that last changed a member, and the value; None if no source names it."""
    source: str | None = None
    last: dict[str, Any] = {}
    # A list without names is replaced as a whole: a source that changes one item has set all of them.
    start = UNNAMED.split(path)[0]
    for name, values in named:
        some = {other: value for other, value in values.items() if UNNAMED.split(other)[0] == start}
        if path in values and (source is None or some != last):
            source, last = name, some
    return source, last.get(path)


def _default_origin(path: str) -> str:
    """Return the origin of a member of the default request. Its option, if it has one, is named like it."""
    from botocore import xform_name

    option = next((name for name in map(xform_name, re.split(r"[.[]", path)) if name in template()), None)
    if path.endswith("].name") and path.startswith("overrides.containerOverrides"):
        option = "container_name"
    return f"{DEFAULT}: [{SECTION}] {option}" if option else DEFAULT


def members(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of each member; the path of an item of a named list has its name."""
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


def _blank_token(value: Any) -> Any:
    """Return the value, as JSON has it, without the token, wherever the user's function put it."""
    return json.loads(json.dumps(value, default=str).replace(TOKEN, BLANK))
