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
"""The local Fargate, running beside us, and what it remembers of the tasks that it ran."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.harness.environment import REPOSITORY
from tools.harness.processes import HarnessError, Process, wait_until

#: Seconds that it may take to answer: it may stand still as long as the machine does.
ANSWER_TIMEOUT = 60.0


class LocalFargate:
    """``scripts/local_fargate.py`` with a cluster, a task definition and a network of its own."""

    #: What a reader is told that it is.
    title = "the local Fargate"

    def __init__(
        self,
        python: Path,
        folder: Path,
        container_env: Mapping[str, str],
        preload: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        """
        Prepare it.

        :param container_env: goes into the task definition
        :param preload: Python modules that are imported once for all containers that run a Python module
        :param settings: the local Fargate's own
        """
        self._preload = preload
        self._python = python
        self._folder = folder
        self._container_env = dict(container_env)
        self._settings = settings
        self._process: Process | None = None
        #: What it says of itself once it runs: endpoint_url, region, cluster, task_definition and so on.
        self.told: dict[str, Any] = {}

    def start(self) -> None:
        """Start it and wait until it answers."""
        ready = self._folder / "fargate.json"
        command = [self._python, REPOSITORY / "scripts" / "local_fargate.py", "--port", "0", "--setup"]
        command += ["--ready-file", ready, "--settings", json.dumps(self._settings)]
        for module in self._preload:
            command += ["--preload", module]
        for name, value in self._container_env.items():
            command += ["--container-env", f"{name}={value}"]
        env = {"PATH": self._container_env["PATH"], "TMPDIR": self._container_env["TMPDIR"]}
        self._process = Process("local Fargate", command, env=env, log=self._folder / "fargate.log")
        wait_until(lambda: self._is_ready(ready), timeout=60, what="the local Fargate to start")
        self.told = json.loads(ready.read_text())

    def tasks(self) -> list[dict[str, Any]]:
        """Return every task that it ever started, the oldest first."""
        return self._call("GET", "tasks")["tasks"]

    def pid(self, ecs_task_id: str) -> int:
        """Return the number of the process that an ECS task's first container is."""
        (entry,) = (task for task in self.tasks() if task["taskArn"].endswith(f"/{ecs_task_id}"))
        return int(entry["containers"][0]["pid"])

    def adjust(self, **settings: Any) -> None:
        """Change some of its settings; they hold for what happens from now on."""
        self._call("PATCH", "settings", settings)

    def reset(self) -> None:
        """Go back to the settings that it was started with, and let go what is held."""
        self._call("PUT", "settings", self._settings)
        self.hold()

    def hold(self, **gates: Mapping[str, Any]) -> None:
        """Hold the calls that these gates are for, by the gates' names, and let go what no gate holds any more."""
        self._call("PUT", "gates", gates)

    def held(self) -> dict[str, int]:
        """Return how many calls wait at each gate."""
        return {name: gate["waiting"] for name, gate in self._call("GET", "gates").items()}

    def calls(self) -> dict[str, dict[str, int]]:
        """Return how often each operation came, by its result."""
        return self._call("GET", "calls")

    def client(self, service: str) -> Any:
        """Return a boto3 client for it."""
        # Not every program that starts it needs boto3.
        import boto3

        session = boto3.session.Session("any", "key", region_name=self.told["region"])
        return session.client(service, endpoint_url=self.told["endpoint_url"])

    def lines(self, ecs_task_id: str) -> list[str]:
        """Return what CloudWatch has of an ECS task's main container; nothing before that has started."""
        logs = self.client("logs")
        place = {
            "logGroupName": self.told["log_group"],
            "logStreamName": f"ecs/{self.told['container_name']}/{ecs_task_id}",
        }
        try:
            events = logs.get_log_events(**place, startFromHead=True)["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in events]

    def register(
        self, family: str, *beside: Mapping[str, Any], image: str | None = None, **environment: str
    ) -> str:
        """
        Register a task definition that is the usual one but for its image and more in its environment; return its name.

        :param beside: further containers
        """
        ecs = self.client("ecs")
        usual = ecs.describe_task_definition(taskDefinition=self.told["task_definition"])["taskDefinition"]
        (container,) = usual["containerDefinitions"]
        container["image"] = image or container["image"]
        container["environment"] += [{"name": name, "value": value} for name, value in environment.items()]
        usual["containerDefinitions"] += beside
        members = ("requiresCompatibilities", "networkMode", "cpu", "memory", "containerDefinitions")
        made = ecs.register_task_definition(family=family, **{member: usual[member] for member in members})
        return f"{family}:{made['taskDefinition']['revision']}"

    def stop(self) -> None:
        """Stop it and every container that runs."""
        if self._process:
            self._process.stop()

    def _is_ready(self, ready: Path) -> bool:
        if self._process.exit_code is not None:
            raise HarnessError(
                f"The local Fargate ended with {self._process.exit_code}:\n{self._process.tail()}"
            )
        return ready.exists()

    def _call(self, method: str, what: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        address = f"{self.told['control_url']}/{what}"
        request = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT) as answer:
            return json.load(answer)
