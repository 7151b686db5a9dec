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
"""What reaches the executor with a task harms that task alone: it is told once in each log, and the others run on."""

from __future__ import annotations

import threading
from datetime import datetime
from functools import partial

import pytest

from airflow.executors.fargate.aws.answers import identity_override
from airflow.executors.fargate.launch import Identity, TaskInstanceId
from airflow.utils.state import TaskInstanceState

from tests.bad_input import table as bad_input
from tests.bench.work import HAS_WORKLOADS, make_key, make_workload

SUCCESS, FAILED = TaskInstanceState.SUCCESS, TaskInstanceState.FAILED
OTHERS = [make_key(f"good{number}") for number in range(10)]
BAD = make_key("the_bad_one")


def cyclic():
    wish = {"overrides": {}}
    wish["overrides"]["itself"] = wish
    return wish


def made(given):
    """Return what a row's expression makes."""
    return eval(given, {"cyclic": cyclic, "threading": threading, "datetime": datetime})


def run(scheduler, ecs, count):
    """Let all containers run to their end, and beat until so many task instances have ended."""
    for _ in range(10):
        scheduler.beat()
        for arn, task in ecs.tasks.items():
            if task["lastStatus"] == "PROVISIONING":
                ecs.exit(arn, 0)
        scheduler.pass_time(3)
    assert len(scheduler.ends) == count


def logged(scheduler, key):
    """Return the error in the scheduler's log for a task instance that failed without an ECS task."""
    return (
        f"{key.dag_id}.{key.task_id} {key.run_id} try 1 has failed (ECS task: None): {scheduler.ends[key][1]}"
    )


def one_error(scheduler, records, key, says, expected):
    """One message, the same everywhere: in the event, in the task's event log, and in the scheduler's log."""
    state, told = scheduler.ends[key]
    assert state == FAILED
    assert says(expected, told), told
    assert [row for row in scheduler.event_log if row[1] == key.task_id] == [
        ("fargate failure", key.task_id, told)
    ]
    assert records.errors() == [logged(scheduler, key)]
    assert len(told) < 1000


def harms_itself_alone(scheduler, ecs, records, says, expected):
    """Ten others, of which half were queued before and half after the bad one, run to success."""
    run(scheduler, ecs, 11)
    one_error(scheduler, records, BAD, says, expected)
    assert {key: scheduler.ends[key][0] for key in OTHERS} == dict.fromkeys(OTHERS, SUCCESS)
    assert {row[1] for row in scheduler.event_log if row[0] == "fargate failure"} == {BAD.task_id}
    assert len(ecs.tasks) == 10
    assert scheduler.executor.running == set()


def queue_all(scheduler, executor_config=None, long_path=""):
    for key in OTHERS[:5]:
        scheduler.queue(key)
    scheduler.queue(BAD, executor_config, long_path=long_path)
    for key in OTHERS[5:]:
        scheduler.queue(key)


def whole(row):
    if row.says.startswith("AWS refused"):
        return row.says
    return f"No ECS task was launched: {row.says}"


@pytest.mark.parametrize("row", bad_input.FUNCTIONS, ids=lambda row: row.given)
def test_a_function_that_fails_for_one_task(row, start, ecs, records, says, user_module):
    """Whatever the user's function raises or returns for one task, on a thread of ours, only that task fails."""
    scheduler = start(execution_config_function=user_module(bad_input.FUNCTION.replace("{body}", row.given)))
    queue_all(scheduler)
    harms_itself_alone(scheduler, ecs, records, says, whole(row))


@pytest.mark.skipif(HAS_WORKLOADS, reason="from 3.0 on Airflow itself refuses it")
@pytest.mark.parametrize("row", bad_input.NO_DICTS, ids=lambda row: row.given)
def test_an_executor_config_that_is_no_dict(row, start, ecs, records, says):
    """2.11 hands over an executor_config of any type."""
    scheduler = start()
    queue_all(scheduler, made(row.given))
    harms_itself_alone(scheduler, ecs, records, says, whole(row))


@pytest.mark.skipif(not HAS_WORKLOADS, reason="2.11 hands it over")
@pytest.mark.parametrize("row", bad_input.NO_DICTS, ids=lambda row: row.given)
def test_an_executor_config_that_airflow_refuses(row):
    """From 3.0 on the scheduler makes no workload of an executor_config that is no dict."""
    from pydantic import ValidationError

    with pytest.raises(ValidationError, match="executor_config"):
        make_workload(BAD, made(row.given))


@pytest.mark.parametrize("row", bad_input.LONG_COMMANDS, ids=lambda row: row.given)
def test_a_command_that_is_too_long(row, start, ecs, records, says):
    """A command that AWS would not take fails its task, and says what makes it long."""
    scheduler = start()
    queue_all(scheduler, long_path=made(row.given))
    harms_itself_alone(scheduler, ecs, records, says, whole(row))


@pytest.mark.parametrize(
    "row", bad_input.ODD_IDS, ids=lambda row: row.given.encode("unicode_escape").decode()
)
def test_ids_of_any_alphabet(row, start, ecs, records):
    """Ids that Airflow accepts are no mistake: the task runs, and its container can be told by its identity."""

    name, _, expression = row.given.partition(" = ")
    key = make_key(**{"task_id": "odd", name: made(expression)})
    scheduler = start()
    scheduler.queue(key)
    run(scheduler, ecs, 1)
    assert scheduler.ends[key][0] == SUCCESS
    (task,) = ecs.tasks.values()
    assert Identity.parse(*identity_override(task)).task.coordinates == TaskInstanceId(*key)
    assert records.errors() == []


def test_executor_configs_that_will_not_do(start, ecs, records, says):
    """Whatever tasks have in their executor_configs: each fails for itself, and the others among them run to success."""
    scheduler = start()
    bad = {make_key(f"bad{number:02}"): row for number, row in enumerate(bad_input.WISHES)}
    others = [make_key(f"good{number:02}") for number in range(len(bad))]
    for (key, row), other in zip(bad.items(), others):
        scheduler.queue(key, made(row.given))
        scheduler.queue(other)
    run(scheduler, ecs, len(bad) + len(others))
    wrong = {}
    for key, row in bad.items():
        state, told = scheduler.ends[key]
        if state != FAILED or len(told) >= 1000 or not says(whole(row), told):
            wrong[row.given] = (state, told)
    assert wrong == {}
    failures = sorted((key.task_id, scheduler.ends[key][1]) for key in bad)
    assert sorted(row[1:] for row in scheduler.event_log if row[0] == "fargate failure") == failures
    assert not {row[1] for row in scheduler.event_log if row[0] != "fargate failure"} & {
        k.task_id for k in bad
    }
    assert sorted(records.errors()) == sorted(map(partial(logged, scheduler), bad))
    assert {key: scheduler.ends[key][0] for key in others} == dict.fromkeys(others, SUCCESS)
    assert len(ecs.tasks) == len(others)
    assert scheduler.executor.running == set()


def test_the_table_is_as_large_as_it_should_be():
    """At least sixty bad inputs, no two the same."""
    tables = (
        bad_input.OPTIONS,
        bad_input.FUNCTIONS_AT_THE_START,
        bad_input.FUNCTIONS,
        bad_input.WISHES,
        bad_input.NO_DICTS,
        bad_input.LONG_COMMANDS,
    )
    given = [row.given for table in tables for row in table]
    assert len(set(given)) == len(given)
    assert len(given) >= 60
