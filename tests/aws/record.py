#!/usr/bin/env python3
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
"""
Make the recordings of the local Fargate and of ministack anew, through the recorder of ``scripts/aws/verify``::

    PYTHONPATH=scripts:. .venvs/airflow-3.4/bin/python tests/aws/record.py

They show what a recording is until there is one from AWS; what these two answer is not what AWS does.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from tools.aws.inside.recorder import Recorder
from tools.harness.environment import locked_environment
from tools.harness.ministack import NAME, MinistackServer, installed_version
from tools.harness.releases import NEWEST, RELEASES
from tools.simulator.bootstrap import Wanted, create
from tools.simulator.server import LocalFargate

RECORDINGS = Path(__file__).parent / "recordings"
CLUSTER, CONTAINER, FAMILY = "verify", "airflow", "verify-task"
#: Quick enough to wait for, slow enough for DescribeTasks to see each state.
QUICK = {"provisioning_time": 0.2, "stopping_time": 0.1}
#: Seconds that an ECS task may take.
PATIENCE = 30.0


@dataclass(frozen=True)
class Aws:
    """Something that answers as AWS, with a cluster and a task definition, and the recorder of what it says."""

    ecs: Any
    logs: Any
    network: Mapping[str, Any]
    recorder: Recorder

    def run(self, *command: str, **members: Any) -> dict[str, Any]:
        """Call RunTask and return its answer."""
        identity = {"name": "AIRFLOW_FARGATE_LAUNCH", "value": '{"launch_id": "any"}'}
        secret = {"name": "AIRFLOW__API_AUTH__JWT_SECRET", "value": "a-secret"}
        override = {"name": CONTAINER, "command": list(command), "environment": [identity, secret]}
        usual = {
            "cluster": CLUSTER,
            "taskDefinition": FAMILY,
            "launchType": "FARGATE",
            "startedBy": "airflow-verify",
            "clientToken": uuid.uuid4().hex,
            "networkConfiguration": self.network,
            "overrides": {"containerOverrides": [override]},
        }
        return self.ecs.run_task(**usual | members)

    def start(self, *command: str, **members: Any) -> str:
        """Start an ECS task; return its ARN."""
        return self.run(*command, **members)["tasks"][0]["taskArn"]

    def wait(self, arn: str, status: str = "STOPPED") -> dict[str, Any]:
        """Ask for an ECS task until it has this status; return it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            tasks = self.ecs.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"]
            if tasks and tasks[0]["lastStatus"] == status:
                return tasks[0]
            time.sleep(0.1)
        raise TimeoutError(f"{arn} did not become {status}")

    def end(self, arn: str, *words: str) -> dict[str, Any]:
        """Return how an ECS task ended; the words are those of a failure."""
        # ministack's containers that are stopped have exit code 0.
        is_well = self.wait(arn)["containers"][0].get("exitCode") == 0
        return {
            "ecs_task": arn,
            "state": "success" if is_well else "failed",
            "words": [] if is_well else list(words),
        }

    def refused(self, call: Callable[..., Any], **request: Any) -> None:
        """Make a call that is answered with an error."""
        with contextlib.suppress(ClientError):
            call(**request)


Seen = list[dict[str, Any]]


def dag(aws: Aws) -> Seen:
    """Run an ECS task that ends well, and read its log."""
    arn = aws.start("sh", "-c", "echo hello; sleep 0.4")
    end = aws.end(arn)
    stream = f"ecs/{CONTAINER}/{arn.rpartition('/')[2]}"
    for name in (stream, "ecs/airflow/none"):
        aws.refused(
            aws.logs.get_log_events, logGroupName="/ecs/airflow", logStreamName=name, startFromHead=True
        )
    return [end]


def killed(aws: Aws) -> Seen:
    """Run ECS tasks whose process fails, and is killed."""
    ends = {"1": aws.start("sh", "-c", "exit 1"), "137": aws.start("sh", "-c", "kill -9 $$")}
    return [aws.end(arn, f"code {code}") for code, arn in ends.items()]


def stopped(aws: Aws) -> Seen:
    """Stop an ECS task that runs, and list what has run."""
    arn = aws.start("sleep", "60")
    aws.wait(arn, "RUNNING")
    aws.ecs.stop_task(cluster=CLUSTER, task=arn, reason="Stopped by somebody")
    end = aws.end(arn, "Stopped by somebody")
    for more in ({"startedBy": "airflow-verify"}, {"desiredStatus": "STOPPED"}):
        list(aws.ecs.get_paginator("list_tasks").paginate(cluster=CLUSTER, maxResults=2, **more))
    return [end]


