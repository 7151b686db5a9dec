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
"""Answers to RunTask and ECS tasks are classified; tests/properties/test_outcomes.py has malformed ones."""

from __future__ import annotations

import pytest

from airflow.executors.fargate.aws.answers import Answer, EcsTask
from airflow.executors.fargate.aws.explanations import STOPPED_BY_COMMAND
from airflow.executors.fargate.aws.outcome import classify_ecs_task, classify_run_task
from airflow.executors.fargate.aws.verdict import Outcome, Verdict

ARN = "arn:aws:ecs:us-east-1:123456789012:task/fleet/0123456789abcdef0123456789abcdef"


SPOT = "Your Spot Task was interrupted."


EXITED = "Essential container in task exited"


MEMORY = "OutOfMemoryError: Container killed due to memory usage"


PULL = "CannotPullContainerError: no such image"


#: botocore's enum of stop codes, an unknown one, and none.
STOP_CODES = [
    "TaskFailedToStart",
    "EssentialContainerExited",
    "UserInitiated",
    "ServiceSchedulerInitiated",
    "SpotInterruption",
    "TerminationNotice",
    "InfrastructureHealth",
    "SomethingNew",
    None,
]


def task(status="STOPPED", *, code=None, why=None, started=False, others=(), members=None, **container):
    """Return an ECS task of DescribeTasks with the main container ``airflow`` and other containers."""
    made = {"taskArn": ARN, "lastStatus": status, "stopCode": code, "stoppedReason": why}
    made |= {
        "startedAt": 1000.0 if started else None,
        "containers": [*others, {"name": "airflow", **container}],
    }
    made |= members or {}
    parsed = EcsTask.parse({name: value for name, value in made.items() if value is not None})
    assert parsed is not None
    return parsed


def classify(*arguments, **members):
    return classify_ecs_task(task(*arguments, **members), "airflow")


class TestRunTask:
    @pytest.mark.parametrize(
        ("reason", "detail", "verdict"),
        [
            ("Fargate", "Capacity is unavailable at this time", Verdict.NO_CAPACITY),
            ("Rate exceeded", None, Verdict.LAUNCH_AGAIN),
            ("never heard of", "this", Verdict.LAUNCH_AGAIN),
            (None, None, Verdict.LAUNCH_AGAIN),
        ],
    )
    def test_failure(self, reason, detail, verdict):
        """Nothing was started. A temporary reason uses up no attempt; any other uses up one."""
        failure = {"arn": ARN, "reason": reason, "detail": detail}
        outcome = classify_run_task(Answer.parse({"tasks": [], "failures": [failure]}))
        assert (outcome.verdict, outcome.arn) == (verdict, None)
        assert (reason or "AWS gave no reason") in outcome.reason
        assert (detail or "") in outcome.reason

    @pytest.mark.parametrize("failures", [[], [{"arn": ARN, "reason": "RESOURCE:CPU"}]])
    def test_ecs_task_is_accepted(self, failures):
        """An ECS task in the answer was started, even if the answer has failures as well."""
        outcome = classify_run_task(Answer.parse({"tasks": [{"taskArn": ARN}], "failures": failures}))
        assert outcome == Outcome(Verdict.ACCEPTED, arn=ARN)

    @pytest.mark.parametrize("answer", [{"tasks": []}, {"tasks": [{}], "failures": [None]}])
    def test_empty_answer_is_an_unknown_outcome(self, answer):
        """An answer with neither may still have started an ECS task, so the same request is sent again."""
        assert classify_run_task(Answer.parse(answer)).verdict is Verdict.UNKNOWN


class TestLive:
    @pytest.mark.parametrize(
        ("status", "started"),
        [("PROVISIONING", False), ("RUNNING", True), ("SOMETHING_NEW", True), (None, False)],
    )
    def test_until_its_end_is_seen(self, status, started):
        """An ECS task that is not stopped is live, also in a state that is not known."""
        assert classify(status, started=started) == Outcome(Verdict.LIVE, arn=ARN, started=started)

    def test_no_longer_once_its_main_container_has_stopped(self):
        """The launch does not wait for the other containers and the network interface to go away."""
        outcome = classify("DEPROVISIONING", started=True, lastStatus="STOPPED", exitCode=0)
        assert outcome.verdict is Verdict.FINISHED


class TestFinished:
    @pytest.mark.parametrize("status", ["STOPPED", "DELETED"])
    def test_with_exit_code_0(self, status):
        """Exit code 0 of the main container finishes the launch, whatever the ECS task's stop code is."""
        for code in STOP_CODES:
            outcome = classify(status, code=code, exitCode=0)
            assert (outcome.verdict, outcome.reason, outcome.started) == (Verdict.FINISHED, "", True)

    @pytest.mark.parametrize(
        "members",
        [
            {},
            {"code": "EssentialContainerExited", "why": EXITED},
            {"code": "EssentialContainerExited", "why": EXITED, "others": [{"name": "proxy", "exitCode": 1}]},
        ],
    )
    def test_without_a_note_if_aws_says_nothing_unusual(self, members):
        """These are the words for an ordinary end."""
        assert classify(started=True, exitCode=0, **members).note == ""


