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
"""What an answer of RunTask and the end of an ECS task mean; tests/properties has answers of any other shape."""

from __future__ import annotations

from datetime import datetime

import pytest

from airflow.executors.fargate.aws.answers import Answer, EcsTask
from airflow.executors.fargate.aws.explanations import STOPPED_BY_COMMAND
from airflow.executors.fargate.aws.outcome import classify_ecs_task, classify_run_task
from airflow.executors.fargate.aws.verdict import Outcome, Verdict

ARN = "arn:aws:ecs:us-east-1:123456789012:task/fleet/0123456789abcdef0123456789abcdef"
DEFINITION = "arn:aws:ecs:us-east-1:123456789012:task-definition/a:1"
SPOT = "Your Spot Task was interrupted."
EXITED = "Essential container in task exited"
MEMORY = "OutOfMemoryError: Container killed due to memory usage"
PULL = "CannotPullContainerError: no such image"
LIVING = ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING"]
#: botocore's enum of stop codes, one that it will have, and none.
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
    """Return what DescribeTasks says of an ECS task with its container ``airflow`` and further containers."""
    made = {"taskArn": ARN, "lastStatus": status, "stopCode": code, "stoppedReason": why}
    made |= {
        "startedAt": 1000.0 if started else None,
        "containers": [*others, {"name": "airflow", **container}],
    }
    made |= members or {}
    parsed = EcsTask.parse({name: value for name, value in made.items() if value is not None})
    assert parsed is not None
    return parsed


def judge(*arguments, **members):
    return classify_ecs_task(task(*arguments, **members), "airflow")


class TestRunTask:
    @pytest.mark.parametrize(
        ("reason", "detail", "verdict"),
        [
            ("RESOURCE:CPU", None, Verdict.NO_CAPACITY),
            ("Fargate", "Capacity is unavailable at this time", Verdict.NO_CAPACITY),
            ("AGENT", None, Verdict.AWAY),
            ("Rate exceeded", None, Verdict.LAUNCH_AGAIN),
            ("ATTRIBUTE", "ecs.capability.x", Verdict.LAUNCH_AGAIN),
            ("never heard of", "this", Verdict.LAUNCH_AGAIN),
            ("", "", Verdict.LAUNCH_AGAIN),
            (None, None, Verdict.LAUNCH_AGAIN),
        ],
    )
    def test_failure_has_its_verdict(self, reason, detail, verdict):
        """With a failure nothing was started: where it passes it costs no attempt, else it costs one."""
        failure = {"arn": ARN, "reason": reason, "detail": detail}
        outcome = classify_run_task(Answer.parse({"tasks": [], "failures": [failure]}))
        assert (outcome.verdict, outcome.arn) == (verdict, None)
        assert (reason or "AWS gave no reason") in outcome.reason
        assert (detail or "") in outcome.reason

    @pytest.mark.parametrize("failures", [None, [], [{"arn": ARN, "reason": "RESOURCE:CPU"}]])
    def test_ecs_task_is_accepted_even_beside_a_failure(self, failures):
        """Where there is one, it was started, whatever else the answer says."""
        outcome = classify_run_task(Answer.parse({"tasks": [{"taskArn": ARN}], "failures": failures}))
        assert outcome == Outcome(Verdict.ACCEPTED, arn=ARN)

    @pytest.mark.parametrize("answer", [{"tasks": []}, {"tasks": [{}], "failures": [None]}])
    def test_answer_that_tells_nothing_leaves_the_call_in_doubt(self, answer):
        """What names neither may have started one: the very same is said again."""
        assert classify_run_task(Answer.parse(answer)).verdict is Verdict.UNKNOWN


