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
"""Airflow's JSON in a container's log is made readable, and nothing else is changed."""

from __future__ import annotations

import json

import pytest

from airflow.executors.fargate.logs.rendered import MAX_EXCEPTIONS, MAX_FRAMES, readable_lines

EVENT = {"timestamp": "2026-11-29T10:02:11.547Z", "level": "error", "event": "Failed"}
WHERE = {"ti_id": "01", "dag_id": "d", "task_id": "t", "run_id": "r", "try_number": 1, "map_index": -1}


def error(kind, *lines):
    frames = [{"filename": "dag.py", "lineno": number, "name": "run"} for number in lines]
    return {"exc_type": kind, "exc_value": f"a {kind}", "frames": frames, "is_cause": False}


@pytest.mark.parametrize(
    ("members", "lines"),
    [
        (EVENT, ["10:02:11 ERROR Failed"]),
        # What says which task instance it is, and where in the code, is left out.
        (
            {
                **EVENT,
                **WHERE,
                "logger": "task",
                "filename": "task.py",
                "lineno": 3,
                "exit_code": 1,
                "path": "/a b",
            },
            ["10:02:11 ERROR Failed exit_code=1 path=/a b"],
        ),
        ({**EVENT, "workload": {"ö": [None, True]}}, ['10:02:11 ERROR Failed workload={"ö": [null, true]}']),
        ({**EVENT, "event": "one\ntwo"}, ["10:02:11 ERROR one", "two"]),
        # The cause comes first, as Python prints it.
        (
            {**EVENT, "error_detail": [error("ValueError", 12), error("KeyError", 3, 4)]},
            [
                "10:02:11 ERROR Failed",
                '  File "dag.py", line 3, in run',
                '  File "dag.py", line 4, in run',
                "KeyError: a KeyError",
                '  File "dag.py", line 12, in run',
                "ValueError: a ValueError",
            ],
        ),
        ({**EVENT, "exception": [error("OSError")]}, ["10:02:11 ERROR Failed", "OSError: a OSError"]),
        # What a Dag's own code may log.
        ({"event": None}, ["None"]),
        ({"event": "", "level": 3, "timestamp": 12}, ["3"]),
        ({**EVENT, "error_detail": "text"}, ["10:02:11 ERROR Failed"]),
        ({**EVENT, "error_detail": [1, {"frames": [2, {}]}]}, None),
        # What only folds lines in Airflow's UI.
        ({**EVENT, "event": "::group::Pre Execute"}, []),
        ({**EVENT, "event": "::endgroup::"}, []),
    ],
)
def test_an_event_of_airflow_s(members, lines):
    """It begins with its time and its level, whatever else it has."""
    shown = readable_lines(json.dumps(members))
    if lines is None:
        lines = ["10:02:11 ERROR Failed", '  File "None", line None, in None', "None: None"]
    assert shown == lines


@pytest.mark.parametrize(
    "line",
    [
        "",
        "a plain line",
        "[2026-11-29T10:02:11.547+0000] {dag.py:12} ERROR - Airflow 2's",
        '{"no": "event"}',
        '{"event": "cut in mid-sen',
        '["event"]',
        '"event"',
        "{" * 100_000,
        '{"event": ' + "[" * 100_000,
    ],
    ids=lambda line: line[:20],
)
def test_any_other_line_stays(line):
    """Also one that is no JSON, or not Airflow's."""
    assert readable_lines(line) == [line]


def test_little_is_shown_of_a_deep_traceback():
    """The innermost frames of the exceptions that were raised last."""
    detail = [error(f"Error{number}", *range(50)) for number in range(20)]
    lines = readable_lines(json.dumps({**EVENT, "error_detail": detail}))
    assert len(lines) == 1 + MAX_EXCEPTIONS * (MAX_FRAMES + 1)
    assert lines[-2:] == ['  File "dag.py", line 49, in run', "Error0: a Error0"]
