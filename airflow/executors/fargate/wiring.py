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
from random import random as random_number
from typing import TYPE_CHECKING

from airflow.executors.fargate.adoption import Adoption
from airflow.executors.fargate.following import Following
from airflow.executors.fargate.launching import Launching
from airflow.executors.fargate.run import Calls, Pool
from airflow.executors.fargate.searching import Searching
from airflow.executors.fargate.sweeping import Sweeping
from airflow.executors.fargate.throttle import TokenBucket

if TYPE_CHECKING:
    from airflow.executors.fargate.config import FargateConfig
    from airflow.executors.fargate.ecs import Ecs
    from airflow.executors.fargate.fleet import Fleet
    from airflow.executors.fargate.launch import Event, Launch
    from airflow.executors.fargate.request import Prepared
    from airflow.executors.fargate.tally import Tally

#: Calls of the burst that are not used: the network may bring calls to AWS closer together than they were made.
SPARE_LAUNCHES = 2
#: Of ``describe_rate``: with a second's worth of calls at once before, still no minute has more than the rate says.
DESCRIBE_SHARE = 0.98


@dataclass(frozen=True)
class Around:
    """
    What a fleet has from outside.

    :param ecs: makes the calls.
    :param config: the options.
    :param build: makes the request of a launch.
    :param launch_pool: makes requests and RunTask calls.
    :param watch_pool: makes all other calls.
    :param post: brings a function and its arguments to the fleet's thread.
    :param emit: takes an event to the executor.
    :param wait: waits for so many seconds on a thread of the pool; True means to give up.
    :param clock: seconds, never going backwards.
    :param now: seconds since the epoch.
    :param random: returns a number from 0 to 1.
    :param sweep_interval: seconds between two looks for containers that nobody wants any more; None for none.
    :param scheduler: the name of this scheduler; None where it has none.
    """

    ecs: Ecs
    config: FargateConfig
    build: Callable[[Launch], Prepared]
    launch_pool: Pool
    watch_pool: Pool
    post: Callable[..., None]
    emit: Callable[[Event], None]
    wait: Callable[[float], bool]
    clock: Callable[[], float]
    now: Callable[[], float]
    random: Callable[[], float] = random_number
    sweep_interval: float | None = None
    scheduler: str | None = None

    def describe_bucket(self) -> TokenBucket:
        """Return what admits all looks at containers, whoever makes them."""
        rate = self.config.describe_rate
        return TokenBucket(rate * DESCRIBE_SHARE, max(1.0, rate), self.clock)

    def launching(self, owner: Fleet, tally: Tally) -> Launching:
        """Return what brings launches to AWS."""
        config = self.config
        burst = max(1, config.launch_burst - SPARE_LAUNCHES)
        return Launching(
            ecs=self.ecs,
            build=self.build,
            calls=Calls(self.launch_pool, self.post),
            concurrency=config.launch_concurrency,
            max_attempts=config.max_launch_attempts,
            bucket=TokenBucket(config.launch_rate, burst, self.clock),
            owner=owner,
            tally=tally,
            clock=self.clock,
            random=self.random,
        )

    def following(
        self, owner: Fleet, tally: Tally, calls: Calls, stop_calls: Calls, bucket: TokenBucket
    ) -> Following:
        """Return what follows containers to their end."""
        return Following(
            ecs=self.ecs,
            calls=calls,
            stop_calls=stop_calls,
            poll_interval=self.config.poll_interval,
            bucket=bucket,
            owner=owner,
            tally=tally,
            clock=self.clock,
            random=self.random,
        )

    def searching(self, owner: Fleet) -> Searching:
        """Return what has containers looked for."""
        config = self.config
        return Searching(
            adoption=Adoption(self.ecs, config.clusters, config.deployment, self.scheduler),
            pool=self.watch_pool,
            post=self.post,
            owner=owner,
            emit=self.emit,
            wait=self.wait,
            clock=self.clock,
            now=self.now,
            random=self.random,
        )

    def sweeping(self, owner: Fleet, bucket: TokenBucket) -> Sweeping:
        """Return what looks for containers that nobody wants any more."""
        return Sweeping(
            ecs=self.ecs,
            clusters=self.config.clusters,
            deployment=self.config.deployment,
            interval=self.sweep_interval,
            pool=self.watch_pool,
            post=self.post,
            owner=owner,
            emit=self.emit,
            bucket=bucket,
            clock=self.clock,
        )
