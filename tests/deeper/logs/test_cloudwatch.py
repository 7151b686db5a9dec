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
"""More on what ``test_log_reader.py`` tests."""

from __future__ import annotations

import pytest

from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.logs.cloudwatch import (
    MAX_DEFINITIONS,
    LogError,
    LogReader,
    LogRefused,
    Stream,
    without_tokens,
)

from tests.deeper.logs.test_log_reader import (
    ARN,
    DEFINITION,
    ID,
    OPTIONS,
    STREAM,
    asked,
    awslogs,
    cloud,
    definition,
    reader,
)


class TestReader:
    def test_cache_is_limited(self, reader, asked):
        """A deployment may register a revision for each task."""
        for number in range(3 * MAX_DEFINITIONS):
            reader.stream(f"{DEFINITION}{number}", "airflow", ARN)
        assert reader._describe_logs.cache_info().currsize <= MAX_DEFINITIONS

    def test_ends_after_too_many_empty_pages(self, fakes, asked):
        """The log counts as empty."""
        cloud = fakes.FakeLogs(empty_pages=10**9)
        cloud.write(STREAM.group, STREAM.name, "line")
        assert LogReader(asked.append, lambda region: cloud).last(STREAM, 20) == []
        assert len(cloud.calls) < 10

    def test_makes_a_client_for_each_region(self, fakes, asked):
        """A client is made at the first call, and again after a renewal."""
        made = []

        def make(region):
            made.append(region)
            return fakes.FakeLogs()

        reader = LogReader(asked.append, make)
        assert made == []
        for region in ("eu-west-1", "eu-west-1", "eu-central-1"):
            with pytest.raises(LogError, match="there is no log stream"):
                reader.last(Stream(region, "group", "stream"), 20)
        reader.renew()
        with pytest.raises(LogError, match="there is no log stream"):
            reader.last(STREAM, 20)
        assert made == ["eu-west-1", "eu-central-1", "eu-west-1"]

    def test_missing_credentials(self, fakes, reader, cloud):
        """A role that AssumeRole refuses is not a missing permission of CloudWatch."""
        error = fakes.aws_error("AccessDenied", "not authorized to perform: sts:AssumeRole")
        error.operation_name = "AssumeRole"
        cloud.errors.append(error)
        with pytest.raises(LogError, match="AssumeRole") as caught:
            reader.last(STREAM, 20)
        assert caught.value.verdict is Verdict.CREDENTIALS

    def test_error_of_the_network(self, reader, cloud):
        """The log may be readable later."""
        cloud.errors.append(ConnectionResetError("peer"))
        with pytest.raises(LogError, match="logs:GetLogEvents failed .ConnectionResetError: peer.") as caught:
            reader.last(STREAM, 20)
        assert caught.value.verdict is Verdict.UNKNOWN

    def test_errors_are_not_cached(self, fakes, cloud):
        """A task definition that could not be described is described again."""
        answers = iter([fakes.aws_error("AccessDeniedException"), None])

        def describe(arn):
            error = next(answers)
            if error:
                raise error
            return definition(airflow=awslogs())

        reader = LogReader(describe, lambda region: cloud)
        with pytest.raises(LogRefused, match="ecs:DescribeTaskDefinition is not allowed"):
            reader.stream(DEFINITION, "airflow", ARN)
        assert reader.stream(DEFINITION, "airflow", ARN) == STREAM


class TestTokens:
    @pytest.mark.parametrize(
        "text",
        [
            "Traceback (most recent call last):",
            "the token has expired",
            "tokens: 5",
            "key eyJ",
            '{"event": "done", "ti": "1"}',
        ],
    )
    def test_other_text_is_not_masked(self, text):
        """Texts without a token are unchanged."""
        assert without_tokens(text) == text
