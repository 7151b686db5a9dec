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
"""The local Fargate as a measurement sees it: its settings, its ledger, its count of calls."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

from tools.benchmarking.scenarios import LATENCY, Scale
from tools.benchmarking.seen import Calls, Task

#: Seconds; the ledger of 6,000 tasks is long.
_TIMEOUT = 120


class Service:
    """
    Asks the local Fargate under ``/_fargate``.

    :param told: what it says of itself
    :param scale: the limits in force while something is measured
    :param since: tasks that are older are of no interest; seconds since the epoch
    """

    def __init__(self, told: Mapping[str, Any], scale: Scale, since: float) -> None:
        self.told = told
        self._since = since
        self._scale = scale

    def adjust(self, **settings: Any) -> None:
        """Change some of its settings; they hold for what happens from now on."""
        self._ask("PATCH", "settings", settings)

    def be_like_aws(self) -> None:
        """Take time for each call, keep to the limits, with full buckets, and count calls from now on."""
        limits = (
            (["RunTask", "StopTask"], self._scale.run_limit),
            (["DescribeTasks", "ListTasks"], self._scale.describe_limit),
        )
        self.adjust(
            latency={"*": LATENCY},
            rate_limits=[
                {"operations": operations, "rate": limit.rate, "burst": limit.burst}
                for operations, limit in limits
            ],
        )
        self.forget_calls()

    def be_quick(self) -> None:
        """Answer as fast as it can, whatever comes: for what is not measured."""
        self.adjust(latency={}, rate_limits=[])

    def forget_calls(self) -> None:
        """Count calls from now on."""
        self._ask("DELETE", "calls")

    def calls(self) -> Calls:
        """Return how often each operation came, by its result."""
        return self._ask("GET", "calls")

    def tasks(self) -> list[Task]:
        """Return every task that was started for one of our task instances."""
        entries = [entry for entry in self._ask("GET", "tasks")["tasks"] if entry["createdAt"] >= self._since]
        return [_task(entry) for entry in entries if entry["containers"][0]["command"][-1:] != [OTHERS]]

    def put_stopped(self, request: Mapping[str, Any], count: int) -> None:
        """Put so many tasks there that a RunTask has started and that have ended well by now."""
        self._ask("POST", "tasks", {"request": request, "count": count})

    def end_everything(self) -> None:
        """End all containers that run."""
        self._ask("POST", "interruptions", {"kind": "maintenance"})

    def _ask(self, method: str, what: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.told['control_url']}/{what}", data, method=method)
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            return json.load(answer)


#: The command of tasks that are not the executor's.
OTHERS = "of somebody else"


def _task(entry: Mapping[str, Any]) -> Task:
    workload = json.loads(entry["containers"][0]["command"][-1])
    return Task(entry["taskArn"], workload["ti"]["task_id"], entry["createdAt"], entry.get("stoppedAt"))
