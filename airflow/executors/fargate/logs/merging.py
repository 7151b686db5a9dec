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
Puts the lines of a try's ECS tasks and the executor's notes into the order in which Airflow shows them. Pure.

While a task runs, Airflow's page counts the lines that it has and asks for those that follow. So the log only grows
at its end: each line has a place that never changes, which is the time at which it came to CloudWatch, and a note's
place is some seconds after its time, by when Airflow has stored it. The times that Airflow sorts by never decrease;
what is shown later than it was written says when that was. Some time after its end, a try's log has each line at its
own time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter

from airflow.executors.fargate.logs.lines import JsonForm, Record, TextForm

#: Milliseconds from a note's time to its place: the scheduler stores it with the transaction of its loop.
SETTLE = 5000
#: Milliseconds after which what came to CloudWatch can be read there.
ARRIVAL = 3000


class Stop(Record):
    """Marks where a stream was read up to: what follows it in the log is not known yet."""


class Hidden(Record):
    """A line that Airflow shows from elsewhere, as from a file on a shared disk."""


def in_own_order(notes: Iterable[Record], streams: Sequence[Iterable[Record]]) -> Iterator[Record]:
    """Yield the records of a log that has ended, by their own times."""
    for record in heapq.merge(sorted(notes, key=attrgetter("at")), *streams, key=attrgetter("at")):
        if not isinstance(record, (Stop, Hidden)):
            yield record


def in_order_of_arrival(
    notes: Iterable[Record],
    streams: Sequence[Iterable[Record]],
    form: JsonForm | TextForm,
    settled: float,
) -> Iterator[Record]:
    """
    Yield the records of a log that grows. What is yielded later begins with what was yielded before.

    :param notes: have their own times as places; :data:`SETTLE` is added here.
    :param settled: milliseconds since the epoch; notes up to this place are shown, and later ones if a line follows
        them.
    """
    placed = (note._replace(place=note.place + SETTLE) for note in notes)
    held: list[Record] = []
    shown = 0
    for record in heapq.merge(_marked(placed, settled), *streams, key=attrgetter("place")):
        if isinstance(record, Stop):
            return
        if isinstance(record, _Unsettled):
            held.append(record)
            continue
        for one in (*held, record):
            if not isinstance(one, Hidden):
                yield one if one.at >= shown else form.retimed(one, shown)
            shown = max(shown, one.at)
        held.clear()


class _Unsettled(Record):
    """A note before which something may still come."""


def _marked(notes: Iterable[Record], settled: float) -> Iterator[Record]:
    for note in notes:
        yield note if note.place <= settled else _Unsettled(*note)
