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
"""Task instances that have the same coordinates, as those of a loop's passes have."""

from __future__ import annotations

import psutil
import pytest
from tools.harness.dag_run import DagRun
from tools.harness.processes import wait_until
from tools.harness.schedulers import LogPart

from airflow.executors.fargate.notes import noted_ecs_task

TASK = "twice.work"
PATIENCE = 120
HELD = {"operation": "RunTask", "holds": "call", "containing": f'\\"task_id\\":\\"{TASK}\\"'}


class Passes:
    """The task instances of both passes of the loop, which differ by their regions."""

    def __init__(self, deployment, run):
        self._deployment = deployment
        self.run = run
        first = sorted(self._rows(), key=lambda row: row.queued)
        #: The regions of the passes, in their order.
        self.regions = [row.region for row in first]

    def _rows(self):
        rows = self._deployment.airflow.database.task_instances(self.run.dag_id, self.run.run_id)
        return [row for row in rows if row.task_id == TASK]

    def rows(self):
        """Return the rows of the present tries, in the order of the passes."""
        return sorted(self._rows(), key=lambda row: self.regions.index(row.region))

    def states(self):
        return [row.state for row in self.rows()]

    def launches(self):
        """Return the launch of each present try, in the order of the passes; each must have one."""
        launches = self.run.launches()
        found = []
        for row in self.rows():
            (launch,) = (launch for launch in launches if launch.uuid == row.uuid)
            found.append(launch)
        return found

    def wait_for_states(self, *states):
        wait_until(lambda: self.states() == list(states), timeout=PATIENCE, what=f"passes to be {states}")

    def wait_for_failures(self):
        """Return the notes on failures by row, once the scheduler, which saves them after the run's end, has saved one."""
        database, run = self._deployment.airflow.database, self.run

        def failures():
            return database.events(run.dag_id, run.run_id, "fargate failure", by="task_instance_id")

        wait_until(failures, timeout=PATIENCE, what="a note on a failure")
        return failures()

    def wait_until_noted(self, launches):
        """Wait until the row of each pass has its own launch's ARN, and one note, which names that."""
        database, run = self._deployment.airflow.database, self.run

        def noted():
            notes = database.events(run.dag_id, run.run_id, "fargate launch", by="task_instance_id")
            return all(
                row.external_id.endswith(f"/{launch.container}")
                and [note.arn for note in map(noted_ecs_task, notes.get(row.uuid, ())) if note]
                == [row.external_id]
                for row, launch in zip(self.rows(), launches)
            )

        wait_until(noted, timeout=PATIENCE, what="each pass to have its own ARN and note")

    def wait_for_log(self, number, *texts):
        """Wait until the log of a pass's second try has these texts."""
        where = {"region_id": self.regions[number], "region_index": 0}

        def has_them():
            log = self._deployment.airflow.api.log(self.run.dag_id, self.run.run_id, TASK, 2, **where)
            return all(text in log for text in texts)

        wait_until(has_them, timeout=PATIENCE, what=f"{texts} in the log")


def kill(process):
    """
    End a container's process and all that it has started, as if there were no memory left.

    The parent goes first: it would report the death of its child.
    """
    for each in [process, *process.children(recursive=True)]:
        each.kill()


@pytest.mark.usefixtures("same_on_all_releases")
def test_task_instances_with_equal_coordinates_are_told_apart(deployment, witness, release):
    """
    Two of them, queued at once, have each its launch, its ARN, its log and its end, under the next scheduler, too.

    One of them loses its container, which nobody but the executor can tell.
    """
    if not release.has_loops:
        pytest.skip("from 3.4 on")
    airflow, fargate = deployment.airflow, deployment.fargate
    run = DagRun(deployment, "loops", "loops")
    run.trigger()
    assert run.follow(timeout=PATIENCE) == "success"
    passes = Passes(deployment, run)
    assert len(set(passes.regions)) == 2
    fargate.hold(both=HELD)
    airflow.api.clear_these(run.dag_id, run.run_id, [row.uuid for row in passes.rows()])
    wait_until(lambda: fargate.held()["both"] == 2, timeout=PATIENCE, what="two launches", every=0.1)
    assert passes.states() == ["queued", "queued"]
    assert [(row.map_index, row.try_number) for row in passes.rows()] == [(0, 2), (0, 2)]
    fargate.hold()
    passes.wait_for_states("running", "running")
    launches = passes.launches()
    passes.wait_until_noted(launches)
    for number, launch in enumerate(launches):
        passes.wait_for_log(number, f"This is pass {number}", f"stream ecs/airflow/{launch.container}")
    scheduler = LogPart(airflow.scheduler.log)
    airflow.scheduler.kill()
    airflow.start_component("scheduler")
    scheduler.wait_until_adopted(2)
    kill(psutil.Process(fargate.pid(launches[0].container)))
    passes.wait_for_states("failed", "running")
    witness.release(run.run_id)
    passes.wait_for_states("failed", "success")
    run.follow(timeout=PATIENCE)
    run.result()
    assert [launch.id for launch in passes.launches()] == [launch.id for launch in launches]
    failures = passes.wait_for_failures()
    assert list(failures) == [launches[0].uuid]
    assert [witness.runs(run.run_id)[launch.id] for launch in launches] == [1, 1]
    lines = airflow.scheduler.log.read_text(errors="replace").splitlines()
    assert [line for line in lines if "RemovedInAirflow4Warning" in line and "fargate" in line.lower()] == []
