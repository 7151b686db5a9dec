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
"""What containers that failed have said last: fetched a few at a time, late if need be, and never too much."""

from __future__ import annotations

import itertools
import logging

import pytest

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
    """Return an empty CloudWatch."""
    return fakes.FakeLogs()


@pytest.fixture
def definitions():
    """Return the log configurations of container ``airflow``, by task definition."""
    return {DEFINITION: AWSLOGS}


@pytest.fixture
def reader(cloud, definitions):
    """Return what reads logs."""

    def describe(arn):
        return {
            "taskDefinition": {
                "containerDefinitions": [{"name": "airflow", "logConfiguration": definitions[arn]}]
            }
        }

    return LogReader(describe, lambda region: cloud)


@pytest.fixture
def fleet(fakes, ecs, reader, clock):
    """Return a fleet that reads logs, with a mask that knows one secret."""
    return fakes.SteppedFleet(
        ecs, None, None, None, reader, lambda text: text.replace("hunter2", "***"), clock=clock
    )


@pytest.fixture
def fail(fakes, fleet, ecs, cloud):
    """Return a function that runs launches whose containers write lines and exit, and returns the launches."""

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


def told(fleet, launch):
    """Return the texts for a launch's event log."""
    return [event.text for event in fleet.told_of(launch, LogLines)]


class TestOfAContainerThatFailed:
    @pytest.mark.parametrize("code", [1, 137, None])
    def test_the_last_lines_are_told(self, fleet, fail, ecs, code):
        """Those that it wrote last, under its name, in the order in which they were written."""
        (launch,) = fail(*(f"line {number}" for number in range(30)), code=code)
        fleet.advance(20)
        task_id = ecs.launches_of(launch.id)[0].rpartition("/")[2]
        (text,) = told(fleet, launch)
        assert text.split("\n") == [
            f"Last lines of container airflow ({task_id}):",
            *(f"| line {number}" for number in range(30 - COUNT, 30)),
        ]

    def test_the_end_does_not_wait_for_them(self, fleet, fail):
        """The failure is told before anything is asked of CloudWatch."""
        (launch,) = fail("line")
        fleet.pools["logs"].held = True
        fleet.advance(30)
        assert len(fleet.told_of(launch, Ended)) == 1
        assert told(fleet, launch) == []
        fleet.pools["logs"].held = False
        fleet.advance(1)
        assert [type(event) for event in fleet.told_of(launch)][-2:] == [Ended, LogLines]

    def test_lines_that_arrive_late_are_waited_for(self, fleet, fail, cloud, ecs):
        """CloudWatch gets lines some seconds after they were written."""
        (launch,) = fail()
        while not cloud.calls:
            fleet.advance(0.5)
        cloud.write(GROUP, f"ecs/airflow/{ecs.launches_of(launch.id)[0].rpartition('/')[2]}", "late")
        fleet.advance(LOOKS[1])
        assert told(fleet, launch)[0].endswith("\n| late")

    def test_lines_that_never_arrive_are_not_looked_for_for_ever(self, fleet, fail, cloud):
        """A container that wrote nothing gets no event."""
        (launch,) = fail()
        fleet.advance(600)
        assert len(cloud.calls) == len(LOOKS)
        assert told(fleet, launch) == []

    @pytest.mark.parametrize("code", ["ThrottlingException", "ExpiredTokenException", "InternalFailure"])
    def test_what_passes_is_waited_for(self, fakes, fleet, fail, cloud, code):
        """A throttle, credentials that have expired or an error of AWS's cost nothing but time."""
        cloud.errors.append(fakes.aws_error(code))
        (launch,) = fail("line")
        fleet.advance(60)
        assert told(fleet, launch)[0].endswith("\n| line")


class TestOfAnyOther:
    def test_nothing_is_asked(self, fakes, fleet, fail, ecs, cloud):
        """Of one that finished well (as where only Airflow's task failed), never started, or is not wanted any more."""
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


