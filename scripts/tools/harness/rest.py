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
"""Airflow's REST API, as a user's program asks it."""

from __future__ import annotations

import ast
import base64
import json
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tools.harness.settings import USER

if TYPE_CHECKING:
    from tools.harness.settings import Settings

#: Where the API of each major release begins.
ROOTS = {2: "/api/v1", 3: "/api/v2"}
#: Seconds.
TIMEOUT = 60


class RestApi:
    """The REST API of an Airflow that the harness runs, for its user."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def trigger(self, dag_id: str, run_id: str) -> None:
        """Start a DAG run."""
        body: dict[str, Any] = {"dag_run_id": run_id}
        if self._settings.release.major == 3:
            body["logical_date"] = None
        self.ask(f"/dags/{dag_id}/dagRuns", body)

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, **where: object) -> str:
        """
        Return the log of a try as the UI gets it: its sources, and its lines.

        :param where: which of several task instances: their ``map_index``, or ``region_id`` and ``region_index``
        """
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/logs/{try_number}"
        answer = self.ask(f"{path}?{urlencode({'full_content': 'true', **where})}")
        content = answer["content"]
        if isinstance(content, str):  # Airflow 2
            return content
        return "\n".join(
            "\n".join(str(source) for source in [line.get("event"), *(line.get("sources") or ())])
            for line in content
        )

    def lines(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> list[tuple[str, str]]:
        """Return the lines of a try's log with their times, which some do not have."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/logs/{try_number}"
        content = self.ask(f"{path}?full_content=true")["content"]
        if isinstance(content, str):  # Airflow 2: pairs of a host and its text, as Python writes them.
            text = "\n".join(text for _, text in ast.literal_eval(content))
            return [
                (line.partition("]")[0] if line.startswith("[") else "", line) for line in text.splitlines()
            ]
        return [(line.get("timestamp") or "", str(line.get("event"))) for line in content]

    def links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str | None]:
        """Return the buttons of a task instance, and where each leads; None where it is not shown."""
        told = self.ask(f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/links")
        links: dict[str, str | None] = told.get("extra_links", told)  # Airflow 2 has them alone.
        return links

    def events(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the events of a run in the audit log, the oldest first."""
        query = urlencode({"dag_id": dag_id, "run_id": run_id, "order_by": "when", "limit": 100})
        events: list[dict[str, Any]] = self.ask(f"/eventLogs?{query}")["event_logs"]
        return events

    def mark(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Set a task instance's state, as a user does."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}"
        self.ask(path, self._really({"new_state": state}), method="PATCH")

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Clear all task instances of tasks, in whatever state they are."""
        self._clear(dag_id, run_id, task_ids=task_ids)

    def clear_these(self, dag_id: str, run_id: str, uuids: Iterable[str]) -> None:
        """Clear the task instances with these UUIDs; 3.4 and newer."""
        self._clear(dag_id, run_id, task_instance_ids=list(uuids))

    def _clear(self, dag_id: str, run_id: str, **which: Sequence[str]) -> None:
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": False, **which}
        self.ask(f"/dags/{dag_id}/clearTaskInstances", body)

    def fail_run(self, dag_id: str, run_id: str) -> None:
        """Mark a DAG run as failed."""
        self.ask(f"/dags/{dag_id}/dagRuns/{quote(run_id)}", {"state": "failed"}, method="PATCH")

    def delete_run(self, dag_id: str, run_id: str) -> None:
        """Delete a DAG run that does not run any more."""
        self.ask(f"/dags/{dag_id}/dagRuns/{quote(run_id)}", method="DELETE")

    def ask(self, path: str, body: Mapping[str, Any] | None = None, method: str | None = None) -> Any:
        """Ask for a path below the API's root, or, with a body, have something made there, or as the method says."""
        root = ROOTS[self._settings.release.major]
        return self._call(f"{root}{path}", body, {"Authorization": self._authorization()}, method)

    def _really(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a body with which Airflow 2, too, does more than to tell what it would do."""
        return {"dry_run": False, **body} if self._settings.release.major == 2 else body

    def _authorization(self) -> str:
        if self._settings.release.major == 2:
            return f"Basic {base64.b64encode(f'{USER}:{self._settings.password}'.encode()).decode()}"
        who = {"username": USER, "password": self._settings.password}
        return f"Bearer {self._call('/auth/token', who, {})['access_token']}"

    def _call(
        self,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        method: str | None = None,
    ) -> Any:
        request = urllib.request.Request(
            self._settings.address + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", "Accept": "application/json", **headers},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            # What was deleted has no answer.
            return json.loads(answer.read() or b"null")
