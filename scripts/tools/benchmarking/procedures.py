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
"""How each kind of scenario is measured. A procedure drives one executor, and returns what it saw."""

from __future__ import annotations

import gc
import math
import threading
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3

from tools.benchmarking import executors, work
from tools.benchmarking.driver import Driver
from tools.benchmarking.scenarios import BUSY_HEARTBEAT, FOR_EVER, Limit, Scale, Scenario
from tools.benchmarking.seen import Seen, Task, made
from tools.benchmarking.service import OTHERS, Service

from tests.bench import adoption

if TYPE_CHECKING:
    from airflow.executors.fargate.present import Candidate

#: No limit, for launches that are not measured.
UNLIMITED = Limit(rate=1000, burst=1000)
STORM = [{"kind": "throttle", "probability": 0.9}]
#: Seconds until the executor's threads and connections are there, as in any scheduler.
WARM_UP = 1.0
#: How many live containers there are at the first of the two measurements of memory, of ten.
FEW_OF_TEN = 1
#: Into how many groups containers are mixed.
GROUPS = 10
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
MAX_COUNT = 10


class Late(Exception):
    """The live containers could not be begun in the time that was planned for it."""


@dataclass(frozen=True)
class Bench:
    """All that a procedure works with."""

    name: str
    scenario: Scenario
    scale: Scale
    service: Service

    def start(self, run_limit: Limit) -> Driver:
        """Configure, make and start the executor."""
        executors.configure(self.name, self.service.told, run_limit)
        parallelism = self.scenario.tasks + self.scenario.live + 1000
        return Driver(executors.make(self.name, parallelism), self.scenario.patience)


def launch(bench: Bench, seen: Seen) -> None:
    """Hand the work over, and go on until all its ends were told."""
    scenario, service = bench.scenario, bench.service
    service.adjust(pretend={"duration": list(scenario.seconds)})
    driver = bench.start(bench.scale.run_limit)
    seen.beats, seen.told = driver.beats, driver.told
    driver.beat_for(WARM_UP)
    driver.beats.clear()
    to_do = work.workloads(driver.executor, "task", scenario.tasks)
    service.be_like_aws()
    if scenario.storm:
        service.adjust(faults=STORM)
        storm = threading.Timer(scenario.storm, _end_storm, (service, seen))
        storm.daemon = True
        storm.start()
    seen.began = time.time()
    driver.hand_over(to_do, scenario.a_heartbeat)
    is_calm = lambda: not scenario.storm or seen.storm_ended
    observe(bench, seen, lambda: driver.beat_until(lambda: len(driver.told) == scenario.tasks and is_calm()))


def _end_storm(service: Service, seen: Seen) -> None:
    service.adjust(faults=[])
    seen.storm_ended = time.time()


def observe(bench: Bench, seen: Seen, measured: Callable[[], Any]) -> None:
    """Do what is measured, and note the calls that it took."""
    try:
        measured()
    finally:
        seen.calls = bench.service.calls()


def follow(bench: Bench, seen: Seen) -> None:
    """Have many containers run, and measure while a few of them end, evenly over the window."""
    scenario, service = bench.scenario, bench.service
    driver = bench.start(UNLIMITED)
    seen.beats, seen.told = driver.beats, driver.told
    start = time.monotonic() + scenario.ramp + scenario.settle
    _begin_mixed(bench, driver, start)
    service.be_like_aws()
    driver.beat_for(start - time.monotonic())
    driver.beats.clear()
    service.forget_calls()
    began, used = time.monotonic(), time.process_time()
    observe(bench, seen, lambda: driver.beat_for(scenario.window))
    seen.processor, seen.window = time.process_time() - used, time.monotonic() - began
    seen.beats = list(driver.beats)
    driver.beat_until(lambda: len(driver.told) == scenario.tasks)


def _begin_mixed(bench: Bench, driver: Driver, start: float) -> None:
    """
    Have all containers accepted, those that end among those that stay: an executor may look at them in this order.

    :param start: when the ends shall begin, by the monotonic clock
    :raises Late: they will begin before all containers run
    """
    scenario = bench.scenario
    stay, end = (scenario.live - scenario.tasks) // GROUPS, scenario.tasks // GROUPS
    for group in range(GROUPS):
        begin(bench, driver, f"stays{group}", stay, (FOR_EVER, FOR_EVER))
        left = start - time.monotonic()
        if left < scenario.settle:
            raise Late
        begin(bench, driver, f"ends{group}", end, (left, left + scenario.window))


