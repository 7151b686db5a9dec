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
"""What a fleet has from outside, and the parts that are made of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import random as random_number
from typing import TYPE_CHECKING

from airflow.executors.fargate.fleet.adoption import Adoption
from airflow.executors.fargate.fleet.calls import Calls
from airflow.executors.fargate.fleet.launcher import Launcher
from airflow.executors.fargate.fleet.orphans import OrphanReaper
from airflow.executors.fargate.fleet.unknown_outcomes import UnknownOutcomes
from airflow.executors.fargate.fleet.waits import Waits
from airflow.executors.fargate.fleet.watcher import Watcher
from airflow.executors.fargate.lease import Lease
from airflow.executors.fargate.logs.failure_lines import LastLines

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.ecs import Ecs
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.fleet.lanes import Pool
    from airflow.executors.fargate.fleet.launch_state import Run
    from airflow.executors.fargate.fleet.lifecycle import Lifecycle
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.logs.cloudwatch import LogReader
    from airflow.executors.fargate.messages import Counters, Event
    from airflow.executors.fargate.request.builder import Prepared


@dataclass(frozen=True)
class Context:
    """
    What a fleet has from outside.

    :param ecs: makes the calls to ECS.
    :param config: the options.
    :param build: makes the request of a launch.
    :param make_pool: returns threads that make calls, by their name and number.
    :param post: has a function called with its arguments on the fleet's thread.
    :param emit: takes an event to the executor.
    :param clock: seconds, never going backwards.
    :param now: seconds since the epoch.
    :param random: returns a number from 0 to 1.
    :param sweep_interval: seconds between two sweeps for orphaned ECS tasks; None disables them.
    :param scheduler: the name of this scheduler; None if it has none.
    :param lease: seconds for which a launch may be sent after the database has confirmed it; None for ever.
    :param logs: reads the last lines of containers that failed; None disables that.
    :param mask: removes secrets from these lines.
    """

    ecs: Ecs
    config: FargateConfig
    build: Callable[[Launch], Prepared]
    make_pool: Callable[[str, int], Pool]
    post: Callable[..., None]
    emit: Callable[[Event], None]
    clock: Callable[[], float]
    now: Callable[[], float]
    random: Callable[[], float] = random_number
    sweep_interval: float | None = None
    scheduler: str | None = None
    lease: float | None = None
    logs: LogReader | None = None
    mask: Callable[[str], str] = str


class Parts:
    """
    The parts of a fleet; each does one thing for all launches.

    :param context: what the fleet has from outside.
    :param owner: decides on what the parts find.
    :param counters: count the calls.
    """

    def __init__(self, context: Context, owner: Lifecycle, counters: Counters) -> None:
        config, logs, clock = context.config, context.logs, context.clock
        self.calls = Calls(
            ecs=context.ecs,
            config=config,
            make_pool=context.make_pool,
            post=context.post,
            renew_logs=logs.renew if logs else lambda: None,
            counters=counters,
            clock=clock,
            random=context.random,
        )
        self.launcher = Launcher(
            build=context.build,
            calls=self.calls,
            launch_rate=config.launch_rate,
            max_attempts=config.max_launch_attempts,
            lease=Lease(context.lease, clock, context.now),
            owner=owner,
            clock=clock,
            now=context.now,
            random=context.random,
        )
        self.waits = Waits(tell=owner.find_wait, note=owner.note_wait, clock=clock)
        self.watcher = Watcher(context, self.calls, owner)
        self.unknown_outcomes = UnknownOutcomes(context, self.calls, owner)
        self.adoption = Adoption(context, self.calls, owner)
        self._searches: deque[UnknownOutcomes | Adoption] = deque((self.unknown_outcomes, self.adoption))
        self.orphans = OrphanReaper(context, self.calls, owner)
        self.last_lines = LastLines(context, self.calls, logs) if logs else None

    def work(self) -> float | None:
        """Make all calls that are due; return when to look again, or None if only a message can tell."""
        self._searches.rotate()  # Neither holds up the other.
        # The watcher comes after the searches, since it can use up all calls that are admitted; searches
        # leave it its share.
        turns = (
            self.waits.work(),
            self.launcher.work(),
            *(search.work() for search in self._searches),
            self.orphans.work(),
            self.watcher.work(),
            self.last_lines.work() if self.last_lines else None,
        )
        return min((turn for turn in turns if turn is not None), default=None)

    def clear(self) -> None:
        """Forget all turns after the thread died; adoption keeps its candidates and searches anew."""
        self.launcher.clear()
        self.watcher.clear()
        self.unknown_outcomes.clear()
        self.adoption.recover()
        self.orphans.clear()
        self.waits.clear()
        if self.last_lines:
            self.last_lines.clear()

    def resume(self, run: Run) -> None:
        """Give a launch its turns again after the thread died, except those whose calls are under way."""
        calls = self.calls
        if run.arn:
            if run not in calls.runs(calls.watch):
                self.watcher.add(run)
            if run.stop_reason and run not in calls.runs(calls.stop):
                self.watcher.stop(run)
        elif not self.unknown_outcomes.has(run) and run not in self.launcher.runs_under_way():
            # The answer that was being handled is lost: an ECS task may have started.
            run.may_have_started = run.may_have_started or run.token is not None
            if run.abandoned:
                self.launcher.give_up(run)
            else:
                self.launcher.add(run)
        if not run.started:
            self.waits.add(run)
