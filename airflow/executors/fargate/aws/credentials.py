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
Whose error it is: ECS's own, or that of the place which credentials come from.

botocore gets credentials while it makes a call. What fails then is raised in the place of the call's own error: with the
name of another operation, such as AssumeRole; as a class of botocore's own; or as a connection that failed to another
host. Nothing was sent to ECS, whatever the error's code says.
Source: https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from airflow.executors.fargate.aws.answers import mapping, text

#: The operations that the executor and its commands call themselves; all others are calls for credentials.
OWN_OPERATIONS = frozenset(
    {
        "DescribeClusters",
        "DescribeLogStreams",
        "DescribeTaskDefinition",
        "DescribeTasks",
        "GetCallerIdentity",
        "GetLogEvents",
        "ListTasks",
        "RunTask",
        "StopTask",
    }
)
#: The errors of botocore's with which there are no credentials, by name: this module is imported where botocore need not
#: be, and older ones lack some. Those that derive from them are meant, too.
CREDENTIAL_ERRORS = frozenset(
    {
        "ConfigNotFound",
        "ConfigParseError",
        "CredentialRetrievalError",
        "InvalidConfigError",
        "LoginError",
        "MetadataRetrievalError",
        "NoAuthTokenError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "RefreshWithMFAUnsupportedError",
        "SSOError",
        "TokenRetrievalError",
        "UnknownCredentialError",
        "UnknownTokenProviderError",
    }
)
#: The hosts of STS and of IAM Identity Center, for errors of which nobody knows which host was meant to be called.
_HOSTS = re.compile(r"(?:sts|portal\.sso|oidc|signin)(?:-fips)?\.")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+")
#: What assumes a role, and what to look at where it cannot.
_ROLE_REMEDIES = {
    "AssumeRole": "Check that the role exists, that its trust policy admits whoever assumes it, and that they may call "
    "sts:AssumeRole",
    "AssumeRoleWithWebIdentity": "Check that the role exists, that its trust policy names the identity provider and the "
    "service account, and that IAM has this provider",
    "AssumeRoleWithSAML": "Check that the role exists, that its trust policy names the SAML provider, and the assertion",
}
_SSO_CALLS = ("GetRoleCredentials", "CreateToken", "CreateOAuth2Token")
_LOGIN = "Log in anew where the scheduler runs: aws sso login"
_REMEDY = "Repair the role, the profile or the connection that the credentials come from"


def source_of(error: BaseException, endpoint_url: str | None = None) -> str | None:
    """
    Name the call for credentials, or the host or botocore's error, that failed; None for an error of the call itself.

    :param endpoint_url: where the call itself was to go; where None, only hosts that are known to give credentials count.
    """
    operation = getattr(error, "operation_name", None)
    if isinstance(getattr(error, "response", None), Mapping):
        known = not isinstance(operation, str) or operation in OWN_OPERATIONS
        return None if known else operation
    if any(cls.__name__ in CREDENTIAL_ERRORS for cls in type(error).__mro__):
        return type(error).__name__
    host = _host(mapping(getattr(error, "kwargs", None)).get("endpoint_url"))
    if not host:
        return None
    own = _host(endpoint_url)
    elsewhere = host != own if own else _HOSTS.match(host)
    return host if elsewhere else None


def explain_credentials(source: str, told: str, role: Callable[[], str | None]) -> tuple[str, str]:
    """
    Say which call for credentials fails, for which role and why; and what to do about it.

    :param source: what :func:`source_of` returned.
    :param told: the error in words.
    :param role: returns the ARN of the role that is assumed; asked where the error does not name it.
    """
    is_host = not source[:1].isupper()
    named = _ROLE.findall(told)
    of_role = None
    if is_host or source.startswith("AssumeRole"):
        of_role = named[-1].rstrip(".,") if named else role()
    for_role = f" for the role {of_role}" if of_role else ""
    what = f": {source} cannot be reached{for_role}" if is_host else f": {source}{for_role} fails"
    if told.startswith(f"{source}:"):  # An error of botocore's own.
        what = ""
    return f"There are no credentials{what} ({told.rstrip('. ')})", _remedy(source)


def _remedy(source: str) -> str:
    if source in _ROLE_REMEDIES:
        return _ROLE_REMEDIES[source]
    if source in _SSO_CALLS or "SSO" in source or source.startswith("Login"):
        return _LOGIN
    if source[:1].isupper():
        return _REMEDY
    return (
        f"Check the way to {source}, where credentials come from; from a private subnet it is a VPC endpoint"
    )


def assumed_role(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the role that the environment or the profile names, as botocore reads them; None where there is none."""
    role = environment.get("AWS_ROLE_ARN")
    if role and not environment.get("AWS_PROFILE"):
        return role
    try:
        import botocore.session

        profile: Any = botocore.session.get_session().get_scoped_config()
        return text(profile.get("role_arn")) or role
    except Exception:  # No botocore, no such profile, a file that cannot be read: then it is not told.
        return role


def _host(url: Any) -> str:
    """Return host and port of a URL; empty where it is none."""
    try:
        return urlsplit(url).netloc.lower() if isinstance(url, str) else ""
    except ValueError:
        return ""
