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

An answer for 100 tasks has some 236 KB. botocore's parser walks all of it along the service model and turns each
timestamp into an object, which takes ten times as long as the JSON itself: at ten answers a second a fifth of a
processor that the scheduler needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

#: What ``outcome``, ``following``, ``adoption`` and ``launch`` read of a task; timestamps as numbers.
TASK_MEMBERS = (
    "taskArn",
    "clusterArn",
    "lastStatus",
    "startedAt",
    "startedBy",
    "executionStoppedAt",
    "stopCode",
    "stoppedReason",
    "overrides",
)
CONTAINER_MEMBERS = ("name", "lastStatus", "exitCode", "reason")


def read_less(client: Any) -> None:
    """
    Have a boto3 client for ECS read no more of DescribeTasks than is used.

    It is done with botocore's event ``before-parse``, newer than the oldest botocore that we support: where
    that is not emitted, botocore reads everything, and the result is the same.
    """
    client.meta.events.register("before-parse.ecs.DescribeTasks", _take_body)


def _take_body(response_dict: Any, customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Put what is used in place of the body; leave to botocore what is an error, or no answer at all."""
    if response_dict["status_code"] != 200:
        return
    try:
        answer = json.loads(response_dict["body"])
        tasks = [_task(task) for task in answer.get("tasks") or () if task is not None]
    except (AttributeError, TypeError, ValueError):
        return
    if "tasks" in answer or "failures" in answer:
        customized_response_dict.update(tasks=tasks, failures=answer.get("failures") or [])
        response_dict["body"] = b"{}"


def _task(task: Mapping[str, Any]) -> dict[str, Any]:
    read = {member: task[member] for member in TASK_MEMBERS if task.get(member) is not None}
    containers = [container for container in task.get("containers") or () if container is not None]
    read["containers"] = [{m: c[m] for m in CONTAINER_MEMBERS if c.get(m) is not None} for c in containers]
    return read
