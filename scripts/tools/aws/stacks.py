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
"""The calls to CloudFormation, and following what it does."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tools.aws.errors import DeploymentError
from tools.aws.explanations import explain_events

if TYPE_CHECKING:
    from tools.aws.templates import Template

#: The tag of all that a deployment consists of.
TAG = "airflow:deployment"
#: What the stacks may make: the roles have names of their own, which a policy elsewhere can give.
CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
#: Seconds between two looks at a stack.
PERIOD = 3.0
#: The states in which a stack has nothing that is worth keeping and cannot be updated.
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
DEAD = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS")
#: The stack's own events that an operation begins with.
BEGINS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
#: What CloudFormation says where nothing would change, of an update and of a change set.
NO_CHANGE = ("No updates are to be performed", "didn't contain changes")


@dataclass(frozen=True)
class Stack:
    """A stack as DescribeStacks has it."""

    id: str
    name: str
    status: str
    parameters: dict[str, str]
    outputs: dict[str, str]

    @property
    def in_progress(self) -> bool:
        """Whether CloudFormation works on it."""
        return self.status.endswith("_IN_PROGRESS") and self.status not in DEAD


@dataclass(frozen=True)
class Event:
    """One line of what CloudFormation did."""

    id: str
    stack: str
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str

    @property
    def begins(self) -> bool:
        """Whether it is the first one of an operation."""
        return self.logical_id == self.stack and self.status in BEGINS


class Stacks:
    """The stacks of an account and Region; ``show`` is called with each event of what is followed."""

    def __init__(
        self, client: Any, show: Callable[[Event], None], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._show = show
        self._sleep = sleep

    def find(self, name: str) -> Stack | None:
        """Return a stack by its name or id, None where there is none or it is deleted."""
        try:
            described = self._client.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        stack = _stack(described)
        return None if stack.status == "DELETE_COMPLETE" else stack

    def settled(self, name: str) -> Stack | None:
        """Return a stack once CloudFormation does not work on it any more; a failure is not raised."""
        stack = self.find(name)
        return self._follow(stack, set())[0] if stack and stack.in_progress else stack

    def create(self, template: Template, deployment: str, values: Mapping[str, str]) -> Stack:
        """Create a stack and return it when it is there; raise DeploymentError where it does not get there."""
        name = template.stack_name(deployment)
        self._client.create_stack(**_wanted(template, deployment, values, {}))
        return self._followed(name, "CREATE_COMPLETE", set())

    def update(self, template: Template, deployment: str, values: Mapping[str, str], stack: Stack) -> None:
        """Update a stack, which nothing need change in; raise DeploymentError where it fails."""
        self._update(stack, _wanted(template, deployment, values, stack.parameters))

    def change(self, stack: Stack, values: Mapping[str, str]) -> Stack:
        """Update some parameters of a stack, with the template that it has, and return it then; otherwise as ``update``."""
        parameters = _parameters({**stack.parameters, **values}, stack.parameters)
        template = {"UsePreviousTemplate": True, "Capabilities": CAPABILITIES}
        return self._update(stack, {"StackName": stack.name, "Parameters": parameters, **template})

    def _update(self, stack: Stack, request: Mapping[str, Any]) -> Stack:
        before = {event.id for event in self._events(stack)}
        try:
            self._client.update_stack(**request)
        except ClientError as error:
            if NO_CHANGE[0] in str(error):
                return stack
            raise
        return self._followed(stack.name, "UPDATE_COMPLETE", before)

    def changes(
        self, template: Template, deployment: str, values: Mapping[str, str], stack: Stack
    ) -> list[dict[str, Any]]:
        """Return what an update would change, ``ResourceChange`` members of a change set that is then deleted."""
        wanted = _wanted(template, deployment, values, stack.parameters)
        made = self._client.create_change_set(**wanted, ChangeSetName=f"look-{uuid.uuid4().hex}")
        try:
            return self._read_changes(made["Id"], stack.name)
        finally:
            self._client.delete_change_set(ChangeSetName=made["Id"], StackName=stack.name)

    def delete(self, stack: Stack) -> None:
        """Delete a stack and return when it is gone; raise DeploymentError where something of it stays."""
        before = {event.id for event in self._events(stack)}
        self._client.delete_stack(StackName=stack.id)
        after, events = self._follow(stack, before)
        if after is not None:
            raise DeploymentError(explain_events(after.name, after.status, events))

    def resources(self, stack: Stack) -> list[tuple[str, str, str]]:
        """Return the logical name, the type and the physical id of each resource that a stack has."""
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=stack.id)
        return [
            (found["LogicalResourceId"], found["ResourceType"], found.get("PhysicalResourceId", ""))
            for page in pages
            for found in page["StackResourceSummaries"]
            if found["ResourceStatus"] != "DELETE_COMPLETE"
        ]

    def _read_changes(self, change_set: str, stack: str) -> list[dict[str, Any]]:
        changes, token = [], {}
        while True:
            answer = self._client.describe_change_set(ChangeSetName=change_set, StackName=stack, **token)
            if answer["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
                self._sleep(PERIOD)
                continue
            if answer["Status"] == "FAILED":
                reason = answer.get("StatusReason", "")
                if any(words in reason for words in NO_CHANGE):
                    return []
                raise DeploymentError(f"{stack}: CloudFormation cannot tell what would change: {reason!r}")
            changes += [
                change["ResourceChange"] for change in answer["Changes"] if "ResourceChange" in change
            ]
            if not answer.get("NextToken"):
                return changes
            token = {"NextToken": answer["NextToken"]}

    def _followed(self, name: str, wanted: str, before: set[str]) -> Stack:
        begun = self.find(name)
        if begun is None:
            raise DeploymentError(f"{name}: somebody has deleted the stack meanwhile. Run this again.")
        stack, events = self._follow(begun, before)
        if stack is None or stack.status != wanted:
            raise DeploymentError(explain_events(name, stack.status if stack else "DELETE_COMPLETE", events))
        return stack

    def _follow(self, stack: Stack, before: set[str]) -> tuple[Stack | None, list[Event]]:
        """
        Show each event until CloudFormation is done with a stack.

        :param before: the ids of events that are of an earlier operation.
        :return: the stack, None where it is gone, and the operation's events, the oldest first.
        """
        events: list[Event] = []
        while True:
            # First the state, then the events: so none is missed that came before the end. By the id, since the name of a
            # deleted stack is not found.
            now = self.find(stack.id)
            known = before.union(event.id for event in events)
            new = [event for event in self._events(stack) if event.id not in known][::-1]
            for event in new:
                self._show(event)
            events += new
            if now is None or not now.in_progress:
                return now, events
            self._sleep(PERIOD)

    def _events(self, stack: Stack) -> Iterator[Event]:
        """Yield the events of a stack's last operation, the newest first."""
        pages = self._client.get_paginator("describe_stack_events").paginate(StackName=stack.id)
        for page in pages:
            for described in page["StackEvents"]:
                event = _event(described)
                yield event
                if event.begins:
                    return


