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
"""The judge itself: each thing that can be wrong is told, and what is right is not."""

from __future__ import annotations

import dataclasses

import pytest

from tests.fault_matrix import judge, scaling
from tests.fault_matrix.evidence import Containers, Evidence
from tests.fault_matrix.row import FAILED, Expected, Row, Size, Step
from tests.fault_matrix.scheduler import Told
from tests.fault_matrix.work import Task

KEY = Task("task-000").key
SIZE = Size(1, 0.1)
REASON = "Container airflow exited with code 3."


def container(code=0, arn="arn", name="airflow", **members):
    """Return a ledger's entry: a container that ran, or one whose ``code`` is None and that never started."""
    started = {} if code is None else {"startedAt": 1.0}
    containers = [{"name": name, "actualExitCode": code}]
    return {"taskArn": arn, "containers": containers, "lastStatus": "STOPPED", **started, **members}


NEVER_STARTED = container(None, stopCode="TaskFailedToStart")
BY_COMMAND = container(None, stopCode="UserInitiated", stoppedReason="Stopped with airflow fargate stop")


def told(*states, info=None, hand_overs=1):
    return [Told(state, "arn" if state == "running" else info, hand_overs) for state in states]


def seen(*launches, events=None, **changes):
    """Return what was seen of one task instance with these containers, by launch."""
    launches = launches or ([container()],)
    values = {
        "launches": {KEY: [Containers.of(entries) for entries in launches]},
        "hand_overs": {KEY: max(1, len(launches))},
        "odd": set(),
        "revoked": set(),
        "told": {KEY: told("running", "success", hand_overs=len(launches)) if events is None else events},
        "notes": {KEY.task_id: [f"fargate failure: {REASON}"]},
        "longest_heartbeat": 0.01,
        "errors": [],
        "restarts": 0,
        "calls": {},
        "strikes": {("reset", "*"): 1},
        "resumed": None,
    }
    return Evidence(**values | changes)


def row(expected=None, **members):
    return Row("row", "fault", "happens", expected or Expected(), **members)


