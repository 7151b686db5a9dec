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
"""Which capacity a ``run_task`` request asks for, and which of its members that capacity can use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.executors.fargate.aws.answers import mappings

#: The capacity providers of Fargate. All others are defined by the account.
FARGATE_PROVIDERS = ("FARGATE", "FARGATE_SPOT")
#: The members that choose among a cluster's container instances. Fargate has no such instances.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement.html
PLACEMENT = ("placementConstraints", "placementStrategy")
#: The mistake of a request that :func:`lacks_subnets`.
NO_SUBNETS = "networkConfiguration has no subnets, without which nothing runs on Fargate"


def providers(request: Mapping[str, Any]) -> list[Any]:
    """Return the names of a request's capacity providers, whatever values these are."""
    return [item.get("capacityProvider") for item in mappings(request.get("capacityProviderStrategy"))]


def on_fargate(request: Mapping[str, Any]) -> bool | None:
    """Tell whether the ECS task runs on Fargate. None: the cluster's default capacity provider strategy decides."""
    named = providers(request)
    if named:
        return all(provider in FARGATE_PROVIDERS for provider in named)
    launch_type = request.get("launchType")
    return None if launch_type is None else bool(launch_type == "FARGATE")


def capacity(request: Mapping[str, Any]) -> set[Any]:
    """Return a request's providers, or its launch type. Requests for the same capacity have equal sets."""
    # FARGATE is both a launch type and the name of a provider. A user's value may not be hashable: so repr().
    return set(map(repr, providers(request) or [request.get("launchType")]))


def lacks_subnets(request: Mapping[str, Any]) -> bool:
    """
    Tell whether a request for Fargate has no ``awsvpcConfiguration``, and so no subnets.

    Fargate always uses the network mode ``awsvpc``.
    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-networking.html
    """
    network = request.get("networkConfiguration") or {}
    return on_fargate(request) is True and not network.get("awsvpcConfiguration")


def without_unfit(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request without the members that its launch type or capacity providers cannot use."""
    fit = dict(request)
    fargate = on_fargate(request)
    if fargate is True:
        for member in PLACEMENT:
            fit.pop(member, None)
    if fargate is False:
        fit.pop("platformVersion", None)
        fit = without(fit, "networkConfiguration", "awsvpcConfiguration", "assignPublicIp")
        fit = without(fit, "overrides", "ephemeralStorage")
    if request.get("launchType") == "EXTERNAL":  # Its ECS tasks have no network interface of their own.
        fit.pop("networkConfiguration", None)
    return fit


def without(members: Mapping[str, Any], name: str, *path: str) -> dict[str, Any]:
    """Return a copy without the member at a path, which may lead through a value that is not a dict."""
    inner = members.get(name)
    if path and isinstance(inner, Mapping):
        return {**members, name: without(inner, *path)}
    return {key: value for key, value in members.items() if path or key != name}
