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
"""Finds what AWS would refuse in a ``run_task`` request before it is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws import sizes
from airflow.executors.fargate.aws.capacity import (
    FARGATE_PROVIDERS,
    NO_SUBNETS,
    PLACEMENT,
    lacks_subnets,
    on_fargate,
    providers,
)
from airflow.executors.fargate.config.config import (
    CONTAINER_NAME,
    EPHEMERAL_STORAGE_GIB,
    MAX_OVERRIDES,
    MAX_SECURITY_GROUPS,
    MAX_SUBNETS,
    STARTED_BY,
)
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.request.misplaced import find_misplaced, report_without_values
from airflow.executors.fargate.request.tags import TAG_CHARACTERS, is_reserved, is_tag_character

if TYPE_CHECKING:
    from botocore.model import ServiceModel, Shape

# From the description of RunTask, which botocore's validator does not check:
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
MAX_STRATEGY_ITEMS = 20
MAX_CONSTRAINTS = 10
MAX_STRATEGIES = 5
#: ``clientToken``: 1 to 64 characters of ASCII 33 to 126.
CLIENT_TOKEN = re.compile(r"[!-~]{1,64}")
GROUP_LENGTH = 512
#: An integer of botocore's model has 32 bits: https://smithy.io/2.0/spec/simple-types.html#integer
MAX_INTEGER = 2**31 - 1
#: Mistakes of one request that are reported: a list can have any number of wrong items.
MAX_MISTAKES = 20
#: Characters of one mistake that are reported, first and last: a user's key can have any length.
SHOWN = 150, 450
#: Values that AWS's model lists and RunTask does not accept, by member.
REFUSED_VALUES = {"propagateTags": ("SERVICE",)}
#: What must be true, and the message if it is not.
Rule = tuple[Any, str]


class RequestCheck:
    """
    Checks requests with the validator of the installed botocore, and with rules of its own.

    The validator checks members and types. It does not check enums, maximal lengths and numbers, character
    sets, and members that exclude each other.

    :param service_model: botocore's model of the service ``ecs``.
    """

    def __init__(self, service_model: ServiceModel) -> None:
        from botocore.validate import ParamValidator

        self._shape = service_model.operation_model("RunTask").input_shape
        self._validator = ParamValidator()

    @property
    def launch_types(self) -> tuple[str, ...]:
        """The launch types that the installed botocore lists."""
        return tuple(self._shape.members["launchType"].enum)

    def __call__(self, request: Mapping[str, Any]) -> None:
        """
        Check one whole request.

        :raises RequestError: with all mistakes.
        """
        mistakes = self.mistakes(request)
        if mistakes:
            raise RequestError(f"AWS would refuse the run_task request: {'; '.join(mistakes)}")

    def mistakes(self, request: Mapping[str, Any], whole: bool = True) -> list[str]:
        """
        Return the mistakes of a request, at most ``MAX_MISTAKES``; each names its member and shows no value.

        :param whole: whether it is a whole request, and not a fragment that can lack subnets.
        """
        elsewhere = find_misplaced(request, self._shape)
        rest = {name: value for name, value in request.items() if name not in elsewhere}
        mistakes = [*elsewhere.values(), *report_without_values(self._validator.validate(rest, self._shape))]
        # Each step requires that the one before it has found nothing.
        mistakes = mistakes or _model_mistakes(request, self._shape, "")
        mistakes = mistakes or [message for holds, message in _rules(request, whole) if not holds]
        more = [f"and {len(mistakes) - MAX_MISTAKES} more"] if len(mistakes) > MAX_MISTAKES else []
        return [*map(_shorten, mistakes[:MAX_MISTAKES]), *more]


def _shorten(mistake: str) -> str:
    first, last = SHOWN
    return mistake if len(mistake) <= first + last else f"{mistake[:first]} … {mistake[-last:]}"


def _model_mistakes(value: Any, shape: Shape, path: str) -> list[str]:
    """Return what the validator does not check: enums, upper limits, and booleans as numbers."""
    found: list[str] = []
    if shape.type_name == "structure" and isinstance(value, Mapping):
        for name, member in shape.members.items():
            if name in value:
                found += _model_mistakes(value[name], member, f"{path}.{name}" if path else name)
    elif shape.type_name == "list" and isinstance(value, (list, tuple)):
        for place, item in enumerate(value):
            found += _model_mistakes(item, shape.member, f"{path}[{place}]")
    elif getattr(shape, "enum", None) and value not in shape.enum:
        allowed = (one for one in shape.enum if one not in REFUSED_VALUES.get(path, ()))
        found.append(f"{path} is not one of {', '.join(allowed)}")
    elif shape.type_name in ("integer", "long") and isinstance(value, bool):
        found.append(f"{path} is a boolean, not a number")
    most = shape.metadata.get("max", MAX_INTEGER)
    if isinstance(value, int) and not -MAX_INTEGER <= value <= most:
        found.append(f"{path} is over the limit of {most}")
    elif isinstance(value, (str, list, tuple)) and len(value) > most:
        found.append(f"{path} is longer than {most}")
    return found


def _rules(request: Mapping[str, Any], whole: bool) -> Iterator[Rule]:
    """Yield the rules for a request whose members and types are correct."""
    overrides = request.get("overrides") or {}
    yield from _own_rules(request)
    yield from _strategy_rules(request)
    yield from _placement_rules(request)
    yield from _network_rules(request)
    if whole:
        yield not lacks_subnets(request), NO_SUBNETS
    yield from _override_rules(overrides)
    yield from _size_rules(request, overrides)
    yield from _tag_rules(request.get("tags") or [])


def _own_rules(request: Mapping[str, Any]) -> list[Rule]:
    """Return the rules of single members."""
    return [
        (request.get("count", 1) == 1, "count must be 1: one launch is one ECS task"),
        (
            CLIENT_TOKEN.fullmatch(request.get("clientToken", "-")),
            "clientToken is not 1 to 64 of ASCII 33 to 126",
        ),
        (
            STARTED_BY.fullmatch(request.get("startedBy", "-")),
            f"startedBy does not match {STARTED_BY.pattern}",
        ),
        (len(request.get("group", "")) <= GROUP_LENGTH, f"group has more than {GROUP_LENGTH} characters"),
        *(
            (request.get(name) not in refused, f"{name} is {request.get(name)}, which RunTask does not take")
            for name, refused in REFUSED_VALUES.items()
        ),
    ]


def _strategy_rules(request: Mapping[str, Any]) -> list[Rule]:
    strategy = request.get("capacityProviderStrategy") or []
    return [
        (
            not (strategy and request.get("launchType")),
            "launchType and capacityProviderStrategy exclude each other",
        ),
        (
            len(strategy) <= MAX_STRATEGY_ITEMS,
            f"capacityProviderStrategy has more than {MAX_STRATEGY_ITEMS} items",
        ),
        (
            sum(bool(item.get("base")) for item in strategy) <= 1,
            "capacityProviderStrategy has more than one base",
        ),
        (
            len(strategy) < 2 or any(item.get("weight") for item in strategy),
            "capacityProviderStrategy has several capacity providers, and none has a weight",
        ),
        (
            len({name in FARGATE_PROVIDERS for name in providers(request)}) <= 1,
            f"capacityProviderStrategy mixes {' or '.join(FARGATE_PROVIDERS)} with other capacity providers",
        ),
    ]


def _placement_rules(request: Mapping[str, Any]) -> list[Rule]:
    limits = zip(PLACEMENT, (MAX_CONSTRAINTS, MAX_STRATEGIES))
    return [
        *(
            (len(request.get(name) or ()) <= most, f"{name} has more than {most} items")
            for name, most in limits
        ),
        *(
            (
                not (request.get(name) and on_fargate(request)),
                f"{name} chooses among instances, which Fargate does not have: leave it out",
            )
            for name in PLACEMENT
        ),
    ]


def _network_rules(request: Mapping[str, Any]) -> list[Rule]:
    network = (request.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if network is None:
        return []
    path = "networkConfiguration.awsvpcConfiguration"
    return [
        (1 <= len(network["subnets"]) <= MAX_SUBNETS, f"{path}.subnets must have 1 to {MAX_SUBNETS} ids"),
        (
            len(network.get("securityGroups") or ()) <= MAX_SECURITY_GROUPS,
            f"{path}.securityGroups has more than {MAX_SECURITY_GROUPS} ids",
        ),
    ]


def _override_rules(overrides: Mapping[str, Any]) -> list[Rule]:
    size = len(json.dumps(overrides, separators=(",", ":"), ensure_ascii=False))
    storage = overrides.get("ephemeralStorage")
    containers = overrides.get("containerOverrides") or []
    names = [container.get("name") for container in containers]
    return [
        (
            size <= MAX_OVERRIDES,
            f"overrides has {size} characters of JSON, AWS accepts at most {MAX_OVERRIDES}; make it smaller",
        ),
        (
            storage is None or storage["sizeInGiB"] in EPHEMERAL_STORAGE_GIB,
            f"overrides.ephemeralStorage.sizeInGiB is not in {EPHEMERAL_STORAGE_GIB[0]} to {EPHEMERAL_STORAGE_GIB[-1]}",
        ),
        (
            all(CONTAINER_NAME.fullmatch(name or "") for name in names),
            "overrides.containerOverrides has an item without a valid name",
        ),
        (len(set(names)) == len(names), "overrides.containerOverrides names a container twice"),
    ]


def _size_rules(request: Mapping[str, Any], overrides: Mapping[str, Any]) -> list[Rule]:
    wrong = sizes.mistake(overrides.get("cpu"), overrides.get("memory")) if on_fargate(request) else None
    return [(wrong is None, f"overrides: {wrong}")]


def _tag_rules(tags: list[dict[str, str]]) -> list[Rule]:
    keys = [tag.get("key", "") for tag in tags]
    words = [*keys, *(tag.get("value", "") for tag in tags)]
    return [
        (len(set(keys)) == len(keys), "tags has a key twice"),
        (all(keys), "tags has an item without a key"),
        (
            not any(map(is_reserved, words)),
            "tags has a key or a value that starts with aws:, which AWS reserves",
        ),
        (
            all(map(is_tag_character, "".join(words))),
            f"tags has a key or a value with characters other than letters, numbers, spaces and {TAG_CHARACTERS}",
        ),
    ]
