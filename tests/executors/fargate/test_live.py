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

from __future__ import annotations

import json

import pytest

from airflow.executors.fargate import notes
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch, TaskInstanceId
from airflow.executors.fargate.logs import live
from airflow.executors.fargate.logs.fetching import LogFetcher
from airflow.executors.fargate.logs.lines import JsonForm, TextForm
from airflow.executors.fargate.logs.live import TryLogs
from airflow.executors.fargate.logs.tries import Note, Try

ID = "0123456789abcdef0123456789abcdef"


ARN = f"arn:aws:ecs:eu-west-1:123456789012:task/fleet/{ID}"


GROUP, STREAM = "/ecs/airflow", f"ecs/main/{ID}"


OPTIONS = {"awslogs-group": GROUP, "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs"}


LAUNCH = Launch(TaskInstanceId("dag", "task", "run", 1), None)


JWT = "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiIwMSJ9.lcy0-BE_CR"


#: The time of the first line, in milliseconds, and of the launch.
BEGIN = 1_700_000_000_000


LAUNCHED = Note(
    BEGIN - 40_000, notes.LAUNCH, f"Launched {notes.ecs_task_text(ARN, 'fleet', 'airflow:3', 'main')}"
)


class Cloud:
    """The AWS of an ECS task with its log, and the session and client that an API server has for it."""

    def __init__(self, fakes, clock, form=None):
        self.fakes, self.clock = fakes, clock
        self.cloud = fakes.FakeLogs(page_size=10)
        self.log = {"logDriver": "awslogs", "options": OPTIONS}
        self.described, self.made, self.definitions = [], [], []
        self.error = None
        self.options = {}
        self.task = {
            "taskArn": ARN,
            "lastStatus": "RUNNING",
            "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/airflow:3",
            "overrides": {
                "containerOverrides": [
                    {"name": "main", "environment": [{"name": IDENTITY_VARIABLE, "value": LAUNCH.identity}]}
                ]
            },
        }
        self.session_maker = lambda conn_id, region: lambda: self
        self.mask = lambda text: text.replace("hunter2", "***")
        self.at = BEGIN + 60_000
        fetcher = LogFetcher(
            lambda name: self.options.get(name),
            lambda *where: self.session_maker(*where),
            lambda text: self.mask(text),
            form or TextForm(),
        )
        self.logs = TryLogs(fetcher, lambda: self.at / 1000)

    def read(self, *events, arn=None, **members):
        """Return the sources and the lines of a try; without more, of one that runs."""
        of = Try("try", events or (LAUNCHED,), arn, **(members or {"is_polled": True}))
        found = self.logs.read(of)
        return found.sources, [*found.lines]

    def ended(self, *events, **members):
        """Return the lines of a try that ended long ago."""
        return self.read(*events, **{"has_ended": True, "ended_at": BEGIN - 1_000_000, **members})[1]

    def client(self, service, region_name, **_):
        self.made.append(service)
        self.region = region_name
        return self.cloud if service == "logs" else self

    def describe_task_definition(self, taskDefinition):
        self.definitions.append(taskDefinition)
        return {"taskDefinition": {"containerDefinitions": [{"name": "main", "logConfiguration": self.log}]}}

    def describe_tasks(self, cluster, tasks):
        self.described.append((self.region, cluster, *tasks))
        if self.error:
            raise self.error
        return {"tasks": [self.task] if self.task else []}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Read on the test's own thread."""
    monkeypatch.setattr(live, "_within", lambda patience, function: function())


@pytest.fixture
def cloud(fakes, clock):
    return Cloud(fakes, clock)


def texts(lines):
    return [line.partition("] ")[2] for line in lines]


def test_lines_of_all_pages(cloud):
    """They are shown after the note on the launch, with their sources. None is requested twice."""
    cloud.cloud.write(GROUP, STREAM, *(f"line {number}" for number in range(25)))
    for calls in (4, 5, 6):
        sources, lines = cloud.read()
        assert texts(lines)[1:] == [f"line {number}" for number in range(25)]
        assert len(cloud.cloud.calls) == calls
    assert f"Launched {ARN}" in lines[0]
    assert sources[0].startswith(f"ECS task {ID}: https://eu-west-1.console.aws.amazon.com/")
    assert sources[1].startswith(f"CloudWatch log group {GROUP}, stream {STREAM}: https://")


def test_note_says_where_the_log_is(cloud):
    """AWS is asked for the task definition alone, which it knows for good."""
    cloud.task = None
    cloud.cloud.write(GROUP, STREAM, "line")
    assert texts(cloud.ended())[1:] == ["line"]
    assert cloud.definitions == ["arn:aws:ecs:eu-west-1:123456789012:task-definition/airflow:3"]
    assert cloud.described == []


