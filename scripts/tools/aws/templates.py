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
"""The templates in ``scripts/aws``, and what one makes with given parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from tools.aws.errors import DeploymentError
from tools.harness.environment import REPOSITORY

FOLDER = REPOSITORY / "scripts" / "aws"


@dataclass(frozen=True)
class Template:
    """One template; each deployment has at most one stack of it."""

    kind: str
    """The name of its file without suffix, and what the stack's name ends with."""

    folder: Path = FOLDER

    def stack_name(self, deployment: str) -> str:
        """Return the name of a deployment's stack."""
        return f"{deployment}-{self.kind}"

    @cached_property
    def body(self) -> str:
        """The text of the file."""
        return (self.folder / f"{self.kind}.yaml").read_text(encoding="utf-8")

    @cached_property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """The parameters' own declarations, by name."""
        return dict(self._content.get("Parameters", {}))

    def resources(self, values: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """Return the resources that these values of the parameters make, by logical name."""
        conditions = Conditions(self, values)
        return {
            name: resource
            for name, resource in self._content["Resources"].items()
            if conditions.holds(resource.get("Condition"))
        }

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return tuple(self._content.get("Outputs", {}))

    @cached_property
    def conditions(self) -> dict[str, Any]:
        """The conditions, by name."""
        return dict(self._content.get("Conditions", {}))

    @cached_property
    def _content(self) -> dict[str, Any]:
        return yaml.load(self.body, Loader=_Loader)


NETWORK, TASKS = Template("network"), Template("tasks")
#: In the order in which they are made: one's outputs are the parameters of those names of a later one.
ALL = (NETWORK, TASKS)


class Conditions:
    """Which conditions of a template hold with given parameters; what cannot be told here counts as true."""

    def __init__(self, template: Template, values: Mapping[str, str]) -> None:
        defaults = {name: declared.get("Default") for name, declared in template.parameters.items()}
        self._values = {**defaults, **values}
        self._conditions = template.conditions

    def holds(self, name: str | None) -> bool:
        """Whether a condition holds; no condition always does."""
        return name is None or self._is_true(self._conditions[name])

    def _is_true(self, expression: Any) -> bool:
        ((function, operands),) = expression.items()
        if function == "Condition":
            return self.holds(operands)
        if function == "Fn::Not":
            return not self._is_true(operands[0])
        if function == "Fn::And":
            return all(map(self._is_true, operands))
        if function == "Fn::Or":
            return any(map(self._is_true, operands))
        left, right = map(self._value, operands)
        return left is None or right is None or left == right

    def _value(self, operand: Any) -> str | None:
        """Return what an operand of Fn::Equals is, None where a function makes it."""
        if not isinstance(operand, dict):
            return _text(operand)
        value = self._values.get(operand.get("Ref", ""))
        return None if value is None else _text(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def parameter_values(
    template: Template, known: Mapping[str, str], stack: Mapping[str, str]
) -> dict[str, str]:
    """
    Return what a stack's parameters are to be: what is known, or what the stack has already, or the default.

    :param known: options of the command and outputs of earlier stacks, by the parameter's name.
    :param stack: the parameters that the stack has, empty where there is none.
    :raises DeploymentError: for each parameter that has no value, all at once.
    """
    defaults = {name: _text(p["Default"]) for name, p in template.parameters.items() if "Default" in p}
    values = {**defaults, **stack, **known}
    if missing := [name for name in template.parameters if name not in values]:
        needs = "\n".join(f"  {name}: {_description(template, name)}" for name in missing)
        raise DeploymentError(
            f"{template.kind}.yaml needs what no option has given:\n{needs}\n"
            "Give --vpc and --subnets, or --network; any other by --parameter NAME=VALUE."
        )
    return {name: values[name] for name in template.parameters}


def _description(template: Template, name: str) -> str:
    return " ".join(str(template.parameters[name].get("Description", "no description")).split())


class _Loader(yaml.SafeLoader):
    """Reads the short forms of CloudFormation's functions as the long ones."""


def _function(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _function)
