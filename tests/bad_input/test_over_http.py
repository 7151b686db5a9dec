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
"""Bad input among good, together in one executor, over real HTTP and with real threads."""

from __future__ import annotations

import logging

import pytest

from airflow.executors.fargate_executor import FargateExecutor
from airflow.utils.state import TaskInstanceState

from tests.bad_input import table as bad_input
from tests.bench.scheduler import Scheduler
from tests.bench.service import local_fargate
from tests.bench.work import make_key

#: One of each kind: its own business, a shape, a type, a size, an enum, tags, and what AWS alone can tell.
GIVEN = [
    "{'clientToken': 'mine'}",
    "{'overrides': 'cpu=256'}",
    "{'overrides': {'cpu': 256}}",
    "{'overrides': {'containerOverrides': [{'environment': [{'name': 'N', 'value': 'x' * 200_000}]}]}}",
    "{'launchType': 'fargate'}",
    "{'tags': [{'key': f'k{n}', 'value': ''} for n in range(51)]}",
    "{'overrides': {'containerOverrides': [{'name': 'none-of-ours'}]}}",
]


@pytest.fixture
def fargate(tmp_path, monkeypatch):
    with local_fargate(tmp_path, monkeypatch) as server:
        yield server


def test_bad_input_among_good(fargate, records, says, user_module, monkeypatch):
    """Seven bad executor_configs and a function that fails for one task: eight failures, ten successes, one message each."""
    path = user_module(bad_input.FUNCTION.replace("{body}", "raise ValueError(command)"))
    monkeypatch.setenv("AIRFLOW__FARGATE__EXECUTION_CONFIG_FUNCTION", path)
    rows = {make_key(f"bad{n}"): row for n, row in enumerate(bad_input.WISHES) if row.given in GIVEN}
    assert len(rows) == len(GIVEN)
    good = [make_key(f"good{number}") for number in range(10)]
    executor = FargateExecutor()
    executor.start()
    scheduler = Scheduler(executor, interval=0.02)
    try:
        for key, row in rows.items():
            scheduler.queue(key, eval(row.given))
        for key in [make_key("the_bad_one"), *good]:
            scheduler.queue(key)
        scheduler.until(lambda: len(scheduler.ends) == len(rows) + 1 + len(good))
    finally:
        executor.end()
    assert {scheduler.ends[key][0] for key in good} == {TaskInstanceState.SUCCESS}
    for key, row in rows.items():
        state, told = scheduler.ends[key]
        assert state == TaskInstanceState.FAILED
        whole = row.says if row.says.startswith("AWS refused") else f"No ECS task was launched: {row.says}"
        assert says(whole, told), told
    failed = sorted([*(key.task_id for key in rows), "the_bad_one"])
    told = [(event, task) for event, task, _ in scheduler.event_log]
    assert sorted(task for event, task in told if event == "fargate failure") == failed
    assert {task for event, task in told if event == "fargate launch"}.isdisjoint(failed)
    assert len(records.errors()) == len(failed)
    assert not [record for record in records.records if record.levelno == logging.CRITICAL]
    assert len(fargate.tasks()) == len(good)
