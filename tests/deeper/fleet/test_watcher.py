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
"""More on what ``test_watcher.py`` tests."""

from __future__ import annotations

from unittest import mock

import pytest

from airflow.executors.fargate.aws.ecs import MAX_DESCRIBED
from airflow.executors.fargate.fleet import watcher
from airflow.executors.fargate.fleet.calls import DESCRIBE_SHARE, WATCH_CONCURRENCY
from airflow.executors.fargate.fleet.watcher import (
    APPEARANCE,
    DISAPPEARANCE,
)
from airflow.executors.fargate.messages import Ended, Noted

from tests.executors.fargate.test_watcher import DENIED, EXPIRED, THROTTLED, end_of, launch, looks, run_many


def test_the_exit_code_counts_before_the_task_has_vanished(fleet, ecs, launch):
    """Where the main container has ended, a sidecar that still runs is not waited for."""
    fleet.add(launch)
    (arn,) = ecs.arns
    ecs.start(arn)
    ecs.tasks[arn]["containers"][0].update(lastStatus="STOPPED", exitCode=0)
    fleet.advance(5)
    assert end_of(fleet, launch).reason is None


def test_a_sweep_takes_as_long_as_the_budget_says(make_fleet, run_many, ecs):
    """With more ECS tasks than the interval has calls for, all are described in turn, at the full rate."""
    fleet = make_fleet(describe_rate=1.0)
    run_many(fleet, 1500)
    fleet.advance(100)
    since = fleet.clock.at
    fleet.advance(3 * 1500 / (MAX_DESCRIBED * DESCRIBE_SHARE))
    assert {len(call.arguments[1]) for call in ecs.made("describe_tasks") if call.at > since} == {
        MAX_DESCRIBED
    }
    assert len(looks(ecs, since)) == 1500
    assert set(looks(ecs, since).values()) <= {2, 3, 4}


def test_few_looks_are_under_way(make_fleet, run_many, ecs):
    """Calls that hang are few, the rest waits; and it goes on once they come home."""
    fleet = make_fleet()
    run_many(fleet, 900)
    fleet.hold()
    fleet.advance(60)
    assert len(fleet.pools["watch"].jobs) == WATCH_CONCURRENCY
    fleet.hold(False)
    since = fleet.clock.at
    fleet.advance(10)
    assert len(looks(ecs, since)) == 900


def test_looks_at_what_is_missing_back_off(fleet, ecs, launch):
    """An ECS task that AWS does not know is described ever more rarely."""
    fleet.add(launch)
    ecs.hidden.update(ecs.arns)
    fleet.advance(200)
    times = [call.at for call in ecs.made("describe_tasks")]
    assert len(times) < 15
    assert max(b - a for a, b in zip(times, times[1:])) == pytest.approx(30)


@pytest.mark.parametrize(
    "answer", [{"tasks": [], "failures": []}, {"tasks": [{}]}, {"failures": None}, {"failures": "x"}]
)
def test_an_answer_that_does_not_list_an_ecs_task_is_not_missing(fleet, ecs, launch, answer):
    """An ECS task that was seen has not vanished while AWS only does not list it; after APPEARANCE it has."""
    fleet.add(launch)
    ecs.start(ecs.arns[0])
    fleet.advance(10)
    ecs.next("describe_tasks", *[answer] * 100)
    fleet.advance(APPEARANCE - 20)
    assert not fleet.told_of(launch, Ended)
    fleet.advance(80)
    assert "it is not listed" in end_of(fleet, launch).reason


def test_a_gap_between_two_looks_is_forgotten(fleet, ecs, launch):
    """An ECS task that is missing now and then, for less than a minute each time, lives."""
    fleet.add(launch)
    (arn,) = ecs.arns
    ecs.start(arn)
    for _ in range(10):
        fleet.advance(35)
        ecs.hidden.symmetric_difference_update({arn})
    assert not fleet.told_of(launch, Ended)


def test_throttled_looks_become_rarer(fakes, fleet, ecs, launch):
    """Each throttle makes looks rarer, down to one in two seconds; and then they are as often as before."""
    fleet.add(launch)
    ecs.next("describe_tasks", *[fakes.aws_error(*THROTTLED) for _ in range(7)])
    fleet.advance(120)
    times = [call.at for call in ecs.made("describe_tasks")]
    waits = [round(b - a, 6) for a, b in zip(times, times[1:])]
    assert waits[0] < waits[2] < waits[4] <= 2
    assert max(waits) <= 2
    assert len(times) > 120 / 2 - 5


@pytest.mark.parametrize(("error", "renewed"), [(EXPIRED, 3), (THROTTLED, 0), (DENIED, 0)])
def test_only_refused_credentials_are_renewed(fakes, fleet, ecs, launch, error, renewed):
    """A new client is made after refused credentials, and after nothing else."""
    fleet.add(launch)
    ecs.next("describe_tasks", *[fakes.aws_error(*error) for _ in range(3)])
    fleet.advance(200)
    assert ecs.renewed == renewed


