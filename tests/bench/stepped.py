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
"""An executor on a double of ECS, whose fleet a test moves by hand."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING

import botocore.session

from airflow.executors import fargate_executor
from airflow.executors.fargate.aws import clients

from tests.bench.scheduler import Scheduler
from tests.executors.fargate import fakes

if TYPE_CHECKING:
    import pytest

    from airflow.executors.fargate.fleet.context import Context

#: The options that have no default.
OPTIONS = {
    "CLUSTER": "cluster",
    "TASK_DEFINITION": "airflow:1",
    "CONTAINER_NAME": "airflow",
    "SUBNETS": "subnet-0123456789abcdef0",
    "REGION": "us-east-1",
}


class SteppedScheduler(Scheduler):
    """
    The scheduler of an executor that it starts; time passes in :meth:`pass_time` alone.

    :param ecs: the double
    :param clock: that of the double, which becomes the executor's own
    """

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        ecs: fakes.FakeEcs,
        clock: fakes.Clock,
        fleet: type[fakes.SteppedFleet] = fakes.SteppedFleet,
    ) -> None:
        def make_fleet(context: Context) -> fakes.SteppedFleet:
            self.fleet = fleet.of(context, clock)
            return self.fleet

        ecs.service_model = botocore.session.get_session().get_service_model("ecs")
        patch.setattr(clients, "connect", lambda *args, **kwargs: ecs)
        patch.setattr(fargate_executor, "FleetThread", make_fleet)
        patch.setattr(fargate_executor, "time", SimpleNamespace(time=clock, monotonic=clock), raising=False)
        super().__init__(fargate_executor.FargateExecutor(parallelism=10_000))
        self.executor.start()
        self.ecs = ecs

    def pass_time(self, seconds: float) -> None:
        """Let seconds pass for the fleet."""
        self.fleet.advance(seconds)


def set_options(patch: pytest.MonkeyPatch, options: Mapping[str, str]) -> None:
    """Set options of ``[fargate]`` by their environment variables."""
    for name, value in options.items():
        patch.setenv(f"AIRFLOW__FARGATE__{name.upper()}", value)
