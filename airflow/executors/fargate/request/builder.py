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
"""From a launch to the ``run_task`` request: made, merged with what queue and task ask for, checked."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.capacity import NO_SUBNETS, capacity, drop, on_fargate, without_unfit
from airflow.executors.fargate.config.config import MAX_OVERRIDES, PUBLIC_IP_ON_FARGATE
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch
from airflow.executors.fargate.request.merging import (
    RESERVED,
    Fragment,
    container_overrides,
    merge,
    own_member,
    plain_copy,
)
from airflow.executors.fargate.request.tags import own_tags, with_own_tags

if TYPE_CHECKING:
    from airflow.executors.fargate.config.config import CommandToRequest, FargateConfig
    from airflow.executors.fargate.request.validation import RequestCheck

#: What to do about a request that will not do, by where the mistake comes from.
CORRECT_TASK = "Correct the executor_config of the task"
CORRECT_FUNCTION = "Correct the function that [fargate] execution_config_function names"


def default_request(config: FargateConfig, command: list[str]) -> dict[str, Any]:
    """
    Return the ``run_task`` request that the options of ``[fargate]`` describe.

    What is for Fargate alone goes to no other, and the network configuration where subnets are given and the launch
    type can use them. Where the cluster's default strategy decides, only what was asked for in so many words is sent.
    Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
    """
    request: dict[str, Any] = {
        "cluster": config.cluster,
        "taskDefinition": config.task_definition,
        "count": 1,
        "overrides": {"containerOverrides": [{"name": config.container_name, "command": command}]},
    }
    if config.capacity_provider_strategy:
        request["capacityProviderStrategy"] = [dict(item) for item in config.capacity_provider_strategy]
    elif config.launch_type:
        request["launchType"] = config.launch_type
    if config.tags:
        request["tags"] = [dict(tag) for tag in config.tags]
    if config.enable_execute_command:
        request["enableExecuteCommand"] = True
    if config.propagate_tags:
        request["propagateTags"] = config.propagate_tags
    request = merge(request, for_fargate(config))
    if on_fargate(request) is None:
        # The cluster's default strategy may be for instances, for which AWS refuses both.
        del request["platformVersion"]
        if config.assign_public_ip is None:
            drop(request, "networkConfiguration", "awsvpcConfiguration", "assignPublicIp")
    return without_unfit(request)


def for_fargate(config: FargateConfig) -> dict[str, Any]:
    """Return what the options give to a task on Fargate, whatever names the launch type."""
    members: dict[str, Any] = {"platformVersion": config.platform_version}
    if config.subnets:
        network: dict[str, Any] = {
            "subnets": list(config.subnets),
            "assignPublicIp": config.assign_public_ip or PUBLIC_IP_ON_FARGATE,
        }
        if config.security_groups:
            network["securityGroups"] = list(config.security_groups)
        members["networkConfiguration"] = {"awsvpcConfiguration": network}
    if config.ephemeral_storage is not None:
        members["overrides"] = {"ephemeralStorage": {"sizeInGiB": config.ephemeral_storage}}
    return members


def option_fragments(config: FargateConfig, queue: str | None) -> Iterator[Fragment]:
    """Yield the parts of requests that the options have for a task of this queue, in their order."""
    yield Fragment("run_task_kwargs", config.run_task_kwargs, "Correct [fargate] run_task_kwargs")
    if queue is not None:
        wishes = config.queues.get(queue, {})
        yield Fragment(f"queue {queue!r}", wishes, f"Correct queue {queue!r} in [fargate] queues")


def fallback_fragment(config: FargateConfig, request: Mapping[str, Any]) -> Fragment | None:
    """Return what takes the place of a request's capacity after a capacity failure; None where nothing else does."""
    wishes = {"capacityProviderStrategy": [dict(item) for item in config.capacity_provider_fallback]}
    if not config.capacity_provider_fallback or capacity(wishes) == capacity(request):
        return None
    return Fragment("capacity_provider_fallback", wishes, "Correct [fargate] capacity_provider_fallback")


