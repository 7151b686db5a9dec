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
"""Makes the ``run_task`` request of a launch, merges fragments into it, and checks it."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow.executors.fargate.aws.capacity import NO_SUBNETS, capacity, on_fargate, without, without_unfit
from airflow.executors.fargate.config.config import MAX_OVERRIDES, PUBLIC_IP_ON_FARGATE, FargateConfig
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch
from airflow.executors.fargate.request import merging, tags
from airflow.executors.fargate.request.validation import check_request

#: What to do about a mistake of the task, or of the function.
CORRECT_TASK = "Correct the executor_config of the task"
CORRECT_FUNCTION = "Correct the function that [fargate] execution_config_function names"


def default_request(config: FargateConfig, command: list[str]) -> dict[str, Any]:
    """
    Return the ``run_task`` request that the options of ``[fargate]`` describe.

    Members that only Fargate accepts are sent only there; the network configuration is sent if there are
    subnets and the launch type accepts it. If the cluster's default strategy decides, ``platformVersion`` is
    not sent, and ``assignPublicIp`` only if its option is set.
    Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
    """
    strategy = [dict(item) for item in config.capacity_provider_strategy]
    members: dict[str, Any] = {
        "cluster": config.cluster,
        "taskDefinition": config.task_definition,
        "count": 1,
        "overrides": {"containerOverrides": [{"name": config.container_name, "command": command}]},
        "capacityProviderStrategy": strategy,
        "launchType": None if strategy else config.launch_type,
        "tags": [dict(tag) for tag in config.tags],
        "enableExecuteCommand": config.enable_execute_command,
        "propagateTags": config.propagate_tags,
    }
    request = {name: value for name, value in members.items() if value}
    request = merging.merge(request, for_fargate(config))
    if on_fargate(request) is None:
        # The cluster's default strategy can be for instances, for which AWS refuses both.
        del request["platformVersion"]
        if config.assign_public_ip is None:
            request = without(request, "networkConfiguration", "awsvpcConfiguration", "assignPublicIp")
    return without_unfit(request)


def for_fargate(config: FargateConfig) -> dict[str, Any]:
    """Return the members that a request gets from the options if it is for Fargate."""
    members: dict[str, Any] = {"platformVersion": config.platform_version}
    if config.subnets:
        network: dict[str, Any] = {"subnets": list(config.subnets)}
        network["assignPublicIp"] = config.assign_public_ip or PUBLIC_IP_ON_FARGATE
        if config.security_groups:
            network["securityGroups"] = list(config.security_groups)
        members["networkConfiguration"] = {"awsvpcConfiguration": network}
    if config.ephemeral_storage is not None:
        members["overrides"] = {"ephemeralStorage": {"sizeInGiB": config.ephemeral_storage}}
    return members


def option_fragments(config: FargateConfig, queue: str | None) -> list[merging.Fragment]:
    """Return the fragments that the options have for a task of this queue, in the order of merging."""
    members = {} if queue is None else config.queues.get(queue, {})
    return [
        merging.Fragment("run_task_kwargs", config.run_task_kwargs, "Correct [fargate] run_task_kwargs"),
        merging.Fragment(f"queue {queue!r}", members, f"Correct queue {queue!r} in [fargate] queues"),
    ]


def fallback_fragment(config: FargateConfig, request: Mapping[str, Any]) -> merging.Fragment | None:
    """Return ``capacity_provider_fallback`` as a fragment; None if it is empty, or names the request's own capacity."""
    option, strategy = "capacity_provider_fallback", config.capacity_provider_fallback
    members = {"capacityProviderStrategy": [dict(item) for item in strategy]}
    if not strategy or capacity(members) == capacity(request):
        return None
    return merging.Fragment(option, members, f"Correct [fargate] {option}")


@dataclass(frozen=True)
class Prepared:
    """A checked request without ``clientToken``, which belongs to an attempt, and its main container."""

    #: Never logged: the command contains a token.
    request: Mapping[str, Any] = field(repr=False)
    container_name: str
    #: The request that replaces it after a capacity failure; None if there is none, or it is in use.
    fallback: Mapping[str, Any] | None = field(default=None, repr=False)
    #: Why there is no fallback although one is configured.
    no_fallback: str = ""
    #: The request that the fallback replaced.
    first: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def cluster(self) -> str:
        """The cluster that the request names; ``default``, as in AWS, if it names none."""
        return self.request.get("cluster") or "default"

    def fallen_back(self) -> Prepared:
        """Return this with the fallback as the request."""
        return replace(self, request=self.fallback or self.request, fallback=None, first=self.request)

    def as_first(self) -> Prepared:
        """Return this with the request before the fallback, and without a fallback."""
        return replace(self, request=self.first or self.request, fallback=None, first=None)


