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
"""More on what ``test_capacity_queue.py`` tests."""

from __future__ import annotations

import gc
import itertools
import time
import weakref

import pytest

from airflow.executors.fargate.fleet.attempts import REVOCATION
from airflow.executors.fargate.fleet.capacity_queue import PROBE_SHARE, CapacityQueue, size_of
from airflow.executors.fargate.fleet.launch_state import Line
from airflow.executors.fargate.messages import Accepted, Ended, Noted

from tests.executors.fargate.test_capacity_queue import NO_CAPACITY, SPOT, drain, make_run, queue, refuse


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
