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
"""Tests of the kinds of capacity, and of the launches that wait for them."""

from __future__ import annotations

import gc
import itertools
import time
import weakref

import pytest

from airflow.executors.fargate.fleet.attempts import REVOCATION
from airflow.executors.fargate.fleet.capacity_queue import PROBE_SHARE, CapacityQueue, kind_of, size_of
from airflow.executors.fargate.fleet.launch_state import Line, Run
from airflow.executors.fargate.messages import Accepted, Ended, Noted
from airflow.executors.fargate.request.builder import Prepared

SPOT = {"capacityProvider": "FARGATE_SPOT", "weight": 1}


ON_DEMAND = {"capacityProvider": "FARGATE", "weight": 1}


NO_CAPACITY = {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time."}]}


def subnets(*names):
    return {"networkConfiguration": {"awsvpcConfiguration": {"subnets": list(names)}}}


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"launchType": "FARGATE"}, {"launchType": "EC2"}, False),
        ({"launchType": "FARGATE"}, {"capacityProviderStrategy": [ON_DEMAND]}, False),
        ({"capacityProviderStrategy": [SPOT]}, {"capacityProviderStrategy": [ON_DEMAND]}, False),
        (
            {"capacityProviderStrategy": [SPOT, ON_DEMAND]},
            {"capacityProviderStrategy": [ON_DEMAND, SPOT]},
            True,
        ),
        ({"capacityProviderStrategy": [SPOT]}, {"capacityProviderStrategy": [{**SPOT, "base": 1}]}, False),
        ({"platformVersion": "1.4.0"}, {"platformVersion": "LATEST"}, False),
        ({"taskDefinition": "airflow:1"}, {"taskDefinition": "airflow:2"}, False),
        (subnets("a", "b"), subnets("b", "a"), True),
        (subnets("a", "b"), subnets("a"), False),
        (subnets("a"), {}, False),
        ({"cluster": "c"}, {"cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/c"}, True),
        ({"cluster": "c"}, {"cluster": "d"}, False),
        ({"cluster": "default"}, {}, True),
        # What a launch runs, and for whom, makes no difference to its capacity.
        ({"startedBy": "a", "tags": [{"key": "a", "value": "b"}]}, {"startedBy": "b"}, True),
        ({"overrides": {"containerOverrides": [{"name": "a", "command": ["b"]}]}}, {}, True),
        # Sizes of one kind can be compared: one that only the task definition knows is of another.
        ({"overrides": {"cpu": "256"}}, {"overrides": {"cpu": "512"}}, True),
        ({"overrides": {"cpu": "256"}}, {}, False),
        ({"overrides": {"cpu": "256", "memory": "512"}}, {"overrides": {"cpu": "256"}}, False),
    ],
)
def test_requests_of_a_kind_ask_for_the_same_capacity(first, second, same):
    """Apart from their size, AWS has capacity for both requests of a kind, or for none."""
    assert (kind_of(first) == kind_of(second)) is same
    assert len({kind_of(first), kind_of(second)}) == 2 - same


@pytest.fixture
def make_run(fakes):
    """Return a function that makes a run with a request, in the order of the hand-overs."""
    made = []

    def make(cpu=None, provider=SPOT, priority=0, fallback=None):
        number = len(made)
        request = {"capacityProviderStrategy": [provider], "overrides": {"cpu": cpu} if cpu else {}}
        run = Run(fakes.make_launch(number, priority=priority), order=number)
        run.prepared = Prepared(request, "airflow", fallback=fallback)
        made.append(number)
        return run

    return make


@pytest.fixture
def queue(fakes, clock):
    return CapacityQueue(fakes.make_context(clock))


def drain(take):
    """Take until there is none left."""
    taken = []
    while (run := take()) is not None:
        taken.append(run)
    return taken


def test_a_line_is_in_the_order_of_priority_then_of_arrival(make_run):
    """Runs that were removed are left out, and those that were entered twice come once."""
    runs = [make_run(priority=priority) for priority in (1, 5, 5, 1, 9)]
    line = Line()
    for run in (*runs, *runs):
        line.put(run)
    line.discard(runs[2])
    line.discard(runs[2])
    assert len(line) == 4
    assert runs[2] not in line
    taken = []
    while (run := line.first()) is not None:
        taken.append(run)
        line.discard(run)
    assert taken == [runs[4], runs[1], runs[0], runs[3]]
    assert len(line) == 0


