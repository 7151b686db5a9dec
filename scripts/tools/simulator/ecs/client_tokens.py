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
RunTask's idempotency.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html: a token belongs to one
cluster. The same token with the same parameters has the original result again, original failures included;
with other parameters it is a conflict.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tools.simulator.aws_errors import conflict
from tools.simulator.limits import CLIENT_TOKEN_LIFE, CLIENT_TOKEN_LIFE_AFTER_TASK

if TYPE_CHECKING:
    from tools.simulator.ecs.tasks import Task


@dataclass(frozen=True)
class Use:
    """The first use of a token, with the answer that it had."""

    parameters: str
    answer: bytes
    tasks: tuple[Task, ...]
    used_at: float

    def alive(self, now: float) -> bool:
        if now >= self.used_at + CLIENT_TOKEN_LIFE:
            return False
        if not self.tasks or not all(task.stopped for task in self.tasks):
            return True
        return now < max(task.times["stoppedAt"] for task in self.tasks) + CLIENT_TOKEN_LIFE_AFTER_TASK


class ClientTokens:
    """
    The tokens that were used, by cluster. Not thread-safe; the caller holds the store's lock.

    :param clock: seconds since 1970
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._uses: dict[tuple[str, str], Use] = {}

    def replay(self, cluster_arn: str, request: dict[str, Any]) -> bytes | None:
        """
        Return the answer that this request had before, or None where it is the first.

        :raises AwsError: ConflictException where the token came with other parameters
        """
        use = self._uses.get((cluster_arn, request.get("clientToken", "")))
        if use is None or not use.alive(self._clock()):
            return None
        if use.parameters != _parameters(cluster_arn, request):
            raise conflict([task.arn for task in use.tasks])
        return use.answer

    def remember(self, cluster_arn: str, request: dict[str, Any], answer: bytes, tasks: list[Task]) -> None:
        """Keep the answer of a request that was carried out, if it has a token."""
        token = request.get("clientToken")
        if token:
            self._uses[cluster_arn, token] = Use(
                _parameters(cluster_arn, request), answer, tuple(tasks), self._clock()
            )


def _parameters(cluster_arn: str, request: dict[str, Any]) -> str:
    """Return what has to be the same: everything, however the cluster is written."""
    return json.dumps({**request, "cluster": cluster_arn}, sort_keys=True)
