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
Every form that the identity of a launch has had, as ECS tasks of a running deployment carry it.

Schedulers are updated one after the other: the new version adopts ECS tasks that the old one has launched. So no
line of this file may be changed; a new form is added.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow.executors.fargate.launch import CallbackId, Identity, Launch, TaskInstanceId

LAUNCH_ID = "9dd6c78c-7bfe-457a-88e7-9c4100dbfc20"
SCHEDULER, DATABASE = "17@1795356000.123456", "0123456789ab"
HANDED_OVER = 1795356000.5
TASK = TaskInstanceId("etl", "load", "scheduled__2026-11-22T00:00:00+00:00", 2, 5)
OF_LOOP = replace(TASK, uuid="01936b2a-5e8f-7c3d-9a41-6f0e2d8c7b15")
UNICODE = TaskInstanceId("dag 'with' \"quotes\" and \\", "täsk 数据 \N{ROCKET}", "line\nbreak", 1)
CALLBACK = CallbackId("0199-callback", "etl")

#: Forms that are no longer written: text, task instance, scheduler and database.
EARLIER = {
    "first": (
        (
            '{"launch":"9dd6c78c-7bfe-457a-88e7-9c4100dbfc20","dag_id":"etl","task_id":"load",'
            '"run_id":"scheduled__2026-11-22T00:00:00+00:00","map_index":5,"try_number":2,'
            '"handed_over":1795356000.5}'
        ),
        TASK,
        None,
        None,
    ),
    "with the scheduler": (
        (
            '{"launch":"9dd6c78c-7bfe-457a-88e7-9c4100dbfc20","dag_id":"etl","task_id":"load",'
            '"run_id":"scheduled__2026-11-22T00:00:00+00:00","map_index":5,"try_number":2,'
            '"handed_over":1795356000.5,"scheduler":"17@1795356000.123456"}'
        ),
        TASK,
        SCHEDULER,
        None,
    ),
}
#: Forms that are written, by what is known of task instance, scheduler and database.
PRESENT = {
    "complete": (
        (
            '{"launch":"9dd6c78c-7bfe-457a-88e7-9c4100dbfc20","dag_id":"etl","task_id":"load",'
            '"run_id":"scheduled__2026-11-22T00:00:00+00:00","try_number":2,"map_index":5,'
            '"uuid":"01936b2a-5e8f-7c3d-9a41-6f0e2d8c7b15",'
            '"handed_over":1795356000.5,"scheduler":"17@1795356000.123456","database":"0123456789ab"}'
        ),
        OF_LOOP,
        SCHEDULER,
        DATABASE,
    ),
    # Before Airflow 3.4; all launches, before the UUID was added.
    "without UUID": (
        (
            '{"launch":"9dd6c78c-7bfe-457a-88e7-9c4100dbfc20","dag_id":"etl","task_id":"load",'
            '"run_id":"scheduled__2026-11-22T00:00:00+00:00","try_number":2,"map_index":5,'
            '"handed_over":1795356000.5,"scheduler":"17@1795356000.123456","database":"0123456789ab"}'
        ),
        TASK,
        SCHEDULER,
        DATABASE,
    ),
    # A scheduler whose database is in memory; all launches, before the database was added.
    "without database": (
        (
            '{"launch":"9dd6c78c-7bfe-457a-88e7-9c4100dbfc20","dag_id":"etl","task_id":"load",'
            '"run_id":"scheduled__2026-11-22T00:00:00+00:00","try_number":2,"map_index":5,'
            '"handed_over":1795356000.5,"scheduler":"17@1795356000.123456"}'
        ),
        TASK,
        SCHEDULER,
        None,
    ),
    # An executor outside of a scheduler.
    "without scheduler": (
        (
            '{"launch":"9dd6c78c-7bfe-457a-88e7-9c4100dbfc20","dag_id":"etl","task_id":"load",'
            '"run_id":"scheduled__2026-11-22T00:00:00+00:00","try_number":2,"map_index":5,'
            '"handed_over":1795356000.5}'
        ),
        TASK,
        None,
        None,
    ),
    "not mapped, in Unicode": (
        (
            '{"launch":"9dd6c78c-7bfe-457a-88e7-9c4100dbfc20",'
            '"dag_id":"dag \'with\' \\"quotes\\" and \\\\","task_id":"täsk 数据 \N{ROCKET}",'
            '"run_id":"line\\nbreak",'
            '"try_number":1,"map_index":-1,"handed_over":1795356000.5,'
            '"scheduler":"17@1795356000.123456","database":"0123456789ab"}'
        ),
        UNICODE,
        SCHEDULER,
        DATABASE,
    ),
    "callback": (
        (
            '{"launch":"9dd6c78c-7bfe-457a-88e7-9c4100dbfc20","callback_id":"0199-callback","dag_id":"etl",'
            '"handed_over":1795356000.5,"scheduler":"17@1795356000.123456","database":"0123456789ab"}'
        ),
        CALLBACK,
        SCHEDULER,
        DATABASE,
    ),
    "callback without Dag": (
        (
            '{"launch":"9dd6c78c-7bfe-457a-88e7-9c4100dbfc20","callback_id":"0199-callback",'
            '"handed_over":1795356000.5,"scheduler":"17@1795356000.123456","database":"0123456789ab"}'
        ),
        CallbackId("0199-callback", None),
        SCHEDULER,
        DATABASE,
    ),
    # Before the database was added.
    "callback without database": (
        (
            '{"launch":"9dd6c78c-7bfe-457a-88e7-9c4100dbfc20","callback_id":"0199-callback","dag_id":"etl",'
            '"handed_over":1795356000.5,"scheduler":"17@1795356000.123456"}'
        ),
        CALLBACK,
        SCHEDULER,
        None,
    ),
}


@pytest.mark.parametrize(
    ("text", "task", "scheduler", "database"), (EARLIER | PRESENT).values(), ids=EARLIER | PRESENT
)
def test_every_form_is_read(text, task, scheduler, database):
    """A scheduler of this version adopts ECS tasks of every earlier one."""
    expected = Identity(LAUNCH_ID, task, HANDED_OVER, "airflow", scheduler, database)
    assert Identity.parse(text, "airflow") == expected


@pytest.mark.parametrize(("text", "task", "scheduler", "database"), PRESENT.values(), ids=PRESENT)
def test_the_present_form_is_written(text, task, scheduler, database):
    """Byte for byte, so that a scheduler of the version before this one can read it after a downgrade."""
    launch = Launch(task, task, id=LAUNCH_ID, handed_over=HANDED_OVER, scheduler=scheduler, database=database)
    assert launch.identity == text