def refuse(queue, run, late=False):
    """Let AWS have no capacity for a run, and enter it again."""
    run.arn = "arn" if late else None
    queue.refused(run, "none")
    run.arn = None
    queue.put(run)


def test_runs_that_wait_take_no_turn(queue, make_run):
    """Once AWS has no capacity for a run, all runs of its kind wait, also those entered before."""
    waiting, others = [make_run() for _ in range(5)], [make_run(provider=ON_DEMAND) for _ in range(3)]
    for run in (*waiting[:3], *others[:2]):
        queue.put(run)
    first = queue.take()
    refuse(queue, first)
    for run in (*waiting[3:], *others[2:]):
        queue.put(run)
    assert drain(queue.take) == others
    assert [queue.reason_to_wait(run) for run in waiting] == ["none"] * 5
    assert queue.reason_to_wait(others[0]) is None
    assert not queue.has_at_least(1)


def test_a_run_that_has_a_fallback_or_may_have_started_does_not_wait(queue, make_run):
    """The first goes elsewhere once it is refused; the second needs a clear answer."""
    waiting, settled, elsewhere = make_run(), make_run(), make_run(fallback={"launchType": "FARGATE"})
    settled.may_have_started = True
    queue.put(waiting)
    refuse(queue, queue.take())
    queue.put(settled)
    queue.put(elsewhere)
    assert drain(queue.take) == [settled, elsewhere]


def test_probes_of_a_kind_go_one_at_a_time_and_back_off(queue, clock, make_run):
    """After 2 s, then after 4, 8, 16 and 30 s each."""
    for run in [make_run() for _ in range(3)]:
        queue.put(run)
    refuse(queue, queue.take())
    gone, began = [], clock.at
    while len(gone) < 7:
        assert queue.take_probe() is None
        clock.at = queue.probe_at()
        run = queue.take_probe()
        queue.sent(run)
        gone.append(clock.at - began)
        refuse(queue, run)
    assert gone == [2, 6, 14, 30, 60, 90, 120]


@pytest.mark.parametrize("late", [False, True])
def test_a_probe_lets_those_go_that_ask_for_no_more(queue, clock, make_run, late):
    """With capacity for a small run, runs of its size go; larger ones wait for a probe of theirs."""
    large, small = [make_run("4096") for _ in range(3)], [make_run("256") for _ in range(3)]
    for run in (*large, *small):
        queue.put(run)
    for run in drain(queue.take):
        refuse(queue, run, late)
    for expected in (large, small):
        clock.at = queue.probe_at()
        probe = queue.take_probe()
        queue.sent(probe)
        assert probe is expected[0]
    queue.accepted(probe)
    assert queue.has_at_least(1) is not late
    queue.accepted(probe, provisioned=True)
    assert drain(queue.take) == small[1:]
    assert queue.reason_to_wait(large[1])
    clock.at = queue.probe_at()
    probe = queue.take_probe()
    queue.sent(probe)
    queue.accepted(probe, provisioned=True)
    assert drain(queue.take) == large[2:]
    assert queue.probe_at() is None


def test_launches_that_wait_for_spot_delay_no_others(fakes, make_fleet, ecs, clock):
    """500 launches wait for Spot; 5 on demand are accepted at once, the 500 once there is capacity."""
    fleet = make_fleet()
    answers = ecs._run_task
    full = [True]

    def run_task(request, token):
        lacks = full[0] and request["capacityProviderStrategy"] == [SPOT]
        return NO_CAPACITY if lacks else answers(request, token)

    ecs._run_task = run_task
    spot = [fakes.make_launch(n, executor_config={"capacityProviderStrategy": [SPOT]}) for n in range(500)]
    fleet.add(*spot)
    fleet.advance(60)
    before = len(ecs.made("run_task"))
    fleet.advance(100)
    assert len(ecs.made("run_task")) - before <= 4
    later = [
        fakes.make_launch(n, executor_config={"capacityProviderStrategy": [ON_DEMAND]})
        for n in range(500, 505)
    ]
    fleet.add(*later)
    assert all(fleet.told_of(launch, Accepted) for launch in later)
    full[0] = False
    fleet.advance(30 + 500 / 20)
    assert all(fleet.told_of(launch, Accepted) for launch in spot)
    assert not [event for event in fleet.told if isinstance(event, Ended)]


