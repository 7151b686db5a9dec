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
"""What a measurement saw: handed from the executor's process to the one that does the arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

#: Operation, then result (``ok`` or an error's code): how often.
Calls = Mapping[str, Mapping[str, int]]


class Beat(NamedTuple):
    """One ``heartbeat()``."""

    #: Seconds since the epoch.
    at: float
    #: Seconds that it took.
    took: float
    #: How many workloads were queued for it.
    handed_over: int


@dataclass(frozen=True)
class Task:
    """A task that the local Fargate started; times in seconds since the epoch."""

    arn: str
    task_id: str
    accepted: float
    #: When its end, with the exit code, was there to be read; None while it runs.
    ended: float | None


@dataclass
class Seen:
    """What a procedure saw. Times are seconds since the epoch, durations seconds."""

    began: float = 0.0
    beats: list[Beat] = field(default_factory=list)
    #: When each end was told, by task id.
    told: dict[str, float] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    calls: Calls = field(default_factory=dict)
    #: The part that is measured, where that is not all of it, and the processor time used in it.
    window: float = 0.0
    processor: float = 0.0
    storm_ended: float = 0.0
    #: Figures that need no arithmetic.
    figures: dict[str, float] = field(default_factory=dict)
    finished: bool = True


def refused(calls: Calls, operation: str) -> int:
    """Return how many calls of an operation were throttled."""
    return calls.get(operation, {}).get("ThrottlingException", 0)


def made(calls: Calls, *operations: str) -> int:
    """Return how many calls of some operations came, whatever became of them; of all without a name."""
    return sum(sum(calls.get(operation, {}).values()) for operation in operations or calls)
