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
"""More on what ``test_orphans.py`` tests."""

from __future__ import annotations

import itertools
from collections import Counter
from concurrent.futures import Future
from unittest import mock

import pytest

from airflow.executors.fargate.aws.ecs import MAX_DESCRIBED, MAX_LISTED
from airflow.executors.fargate.fleet import orphans
from airflow.executors.fargate.fleet.orphans import FIRST_DELAYS
from airflow.executors.fargate.messages import OtherEcsTasks

from tests.executors.fargate.test_orphans import (
    INTERVAL,
    SCHEDULER,
    first_sweep,
    fleet,
    run,
    stop,
    stopped,
    sweep,
    told,
)


def test_without_an_interval_nothing_is_swept(make_fleet, ecs, run):
    """Outside of a scheduler there is no database to compare with."""
    run()
    fleet = make_fleet()
    fleet.settle()
    fleet.advance(10 * INTERVAL)
    assert not ecs.made("list_tasks")


def test_where_no_option_names_a_cluster_nothing_is_swept(fakes, ecs, clock):
    """A function of the user's own may choose it: it is not known where to search."""
    fleet = fakes.SteppedFleet(ecs, fakes.make_config(cluster=""), sweep_interval=INTERVAL, clock=clock)
    fleet.settle()
    fleet.advance(INTERVAL)
    assert ecs.calls == []


def test_sweeps_come_soon_at_first_and_then_each_interval(fleet, ecs):
    """A scheduler that has just begun may find what its predecessor left; later the interval is Airflow's."""
    fleet.settle()
    fleet.advance(sum(FIRST_DELAYS) + len(FIRST_DELAYS) + 1)
    assert len(ecs.made("list_tasks")) == len(FIRST_DELAYS)
    fleet.advance(10 * INTERVAL)
    assert 9 <= len(ecs.made("list_tasks")) - len(FIRST_DELAYS) <= 10


def test_an_interval_of_nothing_is_no_busy_loop(fakes, ecs, clock):
    """[scheduler] orphaned_tasks_check_interval may be 0."""
    fleet = fakes.SteppedFleet(ecs, sweep_interval=0.0, clock=clock)
    fleet.advance(60)
    assert 30 <= len(ecs.made("list_tasks")) <= 60


def test_after_an_adoption_sweeps_come_sooner(fleet, ecs):
    """What was found to have no ECS task, and was reset, may have one later."""
    fleet.advance(INTERVAL)
    before = len(ecs.made("list_tasks"))
    fleet.tell(fleet.fleet.adopt, [], Future())
    fleet.advance(sum(FIRST_DELAYS) + len(FIRST_DELAYS) + 1)
    looks = [call for call in ecs.made("list_tasks")[before:] if call.arguments[2] == "RUNNING"]
    assert len(looks) >= len(FIRST_DELAYS)


