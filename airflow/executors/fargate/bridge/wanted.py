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
Tells from a task instance's row in Airflow's database whether a launch of this scheduler is still wanted.

Pure: ``database.rows()`` reads the rows, ``lookups.py`` says when, and the executor acts on the verdict.
Callbacks have no row and are always wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.launch import CallbackId
from airflow.executors.fargate.present import ARN, RUNNING

if TYPE_CHECKING:
    from airflow.executors.fargate.launch import Launch

#: States of a task instance that waits for its launch, or runs in it.
PRESENT = RUNNING | {"queued"}
#: States in which a task instance has ended, by itself or because a user has marked it.
FINAL = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


@dataclass(frozen=True)
class Row:
    """A task instance as Airflow's database has it."""

    #: Airflow's name of the state, or None.
    state: str | None
    try_number: int
    #: ``queued_by_job_id``: the job of the scheduler that has queued or adopted it; None without one.
    queued_by: int | None = None
    #: ``external_executor_id``: the launch's id (3.2 and newer, until the ARN replaces it), an ARN, or None.
    external_id: str | None = None

    @property
    def assigned_id(self) -> str | None:
        """The id that Airflow assigned to the present launch; None without one, or once replaced."""
        return None if ARN.fullmatch(self.external_id or "") else self.external_id


@dataclass(frozen=True)
class Rules:
    """
    What a verdict depends on besides launch and row.

    :param own_job: the number of this scheduler's job.
    :param assigns_ids: whether Airflow assigns an id to each launch (3.2 and newer).
    :param runs_own_try: whether an ECS task can run only its own try (3.1 and newer).
    :param fails_running: whether Airflow fails a running task instance when its launch fails (3.0 and newer).
    """

    own_job: int
    assigns_ids: bool
    runs_own_try: bool
    fails_running: bool

    @classmethod
    def of(cls, job_id: Any, assigns_ids: bool, runs_own_try: bool, fails_running: bool) -> Rules | None:
        """Return the rules of a scheduler; None where the executor has no job, as in a test of a Dag."""
        return cls(job_id, assigns_ids, runs_own_try, fails_running) if isinstance(job_id, int) else None


class Verdict(Enum):
    """What the database says of a launch."""

    #: The task instance's present launch, which this scheduler follows.
    WANTED = "wanted"
    #: The present launch, but another scheduler has adopted it: that one follows and stops its ECS task.
    TAKEN_OVER = "taken over"
    #: No longer the present launch, but the task instance may run in its ECS task (2.11 and 3.0).
    MAY_RUN = "may run"
    #: No longer the present launch.
    UNWANTED = "unwanted"
    #: The database could not be asked.
    UNKNOWN = "unknown"


def verdict(launch: Launch, row: Row | None, rules: Rules) -> Verdict:
    """
    Tell whether a launch that this scheduler has handed over or adopted is still wanted.

    :param row: the row of its task instance; None where the task instance was deleted.
    """
    if isinstance(launch.task, CallbackId):
        return Verdict.WANTED
    if row is None:
        return Verdict.UNWANTED
    if _is_present(launch, row, rules):
        return Verdict.WANTED if row.queued_by in (None, rules.own_job) else Verdict.TAKEN_OVER
    if row.state in RUNNING and not rules.runs_own_try:
        return Verdict.MAY_RUN
    return Verdict.UNWANTED


def _is_present(launch: Launch, row: Row, rules: Rules) -> bool:
    if isinstance(launch.task, CallbackId) or row.try_number != launch.task.try_number:
        return False
    # Before 3.2 an earlier launch or another executor may have stored the value.
    other_launch = rules.assigns_ids and row.assigned_id is not None and row.assigned_id != launch.id
    return row.state in PRESENT and not other_launch


def why(launch: Launch, row: Row | None, found: Verdict) -> str:
    """Return why a launch is not wanted, without a full stop; an empty text where it is wanted."""
    if found is Verdict.WANTED:
        return ""
    if found is Verdict.TAKEN_OVER:
        return "Another scheduler has taken over the task instance"
    if row is None:
        return "The task instance was deleted"
    if isinstance(launch.task, CallbackId) or row.try_number != launch.task.try_number:
        return f"Airflow has begun try {row.try_number} of the task instance"
    if row.state in FINAL:
        return f"The task instance was marked {row.state}"
    if row.state in PRESENT:
        return "Another launch of the task instance has taken the place of this one"
    if row.state in (None, "scheduled"):
        return "The task instance was cleared or reset"
    return f"The task instance is {row.state}"
