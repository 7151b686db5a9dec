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
"""Finds what AWS would refuse in a ``run_task`` request before it is sent; a message shows no secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws import capacity, sizes
from airflow.executors.fargate.aws.clients import service_model
from airflow.executors.fargate.config import config
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.request.merging import RESERVED
from airflow.executors.fargate.request.tags import TAG_CHARACTERS, is_reserved, is_tag_character

if TYPE_CHECKING:
    from botocore.model import Shape

# From the description of RunTask, which botocore's validator does not check:
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
#: The most items of a list.
MAX_ITEMS = {"capacityProviderStrategy": 20, "placementConstraints": 10, "placementStrategy": 5}
GROUP_LENGTH = 512
#: Values that AWS's model lists and RunTask does not accept, by member.
REFUSED_VALUES = {"propagateTags": ("SERVICE",)}
#: An integer of botocore's model has 32 bits: https://smithy.io/2.0/spec/simple-types.html#integer
MAX_INTEGER = 2**31 - 1
#: Mistakes of one request that are reported: a list can have any number of wrong items.
MAX_MISTAKES = 20
#: Characters of one mistake that are reported, first and last: a user's key can have any length.
SHOWN_AT_START, SHOWN_AT_END = 150, 450
#: The executor_config of the KubernetesExecutor.
OF_KUBERNETES = ("pod_override", "KubernetesExecutor")


def check_request(request: Mapping[str, Any]) -> None:
    """
    Check one whole request.

    :raises RequestError: with all mistakes.
    """
    mistakes = find_mistakes(request)
    if mistakes:
        raise RequestError(f"AWS would refuse the run_task request: {'; '.join(mistakes)}")


def find_mistakes(request: Mapping[str, Any], whole: bool = True) -> list[str]:
    """
    Return the mistakes of a request, at most ``MAX_MISTAKES``.

    Each names its member. No value is shown that can be a secret. The validator of the installed botocore checks
    members and types. Enums, maximal lengths and numbers, character sets, and members that exclude each other are
    checked here.

    :param whole: whether it is a whole request, and not a fragment that can lack subnets.
    """
    from botocore.validate import ParamValidator

    shape = service_model().operation_model("RunTask").input_shape
    misplaced = _find_misplaced(request, shape)
    rest = {name: value for name, value in request.items() if name not in misplaced}
    mistakes = [*misplaced.values(), *_report_without_values(ParamValidator().validate(rest, shape))]
    # Each step requires that the one before it has found nothing.
    mistakes = mistakes or _model_mistakes(request, shape, "")
    mistakes = mistakes or list(_rule_mistakes(request, whole))
    more = [f"and {len(mistakes) - MAX_MISTAKES} more"] if len(mistakes) > MAX_MISTAKES else []
    return [*map(_shorten, mistakes[:MAX_MISTAKES]), *more]


def _shorten(mistake: str) -> str:
    is_short = len(mistake) <= SHOWN_AT_START + SHOWN_AT_END
    return mistake if is_short else f"{mistake[:SHOWN_AT_START]} … {mistake[-SHOWN_AT_END:]}"


def _find_misplaced(request: Mapping[str, Any], shape: Shape) -> dict[str, str]:
    """Return a sentence for each member in the wrong place, which names the right one."""
    overrides = shape.members["overrides"]
    container = overrides.members["containerOverrides"].member
    found = {}
    for name in request:
        if name in OF_KUBERNETES:
            example = '{"overrides": {"cpu": "1024", "memory": "2048"}}'
            found[name] = f"{name} is for the KubernetesExecutor: write run_task members, such as {example}"
        elif name not in shape.members and name in overrides.members:
            found[name] = f'{name} belongs in overrides: write {{"overrides": {{"{name}": ...}}}}'
        elif name not in shape.members and name in container.members:
            where = f'{{"overrides": {{"containerOverrides": [{{"{name}": ...}}]}}}}'
            found[name] = f"{name} belongs in the override of a container: write {where}"
    return found


def _report_without_values(errors: Any) -> list[str]:
    """Return the validator's messages without the values, which can contain a token or a password."""
    if not errors.has_errors():
        return []
    try:
        report = errors.generate_report()
    except Exception as error:  # The report shows values, and a user's object can raise anything.
        return [f"a value of a wrong type cannot be shown: {type(error).__name__}"]
    # A value can contain line breaks and these words, so all text up to the last ", valid " is removed.
    mistakes = re.split(r"\n(?=(?:Missing|Unknown|Invalid|Must) )", report)
    mistakes = [re.sub(r", value: .*, (?=valid )", ", ", mistake, flags=re.DOTALL) for mistake in mistakes]
    return [re.sub(r"(?<=, must be one of: ).*$", _without_reserved, mistake) for mistake in mistakes]


