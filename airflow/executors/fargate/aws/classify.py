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
"""
Classifies the exceptions of calls to AWS. Pure and total: every exception has an outcome.

The origin of the error decides first (``credentials.py``), then its code, then phrases of its message
(``explanations.py``).
Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html#API_RunTask_Errors
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow.executors.fargate.aws.answers import mapping, sequence, text
from airflow.executors.fargate.aws.credentials import assumed_role, explain_credentials, source_of
from airflow.executors.fargate.aws.statements import Statement, explain, verdict_of
from airflow.executors.fargate.aws.verdict import Outcome, Verdict

THROTTLE_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
CREDENTIAL_CODES = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
SERVER_CODES = frozenset(
    {"InternalError", "InternalFailure", "InternalServerError", "ServerException", "ServiceUnavailable"}
)


def classify_error(
    error: BaseException,
    endpoint_url: str | None = None,
    role: Callable[[], str | None] = assumed_role,
) -> Outcome:
    """
    Classify an exception that a call to AWS raised.

    If the error is not known, the outcome of the call is unknown.

    :param endpoint_url: of the call. A failed connection to any other host was made to get credentials.
    :param role: returns the role that is assumed for credentials, if the error does not name it.
    """
    without = no_credentials(error, endpoint_url, role)
    if without is not None:
        return Outcome(Verdict.CREDENTIALS, ". ".join((*without, "")).strip())
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        return _classify_response(response)
    if any(cls.__name__ == "ParamValidationError" for cls in type(error).__mro__):
        # Its message repeats the values, and one of them can be a password.
        return Outcome(Verdict.FAILED, f"{type(error).__name__}: botocore refuses the call's parameters.")
    return Outcome(Verdict.UNKNOWN, _describe(error))


def no_credentials(
    error: BaseException,
    endpoint_url: str | None = None,
    role: Callable[[], str | None] = assumed_role,
) -> tuple[str, str] | None:
    """Return why there are no credentials, and the remedy; None if the error is the call's own."""
    source = source_of(error, endpoint_url)
    return None if source is None else explain_credentials(source, _describe(error), role)


def _classify_response(response: Mapping[str, Any]) -> Outcome:
    code, description = _code(response), _describe_response(response)
    if not code:
        return Outcome(Verdict.UNKNOWN, description)
    if code in THROTTLE_CODES:
        return Outcome(Verdict.THROTTLED, description)
    if code in CREDENTIAL_CODES:
        return Outcome(Verdict.CREDENTIALS, description)
    started = [arn for arn in sequence(response.get("resourceIds")) if isinstance(arn, str) and arn]
    if code == "ConflictException" and started:
        # Only this launch uses the token, so the ECS task that was started with it belongs to this launch.
        return Outcome(Verdict.ACCEPTED, description, arn=started[0])
    status = mapping(response.get("ResponseMetadata")).get("HTTPStatusCode")
    if code in SERVER_CODES or isinstance(status, int) and status >= 500:
        return Outcome(Verdict.UNKNOWN, description)
    statements = [Statement(description)]
    return Outcome(verdict_of(statements) or Verdict.FAILED, explain(statements))


def _code(response: Mapping[str, Any]) -> str:
    """Return AWS's error code; empty if AWS sent none, for which botocore puts the HTTP status."""
    code = text(mapping(response.get("Error")).get("Code"))
    return "" if code.isdigit() else code


def _describe(error: BaseException) -> str:
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        return _describe_response(response)
    return f"{type(error).__name__}: {text(error)}"


def _describe_response(response: Mapping[str, Any]) -> str:
    members = mapping(response.get("Error"))
    if _code(response):
        return f"{text(members.get('Code'))}: {text(members.get('Message'))}"
    # Without a code, botocore's message is the body, such as a proxy's page. It may repeat the request.
    status = text(members.get("Code")) or text(
        mapping(response.get("ResponseMetadata")).get("HTTPStatusCode")
    )
    return f"HTTP status {status}, without an error code from AWS"
