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
"""Answers that are lost, late, garbled, or do not say what they always say."""

from __future__ import annotations

from typing import Any

from fault_matrix.row import FAILED, Expected, Row, Step

#: Nobody can tell how such a container ended: that is a failure, and no reason to launch it again.
NO_EXIT_CODE = Expected(FAILED, "ended without an exit code")
QUIET: dict[str, Any] = {"faults": []}


def _edit(operation: str, probability: float = 1.0, **edits: Any) -> dict[str, Any]:
    paths = {path.replace("__", "[].").strip("."): value for path, value in edits.items()}
    return {"kind": "edit", "operation": operation, "probability": probability, "edits": paths}


def _surely(*faults: dict[str, Any]) -> dict[str, Any]:
    """Return settings in which each fault strikes once for certain, and then with its probability."""
    return {"faults": [{**fault, "probability": 1.0, "times": 1} for fault in faults] + list(faults)}


SAME_TOKEN = (
    "The same request goes out again with the same token, so AWS answers with the container that it has."
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
        "For a minute no answer of AWS arrives",
        "Launches and looks are repeated until there are answers; containers that ran meanwhile count.",
        Expected(resumed=0.0),
        settings={"faults": [{"kind": "response_lost"}]},
        steps=(Step(60, QUIET),),
        seconds=180,
    ),
    Row(
        "resets",
        "20 % of all calls are reset before AWS has read them",
        "They are made again.",
        settings={"faults": [{"kind": "reset", "probability": 0.2}]},
    ),
    Row(
        "server-errors",
        "20 % of all calls end with HTTP 500 or 503",
        "They are made again, launches with the same token.",
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
        SAME_TOKEN + " Nobody waits for it but a thread of the executor's own.",
        settings=_surely(
            {"kind": "slow", "operation": "RunTask", "probability": 0.2, "after": 15},
            {"kind": "slow", "operation": "DescribeTasks", "probability": 0.1, "after": 15},
        ),
        seconds=240,
    ),
    Row(
        "garbage",
        "30 % of all answers are no JSON",
        "They count for no answer.",
        settings={"faults": [{"kind": "garbage", "probability": 0.3}]},
    ),
    Row(
        "empty-bodies",
        "30 % of all answers are empty",
        "They count for no answer.",
        settings={"faults": [{"kind": "empty", "probability": 0.3}]},
    ),
    Row(
        "nothing-told",
        "Answers with neither tasks nor failures",
        "RunTask is in doubt and sent again with the same token; a look that tells nothing ends nothing.",
        settings=_surely(
            _edit("RunTask", 0.5, tasks=[], failures=[]),
            _edit("DescribeTasks", 0.3, tasks=[], failures=[]),
        ),
    ),
    Row(
        "no-arn",
        "Answers in which tasks have no ARN",
        "They count for no answer.",
        settings=_surely(
            _edit("RunTask", 0.3, tasks__taskArn=None),
            _edit("DescribeTasks", 0.3, tasks__taskArn=None),
        ),
    ),
    Row(
        "no-containers",
        "DescribeTasks tells of tasks without containers",
        "A task that stopped so has failed, with its reason; it is not launched again, since it ran.",
        NO_EXIT_CODE,
        settings={"faults": [_edit("DescribeTasks", tasks__containers=None)]},
    ),
    Row(
        "no-exit-code",
        "AWS leaves out the exit code",
        "The task has failed, with its reason; it never counts for running or for success.",
        NO_EXIT_CODE,
        settings={"faults": [_edit("DescribeTasks", tasks__containers__exitCode=None)]},
    ),
    Row(
        "no-name",
        "AWS leaves out the containers' names",
        "Nobody can tell whose exit code it is: the task has failed.",
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
        "For a minute tasks and containers are in states that nobody knows",
        "They are followed until they are in one that ends.",
        settings={
            "faults": [
                _edit(
                    "DescribeTasks", tasks__lastStatus="IMAGINING", tasks__containers__lastStatus="DREAMING"
                )
            ]
        },
        steps=(Step(60, QUIET),),
        seconds=180,
    ),
    Row(
        "unknown-stop-codes",
        "Stop codes that nobody knows",
        "The exit code decides.",
        settings={"faults": [_edit("DescribeTasks", tasks__stopCode="MovedToTheMoon")]},
    ),
    Row(
        "missing-at-first",
        "DescribeTasks says MISSING for the first ten seconds",
        "AWS is eventually consistent: it is given five minutes to know a container that it accepted.",
        settings={"missing_for": 10},
    ),
    Row(
        "missing-revoked",
        "Airflow takes tasks back while AWS does not know their containers yet: MISSING, and not found by StopTask",
        "They are stopped as soon as AWS knows them.",
        Expected(ran=(0, 1), containers=(0, 1)),
        settings={"missing_for": 30, "pretend": {"duration": 400}},
        steps=(Step(12, act="revoke"),),
    ),
    Row(
        "missing-for-ever",
        "DescribeTasks never knows the container",
        "After five minutes the task has failed, with its reason.",
        Expected(FAILED, "has never come to know", ran=(0,)),
        settings={"faults": [{"kind": "missing"}]},
        seconds=420,
    ),
    Row(
        "vanished",
        "A container that ran is MISSING before its end was told",
        "After a minute the task has failed, with its reason; it is not launched again, since it ran.",
        Expected(FAILED, "no longer knows"),
        # Long enough that each is seen while it runs.
        settings={"stopped_retention": 0, "pretend": {"duration": [80, 120], "exit_codes": {"0": 4, "3": 1}}},
        seconds=240,
    ),
)
