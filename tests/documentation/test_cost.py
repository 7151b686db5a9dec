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
"""What the page about cost says is what its prices, and the executor's own rules of billing, make."""

from __future__ import annotations

import re

import pytest
from tools.documentation.options import REPOSITORY
from tools.documentation.tables import tables

from airflow.executors.fargate.aws.sizes import PER_LARGE_UNIT, SIZES, mistake
from airflow.executors.fargate.aws.usage import Usage, billed

PATH = REPOSITORY / "docs" / "executor" / "fargate-cost.rst"
PAGE = PATH.read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())
UNIT_PRICES, COSTS, STEPS, _, FASTER, WORK, SENSORS = tables(PAGE)
#: US dollars, by what the table of prices calls it.
PRICE = {what: float(dollars) for what, dollars, _ in UNIT_PRICES}
#: How much Spot may cost less, as the page says, and the seconds of the columns.
SPOT_DISCOUNT, TIMES = 0.7, (60, 300, 3600)
KINDS = {"x86": ("x86", 1.0), "ARM64": ("ARM64", 1.0), "Spot, x86": ("x86", 1 - SPOT_DISCOUNT)}
SMALLEST = (0.25, 0.5)
MODULE = REPOSITORY / "airflow" / "executors" / "fargate" / "bridge" / "reporter.py"


def dollars(vcpus, gb, kind, seconds):
    """Return what an ECS task costs for the seconds that are billed."""
    architecture, factor = KINDS[kind]
    hour = vcpus * PRICE[f"vCPU-hour, {architecture}"] + gb * PRICE[f"GB-hour of memory, {architecture}"]
    return hour * factor * seconds / 3600


def seconds_billed(seconds):
    """Return what the executor says is billed for these seconds from the image pull to the stop."""
    size = {"cpu": "256", "memory": "512", "launch_type": "FARGATE"}
    return billed(Usage(pull_started=0.0, stopped=float(seconds), **size)).seconds


def table_of_costs():
    """Yield the size, the kind and the cells of each row; a size stands in the first of its rows only."""
    size = ""
    for first, kind, *cells in COSTS:
        size = first or size
        vcpus, gb = re.fullmatch(r"([\d.]+) vCPU, ([\d.]+) GB", size).groups()
        yield pytest.param(float(vcpus), float(gb), kind, cells, id=f"{size}, {kind}")


@pytest.mark.parametrize(("vcpus", "gb", "kind", "cells"), list(table_of_costs()))
def test_costs_follow_from_the_prices(vcpus, gb, kind, cells):
    """Each cell is the price of 1,000 ECS tasks of a size that Fargate has."""
    assert mistake(f"{vcpus} vCPU", f"{gb} GB") is None
    assert cells == [f"${1000 * dollars(vcpus, gb, kind, seconds):.2f}" for seconds in TIMES]


def test_each_size_has_each_kind():
    """No row is missing."""
    assert [kind for _, kind, *_ in COSTS] == [*KINDS] * (len(COSTS) // len(KINDS))
    assert f"{SPOT_DISCOUNT:.0%}".replace("%", " %") in WORDS


def test_the_summary_is_a_cell_of_the_table():
    """The price that the page begins with is that of a row."""
    assert f"cost ${1000 * dollars(0.5, 1, 'x86', 300):.2f} with 0.5 vCPU and 1 GB" in WORDS


def test_a_shorter_time_costs_a_minute():
    """The page says so, and the executor counts so."""
    assert "A shorter time costs as much as a minute." in WORDS
    assert seconds_billed(1) == TIMES[0] == seconds_billed(60)


def test_the_example_is_the_one_of_the_note():
    """The sum of the vCPU-seconds and GB-seconds that the page about the executor shows."""
    executor = " ".join((PATH.parent / "fargate.rst").read_text(encoding="utf-8").split())
    vcpus, gb = (float(number) for number in re.findall(r"([\d.]+) (?:vCPU|GB)-seconds", executor)[:2])
    hours = f"{vcpus} / 3600 × {PRICE['vCPU-hour, x86']} + {gb:g} / 3600 × {PRICE['GB-hour of memory, x86']}"
    total = vcpus / 3600 * PRICE["vCPU-hour, x86"] + gb / 3600 * PRICE["GB-hour of memory, x86"]
    assert f"{hours} = ${total:.4f}" in WORDS


def test_what_a_network_adds_follows_from_the_prices():
    """A public address by the hour, and an image through a NAT gateway, beside the smallest ECS task."""
    hour = dollars(*SMALLEST, "x86", 3600)
    assert f"adds {PRICE['hour of a public IPv4 address'] / hour:.0%}".replace("%", " %") in WORDS
    minutes = PRICE["GB through a NAT gateway"] / (hour / 60)
    assert f"as much as {minutes:.0f} minutes of the smallest ECS task" in WORDS


@pytest.mark.parametrize(("work", "total", "share"), WORK)
def test_the_share_of_the_work_follows_from_the_start(work, total, share):
    """Pull and start are those of the note that the page about the executor shows."""
    number, unit = work.split()
    seconds = int(number) * {"s": 1, "min": 60, "h": 3600}[unit]
    note = re.search(r"image pulled (\d+) s, started (\d+) s", (PATH.parent / "fargate.rst").read_text())
    overhead = sum(map(int, note.groups()))
    assert f"With {overhead} seconds for pull and start" in WORDS
    assert total == f"{seconds_billed(overhead + seconds)} s"
    assert share == f"{seconds / seconds_billed(overhead + seconds):.0%}".replace("%", " %")


@pytest.mark.parametrize(("sensor", "count", "total"), SENSORS)
def test_a_sensor_is_billed_a_minute_for_each_start(sensor, count, total):
    """An hour in one ECS task, or as many minutes as there are ECS tasks."""
    number = int(count.removeprefix("up to "))
    if interval := re.search(r"poke_interval=(\d+)", sensor):
        assert number == 3600 // int(interval[1])
    assert total == f"{3600 if number == 1 else number * seconds_billed(1)} s"


def test_the_greatest_size_is_the_one_that_fargate_has():
    """What is greater needs instances."""
    cpu = max(SIZES)
    assert f"at most {cpu // PER_LARGE_UNIT} vCPU and {max(SIZES[cpu]) // PER_LARGE_UNIT} GB" in WORDS


def test_metrics_are_sent():
    """Each metric that the page names is one that the executor sends, and each step of a note has its row."""
    sent = MODULE.read_text(encoding="utf-8")
    named = re.findall(r"fargate_executor\.(\w+)|``(\w+_duration)``", PAGE)
    assert len(named) == len(("vcpu_seconds", "gb_seconds")) + len(STEPS) - 1
    assert [name for names in named if f'"fargate_executor.{(name := "".join(names))}"' not in sent] == []
    note = ("accepted", "provisioned", "image pulled", "started")
    assert [row[0] for row in STEPS] == [row[0] for row in FASTER] == [*note, "in the container"]
