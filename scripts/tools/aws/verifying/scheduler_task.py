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
"""The ECS task that holds a whole Airflow and runs the trials."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tools.aws.errors import DeploymentError
from tools.aws.stacks import TAG
from tools.aws.verifying.task_definitions import (
    DATABASE_CONTAINER,
    NO_IMAGE,
    SCHEDULER,
    SCHEDULER_CONTAINER,
    TASK,
    environment,
)

if TYPE_CHECKING:
    from tools.aws.verifying.target import Target

#: A new role is not known everywhere at once: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
#: (eventual consistency). What ECS says then, seconds between two calls, and how many.
NOT_YET = "unable to assume the role"
PERIOD, LOOKS = 5.0, 24


class SchedulerTask:
    """One run of it."""

    def __init__(self, ecs: Any, target: Target, sleep: Callable[[float], None] = time.sleep) -> None:
        self._ecs = ecs
        self._target = target
        self._sleep = sleep
        self.arn = ""
        """Its ARN, once it is there."""
        # Made for this run and given by environment. The database listens to its own ECS task alone, is empty, and ends
        # with it within the hour; still, the password is in no task definition, log or report.
        self.password = secrets.token_urlsafe(24)

    @property
    def log_stream(self) -> str:
        """The stream of its output; awslogs names it so."""
        return f"{SCHEDULER}/{SCHEDULER_CONTAINER}/{self.arn.rpartition('/')[2]}"

    def start(self, security_group: str, trials: Sequence[str]) -> None:
        """
        Start it.

        :param security_group: its own.
        :param trials: the names of those that are to run, empty for all.
        :raises DeploymentError: if ECS has refused it.
        """
        answer = self._run(self._request(security_group, trials))
        for failure in answer.get("failures", ()):
            raise DeploymentError(
                f"RunTask: AWS said {failure.get('reason')!r} {failure.get('detail', '')}".rstrip()
                + ". Run this again later, or see to the subnets and quotas of the account."
            )
        self.arn = answer["tasks"][0]["taskArn"]

    def describe(self) -> dict[str, Any]:
        """Return what DescribeTasks says of it, with no ``lastStatus`` where it says nothing."""
        found = self._ecs.describe_tasks(cluster=self._target.cluster, tasks=[self.arn])["tasks"]
        return dict(found[0]) if found else {}

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        for look in range(LOOKS):
            try:
                return dict(self._ecs.run_task(**request))
            except ClientError as error:
                if NOT_YET not in str(error) or look == LOOKS - 1:
                    raise
            self._sleep(PERIOD)
        raise AssertionError("the last look has returned or raised")

    def _request(self, security_group: str, trials: Sequence[str]) -> dict[str, Any]:
        target = self._target
        network = {
            "subnets": target.parameters["SubnetIds"].split(","),
            "securityGroups": [security_group],
            "assignPublicIp": target.parameters["AssignPublicIp"],
        }
        overrides = [
            {"name": SCHEDULER_CONTAINER, "environment": environment(self._variables(trials))},
            {"name": DATABASE_CONTAINER, "environment": environment(self._database_variables())},
        ]
        return {
            "cluster": target.cluster,
            "taskDefinition": f"{target.deployment}-{SCHEDULER}",
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": network},
            "overrides": {"containerOverrides": overrides},
            "startedBy": f"{target.deployment}-{SCHEDULER}",
            "tags": [{"key": TAG, "value": target.deployment}],
        }

    def _variables(self, trials: Sequence[str]) -> dict[str, str]:
        target = self._target
        port = target.settings["DatabasePort"]
        variables = {
            "VERIFY_CLUSTER": target.cluster,
            # Not the deployment's own name: the executor adopts and ends what has its name.
            "VERIFY_DEPLOYMENT": f"{target.deployment}-verify",
            "VERIFY_TASK_DEFINITION": f"{target.deployment}-{TASK}",
            "VERIFY_BROKEN_TASK_DEFINITION": f"{target.deployment}-{NO_IMAGE}",
            "VERIFY_CONTAINER": target.outputs["ContainerName"],
            "VERIFY_SUBNETS": target.parameters["SubnetIds"],
            "VERIFY_SECURITY_GROUPS": target.outputs["SecurityGroupId"],
            "VERIFY_ASSIGN_PUBLIC_IP": target.parameters["AssignPublicIp"],
            "VERIFY_REGION": target.region,
            "VERIFY_TRIALS": ",".join(trials),
            "VERIFY_DATABASE": f"postgresql+psycopg2://airflow:{self.password}@127.0.0.1:{port}/airflow",
            "VERIFY_API_PORT": target.settings["ApiPort"],
            "VERIFY_MAPPED": target.settings["Mapped"],
        }
        # Only where something stands for AWS.
        stand_in = os.environ.get("AWS_ENDPOINT_URL")
        return variables | ({"AWS_ENDPOINT_URL": stand_in} if stand_in else {})

    def _database_variables(self) -> dict[str, str]:
        return {
            "POSTGRES_USER": "airflow",
            "POSTGRES_DB": "airflow",
            "POSTGRES_PASSWORD": self.password,
            "PGPORT": self._target.settings["DatabasePort"],
        }


def death(described: dict[str, Any]) -> str:
    """Return why an ECS task has stopped, in ECS's own words."""
    said = [f"{described.get('stopCode') or 'no stopCode'}: {described.get('stoppedReason') or 'no reason'}"]
    for container in described.get("containers", ()):
        code, reason = container.get("exitCode"), container.get("reason")
        if code is not None or reason:
            said.append(
                f"container {container['name']}: exit code {code}" + (f", {reason}" if reason else "")
            )
    return "; ".join(said)
