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

from tools.aws.evaluation import Evaluation
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

    @cached_property
    def rules(self) -> dict[str, dict[str, Any]]:
        """What the parameters must be together, by name."""
        return dict(self._content.get("Rules", {}))

    def evaluation(self, values: Mapping[str, str]) -> Evaluation:
        """Return what the functions come to with these values of the parameters."""
        return Evaluation(self.parameters, self._content.get("Conditions", {}), values)

    def resources(self, values: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """Return the resources that these values of the parameters make, by logical name, as far as they can be told here."""
        evaluation = self.evaluation(values)
        return {
            name: evaluation.resolved(resource)
            for name, resource in self._content["Resources"].items()
            if evaluation.holds(resource.get("Condition"))
        }

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """The values of the outputs as the template has them, by name."""
        return {name: output["Value"] for name, output in self._content.get("Outputs", {}).items()}

    def families(self, deployment: str) -> set[str]:
        """Return the families of all task definitions that it can make."""
        found = self.evaluation({"DeploymentName": deployment}).resolved(self._content["Resources"])
        definitions = [one for one in found.values() if one["Type"] == "AWS::ECS::TaskDefinition"]
        return {str(one["Properties"]["Family"]) for one in definitions}

    @cached_property
    def _content(self) -> dict[str, Any]:
        return yaml.load(self.body, Loader=_Loader)


NETWORK, TASKS, AIRFLOW, VERIFY = map(Template, ("network", "tasks", "airflow", "verify"))
#: In the order in which they are made: one's outputs and parameters are the parameters of those names of a later one.
#: The last one is there as long as ``scripts/aws/verify`` runs.
ALL = (NETWORK, TASKS, AIRFLOW, VERIFY)


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