def test_several_ecs_tasks(cloud):
    """A try that deferred has had two, and their lines stand in order, the notes among them."""
    other = ARN.replace("0", "1")
    second = Note(
        BEGIN + 5_000, notes.LAUNCH, f"Launched {notes.ecs_task_text(other, '', 'airflow:4', 'main')}"
    )
    failure = Note(BEGIN + 9_000, notes.FAILURE, "Container main exited with code 137.")
    cloud.cloud.write(GROUP, STREAM, "first")
    cloud.cloud.write(GROUP, STREAM.replace("0", "1"), "second", at=BEGIN + 8_000)
    lines = texts(cloud.ended(LAUNCHED, second, failure))
    assert [line.split()[-1] if "aunched" not in line else "launch" for line in lines] == [
        "launch",
        "first",
        "launch",
        "second",
        "137.",
    ]
    assert lines[-1].startswith("{fargate} ERROR - ")


def test_notes_are_the_log_of_a_try_without_an_ecs_task(cloud):
    """Nothing is asked of AWS."""
    waits = Note(BEGIN, notes.LAUNCH, "Waiting for capacity.")
    fails = Note(BEGIN + 1, notes.FAILURE, "No such image.")
    assert texts(cloud.ended(waits, fails)) == [
        "{fargate} INFO - Waiting for capacity.",
        "{fargate} ERROR - No such image.",
    ]
    assert cloud.made == []


def test_secrets_are_masked(cloud):
    """Both those that Airflow knows and tokens."""
    cloud.cloud.write(GROUP, STREAM, "password hunter2", f'{{"token":"{JWT}"}}')
    text = "\n".join(cloud.read()[1])
    assert text.count("***") == 2
    assert "hunter2" not in text
    assert "eyJ" not in text


def refused(cloud):
    return cloud.fakes.aws_error("AccessDeniedException")


#: What is wrong, and what the log says.
PROBLEMS = {
    "has not started yet (PENDING)": lambda cloud: cloud.task.update(lastStatus="PENDING"),
    "container main has no logConfiguration": lambda cloud: setattr(cloud, "log", None),
    "logs through awsfirelens": lambda cloud: setattr(cloud, "log", {"logDriver": "awsfirelens"}),
    "there is no log stream ecs/main/": lambda cloud: None,
    "logs:GetLogEvents is not allowed": lambda cloud: cloud.cloud.errors.extend([refused(cloud)] * 2),
    "has no awslogs-group": lambda cloud: setattr(cloud, "log", {"logDriver": "awslogs", "options": 5}),
    "ecs:DescribeTaskDefinition failed (TypeError": lambda cloud: setattr(cloud, "session_maker", None),
}


@pytest.mark.parametrize("says", PROBLEMS)
def test_reason_instead_of_lines(fakes, clock, says):
    """It is a line of an ended try. While Airflow counts lines, it is part of the last one, and a source."""
    cloud = Cloud(fakes, clock, JsonForm())
    PROBLEMS[says](cloud)
    sources, (line,) = cloud.read()
    problem = json.loads(line)["problem"]
    assert problem.startswith("The container's log cannot be shown: ")
    assert says in problem
    assert problem in sources
    cloud.cloud.errors.clear()
    PROBLEMS[says](cloud)
    if "PENDING" not in says:
        note, remark = (json.loads(line) for line in cloud.ended())
        assert says in remark["event"]
        assert remark["level"] == "warning"


SUPERVISOR = json.dumps({"timestamp": "2024-01-01T00:00:00Z", "level": "info", "event": "Task started"})


AIRFLOW_2 = "[2024-01-01T00:00:00.000+0000] {a.py:1} INFO - x"


@pytest.mark.parametrize(
    ("form", "line", "shown"),
    [
        (TextForm(), "plain", "[2023-11-14T22:13:20.000+00:00] plain"),
        (TextForm(), AIRFLOW_2, AIRFLOW_2),
        (JsonForm(), "plain", {"timestamp": "2023-11-14T22:13:20+00:00", "event": "plain"}),
        (JsonForm(), SUPERVISOR, json.loads(SUPERVISOR)),
        (JsonForm(), '{"event": 1}', {"timestamp": "2023-11-14T22:13:20+00:00", "event": '{"event": 1}'}),
        (JsonForm(), '{"event": "x"}', {"timestamp": "2023-11-14T22:13:20+00:00", "event": "x"}),
        (JsonForm(), "{not JSON", {"timestamp": "2023-11-14T22:13:20+00:00", "event": "{not JSON"}),
        (JsonForm(), "äöü ☃", {"timestamp": "2023-11-14T22:13:20+00:00", "event": "äöü ☃"}),
    ],
)
def test_line_with_its_time(fakes, clock, form, line, shown):
    """Airflow sorts lines of several sources by their times, in the format of the release."""
    cloud = Cloud(fakes, clock, form)
    cloud.cloud.write(GROUP, STREAM, line)
    text = next(one for one in cloud.ended() if "Launched" not in one)
    assert (json.loads(text) if isinstance(shown, dict) else text) == shown
