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
"""``scripts/aws/deploy``: make the stacks of a deployment, or bring them up to date."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from tools.aws import image, prices
from tools.aws.errors import DeploymentError
from tools.aws.options import AIRFLOW
from tools.aws.stacks import DEAD, Stack, Stacks
from tools.aws.templates import ALL, NETWORK, TASKS, Template, parameter_values

if TYPE_CHECKING:
    from rich.console import Console

#: Makes boto3's client of a service.
Clients = Callable[[str], Any]
#: The output with the options of Airflow.
SECTION = "FargateSection"


class Deploy:
    """One run of the command."""

    def __init__(
        self,
        given: argparse.Namespace,
        clients: Clients,
        stacks: Stacks,
        console: Console,
        ask: Callable[[str], bool],
    ) -> None:
        self._given = given
        self._clients = clients
        self._stacks = stacks
        self._console = console
        self._ask = ask
        self._templates = [template for template in ALL if template is not NETWORK or given.network]

    def run(self) -> int:
        """Show what is to be done, ask, do it, and return the exit code."""
        changes = self._show_plan()
        if self._given.dry_run:
            return 0
        if changes and not self._given.yes and not self._ask("Go on?"):
            self._console.print("Nothing was done.")
            return 1
        for template in self._templates if changes else ():
            self._make(template)
        return self._see_to_image() or self._write_options()

    def _show_plan(self) -> bool:
        """Show what each stack is to be made of, or what would change in it; return whether anything would."""
        changes, hour, promised = False, 0.0, {}
        for template in self._templates:
            stack = self._settled(template)
            values = self._values(template, _living(stack), promised)
            hour += prices.hourly(template.resources(values).values())
            if stack is None or stack.status in DEAD or promised:
                changes = True
                self._show_resources(template, values, stack)
                promised |= dict.fromkeys(template.outputs, f"(of {template.stack_name(self._given.name)})")
            else:
                changes |= self._show_changes(template, values, stack)
        self._console.print(f"Cost: {prices.shown(hour)}; ECS tasks come on top. (US East, N. Virginia)")
        return changes

    def _settled(self, template: Template) -> Stack | None:
        name = template.stack_name(self._given.name)
        stack = self._stacks.find(name)
        if stack is None or not stack.in_progress:
            return stack
        if self._given.dry_run:
            raise DeploymentError(f"{name} is {stack.status}: run this again when that has ended.")
        self._console.print(f"{name} is {stack.status}: waiting for its end, then going on.")
        return self._stacks.settled(name)

    def _values(self, template: Template, stack: Stack | None, promised: Mapping[str, str]) -> dict[str, str]:
        given, known = self._given, {"DeploymentName": self._given.name}
        options = {
            "VpcId": given.vpc, "SubnetIds": given.subnets, "Kind": given.network, "ImageX86": given.image,
            "ImageTag": given.airflow or (None if stack else AIRFLOW),
        }  # fmt: skip
        known |= self._outputs_before(template) | dict(promised)
        known |= {name: value for name, value in options.items() if value} | dict(given.parameter)
        self._refuse_unknown(dict(given.parameter))
        return parameter_values(template, known, stack.parameters if stack else {})

    def _outputs_before(self, template: Template) -> dict[str, str]:
        """Return the outputs of the stacks that come before one."""
        outputs: dict[str, str] = {}
        for earlier in ALL[: ALL.index(template)]:
            stack = self._stacks.find(earlier.stack_name(self._given.name))
            outputs |= stack.outputs if stack else {}
        return outputs

    def _refuse_unknown(self, parameters: Mapping[str, str]) -> None:
        names = sorted({name for template in self._templates for name in template.parameters})
        if unknown := sorted(set(parameters) - set(names)):
            raise DeploymentError(
                f"--parameter {unknown[0]}: no template has it. There are: {', '.join(names)}"
            )

    def _show_resources(self, template: Template, values: Mapping[str, str], stack: Stack | None) -> None:
        title = f"{template.stack_name(self._given.name)}: to be made"
        if stack and stack.status in DEAD:
            title += f" anew; what is there is {stack.status} and is deleted first"
        table = Table("Resource", "Type", "US$ an hour", "and by use", title=title, title_justify="left")
        for name, resource in template.resources(values).items():
            cost = prices.cost(resource)
            table.add_row(
                name, resource["Type"], "?" if cost.hour is None else f"{cost.hour:.3f}", cost.by_use
            )
        self._console.print(table)

    def _show_changes(self, template: Template, values: Mapping[str, str], stack: Stack) -> bool:
        changes = self._stacks.changes(template, self._given.name, values, stack)
        if not changes:
            self._console.print(f"{stack.name}: nothing to be changed")
            return False
        title = f"{stack.name}: to be changed"
        table = Table("Action", "Resource", "Type", "Replaced", title=title, title_justify="left")
        for change in changes:
            cells = ("Action", "LogicalResourceId", "ResourceType", "Replacement")
            table.add_row(*(change.get(cell, "") for cell in cells))
        self._console.print(table)
        return True

    def _make(self, template: Template) -> None:
        stack = self._stacks.find(template.stack_name(self._given.name))
        if stack and stack.status in DEAD:
            self._console.print(f"{stack.name} is {stack.status}: it is deleted and made anew.")
            self._stacks.delete(stack)
            stack = None
        values = self._values(template, stack, {})
        if stack is None:
            self._stacks.create(template, self._given.name, values)
        else:
            self._stacks.update(template, self._given.name, values, stack)

    def _see_to_image(self) -> int:
        """Build the image of the deployment's own repository where it is not there; return the exit code."""
        stack = self._tasks()
        if stack.parameters.get("ImageX86") or "RepositoryUri" not in stack.outputs:
            return 0
        tag, ecr = stack.parameters["ImageTag"], self._clients("ecr")
        name = f"{stack.outputs['RepositoryUri']}:{tag}"
        if not self._given.rebuild and image.is_there(ecr, name):
            return 0
        if image.has_engine():
            image.build_and_push(ecr, name, tag)
            return 0
        self._write_options()
        self._console.print(
            "[red]The image is not there yet, and docker does not run here.[/red] Run these two commands at the top "
            "of this repository on a machine where it does, then this again; or give an image by --image:"
        )
        region = ecr.meta.region_name
        self._console.print(image.commands_elsewhere(name, tag, region), soft_wrap=True, highlight=False)
        return 1

    def _tasks(self) -> Stack:
        stack = self._stacks.find(TASKS.stack_name(self._given.name))
        if stack is None:
            raise DeploymentError(
                f"{TASKS.stack_name(self._given.name)} was deleted meanwhile. Run this again."
            )
        return stack

    def _write_options(self) -> int:
        section = self._tasks().outputs.get(SECTION, "")
        write(self._given.options_file, section.rstrip() + "\n")
        self._console.print(section, markup=False, highlight=False, soft_wrap=True)
        self._console.print(f"These options are in {self._given.options_file}, for airflow.cfg.")
        return 0


def _living(stack: Stack | None) -> Stack | None:
    return None if stack is None or stack.status in DEAD else stack


def write(path: Path, text: str) -> None:
    """Write a file; what was there and differs stays beside it, with ``.old`` behind its name."""
    if path.exists() and path.read_text(encoding="utf-8") != text:
        path.replace(path.with_name(f"{path.name}.old"))
    path.write_text(text, encoding="utf-8")
