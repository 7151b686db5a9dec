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
"""When own launches are looked up in the database, and what becomes of those that are not wanted."""

from __future__ import annotations

from itertools import count

import pytest

from airflow.executors.fargate.bridge import AIRFLOW
from airflow.executors.fargate.bridge.ledger import Ledger
from airflow.executors.fargate.bridge.lookups import BATCH, FAILURE_CHECK_DELAY, Lookups
from airflow.executors.fargate.bridge.wanted import WantedState
from airflow.executors.fargate.launch import CallbackId, Lease, TaskInstanceId
from airflow.executors.fargate.messages import Abandoned, Accepted, Ended, Noted, Unconfirmed
from airflow.executors.fargate.present import ENDING, Candidate

OWN, OTHER = 1, 2


INTERVAL, LEASE = 300.0, 15.0


def row_of(state, try_number, queued_by=None, external_id=None):
    """Return a task instance as the database has it."""
    task = TaskInstanceId("dag", "task", "run", try_number)
    return Candidate(task, None, external_id, None, queued_by, state=state)


WAITS = row_of("queued", 1, OWN)


class Airflow:
    """A database, the executor's ledger, and heartbeats, a second apart."""

    def __init__(self, fakes, clock):
        self.fakes, self.clock = fakes, clock
        self.ledger = Ledger()
        #: Rows that differ from :data:`WAITS`, by the task instance's number; None for a deleted one.
        self.rows = {}
        self.asked = []
        self.away = False
        self.queued = set()
        self.make_lookups()

    def make_lookups(self, own_job=OWN, **changes):
        options = {"interval": INTERVAL, "lease": Lease(LEASE, self.clock, self.clock), **changes}
        self.lookups = Lookups(self.ledger, self.read, own_job, **options)

    def read(self, tasks):
        self.asked.append([int(task.task_id.removeprefix("task")) for task in tasks])
        if self.away:
            return None
        found = {task: self.rows.get(number, WAITS) for task, number in zip(tasks, self.asked[-1])}
        return {task: row for task, row in found.items() if row is not None}

    def launch(self, number=0, **changes):
        launch = self.fakes.make_launch(number, key=number, **changes)
        self.ledger.replace(number, launch)
        return launch

    def beat(self, *events, after=1.0):
        self.clock.at += after
        return self.lookups.look_up(events, self.queued)

    def beats(self, seconds):
        """Return what all heartbeats of so many seconds have found."""
        return [self.beat() for _ in range(int(seconds))]


@pytest.fixture
def airflow(fakes, clock, monkeypatch):
    monkeypatch.setattr(AIRFLOW, "runs_own_try", True)
    monkeypatch.setattr(AIRFLOW, "fails_running", True)
    return Airflow(fakes, clock)


@pytest.mark.parametrize(("launches", "queries"), [(0, 0), (1, 1), (BATCH, 1), (BATCH + 1, 2), (5000, 25)])
def test_each_launch_is_looked_up_once_an_interval(airflow, launches, queries):
    """In few queries, spread over the interval: no heartbeat has more than one."""
    for number in range(launches):
        airflow.launch(number)
    airflow.beats(INTERVAL - 1)
    assert airflow.asked == []
    for _ in range(int(INTERVAL)):
        before = len(airflow.asked)
        airflow.beat()
        assert len(airflow.asked) <= before + 1
    assert len(airflow.asked) == queries
    assert sorted(number for asked in airflow.asked for number in asked) == list(range(launches))
    assert max(map(len, airflow.asked), default=0) <= BATCH


def test_after_a_gap_all_have_their_turn_at_once(airflow):
    """Another scheduler may have taken this one for dead: the batches follow upon each other, one a heartbeat."""
    for number in range(3 * BATCH):
        airflow.launch(number)
    airflow.beats(10)
    airflow.beat(after=LEASE + 1)
    airflow.beats(2)
    assert list(map(len, airflow.asked)) == [BATCH] * 3
    airflow.beats(10)
    assert len(airflow.asked) == 3


def test_what_is_over_or_queued_again_is_not_looked_up(airflow):
    """Its earlier launch is about to be superseded, and its row is that of the present one."""
    for number in range(3):
        airflow.launch(number)
    airflow.queued.add(1)
    airflow.ledger.remove(2)
    airflow.beat(after=INTERVAL)
    assert airflow.asked == [[0]]


