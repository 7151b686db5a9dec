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
"""What the trials of ``scripts/aws/verify`` make of what they have seen."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from botocore.exceptions import ClientError
from tools.aws.inside import judgements, words
from tools.aws.inside.account import STOP_REASON, report
from tools.aws.inside.trial import AS_EXPECTED, NOT_PROVOKED, OTHERWISE, Facts

#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html, member ``overrides``
from tests.aws.inside_fakes import ecs_task


def facts(state="success", states=("success",), failures=(), notes=(), ecs_tasks=()):
    task_instances = [{"state": each} for each in states]
    return Facts(state, task_instances, [*notes, *failures], list(failures), list(ecs_tasks))


FAILED = {"state": "failed", "states": ("failed",)}
ENDED_137 = ecs_task(containers=[{"name": "airflow", "exitCode": 137}])
NEVER = ecs_task(stopCode="TaskFailedToStart")
STOPPED = ecs_task(stopCode="UserInitiated")
REFUSED = f"The vCPU limit. {judgements.NO_CAPACITY}."
ON_SPOT = ecs_task(capacityProviderName="FARGATE_SPOT")


def started(map_index):
    return ecs_task(f"arn:{map_index}", map_index=str(map_index), startedAt="then")


@pytest.mark.parametrize(
    ("judge", "of", "verdict"),
    [
        (judgements.success, facts(), AS_EXPECTED),
        (judgements.success, facts(states=("success", "skipped")), OTHERWISE),
        (judgements.success, facts("failed", ("success", "failed")), OTHERWISE),
        (judgements.success, facts(states=()), OTHERWISE),
        ("killed", facts(**FAILED, failures=["exit code 137"], ecs_tasks=[ENDED_137]), AS_EXPECTED),
        ("killed", facts(ecs_tasks=[ENDED_137]), OTHERWISE),
        ("killed", facts(**FAILED, failures=["It failed"], ecs_tasks=[ENDED_137]), OTHERWISE),
        ("killed", facts(**FAILED, notes=["exit code 137"], ecs_tasks=[ENDED_137]), OTHERWISE),
        ("killed", facts(**FAILED, failures=["137"], ecs_tasks=[ENDED_137, ENDED_137]), OTHERWISE),
        ("killed", facts(**FAILED, failures=["137"]), OTHERWISE),
        (
            judgements.no_image,
            facts(**FAILED, failures=["CannotPullContainerError"], ecs_tasks=[NEVER]),
            AS_EXPECTED,
        ),
        (judgements.no_image, facts(**FAILED, failures=["CannotPullContainerError"]), OTHERWISE),
        (
            judgements.no_image,
            facts(**FAILED, failures=["CannotPullContainerError"], ecs_tasks=[started(0)]),
            OTHERWISE,
        ),
        (judgements.no_image, facts(**FAILED, failures=["It failed"], ecs_tasks=[NEVER]), OTHERWISE),
        (judgements.stopped, facts(**FAILED, failures=[STOP_REASON], ecs_tasks=[STOPPED]), AS_EXPECTED),
        (judgements.stopped, facts(**FAILED, failures=["Somebody"], ecs_tasks=[STOPPED]), OTHERWISE),
        (judgements.stopped, facts(**FAILED, failures=[STOP_REASON], ecs_tasks=[NEVER]), OTHERWISE),
        (judgements.stopped, facts(ecs_tasks=[STOPPED]), OTHERWISE),
        (judgements.spot, facts(ecs_tasks=[ON_SPOT]), AS_EXPECTED),
        (judgements.spot, facts(ecs_tasks=[ecs_task(launchType="FARGATE")]), OTHERWISE),
        (judgements.spot, facts("running", ("queued",), notes=[REFUSED]), NOT_PROVOKED),
        (judgements.spot, facts(**FAILED, failures=["SpotInterruption"], ecs_tasks=[ON_SPOT]), OTHERWISE),
        (judgements.no_capacity, facts("running", ("queued",), notes=[REFUSED]), AS_EXPECTED),
        (judgements.no_capacity, facts(states=("success",) * 4), NOT_PROVOKED),
        (judgements.no_capacity, facts(**FAILED, failures=["The vCPU limit."]), OTHERWISE),
        ("mapped", facts(states=("success",) * 3, notes=[REFUSED]), AS_EXPECTED),
        ("mapped", facts("failed", ("success", "failed"), failures=["x"]), OTHERWISE),
        ("mapped", facts("running", ("success", "queued"), notes=[REFUSED]), NOT_PROVOKED),
        ("mapped", facts("running", ("success", "queued")), OTHERWISE),
        ("scheduler", facts(states=("success",) * 2, ecs_tasks=map(started, range(2))), AS_EXPECTED),
        ("scheduler", facts(states=("success",) * 2, ecs_tasks=[started(0), NEVER, started(1)]), AS_EXPECTED),
        ("scheduler", facts(states=("success",) * 2, ecs_tasks=map(started, (0, 1, 1))), OTHERWISE),
        ("scheduler", facts(states=("success",) * 2, ecs_tasks=[started(0)]), OTHERWISE),
        ("scheduler", facts("failed", ("success", "failed"), ecs_tasks=map(started, range(2))), OTHERWISE),
        ("too late", facts(states=("success",) * 2, ecs_tasks=map(started, range(2))), NOT_PROVOKED),
        ("too late", facts(states=("success",) * 2, ecs_tasks=map(started, (0, 1, 1))), OTHERWISE),
    ],
)
def test_judgements(judge, of, verdict):
    others = {
        "killed": lambda each: judgements.killed(each, "airflow"),
        "mapped": lambda each: judgements.mapped(each, 12.3),
        "scheduler": lambda each: judgements.scheduler_killed(each, 1),
        "too late": lambda each: judgements.scheduler_killed(each, 2),
    }
    seen = others.get(judge, judge)(of)
    assert seen.verdict == verdict, seen.words
    assert seen.words


def test_an_ecs_task_in_the_report():
    moment = datetime(2026, 11, 30, tzinfo=timezone.utc)
    task = ecs_task(
        cpu="256",
        memory="512",
        launchType="FARGATE",
        createdAt=moment,
        attributes=[{"name": "ecs.cpu-architecture", "value": "arm64"}],
        containers=[{"name": "sidecar", "exitCode": 1}, {"name": "airflow", "exitCode": 0}],
    )
    assert report(task, "airflow") == {
        "arn": "arn:1",
        "vcpu": 0.25,
        "gb": 0.5,
        "architecture": "arm64",
        "capacity": "FARGATE",
        "createdAt": "2026-11-30T00:00:00+00:00",
        "stopCode": "",
        "stoppedReason": "",
        "exitCode": 0,
    }
    assert report({"taskArn": "arn:2"}, "airflow")["exitCode"] is None


def test_the_words_of_aws_and_what_the_executor_reads():
    def refuse():
        error = {"Code": "ClusterNotFoundException", "Message": "Cluster not found."}
        raise ClientError({"Error": error}, "RunTask")

    row = words.answer_of(refuse)
    assert (row["refused"], row["aws"]) == (True, "ClusterNotFoundException: Cluster not found.")
    assert (row["executor"], "no such cluster" in row["reason"]) == ("failed", True)
    assert not words.answer_of(lambda: "arn:1")["refused"]
    assert words.answer_of(lambda: {"failures": [{"reason": "MISSING"}]})["refused"]
