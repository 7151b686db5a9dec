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
"""The local Fargate, put together."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import boto3

from tools.simulator.containers.host import METADATA_VARIABLE, ContainerHost
from tools.simulator.containers.logs import open_log
from tools.simulator.ecs.lifecycle import Lifecycle
from tools.simulator.ecs.log_reading import LogReading
from tools.simulator.ecs.moto_side import MotoSide
from tools.simulator.ecs.operations import Operations
from tools.simulator.ecs.task_store import TaskStore
from tools.simulator.ecs.tasks import new_id
from tools.simulator.faults.gates import Gates
from tools.simulator.faults.source import FaultSource
from tools.simulator.http.application import Application, CallCounter
from tools.simulator.http.control import Control
from tools.simulator.http.server import HttpServer
from tools.simulator.settings import DEFAULT_REGION, Settings
from tools.simulator.timers import Timers


class LocalFargate:
    """
    ECS on Fargate and CloudWatch Logs on a port of this machine, as a context manager.

    moto's state belongs to the Python process: two of these in one process share clusters, task
    definitions and logs, but not tasks.

    :param settings: a ``Settings``, or what ``Settings.from_json`` reads
    :param host: an address of the loopback interface
    :param port: 0 takes a free one
    :param preload: Python modules that are imported once for all containers that run a Python module
    :raises ValueError: ``host`` is another, or the settings make no sense
    """

    def __init__(
        self,
        settings: Settings | dict[str, Any] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        region: str = DEFAULT_REGION,
        preload: Sequence[str] = (),
    ) -> None:
        self.region = region
        self._preload = preload
        self._settings = settings if isinstance(settings, Settings) else Settings.from_json(settings or {})
        self._http = HttpServer((host, port), lambda request: self._application.answer(request))

    def start(self) -> LocalFargate:
        """Begin to answer."""
        self._faults = FaultSource(self._settings)
        self._store = TaskStore(retention=lambda: self._faults.settings.stopped_retention)
        self._timers = Timers()
        self._timers.start()
        self._moto = moto = MotoSide()
        marker = f"{METADATA_VARIABLE}={self.endpoint_url}/v4/{new_id()}"
        self._host = ContainerHost(marker, self._timers, functools.partial(open_log, moto), self._preload)
        lifecycle = Lifecycle(self._store, self._timers, self._host)
        self._calls, gates = CallCounter(), Gates()
        operations = Operations(self._store, lifecycle, self._faults, moto)
        put_stopped = lambda request, count: operations.put_stopped(request, self.region, count)
        self._control = Control(self._store, lifecycle, self._faults, self._calls, gates, put_stopped)
        self._application = Application(
            operations,
            LogReading(moto, self._faults),
            moto,
            self._faults,
            self._control,
            self._calls,
            gates,
            self.region,
        )
        self._http.start()
        return self

    def close(self) -> None:
        """Stop answering, and end every process that was started."""
        self._http.close()
        self._timers.close()
        self._host.close()

    @property
    def endpoint_url(self) -> str:
        return self._http.url

    @property
    def settings(self) -> Settings:
        return self._faults.settings

    def configure(self, **changes: Any) -> None:
        """Change settings while it runs; values as in JSON, what is not named stays."""
        self._control.configure(changes, self._faults.settings)

    def put_stopped(self, request: dict[str, Any], count: int) -> list[str]:
        """Put so many tasks there that a RunTask has started and that have ended well; return their ARNs."""
        return self._control.put_stopped({"request": request, "count": count})

    def ledger(self) -> list[dict[str, Any]]:
        """Return every task that was ever started, as ``GET /_fargate/tasks`` does."""
        return self._control.ledger()

    def calls(self) -> dict[str, dict[str, int]]:
        """Return how often each operation came, by its result, as ``GET /_fargate/calls`` does."""
        return self._calls.to_json()

    def strikes(self) -> dict[tuple[str, str], int]:
        """
        Return how often each fault has struck, by its kind and its operation.

        So are ``latency`` by the operation, and by ``*`` what else was met: ``missing_for`` and ``stopped_retention`` in
        an answer of DescribeTasks, ``vcpu_quota`` in one of RunTask.
        """
        return dict(self._faults.strikes)

    def default_network(self) -> tuple[list[str], list[str]]:
        """Return the ids of the default VPC's subnets and security groups."""
        return self._moto.default_network(self.region)

    def client(self, service: str, **arguments: Any) -> Any:
        """Return a boto3 client that talks to this server; ``arguments`` are those of ``client()``."""
        session = boto3.Session(
            aws_access_key_id="local", aws_secret_access_key="local", region_name=self.region
        )
        return session.client(service, endpoint_url=self.endpoint_url, **arguments)

    def __enter__(self) -> LocalFargate:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