def test_without_a_scheduler_nothing_is_looked_up(airflow):
    """A test of a Dag and a command queue nothing in the database: all is wanted."""
    airflow.make_lookups(None)
    launch = airflow.launch()
    found = airflow.beat(Accepted(launch, "arn"), Ended(launch, "why"), after=INTERVAL)
    airflow.lookups.expect_recorded(Ended(launch, "why"))
    airflow.beats(INTERVAL)
    assert (airflow.asked, found.of(launch).verdict) == ([], WantedState.WANTED)
    assert airflow.lookups.not_wanted(lambda: pytest.fail("asked")) == []


def test_one_query_reads_all_that_is_about_to_be_reported(airflow):
    """Of what AWS has accepted, of what is about to be sent, of what has failed; notes and other ends need none."""
    launches = [airflow.launch(number) for number in range(6)]
    events = [
        kind(launch, *text)
        for launch, (kind, *text) in zip(
            launches,
            [
                (Accepted, "arn"),
                (Unconfirmed,),
                (Ended, "why"),
                (Ended, None),
                (Noted, "text"),
                (Abandoned, "text"),
            ],
        )
    ]
    airflow.rows[0] = airflow.rows[1] = row_of("success", 1, OWN)
    found = airflow.beat(*events)
    assert airflow.asked == [[0, 1, 2]]
    assert [finding.launch.id for finding in found.unwanted] == ["launch-0", "launch-1"]
    airflow.rows.clear()
    assert airflow.beat(*events).of(launches[1]).verdict is WantedState.WANTED


def test_while_the_database_is_away_nothing_is_reported_or_sent(airflow):
    """What is not known is asked again; ends and notes are reported."""
    airflow.away = True
    launch = airflow.launch()
    asked = [Accepted(launch, "arn"), Unconfirmed(launch)]
    found = airflow.beat(*asked)
    assert [found.postpones(event) for event in asked] == [True, True]
    assert found.unwanted == []
    assert not any(found.postpones(kind(launch, "text")) for kind in (Ended, Noted, Abandoned))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (WAITS, "exited with code 1"),
        (row_of("failed", 1, OWN), "exited with code 1"),
        (row_of("up_for_retry", 1, OWN), "exited with code 1"),
        (row_of("archived", 1, OWN), "exited with code 1"),
        (row_of("success", 1, OWN), "The task instance was marked success. exited with code 1"),
        (row_of(None, 1, OWN), "The task instance was cleared or reset. exited with code 1"),
        (None, "The task instance was deleted. exited with code 1"),
    ],
)
def test_a_failure_is_reported_with_what_went_before_it(airflow, row, told):
    """Airflow refuses an ECS task whose task instance was marked or cleared meanwhile, and it fails."""
    airflow.rows[0] = row
    end = Ended(airflow.launch(), "exited with code 1")
    assert airflow.beat(end).explain(end).reason == told


def test_what_is_not_wanted_is_overdue_ten_minutes_later(airflow):
    """Not before, and once, after it was looked up again."""
    airflow.launch()
    airflow.rows[0] = row_of("skipped", 1, OWN)
    first = airflow.beat(after=INTERVAL)
    assert [finding.overdue for finding in first.unwanted] == [False]
    until = airflow.clock.at + ENDING
    while airflow.clock.at < until - 1:
        assert not any(finding.overdue for finding in airflow.beat().unwanted)
    assert [finding.overdue for finding in airflow.beat().unwanted] == [True]
    airflow.ledger.remove(0)
    assert not any(found.unwanted for found in airflow.beats(2 * INTERVAL))


def queued(fakes, *numbers):
    return lambda: [fakes.make_launch(number, key=number) for number in numbers]


def test_after_a_gap_what_is_queued_is_looked_up_before_it_is_launched(airflow, fakes):
    """Once, and only after a gap."""
    airflow.beat()
    assert airflow.lookups.not_wanted(lambda: pytest.fail("asked")) == []
    airflow.rows[1] = row_of("queued", 2, OTHER)
    airflow.clock.at += LEASE + 1
    (finding,) = airflow.lookups.not_wanted(queued(fakes, 0, 1))
    assert (finding.launch.key, finding.reason) == (1, "Airflow has begun try 2 of the task instance")
    airflow.beat()
    assert airflow.lookups.not_wanted(lambda: pytest.fail("asked")) == []


