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
"""More on what ``test_live.py`` tests."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import NoCredentialsError

from airflow.executors.fargate.logs.live import MAX_ECS_TASKS, MAX_PAGES, PATIENCE

from tests.executors.fargate.test_live import (
    ARN,
    GROUP,
    ID,
    LAUNCH,
    OPTIONS,
    STREAM,
    RunningTask,
    at_once,
    running,
)


def test_secret_of_several_lines(running):
    """It is masked as a whole. An event with several lines is shown as one line."""
    running.log_of.mask = lambda text: text.replace("first\nsecond", "***")
    running.cloud.write(GROUP, STREAM, "key first\nsecond", "a\nb")
    assert [line.partition("] ")[2] for line in running.read()[1]] == ["key ***", "a b"]


def test_deeply_nested_json(fakes, clock):
    """The line is shown, and so are those after it."""
    running = RunningTask(fakes, clock, structured=True)
    running.cloud.write(GROUP, STREAM, '{"a":' * 100_000, "after")
    assert [json.loads(line)["event"][:5] for line in running.read()[1]] == ['{"a":', "after"]


def test_reasons_are_not_cached(running):
    """The log is shown as soon as it can be read."""
    running.task["lastStatus"] = "PENDING"
    assert "PENDING" in running.read()[1][0]
    running.task["lastStatus"] = "RUNNING"
    running.cloud.write(GROUP, STREAM, "line")
    assert "line" in running.read()[1][0]


@pytest.mark.parametrize(
    ("where", "error", "renewed"),
    [
        ("DescribeTasks", lambda f: f.aws_error("ExpiredTokenException"), 1),
        ("GetLogEvents", lambda f: f.aws_error("ExpiredTokenException"), 1),
        ("GetLogEvents", lambda f: NoCredentialsError(), 1),
        ("DescribeTasks", lambda f: f.aws_error("ThrottlingException", "Rate exceeded"), 0),
        ("GetLogEvents", lambda f: f.aws_error("ResourceNotFoundException"), 0),
        ("GetLogEvents", lambda f: f.aws_error("AccessDeniedException"), 0),
        ("DescribeTasks", lambda f: ConnectionResetError(), 0),
    ],
    ids=["expired", "expired for logs", "none", "throttled", "no such log", "no permission", "reset"],
)
def test_new_clients_after_refused_credentials(running, where, error, renewed):
    """Expired credentials are not kept. After any other error, the clients are."""
    if where == "DescribeTasks":
        running.error = error(running.fakes)
    else:
        running.cloud.errors.append(error(running.fakes))
    running.read()
    running.read()
    assert running.made.count("ecs" if where == "DescribeTasks" else "logs") == 1 + renewed


def test_lines_before_an_error(running):
    """They are shown, and the reason why there are no more."""
    running.cloud.write(GROUP, STREAM, *(f"line {number}" for number in range(25)))
    running.cloud.errors.extend([None, running.fakes.aws_error("ThrottlingException")])
    lines = running.read()[1]
    assert len(lines) == 11
    assert "cannot be shown further: logs:GetLogEvents failed" in lines[-1]


@pytest.mark.parametrize("pages", [MAX_PAGES - 1, MAX_PAGES])
def test_log_that_is_shown_whole(running, pages):
    """No line is shown twice. AWS answers with an empty page at the end of a log."""
    texts = [f"line {number}" for number in range(10 * pages)]
    running.cloud.write(GROUP, STREAM, *texts)
    assert [line.partition("] ")[2] for line in running.read()[1]] == texts


def test_slow_answers(running):
    """After the time limit, no more pages are read, and the last line says so."""
    running.cloud.write(GROUP, STREAM, *(f"line {number}" for number in range(90)))
    get = running.cloud.get_log_events

    def slow(**arguments):
        running.clock.at += PATIENCE / 2
        return get(**arguments)

    running.cloud.get_log_events = slow
    lines = running.read()[1]
    assert len(lines) == 21
    assert (
        lines[-1] == "The container's log cannot be shown further: not all of it was read within 4.5 seconds."
    )


def test_cache_is_limited(running):
    """An API server runs much longer than ECS tasks."""
    for number in range(2 * MAX_ECS_TASKS):
        running.read(f"{ARN[:-8]}{number:08}")
    assert running.log_of._stream.cache_info().currsize <= MAX_ECS_TASKS
