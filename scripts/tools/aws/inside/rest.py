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
"""Airflow's REST API, for the one user that there is."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tools.aws.inside.components import USER

if TYPE_CHECKING:
    from tools.aws.inside.settings import Settings

#: Seconds.
TIMEOUT = 60
#: The most rows of an answer: [api] maximum_page_limit.
PAGE = 100
COMPONENTS = "scheduler", "dag_processor", "triggerer"


class RestApi:
    """
    The REST API of Airflow 3.

    Every method raises ``urllib.error.URLError``, or its HTTPError, where there is no good answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._token = ""

    def is_well(self) -> bool:
        """Whether the API server answers and all other components are healthy."""
        try:
            health = self._call("/api/v2/monitor/health", {})
        except OSError:
            return False
        return all(health[name]["status"] == "healthy" for name in COMPONENTS)

    def has_dag(self, dag_id: str) -> bool:
        """Whether the Dag processor has read a Dag."""
        try:
            self.ask(f"/dags/{dag_id}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return False
            raise
        return True

    def import_errors(self) -> list[str]:
        """Return why Dag files cannot be read."""
        return [str(error["stack_trace"]) for error in self._pages("/importErrors", "import_errors")]

    def trigger(self, dag_id: str, run_id: str) -> None:
        """Start a Dag run."""
        self.ask(f"/dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None})

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a Dag run."""
        return str(self.ask(f"/dags/{dag_id}/dagRuns/{quote(run_id)}")["state"])

    def fail_run(self, dag_id: str, run_id: str) -> None:
        """Mark a Dag run as failed, and its task instances with it."""
        self.ask(f"/dags/{dag_id}/dagRuns/{quote(run_id)}", {"state": "failed"}, method="PATCH")

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a Dag run."""
        return list(self._pages(f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances", "task_instances"))

    def events(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the events of a Dag run in the audit log, such as the executor's notes."""
        return list(self._pages("/eventLogs", "event_logs", dag_id=dag_id, run_id=run_id))

    def ask(self, path: str, body: Mapping[str, Any] | None = None, method: str | None = None) -> Any:
        """Ask for a path below the API's root, or, with a body, have something made there."""
        if not self._token:
            who = {"username": USER, "password": self._settings.password}
            self._token = self._call("/auth/token", {}, who)["access_token"]
        return self._call(f"/api/v2{path}", {"Authorization": f"Bearer {self._token}"}, body, method)

    def _pages(self, path: str, member: str, **query: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = self.ask(f"{path}?{urlencode({'limit': PAGE, 'offset': offset, **query})}")
            yield from page[member]
            offset += PAGE
            if offset >= page["total_entries"]:
                return

    def _call(
        self,
        path: str,
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        method: str | None = None,
    ) -> Any:
        request = urllib.request.Request(
            self._settings.api + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", "Accept": "application/json", **headers},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return json.load(answer)
