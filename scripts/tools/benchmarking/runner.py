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
"""Runs one scenario for one executor: a local Fargate and the executor, each in a process of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.benchmarking.scenarios import STOPPING_TIME, Scale, Scenario
from tools.benchmarking.service import Service
from tools.harness.environment import REPOSITORY
from tools.harness.fargate_process import LocalFargate

if TYPE_CHECKING:
    from tools.benchmarking.seen import Seen

#: Seconds until a process that has told its result must have ended.
_GRACE = 10
#: What is imported once, where it is installed; each executor's process is a fork of the one that did.
_PRELOADED = [
    "airflow.executors.fargate.fleet.thread",
    "airflow.executors.fargate_executor",
    "airflow.providers.amazon.aws.executors.ecs",
    "tools.benchmarking.at_scale",
]


class BenchmarkError(Exception):
    """A measurement failed; the message says how, with the end of its log."""


@contextlib.contextmanager
def airflow_home() -> Iterator[Path]:
    """Give Airflow a home of its own, nothing of the user's settings, and no credentials; remove it afterwards."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="fargate-benchmark-") as folder:
        for name in list(os.environ):
            if name.startswith(("AIRFLOW__", "AIRFLOW_CONN_", "AWS_")):
                del os.environ[name]
        os.environ |= {
            "AIRFLOW_HOME": folder,
            "AIRFLOW__API_AUTH__JWT_SECRET": "of no value, but long enough for a signature with SHA-512 ......",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        try:
            yield Path(folder)
        finally:
            os.environ.clear()
            os.environ.update(before)


class LocalServices:
    """
    The local Fargate to measure on: a new one for each run, or always the same, emptied.

    :param scale: the limits, and which of the two it is
    :param folder: for logs
    """

    def __init__(self, scale: Scale, folder: Path) -> None:
        self.scale = scale
        self.folder = folder
        self._fargate: LocalFargate | None = None

    def __enter__(self) -> LocalServices:
        return self

    def __exit__(self, *_: object) -> None:
        if self._fargate:
            self._fargate.stop()

    def service(self) -> Service:
        """Return a local Fargate in which nothing runs."""
        if self._fargate is None or self.scale.fresh:
            self.__exit__()
            self._fargate = LocalFargate(
                Path(sys.executable),
                Path(tempfile.mkdtemp(dir=self.folder)),
                {"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": str(self.folder)},
                stopping_time=STOPPING_TIME,
                pretend={"duration": 1},
            )
            self._fargate.start()
        self._fargate.reset()
        service = Service(self._fargate.told, self.scale, time.time())
        service.end_everything()
        return service


def run(executor: str, scenario: Scenario, services: LocalServices) -> Seen:
    """
    Measure, and return what was seen.

    :raises BenchmarkError: the executor's process failed
    """
    for factor in (1, 2, 4, 8):
        patient = dataclasses.replace(scenario, ramp=scenario.ramp * factor)
        seen = _in_process(executor, patient, services.service(), services.scale, services.folder)
        if seen is not None:
            return seen
    raise BenchmarkError(f"This machine is too slow or too busy for {scenario.name}.")


def _in_process(
    executor: str, scenario: Scenario, service: Service, scale: Scale, folder: Path
) -> Seen | None:
    """Measure in a process that does nothing else; None where the preparation took longer than planned."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    ours, theirs = context.Pipe(duplex=False)
    log = folder / f"{scenario.name}-{executor}.log"
    process = context.Process(target=_measure, args=(theirs, executor, scenario, scale, service, log))
    process.start()
    theirs.close()
    try:
        result = ours.recv()
        process.join(_GRACE)
    except EOFError:
        result = f"{executor} ended while {scenario.name} was measured:\n{_tail(log)}"
    finally:
        process.kill()
        process.join()
    if isinstance(result, str):
        raise BenchmarkError(result)
    return result


def _measure(
    connection: Connection, executor: str, scenario: Scenario, scale: Scale, service: Service, log: Path
) -> None:
    """Measure in this process, and send what was seen, or what went wrong."""
    _send_output_to(log)
    from tools.benchmarking import at_scale, procedures
    from tools.benchmarking.seen import Seen

    from tests.bench.scheduler import Overdue

    seen = Seen()
    try:
        known = procedures.PROCEDURES | at_scale.PROCEDURES
        known[scenario.kind](procedures.Bench(executor, scenario, scale, service), seen)
    except Overdue:
        seen.finished = False
    except procedures.Late:
        connection.send(None)
        return
    except Exception:
        connection.send(f"{executor}, {scenario.name}:\n{traceback.format_exc()}")
        return
    seen.tasks = service.tasks()
    connection.send(seen)


def _send_output_to(log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(descriptor, stream.fileno())
    os.close(descriptor)


def _tail(log: Path, lines: int = 30) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


def ceiling(seconds: float) -> dict[str, Any]:
    """Return how many DescribeTasks of 100 tasks a second the local Fargate answers when it is asked incessantly."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.simulator.measure", "--seconds", str(seconds)],
        check=True,
        capture_output=True,
        text=True,
        cwd=REPOSITORY / "scripts",
    )
    return json.loads(done.stdout)
