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
"""AWS's words mean the same in each kind of answer, and have explanations. Names of users have none."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from airflow.executors.fargate.aws.answers import Answer, EcsTask
from airflow.executors.fargate.aws.classify import classify_error
from airflow.executors.fargate.aws.explanations import (
    ANY_EXIT,
    EXIT_CODES,
    EXPLANATIONS,
    Statement,
    explain,
    fits,
    leading_word,
)
from airflow.executors.fargate.aws.outcome import classify_ecs_task, classify_run_task
from airflow.executors.fargate.aws.verdict import Verdict

ARN = "arn:aws:ecs:us-east-1:123456789012:task/fleet/0123456789abcdef0123456789abcdef"
ENI = "Unexpected EC2 error while attempting to Create Network Interface with public IP assignment {} in subnet '{}': {}"
SECURITY_GROUP = "Error retrieving security group information for [sg-1]: {} (ErrorCode: {})"


def as_error(code, message):
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return classify_error(ClientError(answer, "RunTask"))


def as_failure(reason):
    return classify_run_task(Answer.parse({"tasks": [], "failures": [{"arn": ARN, "reason": reason}]}))


def as_end(stopped_reason, stop_code="TaskFailedToStart", **container):
    task = {"taskArn": ARN, "lastStatus": "STOPPED", "stopCode": stop_code, "stoppedReason": stopped_reason}
    return classify_ecs_task(
        EcsTask.parse({**task, "containers": [{"name": "airflow", **container}]}), "airflow"
    )


#: No capacity: (what AWS says, what the reason has). The default source is AWS's page api_failures_messages.
NO_CAPACITY = [
    ("RESOURCE:MEMORY", "lack the resources"),
    ("EMPTY CAPACITY PROVIDER", "Auto Scaling"),
    ("NO ACTIVE INSTANCES", "Auto Scaling"),
    (
        "Capacity is unavailable at this time. Please try again later or in a different availability zone",
        "Availability Zones",
    ),
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages.html
    ("You've reached the limit on the number of vCPUs you can run concurrently", "quota of Fargate vCPUs"),
    (
        "You\u2019ve reached the limit on the number of tasks you can run concurrently",
        "quota of ECS tasks on Fargate",
    ),
    ("The requested MEMORY configuration is above your limit.", "smaller than the size"),
    ("No Container Instances were found in your cluster.", "[fargate] launch_type"),
    ("(service a) was unable to place a task. Reason: RESOURCE:CPU", "lack the resources"),
    (
        (
            "service a was unable to place a task because no container instance met all of its requirements. The closest "
            "matching container-instance b has insufficient CPU units available."
        ),
        "lack the resources",
    ),
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html
    ("Tasks provisioning capacity limit exceeded.", "PROVISIONING"),
    ("You've reached the limit on tasks in the PROVISIONING state.", "PROVISIONING"),
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
    (
        ENI.format("enabled", "subnet-0ab1", "InsufficientFreeAddressesInSubnet"),
        "Subnet subnet-0ab1 has no free addresses",
    ),
    (ENI.format("disabled", "subnet-0ab1", "NetworkInterfaceLimitExceeded"), "quota of network interfaces"),
    ("Your Spot Task was interrupted.", "on-demand"),
]
#: Temporarily unavailable. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
AWAY = [
    (SECURITY_GROUP.format("Request limit exceeded.", "RequestLimitExceeded"), "EC2 throttles"),
    (
        SECURITY_GROUP.format("AWS was not able to validate the provided access credentials", "AuthFailure"),
        "EC2 does not accept",
    ),
    (
        SECURITY_GROUP.format("The service is unavailable. Please try again shortly.", "Unavailable"),
        "not available",
    ),
    (SECURITY_GROUP.format("An internal error has occurred", "InternalFailure"), "error of its own"),
    (SECURITY_GROUP.format("An internal error has occurred", "InternalError"), "error of its own"),
    ("Error retrieving subnet information for [subnet-1]: Request limit exceeded.", "EC2 throttles"),
    (ENI.format("enabled", "subnet-0ab1", "RequestLimitExceeded"), "EC2 throttles"),
]
#: AWS's words in names of users, where they mean nothing.
OF_USERS = [
    ("InvalidParameterException", "Role arn:aws:iam::123456789012:role/db-maintenance is not valid"),
    ("InvalidParameterException", "Override for container named AGENT_NAME is not allowed"),
    ("InvalidParameterException", "Invalid tag RESOURCE:CPU-LOCATION-ATTRIBUTE"),
    ("InvalidParameterException", "my-NO-ACTIVE-INSTANCES is no name"),
    ("ClientException", "family OutOfMemoryError-UserInitiated-SpotInterruption has no revision"),
    ("ClientException", "AGENT"),
]


class TestVerdicts:
    @pytest.mark.parametrize(("words", "expected"), NO_CAPACITY)
    def test_no_capacity(self, words, expected):
        """The verdict is the same for an error, a failure, and an ECS task that never started."""
        if "RESOURCE" in words:
            outcomes = [as_failure(words), as_end(words), as_end(f"TaskFailedToStart: {words}")]
        else:
            errors = [as_error(code, words) for code in ("ClientException", "InvalidParameterException")]
            outcomes = [*errors, as_failure(words), as_end(words), as_end(words, None)]
        for outcome in outcomes:
            assert outcome.verdict is Verdict.NO_CAPACITY
            assert expected in outcome.reason
            assert words.rstrip(".") in outcome.reason

    @pytest.mark.parametrize(("words", "expected"), AWAY)
    def test_temporarily_unavailable(self, words, expected):
        """Errors of EC2 that pass have the same verdict in each kind of answer."""
        errors = [as_error(code, words) for code in ("ClientException", "InvalidParameterException")]
        for outcome in (*errors, as_failure(words), as_end(words)):
            assert outcome.verdict is Verdict.AWAY
            assert expected in outcome.reason

    @pytest.mark.parametrize("words", ["AGENT", "TaskFailedToStart: AGENT", 'a encountered error "AGENT".'])
    def test_disconnected_agent(self, words):
        """It reconnects within a minute. https://github.com/dagster-io/dagster/issues/34125"""
        for outcome in (as_failure(words), as_end(words)):
            assert outcome.verdict is Verdict.AWAY
            assert "not connected" in outcome.reason

    @pytest.mark.parametrize("words", ["Rate exceeded", SECURITY_GROUP.format("Rate exceeded", "Throttling")])
    def test_throttling_within_another_error(self, words):
        """It throttles RunTask, unless the code says that a permission is missing."""
        assert as_error("InvalidParameterException", words).verdict is Verdict.THROTTLED
        assert as_error("AccessDeniedException", words).verdict is Verdict.FAILED

    @pytest.mark.parametrize(("code", "message"), OF_USERS)
    def test_names_of_users_have_no_meaning(self, code, message):
        """Only the error's code is explained."""
        error = as_error(code, message)
        assert error.verdict is Verdict.FAILED
        assert error.reason.startswith("AWS refuses the call (AWS: ")
        for outcome in (as_failure(f"Sorry, {message}"), as_end(f"Sorry, {message}")):
            assert outcome.verdict is Verdict.LAUNCH_AGAIN
        assert as_failure(f"Sorry, {message}").reason == f"Sorry, {message}."

    @pytest.mark.parametrize(
        "reason", ["LOCATION", "ATTRIBUTE", "MemberOf placement constraint unsatisfied.", "INACTIVE"]
    )
    def test_unsuitable_instance_uses_up_an_attempt(self, reason):
        """Another instance may suit the next attempt. Each reason has a remedy."""
        for outcome in (as_failure(reason), as_end(f"TaskFailedToStart: {reason}")):
            assert outcome.verdict is Verdict.LAUNCH_AGAIN
            assert f"{reason.rstrip('.')}). " in outcome.reason
            assert not outcome.reason.startswith("AWS could not start")


