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
"""Tests of the notes on what a launch waits for."""

from __future__ import annotations

from unittest import mock

import pytest

from airflow.executors.fargate.fleet import preparer
from airflow.executors.fargate.fleet.attempts import AWAY_PATIENCE, REVOCATION
from airflow.executors.fargate.fleet.preparer import FUNCTION_PATIENCE
from airflow.executors.fargate.fleet.waits import AGAIN, NOTE_PATIENCE
from airflow.executors.fargate.messages import Accepted, Ended, Revoked

AWAY = {"tasks": [], "failures": [{"reason": "AGENT"}]}
NO_CAPACITY = {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time."}]}
THROTTLED = ("ThrottlingException", "Rate exceeded")
EXPIRED = ("ExpiredTokenException", "The security token included in the request is expired")


class ReadTimeoutError(Exception):
    """Named like botocore's error: errors are classified by their name."""


@pytest.fixture
def launch(fakes):
    return fakes.make_launch()


def notes(fleet, launch):
    """Return the notes on what a launch waits for."""
    return [event.text for event in fleet.waiting if event.launch.id == launch.id]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda f: ReadTimeoutError("no route"),
            "waits for an answer to RunTask: ReadTimeoutError: no route",
        ),
        (lambda f: f.aws_error("ServerException", "busy", status=500), "ServerException: busy"),
        (
            lambda f: f.aws_error(*THROTTLED),
            "waits, as AWS throttles calls: ThrottlingException: Rate exceeded",
        ),
        (
            lambda f: f.aws_error(*EXPIRED),
            "waits for credentials that AWS accepts: ExpiredTokenException",
        ),
    ],
    ids=["no way to ECS", "500", "throttled", "credentials"],
)
def test_a_launch_that_waits_over_a_minute_has_one_note(fakes, fleet, ecs, launch, answer, words):
    """There is none before a minute is over, and another one once the launch waits for something else."""
    ecs._run_task = mock.create_autospec(
        ecs._run_task, side_effect=lambda *_: (_ for _ in ()).throw(answer(fakes))
    )
    fleet.add(launch)
    fleet.advance(NOTE_PATIENCE - 1)
    assert notes(fleet, launch) == []
    fleet.advance(AGAIN + 1)
    (note,) = notes(fleet, launch)
    assert words in note
    fleet.advance(240)
    assert notes(fleet, launch) == [note]
    del ecs._run_task
    fleet.advance(120)
    assert len(notes(fleet, launch)) == 2
    assert "it is PROVISIONING: AWS looks for capacity" in notes(fleet, launch)[1]


def test_launches_that_were_not_sent_have_a_note_as_well(fakes, make_fleet, ecs):
    """With one call at a time, which gets no answer, each of 30 launches has a note on that."""
    fleet = make_fleet(launch_concurrency=1)
    ecs.next("run_task", *[ReadTimeoutError("no route")] * 30)
    launches = [fakes.make_launch(n) for n in range(30)]
    fleet.pools["launch"].held = True
    fleet.add(*launches)
    fleet.pools["launch"].held = False
    fleet.pools["launch"].step()
    fleet.pools["launch"].held = True
    fleet.advance(NOTE_PATIENCE + 2)
    assert [len(notes(fleet, launch)) for launch in launches] == [1] * 30
    assert all("no route" in event.text for event in fleet.waiting)


def test_waiting_for_the_rate_makes_no_note(fakes, make_fleet, ecs):
    """Launches that only wait for their turn at the configured rate have no note."""
    fleet = make_fleet(launch_rate=1.0, launch_burst=1)
    fleet.add(*[fakes.make_launch(n) for n in range(200)])
    for _ in range(100):
        fleet.advance(1)
        for arn in ecs.arns:
            ecs.start(arn)
    assert len(ecs.arns) == 101
    assert fleet.waiting == []


def test_lack_of_capacity_is_noted_once_for_each_launch(fakes, fleet, ecs):
    """At once for launches that AWS refused, and after a minute for those that wait for the same."""
    ecs._run_task = mock.create_autospec(ecs._run_task, return_value=NO_CAPACITY)
    launches = [fakes.make_launch(n) for n in range(200)]
    fleet.add(*launches)
    fleet.advance(600)
    refused = {event.launch.id for event in fleet.told}
    waited = {event.launch.id for event in fleet.waiting}
    assert len(refused) + len(waited) == len(fleet.told) + len(fleet.waiting) == 200 + len(refused & waited)
    assert refused | waited == {launch.id for launch in launches}
    assert all("Capacity is unavailable" in event.text for event in (*fleet.told, *fleet.waiting))


def test_the_state_of_an_ecs_task_that_does_not_start_is_noted(fleet, ecs, launch):
    """After a minute each state has a note, until the ECS task has started."""
    fleet.add(launch)
    fleet.advance(NOTE_PATIENCE)
    ecs.tasks[ecs.arns[0]]["lastStatus"] = "PENDING"
    fleet.advance(AGAIN)
    first, second = notes(fleet, launch)
    assert "it is PROVISIONING" in first
    assert "it is PENDING" in second
    ecs.start(ecs.arns[0])
    fleet.advance(600)
    assert notes(fleet, launch) == [first, second]


