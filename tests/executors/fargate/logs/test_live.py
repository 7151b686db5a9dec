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
"""What the UI shows of a container that runs: its lines, or why there are none, within five seconds."""

from __future__ import annotations

import json
import threading

import pytest
from botocore.exceptions import NoCredentialsError

from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch, TaskInstanceId
from airflow.executors.fargate.logs.cloudwatch import LogReader
from airflow.executors.fargate.logs.live import LAST_LINES, MAX_ECS_TASKS, MAX_PAGES, PATIENCE, RunningLog

ID = "0123456789abcdef0123456789abcdef"
ARN = f"arn:aws:ecs:eu-west-1:123456789012:task/fleet/{ID}"
GROUP, STREAM = "/ecs/airflow", f"ecs/main/{ID}"
OPTIONS = {"awslogs-group": GROUP, "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs"}
LAUNCH = Launch(TaskInstanceId("dag", "task", "run", 1), None)
JWT = "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiIwMSJ9.lcy0-BE_CR"


class Bed:
    """A running container with its log; ``renewed`` counts how often new clients were wanted."""

    def __init__(self, fakes, clock, structured=False):
        self.fakes, self.clock = fakes, clock
        self.cloud = fakes.FakeLogs(page_size=10)
        self.log = {"logDriver": "awslogs", "options": OPTIONS}
        self.asked, self.renewed = [], 0
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
            LogReader(self._describe_definition, lambda region: self.cloud),
            self._describe_tasks,
            renew=self._renew,
            mask=lambda text: text.replace("hunter2", "***"),
            structured=structured,
            clock=clock,
            run=lambda function, patience: function(),
        )

    def read(self, arn=ARN):
        return self.log_of.read(arn)

    def _describe_definition(self, arn):
        return {"taskDefinition": {"containerDefinitions": [{"name": "main", "logConfiguration": self.log}]}}

    def _describe_tasks(self, region, cluster, arn):
        self.asked.append((region, cluster, arn))
        if self.error:
            raise self.error
        return {"tasks": [self.task] if self.task else []}

    def _renew(self):
        self.renewed += 1


@pytest.fixture
def bed(fakes, clock):
    return Bed(fakes, clock)


def test_the_lines_of_all_pages_are_shown(bed):
    """With where they are from; what AWS tells of the container is asked for once, however often somebody looks."""
    bed.cloud.write(GROUP, STREAM, *(f"line {number}" for number in range(25)))
    for _ in range(3):
        sources, lines = bed.read()
        assert [line.partition("] ")[2] for line in lines] == [f"line {number}" for number in range(25)]
    assert bed.asked == [("eu-west-1", "fleet", ARN)]
    assert sources[0].startswith(f"ECS task {ID}: https://eu-west-1.console.aws.amazon.com/")
    assert sources[1].startswith(f"CloudWatch log group {GROUP}, stream {STREAM}: https://")


def test_a_driver_that_leaves_out_lines_is_told_of(bed):
    """Where the driver does not let the container wait, lines can be missing."""
    bed.log["options"] = {**OPTIONS, "mode": "non-blocking"}
    bed.cloud.write(GROUP, STREAM, "line")
    assert "may drop lines" in bed.read()[0][1]


def test_a_secret_of_several_lines_is_not_shown(bed):
    """It is masked as it stands; where an event of CloudWatch has several lines, each event is one line still."""
    bed.log_of._mask = lambda text: text.replace("first\nsecond", "***")
    bed.cloud.write(GROUP, STREAM, "key first\nsecond", "a\nb")
    assert [line.partition("] ")[2] for line in bed.read()[1]] == ["key ***", "a b"]


def test_a_line_of_deep_json_is_a_line(fakes, clock):
    """Whatever a container writes is shown, and what comes after it."""
    bed = Bed(fakes, clock, structured=True)
    bed.cloud.write(GROUP, STREAM, '{"a":' * 100_000, "after")
    assert [json.loads(line)["event"][:5] for line in bed.read()[1]] == ['{"a":', "after"]


def test_no_secret_is_shown(bed):
    """Neither one that Airflow knows nor a token."""
    bed.cloud.write(GROUP, STREAM, "password hunter2", f'{{"token":"{JWT}"}}')
    text = "\n".join(bed.read()[1])
    assert text.count("***") == 2
    assert "hunter2" not in text
    assert "eyJ" not in text


