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
"""A container's log stream is found and read, and tokens are masked."""

from __future__ import annotations

import itertools
import json

import pytest

from airflow.executors.fargate.aws.answers import log_configurations
from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.logs.cloudwatch import (
    LogError,
    LogReader,
    LogRefused,
    Stream,
    without_tokens,
)

ID = "0123456789abcdef0123456789abcdef"


ARN = f"arn:aws:ecs:eu-west-1:123456789012:task/fleet/{ID}"


DEFINITION = "arn:aws:ecs:eu-west-1:123456789012:task-definition/airflow:3"


OPTIONS = {"awslogs-group": "/ecs/airflow", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs"}


STREAM = Stream("eu-west-1", "/ecs/airflow", f"ecs/airflow/{ID}")


JWT = "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiIwMSJ9.lcy0-BE_CR"


def awslogs(**changes):
    """Return a log configuration with changes. None removes an option."""
    options = {**OPTIONS, **{f"awslogs-{name.replace('_', '-')}": value for name, value in changes.items()}}
    return {
        "logDriver": "awslogs",
        "options": {name: value for name, value in options.items() if value is not None},
    }


def definition(**logs):
    """Return what DescribeTaskDefinition says of containers with these log configurations."""
    containers = [{"name": name, "logConfiguration": log} for name, log in logs.items()]
    return log_configurations({"taskDefinition": {"containerDefinitions": containers}})


def stream_of(log):
    """Return the stream of a container with this log configuration."""
    return LogReader(lambda arn: definition(airflow=log), None).stream(DEFINITION, "airflow", ARN)


class TestStream:
    @pytest.mark.parametrize(
        ("log", "stream"),
        [
            (awslogs(), STREAM),
            (awslogs(region="eu-central-1"), Stream("eu-central-1", STREAM.group, STREAM.name)),
            (awslogs(region=None), STREAM),
            (awslogs(stream_prefix="a/b"), Stream("eu-west-1", STREAM.group, f"a/b/airflow/{ID}")),
            (
                {"logDriver": "awslogs", "options": {**OPTIONS, "mode": "non-blocking"}},
                Stream("eu-west-1", STREAM.group, STREAM.name, lossy=True),
            ),
            ({"logDriver": "awslogs", "options": {**OPTIONS, "mode": "blocking"}}, STREAM),
        ],
    )
    def test_of_awslogs(self, log, stream):
        """Group, Region and prefix are options of the log driver. The default Region is the ECS task's."""
        assert stream_of(log) == stream

    @pytest.mark.parametrize(
        ("log", "says"),
        [
            (None, "container airflow has no logConfiguration; give it one with the driver awslogs"),
            (
                {"logDriver": "awsfirelens", "options": OPTIONS},
                "logs through awsfirelens; only the driver awslogs can be read",
            ),
            ({"logDriver": "awslogs"}, "has no awslogs-group"),
            (awslogs(stream_prefix=None), "has no awslogs-stream-prefix"),
        ],
    )
    def test_that_cannot_be_read(self, log, says):
        """The reason says why the lines are not in CloudWatch, or why the stream is not known."""
        with pytest.raises(LogError, match=says):
            stream_of(log)


@pytest.fixture
def cloud(fakes):
    """Return an empty CloudWatch Logs."""
    return fakes.FakeLogs(page_size=3)


@pytest.fixture
def asked():
    """Return the list of task definitions that were described."""
    return []


@pytest.fixture
def reader(cloud, asked):
    """Return a reader of the logs of one task definition."""

    def describe(arn):
        asked.append(arn)
        return definition(proxy={"logDriver": "awsfirelens"}, airflow=awslogs())

    return LogReader(describe, lambda region: cloud)


class TestReader:
    def test_describes_a_task_definition_once(self, reader, asked):
        """A revision never changes. Each of its containers has its own log configuration."""
        assert (
            reader.stream(DEFINITION, "airflow", ARN) == reader.stream(DEFINITION, "airflow", ARN) == STREAM
        )
        with pytest.raises(LogError, match="awsfirelens"):
            reader.stream(DEFINITION, "proxy", ARN)
        with pytest.raises(LogError, match="container other has no logConfiguration"):
            reader.stream(DEFINITION, "other", ARN)
        assert asked == [DEFINITION]

    @pytest.mark.parametrize("count", [0, 3, 10])
    @pytest.mark.parametrize("empty_pages", [0, 2])
    def test_reads_all_pages(self, fakes, asked, count, empty_pages):
        """Each line is read once and in order, even between empty pages. The end is a repeated token."""
        cloud = fakes.FakeLogs(page_size=3, empty_pages=empty_pages)
        cloud.write(STREAM.group, STREAM.name, *(f"line {number}" for number in range(count)))
        reader = LogReader(asked.append, lambda region: cloud)
        pages = list(itertools.islice(reader.pages(STREAM), 100))
        assert [line.text for page in pages for line in page.lines] == [
            f"line {number}" for number in range(count)
        ]
        assert len(pages) < 20
        assert all(call["startFromHead"] for call in cloud.calls)

    @pytest.mark.parametrize(("count", "wanted"), [(0, []), (1, [0]), (7, [5, 6])])
    @pytest.mark.parametrize("empty_pages", [0, 2])
    def test_reads_the_last_lines(self, fakes, asked, count, wanted, empty_pages):
        """They are in the order in which they were written. Empty pages are skipped."""
        cloud = fakes.FakeLogs(empty_pages=empty_pages)
        cloud.write(STREAM.group, STREAM.name, *(f"line {number}" for number in range(count)))
        reader = LogReader(asked.append, lambda region: cloud)
        assert [line.text for line in reader.last(STREAM, 2)] == [f"line {number}" for number in wanted]

    @pytest.mark.parametrize(
        ("code", "kind", "verdict", "says"),
        [
            ("ResourceNotFoundException", LogError, Verdict.MISSING, "there is no log stream ecs/airflow/"),
            ("AccessDeniedException", LogRefused, Verdict.FAILED, "logs:GetLogEvents is not allowed"),
            ("ThrottlingException", LogError, Verdict.THROTTLED, "ThrottlingException: AWS says no"),
            ("ExpiredTokenException", LogError, Verdict.CREDENTIALS, "ExpiredTokenException: AWS says no"),
            (
                "ServiceUnavailableException",
                LogError,
                Verdict.FAILED,
                "ServiceUnavailableException: AWS says no",
            ),
        ],
    )
    def test_errors(self, fakes, reader, cloud, code, kind, verdict, says):
        """Verdict and class of the error say whether to try later, make no more calls, or log it once."""
        cloud.errors.append(fakes.aws_error(code))
        with pytest.raises(LogError, match=says) as caught:
            reader.last(STREAM, 20)
        assert type(caught.value) is kind
        assert caught.value.verdict is verdict


WORKLOAD = json.dumps({"token": JWT, "ti": {"id": "1"}, "type": "ExecuteTask"})


class TestTokens:
    @pytest.mark.parametrize(
        "text",
        [
            JWT,
            JWT[:30],
            f"{JWT.rpartition('.')[0]}.",
            WORKLOAD,
            json.dumps(WORKLOAD),
            json.dumps(json.dumps(WORKLOAD)),
            f"ExecuteTask(token='{JWT}', ti=1)",
            '{"token": "opaque-secret-of-some-kind", "ti": 1}',
            '{"token":"opaque-secret-of-some-kind',
            "token = 'opaque-secret-of-some-kind'",
        ],
    )
    def test_are_masked(self, text):
        """In JSON, in Python's repr, escaped, alone, and cut off."""
        left = without_tokens(text)
        assert "***" in left
        assert JWT[:20] not in left
        assert "opaque-secret" not in left

    def test_masked_workload_is_valid_json(self):
        """All else in it is unchanged."""
        assert json.loads(without_tokens(WORKLOAD)) == {**json.loads(WORKLOAD), "token": "***"}
