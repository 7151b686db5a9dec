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
"""From a launch to the ``run_task`` request: made, merged with the task's own wishes, checked."""

from __future__ import annotations

import copy
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.config import MAX_OVERRIDES
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch

if TYPE_CHECKING:
    from airflow.executors.fargate.check import RequestCheck
    from airflow.executors.fargate.config import CommandToRequest, FargateConfig

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
#: Launch types whose tasks cannot have a network interface of their own, or need none.
WITHOUT_NETWORK = ("EXTERNAL",)
#: The capacity providers that are Fargate's; all others are of somebody's own making.
FARGATE_PROVIDERS = ("FARGATE", "FARGATE_SPOT")
#: What to do about a request that will not do, by where the mistake comes from.
CORRECT_TASK = "Correct the executor_config of the task"
CORRECT_FUNCTION = "Correct the function that [fargate] execution_config_function names"


def default_request(config: FargateConfig, command: list[str]) -> dict[str, Any]:
    """
    Return the ``run_task`` request that the options of ``[fargate]`` describe.

    ``platformVersion`` and ``assignPublicIp`` go to Fargate alone, and the network configuration where
    subnets are given and the launch type can use them.
    Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
    """
    request: dict[str, Any] = {
        "cluster": config.cluster,
        "taskDefinition": config.task_definition,
        "count": 1,
        "overrides": {"containerOverrides": [{"name": config.container_name, "command": command}]},
    }
    if config.launch_type:
        request["launchType"] = config.launch_type
        request["platformVersion"] = config.platform_version
    if config.subnets:
        network: dict[str, Any] = {
            "subnets": list(config.subnets),
            "assignPublicIp": config.assign_public_ip,
        }
        if config.security_groups:
            network["securityGroups"] = list(config.security_groups)
        request["networkConfiguration"] = {"awsvpcConfiguration": network}
    return without_unfit(request)


