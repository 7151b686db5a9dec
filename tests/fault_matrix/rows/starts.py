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
"""ECS tasks that cannot start, for lack of capacity or for another reason."""

from __future__ import annotations

from typing import Any

from tests.fault_matrix.row import ATTEMPTS, FAILED, TOKEN_LIFE, Expected, Row, Step

NO_FAULTS: dict[str, Any] = {"faults": []}
#: In seconds: the longest pause between two attempts; and the same with the time until an accepted ECS task
#: has failed.
RESUMED = 30.0
RESUMED_LATE = 45.0
NEVER_LAUNCHED = Expected(ran=(0,), containers=(0,))
WAITS = (
    "Launches wait until there is capacity or Airflow's queued timeout ends them. This uses up no attempt."
)

#: Spot, with on-demand capacity to fall back on.
WITH_FALLBACK = {"capacity_provider_strategy": "FARGATE_SPOT", "capacity_provider_fallback": "FARGATE"}
SPOT: dict[str, Any] = {"capacity_provider": "FARGATE_SPOT"}

#: What the later launches ask for. There is enough of it.
ON_DEMAND = {"capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]}
#: In seconds: a fifth of the launches, at the three quarters of the rate that probes leave, plus two.
OVERTAKING = 0.2 / (0.75 * 0.02) + 2.0
#: Four of five wait for Spot, each about 20 s between two attempts. If each were tried separately, the rate
#: would be used up.
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
        "Spot has no capacity for two minutes; in the meantime other launches ask for on-demand capacity",
        "Launches that ask for on-demand capacity are accepted at once. The others wait with few calls, and "
        "continue when there is Spot capacity.",
        Expected(overtaking=OVERTAKING),
        settings={"faults": [{"kind": "capacity", **SPOT}]},
        steps=(Step(120, NO_FAULTS),),
        **WAITING,
        alone=True,
    ),
    Row(
        "others-first-late",
        "The same, but AWS accepts the ECS tasks and reports only afterwards that Spot has no capacity",
        "One launch at a time probes Spot. The next one follows after its ECS task has left PROVISIONING.",
        Expected(failed_starts=(0, None), overtaking=OVERTAKING),
        settings={"faults": [{"kind": "start_failure", "reason": "RESOURCE:CPU", **SPOT}]},
        steps=(Step(120, NO_FAULTS),),
        long=True,
        **WAITING,
    ),
    Row(
        "provisioning-limit",
        "For a minute too many ECS tasks of the cluster are PROVISIONING: RunTask fails with a "
        "ClientException",
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
        steps=(Step(60, NO_FAULTS),),
        seconds=180,
    ),
    Row(
        "no-addresses",
        "For a minute the subnet has no free addresses: accepted ECS tasks do not get a network interface",
        WAITS + " The note names the subnet.",
        Expected(failed_starts=(0, None), resumed=RESUMED_LATE),
        settings={"faults": [{"kind": "start_failure", "reason": NO_ADDRESSES}]},
        steps=(Step(60, NO_FAULTS),),
        seconds=180,
    ),
    Row(
        "agent",
        "RunTask answers with the failure AGENT for a minute",
        "The launch is repeated for two minutes, in which the agent may reconnect, before it fails.",
        Expected(resumed=RESUMED, none_before=True),
        settings={"faults": [{"kind": "capacity", "reason": "AGENT"}]},
        steps=(Step(60, NO_FAULTS),),
        seconds=180,
    ),
    Row(
        "hanging-function",
        "The function of execution_config_function does not return for 90 seconds",
        "The scheduler's log and the event log of each launch say so after a minute. Launches continue when "
        "it returns.",
        Expected(resumed=RESUMED, none_before=True, note=("execution_config_function",)),
        options={"execution_config_function": "tests.fault_matrix.user_function.hanging"},
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
        steps=(Step(60, NO_FAULTS),),
        seconds=180,
    ),
    Row(
        "no-capacity-late",
        "For a minute AWS accepts ECS tasks and then has no capacity for them",
        WAITS,
        Expected(failed_starts=(0, None), resumed=RESUMED_LATE),
        settings={"faults": [{"kind": "start_failure", "reason": "RESOURCE:CPU"}]},
        steps=(Step(60, NO_FAULTS),),
        seconds=180,
    ),
    Row(
        "no-capacity-revoked",
        "Fargate has no capacity until Airflow's queued timeout ends the launches",
        "Nothing is launched after that, and no ECS task is left over.",
        NEVER_LAUNCHED,
        settings={"faults": [{"kind": "capacity"}]},
        # A call that was under way when Airflow revoked the task instance is answered before there is
        # capacity.
        steps=(Step(60, act="revoke"), Step(80, NO_FAULTS, settled=True)),
        seconds=180,
    ),
    Row(
        "spot-no-capacity",
        "Spot has no capacity, and there is a fallback",
        "Launches continue with the fallback at once. This uses up no attempt.",
        settings={"faults": [{"kind": "capacity", **SPOT}]},
        options=WITH_FALLBACK,
        seconds=120,
    ),
    Row(
        "spot-taken-back",
        "Spot interrupts ECS tasks before they have started, and there is a fallback",
        "After one ECS task on Spot each launch gets one on the fallback. This uses up no attempt.",
        Expected(failed_starts=(1, 1)),
        settings={"faults": [{"kind": "start_failure", "stop_code": "SpotInterruption", **SPOT}]},
        options=WITH_FALLBACK | {"max_launch_attempts": "1"},
        seconds=120,
    ),
    Row(
        "spot-taken-back-silently",
        "The same, but AWS sends no stop code",
        "After one ECS task on Spot each launch gets one on the fallback. This uses up no attempt.",
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
        steps=(Step(60, NO_FAULTS),),
        options=WITH_FALLBACK,
        seconds=180,
    ),
    Row(
        "fallback-refused",
        "Spot has no capacity for a minute, and the cluster lacks the fallback's capacity provider",
        "AWS refuses the fallback, and the event log says so. Launches wait for Spot.",
        Expected(resumed=RESUMED, none_before=True),
        settings={"faults": [{"kind": "capacity", **SPOT}]},
        steps=(Step(60, NO_FAULTS),),
        options=WITH_FALLBACK | {"capacity_provider_fallback": "no-such-provider"},
        seconds=180,
    ),
    Row(
        "vcpu-quota",
        "The account's quota of virtual CPUs is reached",
        "As many ECS tasks run as the quota allows. The other launches wait. This uses up no attempt.",
        quota=0.25,
        seconds=300,
        alone=True,
    ),
    Row(
        "eni",
        "Half of the network interfaces cannot be attached, for half a minute",
        f"Such ECS tasks are launched again. Each launch has at most {ATTEMPTS} attempts.",
        Expected(ran=(0, 1), containers=(0, 1), failed_starts=(0, ATTEMPTS)),
        settings={"faults": [{"kind": "start_failure", "reason": "eni", "probability": 0.5}]},
        steps=(Step(30, NO_FAULTS),),
        seconds=180,
    ),
    Row(
        "image-pull",
        "The image cannot be pulled",
        f"After {ATTEMPTS} attempts the task has failed, with AWS's reason and what to do about it.",
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
        "20 % of the ECS tasks fail to start",
        f"They are launched again. Each launch has at most {ATTEMPTS} attempts.",
        Expected(ran=(0, 1), containers=(0, 1), failed_starts=(0, ATTEMPTS)),
        settings={"faults": [{"kind": "start_failure", "reason": "resources", "probability": 0.2}]},
        seconds=180,
    ),
    Row(
        "token-expires",
        "There is no capacity until the token in the command is about to expire",
        "No attempt begins when the token expires in less than 60 s. Airflow's queued timeout ends the "
        "launches.",
        NEVER_LAUNCHED,
        settings={"faults": [{"kind": "capacity"}]},
        steps=(Step(150, NO_FAULTS), Step(200, act="revoke")),
        token_life=120,
        seconds=240,
    ),
    Row(
        "token-expires-unknown-outcome",
        "No call reaches AWS until the token in the command is about to expire",
        "Nothing is sent again when the token expires in less than 60 s. No ECS task is found, and the task "
        "has failed.",
        Expected(FAILED, "token", ran=(0,), containers=(0,)),
        settings={"faults": [{"kind": "reset", "operation": "RunTask"}]},
        steps=(Step(450, NO_FAULTS),),
        token_life=TOKEN_LIFE,
        seconds=720,
    ),
    Row(
        "token-expires-unheard",
        "AWS starts ECS tasks, but no answer arrives until the token is about to expire",
        "The ECS tasks are searched for, found, and followed until they end.",
        settings={"faults": [{"kind": "response_lost", "operation": "RunTask"}]},
        steps=(Step(450, NO_FAULTS),),
        token_life=TOKEN_LIFE,
        seconds=720,
    ),
)
