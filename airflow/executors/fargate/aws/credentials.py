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
Tells errors of a call itself from errors of the calls that get its credentials.

botocore gets credentials while it makes a call. If that fails, it raises the failure in place of the call's
own error: with the name of another operation, such as AssumeRole; as an exception class of its own; or as a
failed connection to another host. Then nothing was sent to ECS, whatever the error's code is.
Source: https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from airflow.executors.fargate.aws.answers import mapping, text

#: The operations that the executor and its commands call. All others are calls for credentials.
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
#: botocore's exceptions for missing credentials, by name: this module is imported where botocore may be
#: missing, and older releases lack some of them. Classes that derive from them count as well.
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
#: The hosts of STS and of IAM Identity Center, for errors of calls whose own host is not known.
_HOSTS = re.compile(r"(?:sts|portal\.sso|oidc|signin)(?:-fips)?\.")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+")
#: The operations that assume a role, and what to check if one fails.
_ROLE_REMEDIES = {
    "AssumeRole": "Check that the role exists, that its trust policy admits whoever assumes it, and that they may call "
    "sts:AssumeRole",
    "AssumeRoleWithWebIdentity": "Check that the role exists, that its trust policy names the identity provider and the "
    "service account, and that IAM has this provider",
    "AssumeRoleWithSAML": "Check that the role exists, that its trust policy names the SAML provider, and the assertion",
}
_SSO_CALLS = ("GetRoleCredentials", "CreateToken", "CreateOAuth2Token")


def source_of(error: BaseException, endpoint_url: str | None = None) -> str | None:
    """
    Return what failed to give credentials: an operation, an exception class of botocore, or a host.

    :param endpoint_url: of the call itself. If None, only hosts that are known to give credentials count.
    :return: None for an error of the call itself.
    """
    operation = getattr(error, "operation_name", None)
    if isinstance(getattr(error, "response", None), Mapping):
        is_own = not isinstance(operation, str) or operation in OWN_OPERATIONS
        return None if is_own else operation
    if any(cls.__name__ in CREDENTIAL_ERRORS for cls in type(error).__mro__):
        return type(error).__name__
    host = _host(mapping(getattr(error, "kwargs", None)).get("endpoint_url"))
    if not host:
        return None
    own = _host(endpoint_url)
    elsewhere = host != own if own else _HOSTS.match(host)
    return host if elsewhere else None


def explain_credentials(source: str, description: str, role: Callable[[], str | None]) -> tuple[str, str]:
    """
    Return why there are no credentials, and the remedy.

    :param source: what :func:`source_of` returned.
    :param description: of the error.
    :param role: returns the ARN of the role that is assumed. It is called if the error does not name the
        role.
    """
    is_host = not source[:1].isupper()
    named = _ROLE.findall(description)
    assumed = None
    if is_host or source.startswith("AssumeRole"):
        assumed = named[-1].rstrip(".,") if named else role()
    for_role = f" for the role {assumed}" if assumed else ""
    what = f": {source} cannot be reached{for_role}" if is_host else f": {source}{for_role} fails"
    if description.startswith(f"{source}:"):  # An exception of botocore, which names itself.
        what = ""
    return f"There are no credentials{what} ({description.rstrip('. ')})", _remedy(source, is_host)


def _remedy(source: str, is_host: bool) -> str:
    if source in _ROLE_REMEDIES:
        return _ROLE_REMEDIES[source]
    if source in _SSO_CALLS or "SSO" in source or source.startswith("Login"):
        return "Log in again where the scheduler runs: aws sso login"
    if is_host:
        return (
            f"Check that the scheduler reaches {source}, which gives credentials; "
            "from a private subnet this takes a VPC endpoint"
        )
    return "Repair the role, the profile or the connection that the credentials come from"


def assumed_role(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the role in the environment or the profile, as botocore reads them; None if there is none."""
    role = environment.get("AWS_ROLE_ARN")
    if role and not environment.get("AWS_PROFILE"):
        return role
    try:
        import botocore.session

        profile: Any = botocore.session.get_session().get_scoped_config()
        return text(profile.get("role_arn")) or role
    except Exception:  # No botocore, no such profile, or a file that cannot be read.
        return role


def _host(url: Any) -> str:
    """Return host and port of a URL; empty if it is not a URL."""
    try:
        return urlsplit(url).netloc.lower() if isinstance(url, str) else ""
    except ValueError:
        return ""
