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
"""What ``scripts/aws/verify`` tries: the stack of tasks.yaml, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.aws.errors import DeploymentError
from tools.aws.parameters import parameter_values
from tools.aws.templates import TASKS, VERIFY

if TYPE_CHECKING:
    from tools.aws.stacks import Stacks

#: What ``--parameter`` can set, with the defaults. In private subnets without a way to the internet the database's image
#: must come from a repository that they reach. ``Mapped`` is the number of mapped task instances of that trial.
SETTINGS = {
    "DatabaseImage": "public.ecr.aws/docker/library/postgres:16",
    "DatabasePort": "5432",
    "ApiPort": "8080",
    "Mapped": "200",
}
NUMBERS = ("DatabasePort", "ApiPort", "Mapped")
#: The states of a stack that is whole.
WHOLE = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
)


@dataclass(frozen=True)
class Target:
    """A deployment, and the settings of the Airflow that tries it."""

    deployment: str
    region: str
    account: str
    outputs: Mapping[str, str]
    """Those of the stack of tasks.yaml."""
    parameters: Mapping[str, str]
    """Those of the same stack."""
    settings: Mapping[str, str]
    """All of ``SETTINGS``."""

    @property
    def cluster(self) -> str:
        """The name of the cluster."""
        return self.outputs["ClusterName"]

    @property
    def assigns_public_ip(self) -> bool:
        """Whether each ECS task has a public address, which is billed."""
        return self.parameters["AssignPublicIp"] == "ENABLED"

    def stack_values(self) -> dict[str, str]:
        """Return the parameters of the stack of verify.yaml."""
        known = {**self.parameters, **self.outputs, **self.settings, "DeploymentName": self.deployment}
        return parameter_values(VERIFY, known, {})


def read(stacks: Stacks, deployment: str, region: str, given: Mapping[str, str]) -> Target:
    """
    Return what is to be tried; raise DeploymentError where it cannot be.

    :param given: settings by name.
    """
    if unknown := sorted(set(given) - set(SETTINGS)):
        raise DeploymentError(f"--parameter {unknown[0]}: not known. There are: {', '.join(SETTINGS)}")
    for name in NUMBERS:
        if not given.get(name, "1").isdecimal():
            raise DeploymentError(f"--parameter {name}={given[name]}: it must be a number.")
    stack = stacks.find(TASKS.stack_name(deployment))
    if stack is None or stack.status not in WHOLE:
        raise DeploymentError(
            f"{TASKS.stack_name(deployment)} is {stack.status if stack else 'not there'}. "
            f"Run scripts/aws/deploy --tasks-only --name {deployment} first."
        )
    # Its containers would report to the database of the trials, which listens inside of another ECS task.
    if stack.parameters.get("DatabaseSecretArn") and not stack.parameters.get("ExecutionApiUrl"):
        raise DeploymentError(f"{stack.name} is one for Airflow 2. The trials need Airflow 3.")
    account = stack.id.split(":")[4]
    return Target(deployment, region, account, stack.outputs, stack.parameters, {**SETTINGS, **given})
