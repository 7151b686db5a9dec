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

Makes no calls: ``database.rows()`` reads the rows, ``lookups.py`` says when, and ``reporter.py`` acts on what
was found. Callbacks have no row and are always wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from airflow.executors.fargate.bridge import AIRFLOW
from airflow.executors.fargate.launch import CallbackId, Launch, TaskInstanceId
from airflow.executors.fargate.present import ARCHIVED, QUEUED, RUNNING, Candidate

#: States of a task instance that waits for its launch, or runs in it.
QUEUED_OR_RUNNING = RUNNING | {QUEUED}
#: States in which a task instance has ended, by itself or because a user has marked it.
FINAL = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class WantedState(Enum):
    """What the database says of a launch."""

    #: The task instance's present launch, which this scheduler follows.
    WANTED = "wanted"
    #: The present launch, but another scheduler has adopted it: that one follows and stops its ECS task.
    TAKEN_OVER = "taken over"
    #: No longer the present launch, but its ECS task may be the one that runs the task instance (2.11 and
    #: 3.0). One that has started is not stopped.
    MAY_RUN = "may run"
    #: No longer the present launch.
    UNWANTED = "unwanted"
    #: The database could not be asked.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """What the database says of a launch."""

    launch: Launch
    verdict: WantedState
    #: Why it is not wanted, without a full stop; empty where it is wanted, or that is not known.
    reason: str = ""
    #: The state of its task instance.
    state: str | None = None
    #: Whether it has not been wanted for so long that its ECS task is stopped although it has started.
    overdue: bool = False


def compare(launch: Launch, rows: Mapping[TaskInstanceId, Candidate] | None, own_job: int) -> Finding:
    """
    Tell whether a launch that this scheduler has handed over or adopted is still wanted.

    :param rows: the rows of those task instances that exist; None where the database could not be asked.
    :param own_job: the number of this scheduler's job.
    """
    if isinstance(launch.task, CallbackId):
        return Finding(launch, WantedState.WANTED)
    if rows is None:
        return Finding(launch, WantedState.UNKNOWN)
    row = rows.get(launch.task)
    if row is None:
        return Finding(launch, WantedState.UNWANTED, "The task instance was deleted")
    verdict, reason = WantedState.UNWANTED, _why_not_present(launch, launch.task.try_number, row)
    if not reason and row.queued_by in (None, own_job):
        verdict = WantedState.WANTED
    elif not reason:
        verdict, reason = WantedState.TAKEN_OVER, "Another scheduler has taken over the task instance"
    elif row.state in RUNNING and not AIRFLOW.runs_own_try:
        verdict = WantedState.MAY_RUN
    return Finding(launch, verdict, reason, row.state)


def _why_not_present(launch: Launch, try_number: int, row: Candidate) -> str:
    """Return why this is not the present launch of its task instance; an empty text where it is."""
    if row.task.try_number != try_number:
        return f"Airflow has begun try {row.task.try_number} of the task instance"
    if row.state == ARCHIVED:
        return "Airflow has archived this try of the task instance"
    if row.state in FINAL:
        return f"The task instance was marked {row.state}"
    if row.state in (None, "scheduled"):
        return "The task instance was cleared or reset"
    if row.state not in QUEUED_OR_RUNNING:
        return f"The task instance is {row.state}"
    # Otherwise an ARN has replaced the id. Before 3.2 another executor may have stored the value.
    if AIRFLOW.assigns_ids and row.has_assigned_id and row.external_id != launch.id:
        return "Another launch of the task instance has taken the place of this one"
    return ""
