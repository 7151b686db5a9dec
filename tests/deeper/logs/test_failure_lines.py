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
"""More on what ``test_failure_lines.py`` tests."""

from __future__ import annotations

import json
import logging

import pytest

from airflow.executors.fargate.fleet.calls import LOG_RATE
from airflow.executors.fargate.logs.failure_lines import (
    COUNT,
    LOOKS,
    MAX_WAITING,
    Failed,
    last_lines_of,
)
from airflow.executors.fargate.messages import Ended

from tests.executors.fargate.test_failure_lines import (
    AWSLOGS,
    DEFINITION,
    GROUP,
    cloud,
    definitions,
    fail,
    fleet,
    reader,
    texts_of,
)


class TestFailedContainer:
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


class TestErrors:
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
