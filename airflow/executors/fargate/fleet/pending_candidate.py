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
"""A candidate for adoption that is not settled yet, and the best ECS task that was found for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.arns import cluster_name
from airflow.executors.fargate.aws.outcome import classify_ecs_task
from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.fleet.ecs_task_search import Stage
from airflow.executors.fargate.present import Candidate, Found, Match, match

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.answers import EcsTask
    from airflow.executors.fargate.launch import Identity

#: Verdicts on an ECS task that ended without having started. It is not adopted: nothing ran, so a new launch
#: costs nothing.
NEVER_STARTED = frozenset({Verdict.LAUNCH_AGAIN, Verdict.NO_CAPACITY, Verdict.AWAY})


@dataclass(eq=False)
class PendingCandidate:
    """A candidate that is not settled."""

    candidate: Candidate
    #: When Airflow asked first, seconds since the epoch.
    asked_at: float
    #: From when on an answer of AWS that there is no ECS task counts, by the fleet's clock.
    none_from: float
    #: Whether its stored ARN, and what was described before Airflow asked, are being described for it.
    is_asked: bool = False
    #: The best match yet, which is not certain.
    best: Match | None = None
    #: What was chosen, and is adopted.
    found: Found | None = None
    is_elsewhere: bool = False
    is_refused: bool = False

    @property
    def cluster(self) -> str | None:
        """The cluster that its stored ARN names; None if it names none."""
        arn = self.candidate.stored_arn
        return cluster_name(arn) if arn and arn.count("/") > 1 else None

    def compare(
        self, task: EcsTask, identity: Identity, stage: Stage, own_scheduler: str | None
    ) -> Found | None:
        """
        Return the ECS task if it is certainly the present launch's; else keep it if it is the best match yet.

        :param own_scheduler: the name of the scheduler that asks; None if it has none.
        """
        outcome = classify_ecs_task(task, identity.container_name)
        if outcome.verdict in NEVER_STARTED:
            return None
        found = match(self.candidate, task, identity, outcome, own_scheduler, self.asked_at)
        if found is None:
            return None
        if found.is_elsewhere:
            self.is_elsewhere = True
        elif found.is_certain or (stage is Stage.STOPPED and found.is_likely):
            return found.found
        elif self.best is None or found.rank > self.best.rank:
            self.best = found
        return None
