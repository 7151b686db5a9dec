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
"""ministack, an ECS on this machine that others have written, in the place of the local Fargate."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from tools.comparing.rows import MINISTACK
from tools.harness.environment import REPOSITORY, VENVS
from tools.harness.fargate_process import LocalFargate
from tools.harness.processes import HarnessError, Process, free_port, wait_until
from tools.simulator import bootstrap

NAME = MINISTACK
#: The folder whose ``docker`` starts processes: ministack starts containers by the package of that name.
STAND_IN = REPOSITORY / "scripts" / "tools" / "comparing" / "stand_in"
REGION = "us-east-1"
#: The most ECS tasks that one DescribeTasks takes.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
MOST = 100


class Ministack(LocalFargate):
    """ministack with a cluster, a task definition and a network of its own; it has no faults to adjust, and no gates."""

    title = NAME

    @property
    def region(self) -> str:
        return REGION

    def start(self) -> None:
        """Start it on a free port of the loopback interface, and create what the executors need."""
        port = free_port()
        containers = self._folder / "containers"
        containers.mkdir()
        env = {
            "PATH": self._container_env["PATH"],
            "TMPDIR": self._container_env["TMPDIR"],
            "HOME": str(self._folder),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            # This one listens on all interfaces, whatever BIND_HOST says.
            "IOT_MTLS_ENABLED": "0",
            "PYTHONPATH": str(STAND_IN),
            "STAND_IN_FOLDER": str(containers),
        }
        log = self._folder / f"{NAME}.log"
        python = VENVS / NAME / "bin" / "python"
        self._process = Process(NAME, [python, "-m", NAME], env=env, log=log, cwd=self._folder)
        self.told = {"endpoint_url": f"http://127.0.0.1:{port}", "region": REGION}
        wait_until(self._answers, timeout=60, what=f"{NAME} to start")
        created = bootstrap.create(self, bootstrap.Wanted(environment=self._container_env))
        self.told |= created.to_json()

    def default_network(self) -> tuple[list[str], list[str]]:
        """Return the subnets and the security groups of the default network."""
        ec2 = self.client("ec2")
        subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]]
        return subnets, [group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"]][:1]

    def tasks(self) -> list[dict[str, Any]]:
        """Return every ECS task that can be described, with what the local Fargate's ledger has of it."""
        ecs, cluster = self.client("ecs"), self.told["cluster"]
        arns = {
            arn
            for status in ("RUNNING", "STOPPED")
            for page in ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus=status)
            for arn in page["taskArns"]
        }
        listed = sorted(arns)
        found: list[dict[str, Any]] = []
        for first in range(0, len(listed), MOST):
            found += ecs.describe_tasks(cluster=cluster, tasks=listed[first : first + MOST])["tasks"]
        return sorted(map(ledger_entry, found), key=lambda entry: entry["createdAt"])

    def pid(self, ecs_task_id: str) -> int:
        """Return the number of the process that an ECS task's first container is."""
        name = f"ministack-ecs-{ecs_task_id[:8]}-{self.told['container_name']}.pid"
        return int((self._folder / "containers" / name).read_text())

    def adjust(self, **settings: Any) -> None:
        """Do nothing: an image that is not there is missed by the stand-in."""

    def reset(self) -> None:
        """Do nothing."""

    def _answers(self) -> bool:
        if self._process.exit_code is not None:
            raise HarnessError(f"{NAME} ended with {self._process.exit_code}:\n{self._process.tail()}")
        try:
            with urllib.request.urlopen(
                f"{self.told['endpoint_url']}/_ministack/health", timeout=5
            ) as answer:
                return bool(json.load(answer))
        except OSError:
            return False


def ledger_entry(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return what DescribeTasks says of an ECS task as the local Fargate's ledger has it."""
    overrides: Sequence[Mapping[str, Any]] = described["overrides"]["containerOverrides"]
    return {
        **described,
        "createdAt": described["createdAt"].timestamp(),
        "containers": [{"command": override.get("command", [])} for override in overrides],
    }


def installed_version() -> str:
    """Return the version in the environment that ``scripts/compare --on ministack`` has made."""
    (found,) = VENVS.glob(f"{NAME}/lib/python*/site-packages/{NAME}-*.dist-info")
    return found.name.removeprefix(f"{NAME}-").removesuffix(".dist-info")