def without_unfit(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request without what its launch type or its capacity providers cannot use."""
    fit = dict(request)
    on_fargate = _on_fargate(request)
    if on_fargate is False:
        fit.pop("platformVersion", None)
    if request.get("launchType") in WITHOUT_NETWORK:
        fit.pop("networkConfiguration", None)
    network = fit.get("networkConfiguration")
    if on_fargate is False and isinstance(network, Mapping):
        awsvpc = network.get("awsvpcConfiguration")
        if isinstance(awsvpc, Mapping):
            kept = {key: value for key, value in awsvpc.items() if key != "assignPublicIp"}
            fit["networkConfiguration"] = {**network, "awsvpcConfiguration": kept}
    return fit


def _on_fargate(request: Mapping[str, Any]) -> bool | None:
    """Tell whether the task runs on Fargate; None where the cluster's default strategy decides."""
    strategy = request.get("capacityProviderStrategy")
    if isinstance(strategy, list) and strategy:
        providers = [item.get("capacityProvider") for item in strategy if isinstance(item, Mapping)]
        return all(provider in FARGATE_PROVIDERS for provider in providers)
    launch_type = request.get("launchType")
    return None if launch_type is None else launch_type == "FARGATE"


@dataclass(frozen=True)
class Prepared:
    """A checked request without ``clientToken``, which belongs to an attempt; and whose exit code counts."""

    #: It holds the container's command, and with it a token: it is never logged.
    request: Mapping[str, Any] = field(repr=False)
    container_name: str

    @property
    def cluster(self) -> str:
        """The cluster that the request names; AWS calls the one that it means without a name ``default``."""
        return self.request.get("cluster") or "default"


class _Refused(RequestError):
    """The whole request will not do, and what to do about it is still to be told."""


class RequestBuilder:
    """
    Makes requests, for many threads.

    :param config: the options.
    :param command_to_request: what ``execution_config_function`` returned.
    :param check: refuses what AWS would refuse.
    """

    def __init__(
        self, config: FargateConfig, command_to_request: CommandToRequest, check: RequestCheck
    ) -> None:
        self._config = config
        self._command_to_request = command_to_request
        self._check = check
        # The function is the user's own: it may use what is not made for several threads.
        self._one_at_a_time = threading.Lock()

    def __call__(self, launch: Launch) -> Prepared:
        """
        Return the request for a launch; neither the launch nor what the user's function returned is changed.

        :raises RequestError: where the function fails, or the request is one that AWS would refuse.
        """
        command = launch.make_command()
        base = self._from_function(command)
        name = self._container_name(base, command)
        own = {
            "startedBy": self._config.deployment,
            "overrides": {"containerOverrides": [_identity_override(name, launch)]},
        }
        try:
            request = base
            if launch.executor_config is not None:
                request = merge_executor_config(request, launch.executor_config, name)
            return Prepared(self._checked(request, own), name)
        except _Refused as error:
            raise RequestError(f"{error}. {self._remedy(base, own, command)}") from None

    def _checked(self, request: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request with the executor's own part in it, which nobody can replace."""
        try:
            request = merge(request, own)
        except RequestError as error:
            raise _Refused(f"the request does not fit together: {error}") from None
        try:
            self._check(request)
        except RequestError as error:
            raise _Refused(str(error)) from None
        return request

    def _remedy(self, base: Mapping[str, Any], own: Mapping[str, Any], command: list[str]) -> str:
        """Say what to correct: what the task asks for, unless the request is no better without it."""
        length = sum(map(len, command))
        if length > MAX_OVERRIDES:
            return (
                f"Airflow's command alone has {length} characters: shorten the paths and names that are in it"
            )
        try:
            self._checked(base, own)
        except RequestError:
            return CORRECT_FUNCTION
        return CORRECT_TASK

    def _from_function(self, command: list[str]) -> dict[str, Any]:
        function = "execution_config_function"
        try:
            with self._one_at_a_time:
                # Copied before the next call: it may return the same dict again, with another command in it.
                request = plain_copy(self._command_to_request(command), f"the request of {function}")
        except RequestError:
            raise
        except BaseException as error:  # We are on a thread of the pool, where no Ctrl-C ever comes.
            # Only the type: the message of an error in the user's code can hold the command and its token.
            raise RequestError(
                f"the function of {function} raised {type(error).__name__} {_where(error)}. {CORRECT_FUNCTION}"
            ) from None
        if not isinstance(request, dict):
            raise RequestError(
                f"the function of {function} returned a {type(request).__name__}; it must return a dict"
            )
        for member in RESERVED[:2]:
            if member in request:
                raise RequestError(
                    f"the function of {function} sets {member}, which the executor sets itself; leave it out"
                )
        if request.get("count", 1) != 1:
            raise RequestError(
                f"the function of {function} sets count; one launch is one container: leave it out"
            )
        return request

    def _container_name(self, request: Mapping[str, Any], command: list[str]) -> str:
        """Return the configured name, or else that of the one container to which the function gave the command."""
        if self._config.container_name:
            return self._config.container_name
        named = [o.get("name") for o in _container_overrides(request) if o.get("command") == command]
        named = named or [o.get("name") for o in _container_overrides(request)]
        if len(named) != 1 or not isinstance(named[0], str):
            raise RequestError(
                "no telling which container runs the task: set [fargate] container_name, or let the function "
                "give Airflow's command to one container by its name"
            )
        return named[0]


def _where(error: BaseException) -> str:
    """Return the place of an error, which tells its user where to look and holds no value."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"in {frames[-1].filename}, line {frames[-1].lineno}" if frames else "somewhere"


def _identity_override(name: str, launch: Launch) -> dict[str, Any]:
    return {"name": name, "environment": [{"name": IDENTITY_VARIABLE, "value": launch.identity}]}


def _container_overrides(request: Any) -> list[dict[str, Any]]:
    """Return the container overrides that have the right type; the check tells of the others."""
    overrides = request.get("overrides") if isinstance(request, Mapping) else None
    containers = overrides.get("containerOverrides") if isinstance(overrides, Mapping) else None
    return [c for c in containers if isinstance(c, dict)] if isinstance(containers, (list, tuple)) else []


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


def merge_executor_config(
    request: Mapping[str, Any], executor_config: Any, container_name: str
) -> dict[str, Any]:
    """
    Merge what a task asks for into its request; what the task says wins.

    A container override without a name is for the container that runs the task.

    :raises RequestError: where it is no dict, or touches what is the executor's own business.
    """
    if not isinstance(executor_config, Mapping):
        raise RequestError(
            f"executor_config is a {type(executor_config).__name__}; it must be a dict of run_task members"
        )
    wishes = plain_copy(executor_config, "executor_config")
    for member in RESERVED:
        if member in wishes:
            raise RequestError(f"executor_config sets {member}, which the executor sets itself; leave it out")
    for override in _container_overrides(wishes):
        override.setdefault("name", container_name)
        if override["name"] == container_name and "command" in override:
            raise RequestError(
                f"executor_config sets the command of container {container_name!r}, which is Airflow's; leave it out"
            )
    kept = {k: v for k, v in request.items() if k not in EXCLUSIVE or EXCLUSIVE[k] not in wishes}
    chosen = {k: wishes[k] for k in EXCLUSIVE if k in wishes}
    try:
        return merge(without_unfit({**kept, **chosen}) if chosen else kept, wishes)
    except RequestError as error:
        raise RequestError(f"executor_config does not fit the request: {error}. {CORRECT_TASK}") from None


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