def _without_reserved(allowed: re.Match[str]) -> str:
    """Return the list of allowed members without those that are refused too."""
    return ", ".join(name for name in allowed.group().split(", ") if name not in RESERVED)


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
    elif getattr(shape, "enum", None):
        allowed = [one for one in shape.enum if one not in REFUSED_VALUES.get(path, ())]
        if value not in allowed:
            found.append(f"{path} is not one of {', '.join(allowed)}")
    elif shape.type_name in ("integer", "long") and isinstance(value, bool):
        found.append(f"{path} is a boolean, not a number")
    most = shape.metadata.get("max", MAX_INTEGER)
    if isinstance(value, int) and not -MAX_INTEGER <= value <= most:
        found.append(f"{path} is over the limit of {most}")
    elif isinstance(value, (str, list, tuple)) and len(value) > most:
        found.append(f"{path} is longer than {most}")
    return found


def _rule_mistakes(request: Mapping[str, Any], whole: bool) -> Iterator[str]:
    """Yield what is against the rules in a request whose members and types are correct."""
    if request.get("count", 1) != 1:
        yield "count must be 1: one launch is one ECS task"
    if len(request.get("group", "")) > GROUP_LENGTH:
        yield f"group has more than {GROUP_LENGTH} characters"
    for name, most in MAX_ITEMS.items():
        if len(request.get(name) or ()) > most:
            yield f"{name} has more than {most} items"
    yield from _capacity_mistakes(request)
    network = (request.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    path = "networkConfiguration.awsvpcConfiguration"
    if network and not 1 <= len(network["subnets"]) <= config.MAX_SUBNETS:
        yield f"{path}.subnets must have 1 to {config.MAX_SUBNETS} ids"
    if network and len(network.get("securityGroups") or ()) > config.MAX_SECURITY_GROUPS:
        yield f"{path}.securityGroups has more than {config.MAX_SECURITY_GROUPS} ids"
    if whole and capacity.lacks_subnets(request):
        yield capacity.NO_SUBNETS
    yield from _override_mistakes(request)
    yield from _tag_mistakes(request.get("tags") or [])


def _capacity_mistakes(request: Mapping[str, Any]) -> Iterator[str]:
    strategy = request.get("capacityProviderStrategy") or []
    if strategy and request.get("launchType"):
        yield "launchType and capacityProviderStrategy exclude each other"
    if sum(bool(item.get("base")) for item in strategy) > 1:
        yield "capacityProviderStrategy has more than one base"
    if len(strategy) > 1 and not any(item.get("weight") for item in strategy):
        yield "capacityProviderStrategy has several capacity providers, and none has a weight"
    if len({name in capacity.FARGATE_PROVIDERS for name in capacity.providers(request)}) > 1:
        fargate = " or ".join(capacity.FARGATE_PROVIDERS)
        yield f"capacityProviderStrategy mixes {fargate} with other capacity providers"
    for name in capacity.PLACEMENT:
        if request.get(name) and capacity.on_fargate(request):
            yield f"{name} chooses among instances, which Fargate does not have: leave it out"


def _override_mistakes(request: Mapping[str, Any]) -> Iterator[str]:
    overrides = request.get("overrides") or {}
    size = len(json.dumps(overrides, separators=(",", ":"), ensure_ascii=False))
    if size > config.MAX_OVERRIDES:
        most = config.MAX_OVERRIDES
        yield f"overrides has {size} characters of JSON, AWS accepts at most {most}; make it smaller"
    storage, gib = overrides.get("ephemeralStorage"), config.EPHEMERAL_STORAGE_GIB
    if storage is not None and not gib[0] <= storage["sizeInGiB"] <= gib[1]:
        yield f"overrides.ephemeralStorage.sizeInGiB is not in {gib[0]} to {gib[1]}"
    names = [container.get("name") for container in overrides.get("containerOverrides") or []]
    if not all(config.CONTAINER_NAME.fullmatch(name or "") for name in names):
        yield "overrides.containerOverrides has an item without a valid name"
    if len(set(names)) < len(names):
        yield "overrides.containerOverrides names a container twice"
    if capacity.on_fargate(request):
        wrong = sizes.mistake(overrides.get("cpu"), overrides.get("memory"))
        if wrong:
            yield f"overrides: {wrong}"


def _tag_mistakes(tags: list[dict[str, str]]) -> Iterator[str]:
    keys = [tag.get("key", "") for tag in tags]
    words = [*keys, *(tag.get("value", "") for tag in tags)]
    if len(set(keys)) < len(keys):
        yield "tags has a key twice"
    if not all(keys):
        yield "tags has an item without a key"
    if any(map(is_reserved, words)):
        yield "tags has a key or a value that starts with aws:, which AWS reserves"
    if not all(map(is_tag_character, "".join(words))):
        allowed = f"letters, numbers, spaces and {TAG_CHARACTERS}"
        yield f"tags has a key or a value with characters other than {allowed}"
