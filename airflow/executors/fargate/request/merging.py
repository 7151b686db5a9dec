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
"""Merges ``run_task`` requests: what the options ask for, what a queue does, and what a task itself does."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow.executors.fargate.aws.capacity import on_fargate, without_unfit
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.launch import IDENTITY_VARIABLE

#: Lists of named things are merged by name; any other list is replaced.
NAMED_LISTS = {
    "containerOverrides": "name",
    "environment": "name",
    "resourceRequirements": "type",
    "inferenceAcceleratorOverrides": "deviceName",
    "tags": "key",
}
#: What is the executor's own business: exactly-once launches and adoption rest on it.
RESERVED = ("clientToken", "startedBy", "count")
#: RunTask takes one of them; who names one means to be rid of the other.
EXCLUSIVE = {"capacityProviderStrategy": "launchType", "launchType": "capacityProviderStrategy"}


@dataclass(frozen=True)
class Fragment:
    """A part of a ``run_task`` request that is merged into one, and whose it is."""

    #: What it is called in messages.
    source: str
    #: It can hold a password: it is never shown.
    members: Any = field(repr=False)
    #: What to do where it will not do.
    remedy: str

    def merged_into(
        self, request: Mapping[str, Any], container_name: str, for_fargate: Mapping[str, Any]
    ) -> dict[str, Any]:
        """
        Return the request with this merged into it; what this says wins.

        A container override without a name is for the container that runs the task.

        :param container_name: the container that runs the task.
        :param for_fargate: what a request gets as well that this makes one for Fargate, unless it has it.
        :raises RequestError: where it is no dict, or touches what is the executor's own business.
        """
        if not isinstance(self.members, Mapping):
            kind = type(self.members).__name__
            raise RequestError(f"{self.source} is a {kind}; it must be a dict of run_task members")
        wishes = plain_copy(self.members, self.source)
        mistake = own_business(wishes, container_name)
        if mistake:
            raise RequestError(f"{self.source} {mistake}; leave it out")
        for override in container_overrides(wishes):
            override.setdefault("name", container_name)
        try:
            return merge(_moved(request, wishes, for_fargate), wishes)
        except RequestError as error:
            raise RequestError(f"{self.source} does not fit the request: {error}. {self.remedy}") from None


def _moved(
    request: Mapping[str, Any], wishes: Mapping[str, Any], for_fargate: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the request as it is with the launch type or the capacity providers of the wishes, where they name any."""
    chosen = {name: wishes[name] for name in EXCLUSIVE if name in wishes}
    if not chosen:
        return request
    kept = {name: value for name, value in request.items() if EXCLUSIVE.get(name) not in chosen}
    moved = without_unfit({**kept, **chosen})
    return merge(for_fargate, moved) if on_fargate(moved) and not on_fargate(request) else moved


def own_business(wishes: Mapping[str, Any], container_name: str | None) -> str | None:
    """Say which member of a fragment the executor sets itself; None where there is none."""
    for override in container_overrides(wishes):
        if override.get("name", container_name) == container_name and "command" in override:
            called = "" if container_name is None else f" {container_name!r}"
            return f"sets the command of container{called}, which is Airflow's"
    return own_member(wishes, RESERVED)


def own_member(request: Mapping[str, Any], reserved: Sequence[str]) -> str | None:
    """Say which of these members, or which container's identity, a request or a part of one sets; None for none."""
    for member in reserved:
        if member in request:
            return f"sets {member}, which the executor sets itself"
    for override in container_overrides(request):
        variables = _list(override, "environment")
        if any(_name_of(variable, "name") == IDENTITY_VARIABLE for variable in variables):
            return f"sets {IDENTITY_VARIABLE}, by which the executor knows its containers"
    return None


def container_overrides(request: Any) -> list[dict[str, Any]]:
    """Return the container overrides that have the right type; the check tells of the others."""
    overrides = request.get("overrides") if isinstance(request, Mapping) else None
    return [c for c in _list(overrides, "containerOverrides") if isinstance(c, dict)]


def _list(members: Any, name: str) -> list[Any] | tuple[Any, ...]:
    value = members.get(name) if isinstance(members, Mapping) else None
    return value if isinstance(value, (list, tuple)) else ()


def plain_copy(value: Any, what: str) -> Any:
    """
    Copy what a user gave, so that nobody's object is ever changed; mappings become dicts, tuples lists.

    :raises RequestError: where it cannot be copied, such as what contains itself.
    """
    try:
        return _plain(value)
    except Exception as error:
        raise RequestError(
            f"{what} cannot be copied: {type(error).__name__}. Use plain dicts, lists, strings and numbers"
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return copy.deepcopy(value)


def merge(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return ``base`` with ``extra`` merged into it: dicts by key, named lists by name, all else replaced.

    :raises RequestError: where one of them has a dict or a list and the other one something else, which
        would otherwise vanish without a word: Airflow's command, or the task's own wish.
    """
    merged = dict(base)
    for key, value in extra.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(old, value)
        elif key in NAMED_LISTS and isinstance(old, list) and isinstance(value, list):
            merged[key] = _merge_named(old, value, NAMED_LISTS[key])
        elif key in merged and any(isinstance(old, kind) != isinstance(value, kind) for kind in (dict, list)):
            raise RequestError(f"{key} is once a {type(old).__name__} and once a {type(value).__name__}")
        else:
            merged[key] = value
    return merged


def _merge_named(base: list[Any], extra: list[Any], name: str) -> list[Any]:
    merged = list(base)
    # By a table, since a list can be as long as a user makes it, and the size is checked only later.
    places = {_name_of(item, name): place for place, item in reversed(list(enumerate(merged)))}
    for item in extra:
        key = _name_of(item, name)
        place = places.setdefault(key, len(merged))
        if key is None or place == len(merged):
            merged.append(item)
        else:
            merged[place] = merge(merged[place], item)
    return merged


def _name_of(item: Any, name: str) -> str | None:
    """Return an item's name, or None where it has none, which the check tells of."""
    key = item.get(name) if isinstance(item, Mapping) else None
    return key if isinstance(key, str) else None