def test_a_launch_that_is_revoked_while_it_waits_is_forgotten(fakes, make_fleet, ecs):
    """Once Airflow has revoked all, nothing is kept of them, and no more calls are made."""
    fleet = make_fleet()
    ecs.next("run_task", *[NO_CAPACITY] * 1000)
    launches = [fakes.make_launch(n) for n in range(50)]
    fleet.add(*launches)
    fleet.advance(60)
    for launch in launches:
        fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.settle()
    asked = len(ecs.tokens)
    fleet.advance(120)
    assert len(ecs.tokens) == asked
    queue = fleet.fleet.launcher.queue
    assert (queue._lines, queue._shortages, list(fleet.fleet.runs_by_id.values())) == ({}, {}, [])


@pytest.mark.parametrize(
    ("overrides", "size"),
    [
        ({}, (0, 0)),
        ({"cpu": "256"}, (256, 0)),
        ({"cpu": "1 vCPU", "memory": "2 GB"}, (1024, 2048)),
        ({"memory": "512"}, (0, 512)),
    ],
)
def test_a_size_is_what_the_request_overrides(overrides, size):
    """CPU units and MiB, however they are written; 0 for what is left to the task definition."""
    assert size_of({"overrides": overrides}) == size


def test_a_run_that_leaves_a_line_frees_its_memory(make_run):
    """Neither the run nor its entry is kept until its turn comes."""
    line, runs = Line(), [make_run() for _ in range(1000)]
    for run in runs:
        line.put(run)
    gone = [weakref.ref(run) for run in runs[1:]]
    for run in runs[1:]:
        line.discard(run)
    del runs[1:], run
    gc.collect()
    assert not any(reference() for reference in gone)
    assert len(line._runs) == 1


def test_a_probe_goes_though_the_clock_moves_on(fakes, make_run):
    """A real clock shows another time whenever it is read."""
    moments = itertools.count(1000.0, 1e-6)
    queue = CapacityQueue(fakes.make_context(lambda: next(moments)))
    for run in [make_run() for _ in range(2)]:
        queue.put(run)
    refuse(queue, queue.take())
    moments = itertools.count(queue.probe_at(), 1e-6)
    assert queue.take_probe() is not None


def test_the_first_and_the_smallest_alternate(queue, clock, make_run):
    """Runs that are too large do not keep smaller ones from being tried."""
    large, medium, small = make_run("4096", priority=9), make_run("1024"), make_run("256")
    for run in (medium, large, small):
        queue.put(run)
    for run in drain(queue.take):
        refuse(queue, run)
    tried = []
    for _ in range(4):
        clock.at = queue.probe_at()
        run = queue.take_probe()
        queue.sent(run)
        tried.append(run)
        refuse(queue, run)
    assert tried == [large, small, large, small]


def test_no_capacity_for_a_large_run_delays_no_smaller_one(queue, make_run):
    """A shortage holds for its size and larger ones only."""
    large, small = [make_run("4096") for _ in range(2)], make_run("256")
    for run in large:
        queue.put(run)
    refuse(queue, queue.take())
    queue.put(small)
    assert drain(queue.take) == [small]


def test_only_a_probe_shows_that_there_is_capacity(queue, make_run):
    """An ECS task that was sent before the shortage was reported does not end it."""
    early, refused, waiting = make_run(), make_run(), make_run()
    for run in (early, refused, waiting):
        queue.put(run)
    assert (queue.take(), queue.take()) == (early, refused)
    refuse(queue, refused, late=True)
    queue.accepted(early)
    queue.accepted(early, provisioned=True)
    assert drain(queue.take) == []


