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
"""Each ECS task is looked at in its turn, whatever its cluster, how that is spelled, what ends and what is throttled."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings, strategies as st

from airflow.executors.fargate.aws.ecs import MAX_DESCRIBED
from airflow.executors.fargate.fleet.calls import DESCRIBE_SHARE
from airflow.executors.fargate.messages import Ended
from airflow.executors.fargate.request.builder import Prepared

from tests.executors.fargate import fakes

ARN = "arn:aws:ecs:us-east-1:123456789012:cluster/"
#: Seconds: that an answer takes, between two looks at how fast calls are admitted, and of an example.
LATENCY, STEP, SECONDS = 0.15, 0.25, 40.0
#: DescribeTasks calls a second that the options allow: few, so that some hundred ECS tasks are many.
RATE = 2.0
#: Calls that a turn may come later: by those that are under way, and by what is rounded.
UNDER_WAY = 5

sizes = st.lists(st.sampled_from((1, 3, 40, 99, 100, 101, 250)), min_size=1, max_size=5)
#: Which ECS tasks are of a launch that names its cluster by ARN: each so-manieth, or none.
spellings = st.sampled_from((0, 1, 2, 7, 100))


class World:
    """A fleet that follows ECS tasks in some clusters, and what it has asked."""

    def __init__(self, sizes, by_arn, throttled, rate=RATE):
        self.clock = fakes.Clock()
        self.ecs = fakes.BusyEcs(self.clock)
        config = fakes.make_config(describe_rate=rate, launch_rate=1e6, launch_burst=10**6)
        self.clusters = [f"cluster{number}" for number, size in enumerate(sizes) for _ in range(size)]
        self.by_arn = by_arn
        self.fleet = fakes.SteppedFleet(self.ecs, config, self.build, clock=self.clock)
        self.fleet.MOST_STEPS = 10**8  # With 50,000 launches a lot happens at one time.
        self.fleet.add(*[fakes.make_launch(number) for number in range(len(self.clusters))])
        self.fleet.advance(1.0)
        for arn in self.ecs.arns:
            self.ecs.start(arn)
        self.fleet.take_time(LATENCY)
        if throttled:
            self.ecs.throttled = {"describe_tasks": throttled}
        self.bucket = self.fleet.fleet.calls.watch.buckets[0]
        #: Calls that were admitted since the beginning, by the time: what the rate has allowed.
        self.allowed = [0.0]
        self.began = self.clock.at

    def build(self, launch):
        number = int(launch.id.rpartition("-")[2])
        prefix = ARN if self.by_arn and not number % self.by_arn else ""
        request = fakes.make_request(launch, cluster=f"{prefix}{self.clusters[number]}")
        return Prepared(request, fakes.CONFIG.container_name)

    def go_on(self, seconds):
        for _ in range(int(seconds / STEP)):
            self.fleet.advance(STEP)
            self.allowed.append(self.allowed[-1] + STEP * self.bucket.rate_at(self.clock.at))

    def allowed_between(self, first, last):
        places = [min(len(self.allowed) - 1, int((at - self.began) / STEP)) for at in (first, last)]
        return self.allowed[places[1]] - self.allowed[places[0]]

    def waits(self):
        """Return the beginning and the end of each wait of each ECS task, to its end or to that of the example."""
        asked = defaultdict(list)
        for call in self.ecs.made("describe_tasks"):
            for arn in call.arguments[1]:
                asked[arn].append(call.at)
        over = {event.arn for event in self.fleet.told if isinstance(event, Ended)}
        for arn in self.ecs.tasks:
            turns = [self.began, *(at for at in asked[arn] if at > self.began)]
            yield from zip(turns, turns[1:] if arn in over else [*turns[1:], self.clock.at])


@given(
    sizes,
    spellings,
    st.sampled_from((0, 5, 20)),
    st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, SECONDS)), max_size=20),
)
@settings(max_examples=settings.default.max_examples // 10)
def test_no_ecs_task_waits_longer_than_twice_what_the_rate_allows(sizes, by_arn, throttled, ends):
    """That is the sum over the clusters of the calls that describe all of theirs, at the present rate."""
    world = World(sizes, by_arn, throttled)
    for number, after in ends:
        world.ecs.end_after(after, world.ecs.arns[number % len(world.ecs.arns)])
    world.go_on(SECONDS)
    calls = sum(-(-size // MAX_DESCRIBED) for size in sizes)
    interval = fakes.CONFIG.poll_interval
    for began, ended in world.waits():
        # Where the rate allows more, an ECS task is looked at each so-many seconds.
        late = ended - began > 2 * interval + LATENCY + STEP
        allowed = world.allowed_between(began, ended)
        assert not late or allowed <= 2 * calls + UNDER_WAY, (began, ended, allowed, calls)


@pytest.fixture
def crowd(pytestconfig):
    """Return how many launches there are at the most; stepping through them takes minutes."""
    if not pytestconfig.getoption("--long"):
        pytest.skip("takes minutes: only with --long. tests/deeper/fleet/test_fairness.py has fewer")
    return 50_000


def test_the_largest_crowd_is_looked_at_within_one_and_a_half_sweeps(crowd):
    """In clusters of unequal size, each second launch naming its cluster by ARN: each end is told in time."""
    rate, sizes = fakes.CONFIG.describe_rate, (crowd - 5_000, 4_000, 900, 99, 1)
    world = World(sizes, 2, 0, rate)
    sweep = sum(-(-size // MAX_DESCRIBED) for size in sizes) / (rate * DESCRIBE_SHARE)
    world.fleet.advance(sweep)
    ending = world.ecs.arns[::100]
    for arn in ending:
        world.ecs.end_after(1.0, arn)
    world.fleet.advance(1.5 * sweep + 1)
    seen = [event.seen_after for event in world.fleet.told if isinstance(event, Ended)]
    assert len(seen) == len(ending)
    assert max(seen) < 1.5 * sweep


@pytest.mark.parametrize("how", ["lacks", "lacks_late"])
def test_the_largest_crowd_without_capacity_costs_a_call_a_second(crowd, how):
    """Whether RunTask refuses, or the ECS tasks end before they start."""
    clock = fakes.Clock()
    ecs = fakes.BusyEcs(clock)
    ecs.starts_after = 3.0
    setattr(ecs, how, lambda request: True)
    fleet = fakes.SteppedFleet(ecs, fakes.make_config(), clock=clock)
    fleet.MOST_STEPS = 10**8
    fleet.take_time(LATENCY)
    fleet.add(*[fakes.make_launch(number) for number in range(crowd)])
    fleet.advance(30)
    began, seconds = clock.at, 120
    fleet.advance(seconds)
    assert 0 < sum(call.at > began for call in ecs.made("run_task")) <= seconds