def test_a_wait_is_not_noted_again_after_the_threads_death(fleet, ecs, launch):
    """The next thread knows what has been noted."""
    fleet.add(launch)
    fleet.advance(NOTE_PATIENCE + 1)
    fleet.fleet.recover()
    fleet.advance(600)
    assert len(notes(fleet, launch)) == 1


def test_a_function_that_does_not_return_is_reported(fakes, make_fleet, ecs):
    """After a minute, once in the log and for each launch that waits for it; those with a request go on."""
    fleet = make_fleet()
    before, stuck, behind = (fakes.make_launch(n) for n in range(3))
    ecs.next("run_task", ReadTimeoutError())
    fleet.add(before)
    fleet.pools["build"].held = True
    fleet.add(stuck, behind)
    with mock.patch.object(preparer, "log", autospec=True) as log:
        fleet.advance(FUNCTION_PATIENCE - 1)
        assert not log.warning.called
        fleet.advance(AGAIN + 1)
        log.warning.assert_called_once()
    assert fleet.told_of(before, Accepted)
    for launch in (stuck, behind):
        (note,) = notes(fleet, launch)
        assert "execution_config_function names has not returned for" in note
    fleet.pools["build"].held = False
    fleet.advance(10)
    assert len(ecs.arns) == 3


# What ends a launch.


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("PENDING", "; the ECS task was PENDING: AWS waits for the container agent or for resources. why."),
        ("PROVISIONING", "; the ECS task was PROVISIONING: AWS looks for capacity"),
    ],
)
def test_the_note_on_a_revoked_launch_has_the_state_of_its_ecs_task(fleet, ecs, launch, status, state):
    """The note has the seconds since the hand-over as well."""
    fleet.add(launch)
    ecs.tasks[ecs.arns[0]]["lastStatus"] = status
    fleet.advance(30)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.settle()
    (event,) = fleet.waiting
    assert isinstance(event, Revoked)
    assert event.text.startswith("Revoked after 30 s" + state)
    assert ecs.arns[0].rpartition("/")[2] in event.text


def test_the_note_on_a_revoked_launch_has_what_it_waited_for(fakes, fleet, ecs, launch):
    """If AWS has accepted no ECS task: with the last error, once."""
    ecs._run_task = mock.create_autospec(ecs._run_task, return_value=NO_CAPACITY)
    fleet.add(launch)
    fleet.advance(100)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.settle()
    (event,) = fleet.waiting
    assert isinstance(event, Revoked)
    assert event.text.startswith(
        "Revoked after 100 s; AWS had accepted no ECS task: The launch waits for capacity"
    )
    assert event.text.count("Capacity is unavailable") == 1


@pytest.mark.parametrize("what", ["started", "superseded", "revoked before"])
def test_only_a_launch_that_waits_has_a_note_when_it_is_revoked(fleet, ecs, launch, what):
    """One that runs, that Airflow has handed over again, or that is revoked already has none."""
    fleet.add(launch)
    if what == "started":
        ecs.start(ecs.arns[0])
        fleet.advance(5)
    elif what == "superseded":
        fleet.tell(fleet.fleet.supersede, launch.id)
    else:
        fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.settle()
    before = list(fleet.waiting)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.settle()
    assert fleet.waiting == before
    assert len(before) == (what == "revoked before")


def test_a_failure_before_the_start_has_the_last_error(fakes, fleet, ecs):
    """A launch whose token has expired fails with the reason why it was not launched before."""
    ecs._run_task = mock.create_autospec(ecs._run_task, return_value=NO_CAPACITY)
    launch = fakes.make_launch(expires=fleet.clock.at + 120)
    fleet.add(launch)
    fleet.advance(120 + REVOCATION)
    (end,) = fleet.told_of(launch, Ended)
    assert "before the token in its command expired. AWS said last: " in end.reason
    assert "Capacity is unavailable" in end.reason


# What is unavailable for a while.


@pytest.mark.parametrize(("tries", "ends"), [(5, 0), (1000, 1)])
def test_what_is_away_is_tried_for_two_minutes(make_fleet, ecs, launch, tries, ends):
    """It costs no attempt, backs off, and fails after two minutes with what AWS said."""
    fleet = make_fleet(max_launch_attempts=1)
    ecs.next("run_task", *[AWAY] * tries)
    began = fleet.clock.at
    fleet.add(launch)
    fleet.advance(600)
    assert len(fleet.told_of(launch, Ended)) == ends
    assert len(fleet.told_of(launch, Accepted)) == 1 - ends
    times = [call.at - began for call in ecs.made("run_task")]
    assert times[: tries + 1] == [0, 2, 6, 14, 30, 60, 90, 120][: tries + 1]
    assert len(set(ecs.tokens)) == len(ecs.tokens)
    if ends:
        (end,) = fleet.told_of(launch, Ended)
        assert f"It was tried for {AWAY_PATIENCE:.0f} s." in end.reason


def test_an_attempt_that_failed_begins_the_two_minutes_anew(make_fleet, ecs, launch):
    """Another outcome in between shows that it was available again."""
    fleet = make_fleet()
    ecs.next("run_task", *[AWAY] * 6, NO_CAPACITY, *[AWAY] * 6)
    fleet.add(launch)
    fleet.advance(400)
    assert fleet.told_of(launch, Accepted)
    assert not fleet.told_of(launch, Ended)
