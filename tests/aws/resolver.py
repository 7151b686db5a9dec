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
"""Templates of CloudFormation as the tests read them: what their functions return for some parameters."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TEMPLATES = Path(__file__).parents[2] / "scripts" / "aws"
#: The account, the Region and the names of docs/executor/fargate-security.rst.
PSEUDO = {"AWS::AccountId": "123456789012", "AWS::Partition": "aws", "AWS::Region": "eu-west-1"}
#: What ``Ref AWS::NoValue`` returns: whatever holds it is left out.
NO_VALUE = object()
#: What a function returns of a resource that only AWS can name, by its type.
GIVEN = {
    ("AWS::EC2::VPC", "Ref"): "vpc-0123456789abcdef0",
    ("AWS::EC2::Subnet", "Ref"): "subnet-0123456789abcdef0",
    ("AWS::EC2::SecurityGroup", "Ref"): "sg-0123456789abcdef0",
    ("AWS::EC2::SecurityGroup", "GroupId"): "sg-0123456789abcdef0",
}
#: The property that names a resource, the ARN that AWS makes of it, and what else has the name.
NAMED = {
    "AWS::ECS::Cluster": ("ClusterName", "arn:aws:ecs:eu-west-1:123456789012:cluster/{}"),
    "AWS::ECS::TaskDefinition": ("Family", ""),
    "AWS::ECR::Repository": ("RepositoryName", "arn:aws:ecr:eu-west-1:123456789012:repository/{}"),
    "AWS::IAM::Role": ("RoleName", "arn:aws:iam::123456789012:role/{}"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", ""),
    "AWS::Logs::LogGroup": ("LogGroupName", "arn:aws:logs:eu-west-1:123456789012:log-group:{}:*"),
}
REPOSITORY_URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/{}"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms of functions."""


def _function(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if name == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _function)


def read(path: Path) -> dict[str, Any]:
    """Return a template with its functions in their long forms."""
    return yaml.load(path.read_text(encoding="utf-8"), _Loader)


@dataclass
class Stack:
    """A template with parameters, those left out with their defaults."""

    template: Mapping[str, Any]
    given: Mapping[str, str] = field(default_factory=dict)

    def parameter(self, name: str) -> Any:
        """Return the value of a parameter, a list for a list's type."""
        declared = self.template["Parameters"][name]
        value = self.given.get(name, declared.get("Default"))
        if value is None:
            raise KeyError(f"the parameter {name} has no default")
        is_list = declared["Type"].startswith(("List<", "CommaDelimitedList"))
        return str(value).split(",") if is_list else value

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the resources that are made, by their logical ids, with their functions resolved."""
        made = {
            name: one for name, one in self.template["Resources"].items() if self.holds(one.get("Condition"))
        }
        return {name: self.resolve(one) for name, one in made.items()}

    def outputs(self) -> dict[str, str]:
        """Return the outputs."""
        return {name: self.resolve(one["Value"]) for name, one in self.template["Outputs"].items()}

    def holds(self, condition: str | None) -> bool:
        """Whether a condition holds; None always does."""
        return condition is None or self.resolve(self.template["Conditions"][condition])

    def resolve(self, value: Any) -> Any:
        """Return a value of the template with all functions in it resolved."""
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            if name == "Ref" or name.startswith("Fn::"):
                return getattr(self, "_" + name.removeprefix("Fn::"))(argument)
            if name == "Condition" and isinstance(argument, str):
                return self.holds(argument)
        resolved = {name: self.resolve(one) for name, one in value.items()}
        return {name: one for name, one in resolved.items() if one is not NO_VALUE}

    def _Ref(self, name):
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in PSEUDO:
            return PSEUDO[name]
        return self.parameter(name) if name in self.template["Parameters"] else self._of(name, "Ref")

    def _GetAtt(self, argument):
        return self._of(*argument)

    def _of(self, name, attribute):
        resource = self.template["Resources"][name]
        if resource["Type"] not in NAMED:
            return GIVEN.get((resource["Type"], attribute), f"{name}.{attribute}")
        named_by, arn = NAMED[resource["Type"]]
        own = self.resolve(resource["Properties"][named_by])
        return {"Arn": arn, "RepositoryUri": REPOSITORY_URI}.get(attribute, "{}").format(own)

    def _Sub(self, argument):
        text, names = (argument, {}) if isinstance(argument, str) else argument

        def one(match):
            name = match[1]
            if name in names:
                return self.resolve(names[name])
            return str(self._GetAtt(name.split(".", 1)) if "." in name else self._Ref(name))

        return re.sub(r"\$\{([^!}]+)\}", one, text)

    def _If(self, argument):
        condition, then, otherwise = argument
        return self.resolve(then if self.holds(condition) else otherwise)

    def _Equals(self, argument):
        one, other = self.resolve(argument)
        return str(one) == str(other)

    def _Not(self, argument):
        return not self.resolve(argument)[0]

    def _And(self, argument):
        return all(self.resolve(argument))

    def _Or(self, argument):
        return any(self.resolve(argument))

    def _Join(self, argument):
        delimiter, parts = argument
        return delimiter.join(self.resolve(parts))

    def _Select(self, argument):
        index, several = argument
        return self.resolve(several)[int(index)]

    def _GetAZs(self, region):
        return [f"{PSEUDO['AWS::Region']}{zone}" for zone in "abc"]

    def _Cidr(self, argument):
        block, count, bits = self.resolve(argument)
        parts = ipaddress.ip_network(block).subnets(new_prefix=32 - int(bits))
        return [str(part) for part, _ in zip(parts, range(int(count)))]
