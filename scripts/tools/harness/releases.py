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
"""The Airflow releases that the project supports, and what running each of them takes."""

from __future__ import annotations

from dataclasses import dataclass

#: The oldest Python that the scripts run on.
OLDEST_PYTHON = (3, 10)


@dataclass(frozen=True)
class Release:
    """One line of Airflow releases."""

    line: str
    """As the command line names it, for example ``3.3``; ``requirements/airflow-<line>.lock`` pins it."""

    newest_python: tuple[int, int]
    """The newest Python that Airflow says it runs on."""

    oldest_python: tuple[int, int] = OLDEST_PYTHON
    """The oldest Python that it runs on, where the scripts run on an older one."""

    @property
    def major(self) -> int:
        """2 or 3."""
        return int(self.line.split(".")[0])

    @property
    def executes_callbacks(self) -> bool:
        """Whether a container can execute a Dag's callback: from 3.3 on."""
        return self._number >= (3, 3)

    @property
    def has_teams(self) -> bool:
        """Whether a team can have executors of its own: from 3.2 on."""
        return self._number >= (3, 2)

    @property
    def has_loops(self) -> bool:
        """Whether a Dag can have loops, and each try of a task instance has a row of its own: from 3.4 on."""
        return self._number >= (3, 4)

    @property
    def _number(self) -> tuple[int, ...]:
        return tuple(map(int, self.line.split(".")[:2]))


RELEASES = {
    release.line: release
    for release in (
        Release("3.4", newest_python=(3, 14), oldest_python=(3, 11)),
        Release("3.3", newest_python=(3, 14)),
        Release("3.2", newest_python=(3, 14)),
        Release("3.1", newest_python=(3, 13)),
        Release("3.0", newest_python=(3, 12)),
        Release("2.11", newest_python=(3, 12)),
    )
}

NEWEST = "3.4"
