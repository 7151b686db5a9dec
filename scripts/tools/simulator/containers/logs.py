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
"""Where a container's output goes: the log group that its awslogs options name."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from tools.simulator.containers.host import StartFailure

if TYPE_CHECKING:
    from tools.simulator.containers.output import Sink
    from tools.simulator.ecs.moto_side import MotoSide
    from tools.simulator.ecs.tasks import Container, Task


def open_log(moto: MotoSide, task: Task, container: Container) -> Sink | None:
    """
    Return what takes the container's lines, or None where it has no awslogs options.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html: the stream is
    ``prefix/container/task-id``, or the runtime's id of the container where there is no prefix.

    :raises StartFailure: there is no such log group
    """
    configuration: dict[str, Any] = container.definition.get("logConfiguration") or {}
    options = configuration.get("options", {})
    if configuration.get("logDriver") != "awslogs":
        return None
    group = options.get("awslogs-group", "")
    region = options.get("awslogs-region", task.arn.split(":")[3])
    prefix = options.get("awslogs-stream-prefix")
    stream = f"{prefix}/{container.name}/{task.id}" if prefix else container.runtime_id
    if not moto.create_log_stream(region, group, stream, options.get("awslogs-create-group") == "true"):
        raise StartFailure(
            "ResourceInitializationError: failed to validate logger args: create stream has been retried "
            "1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: "
            "The specified log group does not exist. : exit status 1"
        )
    return functools.partial(moto.append_log, region, group, stream)
