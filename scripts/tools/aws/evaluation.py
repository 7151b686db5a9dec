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
"""What the functions of a template come to with given parameters, as far as that can be told without AWS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: What ``Ref AWS::NoValue`` comes to: whatever holds it is left out.
NO_VALUE = object()
#: A name in a text of ``Fn::Sub``.
NAME = re.compile(r"\$\{([^!}]+)\}")


class Evaluation:
    """
    The functions of one template; what only AWS can tell stays as it is.

    :param parameters: the declarations of the parameters
    :param conditions: the conditions
    :param values: the values of the parameters; one that is left out has its default
    """

    def __init__(
        self, parameters: Mapping[str, Any], conditions: Mapping[str, Any], values: Mapping[str, str]
    ) -> None:
        defaults = {name: text(p["Default"]) for name, p in parameters.items() if "Default" in p}
        self._parameters = parameters
        self._conditions = conditions
        self._values = {**defaults, **values}

    def holds(self, condition: str | None) -> bool:
        """Whether a condition holds; None always does, and so does what cannot be told here."""
        return condition is None or self.is_true(self._conditions[condition])

    def is_true(self, expression: Mapping[str, Any]) -> bool:
        """Whether an expression of a condition or a rule is true; what cannot be told here is."""
        ((function, operands),) = expression.items()
        if function == "Condition":
            return self.holds(operands)
        if function == "Fn::Not":
            return not self.is_true(operands[0])
        if function == "Fn::And":
            return all(map(self.is_true, operands))
        if function == "Fn::Or":
            return any(map(self.is_true, operands))
        left, right = map(self.resolved, operands)
        return isinstance(left, dict) or isinstance(right, dict) or text(left) == text(right)

    def resolved(self, value: Any) -> Any:
        """Return a value of the template with the functions in it resolved."""
        if isinstance(value, list):
            return [one for one in map(self.resolved, value) if one is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            if method := FUNCTIONS.get(function):
                return method(self, argument)
        members = {name: self.resolved(one) for name, one in value.items()}
        return {name: one for name, one in members.items() if one is not NO_VALUE}

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name not in self._values:
            return {"Ref": name}
        value = self._values[name]
        return value.split(",") if is_list(self._parameters.get(name, {})) else value

    def _if(self, argument: list[Any]) -> Any:
        condition, then, otherwise = argument
        return self.resolved(then if self.holds(condition) else otherwise)

    def _select(self, argument: list[Any]) -> Any:
        index, several = argument[0], self.resolved(argument[1])
        return several[int(index)] if isinstance(several, list) else {"Fn::Select": argument}

    def _sub(self, argument: Any) -> Any:
        if not isinstance(argument, str) or set(NAME.findall(argument)) - set(self._values):
            return {"Fn::Sub": argument}
        return NAME.sub(lambda found: self._values[found[1]], argument)


FUNCTIONS = {
    "Ref": Evaluation._ref,
    "Fn::If": Evaluation._if,
    "Fn::Select": Evaluation._select,
    "Fn::Sub": Evaluation._sub,
}


def is_list(declared: Mapping[str, Any]) -> bool:
    """Whether a parameter of this declaration is a list, which is written with commas."""
    return declared.get("Type", "").startswith(("List<", "CommaDelimitedList"))


def text(value: Any) -> str:
    """Return a value of YAML as CloudFormation has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
