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
"""Adoption as the scheduler asks for it, without a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from unittest import mock

from airflow.executors import fargate_executor
from airflow.executors.fargate.bridge import AIRFLOW, database, workloads
from airflow.executors.fargate.present import Candidate
from airflow.models.taskinstancekey import TaskInstanceKey

from tests.bench.work import row_id, task_instance


def make_candidate(
    key: TaskInstanceKey, queued_at: float, external_id: str | None = None, **members: Any
) -> Candidate:
    """Return what the database has of a task instance whose scheduler is gone."""
    task = workloads.task_instance_id(key, str(row_id(key)) if AIRFLOW.has_uuids else None)
    return Candidate(task, AIRFLOW.key_of(task), external_id, queued_at, **members)


def candidates_of(tis: Iterable[Any]) -> dict[Candidate, Any]:
    """Return what ``database.candidates`` returns, of task instances that :func:`adopt` has made."""
    return {ti.candidate: ti for ti in tis}


def adopt(
    executor: Any, candidates: Sequence[Candidate], patience: float | None = None
) -> set[TaskInstanceKey]:
    """
    Let an executor adopt, and return the keys that it gives back at once.

    :param patience: seconds that it waits for AWS; with 0 it keeps all, and finds out later; None is its own
    """
    tis = [task_instance(coordinates(candidate), candidate=candidate) for candidate in candidates]
    seconds = fargate_executor.ADOPTION_PATIENCE if patience is None else patience
    with (
        mock.patch.object(database, "candidates", candidates_of),
        mock.patch.object(fargate_executor, "ADOPTION_PATIENCE", seconds),
    ):
        return {ti.key for ti in executor.try_adopt_task_instances(tis)}


def coordinates(candidate: Candidate) -> TaskInstanceKey:
    """Return Airflow's key of coordinates, which is the executor's key up to 3.3."""
    task = candidate.task
    return TaskInstanceKey(task.dag_id, task.task_id, task.run_id, task.try_number, task.map_index)
