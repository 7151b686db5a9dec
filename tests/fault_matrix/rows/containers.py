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
"""ECS tasks that are ended from outside, and sidecars."""

from __future__ import annotations

from tools.simulator.ecs.lifecycle import OUT_OF_MEMORY

from tests.fault_matrix.row import ATTEMPTS, OPERATOR, Expected, Row, Step

EXIT_CODE_DECIDES = (
    "The task has failed, with AWS's reason. The executor does not launch it again: Airflow's retries decide."
)
SIDECARS = "The exit code of the main container decides, as soon as that has ended."

ROWS = (
    Row(
        "spot-before-start",
        "For a minute Spot interrupts 80 % of the ECS tasks before they have started, or has no capacity",
        "They are launched again when there is capacity. This uses up no attempt.",
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
        "Spot interrupts 20 % of the running ECS tasks",
        EXIT_CODE_DECIDES,
        settings={
            "faults": [{"kind": "spot_interruption", "probability": 0.2, "after": [1, 8], "warning": 120}]
        },
        # The fallback is only for ECS tasks that have not started.
        options={"capacity_provider_strategy": "FARGATE_SPOT", "capacity_provider_fallback": "FARGATE"},
    ),
    Row(
        "maintenance",
        "AWS stops 20 % of the running ECS tasks for maintenance of their hosts",
        EXIT_CODE_DECIDES,
        settings={"faults": [{"kind": "maintenance", "probability": 0.2, "after": [1, 8]}]},
    ),
    Row(
        "out-of-memory",
        "20 % of the ECS tasks run out of memory",
        EXIT_CODE_DECIDES,
        settings={"faults": [{"kind": "out_of_memory", "probability": 0.2, "after": [1, 8]}]},
    ),
    Row(
        "out-of-memory-exit-0",
        "A process of the task runs out of memory, and the main container exits 0, as from Airflow 3.0 on",
        "The launch has finished, and Airflow knows how its task ended. An event of the task instance has AWS's reason.",
        Expected(note=("ran out of memory",)),
        settings={
            "pretend": {"duration": [5, 20], "exit_codes": "0"},
            "faults": [
                {
                    "kind": "edit",
                    "operation": "DescribeTasks",
                    "edits": {"tasks[].containers[].reason": OUT_OF_MEMORY},
                }
            ],
        },
    ),
    Row(
        "stopped-outside",
        "Somebody stops a fifth of the running ECS tasks",
        EXIT_CODE_DECIDES,
        # Long enough that many run when some are stopped.
        settings={"pretend": {"duration": [60, 90], "exit_codes": {"0": 4, "3": 1}}},
        steps=(Step(20, act="stop_some", running=5),),
        seconds=180,
    ),
    Row(
        "stopped-before-start",
        "Somebody stops a fifth of the ECS tasks that have not started yet",
        "The launch has failed, with the reason that was given at the stop. It is not launched again, since "
        "the stop was meant for the launch.",
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
        "The launch has failed and is not launched again. The reason names the command.",
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
        "AWS stops 20 % of the ECS tasks for maintenance of their hosts before they have started",
        f"They are launched again. Each launch has at most {ATTEMPTS} attempts.",
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
        "An essential sidecar exits 1 while the task runs, and AWS stops the ECS task",
        "The exit code of the main container decides, and the reason names the exit code of the sidecar.",
        Expected(reason="Exit codes of the other containers: sidecar"),
        sidecars={"sidecar": "exit 1"},
        essential=True,
    ),
    Row(
        "sidecar-late",
        "A sidecar exits 1 after the task has ended",
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
