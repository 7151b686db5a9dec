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
"""
The three task definitions of ``scripts/aws/verify``, copies of that of tasks.yaml.

The scheduler's has the program of the trials in it and PostgreSQL beside it; the tasks' one unpacks the trials' Dags before
Airflow starts; the third one's image is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tools.aws.inside import payload
from tools.aws.stacks import TAG

if TYPE_CHECKING:
    from tools.aws.verifying.target import Target

#: What the family of each ends with; no family of a deployment of any name ends so. Then the containers of the first one.
SCHEDULER, TASK, NO_IMAGE = "verify", "verify-trial", "verify-no-image"
SCHEDULER_CONTAINER, DATABASE_CONTAINER = "scheduler", "database"
#: A tag that nobody pushes.
NO_SUCH_TAG = "verify-no-such-image"
#: The ECS task with the whole Airflow, in CPU units and MiB: its API server answers 200 tasks at once.
SIZE = {"cpu": "2048", "memory": "8192"}
#: Seconds after which the ECS task with the whole Airflow ends by itself, also where nobody waits for it any more.
LIMIT = 65 * 60


def families(deployment: str) -> list[str]:
    """Return the families of a deployment's trials."""
    return [f"{deployment}-{name}" for name in (SCHEDULER, TASK, NO_IMAGE)]


def register(ecs: Any, target: Target, task_role_arn: str) -> None:
    """
    Register the three.

    :param task_role_arn: the role of the scheduler.
    """
    found = ecs.describe_task_definition(taskDefinition=target.outputs["TaskDefinition"])["taskDefinition"]
    # DescribeTaskDefinition tells more than RegisterTaskDefinition takes.
    taken = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    original = {name: value for name, value in found.items() if name in taken}
    packed = payload.pack()
    for definition in (
        _scheduler(original, target, task_role_arn, packed),
        _task(original, target, packed),
        _no_image(original, target, packed),
    ):
        ecs.register_task_definition(**definition, tags=[{"key": TAG, "value": target.deployment}])


def environment(variables: Mapping[str, str]) -> list[dict[str, str]]:
    """Return environment variables as ECS has them."""
    return [{"name": name, "value": value} for name, value in variables.items()]


def _scheduler(
    original: Mapping[str, Any], target: Target, task_role_arn: str, packed: str
) -> dict[str, Any]:
    container = _container(original, target)
    log = container["logConfiguration"]
    # Otherwise lines are lost where CloudWatch is slow: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LogConfiguration.html
    options = log["options"] | {"awslogs-stream-prefix": SCHEDULER, "mode": "blocking"}
    both = {"essential": True, "logConfiguration": log | {"options": options}}
    airflow = {
        "name": SCHEDULER_CONTAINER,
        "image": container["image"],
        "entryPoint": ["timeout", "--kill-after=60", str(LIMIT)],
        "command": list(payload.START),
        "environment": environment(payload.task_environment(packed)),
        # Whoever has killed processes needs one that collects them.
        "linuxParameters": {"initProcessEnabled": True},
    }
    database = {
        "name": DATABASE_CONTAINER,
        "image": target.settings["DatabaseImage"],
        "command": ["postgres", "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=300"],
    }
    return {
        **original,
        **SIZE,
        "family": f"{target.deployment}-{SCHEDULER}",
        "taskRoleArn": task_role_arn,
        "containerDefinitions": [airflow | both, database | both],
    }


def _task(original: Mapping[str, Any], target: Target, packed: str) -> dict[str, Any]:
    container = _container(original, target)
    added = environment(payload.task_environment(packed))
    container |= {
        "entryPoint": list(payload.TASK_ENTRY_POINT),
        "environment": [*container.get("environment", ()), *added],
    }
    family = f"{target.deployment}-{TASK}"
    return {**original, "family": family, "containerDefinitions": [container]}


def _no_image(original: Mapping[str, Any], target: Target, packed: str) -> dict[str, Any]:
    container = _container(original, target)
    container["image"] = f"{target.outputs['RepositoryUri']}:{NO_SUCH_TAG}"
    family = f"{target.deployment}-{NO_IMAGE}"
    return {**original, "family": family, "containerDefinitions": [container]}


def _container(original: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """Return the main container, without secrets: the trials have nothing to do with the deployment's own Airflow."""
    name = target.outputs["ContainerName"]
    (found,) = (each for each in original["containerDefinitions"] if each["name"] == name)
    return {member: value for member, value in found.items() if member != "secrets"}