def begin(bench: Bench, driver: Driver, prefix: str, count: int, seconds: tuple[float, float]) -> None:
    """Have so many containers accepted, as fast as may be."""
    bench.service.adjust(pretend={"duration": list(seconds)})
    expected = driver.accepted + count
    driver.hand_over(work.workloads(driver.executor, prefix, count), 0)
    driver.beat_until(lambda: driver.accepted >= expected, BUSY_HEARTBEAT)


def memory(bench: Bench, seen: Seen) -> None:
    """Measure Python's memory with few and with many live containers, and after others have ended."""
    scenario = bench.scenario
    driver = bench.start(UNLIMITED)
    driver.beat_for(WARM_UP)
    tracemalloc.start()
    if scenario.tasks:
        seen.figures["ended"] = _left_over(bench, driver)
    few = scenario.live * FEW_OF_TEN // 10
    begin(bench, driver, "few", few, (FOR_EVER, FOR_EVER))
    driver.beat_for(scenario.settle)
    with_few = _memory(driver)
    begin(bench, driver, "many", scenario.live - few, (FOR_EVER, FOR_EVER))
    driver.beat_for(scenario.settle)
    seen.figures["live"] = (_memory(driver) - with_few) / (scenario.live - few)


def _left_over(bench: Bench, driver: Driver) -> float:
    """Return the bytes by which memory grows for each container that begins and ends."""
    tasks = bench.scenario.tasks
    after = []
    for round_ in range(3):  # The first one fills what is filled once.
        begin(bench, driver, f"ends{round_}", tasks, (1.0, 1.0))
        driver.beat_until(lambda: len(driver.told) == tasks)
        after.append(_memory(driver))
    return (after[2] - after[1]) / tasks


def _memory(driver: Driver) -> int:
    """Return the bytes that are in use, without what the driver itself keeps."""
    driver.told.clear()
    driver.beats.clear()
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def adopt(bench: Bench, seen: Seen) -> None:
    """Let a successor find the containers of its predecessor, which knows their ARNs or does not."""
    scenario, service = bench.scenario, bench.service
    _run_others(service, scenario.live)
    first = bench.start(UNLIMITED)
    queued_at = time.time()
    begin(bench, first, "task", scenario.tasks, (FOR_EVER, FOR_EVER))
    first.executor.end()
    tasks = service.tasks()
    for name, known in (("known", True), ("unknown", False)):
        candidates = [candidate(task, known, queued_at) for task in tasks]
        service.be_quick()
        successor = bench.start(bench.scale.run_limit)
        successor.beat_for(WARM_UP)
        service.be_like_aws()
        began = time.monotonic()
        adoption.adopt(successor.executor, candidates, scenario.patience)
        seen.figures[f"{name}_seconds"] = time.monotonic() - began
        seen.figures[f"{name}_calls"] = made(service.calls())
        # The answer comes as soon as the ECS tasks are found; following them begins right after it.
        successor.beat_until(
            lambda: len(successor.executor.debug_state()["followed"]) == scenario.tasks, BUSY_HEARTBEAT
        )
        successor.executor.end()


def candidate(task: Task, known: bool, queued_at: float) -> Candidate:
    """Return the candidate for adoption whose ECS task this is; ``known`` tells whether its ARN was stored."""
    return adoption.make_candidate(work.key(task.task_id), queued_at, task.arn if known else None)


def _run_others(service: Service, count: int) -> None:
    """Start tasks in the cluster that are not the executor's."""
    told = service.told
    request = nobodys_request(told, OTHERS) | {"startedBy": "somebody-else", "count": MAX_COUNT}
    ecs = boto3.client(
        "ecs",
        endpoint_url=told["endpoint_url"],
        region_name=told["region"],
        aws_access_key_id="nobody",
        aws_secret_access_key="nothing",
    )
    service.adjust(pretend={"duration": FOR_EVER})
    for _ in range(math.ceil(count / MAX_COUNT)):
        ecs.run_task(**request)


def nobodys_request(told: Mapping[str, Any], command: str, **override: Any) -> dict[str, Any]:
    """Return a RunTask request of nobody's."""
    container = {"name": told["container_name"], "command": [command], **override}
    return {
        "cluster": told["cluster"],
        "taskDefinition": told["task_definition"],
        "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": told["subnets"]}},
        "overrides": {"containerOverrides": [container]},
    }


PROCEDURES = {"launch": launch, "follow": follow, "memory": memory, "adopt": adopt}
