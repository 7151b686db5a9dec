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
"""Each row of the table of faults against the local Fargate: real HTTP, real threads, real heartbeats."""

from __future__ import annotations

import pytest
from fault_matrix.results import PROPERTY, cells
from fault_matrix.rows import ROWS
from fault_matrix.work import MARKERS

from airflow.executors.base_executor import BaseExecutor

#: A row tells at most so many of its differences.
SHOWN = 20


def _parameter(row):
    commands = row.token_life is not None and not hasattr(BaseExecutor, "queue_workload")
    marks = [pytest.mark.skip(reason="on 2.11 no command has a token")] if commands else []
    return pytest.param(row, id=row.name, marks=marks)


@pytest.mark.parametrize("row", map(_parameter, sorted(ROWS, key=lambda row: row.alone)))
def test_row(matrix, row, record_property):
    """Nothing is lost, nothing runs twice, every state is right, and no heartbeat waits or raises."""
    result = matrix.result(row)
    record_property(PROPERTY, cells(result))
    differences = result.differences
    assert differences[:SHOWN] == [], f"{len(differences)} differences"


def test_no_secret_was_written(matrix, eavesdropper):
    """Whatever went wrong above, no log shows a token or an override's value."""
    assert eavesdropper.lines or not matrix.results
    assert eavesdropper.heard == []
    for result in matrix.results.values():
        told = repr((result.seen.told, result.seen.notes, result.seen.errors))
        assert not [marker for marker in MARKERS if marker in told]
