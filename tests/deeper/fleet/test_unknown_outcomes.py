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
"""What becomes of a search that AWS refuses, and what is said of it."""

from __future__ import annotations

from unittest import mock

import pytest

from airflow.executors.fargate.fleet import ecs_task_search, unknown_outcomes
from airflow.executors.fargate.fleet.unknown_outcomes import NOT_FOUND, SEARCH_DELAYS
from airflow.executors.fargate.messages import Ended

#: Until the last search for a launch has been made.
ALL_SEARCHES = sum(SEARCH_DELAYS) + 5
DENIED = "AccessDeniedException", "User: u is not authorized to perform: ecs:ListTasks"
MARKER = "Bearer sesame-open"


@pytest.fixture
def log(monkeypatch):
    log = mock.create_autospec(unknown_outcomes.log, instance=True)
    monkeypatch.setattr(unknown_outcomes, "log", log)
    return log


@pytest.fixture
def launch(fakes):
    return fakes.make_launch()


def lines(method):
    return [call.args[0] % call.args[1:] for call in method.call_args_list]


def lose(fakes, ecs, fleet, *launches):
    """Launch, and lose each answer: AWS has carried out the calls."""
    ecs.next("run_task", *[fakes.Lost(ConnectionResetError())] * len(launches))
    fleet.add(*launches)


def test_launches_that_may_have_started_leave_memory_though_lists_are_refused(fakes, fleet, ecs, log):
    """A search that AWS refuses for good counts; else a launch would be searched for without end."""
    launches = [fakes.make_launch(n) for n in range(3)]
    lose(fakes, ecs, fleet, *launches)
    ecs.next("list_tasks", *[fakes.aws_error(*DENIED)] * 100)
    for launch in launches:
        fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(ALL_SEARCHES)
    assert len(ecs.made("list_tasks")) == len(SEARCH_DELAYS)
    assert not fleet.fleet.runs_by_id
    # Or the end of the scheduler would wait for them all of its patience.
    assert fleet.fleet.awaited == 0
    (line,) = lines(log.error)
    assert DENIED[0] in line
    assert "Allow ecs:ListTasks and ecs:DescribeTasks" in line


def test_what_is_allowed_meanwhile_is_found(fakes, fleet, ecs, launch, log):
    """The searches that are left find the ECS task, and a refusal after that is told anew."""
    lose(fakes, ecs, fleet, launch)
    ecs.next("list_tasks", *[fakes.aws_error(*DENIED)] * 2)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(ALL_SEARCHES)
    assert [call.arguments[1] for call in ecs.made("stop_task")] == ecs.arns
    lose(fakes, ecs, fleet, fakes.make_launch(1))
    ecs.next("list_tasks", fakes.aws_error(*DENIED))
    fleet.tell(fleet.fleet.revoke, "launch-1", "why")
    fleet.advance(ALL_SEARCHES)
    assert len(lines(log.error)) == 2


def test_a_launch_that_is_wanted_fails_in_words(fakes, fleet, ecs, log):
    """If no search can find its ECS task, a launch that is still wanted ends like one that has none."""
    lose(fakes, ecs, fleet, fakes.make_launch(expires=fleet.clock() + 70))
    ecs.next("run_task", *[ConnectionResetError()] * 100)
    ecs.next("list_tasks", *[fakes.aws_error(*DENIED)] * 100)
    fleet.advance(100 + ALL_SEARCHES)
    (ended,) = [event for event in fleet.told if isinstance(event, Ended)]
    assert ended.reason.startswith(NOT_FOUND)
    assert not fleet.fleet.runs_by_id


@pytest.mark.parametrize("code", ["ThrottlingException", "ServerException", "ExpiredTokenException"])
def test_what_is_not_refused_for_good_is_no_search(fakes, fleet, ecs, launch, log, code):
    """AWS may still tell: the launch is searched for until it does."""
    lose(fakes, ecs, fleet, launch)
    ecs.next("list_tasks", *[fakes.aws_error(code)] * 20)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(600)
    assert [call.arguments[1] for call in ecs.made("stop_task")] == ecs.arns
    assert lines(log.error) == []


@pytest.mark.parametrize("status", [403, 502])
def test_no_line_repeats_what_a_proxy_answers(fakes, fleet, ecs, launch, log, monkeypatch, status):
    """For its message botocore takes the body, which may repeat the request with all that is in it."""
    told = mock.create_autospec(ecs_task_search.log, instance=True)
    monkeypatch.setattr(ecs_task_search, "log", told)
    lose(fakes, ecs, fleet, launch)
    ecs.next("list_tasks", fakes.aws_error(str(status), f"<html>{MARKER}</html>", status))
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(ALL_SEARCHES)
    (line,) = [*lines(log.error), *lines(told.warning)]
    assert MARKER not in line
    assert str(status) in line


@pytest.mark.parametrize("revoked", [True, False])
def test_a_search_goes_on_once_there_are_credentials(fakes, fleet, ecs, revoked):
    """A launch that may have started does not end while they are refused; then its ECS task is found."""
    launch = fakes.make_launch(expires=fleet.clock() + 200)
    ecs.next("run_task", fakes.Lost(ConnectionResetError()), *[ConnectionResetError()] * 100)
    fleet.add(launch)
    fleet.advance(150)
    ecs.next("list_tasks", *[fakes.aws_error("ExpiredTokenException")] * 60)
    if revoked:
        fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(1200)
    assert fleet.told_of(launch, Ended) == []
    assert [call.arguments[1] for call in ecs.made("stop_task")] == (ecs.arns if revoked else [])
    assert [run.arn for run in fleet.fleet.runs_by_id.values()] == ecs.arns


def test_what_is_followed_is_not_described_for_a_search(fakes, fleet, ecs, launch):
    """A search lists all ECS tasks, and describes those of which the fleet knows nothing."""
    fleet.add(*[fakes.make_launch(number) for number in range(1, 51)])
    lose(fakes, ecs, fleet, launch)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    (arn,) = ecs.launches_of(launch.id)
    fleet.advance(SEARCH_DELAYS[0] + 0.1)
    assert (arn,) in [call.arguments[1] for call in ecs.made("describe_tasks")]
    assert [call.arguments[1] for call in ecs.made("stop_task")] == [arn]
