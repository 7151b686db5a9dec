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
"""AWS wants fewer calls."""

from __future__ import annotations

from typing import Any

from fault_matrix.row import Expected, Row, Step
from fault_matrix.rows.credentials import KILLED

QUIET: dict[str, Any] = {"faults": []}
#: The longest that a launch waits for its turn once AWS admits calls again.
RESUMED = 30.0
#: What Airflow takes back early may have had a container or none; nothing of it goes on.
TAKEN_BACK = Expected(ran=(0, 1), containers=(0, 1))
# https://github.com/aws/containers-roadmap: what ECS tells where EC2 throttles it.
WRAPPED = (
    "Error retrieving security group information for [sg-0123456789abcdef0]: "
    "Request limit exceeded. (ErrorCode: RequestLimitExceeded)"
)


def _throttled(operation: str) -> dict[str, Any]:
    return {"faults": [{"kind": "throttle", "operation": operation}]}


ROWS = (
    Row(
        "throttled-run",
        "RunTask is throttled for two minutes",
        "Launches wait, at the cost of no attempt, and all of them slow down together.",
        Expected(resumed=RESUMED, none_before=True),
        settings=_throttled("RunTask"),
        steps=(Step(120, QUIET),),
        seconds=240,
    ),
    Row(
        "throttled-describe",
        "DescribeTasks is throttled for two minutes",
        "Each container is as it was last seen; looks slow down.",
        settings=_throttled("DescribeTasks"),
        steps=(Step(120, QUIET),),
        seconds=240,
    ),
    Row(
        "throttled-stop",
        "StopTask is throttled for two minutes, while Airflow takes tasks back",
        "It is asked again until the containers are stopped.",
        TAKEN_BACK,
        settings=_throttled("StopTask") | {"pretend": {"duration": 400}},
        steps=(Step(15, act="revoke"), Step(120, QUIET)),
        seconds=240,
    ),
    Row(
        "throttled-list",
        "No answer to RunTask arrives, Airflow takes the tasks back, and ListTasks is throttled",
        "The containers that AWS accepted nevertheless are searched for until they are found, and stopped.",
        TAKEN_BACK,
        settings={
            "faults": [
                {"kind": "response_lost", "operation": "RunTask"},
                {"kind": "throttle", "operation": "ListTasks"},
            ],
            "pretend": {"duration": 600},
        },
        steps=(Step(15, act="revoke"), Step(60, QUIET)),
        seconds=300,
    ),
    Row(
        "throttled-all",
        "Every call is throttled for two minutes",
        "Launches and looks wait and slow down; no attempt is used up.",
        Expected(resumed=RESUMED, none_before=True),
        settings=_throttled("*"),
        steps=(Step(120, QUIET),),
        seconds=240,
    ),
    Row(
        "throttled-revoked",
        "RunTask is throttled until Airflow's queued timeout takes the tasks back",
        "Nothing is launched after that, and nothing is left behind.",
        Expected(ran=(0,), containers=(0,)),
        settings=_throttled("RunTask"),
        # A call that was under way when Airflow took the task back is answered before AWS admits calls.
        steps=(Step(60, act="revoke"), Step(80, QUIET, settled=True)),
        seconds=180,
    ),
    Row(
        "throttled-adoption",
        "SIGKILL of the scheduler while it launches, and ListTasks is throttled for two minutes as the next one adopts",
        "Nothing is launched anew before AWS has told what has a container; then only what has none.",
        settings=_throttled("ListTasks") | {"pretend": KILLED},
        steps=(Step(120, QUIET),),
        procedure="killed",
        long=True,
        seconds=300,
    ),
    Row(
        "adoption-many-stopped",
        "SIGKILL of the scheduler while it launches; 3,000 ECS tasks have stopped, and an answer takes 150 ms",
        "What has none is given back at the second look of the next scheduler at the latest.",
        settings={"latency": {"*": 0.15}, "pretend": KILLED},
        stopped=3000,
        procedure="checked_twice",
        seconds=300,
        long=True,
    ),
    Row(
        "adoption-throttled",
        "The same with 12,000, and 2 % of the calls are throttled",
        "What runs is followed as each answer comes; what was refused is asked again, and nothing is asked twice.",
        settings={
            "latency": {"*": 0.15},
            "pretend": {"duration": [200, 250], "exit_codes": {"0": 4, "3": 1}},
            "faults": [{"kind": "throttle", "probability": 0.02}],
        },
        stopped=12_000,
        procedure="checked_twice",
        long=True,
        seconds=420,
    ),
    Row(
        "throttled-by-ec2",
        "For a minute RunTask fails since EC2 throttles ECS, told as InvalidParameterException",
        "It is taken for what passes: each launch tries again, at the cost of no attempt.",
        Expected(resumed=RESUMED, none_before=True),
        settings={
            "faults": [
                {
                    "kind": "error",
                    "operation": "RunTask",
                    "code": "InvalidParameterException",
                    "message": WRAPPED,
                    "status": 400,
                }
            ]
        },
        steps=(Step(60, QUIET),),
        seconds=180,
    ),
)
