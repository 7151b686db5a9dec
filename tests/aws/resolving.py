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
"""A CloudFormation template as data, and what its functions come to in a stack."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

#: What AWS::NoValue comes to: the property, or the member of a list, is not there.
NO_VALUE = object()
#: A reference to a secret that CloudFormation itself reads.
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-secretsmanager.html
SECRET = re.compile(r"\{\{resolve:secretsmanager:(.+?)(?::SecretString)?(?::(\w+))?\}\}")


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms."""


def _function(loader: Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    name = tag if tag in ("Ref", "Condition") else f"Fn::{tag}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if tag == "GetAtt" else value}
    deep = loader.construct_sequence if isinstance(node, yaml.SequenceNode) else loader.construct_mapping
    return {name: deep(node, deep=True)}


Loader.add_multi_constructor("!", _function)


def load(text: str) -> dict[str, Any]:
    """Return a template with the functions' short forms as the long ones."""
    return yaml.load(text, Loader)


@dataclass(frozen=True)
class Resolver:
    """
    What a template's functions come to, computed here rather than asked of CloudFormation.

    :param given: the parameters that have been given
    :param pseudo: the values of AWS::Region and the like
    :param ids: the physical id of each resource
    :param attribute: returns an attribute of a resource that its service tells
    :param exports: the outputs that other stacks export
    :param zones: the names of the availability zones
    :param secret: returns the text of a secret
    """

    template: Mapping[str, Any]
    given: Mapping[str, str]
    pseudo: Mapping[str, str]
    ids: Mapping[str, str]
    attribute: Callable[[str, str], Any]
    exports: Mapping[str, str]
    zones: list[str]
    secret: Callable[[str, str | None], str]

    def __call__(self, value: Any) -> Any:
        """Return a value of the template with its functions resolved."""
        if isinstance(value, str):
            return SECRET.sub(lambda found: self.secret(*found.groups()), value)
        if isinstance(value, list):
            return [item for item in map(self, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name in FUNCTIONS:
                return FUNCTIONS[name](self, argument)
            if name.startswith("Fn::"):
                raise LookupError(f"{name} has no place in FUNCTIONS of tests/aws/resolving.py")
        return {key: item for key, item in zip(value, map(self, value.values())) if item is not NO_VALUE}

    def condition(self, name: str) -> bool:
        """Return whether a condition of the template holds."""
        return self(self.template["Conditions"][name])

    def ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name not in self.template.get("Parameters", {}):
            return self.pseudo[name] if name in self.pseudo else self.ids[name]
        parameter = self.template["Parameters"][name]
        value = str(self.given.get(name, parameter.get("Default")))
        return value.split(",") if "List" in parameter["Type"] else value

    def sub(self, argument: Any) -> str:
        text, more = (argument, {}) if isinstance(argument, str) else argument

        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in more:
                return str(self(more[name]))
            known = name if name in self.pseudo or "." not in name else None
            return str(self.ref(name) if known else self.attribute(*name.split(".", 1)))

        return self(re.sub(r"\$\{([^}]+)\}", value, text))

    def choose(self, argument: list[Any]) -> Any:
        condition, yes, no = argument
        return self(yes if self.condition(condition) else no)

    def cidr(self, argument: list[Any]) -> list[str]:
        block, count, bits = map(self, argument)
        subnets = ipaddress.ip_network(block).subnets(new_prefix=32 - int(bits))
        return [str(next(subnets)) for _ in range(int(count))]

    def in_map(self, argument: list[Any]) -> Any:
        name, first, second = map(self, argument)
        return self.template["Mappings"][name][first][second]


#: What each function comes to.
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
FUNCTIONS: Mapping[str, Callable[[Resolver, Any], Any]] = {
    "Ref": Resolver.ref,
    "Condition": Resolver.condition,
    "Fn::GetAtt": lambda resolve, given: resolve.attribute(*given),
    "Fn::Sub": Resolver.sub,
    "Fn::Join": lambda resolve, given: resolve(given[0]).join(map(str, resolve(given[1]))),
    "Fn::If": Resolver.choose,
    "Fn::Equals": lambda resolve, given: len({str(resolve(value)) for value in given}) == 1,
    "Fn::Not": lambda resolve, given: not resolve(given[0]),
    "Fn::And": lambda resolve, given: all(resolve(given)),
    "Fn::Or": lambda resolve, given: any(resolve(given)),
    "Fn::Select": lambda resolve, given: resolve(given[1])[int(resolve(given[0]))],
    "Fn::Split": lambda resolve, given: resolve(given[1]).split(given[0]),
    "Fn::Cidr": Resolver.cidr,
    "Fn::FindInMap": Resolver.in_map,
    "Fn::GetAZs": lambda resolve, _: resolve.zones,
    "Fn::ImportValue": lambda resolve, given: resolve.exports[resolve(given)],
}
