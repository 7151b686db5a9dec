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
"""``scripts/aws/destroy``: delete all that a deployment consists of."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tools.aws import account, remains
from tools.aws.templates import ALL
from tools.aws.verifying.task_definitions import families

if TYPE_CHECKING:
    from rich.console import Console

    from tools.aws.place import Place
    from tools.aws.plan import Clients
    from tools.aws.stacks import Stack, Stacks


class Destroy:
    """One run of the command."""

    def __init__(
        self,
        deployment: str,
        clients: Clients,
        stacks: Stacks,
        console: Console,
        here: Place,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._deployment = deployment
        self._ecs, self._s3 = clients("ecs"), clients("s3")
        self._tagging = clients("resourcegroupstaggingapi")
        # All that there can be, also where an interrupted run has deleted a stack already.
        self._families = {family for template in ALL for family in template.families(deployment)}
        self._stacks = stacks
        self._console = console
        self._here = here
        self._sleep = sleep

    def run(self, agreed: Callable[[], bool]) -> int:
        """Delete the stacks, the last one made first, and return 0 if nothing is left."""
        found = [self._stacks.settled(template.stack_name(self._deployment)) for template in reversed(ALL)]
        stacks = [stack for stack in found if stack]
        self._show(stacks)
        if stacks and not agreed():
            self._console.print("Nothing was done.")
            return 1
        for stack in stacks:
            self._delete(stack)
        for family in sorted(self._families):
            remains.delete_inactive(self._ecs, family)
        for family in families(self._deployment):
            remains.delete_family(self._ecs, family)
        return self._show_left()

    def _show(self, stacks: list[Stack]) -> None:
        for stack in stacks:
            self._console.print(f"{stack.name} goes, {stack.status}:")
            for name, type_, _ in self._stacks.resources(stack):
                self._console.print(f"  {name} ({type_})", highlight=False)
        if not stacks:
            self._print(f"{self._here.has_no(self._deployment)}.")
            return
        keeps = any(stack.parameters.get("KeepDatabaseBackups") == "true" for stack in stacks)
        self._print(
            "Running ECS tasks are stopped, and images, logs, secrets, the database and the bucket that was made for Dags, with "
            "what is in it, go, too. What the stacks did not make stays: a VPC, an image or a bucket that they were given, "
            f"roles that a policy was attached to, and {account.ECS_ROLE}, which is the account's."
            + " The database's automated backups stay for DatabaseBackupDays." * keeps
            + " Stop a scheduler that runs elsewhere before."
        )
        if keeps:
            self._show_secret()

    def _show_secret(self) -> None:
        """Say how to keep what the backups cannot be read without: the stack's secret with Airflow's Fernet key."""
        secret = f"{self._deployment}/composed"
        command = ["aws", "secretsmanager", "get-secret-value", "--region", self._here.region]
        command += ["--secret-id", secret, "--query", "SecretString", "--output", "text"]
        self._print(
            f"Copy the secret {secret} first: without its Fernet key, the connections and variables in the backups cannot be "
            f"read: {shlex.join(command)}"
        )

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _delete(self, stack: Stack) -> None:
        if cluster := stack.outputs.get("ClusterName"):
            count = remains.stop_all(self._ecs, cluster, self._sleep)
            self._console.print(f"ECS tasks stopped in {cluster}: {count}")
        # CloudFormation deletes no bucket that has objects.
        for _, type_, physical_id in self._stacks.resources(stack):
            if type_ == "AWS::S3::Bucket" and physical_id:
                count = remains.empty_bucket(self._s3, physical_id)
                self._console.print(f"Objects deleted in {physical_id}: {count}")
        self._stacks.delete(stack)

    def _show_left(self) -> int:
        for look in range(remains.LOOKS):
            arns = remains.tagged(self._tagging, self._deployment)
            definitions = [arn for arn in arns if ":task-definition/" in arn]
            remaining = [arn for arn in definitions if not remains.is_gone(self._ecs, arn)]
            remains.delete_task_definitions(self._ecs, remaining)
            left = [arn for arn in arns if not remains.is_kept(arn) and not remains.is_gone(self._ecs, arn)]
            if not left:
                kept = [arn for arn in arns if remains.is_kept(arn)]
                but = [" but backups of the database that were to be kept:", *kept] if kept else ["."]
                self._print(f"Nothing is left in {self._here.region}" + "\n  ".join(but))
                return 0
            if look < remains.LOOKS - 1:
                self._sleep(remains.PERIOD)
        self._console.print(
            f"AWS still lists, with the tag airflow:deployment = {self._deployment}:\n  "
            + "\n  ".join(left)
            + "\nDelete these by hand; or run this again in some minutes, since AWS lists some that are gone."
        )
        return 1