@pytest.fixture
def ended(airflow, fakes):
    """Return a failure that was reported just now."""
    end = Ended(fakes.make_launch(0, key=0), "why")
    airflow.lookups.expect_recorded(end)
    return end


def unrecorded(airflow, seconds):
    return [end for found in airflow.beats(seconds) for end in found.unrecorded]


def test_a_failure_is_reported_until_airflow_has_taken_it(airflow, ended):
    """The scheduler reads an event once, and drops it where another session has locked the row."""
    assert unrecorded(airflow, FAILURE_CHECK_DELAY - 1) == []
    assert unrecorded(airflow, 2 * FAILURE_CHECK_DELAY) == [ended] * 2
    airflow.rows[0] = row_of("up_for_retry", 1, OWN)
    assert unrecorded(airflow, 10 * FAILURE_CHECK_DELAY) == []
    assert len(airflow.asked) == 3


def test_a_round_that_takes_longer_is_ended(airflow):
    """Where heartbeats are rare, all have their turn all the same, one batch a heartbeat."""
    for number in range(10 * BATCH):
        airflow.launch(number)
    airflow.make_lookups(interval=1.0)
    for _ in range(10):
        airflow.beat(after=10)
    assert sorted(number for asked in airflow.asked for number in asked) == list(range(10 * BATCH))


def test_after_a_gap_in_a_round_all_have_their_turn_at_once(airflow):
    """Those that had it before the gap, too."""
    for number in range(3 * BATCH):
        airflow.launch(number)
    airflow.beat(after=1)
    airflow.beats(INTERVAL)
    assert len(airflow.asked) == 1
    airflow.beat(after=LEASE + 1)
    airflow.beats(4)
    assert list(map(len, airflow.asked)) == [BATCH] * 6


def test_a_batch_that_has_no_room_waits_for_the_next_heartbeat(airflow):
    """What must be known now goes before."""
    launches = [airflow.launch(number) for number in range(BATCH + 1)]
    events = [Accepted(launch, "arn") for launch in launches[:BATCH]]
    airflow.beats(INTERVAL - 1)
    airflow.beat(*events)
    airflow.beats(2)
    assert list(map(len, airflow.asked)) == [BATCH, BATCH]


def test_though_every_heartbeat_is_late_each_launch_has_its_turn(airflow):
    """A scheduler whose loop takes long begins no round anew before the last one is over."""
    for number in range(3 * BATCH):
        airflow.launch(number)
    for _ in range(6):
        airflow.beat(after=LEASE + 1)
    asked = [number for asked in airflow.asked for number in asked]
    assert sorted(asked) == sorted([*range(3 * BATCH)] * 2)


def test_a_suspended_host_is_a_gap(airflow, clock):
    """The clock that never goes backwards stands still meanwhile; the time of the day does not."""
    wall = count(1000.0, LEASE + 1)
    airflow.make_lookups(lease=Lease(LEASE, clock, lambda: next(wall)))
    airflow.launch()
    airflow.beat(after=0)
    assert airflow.asked == [[0]]


def test_callbacks_are_exempt(airflow):
    """They have no row; what is asked of one is answered all the same."""
    launch = airflow.launch(task=CallbackId("id", "dag"))
    found = airflow.beat(Accepted(launch, "arn"), after=INTERVAL)
    assert (airflow.asked, found.of(launch).verdict, found.unwanted) == ([], WantedState.WANTED, [])


def test_what_does_not_fit_is_postponed(airflow):
    """After an adoption thousands can come at once; each heartbeat reports a batch of them."""
    events = [Accepted(airflow.launch(number), "arn") for number in range(2 * BATCH + 1)]
    for told in (BATCH, BATCH, 1):
        found = airflow.beat(*events)
        assert [found.postpones(event) for event in events] == [False] * told + [True] * (len(events) - told)
        events = [event for event in events if found.postpones(event)]


def test_a_failure_is_reported_as_it_is_while_the_database_is_away(airflow):
    """Nothing is invented."""
    airflow.away = True
    end = Ended(airflow.launch(), "why")
    assert airflow.beat(end).explain(end) == end


