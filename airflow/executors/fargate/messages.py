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
"""What the fleet tells the executor: events, which cross from its thread to the scheduler's, and counters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from airflow.executors.fargate.launch import Identity, Launch


@dataclass(frozen=True)
class Accepted:
    """AWS has accepted a container for the launch."""

    launch: Launch
    arn: str
    #: Seconds since the scheduler handed the launch over; None for an adopted container.
    waited: float | None = None
    #: Which attempt of the launch it is, from 1 on; 0 for an adopted container.
    attempt: int = 0
    #: Name or ARN of its cluster.
    cluster: str = ""


@dataclass(frozen=True)
class Ended:
    """The launch is over; ``reason`` says in words why it failed, and is None where it finished well."""

    launch: Launch
    reason: str | None
    arn: str | None = None
    #: Seconds since the end of the container, by AWS's clock and the scheduler's; None where there was none.
    seen_after: float | None = None


@dataclass(frozen=True)
class Abandoned:
    """The launch is over since Airflow no longer wants it; ``text`` says why, and what becomes of its ECS task."""

    launch: Launch
    text: str


@dataclass(frozen=True)
class Unconfirmed:
    """The launch is about to be sent; the database is to confirm first that it is still wanted."""

    launch: Launch


@dataclass(frozen=True)
class Noted:
    """Something about the launch that its user wants to know, and that does not end it."""

    launch: Launch
    text: str


@dataclass(frozen=True)
class Waiting:
    """What a launch waits for that has not started for long, or what it had come to when Airflow took it back."""

    launch: Launch
    text: str
    #: Whether Airflow has taken it back: that is told though it is the present launch no more.
    revoked: bool = False


@dataclass(frozen=True)
class LogLines:
    """What the container of a launch that failed has said last; it comes after the launch's end."""

    launch: Launch
    text: str


@dataclass(frozen=True)
class NotFound:
    """An adopted task instance for which AWS, when it could be asked at last, knew no container."""

    launch: Launch


@dataclass(frozen=True)
class OtherEcsTask:
    """A container of the deployment that is not for any launch of this fleet."""

    identity: Identity
    arn: str
    cluster: str
    #: Whether it is known to have started.
    started: bool


@dataclass(frozen=True)
class OtherEcsTasks:
    """The containers that no launch of this fleet is for: the database knows whether they are wanted."""

    containers: tuple[OtherEcsTask, ...]


#: What the fleet tells the executor.
Event = Union[Accepted, Ended, Abandoned, Unconfirmed, Noted, Waiting, LogLines, NotFound, OtherEcsTasks]


@dataclass
class Counters:
    """
    What has happened since the fleet began; only its thread writes, any thread may read.

    The scheduler's thread makes metrics of it: the fleet knows nothing of Airflow.
    """

    #: RunTask calls that a container came of.
    launches: int = 0
    #: Calls of any kind that AWS throttled.
    throttles: int = 0
    #: DescribeTasks calls made.
    describe_calls: int = 0
    #: Items of AWS's answers that were left out since they were none.
    malformed: int = 0
    #: Containers that are followed at the moment.
    live_containers: int = 0
