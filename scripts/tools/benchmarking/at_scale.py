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
"""Procedures about what many ECS tasks or launches do to a few others."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

from airflow.executors.fargate.bridge import database
from airflow.executors.fargate.config.template import template
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch, TaskInstanceId
from airflow.executors.workloads import ExecuteTask
from tools.benchmarking import work
from tools.benchmarking.procedures import (
    UNLIMITED,
    WARM_UP,
    Bench,
    begin,
    candidate,
    nobodys_request,
    observe,
)
from tools.benchmarking.scenarios import BUSY_HEARTBEAT, FOR_EVER, INCUMBENT
from tools.benchmarking.seen import Seen, Task, made
from tools.benchmarking.service import OTHERS

from tests.bench import adoption

if TYPE_CHECKING:
    from tools.benchmarking.driver import Driver

#: Seconds since task instances were queued whose scheduler is gone: AWS has long shown what was launched for them.
LONG_AGO = 300.0
#: How many task instances have no ECS task, beside those that run.
LOST = 10


def restart(bench: Bench, seen: Seen) -> None:
    """Let a successor adopt many, and measure how late it tells of the ends of a few new ones."""
    scenario, service = bench.scenario, bench.service
    driver = _adopted(bench)
    service.be_like_aws()
    driver.beat_for(scenario.settle)
    service.adjust(pretend={"duration": list(scenario.seconds)})
    driver.beats.clear()
    driver.told.clear()
    seen.beats, seen.told, seen.began = driver.beats, driver.told, time.time()
    driver.hand_over(work.workloads(driver.executor, "new", scenario.tasks), 0)
    end = time.monotonic() + scenario.window
    is_over = lambda: len(driver.told) == scenario.tasks or time.monotonic() >= end
    observe(bench, seen, lambda: driver.beat_until(is_over))


def _adopted(bench: Bench) -> Driver:
    """Return the driver of an executor that has adopted what another one has launched, whose ARNs are stored."""
    first, queued_at = bench.start(UNLIMITED), time.time()
    begin(bench, first, "adopted", bench.scenario.live, (FOR_EVER, FOR_EVER))
    if (
        bench.name != INCUMBENT
    ):  # Whose end() waits for all that runs; without heartbeats it does nothing more.
        first.executor.end()
    tasks = bench.service.tasks()
    driver = bench.start(bench.scale.run_limit)
    driver.beat_for(WARM_UP)
    if bench.name == INCUMBENT:
        tis = [_task_instance(driver.executor, task) for task in tasks]
        # From 3.4 on Airflow asks the database for more when it makes one.
        with mock.patch.object(ExecuteTask, "make", lambda ti: ti.workload):
            driver.executor.try_adopt_task_instances(tis)
        return driver
    adoption.adopt(
        driver.executor, [candidate(task, True, queued_at) for task in tasks], bench.scenario.patience
    )
    return driver


def _task_instance(executor: Any, task: Task) -> Any:
    """Return what the incumbent reads of a task instance that it is to adopt, and the workload of it."""
    workload = work.workload(executor, task.task_id)
    members = {name: getattr(workload.ti, name) for name in type(workload.ti).model_fields}
    members |= {"key": work.key(task.task_id), "external_executor_id": task.arn, "executor_config": {}}
    return SimpleNamespace(**members, state="running", workload=workload)


def overtake(bench: Bench, seen: Seen) -> None:
    """Have many wait for a subnet without capacity, and measure how soon a few of another subnet are accepted."""
    scenario, service = bench.scenario, bench.service
    full, other = service.told["subnets"][:2]
    driver = bench.start(bench.scale.run_limit)
    driver.beat_for(WARM_UP)
    driver.beats.clear()
    service.adjust(
        faults=[{"kind": "capacity", "subnet": full}], pretend={"duration": list(scenario.seconds)}
    )
    service.be_like_aws()
    driver.hand_over(work.workloads(driver.executor, "waits", scenario.waiting), 0)
    driver.beat_for(scenario.settle)
    service.forget_calls()
    driver.beat_for(scenario.window)
    seen.figures["asked"] = made(service.calls(), "RunTask") * 60 / scenario.window
    elsewhere = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": [other]}}}
    seen.beats, seen.began = driver.beats, time.time()
    driver.hand_over(work.workloads(driver.executor, "later", scenario.tasks, elsewhere), 0)
    end = time.monotonic() + scenario.window
    is_over = lambda: driver.accepted >= scenario.tasks or time.monotonic() >= end
    observe(bench, seen, lambda: driver.beat_until(is_over))
    accepted = [task.accepted - seen.began for task in service.tasks() if task.task_id.startswith("later")]
    complete = len(accepted) == scenario.tasks
    seen.figures["overtaken"] = max(accepted) if complete else math.inf
    seen.finished = complete
    driver.executor.end()


def adopt_stopped(bench: Bench, seen: Seen) -> None:
    """Let a successor adopt beside many that have stopped, while some calls are throttled; no ARN is known."""
    scenario, service = bench.scenario, bench.service
    first, queued_at = bench.start(UNLIMITED), time.time() - LONG_AGO
    begin(bench, first, "task", scenario.tasks, (FOR_EVER, FOR_EVER))
    first.executor.end()
    identity = Launch(
        TaskInstanceId("dag", "task", "run", 1), None, id="other", handed_over=queued_at
    ).identity
    environment = [{"name": IDENTITY_VARIABLE, "value": identity}]
    request = nobodys_request(service.told, OTHERS, environment=environment)
    service.put_stopped(request | {"startedBy": template()["deployment"]["default"]}, scenario.stopped)
    candidates = [candidate(task, False, queued_at) for task in service.tasks()]
    candidates += [
        candidate(Task("", f"lost-{number}", 0.0, None), False, queued_at) for number in range(LOST)
    ]
    candidates = [replace(one, sent_until=queued_at) for one in candidates]
    driver = bench.start(bench.scale.run_limit)
    driver.beat_for(WARM_UP)
    service.be_like_aws()
    service.adjust(faults=[{"kind": "throttle", "probability": scenario.throttled}])
    followed = lambda: driver.executor.debug_state()["followed"]
    began = time.monotonic()
    with _handed_back() as late:
        # The scheduler does not wait: it goes on with its heartbeats, and is told what was found.
        adoption.adopt(driver.executor, candidates, patience=0.0)
        driver.beat_until(lambda: len(followed()) >= scenario.tasks, BUSY_HEARTBEAT)
        seen.figures["followed"] = time.monotonic() - began
        driver.beat_until(lambda: len(late) >= LOST, BUSY_HEARTBEAT)
    seen.figures["settled"] = time.monotonic() - began
    seen.figures["calls"] = made(service.calls())
    service.adjust(faults=[])
    driver.executor.end()


@contextlib.contextmanager
def _handed_back() -> Iterator[set[Any]]:
    """Yield the keys that are found out later to have no ECS task, in the place of the database."""
    keys: set[Any] = set()
    take = lambda lost, job_id: keys.update(one.key for one in lost)
    with mock.patch.object(database, "hand_back", take):
        yield keys


PROCEDURES = {"restart": restart, "overtake": overtake, "adopt_stopped": adopt_stopped}
