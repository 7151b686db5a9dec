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
"""Checks the requests that the options make when the scheduler starts: what AWS would refuse is a mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.executors.fargate.aws.capacity import NO_SUBNETS, lacks_subnets
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.request.builder import (
    default_request,
    fallback_fragment,
    for_fargate,
    option_fragments,
)
from airflow.executors.fargate.request.merging import container_overrides, find_reserved, plain_copy

if TYPE_CHECKING:
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.request.validation import RequestCheck

CORRECT = "Correct it"
#: Take the place of what the options do not say, so that the rest of a request can be checked.
ANY_DEFINITION, ANY_CONTAINER, ANY_SUBNET = "any", "any", "subnet-0"


class Mistake(NamedTuple):
    """A mistake in an option."""

    option: str
    what: str
    remedy: str = CORRECT


def mistakes(check: RequestCheck, config: FargateConfig, all_is_read: bool) -> list[Mistake]:
    """
    Return what AWS would refuse in the requests that the options make.

    :param all_is_read: whether each option is correct by itself, so that a request can be made of them.
    """
    found = [*_check_members(config, check), *_check_fragments(config, check)]
    return [*_check_requests(config, check)] if all_is_read and not found else found


def _check_members(config: FargateConfig, check: RequestCheck) -> Iterator[Mistake]:
    """Check the options that are members of a request."""
    for option, member, value in (
        ("capacity_provider_strategy", "capacityProviderStrategy", config.capacity_provider_strategy),
        ("capacity_provider_fallback", "capacityProviderStrategy", config.capacity_provider_fallback),
        ("tags", "tags", config.tags),
    ):
        wrong = check.mistakes({"taskDefinition": ANY_DEFINITION, member: list(value)}, whole=False)
        if wrong:
            yield Mistake(option, "; ".join(wrong))


def _check_fragments(config: FargateConfig, check: RequestCheck) -> Iterator[Mistake]:
    """Check each fragment by itself."""
    yield from _check_fragment("run_task_kwargs", "", config.run_task_kwargs, config, check)
    for queue, members in config.queues.items():
        yield from _check_fragment("queues", f"queue {queue!r}: ", members, config, check)


def _check_fragment(
    option: str, where: str, members: Any, config: FargateConfig, check: RequestCheck
) -> Iterator[Mistake]:
    if not isinstance(members, Mapping):
        yield Mistake(option, f"{where}it is a {type(members).__name__}, not a JSON object")
        return
    reserved = find_reserved(members, config.container_name)
    if reserved:
        yield Mistake(option, f"{where}it {reserved}", "Leave it out")
        return
    request = {"taskDefinition": ANY_DEFINITION, **plain_copy(members, option)}
    for override in container_overrides(request):
        override.setdefault("name", config.container_name or ANY_CONTAINER)
    _add_subnets(request)
    wrong = check.mistakes(request, whole=False)
    if wrong:
        yield Mistake(option, where + "; ".join(wrong))


def _add_subnets(request: dict[str, Any]) -> None:
    """Add a subnet to a network configuration without subnets: those of the options are merged with it."""
    network = request.get("networkConfiguration")
    awsvpc = network.get("awsvpcConfiguration") if isinstance(network, dict) else None
    if isinstance(awsvpc, dict):
        awsvpc.setdefault("subnets", [ANY_SUBNET])


def _check_requests(config: FargateConfig, check: RequestCheck) -> Iterator[Mistake]:
    """Check the merged requests for no queue and for each queue."""
    name = config.container_name or ANY_CONTAINER
    base: dict[str, Any] = {"taskDefinition": ANY_DEFINITION}
    if not config.own_function:
        base = {**default_request(config, []), **base}
        base["overrides"]["containerOverrides"][0]["name"] = name
    extra = {} if config.own_function else for_fargate(config)
    fallbacks = []
    for queue in (None, *config.queues):
        request: Mapping[str, Any] = base
        option, where = ("run_task_kwargs", "") if queue is None else ("queues", f"queue {queue!r}: ")
        try:
            for fragment in option_fragments(config, queue):
                request = fragment.merged_into(request, name, extra)
            # What a function of the user's own adds is not known here.
            wrong = check.mistakes(request, whole=not config.own_function)
            fallback = fallback_fragment(config, request)
            if fallback:
                fallbacks.append(fallback.merged_into(request, name, extra))
        except RequestError as error:
            wrong = [str(error)]
        if wrong:
            remedy = "Name them there, or in [fargate] subnets" if wrong == [NO_SUBNETS] else CORRECT
            yield Mistake(option, where + "; ".join(wrong), remedy)
        if wrong and queue is None:
            return  # Each queue would have the same mistake.
    if fallbacks and all(map(lacks_subnets, fallbacks)) and not config.own_function:
        yield Mistake("capacity_provider_fallback", "Fargate needs subnets", "Set [fargate] subnets")
