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
"""Every answer and every error that AWS is known to give, and many that it is not, each with its verdict."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from airflow.executors.fargate.answers import Answer, EcsTask, MalformedAnswer
from airflow.executors.fargate.hints import ANY_EXIT, EXIT_CODES, HINTS, explain
from airflow.executors.fargate.outcome import (
    CAPACITY,
    CREDENTIAL_CODES,
    CREDENTIAL_ERRORS,
    THROTTLE_CODES,
    Outcome,
    Verdict,
    judge_error,
    judge_run_task as judge_answer,
    judge_task as judge_ecs_task,
)

ARN = "arn:aws:ecs:us-east-1:123456789012:task/fleet/0123456789abcdef0123456789abcdef"
SECURITY_GROUP_THROTTLE = (
    "Error retrieving security group information for [sg-1]: Request limit exceeded. "
    "(ErrorCode: RequestLimitExceeded)"
)


def judge_run_task(response):
    """Judge a response of RunTask as it comes in."""
    try:
        return judge_answer(Answer.parse(response))
    except MalformedAnswer as error:
        return judge_error(error)


def judge_task(task, name):
    """Judge an ECS task as it comes in; one without an ARN gets one."""
    members = task if isinstance(task, dict) else {}
    arn = members.get("taskArn")
    arn = arn if isinstance(arn, str) and arn else ARN
    return judge_ecs_task(EcsTask.parse({**members, "taskArn": arn}), name)


def client_error(code, message="words of AWS", status=400, **members):
    """Return botocore's own error for an answer of AWS."""
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError({**answer, **members}, "RunTask")


class Odd:
    """Something that cannot even be shown."""

    def __str__(self):
        raise RuntimeError

    __repr__ = __str__


