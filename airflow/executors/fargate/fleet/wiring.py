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
"""What a fleet has from outside, and how its parts are made of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import random as random_number
from typing import TYPE_CHECKING

from airflow.executors.fargate.fleet.adoption import Adoption
from airflow.executors.fargate.fleet.calls import Calls
from airflow.executors.fargate.fleet.launcher import Launcher
from airflow.executors.fargate.fleet.orphans import OrphanReaper
from airflow.executors.fargate.fleet.unknown_outcomes import UnknownOutcomes
from airflow.executors.fargate.fleet.watcher import Watcher
from airflow.executors.fargate.lease import Lease
from airflow.executors.fargate.logs.failure_lines import LastLines, last_lines_of

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.ecs import Ecs
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.fleet.fleet import Fleet
    from airflow.executors.fargate.fleet.lanes import Pool
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.logs.cloudwatch import LogReader
    from airflow.executors.fargate.messages import Counters, Event
    from airflow.executors.fargate.request.builder import Prepared


@dataclass(frozen=True)
class Context:
    """
    What a fleet has from outside.

    :param ecs: makes the calls.
    :param config: the options.
    :param build: makes the request of a launch.
    :param make_pool: returns threads that make calls, by a name and how many there are to be.
    :param post: brings a function and its arguments to the fleet's thread.
    :param emit: takes an event to the executor.
    :param clock: seconds, never going backwards.
    :param now: seconds since the epoch.
    :param random: returns a number from 0 to 1.
    :param sweep_interval: seconds between two looks for containers that nobody wants any more; None for none.
    :param scheduler: the name of this scheduler; None where it has none.
    :param lease: seconds for which a launch may be sent after the database has confirmed it; None for ever.
    :param logs: reads the last lines of containers that failed; None where they are not wanted.
    :param mask: takes secrets out of these.
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

    def calls(self, counters: Counters) -> Calls:
        """Return the door to AWS."""
        return Calls(
            ecs=self.ecs,
            config=self.config,
            make_pool=self.make_pool,
            post=self.post,
            renew_logs=self.logs.renew if self.logs else lambda: None,
            counters=counters,
            clock=self.clock,
            random=self.random,
        )

    def launcher(self, owner: Fleet, calls: Calls) -> Launcher:
        """Return what brings launches to AWS."""
        return Launcher(
            build=self.build,
            calls=calls,
            launch_rate=self.config.launch_rate,
            max_attempts=self.config.max_launch_attempts,
            lease=Lease(self.lease, self.clock, self.now),
            owner=owner,
            clock=self.clock,
            now=self.now,
            random=self.random,
        )

    def watcher(self, owner: Fleet, calls: Calls) -> Watcher:
        """Return what follows ECS tasks to their end."""
        return Watcher(
            calls=calls,
            poll_interval=self.config.poll_interval,
            owner=owner,
            clock=self.clock,
            random=self.random,
        )

    def last_lines(self, calls: Calls) -> LastLines | None:
        """Return what looks for the last lines of containers that failed; None where they are not wanted."""
        if self.logs is None:
            return None
        read = partial(last_lines_of, self.logs, self.mask)
        return LastLines(read=read, calls=calls, emit=self.emit, clock=self.clock)

    def adoption(self, owner: Fleet, calls: Calls) -> Adoption:
        """Return what finds the ECS tasks of a scheduler that is gone."""
        return Adoption(
            calls=calls,
            clusters=self.config.clusters,
            deployment=self.config.deployment,
            scheduler=self.scheduler,
            owner=owner,
            post=self.post,
            emit=self.emit,
            clock=self.clock,
            now=self.now,
            random=self.random,
        )

    def unknown_outcomes(self, owner: Fleet, calls: Calls) -> UnknownOutcomes:
        """Return what searches for the ECS tasks of launches that may have started."""
        return UnknownOutcomes(
            calls=calls,
            deployment=self.config.deployment,
            owner=owner,
            clock=self.clock,
            random=self.random,
        )

    def orphans(self, owner: Fleet, calls: Calls) -> OrphanReaper:
        """Return what looks for containers that nobody wants any more."""
        return OrphanReaper(
            calls=calls,
            clusters=self.config.clusters,
            deployment=self.config.deployment,
            interval=self.sweep_interval,
            rate=self.config.describe_rate,
            owner=owner,
            emit=self.emit,
            clock=self.clock,
        )
