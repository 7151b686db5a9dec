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
Classifies the exceptions of calls to AWS; every exception has an outcome.

Only :func:`assumed_role` reads anything else: the environment and the AWS profile.

The origin of the error decides first, then its code, then phrases of its message (``explanations.py``).
Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html#API_RunTask_Errors

botocore may first make another call, to get credentials. If that call fails, botocore raises its error:

- a ClientError with the name of another operation, such as AssumeRole,
- an exception class of its own, or
- a failed connection to another host.

Then nothing was sent to ECS, whatever the error's code is.
Source: https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from airflow.executors.fargate.aws.answers import mapping, sequence, text
from airflow.executors.fargate.aws.explanations import Statement, explain, verdict_of
from airflow.executors.fargate.aws.verdict import Outcome, Verdict

THROTTLE_CODES = frozenset(
    "BandwidthLimitExceeded PriorRequestNotComplete RequestLimitExceeded RequestThrottled "
    "RequestThrottledException SlowDown ThrottledException Throttling ThrottlingException "
    "TooManyRequestsException".split()
)
CREDENTIAL_CODES = frozenset(
    "AuthFailure ExpiredToken ExpiredTokenException IncompleteSignature InvalidClientTokenId "
    "InvalidSignatureException MissingAuthenticationToken MissingAuthenticationTokenException RequestExpired "
    "RequestTimeTooSkewed SignatureDoesNotMatch UnrecognizedClientException".split()
)
SERVER_CODES = frozenset(
    "InternalError InternalFailure InternalServerError ServerException ServiceUnavailable".split()
)
#: A permission is missing. https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html
#: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html
REFUSED_CODES = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"})
#: The operations that the executor and its commands call. All others are calls for credentials.
OWN_OPERATIONS = frozenset(
    "DescribeClusters DescribeLogStreams DescribeTaskDefinition DescribeTasks GetCallerIdentity GetLogEvents "
    "ListTasks RunTask StopTask".split()
)
#: botocore's exceptions for missing credentials, by name: this module is imported where botocore may be
#: missing, and older releases lack some of them. Classes that derive from them count as well.
CREDENTIAL_ERRORS = frozenset(
    "ConfigNotFound ConfigParseError CredentialRetrievalError InvalidConfigError LoginError "
    "MetadataRetrievalError NoAuthTokenError NoCredentialsError PartialCredentialsError ProfileNotFound "
    "RefreshWithMFAUnsupportedError SSOError TokenRetrievalError UnknownCredentialError "
    "UnknownTokenProviderError".split()
)
#: The hosts of STS and of IAM Identity Center. Used if the host of the call itself is not known.
_HOSTS = re.compile(r"(?:sts|portal\.sso|oidc|signin)(?:-fips)?\.")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+")
#: The operations that assume a role, and what to check of its trust policy if one fails.
_ROLE_REMEDIES = {
    "AssumeRole": "names whoever assumes it, and that they may call sts:AssumeRole",
    "AssumeRoleWithWebIdentity": "names the identity provider and the service account, and that IAM has this provider",
    "AssumeRoleWithSAML": "names the SAML provider, and the assertion",
}
_SSO_CALLS = ("GetRoleCredentials", "CreateToken", "CreateOAuth2Token")


def classify_error(error: BaseException, endpoint_url: str | None = None) -> Outcome:
    """
    Classify an exception that a call to AWS raised.

    If the error is not known, the outcome of the call is unknown.

    :param endpoint_url: of the call. A failed connection to any other host was made to get credentials.
    """
    without = no_credentials(error, endpoint_url)
    if without is not None:
        return Outcome(Verdict.CREDENTIALS, f"{'. '.join(without)}.")
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        return _classify_response(error, response)
    if any(cls.__name__ == "ParamValidationError" for cls in type(error).__mro__):
        # Its message repeats the values, and one of them can be a password.
        return Outcome(Verdict.FAILED, f"{type(error).__name__}: botocore refuses the call's parameters.")
    return Outcome(Verdict.UNKNOWN, _describe(error))