@pytest.mark.parametrize("count", [0, 99, 100, 101, 450])
def test_an_orphan_is_described_once_and_reported_each_time(fleet, ecs, run, count):
    """One call lists a hundred; one describes a hundred new ones, and none those seen before."""
    fleet.settle()
    arns = {run(number, started=True) for number in range(count)}
    fleet.advance(2 * INTERVAL)
    assert len(ecs.made("describe_tasks")) == -(-count // MAX_DESCRIBED)
    assert all(report == arns for report in told(fleet))
    before = len(ecs.calls)
    assert sweep(fleet) == ([arns] if count else [])
    pages = count // MAX_LISTED + 1
    assert {call.name for call in ecs.calls[before:]} == {"list_tasks"}
    assert len(ecs.calls[before:]) in (pages, 2 * pages, count // MAX_LISTED, 2 * (count // MAX_LISTED))


@pytest.fixture
def fleet_of_three(fakes, ecs, clock):
    """Return a fleet that sweeps three clusters."""
    queues = {name: {"cluster": name} for name in ("cluster", "second", "third")}
    return fakes.SteppedFleet(ecs, fakes.make_config(queues=queues), sweep_interval=INTERVAL, clock=clock)


@pytest.mark.parametrize("counts", [(0, 0, 0), (1, 0, 1), (0, 99, 0), (101, 5, 250)])
def test_each_cluster_is_listed_once_and_what_is_new_described_by_cluster(fleet_of_three, ecs, run, counts):
    """Each cluster's list is read once, page by page; no call mixes clusters."""
    fleet, numbers = fleet_of_three, itertools.count()
    clusters = ("cluster", "second", "third")
    arns = {c: {run(next(numbers), cluster=c) for _ in range(count)} for c, count in zip(clusters, counts)}
    reports = first_sweep(fleet) or sweep(fleet)
    assert reports[:1] == ([set().union(*arns.values())] if sum(counts) else [])
    described = [(call.arguments[0], set(call.arguments[1])) for call in ecs.made("describe_tasks")]
    assert all(some <= arns[cluster] for cluster, some in described)
    assert sum(len(some) for _, some in described) == sum(counts)
    assert len(described) == sum(-(-count // MAX_DESCRIBED) for count in counts)
    fleet.advance(INTERVAL)
    ecs.calls.clear()
    fleet.advance(INTERVAL - 1)
    listed = Counter(call.arguments[0] for call in ecs.made("list_tasks"))
    assert listed == {c: max(1, -(-count // MAX_LISTED)) for c, count in zip(clusters, counts)}
    assert not ecs.made("describe_tasks")


@pytest.mark.parametrize("call", ["list_tasks", "describe_tasks"])
def test_a_cluster_that_aws_refuses_does_not_keep_the_others_from_being_swept(
    fleet_of_three, fakes, ecs, run, call, monkeypatch
):
    """A queue's cluster may be gone or forbidden: that is logged once, and the others are swept."""
    log = mock.create_autospec(orphans.log, instance=True)
    monkeypatch.setattr(orphans, "log", log)
    run(2, cluster="second")
    others = {run(1), run(3, cluster="third")}

    def answer(cluster, *arguments):
        if cluster == "second":
            raise fakes.aws_error("AccessDeniedException")
        return real[call](cluster, *arguments)

    real = {
        "list_tasks": lambda cluster, *_: {"taskArns": [a for a in others if f"/{cluster}/" in a]},
        "describe_tasks": ecs._describe_tasks,
    }
    ecs.next(call, *[answer] * 50)
    assert sweep(fleet_of_three) == [others]
    assert sweep(fleet_of_three) == [others]
    (line,) = [call.args[0] % call.args[1:] for call in log.warning.call_args_list]
    assert "in cluster second: " in line
    assert "AccessDeniedException" in line


def test_the_fleet_s_own_ecs_tasks_are_not_described_for_it(fleet, fakes, ecs, run):
    """They are followed anyway."""
    fleet.add(*[fakes.make_launch(number) for number in range(50)])
    fleet.advance(1)
    own, other_ecs_task = set(ecs.arns), run(1000)
    fleet.advance(FIRST_DELAYS[0] + 2)
    described = [set(call.arguments[1]) for call in ecs.made("describe_tasks")]
    assert [arns for arns in described if arns - own] == [{other_ecs_task}]


def test_a_sweep_leaves_nine_tenths_of_the_calls_to_others(fleet, ecs, run):
    """Between two calls of a sweep there is time for nine others."""
    for number in range(1000):
        run(number)
    fleet.advance(INTERVAL)
    times = [call.at for call in ecs.calls]
    assert len(times) >= 20
    assert all(later - earlier >= 1.0 for earlier, later in zip(times, times[1:]))


def test_what_has_gone_is_forgotten(fleet, ecs, run):
    """ECS tasks that are no longer listed leave memory."""
    arn = run(started=True)
    assert sweep(fleet) == [{arn}]
    ecs.exit(arn, 0)
    assert sweep(fleet) == []
    assert fleet.fleet.orphans._seen == {}


def test_what_may_have_started_meanwhile_is_looked_at_again(fleet, ecs, run):
    """An orphan that was described long ago as not started is described again before it is stopped."""
    arn = run()
    assert sweep(fleet) == [{arn}]
    assert sweep(fleet) == [{arn}]
    ecs.start(arn)
    stop(fleet, arn)
    assert stopped(ecs) == []
    told(fleet)
    fleet.advance(FIRST_DELAYS[0] + 2)
    (report,) = [event for event in fleet.told if isinstance(event, OtherEcsTasks)]
    assert [s.started for s in report.ecs_tasks] == [True]


def test_an_orphan_seen_long_ago_that_has_still_not_started_is_stopped(fleet, ecs, run):
    """It takes one more look."""
    arn = run()
    sweep(fleet)
    sweep(fleet)
    stop(fleet, arn)
    fleet.advance(FIRST_DELAYS[0] + 2)
    stop(fleet, arn)
    assert stopped(ecs) == [arn]


def test_throttling_slows_down_all_looks(fleet, fakes, ecs, run):
    """The bucket is that of the looks at ECS tasks: where a sweep is throttled they are, too."""
    run()
    ecs.next("list_tasks", fakes.aws_error("ThrottlingException"))
    (shared, _), (bucket,) = fleet.fleet.calls.search.buckets, fleet.fleet.calls.watch.buckets
    before = bucket.rate_at(fleet.clock.at)
    fleet.advance(FIRST_DELAYS[0])
    assert bucket.rate_at(fleet.clock.at) < before
    assert shared is bucket


@pytest.mark.parametrize(
    "answer", [{}, {"tasks": None}, {"tasks": [None, {}, {"taskArn": 1}]}, [], "garbage"]
)
def test_an_answer_that_is_none_does_no_harm(fleet, ecs, run, answer):
    """Whatever DescribeTasks answers, the fleet's thread lives, and the next sweep asks again."""
    arn = run()
    ecs.next("describe_tasks", answer)
    fleet.advance(FIRST_DELAYS[0] + 2)
    assert told(fleet) == []
    assert sweep(fleet) == [{arn}]


def test_after_the_thread_died_the_sweep_is_left_off(fleet, ecs, run):
    """An answer of before counts for nothing, and the next sweep comes in its time."""
    arn = run()
    fleet.advance(FIRST_DELAYS[0] - 1)
    fleet.hold()
    fleet.advance(2)
    fleet.fleet.recover()
    fleet.hold(False)
    fleet.settle()
    fleet.advance(3)
    assert told(fleet) == []
    assert sweep(fleet) == [{arn}]


def test_a_bug_ends_one_sweep_and_comes_no_sooner_than_the_next(fleet, ecs, run, monkeypatch):
    """What it dies of does not end the thread again and again."""
    arn = run()
    with monkeypatch.context() as patch:
        patch.setattr(orphans, "classify_ecs_task", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fleet.advance(FIRST_DELAYS[0] + 2)
        fleet.fleet.recover()
        assert fleet.settle() >= fleet.clock.at + FIRST_DELAYS[1]
    assert told(fleet) == []
    assert sweep(fleet) == [{arn}]
