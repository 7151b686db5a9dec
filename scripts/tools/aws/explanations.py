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
"""What AWS's words mean for whoever deploys: which resource, why, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
)

#: What CloudFormation says of each resource that it gives up because another one failed.
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html
CONSEQUENCE = re.compile("Resource (creation|update) cancelled")
#: What follows the sentence about a permission, for ``aws sts decode-authorization-message``; long, and nobody reads it.
ENCODED = re.compile(r"\s*Encoded authorization failure message: \S+")
DENIED = re.compile(r"not authorized to perform:? \[?'?\"?([\w-]+:\w+)|permissions? for ([\w-]+:\w+)")

#: What to do where a resource would have to be replaced.
NAMED = (
    "AWS replaces nothing that has a name of its own. Leave the parameter as it was, or destroy the deployment and make it "
    "anew."
)
#: What the words are known by, and the remedy, the first that fits.
REMEDIES = (
    (
        re.compile("UPDATE_ROLLBACK_FAILED|UPDATE_FAILED"),
        "Run: aws cloudformation continue-update-rollback --stack-name, with its name; then this again.",
    ),
    (
        re.compile("_IN_PROGRESS state"),
        "Somebody else changes it at the same time. Run this again: it waits for the end.",
    ),
    (
        re.compile("already exists|AlreadyExists|already in use", re.IGNORECASE),
        (
            "Something of that name exists outside of this deployment: made by hand, or left by an earlier one. Delete it, "
            "or take another --name."
        ),
    ),
    (
        # RDS and Elastic Load Balancing make theirs at the first use; deploy makes that of ECS.
        re.compile("service[ -]linked role", re.IGNORECASE),
        (
            "The account has not used this service before, and its role is not there yet. Run this again in some minutes; if AWS "
            "says the same, have the permission iam:CreateServiceLinkedRole added."
        ),
    ),
    (
        re.compile("limit exceeded|LimitExceeded|maximum number|quota", re.IGNORECASE),
        "The account is at a quota of AWS's. Delete what nobody needs, or ask AWS for more (Service Quotas).",
    ),
    (
        # https://aws.amazon.com/free: an account on the free plan has limits of its own.
        re.compile("free[ -]?(tier|plan)", re.IGNORECASE),
        (
            "The account is on AWS's free plan. Give --parameter DatabaseBackupDays=1 if it is the database, or upgrade the "
            "account's plan; then run this again."
        ),
    ),
    (
        re.compile("attached to entities|must (detach|delete) .*polic", re.IGNORECASE),
        "Detach, in IAM, the policy from what is not this deployment's, or what was attached to its role; then run this again.",
    ),
    (
        re.compile("circuit breaker|did not stabilize", re.IGNORECASE),
        (
            "Containers of the service end or do not get well. Their lines are in the log group of the components, /ecs/NAME-components, "
            "and the reason in the events of the service in the console of ECS. Remove the cause, and run this again."
        ),
    ),
    (
        re.compile("custom-named resource", re.IGNORECASE),
        NAMED,
    ),
    (
        re.compile("dependen|in use|currently attached|has a dependent", re.IGNORECASE),
        (
            "Something outside of the deployment uses it: an ECS task, a network interface, a rule of another security group. "
            "Remove that, and run this again."
        ),
    ),
    (
        re.compile("invalid|malformed|does not exist|not found|ValidationError|constraint", re.IGNORECASE),
        "Correct the option or --parameter that it comes from, and run this again.",
    ),
    (
        re.compile("ExpiredToken|InvalidClientTokenId|UnrecognizedClient|security token", re.IGNORECASE),
        "The credentials are no longer valid, or not for this account. Log in again, and run this again: it goes on.",
    ),
    (re.compile("Throttling|Rate exceeded"), "AWS limits the calls. Run this again in a minute: it goes on."),
)
UNKNOWN = (
    "The stack's events in the console of CloudFormation have the rest. Remove the cause, and run this again."
)


class StackEvent(Protocol):
    """What is read of an event."""

    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str


def explain_events(stack: str, status: str, events: Iterable[StackEvent]) -> str:
    """Return which resources failed, with what AWS said of each and what to do."""
    failed = [
        event
        for event in events
        if event.status.endswith("_FAILED")
        and event.type != "AWS::CloudFormation::Stack"
        and not CONSEQUENCE.match(event.reason)
    ]
    lines = [f"{stack} ended in {status}."]
    for event in failed:
        physical = f" {event.physical_id!r}" if event.physical_id else ""
        lines.append(f"{event.logical_id} ({event.type}{physical}): AWS said {shortened(event.reason)!r}.")
        lines.append(f"  {remedy(event.reason)}")
    if not failed:
        lines.append(UNKNOWN)
    return "\n".join(lines)


def explain_error(error: BotoCoreError | ClientError) -> str:
    """Return what an error of a call means."""
    if isinstance(error, NoCredentialsError):
        return "There are no AWS credentials. Run: aws configure, or aws sso login; or set AWS_PROFILE."
    if isinstance(error, NoRegionError):
        return "No Region is configured. Give --region, or set AWS_DEFAULT_REGION."
    if isinstance(error, EndpointConnectionError):
        return f"{error} Correct --region, or see to the network."
    if not isinstance(error, ClientError):
        return f"{error} {UNKNOWN}"
    said = error.response["Error"]
    message = shortened(said.get("Message", ""))
    words = f"{said.get('Code')}: {message}"
    return f"{error.operation_name}: AWS said {words!r}.\n  {remedy(words)}"


def shortened(words: str) -> str:
    """Return AWS's words without what only AWS can read."""
    return ENCODED.sub("", words).strip()


def remedy(words: str) -> str:
    """Return what to do about AWS's words."""
    if denied := DENIED.search(words):
        return f"The identity that runs this lacks the permission {denied[1] or denied[2]}. Have it added, and run this again."
    if "AccessDenied" in words:
        return "The identity that runs this lacks the permission for it. Have it added, and run this again."
    return next((what for pattern, what in REMEDIES if pattern.search(words)), UNKNOWN)
