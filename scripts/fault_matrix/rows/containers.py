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
"""Containers that somebody ends, and sidecars."""

from __future__ import annotations

from fault_matrix.row import ATTEMPTS, OPERATOR, Expected, Row, Step

EXIT_CODE_DECIDES = (
    "The task has failed, with AWS's reason; it is not launched again: Airflow's retries decide."
)
SIDECARS = "The exit code of the task's own container decides, as soon as it has ended."

ROWS = (
    Row(
        "spot-before-start",
        "For a minute Spot takes back 80 % of the containers before they have started, or has no capacity",
        "They are launched again when there is capacity, at the cost of no attempt.",
        Expected(failed_starts=(0, None)),
        settings={
            "faults": [
                {
                    "kind": "start_failure",
                    "stop_code": "SpotInterruption",
                    "reason": "Your Spot Task was interrupted.",
                    "probability": 0.8,
                }
            ]
        },
        steps=(Step(60, {"faults": []}),),
        seconds=240,
    ),
    Row(
        "spot-after-start",
        "Spot takes back 20 % of the containers that run",
        EXIT_CODE_DECIDES,
        settings={
            "faults": [{"kind": "spot_interruption", "probability": 0.2, "after": [1, 8], "warning": 120}]
        },
        # A fallback is for what has not started.
        options={"capacity_provider_strategy": "FARGATE_SPOT", "capacity_provider_fallback": "FARGATE"},
    ),
    Row(
        "maintenance",
        "AWS maintains the hosts of 20 % of the containers",
        EXIT_CODE_DECIDES,
        settings={"faults": [{"kind": "maintenance", "probability": 0.2, "after": [1, 8]}]},
    ),
    Row(
        "out-of-memory",
        "20 % of the containers run out of memory",
        EXIT_CODE_DECIDES,
        settings={"faults": [{"kind": "out_of_memory", "probability": 0.2, "after": [1, 8]}]},
    ),
    Row(
        "stopped-outside",
        "Somebody stops a fifth of the containers that run",
        EXIT_CODE_DECIDES,
        # Long enough that many run when some are stopped.
        settings={"pretend": {"duration": [60, 90], "exit_codes": {"0": 4, "3": 1}}},
        steps=(Step(20, act="stop_some", running=5),),
        seconds=180,
    ),
    Row(
        "stopped-before-start",
        "Somebody stops a fifth of the containers that have not started yet",
        "Who stops one means the launch: it has failed, with what was said, and is not launched again.",
        Expected(stopped=OPERATOR),
        settings={"provisioning_time": [60, 80]},
        steps=(
            Step(15, {"provisioning_time": [2, 6]}),
            Step(15, act="stop_starting", starting=5),
        ),
        seconds=180,
    ),
    Row(
        "fargate-stop-before-start",
        "airflow fargate stop stops a fifth of the ECS tasks that have not started yet",
        "The same; the reason names the command.",
        Expected(stopped="airflow fargate stop"),
        settings={"provisioning_time": [60, 80]},
        steps=(
            Step(15, {"provisioning_time": [2, 6]}),
            Step(15, act="stop_starting_by_command", starting=5),
        ),
        seconds=180,
    ),
    Row(
        "maintenance-before-start",
        "AWS maintains the hosts of 20 % of the containers before they have started",
        f"They are launched again, at most {ATTEMPTS} times in all.",
        Expected(ran=(0, 1), containers=(0, 1), failed_starts=(0, ATTEMPTS)),
        settings={
            "faults": [
                {
                    "kind": "start_failure",
                    "stop_code": "ServiceSchedulerInitiated",
                    "reason": "ECS is performing maintenance on the underlying infrastructure hosting the task",
                    "probability": 0.2,
                }
            ]
        },
        seconds=180,
    ),
    Row(
        "sidecar-early",
        "A sidecar exits 1 while the task runs",
        SIDECARS,
        sidecars={"sidecar": "exit 1"},
    ),
    Row(
        "sidecar-essential",
        "A sidecar that is essential exits 1 while the task runs, and AWS stops the task",
        "The exit code of the task's own container decides, and the reason names the sidecar's.",
        Expected(reason="Exit codes of the other containers: sidecar"),
        sidecars={"sidecar": "exit 1"},
        essential=True,
    ),
    Row(
        "sidecar-late",
        "A sidecar exits 1 once the task has ended",
        SIDECARS,
        sidecars={"sidecar": "trap 'exit 1' TERM; sleep 3600 & wait"},
    ),
    Row(
        "sidecar-never",
        "A sidecar does not end by itself, and is killed",
        SIDECARS,
        sidecars={"sidecar": "trap '' TERM; exec sleep 3600"},
    ),
)