class TestManyAtOnce:
    def test_calls_are_few_a_second_and_the_rest_goes_without(self, fleet, fail, cloud, caplog):
        """AWS grants all who read an account's logs ten calls a second; the ends of the launches wait for none."""
        launches = fail("line", count=300)
        began = fleet.clock.at
        fleet.advance(20)
        assert all(fleet.told_of(launch, Ended) for launch in launches)
        assert len(cloud.calls) <= LOG_RATE * (fleet.clock.at - began + 1)
        fleet.advance(300)
        served = [launch for launch in launches if told(fleet, launch)]
        assert MAX_WAITING <= len(served) <= MAX_WAITING + 50
        assert fleet.fleet.parts.last_lines._due == []
        assert len([r for r in caplog.records if "others go without" in r.getMessage()]) == 1


class TestWhatCannotBeRead:
    def test_a_permission_that_is_missing_is_said_once(self, fakes, fleet, fail, cloud, caplog):
        """In the scheduler's log and in no event; nothing is asked for a while, and then again."""
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
        assert not any(told(fleet, launch) for launch in launches)
        assert len([r for r in caplog.records if "logs:GetLogEvents is not allowed" in r.getMessage()]) == 1

    def test_another_log_driver_concerns_its_own_containers_alone(self, fleet, fail, definitions, caplog):
        """It is said once, and the logs of other task definitions are read on."""
        definitions["other"] = {"logDriver": "awsfirelens"}
        mute = fail("line", count=3, definition="other")
        (heard,) = fail("line")
        fleet.advance(30)
        assert not any(told(fleet, launch) for launch in mute)
        assert told(fleet, heard)
        assert len([r for r in caplog.records if "awsfirelens" in r.getMessage()]) == 1

    def test_a_bug_harms_nobody(self, fleet, fail, cloud, caplog):
        """Whatever goes wrong while lines are read is told with its traceback, once, and the fleet goes on."""
        cloud.errors.extend([None, None])
        cloud.get_log_events = None
        (launch,) = fail("line")
        fleet.advance(60)
        assert fleet.told_of(launch, Ended)
        assert told(fleet, launch) == []
        assert all(record.levelno < logging.CRITICAL for record in caplog.records)


class TestText:
    def text(self, reader, cloud, *lines, mask=str):
        failed = Failed(None, "arn:aws:ecs:us-east-1:1:task/fleet/0123", "airflow", DEFINITION)
        cloud.write(GROUP, "ecs/airflow/0123", *lines)
        return last_lines_of(reader, mask, failed)

    def test_has_no_secret(self, reader, cloud):
        """Airflow's masker and the mask for tokens see whole lines, before anything is cut off."""
        line = "x" * (MAX_LINE - 4) + "hunter2"
        text = self.text(
            reader, cloud, line, f'{{"token":"{JWT}"}}', mask=lambda text: text.replace("hunter2", "***")
        )
        assert "hun" not in text
        assert JWT[:10] not in text
        assert text.endswith('\n| {"token":"***"}')

    @pytest.mark.parametrize("length", [1, MAX_LINE, MAX_LINE + 1, 10**6])
    def test_is_cut_to_size(self, reader, cloud, length):
        """However long lines are, an event's text stays short, and has the last of them."""
        text = self.text(reader, cloud, *("x" * length for _ in range(COUNT)), "the end")
        assert len(text) < MAX_TEXT + 200
        assert text.endswith("\n| the end")
        assert max(map(len, text.split("\n"))) <= MAX_LINE + len("| …")

    def test_counts_lines_within_an_event(self, reader, cloud):
        """One event of the log can hold many lines: with awslogs-multiline-pattern, a whole traceback."""
        text = self.text(reader, cloud, "\n".join(f"line {number}" for number in range(100)))
        assert text.split("\n")[1:] == [f"| line {number}" for number in range(100 - COUNT, 100)]