@dataclass(frozen=True)
class Prepared:
    """A checked request without ``clientToken``, which belongs to an attempt; and whose exit code counts."""

    #: It holds the container's command, and with it a token: it is never logged.
    request: Mapping[str, Any] = field(repr=False)
    container_name: str
    #: What takes the request's place after a capacity failure; None where nothing does, or it has already.
    fallback: Mapping[str, Any] | None = field(default=None, repr=False)
    #: Why there is no fallback though one is configured.
    no_fallback: str = ""
    #: The request whose place was taken.
    first: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def cluster(self) -> str:
        """The cluster that the request names; AWS calls the one that it means without a name ``default``."""
        return self.request.get("cluster") or "default"

    def fallen_back(self) -> Prepared:
        """Return this with the fallback in the place of the request."""
        return replace(self, request=self.fallback or self.request, fallback=None, first=self.request)

    def as_first(self) -> Prepared:
        """Return this as it was before it fell back, and without a fallback."""
        return replace(self, request=self.first or self.request, fallback=None, first=None)


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
        # A function of the user's own may know better what is for Fargate.
        self._for_fargate = {} if config.own_function else for_fargate(config)
        # The function is the user's own: it may use what is not made for several threads.
        self._one_at_a_time = threading.Lock()

    def __call__(self, launch: Launch) -> Prepared:
        """
        Return the request for a launch; neither the launch nor what the user's function returned is changed.

        :raises RequestError: where the function fails, or the request is one that AWS would refuse.
        """
        return self.partly(launch, None)

    def partly(self, launch: Launch, steps: int | None) -> Prepared:
        """
        Return the request that only some steps make of what the function returns.

        :param steps: how many of ``run_task_kwargs``, queue and ``executor_config``, in this order; None for all.
        :raises RequestError: as for all of them.
        """
        command = launch.make_command()
        request: Mapping[str, Any] = self._from_function(command)
        name = self._container_name(request, command)
        stages = [(request, CORRECT_FUNCTION)]
        for fragment in [*self._fragments(launch)][:steps]:
            request = fragment.merged_into(request, name, self._for_fargate)
            stages.append((request, fragment.remedy))
        try:
            checked = self._checked(request, launch, name)
        except _Refused as error:
            raise RequestError(f"{error}. {self._remedy(stages, launch, name, command)}") from None
        fallback, no_fallback = self._fallback(request, launch, name)
        return Prepared(checked, name, fallback, no_fallback)

    def _fragments(self, launch: Launch) -> Iterator[Fragment]:
        """Yield what is merged into the function's request, in this order: what comes later wins."""
        yield from option_fragments(self._config, launch.queue or "")
        wishes = {} if launch.executor_config is None else launch.executor_config
        yield Fragment("executor_config", wishes, CORRECT_TASK)

    def _checked(self, request: Mapping[str, Any], launch: Launch, name: str) -> Mapping[str, Any]:
        """Return the request with the executor's own part in it, which nobody can replace but for tags."""
        own = {
            "startedBy": self._config.deployment,
            "overrides": {"containerOverrides": [_own_override(name, launch)]},
        }
        try:
            whole: Mapping[str, Any] = merge(request, own)
        except RequestError as error:
            raise _Refused(f"the request does not fit together: {error}") from None
        if self._config.tag_tasks:
            whole = with_own_tags(whole, own_tags(launch, self._config.deployment))
        try:
            self._check(whole)
        except RequestError as error:
            raise _Refused(str(error)) from None
        return whole

    def _fallback(
        self, request: Mapping[str, Any], launch: Launch, name: str
    ) -> tuple[Mapping[str, Any] | None, str]:
        """Return what takes the request's place after a capacity failure, or why it cannot."""
        fragment = fallback_fragment(self._config, request)
        if fragment is None:
            return None, ""
        try:
            return self._checked(fragment.merged_into(request, name, self._for_fargate), launch, name), ""
        except RequestError as error:
            # Such as more CPU than Fargate has: the first request may well find room later.
            remedy = " Set [fargate] subnets." if NO_SUBNETS in str(error) else ""
            return None, f"[fargate] capacity_provider_fallback cannot be used: {error}.{remedy}"

    def _remedy(
        self,
        stages: list[tuple[Mapping[str, Any], str]],
        launch: Launch,
        name: str,
        command: list[str],
    ) -> str:
        """Say what to correct: the first of what was merged that makes a request that will not do."""
        length = sum(map(len, command))
        if length > MAX_OVERRIDES:
            return (
                f"Airflow's command alone has {length} characters: shorten the paths and names that are in it"
            )
        for request, remedy in stages:
            try:
                self._checked(request, launch, name)
            except RequestError:
                return remedy
        return stages[-1][1]

    def _from_function(self, command: list[str]) -> dict[str, Any]:
        """
        Return a copy of the request that the function makes of the command.

        :raises RequestError: where the function raises, or returns what is no request or none of its business.
        """
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
        mistake = own_member(request, RESERVED[:2])
        if mistake:
            raise RequestError(f"the function of {function} {mistake}; leave it out")
        if request.get("count", 1) != 1:
            raise RequestError(
                f"the function of {function} sets count; one launch is one container: leave it out"
            )
        return request

    def _container_name(self, request: Mapping[str, Any], command: list[str]) -> str:
        """
        Return the configured name, or else that of the one container to which the function gave the command.

        :raises RequestError: where there is no such container, or more than one.
        """
        if self._config.container_name:
            return self._config.container_name
        named = [o.get("name") for o in container_overrides(request) if o.get("command") == command]
        named = named or [o.get("name") for o in container_overrides(request)]
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


def _own_override(name: str, launch: Launch) -> dict[str, Any]:
    variables = ((IDENTITY_VARIABLE, launch.identity), *launch.environment)
    return {"name": name, "environment": [{"name": key, "value": value} for key, value in variables]}
