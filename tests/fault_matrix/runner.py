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
"""Runs rows, many at the same time: each has a local Fargate and an executor of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow.executors.base_executor import BaseExecutor

from tests.bench.scheduler import Overdue
from tests.fault_matrix import acts, procedures, scaling, watching
from tests.fault_matrix.bed import Bed
from tests.fault_matrix.evidence import Evidence
from tests.fault_matrix.judge import differences
from tests.fault_matrix.work import Task

if TYPE_CHECKING:
    from tests.fault_matrix.row import Row, Size

#: How many rows run at the same time.
AT_ONCE = 8


@dataclass(frozen=True)
class Result:
    """What became of a row."""

    row: Row
    seen: Evidence
    differences: list[str]


def run(row: Row, size: Size) -> Result:
    """Drive one row to its end, and judge it."""
    bed = Bed(row, size)
    with bed.running():
        overdue = False
        try:
            scheduler = getattr(procedures, row.procedure)(bed)
        except Overdue:
            overdue, scheduler = True, bed.schedulers[-1]
        seen = Evidence.of(bed, scheduler, overdue)
    return Result(row, seen, differences(row, seen, size))


def _warm_up() -> None:
    """Do what a scheduler has long done when it meets a task: it takes seconds, and no heartbeat is to blame."""
    executor = BaseExecutor(parallelism=1)
    executor.heartbeat()  # Metrics are read from a file.
    # The database's models are set up.
    executor.log_task_event(event="none", extra="none", ti_key=Task("none").key)


class Matrix:
    """
    Runs rows in the background; whoever asks for one waits for it.

    :param rows: those that will be asked for
    """

    def __init__(self, rows: Iterable[Row], size: Size) -> None:
        self._size = size
        self._rows = sorted(rows, key=lambda row: -row.seconds)
        self._together: dict[str, Future[Result]] = {}
        self.results: dict[str, Result] = {}

    @contextlib.contextmanager
    def running(self) -> Iterator[Matrix]:
        """Start the rows that can run together."""
        acts.install_clock()
        _warm_up()
        with (
            scaling.executor_times(self._size.scale),
            watching.installed(),
            watching.machine.measured(),
            procedures.without_database(),
            ThreadPoolExecutor(AT_ONCE, "row") as pool,
        ):
            self._together = {
                row.name: pool.submit(run, row, self._size) for row in self._rows if not row.alone
            }
            try:
                yield self
            finally:
                pool.shutdown(cancel_futures=True)

    def result(self, row: Row) -> Result:
        """Wait for a row's result; a row that needs the process for itself runs now, after all the others."""
        if not row.alone:
            self.results[row.name] = self._together[row.name].result()
        elif row.name not in self.results:
            for other in self._together.values():
                other.exception()
            self.results[row.name] = run(row, self._size)
        return self.results[row.name]