class TestLiving:
    @pytest.mark.parametrize("status", [*LIVING, "SOMETHING_NEW", "", None])
    @pytest.mark.parametrize("started", [False, True])
    def test_is_live_until_its_end_is_seen(self, status, started):
        """What is not stopped lives, in a state that nobody has heard of, too."""
        assert judge(status, started=started) == Outcome(Verdict.LIVE, arn=ARN, started=started)

    @pytest.mark.parametrize("status", ["RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING"])
    @pytest.mark.parametrize(("code", "verdict"), [(0, Verdict.FINISHED), (1, Verdict.FAILED)])
    def test_is_over_as_soon_as_its_main_container_has_stopped(self, status, code, verdict):
        """How long sidecars and the network interface take to vanish does not matter."""
        assert judge(status, started=True, lastStatus="STOPPED", exitCode=code).verdict is verdict

    @pytest.mark.parametrize(
        "members",
        [
            # An exit code may still come.
            {"status": "DEPROVISIONING", "started": True, "lastStatus": "STOPPED"},
            # The warning before an interruption.
            {"status": "RUNNING", "started": True, "lastStatus": "RUNNING", "code": "SpotInterruption"},
            {"status": "RUNNING", "others": [{"name": "proxy", "lastStatus": "STOPPED", "exitCode": 0}]},
            # A code that is not that of a run.
            {"status": "STOPPING", "lastStatus": "STOPPED", "exitCode": 143, "reason": PULL},
        ],
    )
    def test_is_live_though_an_end_is_near(self, members):
        """Its own end is not seen yet."""
        assert judge(**members).verdict is Verdict.LIVE

    def test_has_started_once_there_is_an_exit_code(self):
        """An exit code says that the container ran, even where the time of its start is not told yet."""
        assert judge("RUNNING", lastStatus="RUNNING", exitCode=0).started


