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
"""Answers that are lost, late or garbled, or that lack what AWS normally sends."""

from __future__ import annotations

from typing import Any

from tests.fault_matrix.row import FAILED, Expected, Row, Step

#: How such an ECS task ended is not known: the task has failed, and is not launched again.
NO_EXIT_CODE = Expected(FAILED, "ended without an exit code")
NO_FAULTS: dict[str, Any] = {"faults": []}


def _edit(operation: str, probability: float = 1.0, **edits: Any) -> dict[str, Any]:
    paths = {path.replace("__", "[].").strip("."): value for path, value in edits.items()}
    return {"kind": "edit", "operation": operation, "probability": probability, "edits": paths}


def _surely(*faults: dict[str, Any]) -> dict[str, Any]:
    """Return settings in which each fault occurs once for certain, and after that with its probability."""
    return {"faults": [{**fault, "probability": 1.0, "times": 1} for fault in faults] + list(faults)}


SAME_TOKEN = (
    "The same request is sent again with the same clientToken. AWS answers with the ECS task that it has "
    "started."
)

ROWS = (
    Row(
        "lost-10",
        "10 % of the answers to RunTask are lost",
        SAME_TOKEN,
        settings=_surely({"kind": "response_lost", "operation": "RunTask", "probability": 0.1}),
    ),
    Row(
        "lost-50",
        "50 % of the answers to RunTask are lost",
        SAME_TOKEN,
        settings={"faults": [{"kind": "response_lost", "operation": "RunTask", "probability": 0.5}]},
    ),
    Row(
        "lost-minute",
        "For a minute no answer from AWS arrives",
        "Calls are repeated until AWS answers. ECS tasks that ran in the meantime are reported with their "
        "ends.",
        Expected(resumed=0.0),
        settings={"faults": [{"kind": "response_lost"}]},
        steps=(Step(60, NO_FAULTS),),
        seconds=180,
    ),
    Row(
        "resets",
        "20 % of all calls are reset before AWS has read them",
        "The calls are repeated.",
        settings={"faults": [{"kind": "reset", "probability": 0.2}]},
    ),
    Row(
        "server-errors",
        "20 % of all calls end with HTTP 500 or 503",
        "The calls are repeated, RunTask with the same clientToken.",
        settings={
            "faults": [
                {"kind": "server_error", "status": 500, "probability": 0.1},
                {"kind": "server_error", "status": 503, "probability": 0.11},
            ]
        },
    ),
    Row(
        "timeouts",
        "A fifth of RunTask and a tenth of DescribeTasks take longer than the timeout",
        SAME_TOKEN + " Only a thread of the executor waits for the answer.",
        settings=_surely(
            {"kind": "slow", "operation": "RunTask", "probability": 0.2, "after": 15},
            {"kind": "slow", "operation": "DescribeTasks", "probability": 0.1, "after": 15},
        ),
        seconds=240,
    ),
    Row(
        "garbage",
        "30 % of all answers are not JSON",
        "They are treated as lost answers.",
        settings={"faults": [{"kind": "garbage", "probability": 0.3}]},
    ),
    Row(
        "empty-bodies",
        "30 % of all answers are empty",
        "They are treated as lost answers.",
        settings={"faults": [{"kind": "empty", "probability": 0.3}]},
    ),
    Row(
        "empty-answers",
        "Answers contain neither tasks nor failures",
        "RunTask may have started an ECS task, so it is sent again with the same clientToken. "
        "An empty answer to DescribeTasks changes nothing.",
        settings=_surely(
            _edit("RunTask", 0.5, tasks=[], failures=[]),
            _edit("DescribeTasks", 0.3, tasks=[], failures=[]),
        ),
    ),
    Row(
        "no-arn",
        "In some answers the ECS tasks have no ARN",
        "They are treated as lost answers.",
        settings=_surely(
            _edit("RunTask", 0.3, tasks__taskArn=None),
            _edit("DescribeTasks", 0.3, tasks__taskArn=None),
        ),
    ),
    Row(
        "no-containers",
        "DescribeTasks returns ECS tasks without containers",
        "The task has failed, with the reason. It is not launched again, since its ECS task ran.",
        NO_EXIT_CODE,
        settings={"faults": [_edit("DescribeTasks", tasks__containers=None)]},
    ),
    Row(
        "no-exit-code",
        "AWS leaves out the exit code",
        "The task has failed, with the reason. It is treated neither as running nor as successful.",
        NO_EXIT_CODE,
        settings={"faults": [_edit("DescribeTasks", tasks__containers__exitCode=None)]},
    ),
    Row(
        "no-name",
        "AWS leaves out the containers' names",
        "It is not known which container an exit code belongs to: the task has failed.",
        NO_EXIT_CODE,
        settings={"faults": [_edit("DescribeTasks", tasks__containers__name=None)]},
    ),
    Row(
        "no-reason",
        "AWS leaves out stop codes, reasons and the containers' ARNs",
        "The exit code decides.",
        settings={
            "faults": [
                _edit(
                    "DescribeTasks",
                    tasks__stopCode=None,
                    tasks__stoppedReason=None,
                    tasks__containers__reason=None,
                    tasks__containers__containerArn=None,
                )
            ]
        },
    ),
    Row(
        "unknown-states",
        "For a minute ECS tasks and containers are in unknown states",
        "They are followed until they have stopped.",
        settings={
            "faults": [
                _edit(
                    "DescribeTasks", tasks__lastStatus="IMAGINING", tasks__containers__lastStatus="DREAMING"
                )
            ]
        },
        steps=(Step(60, NO_FAULTS),),
        seconds=180,
    ),
    Row(
        "unknown-stop-codes",
        "The stop codes are unknown",
        "The exit code decides.",
        settings={"faults": [_edit("DescribeTasks", tasks__stopCode="MovedToTheMoon")]},
    ),
    Row(
        "missing-at-first",
        "DescribeTasks says MISSING for the first ten seconds",
        "AWS is eventually consistent: an accepted ECS task may be MISSING for up to five minutes.",
        settings={"missing_for": 10},
    ),
    Row(
        "missing-revoked",
        "Airflow revokes task instances while DescribeTasks says MISSING for their ECS tasks and StopTask "
        "does not find them",
        "The ECS tasks are stopped as soon as AWS finds them.",
        Expected(ran=(0, 1), containers=(0, 1)),
        settings={"missing_for": 30, "pretend": {"duration": 400}},
        steps=(Step(12, act="revoke"),),
    ),
    Row(
        "missing-for-ever",
        "DescribeTasks never finds the ECS task",
        "After five minutes the task has failed, with the reason.",
        Expected(FAILED, "has never come to know", ran=(0,)),
        settings={"faults": [{"kind": "missing"}]},
        seconds=420,
    ),
    Row(
        "vanished",
        "An ECS task that ran is MISSING before its end was reported",
        "After a minute the task has failed, with the reason. It is not launched again, since its ECS task "
        "ran.",
        Expected(FAILED, "no longer knows"),
        # Long enough that each is seen while it runs.
        settings={"stopped_retention": 0, "pretend": {"duration": [80, 120], "exit_codes": {"0": 4, "3": 1}}},
        seconds=240,
    ),
)
