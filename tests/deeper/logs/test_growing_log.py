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
"""What a client of Airflow's has that asks for the lines after those that it has, while a log grows."""

from __future__ import annotations

import random

import pytest

from airflow.executors.fargate import notes
from airflow.executors.fargate.logs.lines import JsonForm, TextForm
from airflow.executors.fargate.logs.tries import Note, Try
from airflow.utils.log import file_task_handler

from tests.executors.fargate.test_live import ARN, BEGIN, GROUP, STREAM, Cloud, at_once

#: Airflow 3 counts lines, and Airflow 2 characters.
COUNTS_LINES = hasattr(file_task_handler, "_log_stream_to_parsed_log_stream")

OTHER = ARN.replace("0", "1")


class Client:
    """Asks Airflow's own code for a log again and again, and adds what it gets to what it has."""

    def __init__(self):
        self.has = [] if COUNTS_LINES else ""
        self.position = 0

    def ask(self, lines):
        """Do what ``FileTaskHandler._read()`` does."""
        if COUNTS_LINES:
            # On lines that are merged with those of another stream.
            log = [line.event for line in file_task_handler._interleave_logs(iter(lines), iter(()))]
        else:
            log = "\n".join(file_task_handler._interleave_logs("\n".join(lines)))
        self.has += log[self.position :]
        self.position = len(log)
        return log


class World:
    """What happens to a try, and when it can be seen; times are in milliseconds after its first launch."""

    def __init__(self, cloud, seed):
        self.cloud = cloud
        self.random = random.Random(seed)
        #: Pairs of the time at which something can be seen, and what makes it seen.
        self.happens = []
        self.notes = []
        self.names = set()
        self.end = 60_000
        self.launch(0, ARN, STREAM, 25_000)
        self.launch(30_000, OTHER, STREAM.replace("0", "1"), self.end)
        self.note(self.end - 200, notes.FAILURE, "failed")
        for number in range(8):
            self.note(self.random.randrange(self.end), notes.LAUNCH, f"note {number}")
        self.happens.sort(key=lambda one: one[0])

    def launch(self, at, arn, stream, until):
        self.note(at, notes.LAUNCH, f"Launched {notes.ecs_task_text(arn, '', 'airflow:3', 'main')}")
        time = at + 1000
        arrived = ingested = 0
        while (time := time + self.random.choice([0, 1, 30, 700, 4000])) < until:
            # In the order in which they were written, as the awslogs driver sends them.
            ingested = max(ingested, time + self.random.choice([10, 900, 4900]))
            arrived = max(arrived, ingested + self.random.randrange(2500))
            self.write(time, ingested, arrived, stream)

    def write(self, time, ingested, arrived, stream):
        name = f"line {len(self.names)} of {stream[-3:]}"
        self.names.add(name)
        write = lambda: self.cloud.cloud.write(GROUP, stream, name, at=BEGIN + time, lag=ingested - time)
        self.happens.append((arrived, write))

    def note(self, at, event, text):
        self.names.add(text)
        # When its transaction is committed.
        seen = at + self.random.randrange(4000)
        add = lambda: self.notes.append(Note(BEGIN + at, event, text))
        self.happens.append((seen, add))

    def let_pass(self, until):
        while self.happens and self.happens[0][0] <= until:
            self.happens.pop(0)[1]()

    def read(self, at, *, has_ended):
        self.let_pass(at)
        self.cloud.at = BEGIN + at
        noted = tuple(sorted(self.notes, key=lambda note: note.at))
        end = BEGIN + self.end if has_ended else None
        of = Try("try", noted, None, is_polled=not has_ended, has_ended=has_ended, ended_at=end)
        return [*self.cloud.logs.read(of).lines]


def names_in(log):
    return [line.rpartition(" INFO - ")[2] for line in log]


@pytest.mark.parametrize("seed", range(12))
def test_each_line_comes_once_and_in_order(fakes, clock, seed):
    """Late lines, late notes and the lines of a second ECS task are added at the end, also when the try ends."""
    form = JsonForm() if COUNTS_LINES else TextForm()
    world, client = World(Cloud(fakes, clock, form), seed), Client()
    at, seen = 0, 0
    while at < world.end:
        client.ask(world.read(at, has_ended=False))
        assert len(client.has) >= seen
        seen = len(client.has)
        at += world.random.randrange(300, 5000)
    last = client.ask(world.read(world.end + 9_000, has_ended=True))
    assert client.has == last
    whole = client.has if COUNTS_LINES else client.has.split("\n")
    for name in world.names:
        assert sum(name in line for line in whole) >= 1, name
    assert len(whole) == len(world.names)
    # Half a minute later, each line is shown at its own time, and none is missing.
    later = world.read(world.end + 100_000, has_ended=True)
    assert len(later) == len(whole)


def test_a_process_of_its_own_has_the_same_order(fakes, clock):
    """An API server has several, and any of them may be asked next."""
    form = JsonForm() if COUNTS_LINES else TextForm()
    world = World(Cloud(fakes, clock, form), 5)
    for at in range(1000, world.end, 1700):
        lines = world.read(at, has_ended=False)
        fresh = Cloud(fakes, clock, form)
        fresh.cloud, kept = world.cloud.cloud, world.cloud
        world.cloud = fresh
        assert world.read(at, has_ended=False) == lines
        world.cloud = kept
