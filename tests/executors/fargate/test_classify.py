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
"""Errors of calls are classified by their origin, by their code, and by phrases of AWS."""

from __future__ import annotations

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from airflow.executors.fargate.aws import classify as module
from airflow.executors.fargate.aws.classify import (
    CREDENTIAL_CODES,
    CREDENTIAL_ERRORS,
    OWN_OPERATIONS,
    THROTTLE_CODES,
    classify_error,
    no_credentials,
)
from airflow.executors.fargate.aws.verdict import Outcome, Verdict

ARN = "arn:aws:ecs:us-east-1:123456789012:task/fleet/0123456789abcdef0123456789abcdef"


ROLE = "arn:aws:iam::123456789012:role/service-role/scheduler"


ECS = "https://ecs.us-east-1.amazonaws.com/"


STS = "https://sts.us-east-1.amazonaws.com/"


def client_error(code, message="words of AWS", status=400, operation="RunTask", **members):
    """Return botocore's exception for an error response of AWS."""
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError({**answer, **members}, operation)


@pytest.fixture(autouse=True)
def looked_up(monkeypatch):
    """Put one role in the place of the environment's; count how often it is looked up."""
    asked = []
    monkeypatch.setattr(module, "assumed_role", lambda: asked.append(ROLE) or ROLE)
    return asked


class TestCodes:
    @pytest.mark.parametrize(
        ("error", "verdict"),
        [
            (client_error("ThrottlingException", status=503), Verdict.THROTTLED),
            # The call may have been carried out.
            (client_error("ServerException"), Verdict.UNKNOWN),
            (client_error("NobodyKnowsThis", status=500), Verdict.UNKNOWN),
            (client_error("ServerException", "Capacity is unavailable at this time", 500), Verdict.UNKNOWN),
            *((client_error(str(status), status=status), Verdict.UNKNOWN) for status in (413, 502)),
            (client_error("", status=400), Verdict.UNKNOWN),
            # The token has started an ECS task before.
            (client_error("ConflictException", resourceIds=[ARN, "arn:other"]), Verdict.ACCEPTED),
            # Another attempt would fail, too.
            (client_error("ConflictException"), Verdict.FAILED),
            (client_error("ConflictException", resourceIds=[""]), Verdict.FAILED),
            (client_error("AccessDeniedException", "Request limit exceeded"), Verdict.FAILED),
            (client_error("NobodyKnowsThis"), Verdict.FAILED),
        ],
        ids=lambda value: value.response["Error"]["Code"] if isinstance(value, ClientError) else value.value,
    )
    def test_verdict(self, error, verdict):
        """The code says whether something was started, and whether to try again."""
        outcome = classify_error(error)
        assert outcome.verdict is verdict
        assert outcome.reason
        assert outcome.arn == (ARN if verdict is Verdict.ACCEPTED else None)
        assert not outcome.started

    def test_codes_of_throttling_and_credentials(self):
        """Each code of these sets has its verdict, and the reason is what AWS says."""
        for codes, verdict in (
            (THROTTLE_CODES, Verdict.THROTTLED),
            (CREDENTIAL_CODES, Verdict.CREDENTIALS),
        ):
            for code in codes:
                assert classify_error(client_error(code)) == Outcome(verdict, f"{code}: words of AWS")


