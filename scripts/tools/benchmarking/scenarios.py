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
"""What is measured: loads, the service's limits, and what is asked of our executor. Data only."""

from __future__ import annotations

from dataclasses import dataclass, replace

OURS, INCUMBENT = EXECUTORS = ("ours", "incumbent")
#: What they are called where somebody reads.
NAMES = {OURS: "FargateExecutor", INCUMBENT: "AwsEcsExecutor"}

#: Seconds that the local Fargate takes for each call.
LATENCY = 0.2
#: Seconds between two heartbeats: ``[scheduler] scheduler_idle_sleep_time``, Airflow's default.
HEARTBEAT = 1.0
#: Seconds between two heartbeats while work waits to be handed over.
BUSY_HEARTBEAT = 0.1
#: Seconds from a container's end to STOPPED.
STOPPING_TIME = 0.1
#: Seconds; longer than any run.
FOR_EVER = 7200.0


@dataclass(frozen=True)
class Limit:
    """A token bucket of the service: ``burst`` calls at once, then ``rate`` a second."""

    rate: float
    burst: int

    def seconds(self, calls: int) -> float:
        """Return the least time that so many calls take."""
        return max(0.0, (calls - self.burst) / self.rate)


@dataclass(frozen=True)
class Scenario:
    """
    One load, measured for each executor.

    :param name: as the command line names it
    :param kind: which procedure of ``procedures.py`` measures it
    :param tasks: how many task instances are handed over while it is measured
    :param title: what is done, for the table
    :param a_heartbeat: how many are handed over in each heartbeat; 0 for all at once
    :param live: how many containers run all the while
    :param waiting: how many wait for capacity of a kind that there is none of
    :param stopped: how many ECS tasks of the deployment have stopped already
    :param throttled: the share of all calls that is throttled
    :param seconds: from and to, how long a container runs
    :param window: seconds that are measured, where it is not until all have ended
    :param ramp: seconds in which the live containers are begun; twice as many where the machine is too slow
    :param settle: seconds from the hand-over of containers to what is measured of them, longer than it takes the
        executors to look at each container once
    :param storm: seconds in which nine of ten calls are refused
    :param executors: for whom it is measured
    :param patience: seconds after which a run is given up
    """

    name: str
    kind: str
    tasks: int
    title: str
    a_heartbeat: int = 0
    live: int = 0
    waiting: int = 0
    stopped: int = 0
    throttled: float = 0.0
    seconds: tuple[float, float] = (30.0, 30.0)
    window: float = 0.0
    ramp: float = 60.0
    settle: float = 15.0
    storm: float = 0.0
    executors: tuple[str, ...] = EXECUTORS
    patience: float = 900.0


@dataclass(frozen=True)
class Scale:
    """All scenarios in one size, with the limits that go with it."""

    name: str
    scenarios: tuple[Scenario, ...]
    #: The documented ones: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html,
    #: and for launches on Fargate https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html.
    run_limit: Limit = Limit(rate=20, burst=100)
    describe_limit: Limit = Limit(rate=20, burst=100)
    #: By what the seconds that the limit allows are multiplied for the target.
    tolerance: float = 1.05
    #: Whether each run has a local Fargate of its own; starting one takes seconds.
    fresh: bool = True


FULL = Scale(
    "full",
    (
        Scenario("at-once", "launch", 1000, "{tasks:,} tasks queued at once"),
        Scenario(
            "sixteen", "launch", 1000,
            "{tasks:,} tasks, {a_heartbeat} in each heartbeat, every 0.1 s while work waits",
            a_heartbeat=16,
        ),
        Scenario(
            "running", "follow", 300, "{live:,} running, {tasks} of them ending in {window:.0f} s",
            live=5000, window=60.0,
        ),
        Scenario(
            "crowd", "follow", 300, "{live:,} running, {tasks} of them ending in {window:.0f} s",
            live=50_000, window=60.0, ramp=600.0, settle=60.0, executors=(OURS,),
        ),
        Scenario(
            "storm", "launch", 100, "nine of ten calls refused for {storm:.0f} s, {tasks} tasks",
            storm=90.0, seconds=(5.0, 5.0),
        ),
        Scenario("memory", "memory", 1000, "{live:,} live containers", live=5000),
        Scenario(
            "adoption", "adopt", 1000, "{tasks:,} task instances of a scheduler that is gone, beside {live:,} others",
            live=5000, executors=(OURS,),
        ),
        Scenario(
            "restart", "restart", 20, "{live:,} adopted after a restart, then {tasks} new ones that run for 2 s",
            live=2537, seconds=(2.0, 2.0), window=60.0,
        ),
        Scenario(
            "overtaking", "overtake", 5,
            "{waiting} wait for capacity in one subnet; {tasks} come later for another",
            waiting=500, seconds=(5.0, 5.0), window=60.0, settle=120.0,
        ),
        Scenario(
            "stopped", "adopt_stopped", 1000,
            "{tasks:,} run and {stopped:,} have stopped when a scheduler adopts, 2 % of the calls are throttled",
            stopped=12_000, throttled=0.02, executors=(OURS,),
        ),
    ),
)  # fmt: skip

