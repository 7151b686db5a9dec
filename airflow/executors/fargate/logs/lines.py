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
"""The forms in which Airflow reads a line of a log: JSON from 3.0 on, text before."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pendulum import UTC

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The logger that Airflow shows beside the executor's own lines.
LOGGER = "fargate"
#: Milliseconds from which on a line that is shown later than it was written says when that was.
NOTABLE = 1000
#: The time with which Airflow 2 begins a line.
TEXT_TIME = re.compile(r"\[(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})([+-]\d\d):?(\d\d)\] ?")


class Record(NamedTuple):
    """A line in the form that Airflow reads, without a line break."""

    #: Its own time, milliseconds since the epoch. Airflow sorts by it.
    at: int
    #: Its place in a log that grows: when it came to CloudWatch, milliseconds since the epoch.
    place: int
    text: str


class JsonForm:
    """The form of Airflow 3. The lines of its supervisor have it already, and keep their level and logger."""

    def line(self, at: int, place: int, text: str) -> Record:
        """Return the record of a container's line."""
        with suppress(AttributeError, ValueError, TypeError, OverflowError, RecursionError):
            if text.startswith("{") and isinstance((members := json.loads(text)).get("event"), str):
                own = members.get("timestamp")
                if own is None:
                    return Record(at, place, _dump({"timestamp": _moment(at).isoformat(), **members}))
                # Pythons before 3.11 do not parse a Z.
                return Record(_milliseconds(own.replace("Z", "+00:00")), place, text)
        return Record(at, place, _dump({"timestamp": _moment(at).isoformat(), "event": text}))

    def remark(self, at: int, place: int, text: str, level: str = "info") -> Record:
        """Return the record of a line of the executor's own."""
        members = {"timestamp": _moment(at).isoformat(), "level": level, "event": text, "logger": LOGGER}
        return Record(at, place, _dump(members))

    def retimed(self, record: Record, at: int) -> Record:
        """Return a record as it is shown at a later time than its own."""
        members = json.loads(record.text)
        # Airflow's page shows what else a group's first line has in the group's title.
        is_notable = at - record.at >= NOTABLE and not members["event"].startswith("::")
        late = {"written": members["timestamp"]} if is_notable else {}
        return Record(at, record.place, _dump({**members, "timestamp": _moment(at).isoformat(), **late}))

    def with_problem(self, text: str, problem: str) -> str:
        """Return a record's text that also says why there are no more lines; the number of lines stays."""
        return _dump({**json.loads(text), "problem": problem})

    def said(self, text: str) -> str:
        """Return what a record's text says, whenever it was."""
        return str(json.loads(text)["event"])


class TextForm:
    """The form of Airflow 2: a line begins with its time."""

    def line(self, at: int, place: int, text: str) -> Record:
        """Return the record of a container's line."""
        text = text.replace("\n", " ")
        with suppress(ValueError, OverflowError):
            if found := TEXT_TIME.match(text):
                return Record(_milliseconds(f"{found[1]}{found[2]}:{found[3]}"), place, text)
        return Record(at, place, f"{_stamp(at)} {text}")

    def remark(self, at: int, place: int, text: str, level: str = "info") -> Record:
        """Return the record of a line of the executor's own."""
        return Record(at, place, f"{_stamp(at)} {{{LOGGER}}} {level.upper()} - {' '.join(text.splitlines())}")

    def retimed(self, record: Record, at: int) -> Record:
        """Return a record as it is shown at a later time than its own."""
        time, _, rest = record.text.partition("] ")
        late = f"(written {time[1:]}) " if at - record.at >= NOTABLE else ""
        return Record(at, record.place, f"{_stamp(at)} {late}{rest}")

    def with_problem(self, text: str, problem: str) -> str:
        """Return the text as it is: Airflow 2 counts characters, and the problem stands in the sources."""
        return text

    def said(self, text: str) -> str:
        """Return what a record's text says, whenever it was."""
        return text.partition("] ")[2].rstrip()


def _dump(members: dict[str, Any]) -> str:
    # A lone surrogate, which a line may have as an escape, would break Airflow's page.
    return json.dumps(members, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")


def _moment(at: int) -> datetime:
    return EPOCH + timedelta(milliseconds=at)


def _stamp(at: int) -> str:
    return f"[{_moment(at).isoformat(timespec='milliseconds')}]"


def _milliseconds(time: str) -> int:
    """
    Return a time in milliseconds since the epoch.

    :raises ValueError: if the text is no time.
    :raises OverflowError: if UTC has no such time, which could not be shown.
    """
    moment = datetime.fromisoformat(time)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware.astimezone(UTC) - EPOCH) // timedelta(milliseconds=1)
