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

from __future__ import annotations

import uuid

import pytest

from airflow.executors.fargate.bridge import AIRFLOW
from airflow.executors.fargate.bridge.wanted import WantedState, compare
from airflow.executors.fargate.launch import CallbackId, TaskInstanceId
from airflow.executors.fargate.present import Candidate

OWN, OTHER = 1, 2
ID = "6f2f3c1e-5a52-4ad4-9c5a-1f2c7f0f6f10"
ARN = "arn:aws:ecs:us-east-1:123456789012:task/c/0"
WANTED, UNWANTED = WantedState.WANTED, WantedState.UNWANTED
TAKEN_OVER, MAY_RUN = WantedState.TAKEN_OVER, WantedState.MAY_RUN
#: ``assigns_ids`` and ``runs_own_try`` on 2.11 and 3.0, on 3.1, and on 3.2 and newer.
OLD, MIDDLE, NEW = (False, False), (False, True), (True, True)


def row(state="queued", try_number=1, queued_by=OWN, external_id=None):
    task = TaskInstanceId("dag", "task", "run", try_number)
    return Candidate(task, None, external_id, None, queued_by, state=state)


@pytest.fixture
def launch(fakes):
    return fakes.make_launch(id=ID)


@pytest.fixture
def compare_on(monkeypatch):
    """Return a function that compares a launch with rows as on a release."""

    def on(release, launch, rows):
        for name, value in zip(("assigns_ids", "runs_own_try"), release):
            monkeypatch.setattr(AIRFLOW, name, value)
        return compare(launch, rows, OWN)

    return on


@pytest.mark.parametrize(
    ("row", "old", "middle", "new"),
    [
        # The present launch.
        (row(), WANTED, WANTED, WANTED),
        (row("running"), WANTED, WANTED, WANTED),
        (row("restarting"), WANTED, WANTED, WANTED),
        (row(external_id=ID), WANTED, WANTED, WANTED),
        # Its ARN has been stored over the id that Airflow assigned; or that is of an earlier attempt of it.
        (row(external_id=ARN), WANTED, WANTED, WANTED),
        (row("running", external_id=ARN), WANTED, WANTED, WANTED),
        # No scheduler has queued it, so none has taken it over.
        (row(queued_by=None), WANTED, WANTED, WANTED),
        # Another scheduler has adopted it.
        (row(queued_by=OTHER), TAKEN_OVER, TAKEN_OVER, TAKEN_OVER),
        (row("running", queued_by=OTHER, external_id=ARN), TAKEN_OVER, TAKEN_OVER, TAKEN_OVER),
        # Another launch of the same try, by its id; before 3.2 an earlier launch or executor has stored it.
        (row(external_id=str(uuid.UUID(int=1))), WANTED, WANTED, UNWANTED),
        (row(queued_by=OTHER, external_id=str(uuid.UUID(int=1))), TAKEN_OVER, TAKEN_OVER, UNWANTED),
        # Another try waits, or runs: up to 3.0 perhaps in this very ECS task.
        (row(try_number=2), UNWANTED, UNWANTED, UNWANTED),
        (row(try_number=2, queued_by=OTHER), UNWANTED, UNWANTED, UNWANTED),
        (row("running", try_number=2), MAY_RUN, UNWANTED, UNWANTED),
        (row("restarting", try_number=2, queued_by=OTHER), MAY_RUN, UNWANTED, UNWANTED),
        # Cleared or reset, marked by a user, or ended otherwise.
        (row(None), UNWANTED, UNWANTED, UNWANTED),
        (row("scheduled", queued_by=None), UNWANTED, UNWANTED, UNWANTED),
        (row("success"), UNWANTED, UNWANTED, UNWANTED),
        (row("a state of tomorrow"), UNWANTED, UNWANTED, UNWANTED),
        # Deleted.
        (None, UNWANTED, UNWANTED, UNWANTED),
    ],
)
def test_the_row_says_whether_a_launch_is_wanted(compare_on, launch, row, old, middle, new):
    """A launch is wanted while it is its task instance's present one, and this scheduler's."""
    rows = {} if row is None else {launch.task: row}
    assert [compare_on(release, launch, rows).verdict for release in (OLD, MIDDLE, NEW)] == [old, middle, new]


def test_a_callback_is_always_wanted(fakes):
    """It has no row."""
    assert compare(fakes.make_launch(task=CallbackId("id", "dag")), {}, OWN).verdict is WANTED


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (row(), ""),
        (row("running", queued_by=OTHER), "Another scheduler has taken over the task instance"),
        (None, "The task instance was deleted"),
        (row("success"), "The task instance was marked success"),
        (row("failed", queued_by=OTHER), "The task instance was marked failed"),
        (row(None), "The task instance was cleared or reset"),
        (row("scheduled"), "The task instance was cleared or reset"),
        (row("scheduled", try_number=2), "Airflow has begun try 2 of the task instance"),
        (row("deferred"), "The task instance is deferred"),
        (
            row(external_id=str(uuid.UUID(int=1))),
            "Another launch of the task instance has taken the place of this one",
        ),
    ],
)
def test_the_reason_is_what_became_of_the_task_instance(compare_on, launch, row, told):
    """It says what a user or Airflow has done, and not that a command failed."""
    rows = {} if row is None else {launch.task: row}
    assert compare_on(NEW, launch, rows).reason == told
