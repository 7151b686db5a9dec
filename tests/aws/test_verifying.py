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
"""How verify reads the log of its ECS task, and what its report says of times, costs and trials."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import datetime, timezone

import boto3
import pytest
from tools.aws import prices
from tools.aws.verifying import cost, page, report
from tools.aws.verifying.log_reader import LogReader
from tools.aws.verifying.protocol import CUT, Results
from tools.aws.verifying.target import SETTINGS, Target

from tests.aws.trial_account import ACCOUNT, OUTPUTS, PARAMETERS, line, trial

UNTIL = datetime(2026, 11, 30, 7, 0, tzinfo=timezone.utc)
TARGET = Target("airflow", "us-east-1", ACCOUNT, OUTPUTS, PARAMETERS, SETTINGS)
LONG = line("log", text="x" * (2 * CUT))


def results(*lines):
    """Return what has come of lines, with what was said on the way."""
    said = []
    made = Results(lambda trial: said.append(trial["trial"]), said.append)
    own = [each for each in lines if made.take(each)]
    return made, said, own


class Pages:
    """CloudWatch Logs that answers with given pages: events and the next token, or None where there is no stream."""

    def __init__(self, *pages):
        self._pages = list(pages)
        self.client = boto3.client("logs", region_name="us-east-1")
        self.client._make_api_call = self._call
        self.tokens = []

    def _call(self, operation, request):
        assert (operation, request["startFromHead"]) == ("GetLogEvents", True)
        self.tokens.append(request.get("nextToken"))
        if (page := self._pages.pop(0)) is None:
            raise self.client.exceptions.ResourceNotFoundException({"Error": {}}, operation)
        events, token = page
        return {"events": [{"message": message} for message in events], "nextForwardToken": token}


@pytest.mark.parametrize(
    ("pages", "read"),
    [
        pytest.param([None, (["a"], "1"), ([], "1")], [[], ["a"]], id="not there yet"),
        pytest.param([(["a"], "1"), ([], "2"), (["b"], "3"), ([], "3")], [["a", "b"]], id="an empty page"),
        pytest.param([(["a"], "1"), ([], "1"), (["b"], "2"), ([], "2")], [["a"], ["b"]], id="goes on"),
        pytest.param([([], "1"), ([], "1"), ([], "1")], [[], []], id="nothing new"),
    ],
)
def test_the_log_is_read_to_its_present_end(pages, read):
    """A token that comes again is the end for now, and is where the next look begins; no line comes twice."""
    service = Pages(*pages)
    reader = LogReader(service.client, "/ecs/airflow", "verify/scheduler/1")
    assert [reader.read() for _ in read] == read
    assert service._pages == []


@pytest.mark.parametrize(
    ("lines", "said", "own", "broken"),
    [
        pytest.param(
            ["INFO - a", trial("dag"), line("log", text="b")], ["dag", "b"], ["INFO - a"], 0, id="whole"
        ),
        pytest.param([LONG[:CUT], LONG[CUT : 2 * CUT], LONG[2 * CUT :]], ["x" * 2 * CUT], [], 0, id="cut"),
        pytest.param(["VERIFY {", "INFO - a", line("log", text="b")], ["b"], ["INFO - a"], 1, id="not JSON"),
        pytest.param([LONG[:CUT], trial("dag")], ["dag"], [], 1, id="the rest is missing"),
        pytest.param([LONG[:CUT], "INFO - a", trial("dag")], ["dag"], [], 1, id="another line in between"),
        pytest.param([line("of a later version")], [], [], 0, id="unknown"),
    ],
)
def test_the_lines_of_the_program(lines, said, own, broken):
    """One that nobody can read costs no other one."""
    made, heard, others = results(*lines)
    assert (heard, others, made.broken) == (said, own, broken)


RECORDED = {"source": "AWS, us-east-1", "trial": "dag", "exchanges": [{"account": ACCOUNT}]}
PACKED = base64.b64encode(gzip.compress(json.dumps(RECORDED).encode())).decode()


@pytest.mark.parametrize(
    ("numbers", "data", "expected"),
    [
        ([2, 1], PACKED, True),
        ([1], PACKED, False),
        ([1, 2], PACKED[:-20] + "A" * 20, False),
        ([1, 2], "no base64", False),
    ],
    ids=["whole, in any order", "a part is missing", "damaged", "not base64"],
)
def test_recordings_are_put_together(tmp_path, numbers, data, expected):
    """What has not come whole is named and not written; the account's id is replaced."""
    half = len(data) // 2
    halves = {1: data[:half], 2: data[half:]}
    made, *_ = results(
        *(line("recording", trial="dag", number=1, parts=2, part=part, data=halves[part]) for part in numbers)
    )
    broken = report.write_recordings(tmp_path, made, {ACCOUNT: report.NO_ACCOUNT})
    assert broken == ([] if expected else ["dag.json"])
    written = tmp_path / "recordings" / "dag.json"
    assert written.exists() is expected
    if expected:
        assert json.loads(written.read_text())["exchanges"] == [{"account": report.NO_ACCOUNT}]


