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
"""Merges fragments of options, queues and tasks into a ``run_task`` request."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow.executors.fargate.aws.answers import mapping, mappings
from airflow.executors.fargate.aws.capacity import on_fargate, without_unfit
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.launch import IDENTITY_VARIABLE

#: Lists that are merged by an item's name, and the member that holds it. Any other list is replaced.
NAMED_LISTS = {
    "containerOverrides": "name",
    "environment": "name",
    "resourceRequirements": "type",
    "inferenceAcceleratorOverrides": "deviceName",
    "tags": "key",
}
#: Members that only the executor sets: exactly-once launches and adoption depend on them.
RESERVED = ("clientToken", "startedBy", "count")
#: RunTask accepts only one of them: a fragment that names one removes the other.
EXCLUSIVE = {"capacityProviderStrategy": "launchType", "launchType": "capacityProviderStrategy"}

#: Members of a ``run_task`` request.
Members = Mapping[str, Any]


@dataclass(frozen=True)
class Fragment:
    """A part of a ``run_task`` request, and where it comes from."""

    #: Its name in messages.
    source: str
    #: Never shown: it can contain passwords.
    members: Any = field(repr=False)
    #: What to do about a mistake in it.
    remedy: str

    def merged_into(self, request: Members, container_name: str, for_fargate: Members) -> dict[str, Any]:
        """
        Return the request with this fragment merged into it; the fragment wins.

        A container override without a name is for the main container.

        :param container_name: the name of the main container.
        :param for_fargate: members that are added, unless set, if the fragment moves the request to Fargate.
        :raises RequestError: if it is not a dict, or sets members that only the executor sets.
        """
        if not isinstance(self.members, Mapping):
            kind = type(self.members).__name__
            raise RequestError(f"{self.source} is a {kind}; it must be a dict of run_task members")
        members = plain_copy(self.members, self.source)
        mistake = find_reserved(members, container_name)
        if mistake:
            raise RequestError(f"{self.source} {mistake}; leave it out")
        for override in container_overrides(members):
            override.setdefault("name", container_name)
        try:
            return merge(_move(request, members, for_fargate), members)
        except RequestError as error:
            raise RequestError(f"{self.source} does not fit the request: {error}. {self.remedy}") from None


def _move(request: Members, fragment: Members, for_fargate: Members) -> Members:
    """Return the request for the launch type or the capacity providers of the fragment, if it names any."""
    chosen = {name: fragment[name] for name in EXCLUSIVE if name in fragment}
    if not chosen:
        return request
    kept = {name: value for name, value in request.items() if EXCLUSIVE.get(name) not in chosen}
    moved = without_unfit({**kept, **chosen})
    return merge(for_fargate, moved) if on_fargate(moved) and not on_fargate(request) else moved


def find_reserved(fragment: Members, container_name: str | None) -> str | None:
    """Return a sentence about a member that a fragment may not set; None if there is none."""
    for override in container_overrides(fragment):
        if override.get("name", container_name) == container_name and "command" in override:
            name = "" if container_name is None else f" {container_name!r}"
            return f"sets the command of container{name}, which is Airflow's"
    return find_reserved_member(fragment, RESERVED)


def find_reserved_member(request: Members, reserved: Sequence[str]) -> str | None:
    """Return a sentence about one of these members, or the identity variable; None if there is none."""
    for member in reserved:
        if member in request:
            return f"sets {member}, which the executor sets itself"
    variables = (each for one in container_overrides(request) for each in mappings(one.get("environment")))
    if any(variable.get("name") == IDENTITY_VARIABLE for variable in variables):
        return f"sets {IDENTITY_VARIABLE}, by which the executor finds its ECS tasks"
    return None


def container_overrides(request: Any) -> list[Any]:
    """Return the container overrides that are dicts; the check refuses the others."""
    return mappings(mapping(mapping(request).get("overrides")).get("containerOverrides"))


def plain_copy(value: Any, what: str) -> Any:
    """
    Return a copy of a user's value, which is never changed; mappings become dicts, tuples lists.

    :raises RequestError: if it cannot be copied, for example because it contains itself.
    """
    try:
        return _plain(value)
    except Exception as error:
        why = f"{type(error).__name__}. Use plain dicts, lists, strings and numbers"
        raise RequestError(f"{what} cannot be copied: {why}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return copy.deepcopy(value)


def merge(base: Members, extra: Members) -> dict[str, Any]:
    """
    Return ``base`` with ``extra`` merged into it: dicts by key, named lists by name, anything else replaced.

    :raises RequestError: if a member is a dict or a list in only one of them. Replacing it would silently
        remove Airflow's command, or what the task asks for.
    """
    merged = dict(base)
    for key, value in extra.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(old, value)
        elif key in NAMED_LISTS and isinstance(old, list) and isinstance(value, list):
            merged[key] = _merge_named(old, value, NAMED_LISTS[key])
        elif key in merged and any(isinstance(old, kind) != isinstance(value, kind) for kind in (dict, list)):
            kinds = f"a {type(old).__name__} in one part and a {type(value).__name__} in another"
            raise RequestError(f"{key} is {kinds}")
        else:
            merged[key] = value
    return merged


def _merge_named(base: list[Any], extra: list[Any], name: str) -> list[Any]:
    merged = list(base)
    # A dict, not a search: a user's list can be long, and its size is checked later.
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
    """Return an item's name; None if it has none, which the check refuses."""
    key = item.get(name) if isinstance(item, Mapping) else None
    return key if isinstance(key, str) else None
