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
"""An ARN that is longer than what Airflow stores, up to 3.1."""

from __future__ import annotations

from tools.harness.dag_run import DagRun
from tools.harness.schedulers import LogPart

PATIENCE = 120
#: Characters of ``external_executor_id`` up to 3.1.
MAX_STORED = 250
#: AWS takes 255 characters; with this one an ARN is one character too long.
CLUSTER = "c" * 178


def test_an_ecs_task_whose_arn_is_too_long_runs_and_is_adopted(deployment, witness):
    """The scheduler survives it, stores nothing of it up to 3.1, and the next scheduler adopts the ECS task by its identity."""
    airflow, fargate = deployment.airflow, deployment.fargate
    fargate.client("ecs").create_cluster(clusterName=CLUSTER, capacityProviders=["FARGATE"])
    env = {"AIRFLOW__FARGATE__CLUSTER": CLUSTER}
    airflow.remove("scheduler")
    part = LogPart(airflow.logs / "scheduler.log")
    airflow.start_component("scheduler", env=env)
    part.wait_until_started()
    run = DagRun(deployment, "witness_waits", "long-arn")
    run.trigger()
    try:
        run.follow(until=lambda tis: [ti.state for ti in tis] == ["running"], timeout=PATIENCE)
        (arn,) = (e["taskArn"] for e in fargate.tasks() if e["taskArn"].endswith(run.launches()[0].container))
        assert len(arn) == MAX_STORED + 1
        (row,) = airflow.database.task_instances(run.dag_id, run.run_id)
        assert row.external_id in (None, arn)
        airflow.scheduler.kill()
        part = LogPart(airflow.logs / "scheduler.log")
        airflow.start_component("scheduler", env=env)
        part.wait_until_adopted(1)
    finally:
        witness.release(run.run_id)
    try:
        run.follow(timeout=PATIENCE)
        result = run.result()
    finally:
        airflow.remove("scheduler")
    assert result.problems() == []
    assert witness.runs(run.run_id) == {launch.id: 1 for launch in result.launches}
