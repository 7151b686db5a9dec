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
"""What an answer of AWS's means for a launch, and why: the words in which all parts speak of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What to do next about a call or an ECS task."""

    #: RunTask has accepted an ECS task.
    ACCEPTED = "accepted"
    #: The ECS task is on its way up, runs, or has not been seen to end.
    LIVE = "live"
    #: The main container ended with exit code 0.
    FINISHED = "finished"
    #: The launch is over, and failed; only Airflow's own retries may start another.
    FAILED = "failed"
    #: Nothing was started, for a reason that a further attempt may not meet; it uses up an attempt.
    LAUNCH_AGAIN = "launch again"
    #: Nothing was started, since there is no capacity; try later or elsewhere, which uses up no attempt.
    NO_CAPACITY = "no capacity"
    #: Nothing was started, for a reason that passes within two minutes; try later, which uses up no attempt.
    AWAY = "away for a while"
    #: AWS wants fewer calls; nothing was done; try later, which uses up no attempt.
    THROTTLED = "throttled"
    #: There are no credentials that AWS accepts, nothing was done; try later with new ones.
    CREDENTIALS = "credentials"
    #: Nobody knows whether the call was carried out: say the very same again.
    UNKNOWN = "in doubt"
    #: DescribeTasks does not know the ECS task.
    MISSING = "missing"


@dataclass(frozen=True)
class Outcome:
    """A verdict, and the reason in words for whoever has to understand it."""

    verdict: Verdict
    reason: str = ""
    arn: str | None = None
    #: Whether the main container is known to have started: then its end is the end of the launch.
    started: bool = False
    #: When the main container ended, seconds since the epoch by AWS's clock; None where AWS does not say.
    ended_at: float | None = None
    #: The ARN of the task definition of an ECS task that started and failed, which tells where its log is.
    task_definition: str | None = None
    #: What AWS said beside exit code 0, explained; empty where it said nothing.
    note: str = ""
