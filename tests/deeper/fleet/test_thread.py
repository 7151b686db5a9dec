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
"""More on what ``test_thread.py`` tests."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from unittest import mock

import pytest

from airflow.executors.fargate.aws.clients import THREAD_NAMES
from airflow.executors.fargate.fleet import thread as fleet_thread
from airflow.executors.fargate.fleet.fleet import Fleet
from airflow.executors.fargate.messages import Accepted, Ended
from airflow.executors.fargate.present import Candidate

from tests.executors.fargate.test_thread import (
    Events,
    boom,
    closes_within,
    ecs,
    meet_a_bug,
    our_threads,
    owner,
    release,
    the_thread,
)


def test_to_ask_again_starts_no_second_thread(owner):
    """While the thread lives, ensure_running() leaves it alone."""
    owner.ensure_running()
    thread = the_thread()
    owner.ensure_running()
    assert the_thread() is thread
    assert owner.fleet.context.counters.fleet_restarts == 0


def test_a_fleet_without_work_sleeps(fakes, ecs, owner):
    """With nothing to do the thread waits for a message instead of looking around."""
    with mock.patch.object(Fleet, "work", autospec=True, return_value=None) as work:
        owner.ensure_running()
        told = threading.Event()
        owner.tell(told.set)
        assert told.wait(20)
        fakes.until(lambda: work.call_count == 2)
        assert not threading.Event().wait(0.05)
        assert work.call_count == 2


def test_a_call_under_way_comes_home_after_a_bug(fakes, ecs, owner, release):
    """An answer that arrives after a bug is handled; nothing is sent twice."""
    events = Events(owner)
    ecs.next("run_task", lambda *call: release.wait(20) and ecs._run_task(*call))
    owner.ensure_running()
    owner.tell(owner.fleet.add, fakes.make_launch())
    fakes.until(lambda: ecs.tokens)
    with mock.patch.object(fleet_thread, "log", autospec=True):
        meet_a_bug(fakes, owner)
    release.set()
    fakes.until(lambda: events.of(Accepted))
    assert len(ecs.tokens) == 1


@pytest.mark.parametrize("which", ["fleet", "launch-0", "watch-0"])
def test_a_thread_that_cannot_be_started_is_started_later(fakes, ecs, owner, monkeypatch, which):
    """Where the system has no thread to spare, nothing is lost, and whoever asked gets no exception."""
    events, failures = Events(owner), [RuntimeError("can't start new thread")] * 2
    start = threading.Thread.start

    def start_or_fail(thread):
        if failures and thread.name == THREAD_NAMES + which:
            raise failures.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_fail)
    owner.tell(owner.fleet.add, fakes.make_launch())

    def ended():
        owner.ensure_running()
        if events.of(Accepted):
            ecs.exit(ecs.arns[0], 0)
        return events.of(Ended)

    with mock.patch.object(fleet_thread, "log", autospec=True) as log:
        fakes.until(ended)
    assert not failures
    assert log.error.called
    assert [event.reason for event in events.of(Ended)] == [None]
    assert len(ecs.tokens) == 1


def test_a_recovery_that_fails_is_tried_again(fakes, ecs, owner):
    """An error while the fleet recovers is logged like any other."""
    events, failures = Events(owner), [KeyError("in recover()")]
    recover = Fleet.recover

    def recover_or_fail(self):
        if failures:
            raise failures.pop()
        recover(self)

    owner.ensure_running()
    owner.tell(owner.fleet.add, fakes.make_launch())
    fakes.until(lambda: events.of(Accepted))
    failing = mock.patch.object(Fleet, "recover", recover_or_fail)
    with failing, mock.patch.object(fleet_thread, "log", autospec=True) as log:
        owner.tell(boom)
        ecs.exit(ecs.arns[0], 0)
        fakes.until(lambda: events.of(Ended) and owner.fleet.context.counters.fleet_restarts == 2)
    told = [type(call.kwargs["exc_info"]) for call in log.error.call_args_list]
    assert told == [ValueError, KeyError]


def test_close_asks_for_every_stop_first(fakes, ecs, owner):
    """ECS tasks that are to be stopped are stopped before the thread ends, with errors in between."""
    events = Events(owner)
    owner.ensure_running()
    for number in range(8):
        owner.tell(owner.fleet.add, fakes.make_launch(number))
    fakes.until(lambda: len(events.of(Accepted)) == 8)
    ecs.next("stop_task", fakes.aws_error("ThrottlingException"))
    owner.leave()
    owner.tell(owner.fleet.revoke_all, "terminated")
    owner.close(20)
    assert {task["desiredStatus"] for task in ecs.tasks.values()} == {"STOPPED"}


def test_close_waits_for_no_look(fakes, ecs, owner, release):
    """A look that hangs changes nothing at AWS: it is not waited for."""
    ecs.next("describe_tasks", lambda *_: release.wait())
    owner.ensure_running()
    owner.tell(owner.fleet.add, fakes.make_launch())
    fakes.until(lambda: ecs.made("describe_tasks"))
    assert closes_within(20, owner, 60)


def test_close_ends_an_adoption_that_waits_for_aws(fakes, ecs, owner):
    """A search that AWS does not answer is given up, without an answer or an event."""
    ecs.next("list_tasks", *[fakes.aws_error("ServerException", status=500) for _ in range(1000)])
    reply = Future()
    owner.ensure_running()
    owner.tell(owner.fleet.adopt, [Candidate(fakes.make_task(), "key", None, None)], reply)
    fakes.until(lambda: ecs.calls)
    assert closes_within(20, owner, 60)
    assert not reply.done()
    assert list(owner.events()) == []


@pytest.mark.parametrize("before", ["never started", "closed before", "a bug"])
def test_close_is_safe_at_any_time(fakes, ecs, owner, before):
    """It may be called without a thread, twice, and after a bug; no connection stays open."""
    if before != "never started":
        owner.ensure_running()
    if before == "a bug":
        meet_a_bug(fakes, owner)
    if before == "closed before":
        owner.close(20)
    owner.close(20)
    fakes.until(lambda: not our_threads())
    assert ecs.closed


HANGING = """
import sys
import threading
import time
import types