class RequestBuilder:
    """
    Makes requests; any thread may call it.

    :param config: the options, read with ``call_function``.
    """

    def __init__(self, config: FargateConfig) -> None:
        self._config = config
        # A function of the user's own decides itself what a request for Fargate has.
        self._for_fargate = {} if config.own_function else for_fargate(config)
        # The user's function need not be thread-safe.
        self._one_at_a_time = threading.Lock()

    def __call__(self, launch: Launch) -> Prepared:
        """
        Return the request for a launch. Neither the launch nor the result of the user's function is changed.

        :raises RequestError: if the function fails, or AWS would refuse the request.
        """
        command = launch.make_command()
        request = self._call_function(command)
        name = self._find_main_container(request, command)
        members = {} if launch.executor_config is None else launch.executor_config
        fragments = option_fragments(self._config, launch.queue or "")
        stages = [(request, CORRECT_FUNCTION)]
        for fragment in (*fragments, merging.Fragment("executor_config", members, CORRECT_TASK)):
            request = fragment.merged_into(request, name, self._for_fargate)
            stages.append((request, fragment.remedy))
        try:
            complete = self._complete(request, launch, name)
        except RequestError as error:
            raise RequestError(f"{error}. {self._find_remedy(stages, launch, name)}") from None
        fallback, no_fallback = None, ""
        replacing = fallback_fragment(self._config, request)
        try:
            if replacing is not None:
                moved = replacing.merged_into(request, name, self._for_fargate)
                fallback = self._complete(moved, launch, name)
        except RequestError as error:
            # Such as more CPU than Fargate has. The first request can still find capacity later.
            remedy = " Set [fargate] subnets." if NO_SUBNETS in str(error) else ""
            no_fallback = f"[fargate] capacity_provider_fallback cannot be used: {error}.{remedy}"
        return Prepared(complete, name, fallback, no_fallback)

    def _complete(self, request: Mapping[str, Any], launch: Launch, name: str) -> Mapping[str, Any]:
        """
        Return the request with the executor's own members, checked.

        A user's tag replaces the executor's own tag of the same key; nothing else can be replaced.

        :raises RequestError: if AWS would refuse it.
        """
        variables = ((IDENTITY_VARIABLE, launch.identity), *launch.environment)
        environment = [{"name": key, "value": value} for key, value in variables]
        container = {"name": name, "environment": environment}
        own = {"startedBy": self._config.deployment, "overrides": {"containerOverrides": [container]}}
        try:
            whole: Mapping[str, Any] = merging.merge(request, own)
        except RequestError as error:
            raise RequestError(f"the request does not fit together: {error}") from None
        if self._config.tag_tasks:
            whole = tags.with_own_tags(whole, tags.own_tags(launch, self._config.deployment))
        check_request(whole)
        return whole

    def _find_remedy(self, stages: list[tuple[dict[str, Any], str]], launch: Launch, name: str) -> str:
        """Return what to correct: the first stage whose request is refused."""
        length = sum(map(len, launch.make_command()))
        if length > MAX_OVERRIDES:
            return f"Airflow's command alone has {length} characters: shorten the paths and names in it"
        for request, remedy in stages:
            try:
                self._complete(request, launch, name)
            except RequestError:
                return remedy
        return stages[-1][1]

    def _call_function(self, command: list[str]) -> dict[str, Any]:
        """
        Return a copy of the request that the user's function makes of the command.

        :raises RequestError: if the function raises, returns no dict, or sets the executor's own members.
        """
        function = "the function of execution_config_function"
        with self._one_at_a_time:
            try:
                made = self._config.command_to_request(command)
            except BaseException as error:  # On a thread of the pool, where Ctrl-C is not raised.
                # Only the type and the place: the user's error can contain the command and its token.
                place = traceback.extract_tb(error.__traceback__)[-1]
                raised = f"{type(error).__name__} in {place.filename}, line {place.lineno}"
                raise RequestError(f"{function} raised {raised}. {CORRECT_FUNCTION}") from None
            # Copied before the next call, which may return the same dict with another command.
            request = merging.plain_copy(made, "the request of execution_config_function")
        if not isinstance(request, dict):
            raise RequestError(f"{function} returned a {type(request).__name__}; it must return a dict")
        mistake = merging.find_reserved_member(request, merging.RESERVED[:2])
        if mistake:
            raise RequestError(f"{function} {mistake}; leave it out")
        # A count of 1 is allowed here.
        if request.get("count", 1) != 1:
            raise RequestError(f"{function} sets count; one launch is one ECS task: leave it out")
        return request

    def _find_main_container(self, request: Mapping[str, Any], command: list[str]) -> str:
        """
        Return the configured name, or that of the only container to which the function gave the command.

        :raises RequestError: if there is no such container, or more than one.
        """
        if self._config.container_name:
            return self._config.container_name
        overrides = merging.container_overrides(request)
        named = [one.get("name") for one in overrides if one.get("command") == command]
        named = named or [one.get("name") for one in overrides]
        if len(named) != 1 or not isinstance(named[0], str):
            raise RequestError(
                "it is not clear which container runs Airflow: set [fargate] container_name, "
                "or let the function give Airflow's command to one named container"
            )
        return named[0]