class TestFailed:
    @pytest.mark.parametrize("exit_code", [1, -1])
    def test_with_any_other_exit_code(self, exit_code):
        """The reason has the exit code, whatever the stop code is."""
        for code in STOP_CODES:
            outcome = classify(code=code, started=True, exitCode=exit_code)
            assert (outcome.verdict, outcome.started, outcome.arn) == (Verdict.FAILED, True, ARN)
            assert f"exited with code {exit_code}." in outcome.reason

    @pytest.mark.parametrize("exit_code", [None, True, "0"])
    def test_without_an_exit_code_if_it_had_started(self, exit_code):
        """A missing exit code is never a success; the reason is AWS's."""
        for code in STOP_CODES:
            outcome = classify(code=code, why="the reason", started=True, exitCode=exit_code)
            assert (outcome.verdict, outcome.started) == (Verdict.FAILED, True)
            assert "without an exit code" in outcome.reason
            assert "the reason" in outcome.reason

    @pytest.mark.parametrize(
        ("members", "expected"),
        [
            ({"code": "EssentialContainerExited", "why": EXITED, "exitCode": 1}, "Its command failed"),
            ({"code": "EssentialContainerExited", "exitCode": 137, "reason": MEMORY}, "ran out of memory"),
            (
                {"code": "UserInitiated", "why": "EMPTY CAPACITY PROVIDER", "exitCode": 143},
                "Somebody stopped",
            ),
            ({"code": "ServiceSchedulerInitiated", "exitCode": 143}, "AWS stopped the ECS task by itself"),
            (
                {
                    "code": "ServiceSchedulerInitiated",
                    "why": "ECS is performing maintenance on the underlying infrastructure hosting the task.",
                },
                "AWS maintained the host",
            ),
            ({"code": "InfrastructureHealth", "exitCode": 137}, "was not healthy"),
            # An unknown stop code has no explanation.
            ({"code": "SomethingNew", "exitCode": 137}, "exited with code 137. SomethingNew."),
        ],
    )
    def test_with_a_reason(self, members, expected):
        """The reason is AWS's cause, or the meaning of the exit code if AWS names none."""
        assert expected in classify(started=True, **members).reason


class TestNeverStarted:
    @pytest.mark.parametrize(
        ("code", "why", "verdict"),
        [
            ("TaskFailedToStart", PULL, Verdict.LAUNCH_AGAIN),
            ("SpotInterruption", None, Verdict.NO_CAPACITY),
            ("UserInitiated", SPOT, Verdict.NO_CAPACITY),
            ("EssentialContainerExited", SPOT, Verdict.NO_CAPACITY),
            ("ServiceSchedulerInitiated", "ECS is performing maintenance", Verdict.LAUNCH_AGAIN),
            ("TerminationNotice", None, Verdict.LAUNCH_AGAIN),
            ("InfrastructureHealth", None, Verdict.LAUNCH_AGAIN),
            ("SomethingNew", None, Verdict.LAUNCH_AGAIN),
            (None, None, Verdict.LAUNCH_AGAIN),
            # Whoever stops an ECS task wants the launch to end.
            ("UserInitiated", None, Verdict.FAILED),
            ("UserInitiated", STOPPED_BY_COMMAND, Verdict.FAILED),
            ("UserInitiated", "it had EMPTY CAPACITY PROVIDER", Verdict.FAILED),
        ],
    )
    def test_verdict(self, code, why, verdict):
        """No user code ran, so another attempt may follow. Without capacity, the same one is made later."""
        outcome = classify(code=code, why=why)
        assert (outcome.verdict, outcome.started) == (verdict, False)
        assert "never started" in outcome.reason
        assert (why or code or "AWS gave no reason").rstrip(".") in outcome.reason

    @pytest.mark.parametrize(
        "members",
        [
            {"exitCode": 143, "reason": PULL, "started": True},
            {"exitCode": 143, "reason": MEMORY},
            {"exitCode": 143, "code": "TaskFailedToStart"},
            {"exitCode": 143, "why": PULL, "others": [{"name": "proxy"}]},
            {"exitCode": 143, "why": PULL, "code": "UserInitiated"},
            {"exitCode": 143, "code": "SpotInterruption", "why": SPOT},
            {"code": "EssentialContainerExited"},
            {"code": "EssentialContainerExited", "others": [{"name": "sidecar"}]},
        ],
    )
    def test_is_not_assumed_if_it_may_have_run(self, members):
        """User code may have run, so only Airflow's own retry may launch it again."""
        outcome = classify(**members)
        assert (outcome.verdict, outcome.started) == (Verdict.FAILED, True)

    @pytest.mark.parametrize(
        "members",
        [
            {"others": [{"name": "sidecar", "exitCode": 1}]},
            {"reason": "CannotStartContainerError: no such user"},
        ],
    )
    def test_though_an_essential_container_has_exited(self, members):
        """Another container exited, or the main container could not be started."""
        assert classify(code="EssentialContainerExited", **members).verdict is Verdict.LAUNCH_AGAIN


class TestMainContainer:
    @pytest.mark.parametrize(
        "others",
        [
            [{"name": "proxy", "lastStatus": "STOPPED", "exitCode": 1}],
            [{"name": "Airflow", "exitCode": 1}, {"name": "airflow-2", "exitCode": 2}, {"exitCode": 3}],
        ],
    )
    def test_alone_decides(self, others):
        """Exit codes of other containers, of the user or of AWS, have no effect."""
        assert classify(started=True, others=others, exitCode=0).verdict is Verdict.FINISHED
        others = [{**other, "exitCode": 0} for other in others]
        assert classify(started=True, others=others, exitCode=1).verdict is Verdict.FAILED

    def test_that_is_missing_has_not_finished(self):
        """Exit code 0 of another container is not a success."""
        assert classify_ecs_task(task(started=True, exitCode=0), "another").verdict is Verdict.FAILED
