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
"""``scripts/aws/status``: the stacks of a deployment, its running ECS tasks, and what all of it costs now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

from tools.aws import access, prices, remains
from tools.aws.deploy import SECTION
from tools.aws.templates import AIRFLOW, ALL, VERIFY

if TYPE_CHECKING:
    from rich.console import Console

    from tools.aws.place import Place
    from tools.aws.plan import Clients
    from tools.aws.stacks import Stack, Stacks
    from tools.aws.templates import Template

#: So many of the last events of an ECS service are shown, if fewer of its ECS tasks run than are to run.
EVENTS = 3


class Status:
    """One run of the command."""

    def __init__(
        self, deployment: str, clients: Clients, stacks: Stacks, console: Console, here: Place
    ) -> None:
        self._deployment = deployment
        self._ecs = clients("ecs")
        self._stacks = stacks
        self._console = console
        self._here = here

    def run(self) -> int:
        """Show the deployment, and return 0 if it has a stack and its ECS services run."""
        found = {template: self._stacks.find(template.stack_name(self._deployment)) for template in ALL}
        if not any(found.values()):
            makes = f"scripts/aws/deploy --name {self._deployment} --region {self._here.region} makes one"
            self._print(f"{self._here.has_no(self._deployment)}: {makes}.")
            return 1
        hour = sum(self._show(template, stack) for template, stack in found.items())
        airflow = found[AIRFLOW]
        runs = airflow is None or self._show_airflow(airflow)
        reckoned = ": prices of US East (N. Virginia); public addresses come on top" * bool(hour)
        self._print(f"Cost now: {prices.shown(hour)}{reckoned}.")
        return 0 if runs else 1

    def _show(self, template: Template, stack: Stack | None) -> float:
        """Show a stack, its outputs and the ECS tasks in its cluster, and return what they cost by the hour."""
        if stack is None:
            if template is not VERIFY:
                self._print(f"{template.stack_name(self._deployment)}: not there")
            return 0.0
        self._print(f"{stack.name}: {stack.status}")
        for name, value in stack.outputs.items():
            if name != SECTION:
                self._print(f"  {name}: {value}")
        # ECS tasks of services are among those that run.
        resources = template.resources(stack.parameters)
        hour = prices.hourly({n: one for n, one in resources.items() if one["Type"] != "AWS::ECS::Service"})
        if cluster := stack.outputs.get("ClusterName"):
            hour += _show_ecs_tasks(remains.running(self._ecs, cluster), self._console)
        return hour

    def _show_airflow(self, airflow: Stack) -> bool:
        """Show the ECS services and the way to the UI, and return whether all run that are to run."""
        if airflow.parameters.get("Paused") == "yes":
            self._print("Paused: deploy resumes it")
        services = self._services(airflow)
        self._show_services(services)
        access.show(self._console, self._ecs, self._deployment, airflow)
        return not any(map(_lacks, services))

    def _show_services(self, services: list[dict[str, Any]]) -> None:
        """Show how many ECS tasks of each run, and why fewer than are to run."""
        for service in services:
            self._print(
                f"{service['serviceName']}: {service['runningCount']} of {service['desiredCount']} running"
            )
            if _lacks(service):
                for event in service.get("events", [])[:EVENTS]:
                    self._print(f"  {event['message']}")
                self._print(f"  Its log: /ecs/{self._deployment}-components")

    def _services(self, airflow: Stack) -> list[dict[str, Any]]:
        found = self._stacks.resources(airflow)
        arns = [
            physical_id for _, type_, physical_id in found if type_ == "AWS::ECS::Service" and physical_id
        ]
        if not arns:
            return []
        # A call takes up to ten, and there are four:
        # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html
        answer = self._ecs.describe_services(cluster=self._deployment, services=arns)
        return list(answer["services"])

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _lacks(service: Mapping[str, Any]) -> bool:
    return bool(service["runningCount"] < service["desiredCount"])


def _show_ecs_tasks(ecs_tasks: list[dict[str, object]], console: Console) -> float:
    """Show the running ECS tasks, and return what they cost by the hour."""
    if not ecs_tasks:
        console.print("  no running ECS tasks")
        return 0.0
    table = Table("ECS task", "State", "Task definition", "Capacity", "US$ an hour")
    total = 0.0
    for ecs_task in ecs_tasks:
        hour = prices.ecs_task_hour(ecs_task)
        capacity = str(ecs_task.get("capacityProviderName") or ecs_task.get("launchType", ""))
        hour *= 1 - prices.SPOT_DISCOUNT if capacity == "FARGATE_SPOT" else 1
        total += hour
        last = [str(ecs_task[name]).rpartition("/")[2] for name in ("taskArn", "taskDefinitionArn")]
        table.add_row(last[0], str(ecs_task["lastStatus"]), last[1], capacity, f"{hour:.4f}")
    console.print(table)
    return total
