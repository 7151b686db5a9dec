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

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.executors.fargate.messages import Counters

PREFIX = "fargate_executor"


class Metrics:
    """
    Sends the metrics of an executor.

    :param stats: returns what takes metrics: ``incr``, ``gauge``, ``timing``.
    :param executor_class_name: a tag, as Airflow's own metrics have it.
    :param team_name: a tag with the team that the executor belongs to; None without one.
    """

    def __init__(
        self, stats: Callable[[], Any], *, executor_class_name: str, team_name: str | None = None
    ) -> None:
        self._stats = stats
        #: The tags that Airflow 3.3 gives to its metrics of executors.
        self._tags = {"executor_class_name": executor_class_name}
        if team_name is not None:
            self._tags["team_name"] = team_name
        #: The counts that were sent last.
        self._reported: dict[str, int] = {}

    def report(self, counters: Counters, restarts: int) -> None:
        """
        Send what the fleet has counted since the last time.

        :param counters: the fleet's counters.
        :param restarts: how often the fleet's thread was started again.
        """
        stats = self._stats()
        counted = {
            "launches": counters.launches,
            "throttles": counters.throttles,
            "describe_calls": counters.describe_calls,
            "fleet_restarts": restarts,
        }
        for name, count in counted.items():
            if count > self._reported.get(name, 0):
                stats.incr(f"{PREFIX}.{name}", count - self._reported.get(name, 0), tags=self._tags)
        self._reported = counted
        stats.gauge(f"{PREFIX}.live_containers", counters.live_containers, tags=self._tags)

    def time(self, name: str, seconds: float | None) -> None:
        """Send how long something took; None where that is not known."""
        if seconds is not None:
            # AWS's clock may be ahead.
            self._stats().timing(f"{PREFIX}.{name}", timedelta(seconds=max(0.0, seconds)), tags=self._tags)
