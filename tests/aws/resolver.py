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
"""Templates of CloudFormation as the tests read them: what their functions come to in a stack, and before there is one."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

TEMPLATES = Path(__file__).parents[2] / "scripts" / "aws"
#: What ``Ref AWS::NoValue`` comes to: the property, or the member of a list, is not there.
NO_VALUE = object()
#: A reference to a secret that CloudFormation itself reads.
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-secretsmanager.html
SECRET = re.compile(r"\{\{resolve:secretsmanager:(.+?)(?::SecretString)?(?::(\w+))?\}\}")


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms of functions."""


def _function(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    name = tag if tag in ("Ref", "Condition") else f"Fn::{tag}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if tag == "GetAtt" else value}
    construct = loader.construct_sequence if isinstance(node, yaml.SequenceNode) else loader.construct_mapping
    return {name: construct(node, deep=True)}


_Loader.add_multi_constructor("!", _function)


def load(text: str) -> dict[str, Any]:
    """Return a template with its functions in their long forms."""
    return yaml.load(text, _Loader)


def read(path: Path) -> dict[str, Any]:
    """Return a template of a file, as load does."""
    return load(path.read_text(encoding="utf-8"))


class Resolver:
    """
    What a template's functions come to, computed here rather than asked of CloudFormation.

    What only a stack knows is up to subclasses: attribute and secret.

    :param given: the parameters that have been given; others have their defaults
    """

    #: The values of AWS::Region and the like, the availability zones, and what other stacks export.
    pseudo: Mapping[str, str] = {}
    zones: list[str] = []
    exports: Mapping[str, str] = {}

    def __init__(self, template: Mapping[str, Any], given: Mapping[str, str] | None = None) -> None:
        self.template = template
        self.given = given or {}

    def attribute(self, name: str, attribute: str) -> Any:
        """Return an attribute of a resource, or its id for ``Ref``."""
        raise NotImplementedError

    def secret(self, reference: str, secret_id: str, key: str | None) -> str:
        """Return what a reference to a secret comes to; the reference, where nobody reads secrets."""
        return reference

    def parameter(self, name: str) -> Any:
        """Return the value of a parameter, a list for a list's type."""
        declared = self.template["Parameters"][name]
        value = self.given.get(name, declared.get("Default"))
        if value is None:
            raise KeyError(f"the parameter {name} has no default")
        return str(value).split(",") if "List" in declared["Type"] else value

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the resources that are made, by their logical ids, with their functions resolved."""
        every = self.template["Resources"].items()
        return {name: self.resolve(one) for name, one in every if self.holds(one.get("Condition"))}

    def outputs(self) -> dict[str, str]:
        """Return the outputs whose conditions hold."""
        every = self.template["Outputs"].items()
        return {name: self.resolve(one["Value"]) for name, one in every if self.holds(one.get("Condition"))}

    def holds(self, condition: str | None) -> bool:
        """Whether a condition holds; None always does."""
        return condition is None or self.resolve(self.template["Conditions"][condition])

    def resolve(self, value: Any) -> Any:
        """
        Return a value of the template with all functions in it resolved.

        :raises LookupError: for a function that FUNCTIONS does not have.
        """
        if isinstance(value, str):
            return SECRET.sub(lambda found: self.secret(found[0], *found.groups()), value)
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            # A resource, or a statement of a policy, has a Condition, too.
            if name in FUNCTIONS and not (name == "Condition" and isinstance(argument, dict)):
                return FUNCTIONS[name](self, argument)
            if name.startswith("Fn::"):
                raise LookupError(f"{name} has no place in FUNCTIONS of tests/aws/resolver.py")
        resolved = {name: self.resolve(one) for name, one in value.items()}
        return {name: one for name, one in resolved.items() if one is not NO_VALUE}

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.pseudo:
            return self.pseudo[name]
        return self.parameter(name) if name in self.template["Parameters"] else self.attribute(name, "Ref")

    def _sub(self, argument: Any) -> str:
        text, more = (argument, {}) if isinstance(argument, str) else argument

        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in more:
                return str(self.resolve(more[name]))
            return str(self.attribute(*name.split(".", 1)) if "." in name else self._ref(name))

        return self.resolve(re.sub(r"\$\{([^}]+)\}", value, text))

    def _if(self, argument: list[Any]) -> Any:
        condition, then, otherwise = argument
        return self.resolve(then if self.holds(condition) else otherwise)

    def _cidr(self, argument: list[Any]) -> list[str]:
        block, count, bits = self.resolve(argument)
        parts = ipaddress.ip_network(block).subnets(new_prefix=32 - int(bits))
        return [str(part) for part, _ in zip(parts, range(int(count)))]

    def _find_in_map(self, argument: list[Any]) -> Any:
        name, first, second = self.resolve(argument)
        return self.template["Mappings"][name][first][second]


#: What each function comes to.
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
FUNCTIONS: Mapping[str, Callable[[Resolver, Any], Any]] = {
    "Ref": Resolver._ref,
    "Condition": Resolver.holds,
    "Fn::GetAtt": lambda resolver, given: resolver.attribute(*given),
    "Fn::Sub": Resolver._sub,
    "Fn::Join": lambda resolver, given: given[0].join(map(str, resolver.resolve(given[1]))),
    "Fn::If": Resolver._if,
    "Fn::Equals": lambda resolver, given: len({str(resolver.resolve(value)) for value in given}) == 1,
    "Fn::Not": lambda resolver, given: not resolver.resolve(given[0]),
    "Fn::And": lambda resolver, given: all(resolver.resolve(given)),
    "Fn::Or": lambda resolver, given: any(resolver.resolve(given)),
    "Fn::Select": lambda resolver, given: resolver.resolve(given[1])[int(resolver.resolve(given[0]))],
    "Fn::Split": lambda resolver, given: resolver.resolve(given[1]).split(given[0]),
    "Fn::Cidr": Resolver._cidr,
    "Fn::FindInMap": Resolver._find_in_map,
    "Fn::GetAZs": lambda resolver, _: resolver.zones,
    "Fn::ImportValue": lambda resolver, given: resolver.exports[resolver.resolve(given)],
}
#: What the id of a resource begins with that only AWS can name.
IDS = {"AWS::EC2::VPC": "vpc", "AWS::EC2::Subnet": "subnet", "AWS::EC2::SecurityGroup": "sg"}
#: The property that names a resource, the ARN that AWS makes of it, and what else has the name.
NAMED = {
    "AWS::ECS::Cluster": ("ClusterName", "arn:aws:ecs:eu-west-1:123456789012:cluster/{}"),
    "AWS::ECS::TaskDefinition": ("Family", ""),
    "AWS::ECR::Repository": ("RepositoryName", "arn:aws:ecr:eu-west-1:123456789012:repository/{}"),
    "AWS::IAM::Role": ("RoleName", "arn:aws:iam::123456789012:role/{}"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", ""),
    "AWS::Logs::LogGroup": ("LogGroupName", "arn:aws:logs:eu-west-1:123456789012:log-group:{}:*"),
    "AWS::RDS::DBSubnetGroup": ("DBSubnetGroupName", ""),
    "AWS::S3::Bucket": ("BucketName", "arn:aws:s3:::{}"),
    # AWS adds six letters of its own. Ref is the ARN, too.
    "AWS::SecretsManager::Secret": ("Name", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:{}-a1b2c3"),
}
REPOSITORY_URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/{}"


class Plan(Resolver):
    """A template with parameters, before there is a stack: names and ARNs as AWS will make them."""

    #: The account, the Region and the names of docs/executor/fargate-security.rst.
    pseudo = {"AWS::AccountId": "123456789012", "AWS::Partition": "aws", "AWS::Region": "eu-west-1"}
    zones = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]

    def attribute(self, name: str, attribute: str) -> Any:
        """Return what follows from the resource's own name, or a stand-in."""
        resource = self.template["Resources"][name]
        if resource["Type"] in IDS and attribute in ("Ref", "GroupId"):
            # An id of its own, as AWS's are: 17 hexadecimal digits.
            return f"{IDS[resource['Type']]}-{name.encode().hex():0<17.17}"
        if resource["Type"] not in NAMED:
            return f"{name}.{attribute}"
        named_by, arn = NAMED[resource["Type"]]
        own = self.resolve(resource["Properties"][named_by])
        if resource["Type"] == "AWS::SecretsManager::Secret":
            return arn.format(own)
        return {"Arn": arn, "RepositoryUri": REPOSITORY_URI}.get(attribute, "{}").format(own)