def _wanted(
    template: Template, deployment: str, values: Mapping[str, str], stack: Mapping[str, str]
) -> dict[str, Any]:
    """Return what a request says of a stack."""
    return {
        "StackName": template.stack_name(deployment),
        "TemplateBody": template.body,
        "Parameters": _parameters(values, stack),
        "Capabilities": CAPABILITIES,
        "Tags": [{"Key": TAG, "Value": deployment}],
    }


def _parameters(values: Mapping[str, str], stack: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a request's parameters. What stays as it is is not sent: DescribeStacks masks what is secret."""
    return [
        {"ParameterKey": name, "UsePreviousValue": True}
        if stack.get(name) == value
        else {"ParameterKey": name, "ParameterValue": str(value)}
        for name, value in values.items()
    ]


def _stack(described: Mapping[str, Any]) -> Stack:
    return Stack(
        id=described["StackId"],
        name=described["StackName"],
        status=described["StackStatus"],
        parameters={p["ParameterKey"]: p["ParameterValue"] for p in described.get("Parameters", ())},
        outputs={o["OutputKey"]: o["OutputValue"] for o in described.get("Outputs", ())},
    )


def _event(described: Mapping[str, Any]) -> Event:
    return Event(
        id=described["EventId"],
        stack=described["StackName"],
        logical_id=described.get("LogicalResourceId", ""),
        physical_id=described.get("PhysicalResourceId", ""),
        type=described.get("ResourceType", ""),
        status=described.get("ResourceStatus", ""),
        reason=described.get("ResourceStatusReason", ""),
    )