#: Reasons of a container or an ECS task that did not start, with what the explanation has:
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
REASONS = [
    (
        "CannotPullECRContainerError: AccessDeniedException: User: u is not authorized to perform: ecr:GetAuthorizationToken",
        "execution role may not pull",
    ),
    (
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref r: pulling from host h failed with status code [manifests l]: 403 Forbidden",
        "refuses the image",
    ),
    (
        "CannotPullContainerError: denied: User: u is not authorized to perform: ecr:BatchGetImage on resource: r",
        "execution role may not pull",
    ),
    (
        "CannotPullContainerError: inspect image has been retried 5 time(s): httpReaderSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/x: 429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit.",
        "limits how often",
    ),
    ("CannotPullContainerError: ERROR: toomanyrequests: Too Many Requests.", "limits how often"),
    (
        "CannotPullContainerError: write /var/lib/docker/tmp/GetImageBlob111111111: no space left on device",
        "ephemeral_storage",
    ),
    (
        "CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/amd64'",
        "cpuArchitecture",
    ),
    (
        "CannotPullContainerError: no matching manifest for linux/arm64/v8 in the manifest list entries",
        "cpuArchitecture",
    ),
    (
        "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref docker.io/a/b:c: docker.io/a/b:c: not found",
        "no such image",
    ),
    (
        "CannotPullContainerError: API error (404): repository 1.dkr.ecr.us-east-1.amazonaws.com/a not found",
        "no such image",
    ),
    (
        "CannotPullContainerError: API error (500): Get https://1.dkr.ecr.us-east-1.amazonaws.com/v2/: net/http: request canceled while waiting for connection",
        "was not reached",
    ),
    (
        "CannotPullContainerError: failed to do request: Head h: dial tcp 34.205.13.154:443: i/o timeout",
        "was not reached",
    ),
    ("CannotPullContainerError: context canceled", "was not reached"),
    (
        "CannotPullImageManifestError: Error response from daemon: no basic auth credentials",
        "repositoryCredentials",
    ),
    ("CannotPullContainerError: something new with AGENT_NAME", "could not be pulled"),
    (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve ecr registry auth: service call has been retried 3 time(s)",
        "access to Amazon ECR",
    ),
    (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s)",
        "a secret of the task definition",
    ),
    (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from ssm: service call has been retried",
        "a secret of the task definition",
    ),
    (
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.",
        "the log group exists",
    ),
    (
        "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: mount.nfs4: access denied by server",
        "port 2049",
    ),
    (
        "ResourceInitializationError: failed to download env files: file download command: non empty error stream",
        "environmentFiles",
    ),
    (
        "ResourceInitializationError: failed to configure ENI: failed to setup regular eni: netplugin failed with no error message",
        "network interface",
    ),
    ("ResourceInitializationError: something-secret-new", "Fargate could not prepare"),
    (
        'CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: exec: "db-maintenance": executable file not found in $PATH: unknown',
        "Entry point or the command",
    ),
    (
        'CannotStartContainerError: Error response from daemon: OCI runtime create failed: exec: "/entrypoint": permission denied',
        "may not be executed",
    ),
    ("CannotStartContainerError: exec /usr/local/bin/airflow: exec format error", "processor"),
    (
        "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [db-maintenance (STOPPED->RUNNING) - Exit: 1]",
        "dependsOn",
    ),
    (
        "CannotStartContainerError: Error response from daemon: failed to initialize logging driver: CredentialsEndpointError",
        "log could not be opened",
    ),
    ("CannotStartContainerError: something new", "could not be started"),
    ("CannotCreateVolumeError: mount: no such volume", "a volume could not be made"),
    ("OutOfMemoryError: Container killed due to memory usage", "ran out of memory"),
    (
        "ContainerRuntimeTimeoutError: Could not transition to running; timed out after waiting 1m: x",
        "in time",
    ),
    ("ContainerRuntimeError: failed", "runtime failed"),
    ("InternalError: unexpected", "error of its own"),
]
#: Stopped reasons of an ECS task, with what the explanation has.
MESSAGES = [
    (ENI.format("enabled", "subnet-1", "InvalidSubnetID.NotFound"), "Subnet subnet-1 does not exist"),
    (ENI.format("enabled", "subnet-1", "UnauthorizedOperation"), "network interface could not be made"),
    ("Timeout waiting for network interface provisioning to complete.", "not ready in time"),
    (
        "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/AGENT' that was provided for this task. Please verify",
        "ecs-tasks.amazonaws.com",
    ),
    (
        "ECS was unable to assume the configured ECS Infrastructure Role 'arn:aws:iam::123456789012:role/r'. Please verify",
        "names ecs.amazonaws.com",
    ),
    (
        "Unable to assume the service linked role. Please verify that the ECS service linked role exists.",
        "create-service-linked-role",
    ),
]
#: Errors of RunTask, with what the remedy has.
REFUSALS = [
    (
        "AccessDeniedException",
        "User: x is not authorized to perform: ecs:RunTask on resource: y",
        "ecs:RunTask",
    ),
    ("AccessDeniedException", "User: x is not authorized to perform: iam:PassRole", "iam:PassRole"),
    ("ClientException", "User: x is not authorized to perform: iam:PassRole on resource: r", "iam:PassRole"),
    ("AccessDeniedException", "User: x is not authorized to perform: ecs:TagResource", "ecs:TagResource"),
    ("AccessDeniedException", "no", "Allow what AWS names"),
    ("BlockedException", "Your account is blocked", "AWS Support"),
    ("ClusterNotFoundException", "Cluster not found.", "[fargate] cluster"),
    ("PlatformUnknownException", "The platform version is invalid.", "[fargate] platform_version"),
    ("PlatformTaskDefinitionIncompatibilityException", "x", "[fargate] platform_version"),
    ("UnsupportedFeatureException", "not in this Region", "airflow fargate render"),
    ("ClientException", "TaskDefinition is inactive", "[fargate] task_definition"),
    ("ClientException", "TaskDefinition not found.", "[fargate] task_definition"),
    ("ClientException", "something else", "Correct what AWS names"),
    (
        "InvalidParameterException",
        "Container Overrides length must be at most 8192",
        "Correct what AWS names",
    ),
    (
        "InvalidParameterException",
        "Override for container named x is not a container in the TaskDefinition.",
        "executor_config",
    ),
    (
        "InvalidParameterException",
        "The specified capacity provider 'x' was not found.",
        "that the cluster has it",
    ),
    (
        "InvalidParameterException",
        "Error retrieving subnet information for [subnet-1]: none (ErrorCode: InvalidSubnetID.NotFound)",
        "[fargate] subnets",
    ),
    (
        "InvalidParameterException",
        "Error retrieving security group information for [sg-1]: none (ErrorCode: InvalidGroup.NotFound)",
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
        "The new ARN and resource ID format must be enabled to add tags to the task. Opt in to the new format and try again.",
        "taskLongArnFormat",
    ),
    ("InvalidParameterException", "Long arn format must be used for tagging operations", "taskLongArnFormat"),
]


