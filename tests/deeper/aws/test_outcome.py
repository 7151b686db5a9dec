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
"""More on what ``test_outcome.py`` tests."""

from __future__ import annotations

import pytest

from airflow.executors.fargate.aws.explanations import STOPPED_BY_COMMAND
from airflow.executors.fargate.aws.verdict import Verdict

from tests.executors.fargate.test_outcome import ARN, EXITED, MEMORY, PULL, SPOT, classify, task

DEFINITION = "arn:aws:ecs:us-east-1:123456789012:task-definition/a:1"


class TestLive:
    @pytest.mark.parametrize(
        "members",
        [
            # An exit code may still arrive.
            {"status": "DEPROVISIONING", "started": True, "lastStatus": "STOPPED"},
            # The warning before an interruption.
            {"status": "RUNNING", "started": True, "lastStatus": "RUNNING", "code": "SpotInterruption"},
            {"status": "RUNNING", "others": [{"name": "proxy", "lastStatus": "STOPPED", "exitCode": 0}]},
            # An exit code, though the container never ran.
            {"status": "STOPPING", "lastStatus": "STOPPED", "exitCode": 143, "reason": PULL},
        ],
    )
    def test_though_its_end_is_near(self, members):
        """The main container's end has not been seen."""
        assert classify(**members).verdict is Verdict.LIVE

    def test_has_started_once_there_is_an_exit_code(self):
        """An exit code shows that the container ran, even without a start time."""
        assert classify("RUNNING", lastStatus="RUNNING", exitCode=0).started


class TestFinished:
    @pytest.mark.parametrize(
        ("members", "expected"),
        [
            (
                {"code": "EssentialContainerExited", "why": EXITED, "reason": MEMORY},
                "The container ran out of memory",
            ),
            (
                {"code": "UserInitiated", "why": "by hand"},
                "Somebody stopped the ECS task (AWS: UserInitiated; by hand)",
            ),
            (
                {"code": "UserInitiated", "why": STOPPED_BY_COMMAND},
                "It was stopped with airflow fargate stop",
            ),
            ({"code": "SpotInterruption", "why": SPOT}, "The Spot capacity was taken back"),
            ({"code": "TerminationNotice"}, "AWS took back the host"),
            ({"code": "SomethingNew", "why": "x"}, "SomethingNew; x."),
            (
                {
                    "code": "EssentialContainerExited",
                    "others": [{"name": "envoy", "exitCode": 137, "reason": MEMORY}],
                },
                "Container envoy: the container ran out of memory (AWS: envoy: OutOfMemoryError",
            ),
        ],
    )
    def test_with_a_note_of_what_aws_says(self, members, expected):
        """On Airflow 3, the process that runs the task exits with 0 if the task's own process was killed."""
        outcome = classify(started=True, exitCode=0, **members)
        assert outcome.verdict is Verdict.FINISHED
        assert outcome.note.startswith("Container airflow exited with code 0. ")
        assert expected in outcome.note


class TestFailed:
    def test_with_the_exit_codes_of_the_other_containers(self):
        """They follow the explanation."""
        others = [{"name": "proxy", "exitCode": 1}, {"name": "aws-guardduty-agent-x"}]
        for members in ({"exitCode": 137, "started": True}, {"started": True}, {}):
            reason = classify(code="EssentialContainerExited", others=others, **members).reason
            assert reason.endswith(
                " Exit codes of the other containers: proxy 1, aws-guardduty-agent-x none."
            )
        assert "Exit codes" not in classify(exitCode=1).reason

    @pytest.mark.parametrize(
        ("members", "definition"),
        [
            ({"exitCode": 1, "started": True}, DEFINITION),
            ({"started": True}, DEFINITION),
            ({}, ""),
        ],
    )
    def test_with_the_task_definition_if_it_may_have_a_log(self, members, definition):
        """A container that started and failed may have written a log, which the task definition locates."""
        outcome = classify(members={"taskDefinitionArn": DEFINITION}, **members)
        assert outcome.task_definition == definition


class TestNeverStarted:
    @pytest.mark.parametrize(
        ("reason", "exit_code"),
        [
            # https://github.com/aws/amazon-ecs-agent/pull/3218
            (
                "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [a (STOPPED)]",
                143,
            ),
            (PULL, 0),
            ("ResourceInitializationError: no", None),
        ],
    )
    def test_whatever_the_exit_code_is(self, reason, exit_code):
        """The container's reason shows that it never started, and there is no start time."""
        outcome = classify(code="EssentialContainerExited", reason=reason, exitCode=exit_code)
        assert (outcome.verdict, outcome.started) == (Verdict.LAUNCH_AGAIN, False)
        assert reason in outcome.reason
        alone = classify(code="TaskFailedToStart", why=reason, exitCode=exit_code)
        assert (alone.verdict, alone.started) == (Verdict.LAUNCH_AGAIN, False)

    @pytest.mark.parametrize("why", ["Task failed to start", PULL])
    def test_with_the_reason_of_another_container(self, why):
        """It is shown with that container's name, even if AWS sends it as the ECS task's reason, too."""
        others = [{"name": "log_router", "reason": PULL}]
        reason = classify(code="TaskFailedToStart", why=why, others=others).reason
        begin = "Container airflow never started. Container log_router: the image could not be pulled (AWS: "
        assert reason.startswith(begin)
        assert f"log_router: {PULL}" in reason

    def test_with_its_reason_once(self):
        """AWS sends the same words for the ECS task and its container."""
        assert classify(why=PULL, reason=PULL).reason.count(PULL) == 1
