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
"""No credentials, no network, clocks that jump, and a scheduler that dies."""

from __future__ import annotations

from typing import Any

from tests.fault_matrix.row import JUMP, TOKEN_LIFE, Expected, Row, Step

NO_FAULTS: dict[str, Any] = {"faults": []}
#: The longest time, in seconds, that a launch waits after AWS accepts credentials, or can be reached, again.
CREDENTIALS_RESUMED = 20.0
NETWORK_RESUMED = 45.0
#: The ECS tasks that run when the scheduler is killed, run for a long time.
KILLED: dict[str, Any] = {"duration": [60, 90], "exit_codes": {"0": 4, "3": 1}}

SIGNATURE = {
    "kind": "error",
    "code": "InvalidSignatureException",
    "message": "Signature expired: 20260101T000000Z is now earlier than 20260101T005500Z",
    "status": 400,
}

#: What the note of a launch that waits for credentials names: the call to STS, and its error or why it was
#: not made.
STS = "AssumeRoleWithWebIdentity"


def _without_sts(
    name: str, sts: str, words: str, seconds: float, *, note: str = "", long: bool = False
) -> Row:
    """Return a row in which STS gives no credentials at first."""
    return Row(
        name,
        f"The scheduler's credentials come from STS, {words}",
        "Launches wait, with a note that names the reason, and continue when there are credentials.",
        Expected(resumed=CREDENTIALS_RESUMED, none_before=True, note=(STS, note) if note else ()),
        sts=sts,
        steps=(Step(seconds, sts="well", noted=bool(note)),),
        seconds=seconds + 120,
        long=long,
    )


ROWS = (
    _without_sts(
        "sts-refuses",
        "InvalidIdentityToken",
        "which refuses the token for 150 seconds",
        150,
        note="InvalidIdentityToken",
    ),
    _without_sts("sts-away", "away", "which cannot be reached for 20 seconds", 20),
    _without_sts(
        "sts-no-provider",
        "IDPCommunicationError",
        "which cannot ask the identity provider for ten minutes",
        600,
        note="IDPCommunicationError",
        long=True,
    ),
    _without_sts(
        "sts-denies",
        "AccessDenied",
        "which denies the role for two minutes",
        120,
        note="AccessDenied",
        long=True,
    ),
    _without_sts("sts-silent", "silent", "which does not answer for two minutes", 120, long=True),
    Row(
        "sts-refuses-meanwhile",
        "STS refuses new credentials for 20 seconds while ECS tasks start and run",
        "Nothing fails and nothing is lost: each ECS task keeps its last known state.",
        sts="well",
        steps=(Step(6, sts="AccessDenied"), Step(26, sts="well")),
        seconds=180,
    ),
    Row(
        "sts-adoption",
        "SIGKILL of the scheduler while it launches, and STS refuses the next one's credentials for 20 "
        "seconds",
        "No task instance is given back before AWS was asked. Adoption continues when there are credentials.",
        sts="InvalidIdentityToken",
        settings={"latency": {"RunTask": [0.5, 1.5]}, "pretend": KILLED},
        steps=(Step(20, sts="well"),),
        procedure="killed",
        seconds=180,
    ),
    Row(
        "sts-may-have-started",
        "No answer to RunTask arrives until tokens expire, and STS refuses credentials during the search "
        "for the ECS tasks",
        "ECS tasks that may have started are searched for when there are credentials, found, and followed.",
        sts="well",
        settings={"faults": [{"kind": "response_lost", "operation": "RunTask"}]},
        # Nothing is sent again within 60 s of the end of the token.
        steps=(Step(415, NO_FAULTS, sts="IDPCommunicationError"), Step(500, sts="well")),
        token_life=TOKEN_LIFE,
        seconds=720,
    ),
    Row(
        "credentials-expired",
        "The credentials are expired for a minute",
        "All calls wait, at most 15 s at a time, and use new credentials as soon as there are any.",
        Expected(resumed=CREDENTIALS_RESUMED, none_before=True),
        settings={
            "faults": [
                {
                    "kind": "error",
                    "code": "ExpiredTokenException",
                    "message": "The security token included in the request is expired",
                    "status": 400,
                }
            ]
        },
        steps=(Step(60, NO_FAULTS),),
        seconds=180,
    ),
    Row(
        "no-credentials",
        "There are no credentials at first",
        "Nothing fails and the scheduler runs. Launches wait until there are credentials.",
        Expected(resumed=CREDENTIALS_RESUMED, none_before=True),
        steps=(Step(0, act="take_credentials"), Step(60, act="give_credentials")),
        seconds=180,
        alone=True,
    ),
    Row(
        "no-network",
        "AWS cannot be reached for two minutes: connections are reset at first, then nothing answers",
        "Calls are repeated. Each ECS task keeps its last known state.",
        Expected(resumed=NETWORK_RESUMED),
        settings={"faults": [{"kind": "reset"}]},
        steps=(
            Step(60, {"latency": {"*": 15}}),
            Step(120, NO_FAULTS | {"latency": {}}),
        ),
        seconds=300,
    ),
    *(
        Row(
            f"clock-{direction}",
            f"The scheduler's clock jumps an hour {words}, and AWS refuses its signatures "
            "until it is corrected",
            "All calls wait, at most 15 s at a time. The executor measures time with a monotonic clock.",
            settings={"pretend": {"duration": [10, 60], "exit_codes": {"0": 4, "3": 1}}},
            steps=(
                Step(5, {"faults": [SIGNATURE]}, f"clock_{direction}"),
                Step(35, NO_FAULTS, "clock_right"),
            ),
            seconds=180,
            alone=True,
        )
        for direction, words in (("forward", "ahead"), ("back", "back"))
    ),
    Row(
        "killed",
        "SIGKILL of the scheduler while it launches",
        "The next scheduler finds each ECS task by the identity that it carries. Only launches without an "
        "ECS task are launched again.",
        settings={"latency": {"RunTask": [0.5, 1.5]}, "pretend": KILLED},
        procedure="killed",
        seconds=180,
    ),
    Row(
        "killed-clock",
        "SIGKILL of a scheduler whose clock was an hour ahead; the next one's clock is right",
        "Each ECS task is found by the scheduler that launched it, independently of the clock. Nothing runs "
        "twice.",
        settings={"latency": {"RunTask": [0.5, 1.5]}, "pretend": KILLED},
        ahead=JUMP,
        procedure="killed",
        seconds=180,
    ),
)
