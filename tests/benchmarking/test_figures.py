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
"""The arithmetic of the benchmark: limits, medians, percentiles, and what is made of a run."""

from __future__ import annotations

import pytest
from tools.benchmarking import figures
from tools.benchmarking.figures import NEVER
from tools.benchmarking.scenarios import FULL, QUICK, ROWS, Limit, Scenario
from tools.benchmarking.seen import Beat, Seen, Task, made, refused

AT_ONCE = Scenario("at-once", "launch", 3, "")
STORM = Scenario("storm", "launch", 2, "", storm=10.0)


def test_limit():
    """What is beyond the burst takes its time, and nothing takes less than none."""
    assert [Limit(rate=20, burst=100).seconds(calls) for calls in (1000, 100, 1)] == [45.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "values, percent, expected",
    [
        (range(1, 101), 99, 99),
        (range(1, 101), 100, 100),
        ([3, 1, 2], 50, 2),
        ([1, NEVER], 99, NEVER),
    ],
)
def test_percentile(values, percent, expected):
    """It is one of the values, in whatever order they come."""
    assert figures.percentile(values, percent) == expected


def test_medians_count_what_never_came():
    """One run that never ended does not hide behind two that did, nor does it spoil them."""
    runs = [{"a": 1.0, "b": NEVER}, {"a": NEVER, "b": 2.0}, {"a": 3.0, "b": NEVER}]
    assert figures.medians(runs) == {"a": 3.0, "b": NEVER}
    assert figures.medians([]) == {}


def seen_of(*tasks, **members):
    return Seen(began=100.0, tasks=[Task(f"arn{n}", *task) for n, task in enumerate(tasks)], **members)


def test_launches_and_ends():
    """A launch counts from the hand-over to its first container, an end from the last container's end."""
    seen = seen_of(
        ("a", 101.0, 110.0),
        ("b", 104.0, 111.0),
        ("c", 102.0, 105.0),
        ("c", 120.0, 130.0),
        told={"a": 112.0, "b": 114.0, "c": 131.0},
        calls={"RunTask": {"ok": 4, "ThrottlingException": 2}},
    )
    found = figures.figures(AT_ONCE, seen)
    assert figures.acceptances(seen) == [1.0, 2.0, 4.0]
    assert (found["accepted"], found["lost"], found["refused"]) == (4.0, 0, 2)
    assert (found["told_mean"], found["told_p99"]) == (2.0, 3.0)


def test_what_is_missing_is_never():
    """A task that was not accepted, or whose end was not told, makes the figure no better."""
    seen = seen_of(("a", 101.0, 110.0), ("b", 104.0, None), told={"a": 112.0})
    found = figures.figures(AT_ONCE, seen)
    assert (found["accepted"], found["lost"], found["told_mean"], found["told_p99"]) == (
        NEVER,
        1,
        NEVER,
        NEVER,
    )


@pytest.mark.parametrize(
    "last, storm_ended, expected", [(115.0, 110.0, 5.0), (105.0, 110.0, 0.0), (115.0, 0.0, NEVER)]
)
def test_after_the_storm(last, storm_ended, expected):
    """What was accepted during the storm did not have to wait for its end."""
    seen = seen_of(("a", 101.0, 110.0), ("b", last, 120.0), storm_ended=storm_ended)
    assert figures.figures(STORM, seen)["after_storm"] == expected


def test_heartbeats():
    """The heartbeats that take work are told from the others; milliseconds."""
    seen = seen_of(beats=[Beat(100, 0.25, 3), Beat(101, 0.5, 0), Beat(102, 0.125, 0), Beat(103, 0.75, 1)])
    found = figures.figures(AT_ONCE, seen)
    assert (found["longest"], found["hand_over"], found["longest_other"]) == (750, 750, 500)
    assert found["median"] == 375


def test_figures_of_a_window_are_for_a_minute():
    """However long the window became, calls and processor time are those of a minute."""
    seen = Seen(window=90.0, processor=6.0, calls={"DescribeTasks": {"ok": 890, "ThrottlingException": 10}})
    found = figures.figures(Scenario("running", "follow", 0, ""), seen)
    assert (found["processor"], found["describes"]) == (4.0, 600.0)


def test_calls():
    """Calls are counted whatever became of them; refused are those that were throttled."""
    calls = {"RunTask": {"ok": 3, "ThrottlingException": 2, "reset": 1}, "ListTasks": {"ok": 1}}
    assert [made(calls), made(calls, "RunTask"), made(calls, "StopTask")] == [7, 6, 0]
    assert [refused(calls, "RunTask"), refused(calls, "ListTasks"), refused({}, "RunTask")] == [2, 0, 0]


@pytest.mark.parametrize("longest, place", [([3.0, 1.0, 2.0], 2), ([1.0, 2.0], 0), ([NEVER, 1.0, 2.0], 2)])
def test_typical_run(longest, place):
    """The picture shows the run in the middle."""
    assert figures.typical([{"longest": value} for value in longest]) == place


@pytest.mark.parametrize("scale", [FULL, QUICK])
def test_rows_name_scenarios(scale):
    """Each row is about a scenario, and each scenario has rows."""
    assert {row.scenario for row in ROWS} == {scenario.name for scenario in scale.scenarios}
