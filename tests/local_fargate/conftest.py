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
"""One local Fargate for all tests, each with the settings of its own; they talk to it through boto3."""

from __future__ import annotations

import time

import pytest
from botocore.config import Config
from tools.simulator.bootstrap import Wanted, create
from tools.simulator.ecs.tasks import Container, Task
from tools.simulator.faults.source import TaskPlan
from tools.simulator.server import LocalFargate

QUICK = {"provisioning_time": 0.03, "stopping_time": 0.03}
# The server's answers are what is tested, not botocore's patience.
NO_RETRIES = Config(retries={"total_max_attempts": 1}, read_timeout=10)


def made(*command):
    """A task with one container that is not started yet."""
    container = Container("container-arn", "main", {"command": list(command)}, {}, "runtime-id")
    arn = "arn:aws:ecs:us-east-1:1:task/cluster/id"
    task = Task(arn, "cluster", "a", "FARGATE", "", 1, TaskPlan(), {}, {}, [], [container], 0.25, 1000.0)
    return task, container


class Account:
    """What a caller of ECS has: clients, and the names of what exists."""

    def __init__(self, fargate, created):
        self.fargate = fargate
        self.cluster = created.cluster
        self.task_definition = created.task_definition
        self.container = created.container_name
        self.log_group = created.log_group
        self.subnets = created.subnets
        self.network = {
            "awsvpcConfiguration": {"subnets": created.subnets, "securityGroups": created.security_groups}
        }
        self.ecs = fargate.client("ecs", config=NO_RETRIES)
        self.logs = fargate.client("logs", config=NO_RETRIES)

    def request(self, *command, environment=None, **members):
        """A RunTask request; members that are None are left out."""
        override = {"name": self.container, "command": list(command or ["true"])}
        if environment:
            override["environment"] = [{"name": name, "value": value} for name, value in environment.items()]
        request = {
            "cluster": self.cluster,
            "taskDefinition": self.task_definition,
            "launchType": "FARGATE",
            "networkConfiguration": self.network,
            "overrides": {"containerOverrides": [override]},
        }
        return {name: value for name, value in (request | members).items() if value is not None}

    def run(self, *command, **members):
        """Start one task and return its ARN."""
        answer = self.ecs.run_task(**self.request(*command, **members))
        assert answer["failures"] == []
        return answer["tasks"][0]["taskArn"]

    def describe(self, arn, **members):
        request = {"cluster": self.cluster, "tasks": [arn], **members}
        return self.ecs.describe_tasks(**request)["tasks"][0]

    def stop(self, arn, **members):
        return self.ecs.stop_task(cluster=self.cluster, task=arn, **members)["task"]

    def list(self, **members):
        """List all pages."""
        pages = self.ecs.get_paginator("list_tasks").paginate(cluster=self.cluster, **members)
        return [arn for page in pages for arn in page["taskArns"]]

    def wait(self, arn, status="STOPPED", timeout=15, **members):
        """Poll until the task is in this state, and return it."""
        deadline = time.monotonic() + timeout
        while (task := self.describe(arn, **members))["lastStatus"] != status:
            assert time.monotonic() < deadline, f"still {task['lastStatus']}, not {status}"
            time.sleep(0.01)
        return task

    def end_of(self, *command, **members):
        """Run a task to its end, and return it."""
        return self.wait(self.run(*command, **members))

    def output(self, arn, container=None):
        stream = f"ecs/{container or self.container}/{arn.rsplit('/', 1)[1]}"
        answer = self.logs.get_log_events(
            logGroupName=self.log_group, logStreamName=stream, startFromHead=True
        )
        return [event["message"] for event in answer["events"]]

    def wait_for_output(self, arn, timeout=10):
        """Wait until a container wrote something, and return its lines."""
        self.wait(arn, "RUNNING")
        deadline = time.monotonic() + timeout
        while not (lines := self.output(arn)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return lines

    def stop_everything(self):
        """Stop what runs, and wait for it, so that the next test finds nothing."""
        for entry in self._unfinished():
            if entry["desiredStatus"] == "RUNNING":
                self.ecs.stop_task(cluster=entry["clusterArn"], task=entry["taskArn"])
        deadline = time.monotonic() + 10
        while self._unfinished():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _unfinished(self):
        return [
            entry
            for entry in self.fargate.ledger()
            if entry["lastStatus"] != "STOPPED" and not entry["neverSeen"]
        ]

    def ledger(self, arn):
        return next(entry for entry in self.fargate.ledger() if entry["taskArn"] == arn)

    def history(self, arn):
        return [step["status"] for step in self.ledger(arn)["history"]]

    def register(self, family, *containers, **members):
        """Register a task definition and return its ``family:revision``."""
        answer = self.ecs.register_task_definition(
            **{
                "family": family,
                "requiresCompatibilities": ["FARGATE"],
                "networkMode": "awsvpc",
                "cpu": "256",
                "memory": "512",
                "containerDefinitions": [{"image": "any", **container} for container in containers],
                **members,
            }
        )["taskDefinition"]
        return f"{answer['family']}:{answer['revision']}"


@pytest.fixture(scope="session")
def _shared_account():
    with LocalFargate(QUICK) as fargate:
        wanted = Wanted(
            environment={"FROM_DEFINITION": "definition", "SHADOWED": "definition"}, stop_timeout=1
        )
        yield Account(fargate, create(fargate, wanted))


@pytest.fixture
def account(_shared_account):
    """Yield an account whose server has quick settings and no faults, whatever the test before left."""
    _shared_account.fargate.configure(**QUICK)
    yield _shared_account
    _shared_account.fargate.configure(
        **QUICK,
        stopped_retention=3600,
        missing_for=0,
        latency={},
        rate_limits=[],
        vcpu_quota=None,
        pretend=None,
        faults=[],
        log_lag=0,
        log_empty_pages=0,
        seed=None,
    )
    _shared_account.stop_everything()
