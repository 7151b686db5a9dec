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
"""The rows of the table of faults run in the background while the tests wait for theirs."""

from __future__ import annotations

import logging

import pytest
from fault_matrix.package import take_from_elsewhere
from fault_matrix.results import PROPERTY, table

take_from_elsewhere()


class _Eavesdropper(logging.Handler):
    """Keeps what is written in spite of being a secret."""

    def __init__(self, markers):
        super().__init__()
        self._markers = markers
        self.heard = []
        self.lines = 0

    def emit(self, record):
        text = self.format(record)
        self.lines += 1
        self.heard += [text for marker in self._markers if marker in text]


@pytest.fixture(scope="session")
def eavesdropper():
    """Yield what has heard everything that was written to logs, tracebacks included."""
    from fault_matrix.work import MARKERS

    listening = _Eavesdropper(MARKERS)
    logging.getLogger().addHandler(listening)
    yield listening
    logging.getLogger().removeHandler(listening)


@pytest.fixture(scope="session")
def matrix(request, eavesdropper):
    """Yield what runs the rows that this session's tests ask for."""
    from fault_matrix.row import CI, LONG, Row
    from fault_matrix.runner import Matrix

    specs = [getattr(item, "callspec", None) for item in request.session.items]
    asked = [spec.params.get("row") for spec in specs if spec]
    # Other tables have rows of their own.
    rows = {row.name: row for row in asked if isinstance(row, Row)}
    with Matrix(rows.values(), LONG if request.config.getoption("--long") else CI).running() as running:
        yield running


def pytest_configure(config):
    # Each row's log would be that of all rows that ran at the same time.
    config.option.showcapture = "no"


def pytest_terminal_summary(terminalreporter):
    # From the reports, since the tests may have run in another process.
    reports = [
        report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, ())
    ]
    rows = [row for report in reports for name, row in report.user_properties if name == PROPERTY]
    if rows:
        terminalreporter.section("faults")
        for line in table(rows):
            terminalreporter.write_line(line)
