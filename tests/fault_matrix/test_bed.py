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
"""When the world's steps are made, by a clock that tests move."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.fault_matrix import bed as bed_module
from tests.fault_matrix.bed import Bed
from tests.fault_matrix.row import Expected, Row, Size, Step

SCALE = 0.1


class Clock:
    """A clock that stands until it is moved."""

    now = 100.0

    def monotonic(self):
        return self.now

    def time(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(bed_module, "time", clock)
    return clock


@pytest.fixture
def made(monkeypatch):
    """Return the acts that were done, in order."""
    made = []
    for name in ("first", "second"):
        monkeypatch.setattr(bed_module.acts, name, lambda bed, name=name: made.append(name), raising=False)
    return made


def a_bed(*steps):
    return Bed(Row("row", "fault", "happens", steps=steps), Size(1, SCALE))


def test_steps_come_at_their_times(clock, made):
    bed = a_bed(Step(60, act="first"), Step(80, act="second"))
    for seconds, expected in ((5.9, []), (0.1, ["first"]), (1.9, ["first"]), (0.1, ["first", "second"])):
        clock.now = round(clock.now + seconds, 6)
        bed.tick()
        assert made == expected
    assert bed.steps_made


def test_what_lies_between_steps_has_its_time_though_the_machine_stood_still(clock, made):
    bed = a_bed(Step(60, act="first"), Step(80, act="second"))
    clock.now += 30.0
    bed.tick()
    assert made == ["first"]
    clock.now += 1.9
    bed.tick()
    assert made == ["first"]
    clock.now += 0.2
    bed.tick()
    assert made == ["first", "second"]


def test_a_step_is_as_late_as_the_hand_over(clock, made):
    bed = a_bed(Step(60, act="first"), Step(80, act="second"))
    bed.schedulers.append(SimpleNamespace(late=2.0))
    for seconds, expected in ((7.9, []), (0.1, ["first"]), (1.9, ["first"]), (0.1, ["first", "second"])):
        clock.now = round(clock.now + seconds, 6)
        bed.tick()
        assert made == expected


def test_a_step_waits_until_each_launch_is_noted(clock, made):
    bed = Bed(
        Row("row", "fault", "happens", Expected(note=("STS",)), steps=(Step(0, act="first", noted=True),)),
        Size(2, SCALE),
    )
    notes = {"task-000": ["STS refuses"], "task-001": ["it waits"]}
    bed.schedulers.append(SimpleNamespace(late=0.0, notes=notes))
    bed.tick()
    assert made == []
    notes["task-001"].append("STS refuses")
    bed.tick()
    assert made == ["first"]


@pytest.mark.parametrize(
    ("step", "states", "enough"),
    [
        (Step(0, act="first", running=2), ["RUNNING", "STOPPED", "PENDING"], ["RUNNING"]),
        (Step(0, act="first", starting=2), ["PENDING", "RUNNING"], ["PROVISIONING"]),
    ],
    ids=["running", "starting"],
)
def test_a_step_waits_until_enough_containers_are_there(clock, made, step, states, enough):
    bed = a_bed(step)
    entries = [{"lastStatus": state} for state in states]
    bed.containers = lambda: entries
    bed.tick()
    assert not made
    entries += [{"lastStatus": state} for state in enough]
    bed.tick()
    assert made == ["first"]


def test_a_step_waits_until_nothing_is_followed(clock, made):
    bed = a_bed(Step(60, act="first", settled=True))
    runs = ["a run"]
    executor = SimpleNamespace(debug_state=lambda: {"followed": runs})
    bed.schedulers.append(SimpleNamespace(late=0.0, executor=executor))
    clock.now += 60.0
    bed.tick()
    assert not made
    assert not bed.steps_made
    runs.clear()
    bed.tick()
    assert made == ["first"]
    assert bed.steps_made
