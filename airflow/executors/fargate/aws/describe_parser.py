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
Reads from a DescribeTasks answer only what the fleet uses.

An answer for 100 ECS tasks has about 236 KB, and half of it is commands. botocore's parser walks all of it
along the service model and makes an object of each timestamp. At ten answers a second, that would take a
fifth of a processor that the scheduler needs. msgspec, a dependency of Airflow 3, skips every member that the
types below do not name.
"""

from __future__ import annotations

from typing import Any, TypedDict


class _ContainerOverride(TypedDict, total=False):
    name: str
    environment: list[dict[str, str]]


class _TaskOverride(TypedDict, total=False):
    containerOverrides: list[_ContainerOverride]


class Container(TypedDict, total=False):
    """The members of a container that are read."""

    name: str
    lastStatus: str
    exitCode: int
    reason: str


class Attribute(TypedDict, total=False):
    """The members of an attribute that are read."""

    name: str
    value: str


class Task(TypedDict, total=False):
    """The members of an ECS task that are read. AWS sends timestamps in seconds since the epoch."""

    taskArn: str
    clusterArn: str
    taskDefinitionArn: str
    lastStatus: str
    createdAt: float
    pullStartedAt: float
    pullStoppedAt: float
    startedAt: float
    startedBy: str
    stoppingAt: float
    executionStoppedAt: float
    stoppedAt: float
    stopCode: str
    stoppedReason: str
    cpu: str
    memory: str
    capacityProviderName: str
    launchType: str
    platformFamily: str
    attributes: list[Attribute]
    overrides: _TaskOverride
    containers: list[Container]


class _Answer(TypedDict, total=False):
    tasks: list[Task]
    failures: list[dict[str, Any]]


def read_less(client: Any) -> Any:
    """
    Make a boto3 client for ECS read only the used members of DescribeTasks, and return it.

    It handles botocore's event ``before-parse``, which the oldest supported botocore does not emit. Without
    the event, or without msgspec, as is possible with Airflow 2.11, botocore reads everything, and the used
    members are the same.
    """
    try:
        from msgspec import DecodeError
        from msgspec.json import Decoder
    except ImportError:
        return client
    decode = Decoder(_Answer).decode

    def take_body(response_dict: Any, customized_response_dict: dict[str, Any], **_: Any) -> None:
        """Parse the body in botocore's place, except for errors and bodies that do not match the types."""
        if response_dict["status_code"] != 200:
            return
        try:
            answer = decode(response_dict["body"])
        except DecodeError:
            # Also raised for a member of another type than AWS documents. botocore accepts those, and so does
            # Answer.
            return
        # botocore parses an empty body instead, and adds the members of customized_response_dict. It gets an
        # answer without members unchanged, so that Answer.parse refuses that.
        if answer:
            customized_response_dict.update({"tasks": [], "failures": [], **answer})
            response_dict["body"] = b"{}"

    client.meta.events.register("before-parse.ecs.DescribeTasks", take_body)
    return client
