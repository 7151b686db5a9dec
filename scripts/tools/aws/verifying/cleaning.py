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
"""Deletes all that ``scripts/aws/verify`` has made, however it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tools.aws import remains
from tools.aws.errors import DeploymentError
from tools.aws.explanations import explain_error
from tools.aws.templates import VERIFY
from tools.aws.verifying.task_definitions import families

if TYPE_CHECKING:
    from tools.aws.stacks import Stacks


class Cleaning:
    """What the trials have made in a deployment, from this run or an earlier one."""

    def __init__(
        self,
        deployment: str,
        cluster: str,
        ecs: Any,
        stacks: Stacks,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._families = families(deployment)
        self._stack_name = VERIFY.stack_name(deployment)
        self._cluster = cluster
        self._ecs = ecs
        self._stacks = stacks
        self._sleep = sleep

    def clean(self) -> list[str]:
        """Stop and delete all of it, and return what is left, with the reasons; one failure does not hold up the rest."""
        # In this order: AWS deletes no security group that an ECS task uses.
        said = [self._tried(step) for step in (self._stop, self._deregister, self._delete_stack)]
        return [words for words in said if words] or self.left()

    def left(self) -> list[str]:
        """Return what is there of it."""
        found = [
            f"ECS task {ecs_task['taskArn']}"
            for ecs_task in remains.running(self._ecs, self._cluster)
            if remains.family(ecs_task) in self._families
        ]
        for family in self._families:
            found += [f"task definition {arn}" for arn in remains.revisions(self._ecs, family, "ACTIVE")]
        stack = self._stacks.find(self._stack_name)
        return found + ([f"stack {stack.name}, {stack.status}"] if stack else [])

    def _stop(self) -> None:
        remains.stop_all(self._ecs, self._cluster, self._sleep, self._families, "the trials have ended")

    def _deregister(self) -> None:
        for family in self._families:
            remains.delete_family(self._ecs, family)

    def _delete_stack(self) -> None:
        stack = self._stacks.settled(self._stack_name)
        if stack:
            self._stacks.delete(stack)

    @staticmethod
    def _tried(step: Callable[[], None]) -> str:
        try:
            step()
        except DeploymentError as error:
            return str(error)
        except (BotoCoreError, ClientError) as error:
            return explain_error(error)
        return ""
