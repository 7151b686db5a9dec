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
"""Airflow's metrics of the executor, sent on the scheduler's thread."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.executors.fargate.bridge import compat

if TYPE_CHECKING:
    from airflow.executors.base_executor import BaseExecutor
    from airflow.executors.fargate.messages import Counters

PREFIX = "fargate_executor"


class Metrics:
    """Sends the metrics of an executor."""

    def __init__(self, executor: BaseExecutor) -> None:
        #: The tags that Airflow 3.3 gives to its metrics of executors.
        self._tags = {"executor_class_name": type(executor).__name__}
        if (team := compat.team_of(executor)) is not None:
            self._tags["team_name"] = team
        #: The counts that were sent last.
        self._reported: Counter[str] = Counter()

    def report(self, counters: Counters, restarts: int) -> None:
        """
        Send what the fleet has counted since the last time.

        :param counters: the fleet's counters.
        :param restarts: how often the fleet's thread was started again.
        """
        stats, names = compat.stats(), ("launches", "throttles", "describe_calls")
        counted = Counter({name: getattr(counters, name) for name in names})
        counted["fleet_restarts"] = restarts
        for name, count in (counted - self._reported).items():  # Those that have grown.
            stats.incr(f"{PREFIX}.{name}", count, tags=self._tags)
        self._reported = counted
        stats.gauge(f"{PREFIX}.live_containers", counters.live_containers, tags=self._tags)

    def time(self, name: str, seconds: float | None) -> None:
        """Send how long something took; None where that is not known."""
        if seconds is not None:
            # AWS's clock may be ahead.
            compat.stats().timing(f"{PREFIX}.{name}", timedelta(seconds=max(0.0, seconds)), tags=self._tags)
