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
"""The UI shows the log of a running task instance, or why it cannot, within five seconds."""

from __future__ import annotations

import json
import threading

import pytest

from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch, TaskInstanceId
from airflow.executors.fargate.logs import live
from airflow.executors.fargate.logs.live import LAST_LINES, MAX_PAGES, PATIENCE, RunningLog

ID = "0123456789abcdef0123456789abcdef"


ARN = f"arn:aws:ecs:eu-west-1:123456789012:task/fleet/{ID}"


GROUP, STREAM = "/ecs/airflow", f"ecs/main/{ID}"


OPTIONS = {"awslogs-group": GROUP, "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs"}


LAUNCH = Launch(TaskInstanceId("dag", "task", "run", 1), None)


JWT = "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiIwMSJ9.lcy0-BE_CR"


class RunningTask:
    """A running ECS task with its log, and the session and client that an API server has for it."""

    def __init__(self, fakes, clock, structured=False):
        self.fakes, self.clock = fakes, clock
        self.cloud = fakes.FakeLogs(page_size=10)
        self.log = {"logDriver": "awslogs", "options": OPTIONS}
        self.asked, self.made = [], []
        self.error = None
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
        self.log_of = RunningLog(
            {}.get,
            lambda conn_id, region: lambda: self,
            lambda text: text.replace("hunter2", "***"),
            structured,
            clock,
        )

    def read(self, arn=ARN):
        sources, lines = self.log_of.read(arn)
        return sources, [*lines]

    def client(self, service, region_name, **_):
        self.made.append(service)
        self.region = region_name
        return self.cloud if service == "logs" else self

    def describe_task_definition(self, taskDefinition):
        return {"taskDefinition": {"containerDefinitions": [{"name": "main", "logConfiguration": self.log}]}}

    def describe_tasks(self, cluster, tasks):
        self.asked.append((self.region, cluster, *tasks))
        if self.error:
            raise self.error
        return {"tasks": [self.task] if self.task else []}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Read on the test's own thread."""
    monkeypatch.setattr(live, "_within", lambda patience, function: function())


@pytest.fixture
def running(fakes, clock):
    return RunningTask(fakes, clock)


def test_lines_of_all_pages(running):
    """They are shown with their sources. The ECS task is described once, however often the page is read."""
    running.cloud.write(GROUP, STREAM, *(f"line {number}" for number in range(25)))
    for _ in range(3):
        sources, lines = running.read()
        assert [line.partition("] ")[2] for line in lines] == [f"line {number}" for number in range(25)]
    assert running.asked == [("eu-west-1", "fleet", ARN)]
    assert sources[0].startswith(f"ECS task {ID}: https://eu-west-1.console.aws.amazon.com/")
    assert sources[1].startswith(f"CloudWatch log group {GROUP}, stream {STREAM}: https://")


def test_only_one_page_is_in_memory(running):
    """A page is requested when its first line is asked for; the sources are known before."""
    running.cloud.write(GROUP, STREAM, *(f"line {number}" for number in range(1000)))
    sources, lines = running.log_of.read(ARN)
    requested = [len(running.cloud.calls)]
    for number, _ in zip(range(1, 31), lines):
        if number in (1, 10, 11, 30):
            requested.append(len(running.cloud.calls))
    assert (len(sources), requested) == (2, [0, 1, 1, 2, 3])


def test_non_blocking_log_driver(running):
    """The source says that lines may be missing."""
    running.log["options"] = {**OPTIONS, "mode": "non-blocking"}
    running.cloud.write(GROUP, STREAM, "line")
    assert "may drop lines" in running.read()[0][1]


def test_secrets_are_masked(running):
    """Both those that Airflow knows and tokens."""
    running.cloud.write(GROUP, STREAM, "password hunter2", f'{{"token":"{JWT}"}}')
    text = "\n".join(running.read()[1])
    assert text.count("***") == 2
    assert "hunter2" not in text
    assert "eyJ" not in text


