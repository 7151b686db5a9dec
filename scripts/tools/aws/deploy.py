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
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tools.aws import access, account, image, refusals
from tools.aws.errors import DeploymentError
from tools.aws.plan import MADE, Clients, Plan, Step
from tools.aws.preview import Preview
from tools.aws.templates import AIRFLOW, TASKS, Template

if TYPE_CHECKING:
    from rich.console import Console

    from tools.aws.stacks import Stack, Stacks

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
        self._plan = Plan(given, clients, stacks)

    def run(self) -> int:
        """Show what is to be done, ask, do it, and return the exit code."""
        self._settle()
        refusals.refuse(self._given, self._clients, self._plan.living)
        steps = self._plan.steps()
        changes = self._show(steps)
        if self._given.dry_run:
            return 0
        if changes and not self._given.yes and not self._ask("Go on?"):
            self._print("Nothing was done.")
            return 1
        if changes:
            self._make_role()
        return self._make_all([step.template for step in steps], changes)

    def _make_all(self, templates: list[Template], changes: bool) -> int:
        """Make the stacks in their order, and the image as soon as its repository is there; return the exit code."""
        for template in templates:
            if changes:
                self._make(template)
            if template is TASKS and not self._provide_image():
                return 1
        self._write_options()
        if self._plan.is_whole:
            ecs, name = self._clients("ecs"), self._given.name
            access.show(self._console, ecs, name, self._there(AIRFLOW), f"scripts/aws/status --name {name}")
        return 0

    def _settle(self) -> None:
        """Wait until CloudFormation does not work on a stack any more."""
        for template in MADE:
            stack = self._plan.find(template)
            if stack and stack.in_progress:
                if self._given.dry_run:
                    raise DeploymentError(
                        f"{stack.name} is {stack.status}: run this again when that has ended."
                    )
                self._print(f"{stack.name} is {stack.status}: waiting for its end, then going on.")
                self._stacks.settled(stack.name)

    def _show(self, steps: list[Step]) -> bool:
        """Show what is to be done, and return whether anything is; the image is none of it."""
        changes = Preview(self._given.name, self._stacks, self._console).show(steps)
        if changes and not account.has_ecs_role(self._clients("iam")):
            self._print(
                f"The account's role {account.ECS_ROLE} is made, too; it costs nothing and stays, for whatever uses ECS."
            )
        if not self._plan.is_whole and self._plan.find(AIRFLOW):
            self._print(
                f"{AIRFLOW.stack_name(self._given.name)} is left as it is: --tasks-only. Without that it is brought up to date."
            )
        for step in steps:
            if step.template is TASKS:
                self._show_image(step)
            if step.values.get("Kind") == "private":
                self._print(
                    "Private subnets reach AWS's services alone: no image from elsewhere than Amazon ECR, and no Dags from git."
                )
        return changes

    def _show_image(self, step: Step) -> None:
        name, is_given = image.of_tasks(step.values, step.stack.outputs if step.stack else {})
        if is_given:
            said = "which was given"
        elif not self._given.rebuild and step.stack and image.is_there(self._clients("ecr"), name):
            said = "which is there"
        else:
            said = "which is built with docker here, or by two commands elsewhere, and pushed; ten minutes, no cost but its storage"
        self._print(f"Image: {name}, {said}")

    def _make_role(self) -> None:
        if not account.has_ecs_role(self._clients("iam")):
            account.make_ecs_role(self._clients("iam"))

    def _make(self, template: Template) -> None:
        """Make a stack or bring it up to date, with what the earlier ones have given by now."""
        step = self._step(template)
        if step.dead:
            self._print(f"{step.dead.name} is {step.dead.status}: it is deleted and made anew.")
            self._stacks.delete(step.dead)
        if step.stack is None:
            self._stacks.create(template, self._given.name, step.values)
            return
        stack = step.stack
        # What was shown as nothing to be changed stays as it is, whatever an update would find.
        if not self._stacks.changes(template, self._given.name, step.values, stack):
            return
        if step.upgrades and stack.parameters["Paused"] != "yes":
            self._print(f"{stack.name}: pausing, then updating to {step.values['Image']}.")
            stack = self._stacks.change(stack, {"Paused": "yes"})
        self._stacks.update(template, self._given.name, step.values, stack)

    def _step(self, template: Template) -> Step:
        return next(step for step in self._plan.steps() if step.template is template)

    def _provide_image(self) -> bool:
        """See to it that the image is there; say what to do, and return False, where it is not."""
        stack, ecr = self._there(TASKS), self._clients("ecr")
        name, is_given = image.of_tasks(stack.parameters, stack.outputs)
        architecture = stack.parameters.get("Architecture", "X86_64")
        if is_given or image.provide(ecr, name, architecture, self._given.rebuild):
            return True
        self._write_options()
        self._print(
            f"{name} is not there yet, and docker does not run here. Run these two commands at the top of this repository on "
            "a machine where it does, then this again, which goes on; or give an image by --image:"
        )
        self._print(image.commands_elsewhere(name, architecture, ecr.meta.region_name))
        return False

    def _there(self, template: Template) -> Stack:
        stack = self._plan.find(template)
        if stack is None:
            raise DeploymentError(
                f"{template.stack_name(self._given.name)} was deleted meanwhile. Run this again."
            )
        return stack

    def _write_options(self) -> None:
        if self._plan.is_whole:
            return
        section = self._there(TASKS).outputs.get(SECTION, "")
        write(self._given.options_file, section.rstrip() + "\n")
        self._print(section)
        self._print(f"These options are in {self._given.options_file}, for airflow.cfg.")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def write(path: Path, text: str) -> None:
    """Write a file; what was there and differs stays beside it, with ``.old`` behind its name."""
    if path.exists() and path.read_text(encoding="utf-8") != text:
        path.replace(path.with_name(f"{path.name}.old"))
    path.write_text(text, encoding="utf-8")
