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
A long life in a short time: 200,000 tasks through the executor under a fake clock leave nothing behind.

The executor, its base class, the fleet, the requests and their checks are the real ones; the threads are the test's own,
AWS is a double that forgets, and a day passes in a minute.
"""

from __future__ import annotations

import gc
import logging
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Mapping, Set
from pathlib import Path

import pytest

from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.bridge import AIRFLOW
from airflow.models.log import Log
from airflow.models.taskinstancekey import TaskInstanceKey

from tests.bench.forgetful_ecs import RETENTION, ForgetfulEcs
from tests.bench.stepped import OPTIONS, SteppedScheduler, set_options
from tests.bench.work import make_key, task_instance
from tests.executors.fargate import fakes

LAUNCHING = {"POLL_INTERVAL": "10", "LAUNCH_RATE": "1000", "LAUNCH_BURST": "1000"}
#: Tasks after which the memory is looked at first, and at the end.
SHORT, LONG = (1_500, 4_500), (20_000, 200_000)
#: Tasks that are queued between two beats.
WAVE = 250
#: Every so many tasks Airflow takes one back, and launches one again while it runs.
REVOKED, AGAIN = 61, 67
#: What the process's memory may grow by, as a share of what it was.
GROWTH = 0.05
#: How many blocks of the interpreter's memory may be more for a task between the two looks: whatever is kept of each
#: task is one or more, and the interpreter's own tables vary by some hundred in all.
BLOCKS = 0.25
#: What there is for a launch, and never for good.
OF_A_LAUNCH = ("Run", "Launch", "Prepared", "Accepted", "Noted", "Ended", "TaskInstanceKey", "Log")
#: Where classes are of whose objects none is for good unless it is there after the first tasks.
OURS = "airflow.executors.fargate."
STATUS = Path("/proc/self/status")


class Fleet(fakes.SteppedFleet):
    """Remembers nothing for tests."""

    def _remember(self, event):
        """Keep no event."""


@pytest.fixture
def scheduler(monkeypatch):
    """Return the scheduler of an executor whose fleet is moved by hand and remembers nothing for tests."""
    set_options(monkeypatch, OPTIONS | LAUNCHING)
    clock = fakes.Clock()
    logging.disable(logging.CRITICAL)
    yield SteppedScheduler(monkeypatch, ForgetfulEcs(clock), clock, Fleet)
    logging.disable(logging.NOTSET)


def wave(scheduler, first, count):
    """Queue so many tasks, revoke and launch again some of them, and let half a minute pass."""
    keys = [make_key(f"task{number}") for number in range(first, first + count)]
    for key in keys:
        scheduler.queue(key)
    scheduler.beat()
    for number, key in enumerate(keys, first):
        if number % REVOKED == 0:
            scheduler.executor.revoke_task(ti=task_instance(key))
        elif number % AGAIN == 0 and key not in scheduler.ends:
            scheduler.queue(key)
    for _ in range(3):
        scheduler.pass_time(10)
        scheduler.beat()
    ends = len(scheduler.ends)
    scheduler.ends.clear()
    scheduler.event_log.clear()
    return ends


def drain(scheduler):
    """Let everything come to its end, and be forgotten by AWS."""
    ends = 0
    for _ in range(100):
        ends += wave(scheduler, 0, 0)
        if not scheduler.executor.running:
            break
    scheduler.pass_time(RETENTION + 600)
    scheduler.ecs.forget()
    return ends + wave(scheduler, 0, 0)


def memory():
    """Return the kilobytes that the process has in memory, and the interpreter's blocks, once all that ran has ended."""
    for _ in range(3):
        gc.collect()
    (resident,) = re.findall(r"^VmRSS:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    return int(resident), sys.getallocatedblocks()


def alive():
    """Count the objects of the package's classes, of keys and of events, which are there for a launch or for good."""
    gc.collect()
    kinds = (TaskInstanceKey, Log)
    objects = [
        thing
        for thing in gc.get_objects()
        if str(type(thing).__module__).startswith(OURS) or type(thing) in kinds
    ]
    return Counter(type(thing).__qualname__ for thing in objects)


def kept(thing, path="", seen=None):
    """Return the length of each collection that is kept by an object of ours or by one that it keeps, by its path."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return {}
    seen.add(id(thing))
    if isinstance(thing, (Mapping, Set, list, deque)):
        inside = thing.values() if isinstance(thing, Mapping) else thing
        parts = {f"{path}[]": part for part in list(inside)}
        lengths = {path: len(thing)}
    elif str(type(thing).__module__).startswith(OURS.rstrip(".")) or isinstance(thing, BaseExecutor):
        names = [*getattr(thing, "__dict__", ()), *getattr(type(thing), "__slots__", ())]
        parts, lengths = {f"{path}.{name}": getattr(thing, name, None) for name in names}, {}
    else:
        return {}
    for name, part in parts.items():
        lengths |= kept(part, name, seen)
    return {name: length for name, length in lengths.items() if length}


@pytest.mark.skipif(not STATUS.exists(), reason="the kernel tells of a process's memory on Linux alone")
def test_memory_stays_what_it_was(scheduler, request):
    """After several times as many tasks, of which some are lost, throttled, revoked, superseded: no more than before."""
    few, many = LONG if request.config.getoption("--long", default=False) else SHORT
    gc.unfreeze()
    of_others = alive()  # Tests before this one may have left some, which can go at any time.
    # What the first task makes Airflow and botocore import stays for good, and is nothing of the executor's.
    wave(scheduler, 10**6, WAVE)
    drain(scheduler)
    for_good, collections = alive(), kept(scheduler.executor)
    began, ends, used = time.monotonic(), 0, {}
    for first in range(0, many, WAVE):
        ends += wave(scheduler, first, WAVE)
        if first + WAVE in (few, many):
            ends += drain(scheduler)
            used[first + WAVE] = memory()
    print(
        f"\n{many} tasks, {ends} ends, {time.monotonic() - began:.0f} s, {scheduler.ecs.looks} looks; kB, blocks: {used}"
    )
    revoked = len(range(0, many, REVOKED))
    assert many - revoked <= ends <= many
    assert used[many][0] <= used[few][0] * (1 + GROWTH)
    assert used[many][1] <= used[few][1] + BLOCKS * (many - few)
    nothing_is_left(scheduler)
    now = alive()
    assert not now - for_good
    assert not Counter({kind: now[kind] for kind in OF_A_LAUNCH}) - of_others
    assert kept(scheduler.executor) == collections


def nothing_is_left(scheduler):
    executor = scheduler.executor
    assert not AIRFLOW.queued(executor)
    for name in ("running", "event_buffer"):
        assert not getattr(executor, name), name
    assert not executor.debug_state()["followed"]
    assert not scheduler.ecs.tasks
