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
Reads of a DescribeTasks answer what the fleet reads, and leaves the rest.

An answer for 100 tasks has some 236 KB, half of it commands. botocore's parser walks all of it along the service
model and turns each timestamp into an object; at ten answers a second that would be a fifth of a processor that the
scheduler needs. msgspec, which Airflow brings, skips what no type below names without making anything of it.
"""

from __future__ import annotations

from typing import Any, TypedDict


class _Variable(TypedDict, total=False):
    name: str
    value: str


class _ContainerOverride(TypedDict, total=False):
    name: str
    environment: list[_Variable]


class _TaskOverride(TypedDict, total=False):
    containerOverrides: list[_ContainerOverride]


class Container(TypedDict, total=False):
    """What is read of a container."""

    name: str
    lastStatus: str
    exitCode: int
    reason: str


class Task(TypedDict, total=False):
    """What is read of a task; a timestamp in seconds since the epoch, as AWS sends it."""

    taskArn: str
    clusterArn: str
    taskDefinitionArn: str
    lastStatus: str
    startedAt: float
    startedBy: str
    executionStoppedAt: float
    stopCode: str
    stoppedReason: str
    overrides: _TaskOverride
    containers: list[Container]


class _Answer(TypedDict, total=False):
    tasks: list[Task]
    failures: list[dict[str, Any]]


def read_less(client: Any) -> None:
    """
    Have a boto3 client for ECS read no more of DescribeTasks than is used.

    It is done with botocore's event ``before-parse``, newer than the oldest botocore that we support. Where that
    is not emitted, or msgspec is missing (Airflow 2.11 does not ask for it), botocore reads everything, and what
    is used of the result is the same.
    """
    try:
        from msgspec import DecodeError
        from msgspec.json import Decoder
    except ImportError:
        return
    decode = Decoder(_Answer).decode

    def take_body(response_dict: Any, customized_response_dict: dict[str, Any], **_: Any) -> None:
        """Put what is used in place of the body; leave to botocore what is an error, or not as it ought to be."""
        if response_dict["status_code"] != 200:
            return
        try:
            answer = decode(response_dict["body"])
        except DecodeError:
            # Also where a type is another than AWS's: botocore is lenient, and its result is judged.
            return
        if answer:
            customized_response_dict.update({"tasks": [], "failures": [], **answer})
            response_dict["body"] = b"{}"

    client.meta.events.register("before-parse.ecs.DescribeTasks", take_body)
