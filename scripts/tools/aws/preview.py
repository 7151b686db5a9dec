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
"""What is shown before anything is made: each stack, the image, the account's role, and the cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Column, Table

from tools.aws import prices

if TYPE_CHECKING:
    from rich.console import Console

    from tools.aws.plan import Step
    from tools.aws.stacks import Stack, Stacks

#: What a change set says of a resource whose other properties are not known before the update.
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
CONDITIONAL = "Conditional: AWS decides when it updates, and replaces only what cannot be changed in place."


class Preview:
    """Shows steps; what would change in a stack that is there is asked of CloudFormation."""

    def __init__(self, deployment: str, stacks: Stacks, console: Console) -> None:
        self._deployment = deployment
        self._stacks = stacks
        self._console = console

    def show(self, steps: list[Step]) -> bool:
        """Show all steps and their cost; return whether anything is to be done."""
        changes = [self._show_step(step) for step in steps]
        costs = [
            cost for step in steps for cost in prices.costs(step.template.resources(step.values)).values()
        ]
        unknown = "" if all(cost.hour is not None for cost in costs) else ", and what has no price here (?)"
        hour = sum(cost.hour or 0.0 for cost in costs)
        self._console.print(
            f"Cost of these stacks: {prices.shown(hour)}{unknown}; ECS tasks come on top. (US East, N. Virginia)",
            highlight=False,
        )
        return any(changes)

    def _show_step(self, step: Step) -> bool:
        if step.stack is None or step.after_others:
            self._show_resources(step)
            return True
        return self._show_changes(step, step.stack)

    def _show_resources(self, step: Step) -> None:
        title = f"{step.template.stack_name(self._deployment)}: to be made"
        if step.dead:
            title += f" anew; what is there is {step.dead.status} and is deleted first"
        table = _table(title, "Resource", "Type", "US$ an hour", "and by use")
        resources = step.template.resources(step.values)
        for name, cost in prices.costs(resources).items():
            hour = "?" if cost.hour is None else f"{cost.hour:.4f}" if cost.hour else ""
            table.add_row(name, resources[name]["Type"], hour, cost.by_use)
        self._console.print(table)

    def _show_changes(self, step: Step, stack: Stack) -> bool:
        changes = self._stacks.changes(step.template, self._deployment, step.values, stack)
        if not changes:
            self._console.print(f"{stack.name}: nothing to be changed")
            return False
        title = f"{stack.name}: to be changed"
        table = _table(title, "Action", "Resource", "Type", "Replaced")
        for change in changes:
            cells = ("Action", "LogicalResourceId", "ResourceType", "Replacement")
            table.add_row(*(change.get(cell, "") for cell in cells))
        self._console.print(table)
        if any(change.get("Replacement") == "Conditional" for change in changes):
            self._console.print(CONDITIONAL, soft_wrap=True)
        if step.upgrades:
            self._console.print(
                f"{stack.parameters['Image']} -> {step.values['Image']}: in two updates, since the schedulers of one release "
                "of Airflow must not run on the database of another. The first one pauses all but the API server, the second "
                "one brings the image and resumes. Running tasks end meanwhile, no new ones start.",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
        return True


def _table(title: str, *headers: str) -> Table:
    """Return a table in which a narrow terminal cuts nothing off."""
    columns = [Column(header, overflow="fold") for header in headers]
    return Table(*columns, title=title, title_justify="left")