class TestFinished:
    @pytest.mark.parametrize("status", ["STOPPED", "DELETED"])
    @pytest.mark.parametrize("code", STOP_CODES)
    @pytest.mark.parametrize("started", [False, True])
    def test_with_exit_code_0(self, status, code, started):
        """Exit code 0 of the main container is finished well, however the ECS task came to its end."""
        outcome = judge(status, code=code, started=started, exitCode=0)
        assert (outcome.verdict, outcome.reason, outcome.started) == (Verdict.FINISHED, "", True)

    @pytest.mark.parametrize(
        "moment", [10**400, float("nan"), float("inf"), -1, "soon", datetime.min, datetime.max, None]
    )
    def test_though_nobody_can_tell_when(self, moment):
        """The time of the end serves a metric alone: one that is none loses no end."""
        outcome = judge(started=True, exitCode=0, members={"executionStoppedAt": moment})
        assert outcome == Outcome(Verdict.FINISHED, arn=ARN, started=True)

    @pytest.mark.parametrize(
        ("members", "told"),
        [
            (
                {"code": "EssentialContainerExited", "why": EXITED, "reason": MEMORY},
                "The container ran out of memory",
            ),
            ({"reason": MEMORY}, "The container ran out of memory"),
            (
                {"code": "UserInitiated", "why": "by hand"},
                "Somebody stopped the ECS task (AWS: UserInitiated; by hand)",
            ),
            (
                {"code": "UserInitiated", "why": STOPPED_BY_COMMAND},
                "It was stopped with airflow fargate stop",
            ),
            ({"code": "SpotInterruption", "why": SPOT}, "The Spot capacity was taken back"),
            ({"why": SPOT}, "The Spot capacity was taken back"),
            ({"code": "TerminationNotice"}, "AWS took back the host"),
            ({"code": "InfrastructureHealth"}, "was not healthy"),
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
    def test_what_aws_says_beside_it_is_noted(self, members, told):
        """On Airflow 3 the process that runs the task ends so when the task's own was killed."""
        outcome = judge(started=True, exitCode=0, **members)
        assert outcome.verdict is Verdict.FINISHED
        assert outcome.note.startswith("Container airflow exited with code 0. ")
        assert told in outcome.note

    @pytest.mark.parametrize(
        "members",
        [
            {},
            {"code": "EssentialContainerExited", "why": EXITED},
            {"code": "EssentialContainerExited"},
            {"code": "EssentialContainerExited", "why": EXITED, "others": [{"name": "proxy", "exitCode": 1}]},
        ],
    )
    def test_nothing_is_noted_where_aws_says_nothing_else(self, members):
        """An end like any other."""
        assert judge(started=True, exitCode=0, **members).note == ""


class TestFailed:
    @pytest.mark.parametrize("exit_code", [1, 2, 137, 139, 143, 255, -1])
    @pytest.mark.parametrize("code", STOP_CODES)
    def test_with_any_other_exit_code(self, exit_code, code):
        """It is that of a container that ran, and the reason tells the code."""
        outcome = judge(code=code, started=True, exitCode=exit_code)
        assert (outcome.verdict, outcome.started, outcome.arn) == (Verdict.FAILED, True, ARN)
        assert f"exited with code {exit_code}." in outcome.reason

    @pytest.mark.parametrize("code", STOP_CODES)
    @pytest.mark.parametrize("exit_code", [None, True, "0", 0.0])
    def test_without_an_exit_code_where_it_had_started(self, code, exit_code):
        """A missing exit code is never a success: what started and left none has failed, for a reason of AWS."""
        outcome = judge(code=code, why="the reason", started=True, exitCode=exit_code)
        assert (outcome.verdict, outcome.started) == (Verdict.FAILED, True)
        assert "without an exit code" in outcome.reason
        assert "the reason" in outcome.reason

    @pytest.mark.parametrize(
        ("members", "told"),
        [
            ({"code": "EssentialContainerExited", "why": EXITED, "exitCode": 1}, "Its command failed"),
            ({"code": "EssentialContainerExited", "exitCode": 137, "reason": MEMORY}, "ran out of memory"),
            (
                {"code": "UserInitiated", "why": "EMPTY CAPACITY PROVIDER", "exitCode": 143},
                "Somebody stopped",
            ),
            ({"code": "UserInitiated", "why": STOPPED_BY_COMMAND, "exitCode": 143}, "airflow fargate stop"),
            ({"code": "SpotInterruption", "why": SPOT, "exitCode": 143}, "Spot capacity"),
            ({"code": "ServiceSchedulerInitiated", "exitCode": 143}, "AWS stopped the ECS task by itself"),
            (
                {
                    "code": "ServiceSchedulerInitiated",
                    "why": "ECS is performing maintenance on the underlying infrastructure hosting the task.",
                },
                "AWS maintained the host",
            ),
            ({"code": "InfrastructureHealth", "exitCode": 137}, "was not healthy"),
            # Nothing is invented for a code that nobody knows.
            ({"code": "SomethingNew", "exitCode": 137}, "exited with code 137. SomethingNew."),
        ],
    )
    def test_tells_why(self, members, told):
        """A cause that AWS names, or else the exit code's meaning."""
        assert told in judge(started=True, **members).reason

    def test_tells_exit_codes_by_container(self):
        """What the other containers ended with stands after the reason, as a word of none."""
        others = [{"name": "proxy", "exitCode": 1}, {"name": "aws-guardduty-agent-x"}]
        for members in ({"exitCode": 137, "started": True}, {"started": True}, {}):
            told = judge(code="EssentialContainerExited", others=others, **members).reason
            assert told.endswith(" Exit codes of the other containers: proxy 1, aws-guardduty-agent-x none.")
        assert "Exit codes" not in judge(exitCode=1).reason

    @pytest.mark.parametrize(
        ("members", "definition"),
        [
            ({"exitCode": 1, "started": True}, DEFINITION),
            ({"started": True}, DEFINITION),
            ({"exitCode": 0, "started": True}, None),
            ({}, None),
        ],
    )
    def test_tells_its_task_definition_where_it_may_have_a_log(self, members, definition):
        """What has started and failed has written a log, perhaps, and the task definition tells where."""
        outcome = judge(members={"taskDefinitionArn": DEFINITION}, **members)
        assert outcome.task_definition == definition


class TestNeverStarted:
    @pytest.mark.parametrize(
        ("code", "why", "verdict"),
        [
            ("TaskFailedToStart", PULL, Verdict.LAUNCH_AGAIN),
            ("TaskFailedToStart", "RESOURCE:MEMORY", Verdict.NO_CAPACITY),
            ("TaskFailedToStart", "AGENT", Verdict.AWAY),
            ("SpotInterruption", None, Verdict.NO_CAPACITY),
            ("SpotInterruption", "some other words", Verdict.NO_CAPACITY),
            *((code, SPOT, Verdict.NO_CAPACITY) for code in STOP_CODES),
            ("ServiceSchedulerInitiated", "ECS is performing maintenance", Verdict.LAUNCH_AGAIN),
            ("TerminationNotice", None, Verdict.LAUNCH_AGAIN),
            ("InfrastructureHealth", None, Verdict.LAUNCH_AGAIN),
            ("SomethingNew", None, Verdict.LAUNCH_AGAIN),
            (None, None, Verdict.LAUNCH_AGAIN),
            # Who stops one means the launch.
            ("UserInitiated", "by hand", Verdict.FAILED),
            ("UserInitiated", None, Verdict.FAILED),
            ("UserInitiated", STOPPED_BY_COMMAND, Verdict.FAILED),
            ("UserInitiated", "it had EMPTY CAPACITY PROVIDER", Verdict.FAILED),
        ],
    )
    def test_has_its_verdict(self, code, why, verdict):
        """What never started ran nothing of the user's: another attempt, or, without capacity, the same one later."""
        outcome = judge(code=code, why=why)
        assert (outcome.verdict, outcome.started) == (verdict, False)
        assert "never started" in outcome.reason
        assert (why or code or "AWS gave no reason").rstrip(".") in outcome.reason

    @pytest.mark.parametrize(
        "reason",
        [
            # https://github.com/aws/amazon-ecs-agent/pull/3218
            "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [a (STOPPED)]",
            "CannotStartContainerError: exec format error",
            PULL,
            "ResourceInitializationError: no",
        ],
    )
    @pytest.mark.parametrize("exit_code", [143, 137, 1, 0, None])
    def test_whatever_exit_code_ecs_has_put_there(self, reason, exit_code):
        """The container's reason says so, and AWS names no time of a start."""
        outcome = judge(code="EssentialContainerExited", reason=reason, exitCode=exit_code)
        assert (outcome.verdict, outcome.started) == (Verdict.LAUNCH_AGAIN, False)
        assert reason in outcome.reason
        alone = judge(code="TaskFailedToStart", why=reason, exitCode=exit_code)
        assert (alone.verdict, alone.started) == (Verdict.LAUNCH_AGAIN, False)

    @pytest.mark.parametrize(
        "members",
        [
            {"exitCode": 143, "reason": PULL, "started": True},
            {"exitCode": 143, "reason": MEMORY},
            {"exitCode": 143, "code": "TaskFailedToStart"},
            {"exitCode": 143, "why": PULL, "others": [{"name": "proxy", "reason": PULL}]},
            {"exitCode": 143, "why": PULL, "others": [{"name": "proxy"}]},
            {"exitCode": 143, "why": PULL, "code": "UserInitiated"},
            {"exitCode": 143, "code": "SpotInterruption", "why": SPOT},
            {"exitCode": 1, "code": "UserInitiated"},
            {"code": "EssentialContainerExited"},
            {"code": "EssentialContainerExited", "others": [{"name": "sidecar"}]},
        ],
    )
    def test_is_not_believed_where_it_may_have_run(self, members):
        """Its code may have run: another launch is Airflow's own retry."""
        outcome = judge(**members)
        assert (outcome.verdict, outcome.started) == (Verdict.FAILED, True)

    @pytest.mark.parametrize(
        "members",
        [
            {"others": [{"name": "sidecar", "exitCode": 1}]},
            {"reason": "CannotStartContainerError: no such user"},
        ],
    )
    def test_though_an_essential_container_has_exited(self, members):
        """It was another one, or it could not be started."""
        assert judge(code="EssentialContainerExited", **members).verdict is Verdict.LAUNCH_AGAIN

    @pytest.mark.parametrize("why", ["Task failed to start", PULL])
    def test_reason_of_another_container_is_told_with_its_name(self, why):
        """Also where AWS gives it as the ECS task's, too."""
        others = [{"name": "log_router", "reason": PULL}]
        told = judge(code="TaskFailedToStart", why=why, others=others).reason
        assert (
            "Container airflow never started. Container log_router: the image could not be pulled (AWS: "
            in told
        )
        assert f"log_router: {PULL}" in told

    def test_reason_is_told_once(self):
        """AWS gives the same words for the ECS task and its container; the user reads them once."""
        assert judge(why=PULL, reason=PULL).reason.count(PULL) == 1


class TestMainContainer:
    @pytest.mark.parametrize(
        "others",
        [
            [{"name": "proxy", "lastStatus": "STOPPED", "exitCode": 1}],
            [{"name": "aws-guardduty-agent-abc", "exitCode": 137, "reason": "killed"}],
            [{"name": "Airflow", "exitCode": 1}, {"name": "airflow-2", "exitCode": 2}, {"exitCode": 3}],
        ],
    )
    def test_alone_decides(self, others):
        """Exit codes of sidecars, defined by the user or put in by AWS, count for nothing."""
        assert judge(started=True, others=others, exitCode=0).verdict is Verdict.FINISHED
        others = [{**other, "exitCode": 0} for other in others]
        assert judge(started=True, others=others, exitCode=1).verdict is Verdict.FAILED

    def test_that_is_not_there_has_not_finished(self):
        """Another one's exit code 0 is no success."""
        assert classify_ecs_task(task(started=True, exitCode=0), "another").verdict is Verdict.FAILED
