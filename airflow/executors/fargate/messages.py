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
"""What crosses from the fleet's thread to the scheduler's: events, and counters for metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    from airflow.executors.fargate.aws.usage import Billed, Took
    from airflow.executors.fargate.launch import Identity, Launch


@dataclass(frozen=True)
class _LaunchEvent:
    launch: Launch


@dataclass(frozen=True)
class _Note(_LaunchEvent):
    #: For the user.
    text: str


@dataclass(frozen=True)
class Accepted(_LaunchEvent):
    """AWS has accepted an ECS task for the launch."""

    arn: str
    #: Seconds since the scheduler handed the launch over; None for an adopted ECS task.
    waited: float | None = None
    #: Which attempt of the launch it is, from 1 on; 0 for an adopted ECS task.
    attempt: int = 0
    #: Name or ARN of its cluster.
    cluster: str = ""
    #: The ARN of its task definition; empty if AWS does not say it.
    definition: str = ""
    #: The name of its main container.
    container: str = ""


@dataclass(frozen=True)
class Ended(_LaunchEvent):
    """The launch has ended; ``reason`` says why it failed and is None where it succeeded."""

    reason: str | None
    arn: str | None = None
    #: Seconds from the end of the ECS task, by AWS's clock, to this event, by the scheduler's; None without
    #: an ECS task.
    seen_after: float | None = None


class Abandoned(_Note):
    """Airflow no longer wants the launch; the text says why, and what becomes of its ECS task."""


class Unconfirmed(_LaunchEvent):
    """The launch is sent only after the database has confirmed that Airflow still wants it."""


class Noted(_Note):
    """A note on a launch that goes on."""


class Started(Noted):
    """The note that the ECS task of a launch has started."""


class Waiting(_Note):
    """What a launch waits for that has not started for long."""


class Revoked(Waiting):
    """
    The same, at the moment at which Airflow revokes the launch.

    The note is written although the launch is no longer the current one.
    """


class LogLines(_Note):
    """The last log lines of a launch that failed; they come after its end."""


@dataclass(frozen=True)
class Measured(_LaunchEvent):
    """
    What an ECS task took that has ended; it comes after the end of its launch, if that is over.

    It is emitted for abandoned launches, too: AWS bills their ECS tasks.
    """

    took: Took
    #: None where AWS bills no ECS task, or does not say enough.
    billed: Billed | None
    #: For the user; empty if nothing is known, or another ECS task is launched.
    text: str


class NotAdopted(_LaunchEvent):
    """
    A task instance that was kept during adoption is not adopted, and Airflow has to ask again.

    It has no ECS task, AWS refused to say, or its ECS task is another database's.
    """


@dataclass(frozen=True)
class OtherEcsTask:
    """An ECS task of the deployment that belongs to no launch of this fleet."""

    identity: Identity
    arn: str
    cluster: str
    #: Whether it is known to have started.
    started: bool


@dataclass(frozen=True)
class OtherEcsTasks:
    """ECS tasks that belong to no launch of this fleet; the database tells which of them are orphaned."""

    ecs_tasks: tuple[OtherEcsTask, ...]


#: What the fleet sends to the executor.
Event: TypeAlias = (
    "Accepted | Ended | Abandoned | Unconfirmed | Noted | Waiting | LogLines | Measured | NotAdopted | "
    "OtherEcsTasks"
)


@dataclass
class Counters:
    """
    Counters since the fleet began, and one gauge; only its thread writes, any thread may read.

    The scheduler's thread makes Airflow's metrics of it: the fleet knows nothing of Airflow.
    """

    #: ECS tasks of launches: accepted by RunTask, found by a search, or adopted.
    launches: int = 0
    #: Calls of any kind that AWS throttled.
    throttles: int = 0
    #: DescribeTasks calls made.
    describe_calls: int = 0
    #: Items of AWS's answers that were dropped because they were malformed.
    malformed: int = 0
    #: How often the fleet went on after a bug.
    fleet_restarts: int = 0
    #: A gauge: ECS tasks that are followed at the moment. The metric has its name.
    live_containers: int = 0
