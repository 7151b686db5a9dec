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

from typing import TYPE_CHECKING

from rich.table import Table

from tools.aws import access, prices, remains
from tools.aws.deploy import SECTION
from tools.aws.templates import AIRFLOW, ALL

if TYPE_CHECKING:
    from rich.console import Console

    from tools.aws.plan import Clients
    from tools.aws.stacks import Stacks


def status(deployment: str, clients: Clients, stacks: Stacks, console: Console) -> int:
    """Show a deployment, and return 0 if it has a stack."""
    hour, any_stack = 0.0, False
    for template in ALL:
        stack = stacks.find(template.stack_name(deployment))
        console.print(f"{template.stack_name(deployment)}: {stack.status if stack else 'not there'}")
        if stack is None:
            continue
        any_stack = True
        # ECS tasks of services are among those that run.
        resources = template.resources(stack.parameters)
        hour += prices.hourly({n: one for n, one in resources.items() if one["Type"] != "AWS::ECS::Service"})
        for name, value in stack.outputs.items():
            if name != SECTION:
                console.print(f"  {name}: {value}", highlight=False, markup=False, soft_wrap=True)
        if cluster := stack.outputs.get("ClusterName"):
            hour += _show_ecs_tasks(remains.running(clients("ecs"), cluster), console)
        if template is AIRFLOW:
            access.show(console, clients("ecs"), deployment, stack)
    console.print(f"Cost now: {prices.shown(hour)}. (US East, N. Virginia; public addresses come on top)")
    return 0 if any_stack else 1


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
