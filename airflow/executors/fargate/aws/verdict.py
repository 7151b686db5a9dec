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
"""What an answer of AWS means for a call or a launch, and the reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.usage import Usage


class Verdict(Enum):
    """What to do next about a call or a launch."""

    #: RunTask has started an ECS task.
    ACCEPTED = "accepted"
    #: The ECS task is starting or running, or its end has not been seen.
    LIVE = "live"
    #: The main container ended with exit code 0.
    FINISHED = "finished"
    #: The launch has failed. Only Airflow's own retries may start another.
    FAILED = "failed"
    #: Nothing was started, and another attempt may succeed. It uses up an attempt.
    LAUNCH_AGAIN = "launch again"
    #: Nothing was started, as there is no capacity. Try later or elsewhere; it uses up no attempt.
    NO_CAPACITY = "no capacity"
    #: Nothing was started: something that AWS needs is unavailable. Try for a while; it uses up no attempt.
    AWAY = "temporarily unavailable"
    #: AWS throttled the call, and nothing was done. Try later; it uses up no attempt.
    THROTTLED = "throttled"
    #: There are no credentials that AWS accepts, and nothing was done. Try later with new ones.
    CREDENTIALS = "credentials"
    #: It is unknown whether the call was carried out. Send the same request again.
    UNKNOWN = "unknown outcome"
    #: DescribeTasks does not know the ECS task.
    MISSING = "missing"


@dataclass(frozen=True)
class Outcome:
    """A verdict, and the reason for the user."""

    verdict: Verdict
    reason: str = ""
    arn: str | None = None
    #: Whether the main container is known to have started. If it has, the launch ends with it.
    started: bool = False
    #: See ``EcsTask.ended_at``; None also for a container that ended without an exit code.
    ended_at: float | None = None
    #: The ARN of the task definition of an ECS task, which contains the location of the log. Empty if AWS does
    #: not send it.
    task_definition: str = ""
    #: The explanation of what AWS says in addition to exit code 0; empty if AWS says nothing.
    note: str = ""
    #: What AWS says of the ECS task's times, size and capacity; None without one.
    usage: Usage | None = field(default=None, compare=False)

    @property
    def lives(self) -> bool:
        """Whether the ECS task has not ended, as far as is known."""
        return self.verdict is Verdict.LIVE
