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
"""The last lines of failed main containers are fetched with few calls, even if they arrive late."""

from __future__ import annotations

import itertools
import json
import logging

import pytest

from airflow.executors.fargate.aws.answers import log_configurations
from airflow.executors.fargate.fleet.calls import LOG_RATE
from airflow.executors.fargate.logs.cloudwatch import LogReader
from airflow.executors.fargate.logs.failure_lines import (
    COUNT,
    LOOKS,
    MAX_LINE,
    MAX_TEXT,
    MAX_WAITING,
    REFUSED_PAUSE,
    Failed,
    last_lines_of,
)
from airflow.executors.fargate.messages import Ended, LogLines

DEFINITION = "arn:aws:ecs:us-east-1:123456789012:task-definition/airflow:3"


GROUP = "/ecs/airflow"


JWT = "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiIwMSJ9.lcy0-BE_CR"


AWSLOGS = {"logDriver": "awslogs", "options": {"awslogs-group": GROUP, "awslogs-stream-prefix": "ecs"}}


@pytest.fixture
def cloud(fakes):
    """Return an empty CloudWatch Logs."""
    return fakes.FakeLogs()


@pytest.fixture
def definitions():
    """Return the log configurations of container ``airflow``, by task definition."""
    return {DEFINITION: AWSLOGS}


@pytest.fixture
def reader(cloud, definitions):
    """Return a reader of logs."""

    def describe(arn):
        container = {"name": "airflow", "logConfiguration": definitions[arn]}
        return log_configurations({"taskDefinition": {"containerDefinitions": [container]}})

    return LogReader(describe, lambda region: cloud)


@pytest.fixture
def fleet(fakes, ecs, reader, clock):
    """Return a fleet that reads logs, and a mask that knows one secret."""
    mask = lambda text: text.replace("hunter2", "***")
    return fakes.SteppedFleet(ecs, logs=reader, mask=mask, clock=clock)


@pytest.fixture
def fail(fakes, fleet, ecs, cloud):
    """Return a function that runs launches, whose containers write lines and exit, and returns them."""

    numbers = itertools.count()

    def run(*lines, code=1, count=1, definition=DEFINITION):
        launches = [fakes.make_launch(next(numbers)) for _ in range(count)]
        fleet.add(*launches)
        fleet.advance(60)
        for launch in launches:
            for arn in ecs.launches_of(launch.id):
                if lines:
                    cloud.write(GROUP, f"ecs/airflow/{arn.rpartition('/')[2]}", *lines)
                ecs.tasks[arn]["taskDefinitionArn"] = definition
                ecs.exit(arn, code)
        return launches

    return run


def texts_of(fleet, launch):
    """Return the texts with last lines for a launch's event log."""
    return [event.text for event in fleet.told_of(launch, LogLines)]


class TestFailedContainer:
    def test_last_lines(self, fleet, fail, ecs):
        """They have the container's name, and are in the order in which they were written."""
        (launch,) = fail(*(f"line {number}" for number in range(30)))
        fleet.advance(20)
        task_id = ecs.launches_of(launch.id)[0].rpartition("/")[2]
        (text,) = texts_of(fleet, launch)
        assert text.split("\n") == [
            f"Last lines of container airflow ({task_id}):",
            *(f"| line {number}" for number in range(30 - COUNT, 30)),
        ]

    def test_end_of_the_launch_does_not_wait_for_them(self, fleet, fail):
        """The failure is reported before CloudWatch is called."""
        (launch,) = fail("line")
        fleet.pools["logs"].held = True
        fleet.advance(30)
        assert len(fleet.told_of(launch, Ended)) == 1
        assert texts_of(fleet, launch) == []
        fleet.pools["logs"].held = False
        fleet.advance(1)
        assert [type(event) for event in fleet.told_of(launch)][-2:] == [Ended, LogLines]

    def test_late_lines(self, fleet, fail, cloud, ecs):
        """Lines arrive in CloudWatch some seconds after they were written."""
        (launch,) = fail()
        while not cloud.calls:
            fleet.advance(0.5)
        cloud.write(GROUP, f"ecs/airflow/{ecs.launches_of(launch.id)[0].rpartition('/')[2]}", "late")
        fleet.advance(LOOKS[1])
        assert texts_of(fleet, launch)[0].endswith("\n| late")

    def test_no_lines(self, fleet, fail, cloud):
        """A container that wrote nothing gets no event, and the number of calls is limited."""
        (launch,) = fail()
        fleet.advance(600)
        assert len(cloud.calls) == len(LOOKS)
        assert texts_of(fleet, launch) == []

    @pytest.mark.parametrize("code", ["ThrottlingException", "ExpiredTokenException", "InternalFailure"])
    def test_temporary_errors(self, fakes, fleet, fail, cloud, ecs, code):
        """After throttling, expired credentials or a server error, the lines are fetched later."""
        cloud.errors.append(fakes.aws_error(code))
        (launch,) = fail("line")
        fleet.advance(60)
        assert texts_of(fleet, launch)[0].endswith("\n| line")
        # DescribeTaskDefinition may be what was refused.
        assert ecs.renewed == (code == "ExpiredTokenException")