def ecs_task(*seconds, **rest):
    """Return an ECS task that was accepted at six o'clock, with its further times in seconds after that, None for none."""
    names = ("pullStartedAt", "pullStoppedAt", "startedAt", "stoppedAt")
    times = {
        name: f"2026-11-30T06:{after // 60:02}:{after % 60:02}Z"
        for name, after in zip(names, seconds)
        if after is not None
    }
    known = {"arn": "arn:x", "vcpu": 0.5, "gb": 2, "architecture": "x86_64", "capacity": "FARGATE"}
    return {**known, "createdAt": "2026-11-30T06:00:00Z", **times, **rest}


SECOND = (0.5 * prices.FARGATE["x86_64"][0] + 2 * prices.FARGATE["x86_64"][1]) / 3600


@pytest.mark.parametrize(
    ("given", "dollars"),
    [
        pytest.param(ecs_task(10, 30, 32, 310), 300 * SECOND, id="from the pull to the end"),
        pytest.param(ecs_task(10, 30, 32, 40), 60 * SECOND, id="a minute at least"),
        pytest.param(ecs_task(0, 30, 32, None), 3600 * SECOND, id="until now"),
        pytest.param(ecs_task(None, None, None, 40), 0, id="never pulled"),
        pytest.param(ecs_task(0, 0, 0, 100, capacity="FARGATE_SPOT"), 100 * SECOND * 0.3, id="Spot"),
        pytest.param(
            ecs_task(0, 0, 0, 100, architecture="ARM64"),
            100 / 3600 * (0.5 * 0.03238 + 2 * 0.00356),
            id="ARM64",
        ),
    ],
)
def test_the_cost_of_an_ecs_task(given, dollars):
    """A public address comes on top."""
    assert cost.cost(given, False, UNTIL) == pytest.approx(dollars)
    assert (cost.cost(given, True, UNTIL) > dollars) is bool(dollars)


def test_each_trial_has_a_cost():
    assert set(cost.PLAN) == set(cost.TITLES)


def test_the_whole_run_costs_less_than_two_dollars():
    assert sum(cost.most(TARGET, cost.PLAN).values()) < 2


@pytest.fixture
def built():
    """A report of two trials with ECS tasks and answers, of three that were to run."""
    tasks = [ecs_task(10, 30, 32, 310), ecs_task(20, 60, 64, 104), ecs_task(None, None, None, None)]
    answers = [
        {"request": "no such <cluster>", "code": "ClusterNotFoundException", "message": "Cluster not found."}
    ]
    made, *_ = results(
        line("began", airflow="3.3.2"),
        trial("mapped", ecs_tasks=tasks),
        trial("words", "answered", details={"requests": answers}),
        "the last line",
    )
    ending = report.Ending(UNTIL, UNTIL, "It has died.", None)
    return report.build(TARGET, made, ["mapped", "words", "spot"], ending)


def test_the_report_has_times_and_costs(built):
    mapped, words, spot = built["trials"]
    assert mapped["phases"] == {
        "provisioned": {"median": 15.0, "most": 20.0},
        "image pulled": {"median": 30.0, "most": 40.0},
        "started": {"median": 3.0, "most": 4.0},
        "ran": {"median": 159.0, "most": 278.0},
    }
    assert mapped["cost"] > 0
    assert built["cost"]["together"] == mapped["cost"]
    assert (spot["verdict"], spot["seen"]) == ("did not come", "It has died.")
    assert report.exit_code(built) == 1


def test_the_page_has_all_of_it(built):
    """As text: nothing that AWS or a trial says is HTML."""
    text = page.page(built)
    for said in (
        "The trial mapped",
        "did not come",
        "It has died.",
        "the last line",
        "ClusterNotFoundException",
        "3.3.2",
    ):
        assert said in text
    assert "no such &lt;cluster&gt;" in text
    assert "<cluster>" not in text
