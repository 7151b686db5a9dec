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

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from airflow.executors.fargate.aws.answers import EcsTask
from airflow.executors.fargate.aws.usage import Took, billed, ended_note, started_note, took

#: The moment of the start in a note.
AT = "at 1970-01-01 00:17:21 UTC."
HANDED_OVER = 1000.0
STARTED = {
    "createdAt": 1001.0,
    "pullStartedAt": 1010.0,
    "pullStoppedAt": 1037.0,
    "startedAt": 1041.0,
}
STEPS = "accepted 1 s, provisioned 9 s, image pulled 27 s, started 4 s"
STOPPED = {**STARTED, "stoppingAt": 1352.0, "executionStoppedAt": 1353.0, "stoppedAt": 1358.2}
SIZE = {"cpu": "512", "memory": "1024", "launchType": "FARGATE"}


def usage(*members, **more):
    """Return what DescribeTasks says of an ECS task with these members; None for one that it does not send."""
    sent = {"taskArn": "arn"}
    for each in (*members, more):
        sent.update(each)
    parsed = EcsTask.parse({name: value for name, value in sent.items() if value is not None})
    return parsed.usage


@pytest.mark.parametrize(
    ("sent", "handed_over", "steps"),
    [
        (STOPPED, HANDED_OVER, Took(1, 9, 27, 4, 312)),
        (STARTED, HANDED_OVER, Took(1, 9, 27, 4, None)),
        # A step has both its times, or is left out.
        ({**STOPPED, "pullStartedAt": None}, HANDED_OVER, Took(1, None, None, 4, 312)),
        ({"createdAt": 1001.0, "stoppedAt": 1020.0}, HANDED_OVER, Took(1, None, None, None, None)),
        ({}, HANDED_OVER, Took(None, None, None, None, None)),
        # The end is that of the containers. Without it, the ECS task's; before that, when it began to stop.
        ({**STOPPED, "executionStoppedAt": None}, HANDED_OVER, Took(1, 9, 27, 4, pytest.approx(317.2))),
        ({**STARTED, "stoppingAt": 1352.0}, HANDED_OVER, Took(1, 9, 27, 4, 311)),
        # The clocks differ, and an identity may lack the hand-over.
        (STOPPED, 1005.0, Took(0, 9, 27, 4, 312)),
        (STOPPED, 0.0, Took(None, 9, 27, 4, 312)),
        ({**STOPPED, "startedAt": 1030.0}, HANDED_OVER, Took(1, 9, 27, 0, 323)),
        # Not a time, and botocore's form of one.
        ({**STARTED, "createdAt": "1001", "startedAt": {}}, HANDED_OVER, Took(None, None, 27, None, None)),
        ({"createdAt": datetime.fromtimestamp(1001, timezone.utc)}, HANDED_OVER, Took(1, *[None] * 4)),
    ],
)
def test_steps(sent, handed_over, steps):
    """The seconds of each step of which AWS sends both times, never below 0."""
    assert took(usage(sent), handed_over) == steps


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        ({}, 349),
        ({"stoppedAt": 1359.0}, 349),
        ({"stoppedAt": 1359.001}, 350),
        # https://aws.amazon.com/fargate/pricing/
        ({"stoppedAt": 1011.0}, 60),
        ({"stoppedAt": 1070.0, "platformFamily": "Linux"}, 60),
        ({"stoppedAt": 1071.0}, 61),
        ({"stoppedAt": 1071.0, "platformFamily": "WINDOWS_SERVER_2022_CORE"}, 300),
        ({"stoppedAt": 1311.0, "platformFamily": "Windows Server 2022 Core"}, 301),
        # Before it has stopped, until its containers have, or until it began to stop.
        ({"stoppedAt": None}, 343),
        ({"stoppedAt": None, "executionStoppedAt": None}, 342),
        ({"stoppedAt": None, "executionStoppedAt": None, "stoppingAt": None}, None),
        # A pull that failed is billed, too; without one there is nothing to bill.
        ({"pullStoppedAt": None, "startedAt": None}, 349),
        ({"pullStartedAt": None}, None),
        # AWS bills instances, or does not say what is needed.
        ({"launchType": "EC2"}, None),
        ({"launchType": "EC2", "capacityProviderName": "mine"}, None),
        ({"launchType": "MANAGED_INSTANCES", "capacityProviderName": "managed"}, None),
        ({"launchType": None}, None),
        ({"launchType": None, "capacityProviderName": "FARGATE"}, 349),
        ({"launchType": None, "capacityProviderName": "FARGATE_SPOT"}, 349),
        ({"cpu": None}, None),
        ({"memory": "much"}, None),
    ],
)
def test_billed_seconds(sent, seconds):
    """From the image pull until the ECS task has stopped, rounded up, with the platform's minimum."""
    bill = billed(usage(STOPPED, SIZE, sent))
    assert (bill and bill.seconds) == seconds
    assert bill is None or bill.is_final == ("stoppedAt" not in sent or sent["stoppedAt"] is not None)


