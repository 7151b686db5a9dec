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
"""Containers that cannot start, for lack of capacity or for another reason."""

from __future__ import annotations

from typing import Any

from fault_matrix.row import ATTEMPTS, FAILED, Expected, Row, Step

QUIET: dict[str, Any] = {"faults": []}
#: The longest pause between two tries; and with it the time until a container that was accepted is seen to have failed.
RESUMED = 30.0
RESUMED_LATE = 45.0
NEVER_LAUNCHED = Expected(ran=(0,), containers=(0,))
WAITS = "Launches wait, at the cost of no attempt, until there is capacity or Airflow's queued timeout takes them back."

#: Spot, with on-demand capacity to fall back on.
WITH_FALLBACK = {"capacity_provider_strategy": "FARGATE_SPOT", "capacity_provider_fallback": "FARGATE"}
SPOT: dict[str, Any] = {"capacity_provider": "FARGATE_SPOT"}

#: What those ask for that come later, of which there is enough.
ON_DEMAND = {"capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]}
#: Seconds: a fifth of the launches, at the three quarters of the rate that probes leave, and two more.
OVERTAKING = 0.2 / (0.75 * 0.02) + 2.0
#: Four of five wait for Spot, each for some 20 s between two tries: each by itself they would use up the rate.
WAITING: dict[str, Any] = {
    "options": {"capacity_provider_strategy": "FARGATE_SPOT", "launch_burst": "3"},
    "launches_a_second": 0.02,
    "later_config": ON_DEMAND,
    "procedure": "overtaking",
    "seconds": 300.0,
}
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
NO_ADDRESSES = (
    "Unexpected EC2 error while attempting to Create Network Interface with public IP assignment enabled in subnet "
    "'subnet-0123456789abcdef0': InsufficientFreeAddressesInSubnet"
)
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html
TAKEN_BACK = "Your Spot Task was interrupted."

ROWS = (
    Row(
        "others-first",
        "Spot has no capacity for two minutes, and launches come meanwhile that ask for on-demand capacity",
        "Those that come are accepted at once; those that wait cost few calls, and go when there is Spot.",
        Expected(overtaking=OVERTAKING),
        settings={"faults": [{"kind": "capacity", **SPOT}]},
        steps=(Step(120, QUIET),),
        **WAITING,
        alone=True,
    ),
    Row(
        "others-first-late",
        "The same, and Spot's lack shows only after the ECS tasks were accepted",
        "One at a time is tried for Spot; no other is launched before it has left PROVISIONING.",
        Expected(failed_starts=(0, None), overtaking=OVERTAKING),
        settings={"faults": [{"kind": "start_failure", "reason": "RESOURCE:CPU", **SPOT}]},
        steps=(Step(120, QUIET),),
        long=True,
        **WAITING,
    ),
    Row(
        "provisioning-limit",
        "For a minute too many ECS tasks of the cluster are PROVISIONING: a ClientException",
        WAITS,
        Expected(resumed=RESUMED, none_before=True),
        settings={
            "faults": [
                {
                    "kind": "error",
                    "operation": "RunTask",
                    "code": "ClientException",
                    "message": "Tasks provisioning capacity limit exceeded.",
                    "status": 400,
                }
            ]
        },
        steps=(Step(60, QUIET),),
        seconds=180,
    ),
    Row(
        "no-addresses",
        "For a minute the subnet has no free addresses: accepted ECS tasks get no network interface",
        WAITS + " The subnet is named.",
        Expected(failed_starts=(0, None), resumed=RESUMED_LATE),
        settings={"faults": [{"kind": "start_failure", "reason": NO_ADDRESSES}]},
        steps=(Step(60, QUIET),),
        seconds=180,
    ),
    Row(
        "agent",
        "RunTask answers with the failure AGENT for a minute",
        "The agent reconnects: it is tried for two minutes before a launch fails.",
        Expected(resumed=RESUMED, none_before=True),
        settings={"faults": [{"kind": "capacity", "reason": "AGENT"}]},
        steps=(Step(60, QUIET),),
        seconds=180,
    ),
    Row(
        "hanging-function",
        "The user's function by which requests are made does not return for 90 seconds",
        "The log and each launch's event log say so after a minute; launches go on when it returns.",
        Expected(resumed=RESUMED, none_before=True, note=("execution_config_function",)),
        options={"execution_config_function": "fault_matrix.user_function.hanging"},
        steps=(Step(90, act="let_function_return", noted=True),),
        seconds=240,
        alone=True,
    ),
    Row(
        "no-capacity",
        "Fargate has no capacity for a minute",
        WAITS,
        Expected(resumed=RESUMED, none_before=True),
        settings={"faults": [{"kind": "capacity"}]},
        steps=(Step(60, QUIET),),
        seconds=180,
    ),
    Row(
        "no-capacity-late",
        "For a minute containers are accepted and then find no capacity",
        WAITS,
        Expected(failed_starts=(0, None), resumed=RESUMED_LATE),
        settings={"faults": [{"kind": "start_failure", "reason": "RESOURCE:CPU"}]},
        steps=(Step(60, QUIET),),
        seconds=180,
    ),
    Row(
        "no-capacity-revoked",
        "Fargate has no capacity until Airflow's queued timeout takes the tasks back",
        "Nothing is launched after that, and nothing is left behind.",
        NEVER_LAUNCHED,
        settings={"faults": [{"kind": "capacity"}]},
        # A call that was under way when Airflow took the task back is answered before there is capacity.
        steps=(Step(60, act="revoke"), Step(80, QUIET, settled=True)),
        seconds=180,
    ),
    Row(
        "spot-no-capacity",
        "Spot has no capacity, and there is a fallback",
        "Launches go on with the fallback at once, at the cost of no attempt.",
        settings={"faults": [{"kind": "capacity", **SPOT}]},
        options=WITH_FALLBACK,
        seconds=120,
    ),
    Row(
        "spot-taken-back",
        "Spot takes containers back before they have started, and there is a fallback",
        "One container of Spot, and then one of the fallback, at the cost of no attempt.",
        Expected(failed_starts=(1, 1)),
        settings={"faults": [{"kind": "start_failure", "stop_code": "SpotInterruption", **SPOT}]},
        options=WITH_FALLBACK | {"max_launch_attempts": "1"},
        seconds=120,
    ),
    Row(
        "spot-taken-back-silently",
        "The same without a stop code",
        "One ECS task of Spot, and then one of the fallback, at the cost of no attempt.",
        Expected(failed_starts=(1, 1)),
        settings={"faults": [{"kind": "start_failure", "stop_code": "", "reason": TAKEN_BACK, **SPOT}]},
        options=WITH_FALLBACK | {"max_launch_attempts": "1"},
        seconds=120,
    ),
    Row(
        "fallback-no-capacity",
        "Neither Spot nor the fallback has capacity for a minute",
        WAITS,
        Expected(resumed=RESUMED, none_before=True),
        settings={"faults": [{"kind": "capacity"}]},
        steps=(Step(60, QUIET),),
        options=WITH_FALLBACK,
        seconds=180,
    ),
    Row(
        "fallback-refused",
        "Spot has no capacity for a minute, and the cluster lacks the fallback's capacity provider",
        "AWS refuses the fallback, which the event log says; launches wait for Spot.",
        Expected(resumed=RESUMED, none_before=True),
        settings={"faults": [{"kind": "capacity", **SPOT}]},
        steps=(Step(60, QUIET),),
        options=WITH_FALLBACK | {"capacity_provider_fallback": "no-such-provider"},
        seconds=180,
    ),
    Row(
        "vcpu-quota",
        "The account's quota of virtual CPUs is reached",
        "As many run as there is capacity for; the others wait, at the cost of no attempt.",
        quota=0.25,
        seconds=300,
        alone=True,
    ),
    Row(
        "eni",
        "Half of the network interfaces cannot be attached, for half a minute",
        f"The container is launched again, at most {ATTEMPTS} times in all.",
        Expected(ran=(0, 1), containers=(0, 1), failed_starts=(0, ATTEMPTS)),
        settings={"faults": [{"kind": "start_failure", "reason": "eni", "probability": 0.5}]},
        steps=(Step(30, QUIET),),
        seconds=180,
    ),
    Row(
        "image-pull",
        "The image cannot be pulled",
        f"After {ATTEMPTS} containers the task has failed, with AWS's reason and what to do about it.",
        Expected(
            FAILED,
            f"Attempts: {ATTEMPTS} of {ATTEMPTS}",
            ran=(0,),
            containers=(0,),
            failed_starts=(ATTEMPTS,) * 2,
        ),
        settings={"faults": [{"kind": "start_failure", "reason": "image"}]},
        seconds=180,
    ),
    Row(
        "start-failures",
        "20 % of the containers fail to start",
        f"They are launched again, at most {ATTEMPTS} times in all.",
        Expected(ran=(0, 1), containers=(0, 1), failed_starts=(0, ATTEMPTS)),
        settings={"faults": [{"kind": "start_failure", "reason": "resources", "probability": 0.2}]},
        seconds=180,
    ),
    Row(
        "token-expires",
        "There is no capacity until the token in the command is about to expire",
        "No attempt begins with less than 60 s of its life left; Airflow's queued timeout takes the tasks back.",
        NEVER_LAUNCHED,
        settings={"faults": [{"kind": "capacity"}]},
        steps=(Step(90, QUIET), Step(150, act="revoke")),
        token_life=120,
        seconds=240,
    ),
    Row(
        "token-expires-in-doubt",
        "No call reaches AWS until the token in the command is about to expire",
        "Nothing is sent again with less than 60 s of its life left; no container is found, and the task has failed.",
        Expected(FAILED, "token", ran=(0,), containers=(0,)),
        settings={"faults": [{"kind": "reset", "operation": "RunTask"}]},
        steps=(Step(90, QUIET),),
        token_life=120,
        seconds=420,
    ),
    Row(
        "token-expires-unheard",
        "AWS starts containers, but no answer arrives until the token is about to expire",
        "The containers are searched for, found, and followed to their ends.",
        settings={"faults": [{"kind": "response_lost", "operation": "RunTask"}]},
        steps=(Step(150, QUIET),),
        token_life=120,
        seconds=420,
    ),
)
