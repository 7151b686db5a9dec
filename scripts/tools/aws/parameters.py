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
"""The values of a template's parameters: what they are to be, and whether the template takes them."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tools.aws.errors import DeploymentError
from tools.aws.evaluation import is_list, text

if TYPE_CHECKING:
    from tools.aws.templates import Template

#: By which option a parameter is given, where that is not --parameter.
OPTIONS = {
    "DeploymentName": "--name", "VpcId": "--vpc", "SubnetIds": "--subnets", "Kind": "--network",
    "Image": "--image", "ImageX86": "--image", "ImageArm64": "--image", "ImageTag": "--airflow",
}  # fmt: skip

#: What an option or another stack gives: nobody looks for it among the parameters.
INTERNAL = {"DeploymentName", "Kind", "VpcId", "SubnetIds", "Image", "SecurityGroupId"}


class Promised(str):
    """A value that a stack will have as an output and that nobody knows yet; its text says of which stack."""


def parameter_values(
    template: Template, known: Mapping[str, str], stack: Mapping[str, str]
) -> dict[str, str]:
    """
    Return what a stack's parameters are to be: what is known, or what the stack has already, or the default.

    :param known: options of the command and outputs of earlier stacks, by the parameter's name.
    :param stack: the parameters that the stack has, empty where there is none.
    :raises DeploymentError: for each parameter that has no value, all at once.
    """
    defaults = {name: text(p["Default"]) for name, p in template.parameters.items() if "Default" in p}
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


def unknown(parameters: Iterable[str], templates: Sequence[Template]) -> str:
    """Return what to say of the first parameter that no template has, empty where there is none."""
    names = {name for template in templates for name in template.parameters}
    for name in sorted(set(parameters) - names):
        shown = sorted(names - INTERNAL)
        near = "".join(f" Did you mean {one}?" for one in difflib.get_close_matches(name, shown, n=1))
        return f"--parameter {name}: no template has it.{near} There are: {', '.join(shown)}"
    return ""


def wrong(template: Template, values: Mapping[str, str]) -> dict[str, str]:
    """Return what a template does not take, by the option or the rule; CloudFormation checks the same later."""
    return {**dict(_wrong_values(template, values)), **dict(_broken_rules(template, values))}


def _wrong_values(template: Template, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, declared in template.parameters.items():
        value = values[name]
        parts = value.split(",") if is_list(declared) else [value]
        if not isinstance(value, Promised) and not all(_allows(declared, part) for part in parts):
            option = OPTIONS.get(name, f"--parameter {name}")
            said = f"{template.kind}.yaml does not take {name} = {value!r}: {_wanted(declared)}"
            yield option, f"{said}. Correct {option}."


def _allows(declared: Mapping[str, Any], value: str) -> bool:
    """
    Whether a parameter takes a value.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
    """
    if declared["Type"] == "Number" and not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return False
    if "AllowedValues" in declared and value not in map(text, declared["AllowedValues"]):
        return False
    if not re.fullmatch(declared.get("AllowedPattern", "(?s:.*)"), value):
        return False
    if not declared.get("MinLength", 0) <= len(value) <= declared.get("MaxLength", len(value)):
        return False
    least, most = declared.get("MinValue", value), declared.get("MaxValue", value)
    return declared["Type"] != "Number" or float(least) <= float(value) <= float(most)


def _wanted(declared: Mapping[str, Any]) -> str:
    if allowed := [*map(text, declared.get("AllowedValues", ()))]:
        return " or ".join(filter(None, (", ".join(allowed[:-1]), allowed[-1])))
    named = ("Type", "AllowedPattern", "MinLength", "MaxLength", "MinValue", "MaxValue")
    constraints = ", ".join(f"{name} {declared[name]}" for name in named if name in declared)
    return str(declared.get("ConstraintDescription") or constraints)


def _broken_rules(template: Template, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    evaluation = template.evaluation(values)
    for rule in template.rules.values():
        if "RuleCondition" in rule and not evaluation.is_true(rule["RuleCondition"]):
            continue
        for assertion in rule["Assertions"]:
            if not evaluation.is_true(assertion["Assert"]):
                names = dict.fromkeys(re.findall(r'"Ref": "(\w+)"', json.dumps(assertion["Assert"])))
                having = ", ".join(f"{name} = {values[name]!r}" for name in names)
                said = assertion["AssertDescription"].rstrip(".")
                yield (
                    said,
                    f"{template.kind}.yaml: {said}. Now {having}: give --parameter {next(iter(names))}=VALUE.",
                )