@pytest.mark.parametrize("external_id", [None, "6f9619ff-8b86-d011-b42d-00c04fc964ff"])
def test_without_an_arn(running, external_id):
    """No call is made until the ARN is stored. From Airflow 3.2 on, an id of Airflow's comes before it."""
    sources, lines = running.read(external_id)
    assert sources
    assert "not stored yet which ECS task" in lines[0]
    assert running.asked == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda running: running.task.update(lastStatus="PENDING"), "has not started yet (PENDING)"),
        (lambda running: setattr(running, "task", None), "AWS does not know the ECS task"),
        (lambda running: running.task.update(overrides={}), "was not launched by this executor"),
        (lambda running: setattr(running, "log", None), "container main has no logConfiguration"),
        (lambda running: setattr(running, "log", {"logDriver": "awsfirelens"}), "logs through awsfirelens"),
        (lambda running: None, "there is no log stream ecs/main/"),
        (
            lambda running: setattr(running, "error", running.fakes.aws_error("AccessDeniedException")),
            "ecs:DescribeTasks is not allowed (AccessDeniedException: AWS says no)",
        ),
        (
            lambda running: running.cloud.errors.append(running.fakes.aws_error("AccessDeniedException")),
            "logs:GetLogEvents is not allowed",
        ),
        (lambda running: setattr(running, "error", ConnectionResetError("peer")), "ConnectionResetError"),
        (
            lambda running: setattr(running, "log", {"logDriver": "awslogs", "options": 5}),
            "has no awslogs-group",
        ),
        (lambda running: setattr(running.log_of, "session_maker", None), "TypeError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_reason_instead_of_lines(running, change, says):
    """The reason is a line, as Airflow collapses the sources. The first source is the ECS task."""
    change(running)
    sources, lines = running.read()
    assert sources[0].startswith(f"ECS task {ID}: ")
    (line,) = lines
    assert line.startswith("The container's log cannot be shown: ")
    assert says in line


def test_long_log(running):
    """Its first pages and its last lines are shown."""
    count = 10 * (MAX_PAGES + 50)
    running.cloud.write(GROUP, STREAM, *(f"line {number}" for number in range(count)))
    lines = running.read()[1]
    texts = [line.partition("] ")[2] for line in lines if line.startswith("[")]
    assert texts[: 10 * MAX_PAGES] == [f"line {number}" for number in range(10 * MAX_PAGES)]
    assert texts[-1] == f"line {count - 1}"
    assert "The log is longer than this" in lines[10 * MAX_PAGES]
    assert len(texts) <= 10 * MAX_PAGES + LAST_LINES


def test_hanging_call(running, monkeypatch):
    """It delays neither the page nor the end of the process."""
    hangs, threads, waited = threading.Event(), [], []

    class Thread(threading.Thread):
        def join(self, timeout=None):
            threads.append(self)
            waited.append(timeout)
            super().join(None if len(threads) == 1 else 0)

    monkeypatch.undo()
    monkeypatch.setattr(live.threading, "Thread", Thread)
    running.cloud.get_log_events = lambda **_: hangs.wait(20) and {}
    try:
        sources, lines = running.read()
    finally:
        hangs.set()
    assert (len(sources), waited) == (2, [PATIENCE, PATIENCE])
    assert all(thread.daemon for thread in threads)
    assert "within 4.5 seconds" in lines[-1]


SUPERVISOR = json.dumps({"timestamp": "2024-01-01T00:00:00Z", "level": "info", "event": "Task started"})


@pytest.mark.parametrize(
    ("structured", "line", "shown"),
    [
        (False, "plain", "[2023-11-14T22:13:20.000+00:00] plain"),
        (
            False,
            "[2024-01-01T00:00:00.000+0000] {a.py:1} INFO - x",
            "[2024-01-01T00:00:00.000+0000] {a.py:1} INFO - x",
        ),
        (True, "plain", {"timestamp": "2023-11-14T22:13:20+00:00", "event": "plain"}),
        (True, SUPERVISOR, json.loads(SUPERVISOR)),
        (True, '{"no": 1}', {"timestamp": "2023-11-14T22:13:20+00:00", "event": '{"no": 1}'}),
        (True, "{not JSON", {"timestamp": "2023-11-14T22:13:20+00:00", "event": "{not JSON"}),
        (True, "äöü ☃", {"timestamp": "2023-11-14T22:13:20+00:00", "event": "äöü ☃"}),
    ],
)
def test_line_with_its_time(fakes, clock, structured, line, shown):
    """Airflow sorts lines of several sources by their times, in the format of the release."""
    running = RunningTask(fakes, clock, structured)
    running.cloud.write(GROUP, STREAM, line)
    (text,) = running.read()[1]
    assert (json.loads(text) if structured else text) == shown