SLOW = {"kind": "slow", "operation": "RunTask"}
STRIKES = {
    ("reset", "*"): 1,
    ("slow", "RunTask"): 1,
    ("latency", "RunTask"): 1,
    ("missing_for", "*"): 1,
    ("stopped_retention", "*"): 1,
    ("vcpu_quota", "*"): 1,
}
RIGHT = {
    "success": (row(), seen()),
    "failure with its reason": (row(), seen([container(3)], events=told("running", "failed", info=REASON))),
    "started at the second attempt": (
        row(Expected(failed_starts=(0, 3))),
        seen([NEVER_STARTED, container()]),
    ),
    "two launches, of which the earlier one failed": (row(), seen([container(3)], [container()])),
    "earlier launch without a container": (
        row(),
        seen([container()], events=told("running", "success")),
    ),
    "taken back": (row(Expected(ran=(0,), containers=(0,))), seen([], events=[], revoked={KEY})),
    "resumed in time": (row(Expected(resumed=20.0)), seen(resumed=4.0)),
    "nothing before the last step": (
        row(Expected(resumed=20.0, none_before=True)),
        seen(resumed=4.0, first=0.1),
    ),
    "resumed late on a machine that stood still": (
        row(Expected(resumed=20.0)),
        seen(resumed=9.0, late=3.0),
    ),
    "faults that have struck": (
        row(
            settings={"faults": [{"kind": "reset"}, SLOW], "latency": {"RunTask": 1}, "missing_for": 1},
            steps=(Step(1, {"stopped_retention": 0, "latency": {}}),),
            quota=0.5,
        ),
        seen(strikes=STRIKES),
    ),
    "left alone between two launches": (row(procedure="rescheduled"), seen(left_alone=[(KEY, True)])),
    "overtaken in time": (row(Expected(overtaking=16.0)), seen(overtaking={KEY: 1.5})),
    "stopped before its start by who means the launch": (
        row(Expected(stopped="fargate stop")),
        seen([BY_COMMAND], events=told("failed", info="fargate stop"), notes={KEY.task_id: ["fargate stop"]}),
    ),
    "noted": (row(Expected(note=("failure", "code 3"))), seen()),
    "credentials that were refused": (row(sts="AccessDenied"), seen(sts_refusals=1)),
    "credentials that nobody could ask for": (row(sts="away"), seen(sts_refusals=0)),
    "some adopted": (row(procedure="killed"), seen(adopted=1), dataclasses.replace(SIZE, tasks=2)),
}
WRONG = {
    "lost": (row(), seen(events=told("running")), "it is lost"),
    "told twice": (row(), seen(events=told("running", "success", "success")), "more than once"),
    "reported failed while its container ran well": (
        row(),
        seen(events=told("running", "failed", info=REASON)),
        "it is told as failed and should be success",
    ),
    "reported as success though its container failed": (row(), seen([container(3)]), "should be failed"),
    "two containers ran": (row(), seen([container(), container()]), "2 containers ran"),
    "second container beside it": (row(), seen([container(), container(None)]), "2 containers, not counting"),
    "container that failed to start": (
        row(),
        seen([NEVER_STARTED, container()]),
        "1 containers failed to start",
    ),
    "earlier launch with two containers": (
        row(),
        seen([container(), container()], [container()]),
        "2 containers ran",
    ),
    "end of the earlier launch for that of the later one": (
        row(),
        seen([container(0)], [container(3)]),
        "it is told as success and should be failed",
    ),
    "gave up too early": (
        row(Expected(ran=(0, 1), containers=(0, 1), failed_starts=(0, 3))),
        seen([NEVER_STARTED], events=told("failed", info=REASON)),
        "ended after 1 failed starts",
    ),
    "failure without a reason": (
        row(),
        seen([container(3)], events=told("running", "failed", info="")),
        "its reason is ''",
    ),
    "other reason": (
        row(Expected(FAILED, "MISSING")),
        seen([container(3)], events=told("running", "failed", info=REASON)),
        "its reason is",
    ),
    "reason that the event log does not have": (
        row(),
        seen([container(3)], events=told("running", "failed", info=REASON), notes={}),
        "its event log does not say",
    ),
    "other ARN": (row(), seen([container(arn="other")]), "the ARN that was told"),
    "exception in a heartbeat": (row(), seen(errors=[KeyError("x")]), "an exception left heartbeat()"),
    "bug in the thread": (row(), seen(restarts=1), "the fleet's thread met 1 bugs"),
    "heartbeat without end": (row(), seen(longest_heartbeat=15.0), "a heartbeat took 15.00 s"),
    "heartbeat that waited": (
        row(),
        seen(waited=["it asked AWS: RunTask"] * 2),
        "the scheduler's thread: it asked AWS: RunTask, 2 times",
    ),
    "failed by Airflow between two launches": (
        row(procedure="rescheduled"),
        seen(left_alone=[(KEY, True), (KEY, False)]),
        "Airflow would have failed it",
    ),
    "nothing told between two launches": (row(procedure="deferred"), seen(), "no end was told between"),
    "all adopted": (row(procedure="killed"), seen(adopted=1), "1 were adopted"),
    "none adopted": (row(procedure="killed"), seen(adopted=0), "0 were adopted"),
    "adoption that was not counted": (row(procedure="killed"), seen(), "None were adopted"),
    "secret in a repr": (row(), seen(leaks=["Run(token)"]), "1 reprs tell a secret"),
    "left behind": (row(), seen(left=["arn is alive"]), "arn is alive"),
    "not over": (row(), seen(overdue=True), "it was not over in time"),
    "late": (row(Expected(resumed=20.0)), seen(resumed=9.0), "the last launch came 9.0 s"),
    "asked though it is known that AWS refuses": (
        row(Expected(unmet=("InvalidParameterException",))),
        seen(calls={"RunTask": {"InvalidParameterException": 3}}),
        "RunTask met InvalidParameterException 3 times",
    ),
    "fault that struck another call alone": (
        row(settings={"faults": [SLOW, {**SLOW, "operation": "StopTask"}]}),
        seen(strikes={("slow", "RunTask"): 3}),
        "no slow of StopTask has struck",
    ),
    "latency that nothing met": (
        row(steps=(Step(1, {"latency": {"*": 15}}),)),
        seen(),
        "no latency of * has struck",
    ),
    "tasks that were never MISSING": (row(settings={"missing_for": 9}), seen(), "no missing_for of *"),
    "quota that was never reached": (row(quota=0.5), seen(), "the quota was never reached"),
    "no container that failed to start": (
        row(Expected(failed_starts=(0, None))),
        seen(),
        "no container failed to start",
    ),
    "launched before it could be": (
        row(Expected(none_before=True)),
        seen(resumed=1.0, first=-0.5),
        "the first launch came -0.5 s",
    ),
    "never launched": (row(Expected(none_before=True)), seen([]), "the first launch came None s"),
    "held up by those without capacity": (
        row(Expected(overtaking=16.0)),
        seen(overtaking={KEY: 7.7}),
        "it had an ECS task 7.7 s after its hand-over",
    ),
    "none that comes later": (row(Expected(overtaking=16.0)), seen(), "none was handed over later"),
    "stopped before its start, and launched again": (
        row(Expected(stopped="fargate stop")),
        seen([BY_COMMAND, container()]),
        "1 containers ran",
    ),
    "stopped before its start, without the command in the reason": (
        row(Expected(stopped="fargate stop")),
        seen([BY_COMMAND], events=told("failed", info=REASON)),
        "its reason is",
    ),
    "parts of a note in several": (
        row(Expected(note=("failure", "STS"))),
        seen(notes={KEY.task_id: ["failure", "STS"]}),
        "no note of it says ('failure', 'STS')",
    ),
    "credentials that were never refused": (
        row(sts="AccessDenied"),
        seen(sts_refusals=0),
        "STS has given credentials each time",
    ),
    "odd one that was launched": (
        row(odd_reason="8192"),
        seen(events=told("failed", info="8192"), odd={KEY}, notes={KEY.task_id: ["8192"]}),
        "it has a container",
    ),
    "odd one without its reason": (
        row(odd_reason="8192"),
        seen([], events=told("failed", info="no"), odd={KEY}, notes={KEY.task_id: ["8192"]}),
        "its reason is 'no'",
    ),
}