@pytest.mark.parametrize(
    "row",
    [WAITS, row_of("running", 2, OWN), row_of("running", 1, OTHER)],
    ids=["wanted", "may run", "taken over"],
)
def test_what_is_wanted_again_is_not_overdue(airflow, monkeypatch, row):
    """The ten minutes begin anew; up to 3.0 an earlier try's ECS task may be where the task instance runs."""
    monkeypatch.setattr(AIRFLOW, "runs_own_try", False)
    airflow.launch()
    airflow.rows[0] = row_of("deferred", 1, OWN)
    airflow.beat(after=INTERVAL)
    airflow.rows[0] = row
    airflow.beats(INTERVAL)
    airflow.rows[0] = row_of("deferred", 1, OWN)
    found = airflow.beats(ENDING - INTERVAL)
    assert any(each.unwanted for each in found)
    assert not any(finding.overdue for each in found for finding in each.unwanted)


def test_a_database_that_is_away_makes_nothing_overdue(airflow):
    """What has started is stopped only where the database has just confirmed that it is not wanted."""
    airflow.launch()
    airflow.rows[0] = row_of("skipped", 1, OWN)
    airflow.beat(after=INTERVAL)
    airflow.away = True
    assert not any(found.unwanted for found in airflow.beats(ENDING + 10))
    airflow.away = False
    assert [finding.overdue for finding in airflow.beat().unwanted] == [True]


def test_while_the_database_is_away_what_is_queued_waits(airflow, fakes):
    """Also at the heartbeats after the first one."""
    airflow.away = True
    airflow.clock.at += LEASE + 1
    for _ in range(3):
        assert airflow.lookups.not_wanted(queued(fakes, 0)) is None
        airflow.beat()
    airflow.away = False
    assert airflow.lookups.not_wanted(queued(fakes, 0)) == []


@pytest.mark.parametrize(
    ("row", "fails_running", "again"),
    [
        (WAITS, True, True),
        (row_of("running", 1, OWN), True, True),
        # Airflow 2.11 leaves what runs to the look for task instances without a heartbeat.
        (row_of("running", 1, OWN), False, False),
        (WAITS, False, True),
        # The next try, another scheduler's, or over.
        (row_of("queued", 2, OWN), True, False),
        (row_of("queued", 1, OTHER), True, False),
        (row_of("scheduled", 1, OWN), True, False),
        (row_of("success", 1, OWN), True, False),
        (None, True, False),
    ],
)
def test_only_a_failure_that_was_not_taken_is_reported_again(
    airflow, fakes, monkeypatch, row, fails_running, again
):
    """Airflow has taken it where the task instance neither waits nor runs in that launch any more."""
    monkeypatch.setattr(AIRFLOW, "fails_running", fails_running)
    airflow.rows[0] = row
    airflow.lookups.expect_recorded(Ended(fakes.make_launch(0, key=0), "why"))
    assert len(unrecorded(airflow, FAILURE_CHECK_DELAY)) == again
    airflow.rows[0] = WAITS
    assert len(unrecorded(airflow, FAILURE_CHECK_DELAY)) == again


@pytest.mark.parametrize("launched", ["queued", "launched"])
def test_the_failure_of_an_earlier_launch_is_not_reported_again(airflow, ended, launched):
    """The same try can have been launched again since then; its row is that of the present launch."""
    if launched == "queued":
        airflow.queued.add(0)
    else:
        airflow.launch(id="resumed")
    assert unrecorded(airflow, 3 * FAILURE_CHECK_DELAY) == []


def test_while_the_database_is_away_a_failure_is_kept(airflow, ended):
    """Whether it was taken is not known; it is reported again once that is."""
    airflow.away = True
    assert unrecorded(airflow, 3 * FAILURE_CHECK_DELAY) == []
    airflow.away = False
    assert unrecorded(airflow, FAILURE_CHECK_DELAY) == [ended]


def test_the_failure_of_a_callback_is_reported_once(airflow):
    """The scheduler locks no callback's row."""
    airflow.lookups.expect_recorded(Ended(airflow.launch(task=CallbackId("id", "dag")), "why"))
    assert unrecorded(airflow, 3 * FAILURE_CHECK_DELAY) == []
