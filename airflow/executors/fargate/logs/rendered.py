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
Makes the JSON that Airflow 3 writes to a container's log readable.

In a container, Airflow's supervisor writes each event as an object with ``timestamp``, ``level``, ``event``, and
whatever else was logged with it; exceptions are a list, ``error_detail`` or ``exception``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from airflow.executors.fargate.aws.answers import mapping, mappings

#: The members that are shown otherwise, that say which task instance and try it is, or where in the code it is.
NOT_SHOWN = frozenset(
    "timestamp level event error_detail exception logger filename lineno "
    "ti_id dag_id task_id run_id try_number map_index".split()
)
EXCEPTIONS = ("error_detail", "exception")
#: How much is shown of exceptions: those that were raised last, and the innermost frames of each.
MAX_EXCEPTIONS = 3
MAX_FRAMES = 3
#: What only makes Airflow's UI fold lines.
GROUPS = ("::group::", "::endgroup::")
#: The time of the day in a timestamp of ISO 8601.
TIME = re.compile(r"T(\d\d:\d\d:\d\d)")


def readable_lines(line: str) -> list[str]:
    """
    Return a line of a container's log as lines that people can read, none for what only folds lines in Airflow's UI.

    Airflow's JSON becomes ``10:02:11 ERROR event key=value``, with the time as it was logged (UTC), and a line for
    each frame and exception that it carries. Any other line is returned unchanged.
    """
    members = _members(line)
    if not members:
        return [line]
    event = str(members["event"])
    if event.startswith(GROUPS):
        return []
    time = TIME.search(str(members.get("timestamp")))
    shown = [time[1] if time else "", str(members.get("level") or "").upper(), event, *_values(members)]
    lines = [" ".join(filter(None, shown))]
    for name in EXCEPTIONS:
        lines += _exceptions(members.get(name))
    return "\n".join(lines).split("\n")


def _members(line: str) -> Mapping[str, Any]:
    """Return the members of an object that has an event; none for any other line."""
    with suppress(ValueError, RecursionError):
        if line.startswith("{") and "event" in (members := mapping(json.loads(line))):
            return members
    return {}


def _values(members: Mapping[str, Any]) -> Iterator[str]:
    for name, value in members.items():
        if name not in NOT_SHOWN:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{name}={text}"


def _exceptions(detail: Any) -> Iterator[str]:
    """Yield the lines of exceptions, each after its cause, as Python prints them."""
    for exception in reversed(mappings(detail)[:MAX_EXCEPTIONS]):
        for frame in mappings(exception.get("frames"))[-MAX_FRAMES:]:
            yield f'  File "{frame.get("filename")}", line {frame.get("lineno")}, in {frame.get("name")}'
        yield f"{exception.get('exc_type')}: {exception.get('exc_value')}"
