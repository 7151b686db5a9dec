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
What an exception of a call to AWS means; pure, and total: whatever comes in, a verdict comes out.

Whose error it is comes first (``credentials.py``), then its code, then whole phrases of AWS's (``explanations.py``).
Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html#API_RunTask_Errors
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow.executors.fargate.aws.answers import mapping, sequence, text
from airflow.executors.fargate.aws.credentials import assumed_role, explain_credentials, source_of
from airflow.executors.fargate.aws.said import Said, explain, verdict_of
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
    Judge an exception that a call to AWS raised; an error that nobody knows leaves the call in doubt.

    :param endpoint_url: where the call was to go; a connection to another host that failed was for credentials.
    :param role: returns the role that is assumed for credentials, where the error does not name it.
    """
    without = no_credentials(error, endpoint_url, role)
    if without is not None:
        return Outcome(Verdict.CREDENTIALS, ". ".join((*without, "")).strip())
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return _judge_own_error(error)
    code = _code(response)
    return _judge_answer(response, code) if code else Outcome(Verdict.UNKNOWN, _status(response))


def no_credentials(
    error: BaseException,
    endpoint_url: str | None = None,
    role: Callable[[], str | None] = assumed_role,
) -> tuple[str, str] | None:
    """Say why there are no credentials, and what to do; None where the error is the call's own."""
    source = source_of(error, endpoint_url)
    if source is None:
        return None
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return explain_credentials(source, _told(error), role)
    code = _code(response)
    told = f"{code}: {_message(response)}" if code else _status(response)
    return explain_credentials(source, told, role)


def _judge_answer(response: Mapping[str, Any], code: str) -> Outcome:
    """Judge an error that AWS itself has named."""
    told = f"{code}: {_message(response)}"
    if code in THROTTLE_CODES:
        return Outcome(Verdict.THROTTLED, told)
    if code in CREDENTIAL_CODES:
        return Outcome(Verdict.CREDENTIALS, told)
    started = [arn for arn in sequence(response.get("resourceIds")) if isinstance(arn, str) and arn]
    if code == "ConflictException" and started:
        # The token is ours alone, so what it started is ours too.
        return Outcome(Verdict.ACCEPTED, told, arn=started[0])
    status = mapping(response.get("ResponseMetadata")).get("HTTPStatusCode")
    if code in SERVER_CODES or isinstance(status, int) and status >= 500:
        return Outcome(Verdict.UNKNOWN, told)
    return Outcome(verdict_of([Said(told)]) or Verdict.FAILED, explain([Said(told)]))


def _judge_own_error(error: BaseException) -> Outcome:
    """Judge an error that is not an answer of AWS: one of botocore's own, or anybody's."""
    if any(cls.__name__ == "ParamValidationError" for cls in type(error).__mro__):
        # Its message repeats the values, of which one can be a password.
        return Outcome(Verdict.FAILED, f"{type(error).__name__}: botocore refuses the call's parameters.")
    return Outcome(Verdict.UNKNOWN, _told(error))


def _code(response: Mapping[str, Any]) -> str:
    """Return AWS's code of an error; empty where it has named none, for which botocore takes the HTTP status."""
    code = text(mapping(response.get("Error")).get("Code"))
    return "" if code.isdigit() else code


def _message(response: Mapping[str, Any]) -> str:
    return text(mapping(response.get("Error")).get("Message"))


def _status(response: Mapping[str, Any]) -> str:
    """Tell of an answer without an error of AWS's."""
    # For message botocore takes the body, such as a proxy's page, which may repeat the request: it is not told.
    code = text(mapping(response.get("Error")).get("Code"))
    status = code or text(mapping(response.get("ResponseMetadata")).get("HTTPStatusCode"))
    return f"HTTP status {status}, and no error that AWS has named"


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {text(error)}"
