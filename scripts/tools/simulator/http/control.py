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
What tests and measurements ask of the server itself, under ``/_fargate``.

==========================  =====================================================================
``GET settings``            the settings
``PUT settings``            replaces all of them; what is not named takes its default
``PATCH settings``          replaces only what is named
``GET tasks``               every task that was ever started, with its history; none that was put there
``POST tasks``              ``{"request": a RunTask's, "count": …}`` puts tasks there that have ended well
``POST interruptions``      ``{"kind": …, "task": ARN or id, "warning": s}`` ends a task, or, without
                            ``task``, all that are RUNNING, as the outside world would
``GET calls``               how often each operation came, by its result; ``DELETE`` starts over
``PUT gates``               ``{"name": {"operation": …, "holds": "call" or "answer", "containing": …}}`` holds
                            calls, or their answers, until another ``PUT``; ``GET`` tells how many wait
==========================  =====================================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tools.simulator import json_readers
from tools.simulator.aws_errors import AwsError
from tools.simulator.ecs.tasks import RUNNING, Task
from tools.simulator.http.server import Answer
from tools.simulator.settings import INTERRUPTIONS, Settings, SettingsError

if TYPE_CHECKING:
    from tools.simulator.ecs.lifecycle import Lifecycle
    from tools.simulator.ecs.task_store import TaskStore
    from tools.simulator.faults.gates import Gates
    from tools.simulator.faults.source import FaultSource
    from tools.simulator.http.application import CallCounter


class Control:
    """Answers ``/_fargate``, and the metadata that a container may ask for."""

    def __init__(
        self,
        store: TaskStore,
        lifecycle: Lifecycle,
        faults: FaultSource,
        calls: CallCounter,
        gates: Gates,
        put_stopped: Callable[[dict[str, Any], int], list[str]],
    ) -> None:
        self._store = store
        self._put_stopped = put_stopped
        self._lifecycle = lifecycle
        self._faults = faults
        self._calls = calls
        self._routes: dict[tuple[str, str], Callable[[bytes], Any]] = {
            ("GET", "/settings"): lambda body: self._faults.settings.to_json(),
            ("PUT", "/settings"): lambda body: self.configure(_json(body), Settings()),
            ("PATCH", "/settings"): lambda body: self.configure(_json(body), self._faults.settings),
            ("GET", "/tasks"): lambda body: {"tasks": self.ledger()},
            ("POST", "/tasks"): lambda body: {"taskArns": self.put_stopped(_json(body))},
            ("POST", "/interruptions"): lambda body: {"taskArns": self.interrupt(_json(body))},
            ("GET", "/calls"): lambda body: self._calls.to_json(),
            ("DELETE", "/calls"): lambda body: self._calls.clear() or {},
            ("GET", "/gates"): lambda body: gates.to_json(),
            ("PUT", "/gates"): lambda body: gates.close(_json(body)),
        }

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Answer a request; a mistake in it is told with status 400."""
        route = self._routes.get((method, path))
        if route is None:
            known = [f"{method} /_fargate{path}" for method, path in self._routes]
            return _answer(404, {"mistakes": ["there is no such thing here"], "known": known})
        try:
            return _answer(200, route(body))
        except SettingsError as error:
            return _answer(400, {"mistakes": error.mistakes})

    def configure(self, given: Any, base: Settings) -> dict[str, Any]:
        """
        Put settings in force.

        :raises SettingsError: they make no sense; nothing is changed then
        """
        settings = Settings.from_json(given, base)
        self._faults.replace(settings)
        return settings.to_json()

    def ledger(self) -> list[dict[str, Any]]:
        """Return every task that was ever started."""
        with self._store.lock:
            tasks = [task for task in self._store if not task.put]
        return [self._entry(task) for task in tasks]

    def put_stopped(self, given: Any) -> list[str]:
        """
        Put tasks there as if they had been started and had ended well, at no cost of time.

        :return: their ARNs
        :raises SettingsError: the request makes no sense
        """
        mistakes: list[str] = []
        values = json_readers.members(given, _STOPPED, "", mistakes)
        mistakes.extend(f"{name}: is missing" for name in _STOPPED if name not in values)
        if mistakes:
            raise SettingsError(mistakes)
        try:
            return self._put_stopped(values["request"], values["count"])
        except AwsError as error:
            raise SettingsError([f"request: {error}"]) from error

    def interrupt(self, given: Any) -> list[str]:
        """
        End one task, or all that are RUNNING.

        :return: the ARNs of the tasks concerned
        :raises SettingsError: the request makes no sense
        """
        given = dict(given) if isinstance(given, dict) else {}
        wanted = given.pop("task", None)
        fault = Settings.from_json({"faults": [given]}).faults[0]
        if fault.kind not in INTERRUPTIONS:
            raise SettingsError([f"kind: must be one of {', '.join(INTERRUPTIONS)}, not {fault.kind!r}"])
        with self._store.lock:
            tasks = [
                task
                for task in self._store
                if (wanted in (task.arn, task.id) if wanted else task.status == RUNNING)
            ]
            for task in tasks:
                self._lifecycle.interrupt(task, fault)
        return [task.arn for task in tasks]

    def metadata(self, path: str) -> Answer:
        """
        Answer a container that asks about its task.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html
        """
        parts = path.strip("/").split("/")
        runtime_id = parts[2] if len(parts) > 2 else ""
        with self._store.lock:
            for task in self._store:
                for container in task.containers:
                    if container.runtime_id == runtime_id:
                        facts = {
                            "Cluster": task.cluster_arn,
                            "TaskARN": task.arn,
                            "Family": task.family,
                            "LaunchType": task.launch_type,
                        }
                        own = {"DockerId": runtime_id, "Name": container.name, "ContainerARN": container.arn}
                        return _answer(200, facts if parts[3:] == ["task"] else own)
        return _answer(404, {})

    def _entry(self, task: Task) -> dict[str, Any]:
        with self._store.lock:
            return task.ledger_entry()


def _object(value: Any, key: str, mistakes: list[str]) -> Any:
    if not isinstance(value, dict):
        json_readers.wrong(key, "an object", value, mistakes)
    return value


_STOPPED: dict[str, json_readers.Reader] = {"request": _object, "count": json_readers.whole_number(1)}


def _json(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except ValueError as error:
        raise SettingsError([f"the body is not JSON: {error}"]) from error


def _answer(status: int, content: Any) -> Answer:
    return Answer(status, [("Content-Type", "application/json")], json.dumps(content).encode() + b"\n")
