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
"""How a row is driven: each function is the ``procedure`` of a row, and returns the scheduler that saw the ends."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any
from unittest import mock

from tools.harness.environment import IMPORT_PATH

from airflow.executors.fargate.bridge import AIRFLOW, database
from airflow.executors.fargate.present import Candidate

from tests.bench.adoption import adopt, candidates_of, coordinates, make_candidate
from tests.bench.scheduler import Overdue
from tests.fault_matrix.child import KILLED, READY, scheduler_name
from tests.fault_matrix.evidence import identity
from tests.fault_matrix.watching import watched
from tests.fault_matrix.work import Task, tasks

if TYPE_CHECKING:
    from airflow.executors.fargate.launch import TaskInstanceId

    from tests.fault_matrix.bed import Bed
    from tests.fault_matrix.scheduler import Scheduler

#: Seconds that the machine may take for a row beside what its faults take: it does other things as well.
SPARE = 60.0
#: Seconds that a deferred task's container goes on after the trigger has fired.
ENDING = 5.0
#: When Airflow takes back what is stuck in queued, in the row about that.
STUCK = 15.0
#: When those are handed over that come later.
OVERTAKING = 45.0
#: Seconds between two looks of a scheduler for what other schedulers have left behind; Airflow's default is 300.
CHECKS = 100.0
#: The job of the scheduler after the one that is killed.
SUCCESSOR = KILLED + 1
#: The share of the task instances that have containers when their scheduler is killed: at least, at most.
LAUNCHED, MOST_LAUNCHED = 0.3, 0.5
#: Seconds after which a call has come to its end: what the machine needs, and as much again for latencies.
UNDER_WAY = 1.5
#: The keys that the executor of the present thread's row has handed back to the scheduler.
_handed_back = threading.local()


class ChildError(Exception):
    """The process that is to be killed is of no use."""


def launch(bed: Bed) -> Scheduler:
    """Hand all task instances over, once, and wait for their ends."""
    scheduler = bed.scheduler()
    scheduler.hand_over(_tasks(bed))
    return _to_the_end(bed, scheduler)


def overtaking(bed: Bed) -> Scheduler:
    """Hand over each fifth task instance after the others have waited for a while."""
    scheduler = bed.scheduler()
    given = tasks(bed.size.tasks, bed.row.later_config)
    first = [task for task in given if task.executor_config is not bed.row.later_config]
    scheduler.hand_over(first)
    later = bed.began + OVERTAKING * bed.size.scale
    scheduler.until(lambda: time.monotonic() > later, _deadline(bed))
    scheduler.hand_over([task for task in given if task.executor_config is bed.row.later_config])
    return _to_the_end(bed, scheduler)


def deferred(bed: Bed) -> Scheduler:
    """Hand half of them over again while their containers, which have deferred them, are still ending."""
    ending = ENDING * bed.size.scale
    return _again(bed, lambda entry: time.time() > entry.get("startedAt", time.time()) + ending)


def rescheduled(bed: Bed) -> Scheduler:
    """Hand half of them over again as soon as their containers' processes have ended."""
    return _again(bed, lambda entry: "executionStoppedAt" in entry)


def requeued(bed: Bed) -> Scheduler:
    """Take each back before its container has started, and hand it over again."""
    scheduler = bed.scheduler()
    given = _tasks(bed)
    scheduler.hand_over(given)
    stuck = bed.began + STUCK * bed.size.scale
    scheduler.until(lambda: time.monotonic() > stuck, _deadline(bed))
    for task in given:
        scheduler.revoke(task.key)
    scheduler.hand_over([Task(task.task_id) for task in given])
    return _to_the_end(bed, scheduler)


def killed(bed: Bed) -> Scheduler:
    """Let another process launch, kill it while calls are under way, and let a successor adopt."""
    given, queued_at, scheduler = _killed(bed)
    handed_back = _handed_back.keys = []
    reset = _check(scheduler, given, queued_at)
    for task in given:
        if task.key not in reset:
            scheduler.tasks[task.key].append(task)
    scheduler.hand_over([Task(task.task_id) for task in given if task.key in reset])
    deadline, returned = _deadline(bed), 0
    while not (scheduler.all_ended and bed.steps_made):
        if time.monotonic() > deadline:
            raise Overdue
        # What has no container, as AWS told late.
        late, returned = handed_back[returned:], len(handed_back)
        scheduler.beat([Task(key.task_id) for key in late])
    scheduler.adopted = len(given) - len(reset) - len(handed_back)
    return _to_the_end(bed, scheduler)


def checked_twice(bed: Bed) -> Scheduler:
    """
    Kill a scheduler while it launches, and let the next one look twice for what that has left behind.

    At the second look it asks for what the executor has handed back to the scheduler that is gone; what has no ECS task
    must have been given back to Airflow by then.
    """
    given, queued_at, scheduler = _killed(bed)
    handed_back = _handed_back.keys = []
    began, asked = time.monotonic(), given
    reset: set[Any] = set()
    for check in range(2):
        until = began + check * CHECKS * bed.size.scale
        scheduler.until(lambda: time.monotonic() > until, _deadline(bed))
        handed_back, _handed_back.keys = [*_handed_back.keys], []
        asked = [task for task in asked if not check or task.key in handed_back]
        reset |= (now := _check(scheduler, asked, queued_at))
        for task in asked:
            if task.key not in now and not scheduler.tasks[task.key]:
                scheduler.tasks[task.key].append(task)
        lost = [Task(task.task_id) for task in asked if task.key in now]
        for task in lost:
            scheduler.tasks[task.key].clear()
        scheduler.hand_over(lost)
    scheduler.adopted = len(given) - len(reset)
    return _to_the_end(bed, scheduler)