def _classify_response(error: BaseException, response: Mapping[str, Any]) -> Outcome:
    code, description = error_code(error), _describe(error)
    if code in THROTTLE_CODES:
        return Outcome(Verdict.THROTTLED, description)
    if code in CREDENTIAL_CODES:
        return Outcome(Verdict.CREDENTIALS, description)
    started = [arn for arn in sequence(response.get("resourceIds")) if isinstance(arn, str) and arn]
    if code == "ConflictException" and started:
        # Only this launch uses the token, so the ECS task that was started with it belongs to this launch.
        return Outcome(Verdict.ACCEPTED, description, arn=started[0])
    status = mapping(response.get("ResponseMetadata")).get("HTTPStatusCode")
    if not code or code in SERVER_CODES or isinstance(status, int) and status >= 500:
        return Outcome(Verdict.UNKNOWN, description)
    statements = [Statement(description)]
    return Outcome(verdict_of(statements) or Verdict.FAILED, explain(statements))


def no_credentials(error: BaseException, endpoint_url: str | None = None) -> tuple[str, str] | None:
    """Return why there are no credentials, and the remedy; None if the error is the call's own."""
    source = _source_of(error, endpoint_url)
    if source is None:
        return None
    description = _describe(error)
    is_host = not source[:1].isupper()
    for_role = ""
    if is_host or source.startswith("AssumeRole"):
        named = _ROLE.findall(description)
        assumed = named[-1].rstrip(".,") if named else assumed_role()
        for_role = f" for the role {assumed}" if assumed else ""
    what = f": {source} cannot be reached{for_role}" if is_host else f": {source}{for_role} fails"
    if description.startswith(f"{source}:"):  # An exception of botocore, which names itself.
        what = ""
    return f"There are no credentials{what} ({description.rstrip('. ')})", _remedy(source, is_host)


def _source_of(error: BaseException, endpoint_url: str | None) -> str | None:
    """
    Return what failed to give credentials: an operation, an exception class of botocore, or a host.

    :param endpoint_url: of the call itself. If None, only hosts that are known to give credentials count.
    :return: None for an error of the call itself.
    """
    operation = getattr(error, "operation_name", None)
    if isinstance(getattr(error, "response", None), Mapping):
        return operation if isinstance(operation, str) and operation not in OWN_OPERATIONS else None
    if any(cls.__name__ in CREDENTIAL_ERRORS for cls in type(error).__mro__):
        return type(error).__name__
    host = _host(mapping(getattr(error, "kwargs", None)).get("endpoint_url"))
    own = _host(endpoint_url)
    is_elsewhere = host != own if own else _HOSTS.match(host)
    return host if host and is_elsewhere else None


def assumed_role() -> str | None:
    """Return the role in the environment or the profile, as botocore reads them; None if there is none."""
    role = os.environ.get("AWS_ROLE_ARN")
    if role and not os.environ.get("AWS_PROFILE"):
        return role
    try:
        from botocore.session import Session

        # The handlers of clients take 0.01 s to register, and this runs on the fleet's thread.
        profile: Any = Session(include_builtin_handlers=False).get_scoped_config()
        return text(profile.get("role_arn")) or role
    except Exception:  # No botocore, no such profile, or a file that cannot be read.
        return role


def _host(url: Any) -> str:
    """Return host and port of a URL; empty if it is not a URL."""
    try:
        return urlsplit(url).netloc.lower() if isinstance(url, str) else ""
    except ValueError:
        return ""


def _remedy(source: str, is_host: bool) -> str:
    if source in _ROLE_REMEDIES:
        return f"Check that the role exists, that its trust policy {_ROLE_REMEDIES[source]}"
    if source in _SSO_CALLS or "SSO" in source or source.startswith("Login"):
        return "Log in again where the scheduler runs: aws sso login"
    if is_host:
        return f"Check that the scheduler reaches {source}; from a private subnet this takes a VPC endpoint"
    return "Repair the role, the profile or the connection that the credentials come from"


def error_code(error: BaseException) -> str:
    """Return AWS's error code; empty if AWS sent none, for which botocore puts the HTTP status."""
    code = text(mapping(mapping(getattr(error, "response", None)).get("Error")).get("Code"))
    return "" if code.isdigit() else code


def without_user(words: str) -> str:
    """Return a text without the user and the password in its URLs, which botocore's errors repeat."""
    return re.sub(r"//[^/@\s]*@", "//", words)


def _describe(error: BaseException) -> str:
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return f"{type(error).__name__}: {without_user(text(error))}"
    members = mapping(response.get("Error"))
    if code := error_code(error):
        return f"{code}: {text(members.get('Message'))}"
    # Without a code, botocore's message is the body, such as a proxy's page. It may repeat the request.
    metadata = mapping(response.get("ResponseMetadata"))
    status = text(members.get("Code")) or text(metadata.get("HTTPStatusCode"))
    return f"HTTP status {status}, without an error code from AWS"