# Airflow itself takes seconds to be imported, and is not needed.
for name, path in zip(("airflow", "airflow.executors"), sys.argv[1:]):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [path]

from airflow.executors.fargate.fleet.context import Context
from airflow.executors.fargate.fleet.thread import FleetThread
from airflow.executors.fargate.launch import Launch, TaskInstanceId
from airflow.executors.fargate.launch import Lease
from airflow.executors.fargate.request.builder import Prepared

called = threading.Event()

class Ecs:
    def close(self):
        pass

    def renew(self):
        pass

    def run_task(self, request, token):
        called.set()
        threading.Event().wait()

class Config:
    cluster, clusters, deployment = "c", ("c",), "d"
    launch_concurrency, max_launch_attempts, poll_interval = 1, 3, 2.0
    launch_rate, launch_burst, describe_rate = 20.0, 100, 10.0

build = lambda launch: Prepared({}, "airflow")
lease = Lease(None, time.monotonic, time.time)
owner = FleetThread(Context(Ecs(), Config(), build, time.monotonic, time.time, lease, types.SimpleNamespace(renew=print)))
owner.ensure_running()
owner.tell(owner.fleet.add, Launch(TaskInstanceId("dag", "task", "run", 1), "key"))
assert called.wait(20)
owner.close(0.1)
print("the end")
"""


def test_the_process_ends_though_a_call_hangs():
    """The interpreter joins no thread of ours at exit."""
    executors = Path(fleet_thread.__file__).parents[2]
    command = [sys.executable, "-c", HANGING, str(executors.parent), str(executors)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout.splitlines()[-1:]) == (0, ["the end"]), ended.stderr


def test_events_that_are_not_taken_stay(fakes, ecs, owner):
    """An error while events are taken loses none of the others."""
    owner.ensure_running()
    for number in range(3):
        owner.tell(owner.fleet.add, fakes.make_launch(number))
    fakes.until(lambda: owner._context.outbox.qsize() == 3)
    taken = [next(owner.events())]
    assert len(taken + list(owner.events())) == 3