def test_refused_looks_are_told_each_time(fakes, fleet, ecs, launch):
    """A missing permission stands in the log with AWS's words, at most twice a minute for a batch."""
    fleet.add(launch)
    ecs.next("describe_tasks", *[fakes.aws_error(*DENIED) for _ in range(10)])
    with mock.patch.object(watcher, "log", autospec=True) as log:
        fleet.advance(60)
    assert 2 <= log.warning.call_count <= 3
    assert DENIED[1] in str(log.warning.call_args)


@pytest.mark.parametrize(
    "answer", [{"tasks": 5}, {"tasks": "text"}, {"tasks": {"a": 1}}, {"odd": 1}], ids=str
)
def test_an_answer_without_a_list_of_tasks_is_none(fleet, ecs, launch, answer):
    """Where the list of tasks is something else, ECS tasks are as they were, however long that lasts."""
    fleet.add(launch)
    ecs.start(ecs.arns[0])
    fleet.advance(3)
    ecs.next("describe_tasks", *[answer] * 7)
    fleet.advance(120)
    assert not fleet.told_of(launch, Ended)
    ecs.exit(ecs.arns[0], 0)
    fleet.advance(60)
    assert end_of(fleet, launch).reason is None


@pytest.mark.parametrize("seconds", [1, 20, 200])
def test_a_stop_that_comes_before_aws_knows_the_ecs_task_is_repeated(fleet, ecs, launch, seconds):
    """What AWS has accepted and does not find yet is stopped as soon as it is found."""
    fleet.add(launch)
    (arn,) = ecs.arns
    ecs.hidden.add(arn)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(seconds)
    ecs.hidden.clear()
    ecs.start(arn)
    fleet.advance(60)
    assert ecs.tasks[arn]["desiredStatus"] == "STOPPED"
    ecs.exit(arn, 143)
    fleet.advance(60)
    assert not fleet.fleet.runs_by_id
    assert not fleet.told_of(launch, Ended)


def test_an_ecs_task_that_aws_never_comes_to_know_is_let_go(fleet, ecs, launch):
    """After the time in which it must become known nobody asks to stop it any more."""
    fleet.add(launch)
    ecs.hidden.update(ecs.arns)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(APPEARANCE + 60)
    assert not fleet.fleet.runs_by_id
    assert fleet.settle() is None


def test_a_stop_of_what_is_gone_is_not_repeated_for_ever(fleet, ecs, launch):
    """Where AWS has not known a task for a while there is nothing to stop, and the launch is let go."""
    fleet.add(launch)
    fleet.advance(5)
    ecs.hidden.update(ecs.arns)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(DISAPPEARANCE + 60)
    assert 1 < len(ecs.made("stop_task")) < 12
    assert not fleet.fleet.runs_by_id
    assert not fleet.told_of(launch, Ended)
    assert fleet.settle() is None


def test_an_ecs_task_that_is_hidden_for_a_moment_is_stopped(fleet, ecs, launch):
    """AWS is eventually consistent: what it has known and does not find now is asked to stop again."""
    fleet.add(launch)
    fleet.advance(5)
    ecs.hidden.update(ecs.arns)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(DISAPPEARANCE / 2)
    ecs.hidden.clear()
    fleet.advance(60)
    assert ecs.tasks[ecs.arns[0]]["desiredStatus"] == "STOPPED"


def test_a_stop_that_is_refused_is_told_and_repeated(fakes, fleet, ecs, launch):
    """Without the permission to stop it an ECS task runs on: the log says so, until somebody grants it."""
    fleet.add(launch)
    ecs.next("stop_task", *[fakes.aws_error(*DENIED) for _ in range(3)])
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    with mock.patch.object(watcher, "log", autospec=True) as log:
        fleet.advance(600)
    assert log.error.call_count == 3
    assert DENIED[1] in str(log.error.call_args)
    assert len(ecs.made("stop_task")) == 4


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_slowest_rate_still_looks(make_fleet, run_many, ecs, rate):
    """With less than one look a second, there are looks all the same."""
    fleet = make_fleet(describe_rate=rate)
    run_many(fleet, 1)
    fleet.advance(100)
    assert len(ecs.made("describe_tasks")) == pytest.approx(100 * min(rate, 0.5), abs=2)


def test_stops_come_before_looks(make_fleet, run_many, ecs):
    """However many looks are due, a stop does not wait for them."""
    fleet = make_fleet(poll_interval=0.1)
    launches = run_many(fleet, 600)
    made = len(ecs.calls)
    fleet.tell(fleet.fleet.revoke, launches[-1].id, "why")
    fleet.advance(1)
    assert "stop_task" in [call.name for call in ecs.calls[made : made + 2]]


def test_an_ecs_task_that_ends_before_its_stop_is_not_stopped(fakes, fleet, ecs, launch):
    """Where the ECS task has ended by itself, a stop that waits is forgotten."""
    fleet.add(launch)
    ecs.next("stop_task", *[ConnectionResetError()] * 3)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    ecs.exit(ecs.arns[0], 0)
    fleet.advance(60)
    assert len(ecs.made("stop_task")) <= 3
    assert not fleet.fleet.runs_by_id
    assert fleet.fleet.awaited == 0
    assert not fleet.told_of(launch, Noted)