def test_what_is_right_makes_no_difference():
    """Nothing is told."""
    found = {
        name: [told for told in judge.differences(row, seen, *(size or [SIZE])) if "handed over" not in told]
        for name, (row, seen, *size) in RIGHT.items()
    }
    assert found == {name: [] for name in RIGHT}


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told(given):
    """It is the one thing that is told, or one of them where one mistake makes more."""
    expected, found, words = given
    assert any(words in difference for difference in judge.differences(expected, found, SIZE))


def test_a_task_that_was_never_handed_over_is_missed():
    """All of them must be there."""
    assert judge.differences(row(), seen(), dataclasses.replace(SIZE, tasks=2)) == [
        "1 task instances were handed over, not 2"
    ]


def test_every_time_is_scaled_and_comes_back():
    """Wherever a module has a time of the executor, and only until the end of the block."""
    from airflow.executors.fargate.fleet import attempts, throttle, watcher

    names = ("RESEND_BACK_OFF", "MISSING_BACK_OFF", "DISAPPEARANCE")
    credentials = throttle.CREDENTIALS_BACK_OFF
    before = [getattr(watcher, name) for name in names]
    with scaling.executor_times(0.5):
        assert before[2] / 2 == watcher.DISAPPEARANCE
        assert watcher.RESEND_BACK_OFF == attempts.RESEND_BACK_OFF == tuple(time / 2 for time in before[0])
        assert throttle.SLOWEST_RATE == 1.0
        assert tuple(time / 2 for time in credentials) == throttle.CREDENTIALS_BACK_OFF
    assert [getattr(watcher, name) for name in names] == before


def test_a_time_that_is_gone_is_told(monkeypatch):
    """A constant that has another name now must not be forgotten."""
    monkeypatch.setitem(scaling.SECONDS, "fargate.fleet.fleet", ("NO_SUCH_TIME",))
    with pytest.raises(AttributeError, match="NO_SUCH_TIME"), scaling.executor_times(0.5):
        pass


def test_times_in_settings_are_scaled():
    """At any depth, and nothing else is."""
    given = {
        "missing_for": 10,
        "pretend": {"duration": [1, 2], "exit_codes": {"0": 1}},
        "faults": [{"kind": "slow", "probability": 0.5, "after": 15}],
        "latency": {"*": [1, 2]},
        "vcpu_quota": 5,
    }
    assert scaling.settings(given, 0.5) == {
        "missing_for": 5,
        "pretend": {"duration": [0.5, 1], "exit_codes": {"0": 1}},
        "faults": [{"kind": "slow", "probability": 0.5, "after": 7.5}],
        "latency": {"*": [0.5, 1]},
        "vcpu_quota": 5,
    }
