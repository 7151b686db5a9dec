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
"""Where the rows are measured: a deployment with one of the executors, and what all rows ask of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.comparing import seen
from tools.harness.dag_run import FINISHED, DagRun
from tools.harness.interruption import waiting
from tools.harness.processes import HarnessError, wait_until

if TYPE_CHECKING:
    from tools.harness.deployment import Deployment

#: Seconds after which a row's task is not waited for any longer.
PATIENCE = 240
#: Seconds without a launch and without a live ECS task after which no further launch comes: AwsEcsExecutor waits up
#: to 16 s before it launches a task again that has failed.
QUIET = 20
#: Seconds in which a log page is read again, until it has a reason.
UNTIL_SHOWN = 15
#: How many of a log page's last lines are kept in compared.json.
END_OF_PAGE = 5


class Bed:
    """
    A deployment, as the rows see it.

    :param witness: knows whose code has run
    """

    def __init__(self, deployment: Deployment, witness: seen.Witness) -> None:
        self.airflow = deployment.airflow
        self.fargate = deployment.fargate
        self.witness = witness
        self._deployment = deployment

    def run(self, dag_id: str) -> DagRun:
        """Trigger a run of a Dag; its id is the Dag's."""
        run = DagRun(self._deployment, dag_id, dag_id)
        run.trigger()
        return run

    def ecs_tasks(self, *run_ids: str) -> list[seen.EcsTask]:
        """Return the ECS tasks of some DAG runs up to now."""
        return [task for task in seen.ecs_tasks(self.fargate.tasks()) if task.run_id in run_ids]

    def states(self, run: DagRun) -> dict[str, str]:
        """Return the state of each task instance of a run."""
        rows = self.airflow.database.task_instances(run.dag_id, run.run_id)
        return {row.name: row.state for row in rows}

    def ended(self, run: DagRun, since: float) -> dict[str, Any]:
        """Wait until a run of one task has ended; return its state, and seconds since a moment, None for never."""
        over = lambda tis: tis and all(ti.state in FINISHED for ti in tis)
        try:
            run.follow(until=over, timeout=PATIENCE)
        except HarnessError:
            self.airflow.check_alive()
        (state,) = self.states(run).values()
        return {"state": state, "seconds": round(time.time() - since, 1) if state in FINISHED else None}

    def page(self, run: DagRun, task_id: str) -> list[str]:
        """Return the lines of the log page of a task's first try."""
        return self.airflow.api.log(run.dag_id, run.run_id, task_id).splitlines()

    def told(self, run: DagRun, task_id: str, *words: str) -> dict[str, Any]:
        """Return the reason that a task's log page has, that which its audit log has, and how the page ends."""
        deadline = time.monotonic() + UNTIL_SHOWN
        while not (found := seen.reason(page := self.page(run, task_id), words)):
            if time.monotonic() > deadline:
                break
            with waiting():
                time.sleep(1)
        events = [event["extra"] or "" for event in self.airflow.api.events(run.dag_id, run.run_id)]
        return {
            "reason": found,
            "in_audit_log": seen.reason(events, words),
            "unreadable": seen.unreadable(page),
            "page_ends": [seen.short(line) for line in page[-END_OF_PAGE:]],
        }

    def wait_until_quiet(self) -> None:
        """Wait until nothing runs, and nothing more is launched."""
        wait_until(self._is_quiet, timeout=PATIENCE, what="the last ECS tasks to stop", every=1)

    def _is_quiet(self) -> bool:
        tasks = seen.ecs_tasks(self.fargate.tasks())
        newest = max((task.created for task in tasks), default=0.0)
        return not any(task.live for task in tasks) and time.time() - newest > QUIET


def witness_in(folder: Path) -> seen.Witness:
    """Return the witness whose file is in a folder."""
    return seen.Witness(folder / "ran")
