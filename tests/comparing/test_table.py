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
"""Each cell says what was measured, in the same words for each executor."""

from __future__ import annotations

import pytest
from tools.benchmarking.scenarios import INCUMBENT, OURS
from tools.comparing import table
from tools.comparing.options import parse
from tools.comparing.procedures import PROCEDURES
from tools.comparing.rows import LAUNCHES, LOCAL, MINISTACK, ROWS, WITH_CLOUDWATCH

FAILED = {
    "state": "failed", "seconds": 2.96, "reason": "exit code 137", "in_audit_log": None,
    "unreadable": None, "ecs_tasks": 1, "code_ran": 1, "patience": 240,
}  # fmt: skip
LOG = {"lines": 30, "while_running": 28, "afterwards": 30, "twice": 0, "unreadable": None}
SCHEDULER = {
    "instances": 6, "launched_before": 6, "succeeded": 6, "failed": 0, "not_ended": 0, "adopted": 6,
    "launched_twice": 0, "ran_twice": 0,
}  # fmt: skip
NO_REASON = {**FAILED, "reason": None}


@pytest.mark.parametrize(
    "name, measured, cell",
    [
        ("killed", FAILED, "1 ECS task launched, failed after 3 s. The log says: “exit code 137”"),
        (
            "image",
            {**NO_REASON, "ecs_tasks": 3},
            ("3 ECS tasks launched, failed after 3 s. Neither the log nor the audit log has a reason"),
        ),
        (
            "image",
            {**NO_REASON, "in_audit_log": "137", "unreadable": "Could not read it"},
            ("1 ECS task launched, failed after 3 s. The audit log has the reason, the log has none "
             "(“Could not read it”)"),
        ),
        (
            "killed",
            {**NO_REASON, "seconds": None, "state": "running"},
            ("1 ECS task launched, still running after 240 s. Neither the log nor the audit log has a reason"),
        ),
        (
            "sidecar",
            {**FAILED, "state": "success", "ecs_tasks": 3},
            "Success, 3 ECS tasks launched, the code ran once",
        ),
        ("sidecar", {**FAILED, "code_ran": 3}, "Failed, 1 ECS task launched, the code ran 3 times"),
        ("log", LOG, "28 of 30 lines while it runs, 30 afterwards"),
        (
            "log",
            {**LOG, "while_running": 0, "twice": 2, "unreadable": "Could not read served logs"},
            "0 of 30 lines while it runs, 30 afterwards; 2 shown twice (“Could not read served logs”)",
        ),
        ("scheduler", SCHEDULER, "6 of 6 succeeded, each ran once"),
        (
            "scheduler",
            {**SCHEDULER, "succeeded": 3, "failed": 2, "not_ended": 1, "ran_twice": 1},
            "3 of 6 succeeded, 2 failed, 1 did not end, the code of 1 ran twice",
        ),
        (
            LAUNCHES,
            {"accepted": 45.376, "longest": 41.491},
            "All accepted after 45 s, longest heartbeat 41 ms",
        ),
        (
            LAUNCHES,
            {"accepted": 206.4, "longest": 206398.9},
            "All accepted after 206 s, longest heartbeat 206 s",
        ),
    ],
)  # fmt: skip
def test_cell(name, measured, cell):
    assert table.SAID[name](measured) == cell


def content(**rows):
    return {"date": "2026-01-01", "on": "the local Fargate", "packages": {"Airflow": "3.3.2"}, "rows": rows}


def test_rows_that_were_not_measured_are_left_out():
    """A further set-up of an executor stands in its column; a bar does not end a cell."""
    rows = {
        "log": {OURS: LOG, INCUMBENT: LOG | {"unreadable": "a|b"}, WITH_CLOUDWATCH: LOG},
        "image": {OURS: FAILED},
    }
    image, log = table.cells(content(**rows))
    assert image[2] == ""
    assert log[2].count("28 of 30") == 2
    assert "(“a|b”). With remote logging to CloudWatch: 28" in log[2]
    text = table.markdown({LOCAL: content(**rows)})
    assert "a\\|b" in text
    assert text.startswith("Measured on the local Fargate (2026-01-01, Airflow 3.3.2):\n\n| What happens |")
    assert text.endswith(f" |\n\n{table.ALIKE}\n")


@pytest.mark.parametrize(
    "otherwise, same", [({"seconds": 9.0}, True), ({"ecs_tasks": 2}, False), ({"reason": None}, False)]
)
def test_what_is_otherwise_elsewhere_has_a_table(otherwise, same):
    """The local Fargate's comes first, since it has all rows; times differ each time."""
    local, elsewhere = (content(image={OURS: {**FAILED, **more}}) for more in ({}, otherwise))
    text = table.markdown({MINISTACK: elsewhere | {"on": "ministack 1"}, LOCAL: local})
    places = [text.index(words) for words in ("Measured on the local", "ministack 1", table.ALIKE)]
    assert places == sorted(places)
    assert text.count("| What happens |") == (1 if same else 2)
    assert ("are the same in these rows: *The image is not found*." in text) == same
    assert text.count(table.ALIKE) == 1


@pytest.mark.parametrize(
    "launches, named",
    [({"airflow": "3.3.2"}, True), ({}, False)],
    ids=["read from the performance page", "measured now"],
)
def test_notes_say_where_the_launches_were_measured(launches, named):
    measured = {"accepted": 1.0, "longest": 1.0, **launches}
    words = "are docs/reviewing/performance.json's (Airflow 3.3.2)."
    assert table.notes(content(**{LAUNCHES: {OURS: measured}})).endswith(words) == named


def test_each_row_can_be_measured_and_shown():
    names = [row.name for row in ROWS]
    assert [*PROCEDURES, LAUNCHES] == names == list(table.SAID)
    assert names[-2:] == ["scheduler", LAUNCHES], (
        "killing a scheduler ends what the rows before may still launch"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--docs", "--only", "log"],
        ["--docs", "--measure-launches"],
        ["--only", "x"],
        ["--on", "ministack", "--only", "scheduler"],
    ],
)
def test_mistakes_in_the_command_line(arguments, capsys):
    """Half a table does not get into README.md."""
    with pytest.raises(SystemExit):
        parse(arguments, None)
    assert "error: " in capsys.readouterr().err