def test_all_kinds_together_have_a_quarter_of_the_rate(queue, clock, make_run):
    """Forty kinds that are all due take turns at a quarter of launch_rate."""
    for number in range(40):
        run = make_run(provider={"capacityProvider": f"provider{number}"})
        queue.put(run)
        refuse(queue, queue.take())
    began, at = clock.at, []
    while len(at) < 40:
        clock.at = queue.probe_at()
        queue.sent(queue.take_probe())
        at.append(clock.at - began)
    assert at == pytest.approx([2 + number / (20 * PROBE_SHARE) for number in range(40)])


def test_a_run_that_is_abandoned_is_no_probe(queue, clock, make_run):
    """A shortage for which no run waits any more is forgotten."""
    runs = [make_run() for _ in range(3)]
    for run in runs:
        queue.put(run)
    refuse(queue, queue.take())
    probe_at = queue.probe_at()
    for run in runs:
        queue.discard(run)
    assert queue.probe_at() is None
    clock.at = probe_at
    assert queue.take_probe() is None
    assert (queue._lines, queue._shortages) == ({}, {})


def test_the_last_one_under_way_keeps_the_back_off(queue, clock, make_run):
    """A single run that AWS refuses late backs off as well, though no run waits while it is under way."""
    run, at = make_run(), []
    queue.put(run)
    refuse(queue, queue.take(), late=True)
    while len(at) < 6:
        clock.at = max(clock.at, queue.probe_at())
        at.append(clock.at)
        queue.sent(queue.take_probe())
        clock.at += 10
        assert queue.take_probe() is None
        refuse(queue, run, late=True)
    assert [b - a for a, b in zip(at, at[1:])] == [10, 10, 16, 30, 30]


def test_clear_keeps_what_is_known_of_capacity(queue, clock, make_run):
    """After the thread's death all runs are entered again: those without capacity wait."""
    run = make_run()
    queue.put(run)
    refuse(queue, queue.take())
    queue.clear()
    queue.put(run)
    assert queue.take() is None
    clock.at = queue.probe_at()
    assert queue.take_probe() is run


def test_runs_that_wait_cost_no_time(queue, clock, make_run):
    """With 50,000 runs that wait, a turn takes less than a millisecond."""
    for run in [make_run() for _ in range(50_000)]:
        queue.put(run)
    refuse(queue, queue.take())
    began = time.perf_counter()
    for _ in range(1000):
        queue.take(), queue.take_probe(), queue.has_at_least(16), queue.probe_at()
    assert time.perf_counter() - began < 1.0


def test_a_token_that_expires_while_its_launch_waits_costs_no_probe(fakes, make_fleet, ecs, clock):
    """Launches whose token has expired leave the line; one that can be sent is the probe."""
    fleet = make_fleet()
    ecs.next("run_task", *[NO_CAPACITY] * 20)
    expiring = [fakes.make_launch(n, expires=clock.at + 80) for n in range(10)]
    lasting = fakes.make_launch(10)
    fleet.add(*expiring, lasting)
    fleet.advance(50)
    ecs._answers.clear()
    fleet.advance(30)
    assert fleet.told_of(lasting, Accepted)
    assert len(ecs.arns) == 1


def test_a_token_that_expires_in_a_long_line_is_noted(fakes, make_fleet, ecs, clock):
    """Whatever their place in the line, launches whose token expires have a note, and fail in the end."""
    fleet = make_fleet()
    ecs.next("run_task", *[NO_CAPACITY] * 1000)
    expiring = [fakes.make_launch(n, expires=clock.at + 80) for n in range(300)]
    lasting = fakes.make_launch(300, priority=9)
    fleet.add(*expiring, lasting)
    fleet.advance(60)
    notes = [[event.text for event in fleet.told_of(launch, Noted)][-1:] for launch in expiring]
    assert all("expires in under 60 s" in text for (text,) in notes)
    assert len(notes) == 300
    fleet.advance(80 + REVOCATION)
    assert len([event for event in fleet.told if isinstance(event, Ended)]) == 300
    assert [run.launch for run in fleet.fleet.runs_by_id.values()] == [lasting]