def _killed(bed: Bed) -> tuple[list[Task], float, Scheduler]:
    """Launch some, kill who launched them, and return what was given, when that was queued, and the next scheduler."""
    given = _tasks(bed)
    # However late it is killed, it has not launched all of them.
    bed.fargate.configure(vcpu_quota=bed.vcpus(MOST_LAUNCHED))
    queued_at = _launch_and_kill(bed, given)
    bed.fargate.configure(vcpu_quota=None)
    bed.put_stopped()
    _handed_back.scheduler = bed.scheduler(SUCCESSOR)
    return given, queued_at, _handed_back.scheduler


def _check(scheduler: Scheduler, asked: list[Task], queued_at: float) -> set[Any]:
    """Look once for what the scheduler that is gone has left behind; return the keys that it gives back to Airflow."""
    candidates = [
        make_candidate(
            task.key,
            queued_at,
            # Its scheduler died before it stored any ARN.
            task.external_id if AIRFLOW.assigns_ids else None,
            queued_by=KILLED,
            scheduler=scheduler_name(KILLED),
        )
        for task in asked
    ]
    with watched(scheduler.waited, may_wait=True):
        return adopt(scheduler.executor, candidates)


@contextlib.contextmanager
def without_database() -> Iterator[None]:
    """Let executors adopt what :func:`killed` gives them, in place of what the database has, until the end of the block."""
    take_back = lambda lost, job_id: _handed_back.keys.extend(map(coordinates, lost))
    with (
        mock.patch.object(database, "candidates", candidates_of),
        mock.patch.object(database, "hand_back", take_back),
        mock.patch.object(database, "scheduler_name", scheduler_name),
        mock.patch.object(database, "rows", _rows),
    ):
        yield


def _rows(tasks: Sequence[TaskInstanceId]) -> dict[TaskInstanceId, Candidate]:
    """Return what the database has of task instances that the present thread's successor has adopted or launched."""
    scheduler = _handed_back.scheduler
    ended = {task: scheduler.end(Task(task.task_id).key) for task in tasks}
    return {
        task: Candidate(task, None, None, None, SUCCESSOR, state=end.state if end else "running")
        for task, end in ended.items()
    }


def _launch_and_kill(bed: Bed, given: list[Task]) -> float:
    """Let another process launch, kill it while calls are under way, and return when it queued, by its own clock."""
    with tempfile.TemporaryFile() as output:
        child = _start_child(bed, given, output)
        deadline = _deadline(bed)
        try:
            while len(bed.containers()) < len(given) * LAUNCHED:
                if child.poll() is not None or time.monotonic() > deadline:
                    raise ChildError("the process that is to be killed does not launch")
                time.sleep(0.01)
        finally:
            child.kill()
            child.wait()
            output.seek(0)
            bed.written += output.read().decode(errors="replace")
    _settle(bed)
    ready = [line for line in bed.written.splitlines() if line.startswith(READY)]
    return float(ready[0].removeprefix(READY))


def _settle(bed: Bed) -> None:
    """Wait until AWS has done what it was asked for before the kill; whose answers nobody gets any more."""
    count = -1
    while count != len(bed.containers()):
        count = len(bed.containers())
        time.sleep(UNDER_WAY + UNDER_WAY * bed.size.scale)


def _start_child(bed: Bed, given: list[Task], output: IO[bytes]) -> subprocess.Popen[bytes]:
    # All that it can write is searched for secrets.
    others = {**IMPORT_PATH, "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG"}
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.fault_matrix.child"],
        env=os.environ | bed.environment | others,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
    )
    tasks_of_child = [[task.task_id, task.external_id] for task in given]
    work = {"scale": bed.size.scale, "ahead": bed.row.ahead, "tasks": tasks_of_child}
    if child.stdin:
        child.stdin.write(json.dumps(work).encode())
        child.stdin.close()
    return child


def _again(bed: Bed, when: Callable[[Mapping[str, Any]], bool]) -> Scheduler:
    """
    Hand each task instance over twice: the second time when something holds for its first container.

    Each other one waits on until the end of that was told: Airflow asks then whether it is to fail.
    """
    scheduler = bed.scheduler()
    first = _tasks(bed)
    scheduler.returning |= {task.key for task in first}
    late = {task.key for task in first[::2]}
    scheduler.hand_over(first)
    waiting, deadline = {task.key: task for task in first}, _deadline(bed)
    while waiting:
        if time.monotonic() > deadline:
            raise Overdue
        by_task = {identity(entry)["task_id"]: entry for entry in bed.containers()}
        ready = [
            task
            for task in waiting.values()
            if when(by_task.get(task.task_id, {})) and (task.key not in late or scheduler.end(task.key))
        ]
        for task in ready:
            del waiting[task.key]
            scheduler.returning.remove(task.key)
        scheduler.beat([Task(task.task_id) for task in ready])
    return _to_the_end(bed, scheduler)


def _tasks(bed: Bed) -> list[Task]:
    life = bed.row.token_life
    return tasks(bed.size.tasks, bed.row.odd_config, None if life is None else life * bed.size.scale)


def _deadline(bed: Bed) -> float:
    return bed.began + bed.row.seconds * bed.size.scale + SPARE


def _to_the_end(bed: Bed, scheduler: Scheduler) -> Scheduler:
    """Go on until every task instance has ended, every step was made, and nothing is left that runs or is followed."""
    deadline = _deadline(bed)
    scheduler.until(lambda: scheduler.all_ended and bed.steps_made, deadline)
    followed = lambda: scheduler.executor.debug_state()["followed"]
    scheduler.until(lambda: not followed() and not bed.alive(), deadline)
    return scheduler