class TestWithoutResponse:
    @pytest.mark.parametrize(
        ("error", "verdict"),
        [
            (exceptions.ReadTimeoutError(endpoint_url=ECS), Verdict.UNKNOWN),
            (exceptions.EndpointConnectionError(endpoint_url=ECS), Verdict.UNKNOWN),
            (exceptions.ProxyConnectionError(proxy_url="http://proxy"), Verdict.UNKNOWN),
            (exceptions.HTTPClientError(error=OSError("reset")), Verdict.UNKNOWN),
            (exceptions.ParamValidationError(report="Missing required parameter"), Verdict.FAILED),
            (ConnectionResetError("peer"), Verdict.UNKNOWN),
            (KeyboardInterrupt(), Verdict.UNKNOWN),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value.value,
    )
    def test_verdict(self, error, verdict):
        """The outcome of the call is unknown, unless it is known that it was not sent."""
        for endpoint_url in (None, ECS):
            outcome = classify_error(error, endpoint_url)
            assert outcome.verdict is verdict
            assert type(error).__name__ in outcome.reason

    def test_response_that_cannot_be_parsed_is_an_unknown_outcome(self):
        """The call may have been carried out."""
        from botocore.parsers import ResponseParserError

        assert classify_error(ResponseParserError("no XML")).verdict is Verdict.UNKNOWN

    @pytest.mark.parametrize("code", ["502", ""])
    def test_body_without_an_error_of_aws_is_not_shown(self, code):
        """The body, such as a proxy's page, may repeat the request and its token."""
        outcome = classify_error(client_error(code, "<html>You sent: bearer-token", status=502))
        assert outcome.verdict is Verdict.UNKNOWN
        assert "bearer-token" not in outcome.reason
        assert "502" in outcome.reason

    def test_refused_parameters_are_not_shown(self):
        """The message of botocore's exception repeats the values, and one can be a password."""
        error = exceptions.ParamValidationError(report="Invalid type for parameter x, value: hunter2")
        assert "hunter2" not in classify_error(error).reason


#: Errors while botocore gets credentials: (error, whether the reason has the role, what else it has).
WITHOUT_CREDENTIALS = [
    # https://github.com/aws/aws-cli/issues/7194, https://github.com/awslabs/aws-sdk-rust/issues/827
    (
        client_error(
            "InvalidIdentityToken", "No OpenIDConnect provider found", operation="AssumeRoleWithWebIdentity"
        ),
        True,
        (
            "AssumeRoleWithWebIdentity",
            "InvalidIdentityToken: No OpenIDConnect provider found",
            "trust policy",
        ),
    ),
    (
        client_error(
            "IDPCommunicationError", "Couldn't retrieve the key", operation="AssumeRoleWithWebIdentity"
        ),
        True,
        ("AssumeRoleWithWebIdentity", "IDPCommunicationError", "identity provider"),
    ),
    (
        client_error(
            "AccessDenied",
            "User: arn:aws:iam::123456789012:user/a is not authorized to perform: sts:AssumeRole on resource: "
            "arn:aws:iam::210987654321:role/other",
            403,
            operation="AssumeRole",
        ),
        False,
        ("AssumeRole for the role arn:aws:iam::210987654321:role/other fails", "sts:AssumeRole"),
    ),
    (client_error("Throttling", "Rate exceeded", operation="AssumeRole"), True, ("AssumeRole", "Throttling")),
    (client_error("503", "<html>", 503, operation="AssumeRole"), True, ("AssumeRole", "HTTP status 503")),
    (client_error("AccessDenied", operation="AssumeRoleWithSAML"), True, ("AssumeRoleWithSAML", "SAML")),
    (client_error("AccessDenied", operation="GetSessionToken"), False, ("GetSessionToken", "connection")),
    (
        client_error("UnauthorizedException", "Session token not found", operation="GetRoleCredentials"),
        False,
        ("GetRoleCredentials", "UnauthorizedException", "aws sso login"),
    ),
    (client_error("InvalidGrantException", operation="CreateToken"), False, ("CreateToken", "aws sso login")),
    (exceptions.NoCredentialsError(), False, ("Unable to locate credentials", "profile")),
    (
        exceptions.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
        False,
        ("AWS_SECRET_ACCESS_KEY",),
    ),
    (exceptions.MetadataRetrievalError(error_msg="Received non 200 response"), False, ("non 200",)),
    (exceptions.SSOTokenLoadError(error_msg="expired"), False, ("aws sso login",)),
    (exceptions.TokenRetrievalError(provider="sso", error_msg="no"), False, ("TokenRetrievalError",)),
    (exceptions.ProfileNotFound(profile="prod"), False, ("prod",)),
    (
        exceptions.EndpointConnectionError(endpoint_url=STS),
        True,
        ("sts.us-east-1.amazonaws.com cannot be reached",),
    ),
    (exceptions.ConnectTimeoutError(endpoint_url=STS), True, ("sts.us-east-1.amazonaws.com", "VPC endpoint")),
    (
        exceptions.EndpointConnectionError(
            endpoint_url="https://portal.sso.eu-west-1.amazonaws.com/federation"
        ),
        True,
        ("portal.sso.eu-west-1.amazonaws.com",),
    ),
]


class TestCredentials:
    @pytest.mark.parametrize(
        ("error", "names_role", "expected"), WITHOUT_CREDENTIALS, ids=lambda v: type(v).__name__
    )
    def test_error_of_a_call_for_credentials(self, error, names_role, expected):
        """Nothing was sent to ECS, whatever its code is. The reason has the call, error and remedy."""
        for endpoint_url in (None, ECS, "http://127.0.0.1:5000"):
            outcome = classify_error(error, endpoint_url)
            assert outcome.verdict is Verdict.CREDENTIALS
            assert outcome.reason.startswith("There are no credentials")
            assert outcome.reason.endswith(".")
            assert (ROLE in outcome.reason) == names_role
            for words in expected:
                assert words in outcome.reason

    def test_refusal_of_an_own_call(self):
        """Errors of the executor's own calls are classified by their codes."""
        for operation in OWN_OPERATIONS:
            error = client_error("AccessDeniedException", operation=operation)
            assert classify_error(error).verdict is Verdict.FAILED
            assert no_credentials(error) is None

    def test_exceptions_known_by_name_exist(self):
        """The module does not import botocore, but knows its exceptions by name."""
        newer = {"LoginError", "UnknownTokenProviderError"}
        assert [name for name in CREDENTIAL_ERRORS - newer if not hasattr(exceptions, name)] == []
