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
"""A DAG whose author has got much wrong, on a real Airflow."""

from __future__ import annotations

from tools.harness.dag_run import DagRun

#: What each task's failure says, in its own event log.
SAID = {
    "unknown_member": "cpuu",
    "wrong_type": "tags",
    "no_choice": "launchType",
    "too_large": "8192",
    "executors_own": "startedBy",
    "no_such_container": "sidecarr",
}


def test_bad_input_harms_its_own_task_and_no_other(deployment):
    """Each wrong executor_config fails one task, with what is wrong in that task's event log; the scheduler runs on."""
    scheduler = deployment.airflow.scheduler
    run = DagRun(deployment, "bad_input", "bad-input")
    run.trigger()
    run.follow(timeout=120)
    states = {ti.task_id: ti.state for ti in run.result().task_instances}
    assert states == {**dict.fromkeys(SAID, "failed"), "works": "success"}
    assert [launch.task_id for launch in run.launches()] == ["works"]
    assert (scheduler, scheduler.exit_code) == (deployment.airflow.scheduler, None)
    failures = deployment.airflow.database.events("bad_input", "bad-input", "fargate failure")
    assert failures.keys() == SAID.keys()
    for task_id, part in SAID.items():
        (text,) = failures[task_id]
        assert part in text, task_id
        assert len(text) < 2000, task_id
