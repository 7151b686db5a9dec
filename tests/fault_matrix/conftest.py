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
"""
The fault matrix: one table of faults, each driven through the executor against a local Fargate of its own.

=================  ==================================================================================
``rows``           the table: data
``row``            what a row of it says
``scaling``        multiplies every time, the executor's and the service's, with the same factor
``bed``            a local Fargate and a started executor for a row
``scheduler``      the part of the scheduler that an executor meets
``credentials``    an STS of a row's own, and sessions whose credentials come from it
``user_function``  a user's function that does not return until it may
``work``           task instances to hand over, on each Airflow release
``acts``           what the world does while a row runs
``procedures``     how a row is driven
``child``          a process that drives an executor, to be killed
``evidence``       what was seen: events, containers, heartbeats
``judge``          what was seen against what is expected
``watching``       who asks AWS or waits, and how late the machine is
``runner``         runs many rows at the same time
``results``        the table of results
``documentation``  the table for readers, in the documentation
``package``        the executor's package from elsewhere, for ``scripts/guards``
``guards``         takes out the code that guards against a fault: its row must fail
=================  ==================================================================================

The rows of the table of faults run in the background while the tests wait for theirs.
"""

from __future__ import annotations

import logging
import uuid

import pytest

from tests.fault_matrix.package import take_from_elsewhere
from tests.fault_matrix.results import PROPERTY, table

take_from_elsewhere()


#: Those that say what others must not hear: the executor's, and where botocore writes what is sent and received.
TALKATIVE = ("airflow.executors", "botocore.endpoint", "botocore.parsers")
LISTENING = pytest.StashKey()


class _Eavesdropper(logging.Handler):
    """
    Keeps what is written in spite of being a secret.

    :param markers: the secrets
    :param planted: what is told to show that it is heard, by where that is
    """

    def __init__(self, markers, planted):
        super().__init__(logging.DEBUG)
        self.planted = planted
        self.sown = False
        self._words = {*markers, *planted.values()}
        #: What was heard, by the word in it.
        self.heard = {}

    def emit(self, record):
        self.listen(self.format(record))

    def listen(self, text):
        for word in self._words:
            if word in text:
                # A log of a minute is not shown in full.
                place = text.index(word)
                self.heard.setdefault(word, []).append(text[max(0, place - 300) : place + 100])


class _Stats:
    """Takes every metric, and tells of it."""

    def __init__(self, listen):
        self._listen = listen

    def __getattr__(self, name):
        return lambda *args, **kwargs: self._listen(repr((name, args, kwargs)))


@pytest.fixture(scope="session")
def eavesdropper(request):
    """Yield what hears all that this process writes: every log, its own output, metrics, tracebacks included."""
    from airflow.executors.fargate.bridge import AIRFLOW

    from tests.fault_matrix.child import PLANTED
    from tests.fault_matrix.work import MARKERS

    places = ("log", "botocore's log", "Airflow's log", "output", "error output", "metric")
    planted = {place: f"planted-{uuid.uuid4()}" for place in places}
    listening = _Eavesdropper(MARKERS, {**planted, "child": PLANTED})
    request.config.stash[LISTENING] = listening
    levels = {name: logging.getLogger(name).level for name in TALKATIVE}
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger().addHandler(listening)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AIRFLOW, "stats", lambda: _Stats(listening.listen))
        yield listening
    logging.getLogger().removeHandler(listening)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Let the eavesdropper have what was written to the process's output until now, by whichever thread."""
    report = yield
    if LISTENING in item.config.stash:
        for _, text in report.sections:
            item.config.stash[LISTENING].listen(text)
        if report.passed:
            # A minute's debug log for each row would else be kept until the end: gigabytes in all.
            report.sections.clear()
            item._report_sections.clear()
    return report


@pytest.fixture(scope="session")
def matrix(request, eavesdropper):
    """Yield what runs the rows that this session's tests ask for."""
    from tests.fault_matrix.row import CI, LONG, Row
    from tests.fault_matrix.runner import Matrix

    long = request.config.getoption("--long")
    specs = [getattr(item, "callspec", None) for item in request.session.items]
    asked = [spec.params.get("row") for spec in specs if spec]
    # Other tables have rows of their own.
    rows = {row.name: row for row in asked if isinstance(row, Row) and (long or not row.long)}
    with Matrix(rows.values(), LONG if long else CI).running() as running:
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