class TestExplanations:
    def test_each_reason_has_its_explanation(self):
        """It is the same for the container's reason and for the ECS task's."""
        ends = [(as_end(words), words, expected) for words, expected in REASONS + MESSAGES]
        ends += [
            (as_end("Task failed to start", reason=words), words, expected) for words, expected in REASONS
        ]
        for outcome, words, expected in ends:
            assert outcome.verdict is Verdict.LAUNCH_AGAIN, words
            assert expected.lower() in outcome.reason.lower()
            assert words.rstrip(".") in outcome.reason

    def test_each_refusal_has_its_remedy(self):
        """The remedy follows AWS's words."""
        for code, message, remedy in REFUSALS:
            outcome = as_error(code, message)
            assert outcome.verdict is Verdict.FAILED, message
            _, separator, after = outcome.reason.partition(f"(AWS: {code}: {message.rstrip('.')}). ")
            assert separator, message
            assert remedy in after

    def test_no_row_matches_a_name(self):
        """A phrase has a space, which no name in ECS or IAM has. A row without one has a leading word."""
        assert [row for row in EXPLANATIONS if not (row.leading or row.phrase)] == []
        assert [row for row in EXPLANATIONS if row.phrase and " " not in row.phrase] == []

    def test_each_row_is_found(self):
        """No row is hidden by an earlier one that fits the same words."""
        for row in EXPLANATIONS:
            for word in row.leading.split() or [""]:
                words = row.phrase if row.phrase.startswith(word) else f"{word} x {row.phrase}"
                found = next(other for other in EXPLANATIONS if fits(other, Statement(words)))
                assert found.remedy == row.remedy or found.phrase, row

    @pytest.mark.parametrize(
        ("words", "word"),
        [
            ("TaskFailedToStart: RESOURCE:CPU", "RESOURCE"),
            ("TaskFailedToStart", "TaskFailedToStart"),
            ("(service a-b) was unable to place a task. Reason: AGENT", "AGENT"),
            ("AGENT-1: no", ""),
            ("AGENT_NAME: no", "AGENT_NAME"),
            ("", ""),
        ],
    )
    def test_leading_word(self, words, word):
        """It is a whole word, not the beginning of a name."""
        assert leading_word(words) == word

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("something else. ", "something else."),
            ("", "AWS gave no reason."),
            (" . ", "AWS gave no reason."),
        ],
    )
    def test_unknown_words_are_shown_as_they_are(self, words, expected):
        """They become a sentence without an explanation."""
        assert explain([Statement(words)]) == expected

    def test_words_of_users_are_shown_and_not_explained(self):
        """StopTask takes any reason."""
        quoted = Statement("OutOfMemoryError: I want it to stop, EMPTY CAPACITY PROVIDER", quoted=True)
        assert explain([Statement("UserInitiated"), quoted]).startswith(
            "Somebody stopped the ECS task (AWS: UserInitiated; OutOfMemoryError: I want it to stop"
        )

    def test_exit_code_is_explained_if_aws_names_no_cause(self):
        """A cause that AWS names takes precedence."""
        for code in (*EXIT_CODES, 1, 255):
            meaning, remedy = EXIT_CODES.get(code, ANY_EXIT)
            expected = f"{meaning[0].upper()}{meaning[1:]} (AWS: EssentialContainerExited). {remedy}."
            assert explain([Statement("EssentialContainerExited")], code) == expected
            assert explain([Statement("OutOfMemoryError")], code).startswith(
                "The container ran out of memory"
            )
