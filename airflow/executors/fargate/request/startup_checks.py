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
Checks the options together when the scheduler starts: connection, Region, and the requests that they make.

What AWS would refuse is a mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from airflow.executors.fargate.aws.answers import mapping
from airflow.executors.fargate.aws.capacity import NO_SUBNETS, lacks_subnets
from airflow.executors.fargate.config.config import FargateConfig, check_region, read_config
from airflow.executors.fargate.config.options import Options, describe_error
from airflow.executors.fargate.errors import ConfigError, RequestError
from airflow.executors.fargate.request import builder, merging
from airflow.executors.fargate.request.validation import find_mistakes

#: A mistake: the option, what is wrong, the remedy.
Mistake = tuple[str, str, str]
CORRECT = "Correct it"
#: Placeholders for values that are not known yet, so that the rest of a request can be checked.
ANY_DEFINITION, ANY_CONTAINER, ANY_SUBNET = "any", "any", "subnet-0"


def read_options(
    get_option: Callable[[str], str | None], session_maker: Callable[[str | None, str | None], Any]
) -> FargateConfig:
    """
    Read the options, and check the requests that they make.

    :param get_option: returns the text of an option, or None if it is not set.
    :param session_maker: takes a connection's name and a Region, and returns a function that makes a session;
        raises ConfigError if the connection does not exist.
    :raises ConfigError: with every mistake in the options.
    """
    options = Options(get_option)
    config = read_config(options)
    if config.conn_id:
        check_connection(options, lambda conn_id: session_maker(conn_id, None), config.conn_id)
    elif not config.region:
        check_default_region(options, lambda: session_maker(None, None)().region_name)
    add_request_mistakes(options, config)
    options.raise_mistakes()
    return config


def read_without_function(get_option: Callable[[str], str | None]) -> FargateConfig:
    """
    Read the options for the default function, which makes requests of them and is not called itself.

    :raises ConfigError: with every mistake in single options.
    """
    options = Options(get_option)
    config = read_config(options, call_function=False)
    options.raise_mistakes()
    return config


def check_default_region(options: Options, default_region: Callable[[], str | None]) -> None:
    """
    Check the Region of the calls if neither the options nor a connection name one.

    :param default_region: returns the Region that boto3 finds, or None.
    """
    try:
        region, what = default_region(), "it is not set, and there is no default"
    except Exception as error:
        # Of botocore, which is not imported here; for example a missing profile.
        region, what = None, f"it is not set, and the default cannot be read: {describe_error(error)}"
    if not region:
        options.add_mistake("region", what, "Set it, or AWS_DEFAULT_REGION")
    check_region(options, region)


def check_connection(options: Options, check: Callable[[str], Any], conn_id: str) -> None:
    """
    Check that the connection exists.

    :param check: raises ConfigError if it does not.
    """
    try:
        check(conn_id)
    except ConfigError as error:
        options.mistakes += error.mistakes
    except Exception as error:  # Only the type: the text can contain the password of the connection's URI.
        what = f"it cannot be read: {type(error).__name__}"
        options.add_mistake("conn_id", what, "Correct it, or leave conn_id empty")


def add_request_mistakes(options: Options, config: FargateConfig) -> None:
    """Add to the options' mistakes what AWS would refuse in the requests that they make."""
    found = list(_check_options(config))
    # A request can be made of the options only if each is correct by itself.
    if not found and not options.mistakes:
        found = list(_check_requests(config))
    for mistake in found:
        options.add_mistake(*mistake)


def _check_options(config: FargateConfig) -> Iterator[Mistake]:
    """Check each option by itself that is a fragment of a request, or a member of it."""
    for option, where, members in (
        ("capacity_provider_strategy", "", {"capacityProviderStrategy": config.capacity_provider_strategy}),
        ("capacity_provider_fallback", "", {"capacityProviderStrategy": config.capacity_provider_fallback}),
        ("tags", "", {"tags": config.tags}),
        ("run_task_kwargs", "", config.run_task_kwargs),
        *(("queues", f"queue {queue!r}: ", members) for queue, members in config.queues.items()),
    ):
        what, remedy = _check_fragment(config, members, option)
        if what:
            yield option, where + what, remedy


def _check_fragment(config: FargateConfig, members: Any, option: str) -> tuple[str, str]:
    """Return what is wrong with a fragment, and the remedy; an empty text if nothing is."""
    if not isinstance(members, Mapping):
        return f"it is a {type(members).__name__}, not a JSON object", CORRECT
    reserved = merging.find_reserved(members, config.container_name)
    if reserved:
        return f"it {reserved}", "Leave it out"
    request = {"taskDefinition": ANY_DEFINITION, **merging.plain_copy(members, option)}
    for override in merging.container_overrides(request):
        override.setdefault("name", config.container_name or ANY_CONTAINER)
    awsvpc = mapping(request.get("networkConfiguration")).get("awsvpcConfiguration")
    if isinstance(awsvpc, dict):  # The subnets of the options are merged with it.
        awsvpc.setdefault("subnets", [ANY_SUBNET])
    return "; ".join(find_mistakes(request, whole=False)), CORRECT


def _check_requests(config: FargateConfig) -> Iterator[Mistake]:
    """Check the merged requests for no queue and for each queue."""
    name = config.container_name or ANY_CONTAINER
    # What a function of the user's own adds is not known here.
    is_whole = not config.own_function
    base = builder.default_request(config, []) if is_whole else {"taskDefinition": ANY_DEFINITION}
    extra = builder.for_fargate(config) if is_whole else {}
    fallbacks = []
    for queue in (None, *config.queues):
        option, where = ("run_task_kwargs", "") if queue is None else ("queues", f"queue {queue!r}: ")
        request = base
        try:
            for fragment in builder.option_fragments(config, queue):
                request = fragment.merged_into(request, name, extra)
            wrong = find_mistakes(request, is_whole)
            fallback = builder.fallback_fragment(config, request)
            if fallback:
                fallbacks.append(fallback.merged_into(request, name, extra))
        except RequestError as error:
            wrong = [str(error)]
        if wrong:
            remedy = "Name them there, or in [fargate] subnets" if wrong == [NO_SUBNETS] else CORRECT
            yield option, where + "; ".join(wrong), remedy
        if wrong and queue is None:
            return  # Each queue would have the same mistake.
    if fallbacks and all(map(lacks_subnets, fallbacks)) and is_whole:
        yield "capacity_provider_fallback", "Fargate needs subnets", "Set [fargate] subnets"
