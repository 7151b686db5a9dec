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
"""An account, an Airflow and a clock in which the trials of ``scripts/aws/verify`` run."""

from __future__ import annotations

import io
import json

from tools.aws.inside.account import Account
from tools.aws.inside.lines import MARK, Lines
from tools.aws.inside.running import run_all
from tools.aws.inside.trial import Bench

#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html, member ``overrides``


ENVIRONMENT = {
    "VERIFY_CLUSTER": "airflow",
    "VERIFY_DEPLOYMENT": "airflow-verify",
    "VERIFY_TASK_DEFINITION": "airflow-verify-trial",
    "VERIFY_BROKEN_TASK_DEFINITION": "airflow-verify-no-image",
    "VERIFY_CONTAINER": "airflow",
    "VERIFY_SUBNETS": "subnet-1,subnet-2",
    "VERIFY_SECURITY_GROUPS": "sg-1",
    "VERIFY_REGION": "us-east-1",
    "VERIFY_DATABASE": "postgresql+psycopg2://airflow:pass%2Fword@127.0.0.1:5432/airflow",
}


class FakeEcs:
    """ECS with these tasks, which StopTask stops at once."""

    def __init__(self, *tasks):
        self.tasks = {task["taskArn"]: task for task in tasks}
        self.described = []
        self.stopped = []

    def get_paginator(self, _):
        return self

    def paginate(self, *, desiredStatus, family="", **_):
        found = [
            arn
            for arn, task in self.tasks.items()
            if (task["lastStatus"] == "STOPPED") == (desiredStatus == "STOPPED") and task["family"] == family
        ]
        return [{"taskArns": found[:1]}, {"taskArns": found[1:]}]

    def describe_tasks(self, *, tasks, **_):
        self.described += tasks
        return {"tasks": [self.tasks[arn] for arn in tasks if arn in self.tasks], "failures": []}

    def stop_task(self, *, task, reason, **_):
        self.stopped.append((task, reason))
        self.tasks[task]["lastStatus"] = "STOPPED"

    def run_task(self, **request):
        arn = f"arn:{len(self.tasks)}"
        self.tasks[arn] = ecs_task(arn, lastStatus="RUNNING", run_id="", request=request)
        return {"tasks": [self.tasks[arn]], "failures": []}


class FakeAirflow:
    def __init__(self):
        self.revived = 0

    def check_alive(self):
        pass

    def revive(self):
        self.revived += 1


class FakeApi:
    """An API whose Dag runs never end by themselves."""

    def __init__(self):
        self.failed = []
        self.runs = {}

    def is_well(self):
        return True

    def has_dag(self, dag_id):
        return True

    def trigger(self, dag_id, run_id):
        self.runs[run_id] = "running"

    def run_state(self, dag_id, run_id):
        return self.runs[run_id]

    def fail_run(self, dag_id, run_id):
        self.runs[run_id] = "failed"

    def task_instances(self, dag_id, run_id):
        return [{"task_id": "one", "map_index": -1, "try_number": 1, "state": "failed"}]


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def ecs_task(arn="arn:1", *, lastStatus="STOPPED", run_id="run", map_index="-1", **members):
    values = {"run_id": run_id, "task_id": "one", "map_index": map_index, "try_number": "1"}
    return {
        "taskArn": arn,
        "lastStatus": lastStatus,
        "family": "airflow-verify-trial",
        "tags": [{"key": f"airflow:{name}", "value": value} for name, value in values.items()],
        "containers": [],
        **members,
    }


def bench_of(settings, ecs, limit=100.0):
    clock = Clock()
    return Bench(
        settings,
        FakeAirflow(),
        FakeApi(),
        Account(settings, ecs),
        limit=limit,
        clock=clock,
        sleep=clock.sleep,
    )


def rows_of(trials, bench):
    """Run trials and return the rows that are printed."""
    stream = io.StringIO()
    run_all(trials, bench, Lines(stream=stream))
    lines = [json.loads(line.removeprefix(MARK)) for line in stream.getvalue().splitlines()]
    return [line for line in lines if line["kind"] == "trial"]