class TestOtherContainers:
    def test_no_calls(self, fakes, fleet, fail, ecs, cloud):
        """No lines are fetched for exit code 0, a container that never started, or a revoked launch."""
        fail("line", code=0)
        revoked, broken = fakes.make_launch(101), fakes.make_launch(102)
        fleet.add(revoked, broken)
        fleet.tell(fleet.fleet.revoke, revoked.id, "not wanted")
        for arn in ecs.launches_of(revoked.id):
            ecs.tasks[arn]["taskDefinitionArn"] = DEFINITION
            ecs.exit(arn, 1)
        for _ in range(5):
            for arn in ecs.launches_of(broken.id):
                ecs.tasks[arn]["taskDefinitionArn"] = DEFINITION
                ecs.break_at_start(arn)
            fleet.advance(60)
        assert fleet.told_of(broken, Ended)
        assert cloud.calls == []


class TestErrors:
    def test_missing_permission(self, fakes, fleet, fail, cloud, caplog):
        """It is logged once and is in no event. No calls are made for a while, and then again."""
        denied = [fakes.aws_error("AccessDeniedException", f"not on log-stream:{n}") for n in range(9)]
        cloud.errors.extend(denied)
        launches = fail("line", count=30)
        fleet.advance(30)
        assert len(cloud.calls) <= 5
        calls = len(cloud.calls)
        launches += fail("line")
        fleet.advance(30)
        assert len(cloud.calls) == calls
        fleet.advance(REFUSED_PAUSE)
        launches += fail("line")
        fleet.advance(30)
        assert len(cloud.calls) == calls + 1
        assert not any(texts_of(fleet, launch) for launch in launches)
        assert len([r for r in caplog.records if "logs:GetLogEvents is not allowed" in r.getMessage()]) == 1

    def test_another_log_driver(self, fleet, fail, definitions, caplog):
        """It is logged once, and the logs of other task definitions are still read."""
        definitions["other"] = {"logDriver": "awsfirelens"}
        unreadable = fail("line", count=3, definition="other")
        (readable,) = fail("line")
        fleet.advance(30)
        assert not any(texts_of(fleet, launch) for launch in unreadable)
        assert texts_of(fleet, readable)
        assert len([r for r in caplog.records if "awsfirelens" in r.getMessage()]) == 1

    def test_bug(self, fleet, fail, cloud, caplog):
        """An unexpected exception is logged once with its traceback, and the fleet goes on."""
        cloud.errors.extend([None, None])
        cloud.get_log_events = None
        (launch,) = fail("line")
        fleet.advance(60)
        assert fleet.told_of(launch, Ended)
        assert texts_of(fleet, launch) == []
        assert all(record.levelno < logging.CRITICAL for record in caplog.records)


class TestText:
    def text(self, reader, cloud, *lines, mask=str):
        failed = Failed(None, "arn:aws:ecs:us-east-1:1:task/fleet/0123", "airflow", DEFINITION)
        cloud.write(GROUP, "ecs/airflow/0123", *lines)
        return last_lines_of(reader, mask, failed)

    def test_secrets_are_masked(self, reader, cloud):
        """Airflow's masker and the mask for tokens get whole lines, before these are cut."""
        line = "x" * (MAX_LINE - 4) + "hunter2"
        text = self.text(
            reader, cloud, line, f'{{"token":"{JWT}"}}', mask=lambda text: text.replace("hunter2", "***")
        )
        assert "hun" not in text
        assert JWT[:10] not in text
        assert text.endswith('\n| {"token":"***"}')

    @pytest.mark.parametrize("length", [MAX_LINE, MAX_LINE + 1, 10**6])
    def test_is_cut_to_size(self, reader, cloud, length):
        """The text is short however long the lines are, and ends with the last line."""
        text = self.text(reader, cloud, *("x" * length for _ in range(COUNT)), "the end")
        assert len(text) < MAX_TEXT + 200
        assert text.endswith("\n| the end")
        assert max(map(len, text.split("\n"))) <= MAX_LINE + len("| …")

    def test_events_with_several_lines(self, reader, cloud):
        """With awslogs-multiline-pattern, one event of the log can be a whole traceback."""
        text = self.text(reader, cloud, "\n".join(f"line {number}" for number in range(100)))
        assert text.split("\n")[1:] == [f"| line {number}" for number in range(100 - COUNT, 100)]

    def test_json_of_airflow_s_is_readable(self, reader, cloud):
        """What was masked stays masked, and a secret that is written otherwise in JSON is masked, too."""
        secret = 'say "friend"'
        lines = [
            {"timestamp": "2026-11-29T10:02:11Z", "level": "info", "event": "Connected", "token": "s3cr3t"},
            {"timestamp": "2026-11-29T10:02:12Z", "level": "error", "event": f"No entry: {secret}"},
        ]
        mask = lambda text: text.replace(secret, "***")
        text = self.text(reader, cloud, *map(json.dumps, lines), "plain", mask=mask)
        assert text.split("\n")[1:] == [
            "| 10:02:11 INFO Connected token=***",
            "| 10:02:12 ERROR No entry: ***",
            "| plain",
        ]


class TestManyFailures:
    def test_rate_and_queue_are_limited(self, fleet, fail, cloud, caplog):
        """AWS allows ten calls a second in an account. The ends of the launches do not wait for them."""
        launches = fail("line", count=300)
        began = fleet.clock.at
        fleet.advance(20)
        assert all(fleet.told_of(launch, Ended) for launch in launches)
        assert len(cloud.calls) <= LOG_RATE * (fleet.clock.at - began + 1)
        fleet.advance(300)
        served = [launch for launch in launches if texts_of(fleet, launch)]
        assert MAX_WAITING <= len(served) <= MAX_WAITING + 50
        assert fleet.fleet.last_lines._due == []
        assert len([r for r in caplog.records if "others get no last lines" in r.getMessage()]) == 1
