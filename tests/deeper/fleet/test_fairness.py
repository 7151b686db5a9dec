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
"""Tests of fairness: DescribeTasks for thousands of ECS tasks, and thousands of launches without capacity."""

from __future__ import annotations

import logging
from concurrent.futures import Future

import pytest

from airflow.executors.fargate.fleet.calls import DESCRIBE_SHARE
from airflow.executors.fargate.fleet.unknown_outcomes import SEARCH_DELAYS
from airflow.executors.fargate.messages import Accepted, Ended, Unconfirmed
from airflow.executors.fargate.present import Candidate
from airflow.executors.fargate.request.builder import Prepared

SPOT, ON_DEMAND = "FARGATE_SPOT", "FARGATE"
#: Seconds until a call is answered.
LATENCY = 0.15


@pytest.fixture(autouse=True)
def _few_lines(caplog):
    """Lines for each of thousands cost more time than what the tests are about."""
    caplog.set_level(logging.WARNING, "airflow.executors.fargate")


@pytest.fixture
def ecs(fakes, clock):
    """Return an ECS in which ECS tasks start and end by themselves."""
    return fakes.BusyEcs(clock)


@pytest.fixture
def busy_fleet(fakes, make_fleet):
    """Return a function that makes a fleet whose calls take time; making a request takes none."""

    def build(launch):
        asked = dict(launch.executor_config or {})
        request = fakes.make_request(launch, cluster=fakes.CONFIG.cluster)
        request["overrides"] |= asked.pop("overrides", {})
        return Prepared(request | asked, fakes.CONFIG.container_name)

    def make(**options):
        fleet = make_fleet(build=None if "cluster" in options else build, **options)
        # A step is whatever happens without time passing: with 50,000 launches a lot does.
        fleet.MOST_STEPS = 10_000_000
        fleet.take_time(LATENCY)
        return fleet

    return make


# DescribeTasks.


@pytest.fixture
def adopt(fakes, ecs, clock):
    """Return a function that has a fleet adopt running ECS tasks of a cluster, whose ARNs are stored."""

    def adopt(fleet, count, cluster="cluster", first=0):
        candidates = []
        for number in range(first, first + count):
            launch = fakes.make_launch(number, id=f"adopted-{number}", handed_over=clock.at)
            arn = ecs.put(fakes.make_request(launch, cluster=cluster))
            ecs.start(arn)
            candidates.append(Candidate(launch.task, launch.task, arn, clock.at - 60))
        followed = len(fleet.fleet.runs_by_id) + count
        fleet.tell(fleet.fleet.adopt, candidates, Future())
        while len(fleet.fleet.runs_by_id) < followed:  # Many take longer than Airflow waits for an answer.
            fleet.advance(0.5)

    return adopt


def delays(fleet):
    """Return the seconds from each end to its event."""
    return [event.seen_after for event in fleet.told if isinstance(event, Ended)]


@pytest.mark.parametrize("spelling", ["cluster", "arn:aws:ecs:us-east-1:123456789012:cluster/cluster"])
def test_what_is_new_is_looked_at_beside_what_was_adopted(busy_fleet, fakes, ecs, adopt, spelling):
    """After a restart: 20 new ECS tasks beside 2,537 adopted ones; each end is seen within 10 s."""
    fleet = busy_fleet(cluster=spelling)
    adopt(fleet, 2537)
    fleet.advance(10)
    ecs.ends_after = 2.0
    fleet.add(*[fakes.make_launch(number, id=f"new-{number}") for number in range(5000, 5020)])
    fleet.advance(15)
    seen = delays(fleet)
    assert len(seen) == 20
    assert max(seen) < 10


@pytest.mark.parametrize("sizes", [(4900, 60, 25, 10, 5), (1000,) * 5])
def test_clusters_of_any_size_are_looked_at_alike(busy_fleet, ecs, adopt, sizes):
    """Of 5,000 ECS tasks in five clusters each fiftieth ends; each end is seen within 10 s."""
    fleet, first = busy_fleet(), 0
    for number, size in enumerate(sizes):
        adopt(fleet, size, f"cluster{number}", first)
        first += size
    fleet.advance(10)
    ending = ecs.arns[::50]
    for place, arn in enumerate(ending):
        ecs.end_after(0.1 * place, arn)
    fleet.advance(22)
    seen, expected = delays(fleet), len(ending)
    assert len(seen) == expected
    assert max(seen) < 10


