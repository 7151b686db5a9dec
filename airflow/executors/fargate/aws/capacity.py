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
"""What the launch type or the capacity providers of a ``run_task`` request mean for its other members."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Launch types whose tasks cannot have a network interface of their own, or need none.
WITHOUT_NETWORK = ("EXTERNAL",)
#: The capacity providers that are Fargate's; all others are of somebody's own making.
FARGATE_PROVIDERS = ("FARGATE", "FARGATE_SPOT")
#: What chooses among a cluster's instances, of which Fargate has none.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement.html
PLACEMENT = ("placementConstraints", "placementStrategy")
#: What is said of a request that :func:`lacks_subnets`.
NO_SUBNETS = "networkConfiguration has no subnets, without which nothing runs on Fargate"


def providers(request: Mapping[str, Any]) -> list[Any]:
    """Return the names of the capacity providers that a request names, also where they are none."""
    strategy = request.get("capacityProviderStrategy")
    items = strategy if isinstance(strategy, (list, tuple)) else ()
    return [item.get("capacityProvider") for item in items if isinstance(item, Mapping)]


def on_fargate(request: Mapping[str, Any]) -> bool | None:
    """Tell whether the task runs on Fargate; None where the cluster's default strategy decides."""
    named = providers(request)
    if named:
        return all(provider in FARGATE_PROVIDERS for provider in named)
    launch_type = request.get("launchType")
    return None if launch_type is None else bool(launch_type == "FARGATE")


def capacity(request: Mapping[str, Any]) -> set[Any]:
    """Return where a request looks for room: the same set means the same room. FARGATE is a provider, too."""
    return set(map(repr, providers(request) or [request.get("launchType")]))


def lacks_subnets(request: Mapping[str, Any]) -> bool:
    """
    Tell whether a request on Fargate has no network, though the network mode is always ``awsvpc`` there.

    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-networking.html
    """
    network = request.get("networkConfiguration") or {}
    return on_fargate(request) is True and not network.get("awsvpcConfiguration")


def without_unfit(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request without what its launch type or its capacity providers cannot use."""
    fit = dict(request)
    somewhere = on_fargate(request)
    if somewhere is True:
        for member in PLACEMENT:
            fit.pop(member, None)
    if somewhere is False:
        fit.pop("platformVersion", None)
        drop(fit, "networkConfiguration", "awsvpcConfiguration", "assignPublicIp")
        drop(fit, "overrides", "ephemeralStorage")
    if request.get("launchType") in WITHOUT_NETWORK:
        fit.pop("networkConfiguration", None)
    return fit


def drop(members: dict[str, Any], *path: str) -> None:
    """Take a member out of a dict, or out of those within, which are copied; whatever is none is left alone."""
    name, *rest = path
    inner = members.get(name)
    if not rest:
        members.pop(name, None)
    elif isinstance(inner, Mapping):
        members[name] = dict(inner)
        drop(members[name], *rest)
