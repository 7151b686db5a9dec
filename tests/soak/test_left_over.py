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
"""No thread, socket or file is left over, over real HTTP and with real threads."""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path

import pytest

from airflow.executors.fargate.aws.clients import THREAD_NAMES
from airflow.executors.fargate_executor import FargateExecutor
from airflow.utils.state import TaskInstanceState

from tests.bench.scheduler import Scheduler
from tests.bench.service import local_fargate
from tests.bench.work import make_key

#: How often an executor begins and ends, with how many tasks each time.
LIVES, TASKS = 5, 20
DESCRIPTORS = Path("/proc/self/fd")


@pytest.fixture
def fargate(tmp_path, monkeypatch):
    """Yield a local Fargate beside us that only pretends to run anything, and whose calls fail now and then."""
    faults = [{"kind": kind, "operation": "*", "probability": 0.05} for kind in ("reset", "server_error")]
    with local_fargate(tmp_path, monkeypatch, faults=faults) as server:
        yield server


def lead_a_life(number):
    """Start an executor, run tasks through it to their ends, and end it."""
    executor = FargateExecutor()
    executor.start()
    scheduler = Scheduler(executor, interval=0.02)
    keys = [make_key(f"task{number}-{task}") for task in range(TASKS)]
    for key in keys:
        scheduler.queue(key)
    scheduler.until(lambda: len(scheduler.ends) == TASKS)
    assert {scheduler.ends[key][0] for key in keys} == {TaskInstanceState.SUCCESS}
    executor.end()


def left():
    """Return the threads and what the file descriptors of this process lead to, once garbage is gone."""
    gc.collect()
    threads = sorted(thread.name for thread in threading.enumerate())
    return threads, sorted(_target(descriptor).split(":")[0] for descriptor in os.listdir(DESCRIPTORS))


def _target(descriptor):
    try:
        return os.readlink(DESCRIPTORS / descriptor)
    except FileNotFoundError:  # That of the listing itself.
        return ""


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="file descriptors are listed on Linux alone")
def test_lives_leave_nothing_behind(fargate):
    """After five executors one after the other, there are the threads, sockets and files of before."""
    lead_a_life(0)  # What the first one imports and opens for good is not the executor's own.
    settled(lambda: not [name for name in left()[0] if name.startswith(THREAD_NAMES)])
    before = left()
    for number in range(1, LIVES + 1):
        lead_a_life(number)
    settled(lambda: left() == before)
    assert left() == before


def settled(condition):
    """Wait for a moment, which threads that were told to end may take."""
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
