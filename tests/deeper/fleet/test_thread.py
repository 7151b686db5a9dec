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
"""Tests of the fleet's thread: it goes on after a bug, and ends in time."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from unittest import mock

import pytest

from airflow.executors.fargate.aws.clients import THREAD_NAMES
from airflow.executors.fargate.fleet import thread as fleet_thread
from airflow.executors.fargate.fleet.context import Context
from airflow.executors.fargate.fleet.fleet import Fleet
from airflow.executors.fargate.fleet.launch_state import MAX_FAULTS
from airflow.executors.fargate.fleet.lifecycle import Lifecycle
from airflow.executors.fargate.fleet.thread import FleetThread
from airflow.executors.fargate.launch import Lease
from airflow.executors.fargate.logs.cloudwatch import LogReader
from airflow.executors.fargate.messages import Accepted, Ended
from airflow.executors.fargate.present import Candidate
from airflow.executors.fargate.request.builder import Prepared


def our_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_NAMES)]


def the_thread():
    (thread,) = (t for t in our_threads() if t.name == f"{THREAD_NAMES}fleet")
    return thread


@pytest.fixture
def ecs(fakes):
    return fakes.FakeEcs(time.monotonic)


@pytest.fixture
def release():
    """Return an event that calls may hang on; it is set when the test ends."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def owner(fakes, ecs, monkeypatch):
    """Return a fleet's thread that looks often; it is ended with the test."""

    def build(launch):
        return Prepared(fakes.make_request(launch), "airflow")

    monkeypatch.setattr(fleet_thread, "BUG_PAUSE", 0.0)
    config = fakes.make_config(poll_interval=0.01, launch_concurrency=2)
    lease = Lease(None, time.monotonic, time.time)
    logs = mock.Mock(spec=LogReader)
    owner = FleetThread(Context(ecs, config, build, time.monotonic, time.time, lease, logs))
    yield owner
    owner.close(5)
    fakes.until(lambda: not our_threads())


class Events(list):
    """The events so far; asking for them takes in the new ones."""

    def __init__(self, owner):
        self.owner = owner

    def of(self, kind):
        self.extend(self.owner.events())
        return [event for event in self if isinstance(event, kind)]


def boom():
    raise ValueError("a bug")


def meet_a_bug(fakes, owner):
    """Let the thread meet a bug."""
    before = owner.fleet.context.counters.fleet_restarts
    owner.tell(boom)
    fakes.until(lambda: owner.fleet.context.counters.fleet_restarts > before)


def test_nothing_starts_before_it_is_asked_to(fakes, ecs, owner):
    """The constructor and commands start no thread: 2.11 forks between start() and the first sync()."""
    owner.tell(owner.fleet.add, fakes.make_launch())
    assert our_threads() == []
    assert list(owner.events()) == []
    owner.ensure_running()
    fakes.until(lambda: ecs.arns)


def test_a_launch_goes_all_the_way_on_threads_of_its_own(fakes, ecs, owner):
    """Calls are made on the pool's threads, all of them daemons; the caller only takes the events."""
    events = Events(owner)
    owner.ensure_running()
    owner.tell(owner.fleet.add, fakes.make_launch())
    fakes.until(lambda: events.of(Accepted))
    ecs.exit(ecs.arns[0], 0)
    fakes.until(lambda: events.of(Ended))
    assert [event.reason for event in events.of(Ended)] == [None]
    assert {call.thread.removeprefix(THREAD_NAMES).rsplit("-", 1)[0] for call in ecs.calls} == {
        "launch",
        "watch",
    }
    assert all(thread.daemon for thread in our_threads())


def test_a_bug_is_logged_and_the_fleet_goes_on_with_its_state(fakes, ecs, owner):
    """It is logged with its traceback, the thread lives, and all launches go on where they were."""
    events = Events(owner)
    owner.ensure_running()
    thread = the_thread()
    owner.tell(owner.fleet.add, fakes.make_launch(0))
    fakes.until(lambda: events.of(Accepted))
    with mock.patch.object(fleet_thread, "log", autospec=True) as log:
        meet_a_bug(fakes, owner)
        owner.tell(owner.fleet.add, fakes.make_launch(1))
        fakes.until(lambda: len(events.of(Accepted)) == 2)
    (told,) = log.error.call_args_list
    error = told.kwargs["exc_info"]
    assert isinstance(error, ValueError)
    assert error.__traceback__ is not None
    assert owner.fleet.context.counters.fleet_restarts == 1
    assert the_thread() is thread
    for arn in ecs.arns:
        ecs.exit(arn, 0)
    fakes.until(lambda: len(events.of(Ended)) == 2)
    assert [event.reason for event in events.of(Ended)] == [None, None]
    assert len(ecs.tokens) == 2


def test_a_launch_that_raises_again_and_again_is_given_up(fakes, ecs, owner):
    """After so many bugs at the same launch it fails, and the others go on."""
    events = Events(owner)
    accepted = Lifecycle.accepted

    def die(self, run, *ecs_task):
        if run.launch.id == "launch-0":
            self.calls.handling = [run]
            boom()
        accepted(self, run, *ecs_task)

    with mock.patch.object(Lifecycle, "accepted", die), mock.patch.object(fleet_thread, "log", autospec=True):
        owner.ensure_running()
        for number in range(2):
            owner.tell(owner.fleet.add, fakes.make_launch(number))

        fakes.until(lambda: events.of(Ended) and events.of(Accepted))
    assert owner.fleet.context.counters.fleet_restarts == MAX_FAULTS
    assert [(event.launch.id, bool(event.reason)) for event in events.of(Ended)] == [("launch-0", True)]
    assert [event.launch.id for event in events.of(Accepted)] == ["launch-1"]


def closes_within(seconds, owner, patience):
    """Tell whether close() returns in time; it is not waited for any longer."""
    closer = threading.Thread(target=owner.close, args=(patience,), daemon=True)
    closer.start()
    closer.join(seconds)
    return not closer.is_alive()


def test_close_lets_calls_come_home_and_begins_no_launch(fakes, ecs, owner, release):
    """What is under way is awaited and told; what waits is not launched any more; then all threads end."""
    events = Events(owner)
    ecs.next("run_task", *[lambda *call: release.wait(20) and ecs._run_task(*call)] * 2)
    owner.ensure_running()
    for number in range(4):  # Two of which may be under way.
        owner.tell(owner.fleet.add, fakes.make_launch(number))
    fakes.until(lambda: len(ecs.tokens) == 2)
    closer = threading.Thread(target=owner.close, args=(20,))
    closer.start()
    fakes.until(lambda: owner._context.leaving.is_set())
    assert closer.is_alive()
    release.set()
    closer.join(20)
    assert not closer.is_alive()
    assert len(events.of(Accepted)) == 2
    assert len(ecs.tokens) == 2
    fakes.until(lambda: not our_threads())
    assert not ecs.made("stop_task")


@pytest.mark.parametrize("call", ["run_task", "describe_tasks", "stop_task"])
def test_close_returns_in_time_when_a_call_hangs(fakes, ecs, owner, release, call):
    """A call that never returns delays close() no longer than the patience."""
    ecs.next(call, lambda *_: release.wait())
    owner.ensure_running()
    owner.tell(owner.fleet.add, fakes.make_launch())
    if call == "stop_task":
        fakes.until(lambda: ecs.arns)
        owner.tell(owner.fleet.revoke, "launch-0", "why")
    fakes.until(lambda: ecs.made(call))
    assert closes_within(5, owner, 0.2)


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
