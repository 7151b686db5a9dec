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
"""How each row is measured. A procedure lets something happen, and returns what was seen of it; it judges nothing."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tools.comparing import seen
from tools.comparing.bed import PATIENCE, Bed
from tools.harness.dag_run import FINISHED
from tools.harness.failures import IMAGE, NO_SUCH_IMAGE
from tools.harness.processes import HarnessError, wait_until

#: The members of compared.json, by name.
Measured = dict[str, Any]

#: How whoever knows names the end of a killed container: exit code 137 is 128 and SIGKILL's number.
KILLED = ("137", "SIGKILL")
#: How many lines there are, one each second: as the Dag has it.
LINES = 30
#: Seconds from the first launch of three whose answer is held to the scheduler's death.
AT_ONCE = 3.0
#: What is held for the moment of the scheduler's death.
ANSWERS = {"operation": "RunTask", "holds": "answer"}
FAILING = {
    "name": "sidecar",
    "image": "local/sidecar",
    "essential": False,
    "command": ["/bin/sh", "-c", "exit 1"],
}


def killed(bed: Bed) -> Measured:
    """Kill the one container of a task while its code runs, as the kernel does where memory is short."""
    run = bed.run("compared_killed")
    wait_until(lambda: bed.witness.ran(run.run_id), timeout=PATIENCE, what="the task's code to run")
    (task,) = bed.ecs_tasks(run.run_id)
    began = time.time()
    os.kill(bed.fargate.pid(task.arn.rpartition("/")[2]), signal.SIGKILL)
    return bed.ended(run, began) | bed.told(run, "works", *KILLED)


def image(bed: Bed) -> Measured:
    """Name an image that is not there; the local Fargate, which has no images, is told to say so in AWS's words."""
    bed.fargate.register("no-such-image", image=IMAGE)
    bed.fargate.adjust(faults=[NO_SUCH_IMAGE])
    run = bed.run("compared_image")
    wait_until(lambda: bed.ecs_tasks(run.run_id), timeout=PATIENCE, what="the first launch", every=0.1)
    began = bed.ecs_tasks(run.run_id)[0].created
    ended = bed.ended(run, began)
    bed.fargate.reset()
    reason = bed.ecs_tasks(run.run_id)[0].stopped_reason or ""
    return ended | bed.told(run, "never_starts", reason.partition(":")[0])


def sidecar(bed: Bed) -> Measured:
    """Run a task beside a container that is not essential and exits 1, before the task has ended."""
    bed.fargate.register("with-sidecar", FAILING)
    run = bed.run("compared_sidecar")
    return bed.ended(run, time.time())


def log(bed: Bed) -> Measured:
    """Read the log page each second while a task says a line each second, and once after its end."""
    run = bed.run("compared_log")
    shown: Counter[int] = Counter()
    pages: list[list[str]] = []

    def look(running: bool = True) -> None:
        pages.append(bed.page(run, "counts"))
        counts = seen.numbered(pages[-1])
        shown.update({number: times for number, times in counts.items() if times > 1})
        if running and bed.states(run)["counts"] == "running":
            most.append(len(counts))

    most = [0]
    run.follow(until=lambda tis: any(ti.state == "running" for ti in tis), timeout=PATIENCE)
    run.follow(until=lambda _: look(), timeout=PATIENCE)
    time.sleep(5)  # Until the last lines are where they are read from.
    look(running=False)
    return {
        "lines": LINES,
        "while_running": max(most),
        "afterwards": len(seen.numbered(pages[-1])),
        "twice": len(shown),
        "unreadable": next(filter(None, map(seen.unreadable, pages)), None),
    }


def scheduler(bed: Bed) -> Measured:
    """Kill the scheduler while three tasks run, and RunTask has not yet been answered for what it launches."""
    running = bed.run("compared_running")
    wait_until(lambda: len(bed.witness.ran(running.run_id)) == 3, timeout=PATIENCE, what="three that run")
    bed.fargate.hold(answers=ANSWERS)
    launching = bed.run("compared_launching")
    wait_until(lambda: bed.fargate.held()["answers"], timeout=PATIENCE, what="a launch", every=0.1)
    time.sleep(AT_ONCE)
    runs = (running, launching)
    run_ids = [run.run_id for run in runs]
    log_file = bed.airflow.logs / "scheduler.log"
    size = log_file.stat().st_size
    bed.airflow.scheduler.kill()
    before = {(task.run_id, task.name) for task in bed.ecs_tasks(*run_ids)}
    # Nobody is there to hear the answers.
    bed.fargate.hold(answers=ANSWERS | {"drop": True})
    bed.fargate.hold()
    bed.airflow.start_component("scheduler")
    for run in runs:
        _follow(bed, run)
    bed.wait_until_quiet()
    states = Counter(state for run in runs for state in bed.states(run).values())
    launched = Counter((task.run_id, task.name) for task in bed.ecs_tasks(*run_ids))
    return {
        "instances": states.total(),
        "launched_before": len(before),
        "succeeded": states["success"],
        "failed": states["failed"],
        "not_ended": states.total() - sum(states[state] for state in FINISHED),
        "ran_twice": sum(times > 1 for times in bed.witness.ran(*run_ids).values()),
        "launched_twice": sum(times > 1 for times in launched.values()),
        "adopted": seen.adopted(log_file.read_bytes()[size:].decode(errors="replace")),
    }


def _follow(bed: Bed, run: Any) -> None:
    """Wait until a run has ended, or for so long that it is said not to end."""
    try:
        run.follow(timeout=PATIENCE)
    except HarnessError:
        bed.airflow.check_alive()


#: By the row's name.
PROCEDURES: dict[str, Callable[[Bed], Measured]] = {
    "killed": killed,
    "image": image,
    "sidecar": sidecar,
    "log": log,
    "scheduler": scheduler,
}
#: Those rows for which it counts how many ECS tasks there were in the end, and how often the task's code ran.
COUNTED = {name: f"compared_{name}" for name in ("killed", "image", "sidecar")}


def counted(bed: Bed, name: str) -> Measured:
    """Return what can be counted once nothing more is launched."""
    run_id = COUNTED[name]
    return {
        "ecs_tasks": len(bed.ecs_tasks(run_id)),
        "code_ran": bed.witness.ran(run_id).total(),
    }
