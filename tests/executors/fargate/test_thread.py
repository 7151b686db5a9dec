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

from __future__ import annotations

import threading
import time
from unittest import mock

import pytest

from airflow.executors.fargate.aws.clients import THREAD_NAMES
from airflow.executors.fargate.fleet import thread as fleet_thread
from airflow.executors.fargate.fleet.context import Context
from airflow.executors.fargate.fleet.launch_state import MAX_FAULTS
from airflow.executors.fargate.fleet.lifecycle import Lifecycle
from airflow.executors.fargate.fleet.thread import FleetThread
from airflow.executors.fargate.launch import Lease
from airflow.executors.fargate.logs.cloudwatch import LogReader
from airflow.executors.fargate.messages import Accepted, Ended
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
