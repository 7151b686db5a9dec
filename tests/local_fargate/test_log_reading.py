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
"""GetLogEvents as CloudWatch answers it: pages, tokens, empty pages, and lines that arrive late."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError
from tools.simulator import limits


class Log:
    """A log stream with lines of a given length, read page by page."""

    def __init__(self, account, name):
        self._logs, self._where = account.logs, {"logGroupName": account.log_group, "logStreamName": name}
        self._logs.create_log_stream(**self._where)
        self.first = None

    def write(self, *lines):
        self.first = self.first or int(1000 * (time.time() - 3600))
        self._logs.put_log_events(
            **self._where,
            logEvents=[{"timestamp": self.first + n, "message": line} for n, line in enumerate(lines)],
        )
        self.first += len(lines)

    def page(self, token=None, **arguments):
        token = {} if token is None else {"nextToken": token}
        return self._logs.get_log_events(**self._where, **token, **arguments)

    def pages(self, direction, **arguments):
        """Return the lines of each page until the token comes back."""
        token, pages = None, []
        while True:
            page = self.page(token, **arguments)
            pages.append([event["message"] for event in page["events"]])
            if page[direction] == token:
                return pages
            token = page[direction]
            assert len(pages) < 100


@pytest.fixture
def log(account, request):
    return Log(account, f"log/{request.node.name}")


FORWARD, BACKWARD = "nextForwardToken", "nextBackwardToken"


@pytest.mark.parametrize("empty", [0, 3])
def test_a_page_has_a_limited_number_of_lines(account, log, empty):
    """Each line comes once, in order; an empty page is not the end, but the token that comes back is."""
    account.fargate.configure(log_empty_pages=empty)
    lines = [f"line {number}" for number in range(2 * limits.MAX_LOG_PAGE_EVENTS + 5)]
    for start in range(0, len(lines), limits.MAX_LOG_PAGE_EVENTS):
        log.write(*lines[start : start + limits.MAX_LOG_PAGE_EVENTS])
    pages = log.pages(FORWARD, startFromHead=True)
    assert [line for page in pages for line in page] == lines
    assert max(map(len, pages)) == limits.MAX_LOG_PAGE_EVENTS
    assert len(pages) == 3 * (empty + 1) + 1


def test_a_page_has_a_limited_size(log):
    """A megabyte at most: of lines of 200 KB five."""
    line = "x" * 200_000
    for _ in range(12):
        log.write(line)
    assert [len(page) for page in log.pages(FORWARD, startFromHead=True)] == [5, 5, 2, 0]


def test_the_last_lines_are_read_from_the_end(log):
    """Without startFromHead the last page comes first; its lines are in order, and what is before follows."""
    log.write(*(f"line {number}" for number in range(10)))
    assert log.pages(BACKWARD, limit=4) == [
        ["line 6", "line 7", "line 8", "line 9"],
        ["line 2", "line 3", "line 4", "line 5"],
        ["line 0", "line 1"],
        [],
    ]


def test_what_is_written_later_follows_the_last_token(log):
    """Whoever follows a log goes on where the token came back."""
    log.write("one")
    token = log.page(startFromHead=True)[FORWARD]
    assert log.page(token)["events"] == []
    log.write("two")
    assert [event["message"] for event in log.page(token)["events"]] == ["two"]


def test_a_line_arrives_late(account, log):
    """Within the lag nothing of it is seen, though the stream is there."""
    account.fargate.configure(log_lag=60.0)
    log.write("late")
    assert log.page(startFromHead=True)["events"] == []
    account.fargate.configure(log_lag=0.0)
    assert [event["message"] for event in log.page(startFromHead=True)["events"]] == ["late"]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"logStreamName": "no/such/stream"}, "ResourceNotFoundException"),
        ({"logGroupName": "/no/group"}, "ResourceNotFoundException"),
        ({"nextToken": "x"}, "InvalidParameterException"),
        ({"nextToken": "f/x/0/s"}, "InvalidParameterException"),
    ],
)
def test_what_is_wrong_is_refused(account, log, members, code):
    """With AWS's own code."""
    arguments = {"logGroupName": account.log_group, "logStreamName": log._where["logStreamName"], **members}
    with pytest.raises(ClientError) as caught:
        account.logs.get_log_events(**arguments)
    assert caught.value.response["Error"]["Code"] == code


def test_calls_are_counted_and_can_fail(account, log):
    """Faults strike this call as they do those of ECS."""
    log.write("line")
    account.fargate.configure(faults=[{"kind": "throttle", "operation": "GetLogEvents", "times": 1}])
    with pytest.raises(ClientError, match="ThrottlingException"):
        log.page()
    assert log.page()["events"]
    assert account.fargate.calls()["GetLogEvents"]["ThrottlingException"] >= 1