_SMALLER = {
    "at-once": {"tasks": 40, "seconds": (1.0, 1.0)},
    "sixteen": {"tasks": 32, "seconds": (1.0, 1.0)},
    "running": {"tasks": 20, "live": 200, "window": 6.0, "ramp": 5.0, "settle": 3.0},
    "crowd": {"tasks": 20, "live": 1000, "window": 6.0, "ramp": 8.0, "settle": 3.0},
    "storm": {"tasks": 20, "storm": 5.0, "seconds": (1.0, 1.0)},
    "memory": {"tasks": 0, "live": 300, "settle": 6.0, "executors": (OURS,)},
    "adoption": {"tasks": 100, "live": 500},
    "restart": {"live": 250, "window": 12.0, "settle": 3.0},
    "overtaking": {"waiting": 100, "window": 5.0, "settle": 10.0},
    "stopped": {"tasks": 100, "stopped": 1000},
}
QUICK = Scale(
    "quick",
    tuple(replace(scenario, **_SMALLER[scenario.name], patience=60.0) for scenario in FULL.scenarios),
    run_limit=Limit(rate=20, burst=10),
    # A call takes 0.2 s, which weighs more the less there is to do.
    tolerance=1.3,
    fresh=False,
)


@dataclass(frozen=True)
class Row:
    """
    A row of the table: a figure of a scenario, and what ours must be.

    :param scenario: whose figure
    :param figure: its name in ``figures.py``
    :param text: what it is, for the table
    :param unit: of the figure
    :param at_most: ours must be at most this, or None where it is shown only
    :param below: ours must be less than ``at_most``, not equal
    :param of_limit: ours must be about as fast as the service's limit allows, in place of ``at_most``
    """

    scenario: str
    figure: str
    text: str
    unit: str
    at_most: float | None = None
    below: bool = False
    of_limit: bool = False


#: From issue to table: the figures that count, with their targets at the full scale.
ROWS = (
    Row("at-once", "accepted", "until all are accepted", "s", of_limit=True),
    Row("at-once", "hand_over", "the heartbeat that takes them", "ms", 100),
    Row("at-once", "longest_other", "longest of the other heartbeats", "ms", 50),
    Row("at-once", "median", "median heartbeat", "ms", 5),
    Row("at-once", "told_mean", "from a container's end to the event, mean", "s", 3.0),
    Row("at-once", "told_p99", "from a container's end to the event, p99", "s", 6.0),
    Row("sixteen", "accepted", "until all are accepted", "s", of_limit=True),
    Row("sixteen", "longest", "longest heartbeat", "ms", 50),
    Row("running", "median", "median heartbeat", "ms", 5),
    Row("running", "longest", "longest heartbeat", "ms", 50),
    Row("running", "told_mean", "from a container's end to the event, mean", "s", 3.5),
    Row("running", "told_p99", "from a container's end to the event, p99", "s", 6.5),
    Row("running", "processor", "processor time of the scheduler's process, a minute", "s", 5.0),
    Row("running", "describes", "DescribeTasks calls, a minute", "", 600),
    Row("crowd", "median", "median heartbeat", "ms", 5),
    Row("crowd", "longest", "longest heartbeat", "ms", 50),
    # A sweep takes 50,000 / 100 calls / 9.8 a second = 51.0 s; a call and a heartbeat come on top.
    Row("crowd", "told_p99", "from a container's end to the event, p99", "s", 52.5),
    Row("crowd", "processor", "processor time of the scheduler's process, a minute", "s"),
    Row("crowd", "describes", "DescribeTasks calls, a minute", "", 600),
    Row("storm", "longest", "longest heartbeat", "ms", 50),
    Row("storm", "refused", "refused RunTask calls", "", 100, below=True),
    Row("storm", "lost", "tasks that were never accepted", "", 0),
    Row("storm", "after_storm", "from its end until all are accepted", "s", 10.0),
    Row("memory", "live", "memory for each live container", "bytes", 4096),
    Row("memory", "ended", "memory left over for each that has ended, of {tasks:,}", "bytes"),
    Row("adoption", "known_calls", "ARNs known: calls", "", 12),
    Row("adoption", "known_seconds", "ARNs known: time", "s", 3.0),
    Row("adoption", "unknown_calls", "no ARN known: calls", "", 40),
    Row("adoption", "unknown_seconds", "no ARN known: time", "s"),
    Row("restart", "told_mean", "from a new one's end to the event, mean", "s"),
    Row("restart", "told_p99", "from a new one's end to the event, the longest", "s", 10.0),
    Row("overtaking", "overtaken", "until those that come later are accepted", "s", 2.0),
    Row("overtaking", "asked", "RunTask calls for those that wait, a minute", "", 60),
    Row("stopped", "followed", "until all that run are followed", "s", 5.0),
    Row("stopped", "settled", "until it is known of each what became of it", "s", 60.0),
    Row("stopped", "calls", "calls", ""),
)
#: DescribeTasks of 100 tasks a second that the local Fargate must be able to answer: it is not to be measured.
CEILING_AT_LEAST = 40.0