def test_the_crowd_is_looked_at_within_one_and_a_half_sweeps(busy_fleet, ecs, adopt):
    """
    Of 10,000 ECS tasks in clusters of unequal size, each end is seen within one and a half sweeps.

    50,000 take five times as long.
    """
    fleet, sizes = busy_fleet(), (9_000, 800, 100, 99, 1)
    for number, size in enumerate(sizes):
        adopt(fleet, size, f"cluster{number}", sum(sizes[:number]))
    calls = sum(-(-size // 100) for size in sizes)
    sweep = calls / (fleet.config.describe_rate * DESCRIBE_SHARE)
    fleet.advance(sweep)
    ending = ecs.arns[::100]
    for arn in ending:
        ecs.end_after(1.0, arn)
    fleet.advance(1.5 * sweep + 1)
    seen, expected = delays(fleet), len(ending)
    assert len(seen) == expected
    assert max(seen) < 1.5 * sweep


def test_a_search_for_unknown_outcomes_holds_up_no_adoption(busy_fleet, fakes, ecs, clock):
    """While launches that may have started are searched for in three clusters, another one is adopted at once."""
    fleet, clusters = busy_fleet(), [f"cluster{number}" for number in range(3)]
    for number in range(9_000):
        request = fakes.make_request(
            fakes.make_launch(number, id=f"other-{number}"), cluster=clusters[number % 3]
        )
        ecs.put(request)
    unknown = [
        fakes.make_launch(10_000 + number, executor_config={"cluster": cluster})
        for number, cluster in enumerate(clusters)
    ]
    ecs.next("run_task", *[ConnectionResetError()] * len(unknown))
    fleet.add(*unknown)
    for launch in unknown:
        fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(SEARCH_DELAYS[0] + 1)
    orphaned = fakes.make_launch(20_000, id="orphaned")
    arn = ecs.put(fakes.make_request(orphaned))
    ecs.start(arn)
    listed = len(ecs.made("list_tasks"))
    fleet.tell(fleet.fleet.adopt, [Candidate(orphaned.task, orphaned.task, arn, clock.at - 60)], Future())
    fleet.advance(2)
    assert orphaned.id in fleet.fleet.runs_by_id
    # Adoption describes the stored ARN, and lists nothing.
    assert len(ecs.made("list_tasks")) > listed, "That search has made no call meanwhile."


# Launches without capacity.


@pytest.fixture
def of_kind(fakes):
    """Return a function that makes launches of one kind of capacity."""

    def make(provider, count, first=0, subnet=None, cpu=None, **changes):
        asked = {"capacityProviderStrategy": [{"capacityProvider": provider, "weight": 1}]}
        if subnet:
            asked["networkConfiguration"] = {"awsvpcConfiguration": {"subnets": [subnet]}}
        if cpu:
            asked["overrides"] = {"cpu": cpu}
        return [
            fakes.make_launch(number, executor_config=asked, **changes)
            for number in range(first, first + count)
        ]

    return make


def provider_of(request):
    """Return the capacity provider that a RunTask request asks for."""
    return request["capacityProviderStrategy"][0]["capacityProvider"]


def asked_since(ecs, at):
    """Return the subnets that each RunTask call since then has asked for."""
    requests = [call.arguments[0] for call in ecs.made("run_task") if call.at > at]
    return [str(request.get("networkConfiguration")) for request in requests]


def accepted(fleet):
    """Return the launches whose ECS task was accepted, in that order."""
    return [event.launch for event in fleet.told if isinstance(event, Accepted)]


def without_spot(ecs, how):
    """Let there be no Spot capacity, reported at once or late."""
    lacks = lambda request: provider_of(request) == SPOT
    ecs.starts_after = 3.0
    setattr(ecs, how, lacks)


def with_spot(ecs):
    """Let there be capacity for all requests."""
    ecs.lacks = ecs.lacks_late = lambda request: False


REPORTED = pytest.mark.parametrize("how", ["lacks", "lacks_late"])


@REPORTED
def test_launches_that_wait_for_spot_delay_no_others(busy_fleet, ecs, of_kind, how):
    """500 launches wait for Spot; 5 on demand that come later are accepted within 2 s."""
    fleet, waiting = busy_fleet(), 500
    without_spot(ecs, how)
    fleet.add(*of_kind(SPOT, waiting))
    fleet.advance(90)
    later = of_kind(ON_DEMAND, 5, waiting)
    fleet.add(*later)
    fleet.advance(2)
    left = {launch.id for launch in later} - {launch.id for launch in accepted(fleet)}
    assert not left


@REPORTED
def test_waiting_costs_at_most_a_call_a_second(busy_fleet, ecs, clock, of_kind, how):
    """However many launches wait for a kind, it is tried at most once a second."""
    fleet = busy_fleet()
    without_spot(ecs, how)
    fleet.add(*of_kind(SPOT, 3000))
    fleet.advance(30)
    began, seconds = clock.at, 120
    fleet.advance(seconds)
    calls = len(asked_since(ecs, began))
    assert 0 < calls <= seconds


def test_all_kinds_together_cost_a_quarter_of_the_rate(busy_fleet, ecs, clock, of_kind):
    """Each of 40 kinds is tried, and together at a quarter of launch_rate at most."""
    rate = 8.0
    fleet = busy_fleet(launch_rate=rate)
    without_spot(ecs, "lacks")
    for kind in range(40):
        fleet.add(*of_kind(SPOT, 10, kind * 10, f"subnet-{kind:017}"))
    fleet.advance(120)
    began, seconds = clock.at, 120
    fleet.advance(seconds)
    asked = asked_since(ecs, began)
    calls, most = len(asked), rate / 4 * seconds + 1
    assert calls <= most
    assert len(set(asked)) == 40


def test_probes_that_are_confirmed_together_keep_to_the_rate(busy_fleet, ecs, clock, of_kind):
    """If the database answers late, the probes of many kinds wait for it."""
    fleet = busy_fleet(launch_rate=2.0, launch_burst=1, scheduler="1@1.0", lease=15.0)
    without_spot(ecs, "lacks")
    for kind in range(40):
        fleet.add(*of_kind(SPOT, 1, kind, f"subnet-{kind:017}"))
    fleet.advance(120)
    waiting = [event.launch.id for event in fleet.told if isinstance(event, Unconfirmed)]
    assert len(waiting) > 20
    began = clock.at
    fleet.tell(fleet.fleet.confirm, waiting)
    fleet.advance(10)
    assert 10 < len(asked_since(ecs, began)) <= 21


@REPORTED
def test_launches_that_waited_go_at_the_full_rate_again(busy_fleet, ecs, clock, of_kind, how):
    """Once there is capacity, a probe starts, and then all launches that wait go at launch_rate."""
    fleet, waiting = busy_fleet(), 500
    without_spot(ecs, how)
    launches = of_kind(SPOT, waiting)
    fleet.add(*launches)
    fleet.advance(90)
    with_spot(ecs)
    began = clock.at
    # The longest back-off, the start of the ECS task that proves it, and the rate's share.
    fleet.advance(30 + ecs.starts_after + 5 + waiting / fleet.config.launch_rate)
    left = {launch.id for launch in launches} - {launch.id for launch in accepted(fleet)}
    assert not left
    times = [call.at for call in ecs.made("run_task") if call.at > began]
    took, at_the_rate = times[-1] - times[-waiting // 2], waiting / 2 / fleet.config.launch_rate
    assert took < at_the_rate + 1


def test_an_accepted_probe_counts_once_it_has_left_provisioning(busy_fleet, ecs, clock, of_kind):
    """If the shortage is reported late, an accepted ECS task proves no capacity."""
    fleet = busy_fleet()
    without_spot(ecs, "lacks_late")
    ecs.seconds_until_told = 20.0
    fleet.add(*of_kind(SPOT, 200))
    fleet.advance(120)
    began = clock.at
    fleet.advance(120)
    # One at a time, and each takes 20 s.
    calls = len(asked_since(ecs, began))
    assert 1 <= calls <= 7


def test_a_launch_that_is_too_large_delays_none_of_its_kind(busy_fleet, ecs, of_kind):
    """The first request of a kind and the smallest are tried alternately."""
    fleet = busy_fleet()
    ecs.lacks = lambda request: True
    large, small = of_kind(SPOT, 1, cpu="16384"), of_kind(SPOT, 40, 1, cpu="256")
    fleet.add(*large, *small)
    fleet.advance(90)
    ecs.lacks = lambda request: request["overrides"]["cpu"] == "16384"
    ecs.starts_after = 3.0
    fleet.advance(90)
    assert {launch.id for launch in accepted(fleet)} == {launch.id for launch in small}
    ecs.lacks = lambda request: False
    fleet.advance(60)
    assert {launch.id for launch in large} <= {launch.id for launch in accepted(fleet)}


def test_priority_holds_among_those_that_wait(busy_fleet, ecs, of_kind):
    """Of launches that wait for the same kind, those of higher priority go first once there is capacity."""
    fleet = busy_fleet()
    ecs.lacks = lambda request: True
    for number in range(100):
        fleet.add(*of_kind(SPOT, 1, number, priority=number % 10))
    fleet.advance(90)
    with_spot(ecs)
    ecs.starts_after = 1.0
    fleet.advance(60)
    order = [launch.priority for launch in accepted(fleet)]
    assert len(order) == 100
    # The first ones were probes.
    assert order[2:] == sorted(order[2:], reverse=True)


def test_priority_holds_among_those_that_can_go(busy_fleet, ecs, of_kind):
    """A launch of high priority without capacity does not go before one of lower priority with capacity."""
    fleet = busy_fleet(launch_burst=1, launch_rate=1.0)
    ecs.lacks = lambda request: provider_of(request) == SPOT
    fleet.add(*of_kind(SPOT, 50, priority=9))
    fleet.advance(120)
    fleet.add(*of_kind(ON_DEMAND, 10, 100, priority=1), *of_kind(ON_DEMAND, 10, 200, priority=5))
    fleet.advance(60)
    order = [launch.priority for launch in accepted(fleet)]
    # One is sent before the others are handed over.
    assert order[1:] == [5] * 10 + [1] * 9