#: What stands where something else should: the functions must return a verdict for any of it.
GARBAGE = [
    None,
    True,
    False,
    0,
    -1,
    503,
    1.5,
    float("nan"),
    "",
    "STOPPED",
    b"bytes",
    [],
    {},
    (),
    [None],
    [[]],
    [{}],
    ["x"],
    {"x": 1},
    {1: 2},
    {None: None},
    {0: "x"},
    object(),
    set(),
    Odd(),
    [Odd()],
    {"name": "airflow"},
]


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "verdict"),
        [
            # What AWS says when it wants fewer calls.
            *((client_error(code), Verdict.THROTTLED) for code in sorted(THROTTLE_CODES)),
            (client_error("ThrottlingException", "Rate exceeded"), Verdict.THROTTLED),
            (client_error("ThrottlingException", status=503), Verdict.THROTTLED),
            (client_error("InvalidParameterException", SECURITY_GROUP_THROTTLE), Verdict.THROTTLED),
            (
                client_error("InvalidParameterException", "Rate exceeded (ErrorCode: Throttling)"),
                Verdict.THROTTLED,
            ),
            (
                client_error(
                    "InvalidParameterException", "Error retrieving subnet: (ErrorCode: InternalError)"
                ),
                Verdict.THROTTLED,
            ),
            (
                client_error(
                    "ClientException", "You've reached the limit on tasks in the PROVISIONING state."
                ),
                Verdict.THROTTLED,
            ),
            *(
                (client_error(code, f"Error retrieving subnet information: {words}"), Verdict.THROTTLED)
                for code in ("InvalidParameterException", "ClientException")
                for words in (
                    "(ErrorCode: RequestLimitExceeded)",
                    "(ErrorCode: Throttling)",
                    "(ErrorCode: InternalError)",
                    "Request limit exceeded.",
                    "Rate exceeded",
                )
            ),
            # Where nobody knows whether it was done.
            (client_error("ServerException", status=500), Verdict.IN_DOUBT),
            (client_error("ServerException"), Verdict.IN_DOUBT),
            (client_error("InternalFailure", status=500), Verdict.IN_DOUBT),
            (client_error("InternalServerError", status=500), Verdict.IN_DOUBT),
            (client_error("ServiceUnavailable", status=503), Verdict.IN_DOUBT),
            (client_error("NobodyKnowsThis", status=500), Verdict.IN_DOUBT),
            *(
                (client_error(str(status), status=status), Verdict.IN_DOUBT)
                for status in (500, 502, 503, 504)
            ),
            (client_error("413", status=413), Verdict.IN_DOUBT),
            (client_error("", status=400), Verdict.IN_DOUBT),
            # Where the credentials are to blame.
            *((client_error(code), Verdict.CREDENTIALS) for code in sorted(CREDENTIAL_CODES)),
            (client_error("ExpiredTokenException", status=403), Verdict.CREDENTIALS),
            # Where the token has started something before.
            (client_error("ConflictException", resourceIds=[ARN]), Verdict.ACCEPTED),
            (client_error("ConflictException", resourceIds=[ARN, "arn:other"]), Verdict.ACCEPTED),
            # What trying again would not change.
            (client_error("ConflictException"), Verdict.FAILED),
            (client_error("ConflictException", resourceIds=[]), Verdict.FAILED),
            (client_error("ConflictException", resourceIds=[""]), Verdict.FAILED),
            (client_error("AccessDeniedException", status=403), Verdict.FAILED),
            (client_error("BlockedException"), Verdict.FAILED),
            (client_error("PlatformUnknownException"), Verdict.FAILED),
            (client_error("PlatformTaskDefinitionIncompatibilityException"), Verdict.FAILED),
            (client_error("UnsupportedFeatureException"), Verdict.FAILED),
            (client_error("ClusterNotFoundException"), Verdict.FAILED),
            (client_error("InvalidParameterException", "TaskDefinition is inactive"), Verdict.FAILED),
            (
                client_error("InvalidParameterException", "Container Overrides length must be at most 8192"),
                Verdict.FAILED,
            ),
            (client_error("ClientException", "TaskDefinition not found."), Verdict.FAILED),
            (client_error("AccessDeniedException", "Request limit exceeded"), Verdict.FAILED),
            (client_error("SerializationException"), Verdict.FAILED),
            (client_error("NobodyKnowsThis"), Verdict.FAILED),
        ],
        ids=lambda value: value.response["Error"]["Code"] if isinstance(value, ClientError) else value.value,
    )
    def test_answer_of_aws_has_its_verdict(self, error, verdict):
        """Each error code of AWS says whether something was started, and whether to try again."""
        outcome = judge_error(error)
        assert outcome.verdict is verdict
        assert outcome.reason
        assert outcome.arn == (ARN if verdict is Verdict.ACCEPTED else None)
        assert not outcome.started

    @pytest.mark.parametrize(
        ("error", "verdict"),
        [
            (exceptions.NoCredentialsError(), Verdict.CREDENTIALS),
            (
                exceptions.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
                Verdict.CREDENTIALS,
            ),
            (
                exceptions.CredentialRetrievalError(provider="custom-process", error_msg="no"),
                Verdict.CREDENTIALS,
            ),
            (exceptions.SSOTokenLoadError(error_msg="expired"), Verdict.CREDENTIALS),
            (exceptions.UnauthorizedSSOTokenError(), Verdict.CREDENTIALS),
            (exceptions.TokenRetrievalError(provider="sso", error_msg="no"), Verdict.CREDENTIALS),
            (exceptions.ReadTimeoutError(endpoint_url="https://ecs"), Verdict.IN_DOUBT),
            (exceptions.ConnectTimeoutError(endpoint_url="https://ecs"), Verdict.IN_DOUBT),
            (exceptions.EndpointConnectionError(endpoint_url="https://ecs"), Verdict.IN_DOUBT),
            (exceptions.ConnectionClosedError(endpoint_url="https://ecs"), Verdict.IN_DOUBT),
            (exceptions.ProxyConnectionError(proxy_url="http://proxy"), Verdict.IN_DOUBT),
            (exceptions.SSLError(endpoint_url="https://ecs", error="no"), Verdict.IN_DOUBT),
            (exceptions.HTTPClientError(error=OSError("reset")), Verdict.IN_DOUBT),
            (exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2), Verdict.IN_DOUBT),
            (exceptions.ParamValidationError(report="Missing required parameter"), Verdict.FAILED),
            (ConnectionResetError("peer"), Verdict.IN_DOUBT),
            (TimeoutError(), Verdict.IN_DOUBT),
            (OSError(28, "no space"), Verdict.IN_DOUBT),
            (ValueError("anything"), Verdict.IN_DOUBT),
            (MemoryError(), Verdict.IN_DOUBT),
            (KeyboardInterrupt(), Verdict.IN_DOUBT),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value.value,
    )
    def test_error_on_the_way_has_its_verdict(self, error, verdict):
        """An error without an answer leaves the call in doubt, unless it is known never to have been sent."""
        outcome = judge_error(error)
        assert outcome.verdict is verdict
        assert type(error).__name__ in outcome.reason

    def test_answer_that_cannot_be_read_leaves_the_call_in_doubt(self):
        """What botocore cannot parse may be the answer to a call that was carried out."""
        from botocore.parsers import ResponseParserError

        assert judge_error(ResponseParserError("no XML")).verdict is Verdict.IN_DOUBT

    def test_errors_of_botocore_that_are_known_by_name_exist(self):
        """The names by which this module, which does not import botocore, knows its errors are botocore's."""
        assert [name for name in CREDENTIAL_ERRORS if not hasattr(exceptions, name)] == []

    @pytest.mark.parametrize("code", ["502", "413", ""])
    def test_page_that_is_no_error_of_aws_is_not_told(self, code):
        """Whatever stands in the body of such an answer, also the request itself, is nothing for a log."""
        outcome = judge_error(client_error(code, "<html>You sent: bearer-token", status=502))
        assert outcome.verdict is Verdict.IN_DOUBT
        assert "bearer-token" not in outcome.reason
        assert "502" in outcome.reason or code == "413"

    def test_refused_parameters_do_not_tell_their_values(self):
        """The message of botocore's error repeats what was passed, and that can be a password."""
        error = exceptions.ParamValidationError(report="Invalid type for parameter x, value: hunter2")
        assert "hunter2" not in judge_error(error).reason

    @pytest.mark.parametrize(
        "response",
        [
            *GARBAGE,
            *({"Error": odd} for odd in GARBAGE),
            *({"Error": {"Code": odd, "Message": odd}} for odd in GARBAGE),
            *({"Error": {"Code": "X"}, "ResponseMetadata": odd} for odd in GARBAGE),
            *({"Error": {"Code": "X"}, "ResponseMetadata": {"HTTPStatusCode": odd}} for odd in GARBAGE),
            *({"Error": {"Code": "ConflictException"}, "resourceIds": odd} for odd in GARBAGE),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_any_response_gets_a_verdict(self, response):
        """An error may carry anything at all: it is judged, never raised again, and is no success but with an ARN."""

        class AnyError(Exception):
            pass

        error = AnyError("message")
        error.response = response
        outcome = judge_error(error)
        assert isinstance(outcome, Outcome)
        assert outcome.verdict is not Verdict.FINISHED
        assert (outcome.verdict is Verdict.ACCEPTED) == isinstance(outcome.arn, str)

    def test_error_that_cannot_be_shown_gets_a_verdict(self):
        """An exception whose message raises is in doubt like any other."""

        class Shy(Exception):
            def __str__(self):
                raise RuntimeError

        assert judge_error(Shy()) == Outcome(Verdict.IN_DOUBT, "Shy: (Shy)")

    def test_status_that_cannot_be_shown_gets_a_verdict(self):
        """A response whose status raises where its text is asked for is in doubt like any other."""

        class Shy:
            def __str__(self):
                raise RuntimeError

        error = client_error("")
        error.response["ResponseMetadata"] = {"HTTPStatusCode": Shy()}
        assert judge_error(error).verdict is Verdict.IN_DOUBT


class TestRunTask:
    @pytest.mark.parametrize(
        ("reason", "detail", "verdict"),
        [
            ("RESOURCE:CPU", None, Verdict.NO_CAPACITY),
            ("RESOURCE:MEMORY", None, Verdict.NO_CAPACITY),
            ("RESOURCE:PORTS", None, Verdict.NO_CAPACITY),
            ("RESOURCE:ENI", None, Verdict.NO_CAPACITY),
            ("RESOURCE:GPU", None, Verdict.NO_CAPACITY),
            (
                "Capacity is unavailable at this time. Please try again later or in a different availability zone",
                None,
                Verdict.NO_CAPACITY,
            ),
            (
                "You've reached the limit on the number of vCPUs you can run concurrently",
                None,
                Verdict.NO_CAPACITY,
            ),
            (
                "You\u2019ve reached the limit on the number of tasks you can run concurrently",
                None,
                Verdict.NO_CAPACITY,
            ),
            ("EMPTY CAPACITY PROVIDER", None, Verdict.NO_CAPACITY),
            ("Fargate", "Capacity is unavailable at this time", Verdict.NO_CAPACITY),
            ("AGENT", None, Verdict.LAUNCH_AGAIN),
            ("LOCATION", None, Verdict.LAUNCH_AGAIN),
            ("ATTRIBUTE", "ecs.capability.x", Verdict.LAUNCH_AGAIN),
            ("INACTIVE", None, Verdict.LAUNCH_AGAIN),
            ("never heard of", "this", Verdict.LAUNCH_AGAIN),
            ("", "", Verdict.LAUNCH_AGAIN),
            (None, None, Verdict.LAUNCH_AGAIN),
        ],
    )
    def test_failure_has_its_verdict(self, reason, detail, verdict):
        """With a failure nothing was started: where there is no room it costs no attempt, else it costs one."""
        failure = {"arn": ARN, "reason": reason, "detail": detail}
        outcome = judge_run_task({"tasks": [], "failures": [failure]})
        assert outcome.verdict is verdict
        assert (reason or "AWS gave no reason") in outcome.reason
        assert (detail or "") in outcome.reason
        assert outcome.arn is None

    def test_failure_without_a_member_is_still_a_failure(self):
        """A failure says that nothing was started, whatever else it leaves out."""
        assert judge_run_task({"failures": [{}]}).verdict is Verdict.LAUNCH_AGAIN

    @pytest.mark.parametrize(
        "failures", [None, [], [{"arn": ARN, "reason": "RESOURCE:CPU"}]], ids=["none", "empty", "one"]
    )
    def test_task_is_accepted_even_beside_a_failure(self, failures):
        """Where there is a task, a container was started, whatever else the answer says."""
        outcome = judge_run_task({"tasks": [{"taskArn": ARN}], "failures": failures})
        assert outcome == Outcome(Verdict.ACCEPTED, arn=ARN)

    @pytest.mark.parametrize(
        "response",
        [
            *GARBAGE,
            *({"tasks": odd} for odd in GARBAGE),
            *({"tasks": [odd]} for odd in GARBAGE),
            *({"tasks": [{"taskArn": odd}]} for odd in GARBAGE if odd != "STOPPED"),
            *({"failures": odd} for odd in GARBAGE if odd not in ([{}], [{"x": 1}])),
            *({"failures": [odd]} for odd in GARBAGE if not isinstance(odd, dict)),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_answer_that_tells_nothing_leaves_the_call_in_doubt(self, response):
        """What names neither a task nor a failure may have started one: the very same is said again."""
        assert judge_run_task(response).verdict is Verdict.IN_DOUBT

    @pytest.mark.parametrize("odd", GARBAGE, ids=lambda value: type(value).__name__)
    def test_failure_of_any_kind_gets_a_verdict(self, odd):
        """Whatever stands for the reason, nothing was started."""
        outcome = judge_run_task({"failures": [{"reason": odd, "detail": odd}]})
        assert outcome.verdict is Verdict.LAUNCH_AGAIN


def task(status, *, stop_code=None, stopped_reason=None, started=False, containers=(), **container):
    """Return a task as DescribeTasks does, with its container ``airflow`` and further containers."""
    made = {"taskArn": ARN, "lastStatus": status, "stopCode": stop_code, "stoppedReason": stopped_reason}
    if started:
        made["startedAt"] = 1000.0
    made["containers"] = [*containers, {"name": "airflow", **container}]
    return {name: value for name, value in made.items() if value is not None}


LIVING = ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING"]
STOP_CODES = [
    "TaskFailedToStart",
    "EssentialContainerExited",
    "UserInitiated",
    "ServiceSchedulerInitiated",
    "SpotInterruption",
    "TerminationNotice",
]
REASONS = [
    "OutOfMemoryError: Container killed due to memory usage",
    "CannotPullContainerError: pull image manifest has been retried 1 time(s)",
    "CannotStartContainerError: ResourceInitializationError",
    "ResourceInitializationError: unable to pull secrets or registry auth",
    "ContainerRuntimeError: failed",
    "InternalError: unexpected",
]
NOT_STARTED: dict[str, Any] = {}
#: What AWS says of a task that has stopped, each with what it means and what to do:
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
MEANINGS = [
    *(
        pytest.param(
            reason, {"stop_code": code, **end, "reason": reason}, meaning, remedy, id=f"{name} {how}"
        )
        for name, reason, meaning, remedy in [
            ("memory", REASONS[0], "The container ran out of memory", "more memory"),
            ("image", REASONS[1], "The image could not be pulled", "Check the image's name and tag"),
            ("start", REASONS[2], "Fargate could not prepare the task", "Check the execution role"),
            ("secrets", REASONS[3], "Fargate could not prepare the task", "Check the execution role"),
            ("runtime", REASONS[4], "The container's runtime failed", "retries"),
            ("internal", REASONS[5], "AWS had an error of its own", "retries"),
            (
                "entry point",
                'CannotStartContainerError: exec: "x": executable file not found',
                "The container could not be started",
                "Check the entry point and the command",
            ),
        ]
        for how, code, end in [
            ("before the start", "TaskFailedToStart", NOT_STARTED),
            ("with an exit code", "EssentialContainerExited", {"started": True, "exitCode": 137}),
            ("without one", "EssentialContainerExited", {"started": True}),
        ]
    ),
    *(
        pytest.param(
            code, {"stop_code": code, "stopped_reason": words, **end}, meaning, remedy, id=f"{name} {how}"
        )
        for name, code, words, meaning, remedy in [
            ("user", "UserInitiated", "Task stopped by user", "Somebody stopped the container", "CloudTrail"),
            (
                "service",
                "ServiceSchedulerInitiated",
                "by AWS",
                "AWS stopped the container by itself",
                "retries",
            ),
            (
                "maintenance",
                "ServiceSchedulerInitiated",
                "ECS is performing maintenance on the underlying infrastructure hosting the task",
                "AWS maintained the host of the container",
                "retries",
            ),
            (
                "spot",
                "SpotInterruption",
                "Your Spot Task was interrupted.",
                "The Spot capacity was taken back, or there was none",
                "on-demand capacity",
            ),
            ("notice", "TerminationNotice", None, "AWS took back the host of the container", "retries"),
        ]
        for how, end in [
            ("before the start", NOT_STARTED),
            ("with an exit code", {"started": True, "exitCode": 143}),
            ("without one", {"started": True}),
        ]
    ),
    *(
        pytest.param(
            words, {"stop_code": "TaskFailedToStart", "stopped_reason": words}, meaning, remedy, id=words
        )
        for words, meaning, remedy in [
            ("RESOURCE:MEMORY", "The cluster has no room for the task", "Add capacity"),
            ("EMPTY CAPACITY PROVIDER", "The capacity provider has no instances", "Auto Scaling"),
            (
                "Capacity is unavailable at this time",
                "AWS has no capacity at the moment",
                "Availability Zones",
            ),
            (
                "Timeout waiting for network interface provisioning to complete",
                "The network interface could not be made or attached",
                "free addresses",
            ),
            ("unexpected words", "AWS could not start the container", "AWS console"),
        ]
    ),
    *(
        pytest.param(
            f"exited with code {code}.",
            {"stop_code": "EssentialContainerExited", "started": True, "exitCode": code},
            f"{meaning[0].upper()}{meaning[1:]}",
            remedy,
            id=f"exit code {code}",
        )
        for code, (meaning, remedy) in {**EXIT_CODES, 1: ANY_EXIT, 255: ANY_EXIT}.items()
    ),
]


class TestLivingTask:
    @pytest.mark.parametrize("status", [*LIVING, "SOMETHING_NEW", "", None])
    @pytest.mark.parametrize("started", [False, True])
    def test_is_live_until_its_end_is_seen(self, status, started):
        """A task that is not stopped lives, in a state that nobody has heard of, too."""
        outcome = judge_task(task(status, started=started), "airflow")
        assert outcome == Outcome(Verdict.LIVE, arn=ARN, started=started)

    def test_is_live_though_it_shall_stop(self):
        """The warning before an interruption is not the end."""
        described = task("RUNNING", started=True, lastStatus="RUNNING")
        described |= {"desiredStatus": "STOPPED", "stopCode": "SpotInterruption"}
        assert judge_task(described, "airflow").verdict is Verdict.LIVE

    @pytest.mark.parametrize("status", ["RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING"])
    @pytest.mark.parametrize(("code", "verdict"), [(0, Verdict.FINISHED), (1, Verdict.FAILED)])
    def test_is_over_as_soon_as_its_container_has_stopped(self, status, code, verdict):
        """How long sidecars and the network interface take to vanish is nobody's business."""
        described = task(status, started=True, lastStatus="STOPPED", exitCode=code)
        assert judge_task(described, "airflow").verdict is verdict

    def test_is_live_where_its_container_stopped_without_an_exit_code(self):
        """An exit code may still come, as long as the task itself has not stopped."""
        described = task("DEPROVISIONING", started=True, lastStatus="STOPPED")
        assert judge_task(described, "airflow").verdict is Verdict.LIVE

    def test_is_live_though_a_sidecar_has_stopped(self):
        """A sidecar's end is not the container's."""
        sidecar = {"name": "proxy", "lastStatus": "STOPPED", "exitCode": 0}
        described = task("RUNNING", started=True, containers=[sidecar], lastStatus="RUNNING")
        assert judge_task(described, "airflow").verdict is Verdict.LIVE

    def test_has_started_once_there_is_an_exit_code(self):
        """An exit code says that the container ran, even where the time of its start is not told yet."""
        assert judge_task(task("RUNNING", lastStatus="RUNNING", exitCode=0), "airflow").started


class TestStoppedTask:
    @pytest.mark.parametrize("status", ["STOPPED", "DELETED"])
    @pytest.mark.parametrize("stop_code", [*STOP_CODES, "SomethingNew", None])
    @pytest.mark.parametrize("started", [False, True])
    def test_has_finished_with_exit_code_0(self, status, stop_code, started):
        """Exit code 0 of the named container is finished well, however the task came to its end."""
        described = task(status, stop_code=stop_code, started=started, exitCode=0, reason="whatever")
        assert judge_task(described, "airflow") == Outcome(Verdict.FINISHED, arn=ARN, started=True)

    @pytest.mark.parametrize(
        "moment",
        [10**400, -(10**400), float("nan"), float("inf"), -1, "soon", datetime.min, datetime.max, None],
    )
    def test_has_finished_though_nobody_can_tell_when(self, moment):
        """The time of the end serves a metric alone: one that is none loses no end."""
        described = {**task("STOPPED", started=True, exitCode=0), "executionStoppedAt": moment}
        assert judge_task(described, "airflow") == Outcome(Verdict.FINISHED, arn=ARN, started=True)

    @pytest.mark.parametrize("code", [1, 2, 137, 139, 143, 255, -1])
    @pytest.mark.parametrize("stop_code", [*STOP_CODES, None])
    def test_has_failed_with_any_other_exit_code(self, code, stop_code):
        """Any other exit code is a failure of a container that ran, and the reason tells the code."""
        outcome = judge_task(task("STOPPED", stop_code=stop_code, started=True, exitCode=code), "airflow")
        assert outcome.verdict is Verdict.FAILED
        assert outcome.started
        assert outcome.arn == ARN
        assert f"exited with code {code}." in outcome.reason

    @pytest.mark.parametrize("stop_code", [*STOP_CODES, "SomethingNew", None])
    def test_has_failed_without_an_exit_code_where_it_had_started(self, stop_code):
        """A missing exit code is never a success: what started and left none has failed, for a reason of AWS."""
        described = task("STOPPED", stop_code=stop_code, stopped_reason="the reason", started=True)
        outcome = judge_task(described, "airflow")
        assert (outcome.verdict, outcome.started) == (Verdict.FAILED, True)
        assert "without an exit code" in outcome.reason
        assert "the reason" in outcome.reason

    @pytest.mark.parametrize(
        ("stop_code", "reason", "verdict"),
        [
            ("TaskFailedToStart", "CannotPullContainerError: no", Verdict.LAUNCH_AGAIN),
            ("TaskFailedToStart", "ResourceInitializationError: no secret", Verdict.LAUNCH_AGAIN),
            ("TaskFailedToStart", "Timeout waiting for network interface provisioning", Verdict.LAUNCH_AGAIN),
            ("TaskFailedToStart", "RESOURCE:MEMORY", Verdict.NO_CAPACITY),
            ("TaskFailedToStart", "EMPTY CAPACITY PROVIDER", Verdict.NO_CAPACITY),
            ("TaskFailedToStart", "Capacity is unavailable at this time", Verdict.NO_CAPACITY),
            ("SpotInterruption", "Your Spot Task was interrupted", Verdict.NO_CAPACITY),
            ("SpotInterruption", None, Verdict.NO_CAPACITY),
            ("UserInitiated", "by hand", Verdict.LAUNCH_AGAIN),
            ("ServiceSchedulerInitiated", "ECS is performing maintenance", Verdict.LAUNCH_AGAIN),
            ("TerminationNotice", None, Verdict.LAUNCH_AGAIN),
            ("SomethingNew", None, Verdict.LAUNCH_AGAIN),
            (None, None, Verdict.LAUNCH_AGAIN),
        ],
    )
    def test_is_launched_again_where_it_never_started(self, stop_code, reason, verdict):
        """What never started ran nothing of the user's: another attempt, or, without room, the same one later."""
        outcome = judge_task(task("STOPPED", stop_code=stop_code, stopped_reason=reason), "airflow")
        assert (outcome.verdict, outcome.started) == (verdict, False)
        assert "never started" in outcome.reason
        assert (reason or stop_code or "AWS gave no reason") in outcome.reason

    @pytest.mark.parametrize(
        ("members", "verdict"),
        [
            ({}, Verdict.FAILED),
            ({"containers": [{"name": "sidecar"}]}, Verdict.FAILED),
            ({"containers": [{"name": "sidecar", "exitCode": 1}]}, Verdict.LAUNCH_AGAIN),
            ({"reason": "CannotStartContainerError: no such user"}, Verdict.LAUNCH_AGAIN),
        ],
        ids=["alone", "with a sidecar that has no code either", "a sidecar ended first", "could not start"],
    )
    def test_is_not_launched_again_where_it_may_have_run(self, members, verdict):
        """An essential container has ended: unless another one is meant, this one may have run, whatever AWS leaves out."""
        outcome = judge_task(task("STOPPED", stop_code="EssentialContainerExited", **members), "airflow")
        assert outcome.verdict is verdict
        assert outcome.started == (verdict is Verdict.FAILED)

    @pytest.mark.parametrize("reason", REASONS)
    def test_tells_the_reason_of_the_container(self, reason):
        """What AWS says of the container reaches the user, with and without an exit code."""
        for members in ({"exitCode": 137, "started": True}, {"started": True}, {}):
            outcome = judge_task(task("STOPPED", reason=reason, **members), "airflow")
            assert reason in outcome.reason

    @pytest.mark.parametrize(("words", "members", "meaning", "remedy"), MEANINGS)
    def test_tells_what_happened_and_what_to_do(self, words, members, meaning, remedy):
        """Each stop code and each reason of a container that AWS documents has a meaning and a remedy."""
        told = judge_task(task("STOPPED", **members), "airflow").reason
        assert words in told
        assert f"{meaning} (AWS: " in told
        assert remedy in told
        assert told.endswith(".")
        assert "\n" not in told

    def test_tells_exit_codes_by_container(self):
        """What the other containers of the task ended with stands after the reason, as a word of none."""
        others = [{"name": "proxy", "exitCode": 1}, {"name": "aws-guardduty-agent-x"}]
        ends = [{"exitCode": 137, "started": True}, {"started": True}, {}]
        for members in ends:
            described = task("STOPPED", stop_code="EssentialContainerExited", containers=others, **members)
            told = judge_task(described, "airflow").reason
            assert told.endswith(" Exit codes of the other containers: proxy 1, aws-guardduty-agent-x none.")
        assert "Exit codes" not in judge_task(task("STOPPED", exitCode=1), "airflow").reason

    @pytest.mark.parametrize(
        ("members", "definition"),
        [
            ({"exitCode": 1, "started": True}, "arn:x:task-definition/a:1"),
            ({"started": True}, "arn:x:task-definition/a:1"),
            ({"exitCode": 0, "started": True}, None),
            ({}, None),
        ],
    )
    def test_tells_its_task_definition_where_it_may_have_a_log(self, members, definition):
        """What has started and failed has written a log, perhaps, and the task definition tells where."""
        described = {**task("STOPPED", **members), "taskDefinitionArn": "arn:x:task-definition/a:1"}
        assert judge_task(described, "airflow").task_definition == definition

    def test_tells_a_reason_once(self):
        """AWS gives the same words for the task and its container; the user reads them once."""
        words = "CannotPullContainerError: no such image"
        outcome = judge_task(task("STOPPED", stopped_reason=words, reason=words), "airflow")
        assert outcome.reason.count(words) == 1

    @pytest.mark.parametrize(
        "sidecars",
        [
            [{"name": "proxy", "lastStatus": "STOPPED", "exitCode": 1}],
            [{"name": "aws-guardduty-agent-abc", "exitCode": 137, "reason": "killed"}],
            [{"name": "Airflow", "exitCode": 1}, {"name": "airflow-2", "exitCode": 2}, {"exitCode": 3}],
        ],
    )
    def test_is_judged_by_the_named_container(self, sidecars):
        """Exit codes of sidecars, defined by the user or put in by AWS, count for nothing."""
        described = task("STOPPED", started=True, containers=sidecars, exitCode=0)
        assert judge_task(described, "airflow").verdict is Verdict.FINISHED
        for sidecar in sidecars:
            sidecar["exitCode"] = 0
        described = task("STOPPED", started=True, containers=sidecars, exitCode=1)
        assert judge_task(described, "airflow").verdict is Verdict.FAILED

    def test_has_not_finished_where_the_named_container_is_not_there(self):
        """Where the container that decides is missing, another one's exit code 0 is no success."""
        described = task("STOPPED", started=True, exitCode=0)
        assert judge_task(described, "another").verdict is Verdict.FAILED


#: Whole numbers are what an exit code is; everything else in its place is none.
NO_NUMBERS = [odd for odd in GARBAGE if isinstance(odd, bool) or not isinstance(odd, int)]


class TestGarbage:
    @pytest.mark.parametrize("odd", GARBAGE, ids=lambda value: type(value).__name__)
    def test_in_the_place_of_a_task_is_live(self, odd):
        """What is no task at all has not been seen to end."""
        assert judge_task(odd, "airflow").verdict is Verdict.LIVE

    @pytest.mark.parametrize("odd", NO_NUMBERS, ids=lambda value: type(value).__name__)
    @pytest.mark.parametrize("started", [False, True])
    def test_in_the_place_of_an_exit_code_is_no_exit_code(self, odd, started):
        """What is no number is never a success."""
        outcome = judge_task(task("STOPPED", started=started, exitCode=odd), "airflow")
        assert outcome.verdict is (Verdict.FAILED if started else Verdict.LAUNCH_AGAIN)

    @pytest.mark.parametrize("odd", GARBAGE, ids=lambda value: type(value).__name__)
    @pytest.mark.parametrize("status", ["RUNNING", "STOPPED"])
    @pytest.mark.parametrize("key", ["taskArn", "containers", "stopCode", "stoppedReason", "startedAt"])
    def test_in_any_place_of_a_task_gets_a_verdict(self, key, status, odd):
        """Whatever stands anywhere in a task, it is judged, and never as a success."""
        outcome = judge_task({**task(status), key: odd}, "airflow")
        live = {Verdict.LIVE}
        assert outcome.verdict in (live if status == "RUNNING" else {Verdict.FAILED, Verdict.LAUNCH_AGAIN})
        assert outcome.arn is None or isinstance(outcome.arn, str)
        assert isinstance(outcome.reason, str)

    @pytest.mark.parametrize("odd", GARBAGE, ids=lambda value: type(value).__name__)
    @pytest.mark.parametrize("key", ["name", "lastStatus", "reason"])
    def test_in_any_place_of_a_container_gets_a_verdict(self, key, odd):
        """Whatever stands anywhere in the container, the task is judged."""
        described = task("STOPPED", started=True, exitCode=1)
        described["containers"][0][key] = odd
        assert judge_task(described, "airflow").verdict is Verdict.FAILED

    @pytest.mark.parametrize(
        "odd", [odd for odd in GARBAGE if odd != "STOPPED"], ids=lambda v: type(v).__name__
    )
    def test_in_the_place_of_a_status_is_not_the_end(self, odd):
        """A status that nobody knows is not that of a stopped task."""
        assert judge_task({"lastStatus": odd}, "airflow").verdict is Verdict.LIVE


#: What AWS says of a RunTask that it does not carry out: the exception, or a failure in its answer.
REFUSALS = [
    (
        "AccessDeniedException",
        "User: x is not authorized to perform: ecs:RunTask on resource: y",
        "ecs:RunTask",
    ),
    ("AccessDeniedException", "User: x is not authorized to perform: iam:PassRole", "iam:PassRole"),
    ("AccessDeniedException", "User: x is not authorized to perform: ecs:TagResource", "ecs:TagResource"),
    ("AccessDeniedException", "no", "airflow fargate check"),
    ("BlockedException", "Your account is blocked", "AWS Support"),
    ("ClusterNotFoundException", "Cluster not found.", "[fargate] cluster"),
    ("PlatformUnknownException", "The platform version is invalid.", "[fargate] platform_version"),
    ("PlatformTaskDefinitionIncompatibilityException", "x", "[fargate] platform_version"),
    ("UnsupportedFeatureException", "not in this Region", "airflow fargate render"),
    ("ClientException", "TaskDefinition is inactive", "[fargate] task_definition"),
    ("ClientException", "something else", "Correct what AWS names"),
    ("InvalidParameterException", "something else", "Correct what AWS names"),
    (
        "InvalidParameterException",
        "Override for container named x is not a container in the TaskDefinition.",
        "executor_config",
    ),
    (
        "InvalidParameterException",
        "The specified capacity provider 'x' was not found.",
        "airflow fargate check",
    ),
    (
        "InvalidParameterException",
        (
            "Error retrieving subnet information for [subnet-1]: The subnet ID 'subnet-1' does not exist "
            "(ErrorCode: InvalidSubnetID.NotFound)"
        ),
        "[fargate] subnets",
    ),
    (
        "InvalidParameterException",
        (
            "Error retrieving security group information for [sg-1]: The security group 'sg-1' does not exist "
            "(ErrorCode: InvalidGroup.NotFound)"
        ),
        "[fargate] security_groups",
    ),
    (
        "InvalidParameterException",
        "Assign public IP is not supported for this launch type.",
        "[fargate] assign_public_ip",
    ),
    (
        "InvalidParameterException",
        "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        "[fargate] subnets",
    ),
    (
        "InvalidParameterException",
        "Network Configuration is not valid for the given networkMode of this task definition.",
        "subnets empty",
    ),
    (
        "InvalidParameterException",
        "No Container Instances were found in your cluster.",
        "[fargate] launch_type",
    ),
    (
        "InvalidParameterException",
        "Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
        "create-service-linked-role",
    ),
    (
        "ClientException",
        (
            "ECS was unable to assume the role 'arn:aws:iam::1:role/AGENT' that was provided for this task. Please "
            "verify that the role being passed has the proper trust relationship and permissions and that your IAM user "
            "has permissions to pass this role."
        ),
        "trust policy",
    ),
]


class TestRemedies:
    @pytest.mark.parametrize(("code", "message", "remedy"), REFUSALS)
    def test_a_refusal_has_one(self, code, message, remedy):
        """Whoever reads why AWS refused a launch learns what to do about it."""
        outcome = judge_error(client_error(code, message))
        assert outcome.verdict is Verdict.FAILED
        _, told, after = outcome.reason.partition(f"(AWS: {code}: {message.rstrip('.')}). ")
        assert told
        assert remedy in after

    @pytest.mark.parametrize("sign", CAPACITY)
    def test_no_room_has_one(self, sign):
        """As a failure of RunTask, and as the reason of a container that never started."""
        words = f"You've reached the {sign}, or so" if sign.startswith("limit") else f"{sign}CPU"
        answered = judge_run_task({"tasks": [], "failures": [{"reason": words}]})
        described = judge_task(
            task("STOPPED", stop_code="TaskFailedToStart", stopped_reason=words), "airflow"
        )
        for outcome in (answered, described):
            assert outcome.verdict is Verdict.NO_CAPACITY
            _, told, remedy = outcome.reason.partition(f"{words}). ")
            assert told
            assert remedy

    @pytest.mark.parametrize("reason", ["AGENT", "LOCATION", "ATTRIBUTE"])
    def test_a_failure_of_placement_has_one(self, reason):
        """What is wrong with the instances may pass, and is told."""
        outcome = judge_run_task({"tasks": [], "failures": [{"arn": ARN, "reason": reason}]})
        assert outcome.verdict is Verdict.LAUNCH_AGAIN
        assert outcome.reason.partition(f"(AWS: {reason}). ")[2]

    def test_the_quotas_are_told_apart(self):
        """vCPUs and tasks are two quotas, and AWS asks which one is to be raised."""
        reasons = [
            judge_run_task(
                {"failures": [{"reason": f"You've reached the limit on the number of {what}"}]}
            ).reason
            for what in ("vCPUs you can run concurrently", "tasks you can run concurrently")
        ]
        assert "quota of Fargate vCPUs" in reasons[0]
        assert "quota of Fargate tasks" in reasons[1]


class TestExplain:
    @pytest.mark.parametrize(("sign", "meaning", "remedy"), HINTS)
    def test_tells_what_it_means_and_what_to_do(self, sign, meaning, remedy):
        """AWS's own words stand in the sentence, with what they mean and a remedy."""
        told = explain(f"{sign}.")
        assert f"(AWS: {sign})" in told
        assert told.lower().startswith(meaning.lower())
        assert told.endswith(f"{remedy}.")

    @pytest.mark.parametrize(
        ("told", "expected"),
        [
            ("something else", "something else."),
            ("something else. ", "something else."),
            ("", "AWS gave no reason."),
            (" . ", "AWS gave no reason."),
        ],
    )
    def test_leaves_as_they_are_words_that_it_does_not_know(self, told, expected):
        """What nobody has an explanation for is told as AWS said it, as a sentence."""
        assert explain(told) == expected
