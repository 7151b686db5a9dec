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
"""The table of faults. Nothing in here needs Airflow."""

from __future__ import annotations

from tests.fault_matrix.rows import again, answers, containers, credentials, starts, tasks, throttles

#: The sections of the documentation, with their rows.
SECTIONS = {
    "Calls without a clear answer": answers.ROWS,
    "Throttling": throttles.ROWS,
    "Credentials, network and clocks": credentials.ROWS,
    "ECS tasks that do not start": starts.ROWS,
    "ECS tasks that end in other ways": containers.ROWS,
    "The same task instance again": again.ROWS,
    "Requests that AWS would refuse": tasks.ROWS,
}
ROWS = tuple(row for rows in SECTIONS.values() for row in rows)


def row(name: str) -> object:
    """Return the row with this name."""
    return next(row for row in ROWS if row.name == name)