@pytest.mark.parametrize(
    ("sent", "sums"),
    [
        ({}, (174.5, 349)),
        ({"cpu": "256", "memory": "512"}, (87.25, 174.5)),
        ({"cpu": "4096", "memory": "30720"}, (1396, 10470)),
        ({"cpu": "1 vCPU", "memory": "2 GB"}, (349, 698)),
    ],
)
def test_sums(sent, sums):
    """The seconds times the size, which has the overrides; a GB is 1024 MiB."""
    bill = billed(usage(STOPPED, SIZE, sent))
    assert (bill.vcpu_seconds, bill.gb_seconds) == sums


def test_note_on_the_start():
    """It has the steps that are known; without a start or a hand-over there is none."""
    assert started_note(usage(STARTED), HANDED_OVER) == f"Started after 41 s ({STEPS}), {AT}"
    assert started_note(usage(startedAt=1041.4), HANDED_OVER) == f"Started after 41 s, {AT}"
    assert started_note(usage(createdAt=1001.0), HANDED_OVER) is None
    assert started_note(usage(STARTED), 0.0) is None
    # The scheduler's clock is ahead: no step is longer than the whole.
    assert (
        started_note(usage(STARTED), 2000.0)
        == f"Started after 40 s ({STEPS.replace('accepted 1', 'accepted 0')}), {AT}"
    )


@pytest.mark.parametrize(
    ("sent", "note"),
    [
        (
            {**STOPPED, **SIZE, "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}]},
            (
                f"Ran for 312 s: {STEPS}. Billed: 0.5 vCPU and 1 GB for 349 s = 174.5 vCPU-seconds, "
                "349 GB-seconds, on demand, x86."
            ),
        ),
        (
            {
                **STOPPED,
                **SIZE,
                "capacityProviderName": "FARGATE_SPOT",
                "stoppedAt": None,
                "attributes": [{"name": "other"}, {"name": "ecs.cpu-architecture", "value": "arm64"}],
            },
            (
                f"Ran for 312 s: {STEPS}. Billed until now: 0.5 vCPU and 1 GB for 343 s = 171.5 vCPU-seconds, "
                "343 GB-seconds, Spot, ARM."
            ),
        ),
        # A day with the largest size: all digits.
        (
            {"pullStartedAt": 0.0, "stoppedAt": 86401.0, **SIZE, "cpu": "32768", "memory": "249856"},
            (
                "Ended. Billed: 32 vCPU and 244 GB for 86401 s = 2764832 vCPU-seconds, 21081844 GB-seconds, "
                "on demand."
            ),
        ),
        (
            {"pullStartedAt": 0.0, "stoppedAt": 604801.0, **SIZE, "cpu": "256", "memory": "512"},
            (
                "Ended. Billed: 0.25 vCPU and 0.5 GB for 604801 s = 151200.25 vCPU-seconds, 302400.5 GB-seconds, "
                "on demand."
            ),
        ),
        ({**STOPPED, **SIZE, "launchType": "EC2"}, f"Ran for 312 s: {STEPS}."),
        ({"startedAt": 1041.0, "stoppedAt": 1051.0}, "Ran for 10 s."),
        # It never started.
        (
            {"createdAt": 1001.0, "pullStartedAt": 1010.0, "stoppedAt": 1013.0, **SIZE, "attributes": [[]]},
            (
                "Ended: accepted 1 s, provisioned 9 s. Billed: 0.5 vCPU and 1 GB for 60 s = 30 vCPU-seconds, "
                "60 GB-seconds, on demand."
            ),
        ),
        ({"createdAt": 1001.0, "stoppedAt": 1013.0}, "Ended: accepted 1 s."),
        ({}, ""),
    ],
)
def test_note_on_the_end(sent, note):
    """What is known is said, and what AWS bills."""
    told = usage(sent)
    assert ended_note(took(told, HANDED_OVER), billed(told)) == note
