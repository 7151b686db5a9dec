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
"""The trials: the executor with real ECS tasks, and what can happen to them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tools.aws.inside import judgements
from tools.aws.inside.account import STOP_REASON, has_stopped
from tools.aws.inside.trial import ENDED, PATIENCE, Trial, TrialError

if TYPE_CHECKING:
    from tools.aws.inside.trial import Bench, Run, Seen

#: A scheduler that can be killed while it launches: two launches a second.
SLOW = {"AIRFLOW__FARGATE__LAUNCH_RATE": "2", "AIRFLOW__FARGATE__LAUNCH_BURST": "1"}
#: ECS tasks after which it is killed.
LAUNCHED = 3
#: Seconds that many tasks get, where the account's quota lets few run at once.
LONG = 1500.0
#: Seconds until the code of a task has begun that Airflow shows as running.
BEGUN = 3.0


def run_example(bench: Bench) -> Seen:
    run = bench.start("example_fargate_executor")
    run.wait_until_ended()
    return judgements.success(run.facts())


def kill_task(bench: Bench) -> Seen:
    run = bench.start("verify_killed")
    run.wait_until_ended()
    run.wait_for_failure()
    return judgements.killed(run.facts(), bench.settings.container)


def pull_no_image(bench: Bench) -> Seen:
    run = bench.start("verify_image")
    run.wait_until_ended()
    run.wait_for_failure()
    return judgements.no_image(run.facts())


def stop_task(bench: Bench) -> Seen:
    run = bench.start("verify_stopped")
    bench.wait_until(lambda: run.states() == ["running"], "the task runs", PATIENCE)
    bench.sleep(BEGUN)
    for task in run.ecs_tasks():
        bench.account.stop(task["taskArn"])
    run.wait_until_ended()
    run.wait_for_failure()
    return judgements.stopped(run.facts())


def kill_scheduler(bench: Bench) -> Seen:
    def launched() -> int:
        family = bench.settings.task_definition
        return len(list(bench.account.listed(family=family, desiredStatus="RUNNING")))

    bench.airflow.restart_scheduler(**SLOW)
    try:
        run = bench.start("verify_scheduler_killed")
        bench.wait_until(
            lambda: launched() >= LAUNCHED, "the first ECS tasks are there", PATIENCE, period=0.2
        )
    finally:
        # Whatever happens, no other trial has the slow one.
        bench.airflow.kill_scheduler()
    count = launched()
    bench.airflow.start_component("scheduler")
    run.wait_until_ended(LONG)
    return judgements.scheduler_killed(run.facts(), count)


def run_mapped(bench: Bench) -> Seen:
    began = bench.clock()
    run = bench.start("verify_mapped")
    with contextlib.suppress(TrialError):
        run.wait_until_ended(LONG)
    return judgements.mapped(run.facts(), bench.clock() - began)


def run_on_spot(bench: Bench) -> Seen:
    run = bench.start("verify_spot")
    _wait_for_refusal(bench, run)
    return judgements.spot(run.facts())


def ask_for_much(bench: Bench) -> Seen:
    run = bench.start("verify_no_capacity")
    _wait_for_refusal(bench, run)
    return judgements.no_capacity(run.facts())


def _wait_for_refusal(bench: Bench, run: Run) -> None:
    """Wait until AWS has no capacity for a launch, or the run has ended, or there is neither for long."""

    def refused() -> bool:
        return any(judgements.NO_CAPACITY in note for note in run.notes())

    def ended() -> bool:
        return run.state() in ENDED and all(map(has_stopped, run.ecs_tasks()))

    bench.wait_until(lambda: refused() or ended(), "AWS refuses or starts the tasks", PATIENCE)


TRIALS = (
    Trial("dag", "The example Dag", "Each task succeeds, in ECS tasks of its own", run_example),
    Trial(
        "killed",
        "A task's process is killed",
        "It fails at once, and the reason names exit code 137",
        kill_task,
        str(judgements.KILLED),
    ),
    Trial(
        "image",
        "The image is not there",
        "It fails, nothing has started, and the reason is that the image cannot be pulled",
        pull_no_image,
        judgements.NO_IMAGE,
    ),
    Trial(
        "stopped",
        "Somebody stops an ECS task",
        "It fails, and the reason has the words of whoever stopped it",
        stop_task,
        STOP_REASON,
    ),
    Trial(
        "scheduler-killed",
        "The scheduler is killed while it launches 20 tasks",
        "The next scheduler goes on; all succeed, and each has run once",
        kill_scheduler,
    ),
    Trial("spot", "A task on Spot", "It succeeds on FARGATE_SPOT", run_on_spot),
    Trial(
        "no-capacity",
        "More vCPUs than the account's quota",
        "What AWS refuses waits for capacity and does not fail",
        ask_for_much,
    ),
)
#: The last one of all: with a small quota it takes all the time that is left.
MAPPED = Trial(
    "mapped", "Many mapped tasks", "All succeed; those that AWS has no capacity for wait", run_mapped
)
