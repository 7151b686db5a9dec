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
"""What is compared: the rows of the table. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from tools.benchmarking.scenarios import INCUMBENT, OURS

#: AwsEcsExecutor as its documentation advises where logs are to be kept: remote logging, to CloudWatch here.
WITH_CLOUDWATCH = "incumbent, logs to CloudWatch"
LAUNCHES = "launches"
#: What the executors launch tasks on.
LOCAL, MINISTACK = SERVICES = ("local", "ministack")


@dataclass(frozen=True)
class Row:
    """
    A row of the table.

    :param name: as the command line and compared.json name it, and what ``procedures.py`` measures it by
    :param title: what happens
    :param setups: for which set-ups it is measured; remote logging on the local Fargate alone, since ministack's containers
        are told of an endpoint for AWS that is there under a container engine only
    :param on_ministack: whether ministack allows it
    """

    name: str
    title: str
    setups: tuple[str, ...] = (OURS, INCUMBENT)
    on_ministack: bool = True

    def setups_on(self, service: str) -> tuple[str, ...]:
        """Return the set-ups for which it is measured on a service."""
        return tuple(setup for setup in self.setups if service == LOCAL or setup != WITH_CLOUDWATCH)


#: In the order in which they are measured: a failed launch may be repeated while the next row is measured, until the
#: last one kills the scheduler.
ROWS = (
    Row("killed", "A task's container is killed", (OURS, INCUMBENT, WITH_CLOUDWATCH)),
    Row("image", "The image is not found"),
    Row("sidecar", "A sidecar exits 1, the main container 0"),
    Row(
        "log",
        "The Logs tab of a task that writes 30 lines",
        (OURS, INCUMBENT, WITH_CLOUDWATCH),
    ),
    # ministack has no gates: nobody could say at what moment of a launch the scheduler dies.
    Row(
        "scheduler",
        "The scheduler is killed (SIGKILL) while 3 tasks run and it launches 3 more",
        on_ministack=False,
    ),
    # The benchmark's procedure tells the local Fargate to keep AWS's limits, and to run no process for a task.
    Row(LAUNCHES, "1,000 tasks are queued at once", on_ministack=False),
)


def rows_on(service: str) -> list[Row]:
    """Return the rows that a service allows."""
    return [row for row in ROWS if service == LOCAL or row.on_ministack]
