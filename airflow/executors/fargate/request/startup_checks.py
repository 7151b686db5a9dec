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
"""Checks, when the scheduler starts, the requests that the options make: what AWS would refuse is an option's mistake."""

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
from airflow.executors.fargate.request.merging import container_overrides, own_business, plain_copy

if TYPE_CHECKING:
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.request.validation import RequestCheck

CORRECT = "Correct it"
#: What stands in a request where the options do not say, so that the rest of it can be checked.
ANY_DEFINITION, ANY_CONTAINER, ANY_SUBNET = "any", "any", "subnet-0"


class Mistake(NamedTuple):
    """What is wrong with an option."""

    option: str
    what: str
    remedy: str = CORRECT


def mistakes(check: RequestCheck, config: FargateConfig, all_is_read: bool) -> list[Mistake]:
    """
    Return what AWS would refuse of the requests that the options make.

    :param all_is_read: whether all options are right for themselves, so that a request can be made of them.
    """
    found = [*_of_members(config, check), *_of_fragments(config, check)]
    return [*_of_sums(config, check)] if all_is_read and not found else found


def _of_members(config: FargateConfig, check: RequestCheck) -> Iterator[Mistake]:
    """Look at what becomes a member of the request as it stands."""
    for option, member, value in (
        ("capacity_provider_strategy", "capacityProviderStrategy", config.capacity_provider_strategy),
        ("capacity_provider_fallback", "capacityProviderStrategy", config.capacity_provider_fallback),
        ("tags", "tags", config.tags),
    ):
        wrong = check.mistakes({"taskDefinition": ANY_DEFINITION, member: list(value)}, whole=False)
        if wrong:
            yield Mistake(option, "; ".join(wrong))


def _of_fragments(config: FargateConfig, check: RequestCheck) -> Iterator[Mistake]:
    """Look at each part of a request for itself."""
    yield from _of_fragment("run_task_kwargs", "", config.run_task_kwargs, config, check)
    for queue, members in config.queues.items():
        yield from _of_fragment("queues", f"queue {queue!r}: ", members, config, check)


def _of_fragment(
    option: str, where: str, members: Any, config: FargateConfig, check: RequestCheck
) -> Iterator[Mistake]:
    if not isinstance(members, Mapping):
        yield Mistake(option, f"{where}it is a {type(members).__name__}, not a JSON object")
        return
    own = own_business(members, config.container_name)
    if own:
        yield Mistake(option, f"{where}it {own}", "Leave it out")
        return
    whole = {"taskDefinition": ANY_DEFINITION, **plain_copy(members, option)}
    for override in container_overrides(whole):
        override.setdefault("name", config.container_name or ANY_CONTAINER)
    _give_subnets(whole)
    wrong = check.mistakes(whole, whole=False)
    if wrong:
        yield Mistake(option, where + "; ".join(wrong))


def _give_subnets(request: dict[str, Any]) -> None:
    """Let a part that changes the network alone go without subnets: it is merged with what has them."""
    network = request.get("networkConfiguration")
    awsvpc = network.get("awsvpcConfiguration") if isinstance(network, dict) else None
    if isinstance(awsvpc, dict):
        awsvpc.setdefault("subnets", [ANY_SUBNET])


def _of_sums(config: FargateConfig, check: RequestCheck) -> Iterator[Mistake]:
    """Look at the requests of a task without a queue, and of one of each queue, as far as the options make them."""
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
            # What a function of the user's own adds is known to nobody here.
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
            return  # Each queue would have the same.
    if fallbacks and all(map(lacks_subnets, fallbacks)) and not config.own_function:
        yield Mistake(
            "capacity_provider_fallback", "without subnets nothing runs on Fargate", "Set [fargate] subnets"
        )
