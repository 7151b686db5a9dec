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
"""ministack's CloudFormation with stacks, and whether what a template names is there as it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from tools.harness.processes import wait_until

from tests.aws.comparison import SOME_OF, lowered, members, same
from tests.aws.resolver import Plan, Resolver, load
from tests.aws.services import LOOKUPS, Missing, look_up

if TYPE_CHECKING:
    from tools.harness.ministack import MinistackServer

#: What a stack of ours may make: roles with names.
CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
#: Seconds that one change of a stack may take.
PATIENCE = 30.0


class StackError(Exception):
    """A change of a stack failed; the message names the resource and CloudFormation's reason."""


@dataclass(frozen=True)
class Difference:
    """
    What is not as the template says.

    :param kind: the type of resource with the property, as in AWS::ECS::Cluster.ClusterName; without one where the
        whole resource is meant
    :param text: the resource's name in the template, and what was wanted and found
    """

    kind: str
    text: str


@dataclass(frozen=True)
class Resource:
    """A resource of a stack: its type and its physical id."""

    kind: str
    physical_id: str


class Stack:
    """
    A stack of CloudFormation's on ministack.

    :param template: the text of its template
    """

    def __init__(self, server: MinistackServer, name: str, template: str) -> None:
        self.name = name
        self._text = template
        self.client = server.client
        self.cloudformation = server.client("cloudformation")
        self.template = load(template)
        self.given: dict[str, str] = {}

    @classmethod
    def find(cls, server: MinistackServer, name: str, template: str) -> Stack:
        """Return a stack that somebody else has made of a template without parameters in the names of policies."""
        stack = cls(server, name, template)
        stack.stack_id = name
        return stack

    def create(self, **parameters: str) -> None:
        """Create it; StackError where that fails."""
        self._change(self.cloudformation.create_stack, "CREATE_COMPLETE", parameters)

    def update(self, **parameters: str) -> None:
        """Update it, other parameters as they were; StackError where that fails."""
        self._change(self.cloudformation.update_stack, "UPDATE_COMPLETE", self.given | parameters)

    def delete(self) -> None:
        """Delete it; StackError where that fails."""
        self.cloudformation.delete_stack(StackName=self.stack_id)
        self._wait_for("DELETE_COMPLETE")

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs by their names."""
        return {output["OutputKey"]: output["OutputValue"] for output in self._described.get("Outputs", [])}

    def resources(self) -> dict[str, Resource]:
        """Return the resources that CloudFormation says it has made, by their names in the template."""
        found = self.cloudformation.describe_stack_resources(StackName=self.stack_id)["StackResources"]
        return {each["LogicalResourceId"]: self._resource(each) for each in found}

    def _resource(self, described: Mapping[str, Any]) -> Resource:
        physical_id = described["PhysicalResourceId"]
        # IAM does not know the id of an inline policy.
        if described["ResourceType"] == "AWS::IAM::Policy":
            properties = self.template["Resources"][described["LogicalResourceId"]]["Properties"]
            physical_id = self.planned(properties["PolicyName"])
        return Resource(described["ResourceType"], physical_id)

    def differences(self) -> list[Difference]:
        """Return what the services' own APIs tell otherwise than the template."""
        made = self.resources()
        resolver = Made(self, made)
        found = []
        for name, wanted in self.template["Resources"].items():
            if "Condition" in wanted and not resolver.holds(wanted["Condition"]):
                if name in made:
                    found.append(Difference(wanted["Type"], f"{name} is there, against its condition"))
            elif name not in made:
                found.append(Difference(wanted["Type"], f"{name} is not in the stack"))
            else:
                found += self._differences(name, made[name], resolver.resolve(wanted.get("Properties", {})))
        return found

    def left(self, made: Mapping[str, Resource]) -> list[str]:
        """Return which of some resources are still there."""
        return [name for name, resource in made.items() if self._is_there(resource)]

    def _is_there(self, resource: Resource) -> bool:
        try:
            look_up(self.client, resource.kind, resource.physical_id)
        except Missing:
            return False
        return True

    def _differences(self, name: str, made: Resource, wanted: Mapping[str, Any]) -> Iterator[Difference]:
        if made.kind not in LOOKUPS:
            yield Difference(made.kind, f"{name} is of a type that LOOKUPS of tests/aws/services.py has not")
            return
        try:
            found = lowered(look_up(self.client, made.kind, made.physical_id))
        except Missing as missing:
            yield Difference(made.kind, f"{name} is not there: {missing}")
            return
        for prop, value, there in members(wanted, found):
            kind = f"{made.kind}.{prop}"
            if not same(value, there, prop.lower() in SOME_OF):
                yield Difference(kind, f"{name}: {prop} is to be {value!r}, is {there!r}")

    def _change(self, call: Any, end: str, parameters: Mapping[str, str]) -> None:
        self.given = dict(parameters)
        listed = [{"ParameterKey": name, "ParameterValue": value} for name, value in self.given.items()]
        try:
            answer = call(
                StackName=self.name, TemplateBody=self._text, Parameters=listed, Capabilities=CAPABILITIES
            )
        except ClientError as error:
            raise StackError(f"{self.name}: {error}") from error
        self.stack_id = answer["StackId"]
        self._wait_for(end)

    def planned(self, value: Any) -> Any:
        """Return what a value comes to that depends on parameters alone."""
        return Plan(self.template, self.given).resolve(value)

    def _wait_for(self, end: str) -> None:
        wait_until(self._has_ended, timeout=PATIENCE, what=f"{self.name} to be {end}", every=0.1)
        if self._described["StackStatus"] != end:
            raise StackError(f"{self.name} is {self._described['StackStatus']}, not {end}: {self._reason()}")

    def _has_ended(self) -> bool:
        # Asked anew each time.
        self.__dict__.pop("_described", None)
        return not self._described["StackStatus"].endswith("_IN_PROGRESS")

    @cached_property
    def _described(self) -> Mapping[str, Any]:
        (found,) = self.cloudformation.describe_stacks(StackName=self.stack_id)["Stacks"]
        return found

    def _reason(self) -> str:
        """Return the resource that failed first, and CloudFormation's reason."""
        events = self.cloudformation.describe_stack_events(StackName=self.stack_id)["StackEvents"]
        failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
        if not failed:
            return self._described.get("StackStatusReason", "no reason is told")
        first = min(failed, key=lambda event: event["Timestamp"])
        return f"{first['LogicalResourceId']} ({first['ResourceType']}): {first.get('ResourceStatusReason')}"


class Made(Resolver):
    """
    The template of a stack that is there, with what its services tell.

    :param made: the stack's resources
    """

    def __init__(self, stack: Stack, made: Mapping[str, Resource]) -> None:
        super().__init__(stack.template, stack.given)
        self._stack, self._made = stack, made
        zones = stack.client("ec2").describe_availability_zones()["AvailabilityZones"]
        self.zones = [zone["ZoneName"] for zone in zones]
        _, partition, _, region, account, _ = stack.stack_id.split(":", 5)
        self.pseudo = {"AWS::Region": region, "AWS::AccountId": account, "AWS::Partition": partition}

    def attribute(self, name: str, attribute: str) -> Any:
        """Return the physical id for Ref, and else what the service says."""
        resource = self._made[name]
        if attribute == "Ref":
            return resource.physical_id
        value: Any = lowered(look_up(self._stack.client, resource.kind, resource.physical_id))
        for part in attribute.lower().split("."):
            value = value[part]
        return value

    def secret(self, reference: str, secret_id: str, key: str | None) -> str:
        """Return the secret's text, or a member of it."""
        text = self._stack.client("secretsmanager").get_secret_value(SecretId=secret_id)["SecretString"]
        return load(text)[key] if key else text