def words(aws: Aws) -> Seen:
    """Make wrong requests."""
    wrong: tuple[Mapping[str, Any], ...] = (
        {"cluster": "none"},
        {"taskDefinition": "none"},
        {"overrides": {"containerOverrides": [{"name": "none", "command": ["true"]}]}},
        {"launchType": "FARGATE", "platformVersion": "9.9.9"},
    )
    for members in wrong:
        aws.refused(aws.run, **members)
    aws.refused(aws.ecs.stop_task, cluster=CLUSTER, task="0" * 32)
    aws.refused(aws.ecs.describe_tasks, cluster="none", tasks=["0" * 32])
    aws.ecs.describe_tasks(cluster=CLUSTER, tasks=["0" * 32])
    return []


@contextlib.contextmanager
def local_fargate(folder: Path) -> Iterator[tuple[Aws, LocalFargate]]:
    """Start the local Fargate."""
    with LocalFargate(QUICK) as fargate:
        made = create(fargate, Wanted(CLUSTER, FAMILY, CONTAINER, {"PATH": os.environ["PATH"]}))
        network = {"subnets": made.subnets, "securityGroups": made.security_groups}
        aws = Aws(
            fargate.client("ecs"),
            fargate.client("logs"),
            {"awsvpcConfiguration": network},
            Recorder(folder, "local Fargate"),
        )
        yield aws, fargate


@contextlib.contextmanager
def ministack(folder: Path) -> Iterator[Aws]:
    """Start ministack."""
    locked_environment(NAME, RELEASES[NEWEST])
    server = MinistackServer(folder, {"PATH": os.environ["PATH"]})
    server.start()
    try:
        ecs = server.client("ecs")
        ecs.create_cluster(clusterName=CLUSTER)
        container = {"name": CONTAINER, "image": "local/airflow", "essential": True}
        ecs.register_task_definition(
            family=FAMILY,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            containerDefinitions=[container],
        )
        subnets = server.client("ec2").describe_subnets()["Subnets"]
        network = {"awsvpcConfiguration": {"subnets": [subnets[0]["SubnetId"]]}}
        yield Aws(ecs, server.client("logs"), network, Recorder(folder, f"ministack {installed_version()}"))
    finally:
        server.stop()


def faults(fargate: LocalFargate, aws: Aws) -> Seen:
    """Have the local Fargate throttle, lack capacity, be away, and not find an image."""
    for kind in ("throttle", "capacity", "server_error"):
        fargate.configure(faults=[{"kind": kind, "times": 1}])
        aws.refused(aws.run)
    reason = "CannotPullContainerError: pull image manifest has been retried 1 time(s): docker.io/any/none: not found"
    fargate.configure(faults=[{"kind": "start_failure", "times": 1, "reason": reason}], missing_for=0.2)
    return [aws.end(aws.start("true"), "CannotPullContainerError")]


def keep(aws: Aws, name: str, trial: str, make: Callable[[], Seen]) -> None:
    """Write the recording of what happens while ``make`` runs."""
    aws.recorder.take("before")
    seen = make()
    recording = aws.recorder.take(trial, seen)
    text = json.dumps(recording, indent=1) + "\n"
    (RECORDINGS / f"{name}-{trial}.json").write_text(text)
    sys.stdout.write(f"{name}-{trial}.json: {len(recording['exchanges'])} exchanges, {len(text)} bytes\n")


def main() -> None:
    """Make all recordings."""
    trials = (dag, killed, stopped, words)
    with tempfile.TemporaryDirectory() as folder, local_fargate(Path(folder)) as (aws, fargate):
        aws.recorder.install()
        for trial in trials:
            keep(aws, "local-fargate", trial.__name__, lambda trial=trial: trial(aws))
        keep(aws, "local-fargate", "faults", lambda: faults(fargate, aws))
    with tempfile.TemporaryDirectory() as folder, ministack(Path(folder)) as aws:
        aws.recorder.install()
        for trial in trials:
            keep(aws, "ministack", trial.__name__, lambda trial=trial: trial(aws))


if __name__ == "__main__":
    main()