@pytest.mark.parametrize("external_id", [None, "", "6f9619ff-8b86-d011-b42d-00c04fc964ff"])
def test_before_the_container_is_known_the_reason_is_told(bed, external_id):
    """From 3.2 on Airflow has an id of its own before the ARN is stored; AWS is not asked then."""
    sources, lines = bed.read(external_id)
    assert sources
    assert "not stored yet which ECS task" in lines[0]
    assert bed.asked == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda bed: bed.task.update(lastStatus="PENDING"), "has not started yet (PENDING)"),
        (lambda bed: setattr(bed, "task", None), "AWS does not know the ECS task"),
        (lambda bed: bed.task.update(overrides={}), "was not launched by this executor"),
        (lambda bed: setattr(bed, "log", None), "gives container main no log"),
        (lambda bed: setattr(bed, "log", {"logDriver": "awsfirelens"}), "logs through awsfirelens"),
        (lambda bed: None, "there is no log stream ecs/main/"),
        (
            lambda bed: setattr(bed, "error", bed.fakes.aws_error("AccessDeniedException")),
            "ecs:DescribeTasks is not allowed (AccessDeniedException: AWS says no)",
        ),
        (
            lambda bed: bed.cloud.errors.append(bed.fakes.aws_error("AccessDeniedException")),
            "logs:GetLogEvents is not allowed",
        ),
        (lambda bed: setattr(bed, "error", ConnectionResetError("peer")), "ConnectionResetError"),
        (
            lambda bed: setattr(bed, "log", {"logDriver": "awslogs", "options": 5}),
            "AttributeError in the executor",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_where_no_line_can_be_shown_the_reason_is(bed, change, says):
    """Where the lines would be, since Airflow folds the sources away; and the container is named all the same."""
    change(bed)
    sources, lines = bed.read()
    assert sources[0].startswith(f"ECS task {ID}: ")
    (line,) = lines
    assert line.startswith("The container's log cannot be shown: ")
    assert says in line


def test_a_reason_is_not_remembered(bed):
    """What could not be shown is, as soon as it can be."""
    bed.task["lastStatus"] = "PENDING"
    assert "PENDING" in bed.read()[1][0]
    bed.task["lastStatus"] = "RUNNING"
    bed.cloud.write(GROUP, STREAM, "line")
    assert "line" in bed.read()[1][0]


@pytest.mark.parametrize("where", ["DescribeTasks", "GetLogEvents"])
@pytest.mark.parametrize(
    ("error", "renewed"),
    [
        (lambda f: f.aws_error("ExpiredTokenException"), 1),
        (lambda f: f.aws_error("UnrecognizedClientException"), 1),
        (lambda f: NoCredentialsError(), 1),
        (lambda f: f.aws_error("ThrottlingException", "Rate exceeded"), 0),
        (lambda f: f.aws_error("ServiceUnavailableException", status=503), 0),
        (lambda f: f.aws_error("ResourceNotFoundException"), 0),
        (lambda f: f.aws_error("AccessDeniedException"), 0),
        (lambda f: ConnectionResetError(), 0),
    ],
    ids=["expired", "unknown", "none", "throttled", "503", "no such log", "no permission", "reset"],
)
def test_new_clients_are_made_after_credentials_were_refused_alone(bed, where, error, renewed):
    """Credentials that have expired are not kept until the API server is started anew; all else leaves the clients alone."""
    if where == "DescribeTasks":
        bed.error = error(bed.fakes)
    else:
        bed.cloud.errors.append(error(bed.fakes))
    bed.read()
    assert bed.renewed == renewed


def test_what_came_before_an_error_is_shown(bed):
    """With a word that there is more."""
    bed.cloud.write(GROUP, STREAM, *(f"line {number}" for number in range(25)))
    bed.cloud.errors.extend([None, bed.fakes.aws_error("ThrottlingException")])
    lines = bed.read()[1]
    assert len(lines) == 11
    assert "cannot be shown further: logs:GetLogEvents failed" in lines[-1]


def test_a_long_log_is_shown_with_its_end(bed):
    """Its first pages and its last lines."""
    count = 10 * (MAX_PAGES + 50)
    bed.cloud.write(GROUP, STREAM, *(f"line {number}" for number in range(count)))
    lines = bed.read()[1]
    texts = [line.partition("] ")[2] for line in lines if line.startswith("[")]
    assert texts[: 10 * MAX_PAGES] == [f"line {number}" for number in range(10 * MAX_PAGES)]
    assert texts[-1] == f"line {count - 1}"
    assert "The log is longer than this" in lines[10 * MAX_PAGES]
    assert len(texts) <= 10 * MAX_PAGES + LAST_LINES


def test_after_five_seconds_what_there_is_is_shown(bed):
    """Pages are not turned any further then, and that is said."""
    bed.cloud.write(GROUP, STREAM, *(f"line {number}" for number in range(90)))
    get = bed.cloud.get_log_events

    def slow(**arguments):
        bed.clock.at += PATIENCE / 2
        return get(**arguments)

    bed.cloud.get_log_events = slow
    lines = bed.read()[1]
    assert len(lines) == 21
    assert (
        lines[-1]
        == "The container's log cannot be shown further: AWS has not sent all of it within 4.5 seconds."
    )


def test_a_call_that_hangs_is_not_waited_for(fakes, clock):
    """The thread that hangs in it holds up neither the page nor the end of the process."""
    bed, hangs = Bed(fakes, clock), threading.Event()
    waited = []

    def run(function, patience):
        thread = threading.Thread(target=function, daemon=True)
        thread.start()
        waited.append(patience)

    bed.log_of._run = run
    bed.cloud.get_log_events = lambda **_: hangs.wait(20) and {}
    try:
        sources, lines = bed.read()
    finally:
        hangs.set()
    assert waited == [PATIENCE]
    assert "within 4.5 seconds" in lines[-1]


def test_no_more_than_so_many_containers_are_remembered(bed):
    """An API server lives long, and containers do not."""
    for number in range(2 * MAX_ECS_TASKS):
        bed.read(f"{ARN[:-8]}{number:08}")
    assert len(bed.log_of._streams) <= MAX_ECS_TASKS


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
def test_a_line_has_its_time_as_the_release_reads_it(fakes, clock, structured, line, shown):
    """Airflow puts lines of several sources in order by their times."""
    bed = Bed(fakes, clock, structured)
    bed.cloud.write(GROUP, STREAM, line)
    ((text,), _) = bed.read()[1], None
    assert (json.loads(text) if structured else text) == shown
