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
"""Tells which lines of a container Airflow shows from elsewhere as well, such as from a file on a shared disk."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.executors.fargate.logs.lines import JsonForm, Record, TextForm

#: Milliseconds. Airflow stamps what a task prints once for its file and once for its container's log.
TOLERANCE = 100


class Elsewhere:
    """
    Lines that Airflow shows from elsewhere. Each of them hides one equal line of a container.

    Little of a line is in memory.

    :param form: of the lines.
    """

    def __init__(self, form: JsonForm | TextForm, lines: Iterable[str] = ()) -> None:
        self._form = form
        #: Times by hashes of what was said, in the order of the lines.
        self._times: dict[int, deque[int]] = defaultdict(deque)
        for line in filter(None, lines):
            record = form.line(0, 0, line)
            self._times[hash(form.said(record.text))].append(record.at)

    def hides(self, record: Record) -> bool:
        """Tell whether such a line is elsewhere; it hides no other one."""
        if not self._times:
            return False
        times = self._times.get(hash(self._form.said(record.text)), deque())
        while times and times[0] < record.at - TOLERANCE:
            times.popleft()
        is_there = bool(times) and times[0] <= record.at + TOLERANCE
        if is_there:
            times.popleft()
        return is_there
