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

import logging
import os

import pytest

from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.bridge import AIRFLOW

from tests.fault_matrix.results import PROPERTY, cells
from tests.fault_matrix.rows import ROWS
from tests.fault_matrix.work import MARKERS

#: Procedures in which a process is killed.
KILLING = ("killed", "checked_twice")
#: A row tells at most so many of its differences.
SHOWN = 20


def _parameter(row):
    commands = row.token_life is not None and not hasattr(BaseExecutor, "queue_workload")
    marks = [pytest.mark.skip(reason="on 2.11 no command has a token")] if commands else []
    return pytest.param(row, id=row.name, marks=marks)


@pytest.mark.parametrize("row", map(_parameter, sorted(ROWS, key=lambda row: row.alone)))
def test_row(request, matrix, row, record_property):
    """Nothing is lost, nothing runs twice, every state is right, and no heartbeat waits or raises."""
    if row.long and not request.config.getoption("--long"):
        pytest.skip("only with --long")
    result = matrix.result(row)
    record_property(PROPERTY, cells(result))
    differences = result.differences
    assert differences[:SHOWN] == [], f"{len(differences)} differences"


def test_plants(eavesdropper):
    """Say a word wherever something could be written; the last test shows that each was heard."""
    eavesdropper.sown, planted = True, eavesdropper.planted
    logging.getLogger("airflow.executors.fargate.fleet.fleet").debug(planted["log"])
    logging.getLogger("botocore.endpoint").debug(planted["botocore's log"])
    BaseExecutor().log.info(planted["Airflow's log"])
    os.write(1, planted["output"].encode())
    os.write(2, planted["error output"].encode())
    AIRFLOW.stats().incr("a_metric", tags={"tag": planted["metric"]})


def test_no_secret_was_written(matrix, eavesdropper):
    """Whatever went wrong above, nothing shows a token or an override's value: no log, output, event, repr or metric."""
    for result in matrix.results.values():
        told = (result.seen.told, result.seen.notes, result.seen.errors, result.seen.leaks)
        eavesdropper.listen(repr(told))
        eavesdropper.listen(result.seen.written)
    assert {marker: eavesdropper.heard.get(marker, [])[:SHOWN] for marker in MARKERS} == dict.fromkeys(
        MARKERS, []
    )


def test_the_eavesdropper_hears(request, matrix, eavesdropper):
    """Every word that was planted was heard, so secrets would have been."""
    if request.config.option.capture == "no":
        pytest.skip("pytest lets the output go where it wants to")
    if not eavesdropper.sown:
        pytest.skip("nothing was planted")
    deaf = [place for place, word in eavesdropper.planted.items() if word not in eavesdropper.heard]
    if "child" in deaf and not any(result.row.procedure in KILLING for result in matrix.results.values()):
        deaf.remove("child")
    assert deaf == []
