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
"""AWS throttles calls."""

from __future__ import annotations

from typing import Any

from tests.fault_matrix.row import Expected, Row, Step
from tests.fault_matrix.rows.credentials import KILLED

NO_FAULTS: dict[str, Any] = {"faults": []}
#: The longest time, in seconds, that a launch waits after AWS admits calls again.
RESUMED = 30.0
#: What Airflow revokes early may or may not have an ECS task. None runs on.
TAKEN_BACK = Expected(ran=(0, 1), containers=(0, 1))
# https://github.com/aws/containers-roadmap: what ECS says when EC2 throttles it.
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
        "Launches wait, and all of them slow down together. This uses up no attempt.",
        Expected(resumed=RESUMED, none_before=True),
        settings=_throttled("RunTask"),
        steps=(Step(120, NO_FAULTS),),
        seconds=240,
    ),
    Row(
        "throttled-describe",
        "DescribeTasks is throttled for two minutes",
        "Each ECS task keeps its last known state. DescribeTasks calls slow down.",
        settings=_throttled("DescribeTasks"),
        steps=(Step(120, NO_FAULTS),),
        seconds=240,
    ),
    Row(
        "throttled-stop",
        "StopTask is throttled for two minutes, while Airflow revokes task instances",
        "StopTask is repeated until the ECS tasks are stopped.",
        TAKEN_BACK,
        settings=_throttled("StopTask") | {"pretend": {"duration": 400}},
        steps=(Step(15, act="revoke"), Step(120, NO_FAULTS)),
        seconds=240,
    ),
    Row(
        "throttled-list",
        "No answer to RunTask arrives, Airflow revokes the task instances, and ListTasks is throttled",
        "ECS tasks that may have started are searched for until they are found, and then stopped.",
        TAKEN_BACK,
        settings={
            "faults": [
                {"kind": "response_lost", "operation": "RunTask"},
                {"kind": "throttle", "operation": "ListTasks"},
            ],
            "pretend": {"duration": 600},
        },
        steps=(Step(15, act="revoke"), Step(60, NO_FAULTS)),
        seconds=300,
    ),
    Row(
        "throttled-all",
        "Every call is throttled for two minutes",
        "All calls wait and slow down. This uses up no attempt.",
        Expected(resumed=RESUMED, none_before=True),
        settings=_throttled("*"),
        steps=(Step(120, NO_FAULTS),),
        seconds=240,
    ),
    Row(
        "throttled-revoked",
        "RunTask is throttled until Airflow's queued timeout ends the launches",
        "Nothing is launched after that, and no ECS task is left over.",
        Expected(ran=(0,), containers=(0,)),
        settings=_throttled("RunTask"),
        # A call that was under way when Airflow revoked the task instance is answered before AWS admits
        # calls.
        steps=(Step(60, act="revoke"), Step(80, NO_FAULTS, settled=True)),
        seconds=180,
    ),
    Row(
        "throttled-adoption",
        "SIGKILL of the scheduler while it launches; ListTasks is throttled for two minutes while the next "
        "one adopts",
        "Nothing is launched again before AWS has said which launches have an ECS task; then only those "
        "without one.",
        settings=_throttled("ListTasks") | {"pretend": KILLED},
        steps=(Step(120, NO_FAULTS),),
        procedure="killed",
        long=True,
        seconds=300,
    ),
    Row(
        "adoption-many-stopped",
        "SIGKILL of the scheduler while it launches; there are 3,000 stopped ECS tasks, and an answer takes "
        "150 ms",
        "Launches without an ECS task are given back when the next scheduler checks for the second time, at "
        "the latest.",
        settings={"latency": {"*": 0.15}, "pretend": KILLED},
        stopped=3000,
        procedure="checked_twice",
        seconds=300,
        long=True,
    ),
    Row(
        "adoption-throttled",
        "The same with 12,000 stopped ECS tasks, and 2 % of the calls are throttled",
        "Running ECS tasks are followed with each answer. Refused calls are repeated; answered ones are not.",
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
        "For a minute EC2 throttles ECS, and RunTask fails with an InvalidParameterException",
        "The error is classified as temporary, and each launch is repeated. This uses up no attempt.",
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
        steps=(Step(60, NO_FAULTS),),
        seconds=180,
    ),
)
