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

from __future__ import annotations

import dataclasses
import json
import re
from unittest import mock

import pytest

from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.fleet import preparer
from airflow.executors.fargate.fleet.calls import SPARE_LAUNCHES
from airflow.executors.fargate.fleet.launch_state import MIN_TOKEN_LIFE
from airflow.executors.fargate.fleet.unknown_outcomes import SEARCH_DELAYS
from airflow.executors.fargate.messages import Accepted, Ended, Noted
from airflow.executors.fargate.request.builder import Prepared

THROTTLED = ("ThrottlingException", "Rate exceeded")


EXPIRED = ("ExpiredTokenException", "The security token included in the request is expired")


NO_CAPACITY = {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time."}]}


ATTRIBUTE = {"tasks": [], "failures": [{"reason": "ATTRIBUTE"}]}


class ReadTimeoutError(Exception):
    """Named like botocore's error: errors are classified by their name."""


def failed(fleet, launch):
    """Return the reason of a launch's one end, which must be a failure."""
    (end,) = fleet.told_of(launch, Ended)
    assert end.reason
    return end.reason


@pytest.fixture
def launch(fakes):
    return fakes.make_launch()


def test_a_launch_gets_one_ecs_task(fakes, fleet, ecs, launch):
    """A launch makes one RunTask call, with a token that AWS admits, and its event has the ARN."""
    fleet.add(launch)
    fleet.advance(600)
    (arn,) = ecs.arns
    assert re.fullmatch(r"[!-~]{1,64}", ecs.tokens[0])
    assert len(ecs.tokens) == 1
    assert [(e.launch.id, e.arn) for e in fleet.told] == [(launch.id, arn)]


def test_each_attempt_has_a_token_of_its_own(fakes, fleet, ecs):
    """The token does not depend on the key: a resumed launch of the same try gets an ECS task of its own."""
    first, resumed = (fakes.make_launch(id=name) for name in ("first", "resumed"))
    fleet.add(first)
    fleet.add(resumed)
    assert len(set(ecs.tokens)) == len(ecs.arns) == 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda f: f.Lost(ReadTimeoutError()), id="answer lost in a timeout"),
        pytest.param(lambda f: ReadTimeoutError(), id="timeout before the call"),
        pytest.param(lambda f: f.aws_error("ServerException", status=500), id="500 before the call"),
        pytest.param(lambda f: f.Lost(f.aws_error("ServerException", status=500)), id="500 after the call"),
        pytest.param(lambda f: {"tasks": [], "failures": []}, id="answer of nothing"),
        pytest.param(lambda f: "<html>", id="garbage"),
    ],
)
def test_an_attempt_that_may_have_started_is_sent_again_unchanged(fakes, fleet, ecs, launch, answer):
    """Without a clear answer, the same request is sent with the same token until there is one."""
    ecs.next("run_task", *[answer(fakes) for _ in range(5)])
    fleet.add(launch)
    fleet.advance(600)
    sent = ecs.made("run_task")
    assert len(sent) == 6
    assert len(set(ecs.tokens)) == 1
    assert all(call.arguments[0] == sent[0].arguments[0] for call in sent)
    assert len(ecs.arns) == 1
    assert [type(event) for event in fleet.told] == [Accepted]


def test_a_conflict_that_names_an_arn_is_accepted(fakes, fleet, ecs, launch):
    """ConflictException names the ECS task that the attempt's own token has started."""
    ecs.next("run_task", fakes.Lost(ReadTimeoutError()))
    fleet.add(launch)
    ecs.next("run_task", fakes.aws_error("ConflictException", resourceIds=list(ecs.arns)))
    fleet.advance(5)
    assert [event.arn for event in fleet.told_of(launch, Accepted)] == ecs.arns
    assert len(ecs.tokens) == 2


@pytest.mark.parametrize(
    "broken", ["failure in an answer of HTTP 200", "ECS task that never started"], ids=lambda text: text
)
@pytest.mark.parametrize("most", [1, 3])
def test_what_never_started_is_launched_again_up_to_the_limit(fakes, make_fleet, ecs, launch, broken, most):
    """Each attempt has a new token; after the last one the launch fails, with the reason."""
    fleet = make_fleet(max_launch_attempts=most)
    if broken.startswith("failure"):
        ecs.next("run_task", *[ATTRIBUTE] * most)
    fleet.add(launch)
    for _ in range(most):
        for arn in ecs.arns:
            ecs.break_at_start(arn, "ATTRIBUTE")
        fleet.advance(40)
    assert len(ecs.tokens) == len(set(ecs.tokens)) == most
    assert "ATTRIBUTE" in failed(fleet, launch)
    assert f"Attempts: {most} of {most}" in failed(fleet, launch)
    assert len(fleet.told_of(launch, Noted)) == most - 1


@pytest.mark.parametrize(
    ("words", "is_noted"),
    [
        ("Tasks provisioning capacity limit exceeded.", True),
        ("Error retrieving subnet information for [subnet-1]: no (ErrorCode: AuthFailure)", False),
    ],
)
def test_an_error_that_passes_costs_no_attempt(fakes, make_fleet, ecs, launch, words, is_noted):
    """Nothing was started, so each call has a new token; lack of capacity is noted at once."""
    fleet = make_fleet(max_launch_attempts=1)
    ecs.next("run_task", *[fakes.aws_error("ClientException", words)] * 3)
    fleet.add(launch)
    fleet.advance(60)
    assert len(ecs.tokens) == len(set(ecs.tokens)) == 4
    assert [type(event) for event in fleet.told_of(launch)] == [Noted] * is_noted + [Accepted]
    assert all(words.rstrip(".") in note.text for note in fleet.told_of(launch, Noted))


@pytest.mark.parametrize("code", [1, None])
def test_what_started_is_never_launched_again(fakes, fleet, ecs, launch, code):
    """Once an ECS task has started, its end is the end of the launch."""
    fleet.add(launch)
    ecs.exit(ecs.arns[0], code)
    fleet.advance(600)
    assert failed(fleet, launch)
    assert len(ecs.tokens) == 1


def test_what_was_seen_to_run_is_never_launched_again(fakes, fleet, ecs, launch):
    """What was seen to run has started, even if its last description lacks startedAt."""
    fleet.add(launch)
    (arn,) = ecs.arns
    ecs.start(arn)
    fleet.advance(5)
    ecs.tasks[arn].pop("startedAt")
    ecs.break_at_start(arn)
    fleet.advance(600)
    assert failed(fleet, launch)
    assert len(ecs.tokens) == 1


@pytest.mark.parametrize("where", ["in the answer", "at the ECS task's end"])
def test_waiting_for_capacity_costs_no_attempt(fakes, make_fleet, ecs, launch, where):
    """A launch tries again with a new token each time, and has one note about it."""
    fleet = make_fleet(max_launch_attempts=1)
    if where == "in the answer":
        ecs.next("run_task", *[NO_CAPACITY] * 10)
        fleet.add(launch)
        fleet.advance(600)
    else:
        fleet.add(launch)
        for number in range(10):
            ecs.break_at_start(ecs.arns[number], "Capacity is unavailable at this time.")
            fleet.advance(40)
    assert len(ecs.tokens) == len(set(ecs.tokens)) == 11
    assert not fleet.told_of(launch, Ended)
    assert len(fleet.told_of(launch, Noted)) == 1


@pytest.mark.parametrize("code", [None, 0, 3], ids="runs on, succeeded, failed".split(", "))
def test_what_may_have_started_is_searched_for_in_the_tokens_last_minute(fakes, fleet, ecs, code):
    """RunTask is not called any more; the ECS task that is found is the launch's, ended or not."""
    launch = fakes.make_launch(expires=fleet.clock.at + 100)
    ecs.next("run_task", fakes.Lost(ReadTimeoutError()), *[ReadTimeoutError()] * 100)
    fleet.add(launch)
    (arn,) = ecs.arns
    ecs.start(arn)
    if code is not None:
        ecs.exit(arn, code)
    fleet.advance(600)
    assert max(call.at for call in ecs.made("run_task")) <= launch.expires - MIN_TOKEN_LIFE
    assert [event.arn for event in fleet.told_of(launch, Accepted)] == [arn]
    assert [bool(event.reason) for event in fleet.told_of(launch, Ended)] == [bool(code)] * (code is not None)
    assert not fleet.told_of(launch, Noted)
    assert not ecs.made("stop_task")


def test_nothing_is_started_with_a_token_about_to_expire(fakes, fleet, ecs):
    """A request that AWS may never have got is not sent again; the launch fails once nothing is found."""
    launch = fakes.make_launch(expires=fleet.clock.at + 100)
    ecs.next("run_task", *[ReadTimeoutError()] * 7)
    fleet.add(launch)
    fleet.advance(600)
    assert max(call.at for call in ecs.made("run_task")) <= launch.expires - MIN_TOKEN_LIFE
    assert ecs.arns == []
    assert len(ecs.made("list_tasks")) == 2 * len(SEARCH_DELAYS)
    assert "token" in failed(fleet, launch)
    assert not fleet.fleet.runs_by_id


@pytest.mark.parametrize("error", [THROTTLED, EXPIRED], ids=["throttled", "credentials refused"])
def test_throttling_and_refused_credentials_delay_all_launches(fakes, make_fleet, ecs, error):
    """No launch at all is sent for a while, and none loses an attempt."""
    fleet = make_fleet(max_launch_attempts=1, launch_concurrency=1)
    ecs.next("run_task", *[fakes.aws_error(*error) for _ in range(6)])
    launches = [fakes.make_launch(n) for n in range(3)]
    fleet.add(*launches)
    fleet.advance(600)
    times = [call.at for call in ecs.made("run_task")]
    assert all(b > a for a, b in zip(times[:7], times[1:7]))
    assert len(ecs.arns) == len(set(ecs.tokens)) == 3
    assert {type(event) for event in fleet.told} == {Accepted}


@pytest.mark.parametrize(
    "error",
    [
        ("AccessDeniedException", "not authorized to perform: ecs:RunTask"),
        (
            "InvalidParameterException",
            "Override for container named x is not a container in the TaskDefinition.",
        ),
    ],
)
def test_a_refusal_fails_that_launch_alone(fakes, fleet, ecs, launch, error):
    """What AWS will never accept fails at once, with AWS's words; other launches go on."""
    ecs.next("run_task", fakes.aws_error(*error))
    other = fakes.make_launch(1)
    fleet.add(launch, other)
    assert error[1].rstrip(".") in failed(fleet, launch)
    assert fleet.told_of(other, Accepted)
    fleet.advance(600)
    assert len(ecs.tokens) == 2


@pytest.mark.parametrize(
    ("life", "begun"),
    [(None, 1), (MIN_TOKEN_LIFE, 1), (MIN_TOKEN_LIFE - 1, 0), (-100, 0)],
)
def test_no_attempt_begins_with_too_little_of_its_tokens_life_left(fakes, fleet, ecs, life, begun):
    """An attempt begins only if the token has a minute left; otherwise there is a note."""
    launch = fakes.make_launch(expires=None if life is None else fleet.clock.at + life)
    fleet.add(launch)
    fleet.advance(30)
    assert len(ecs.tokens) == begun
    assert len(fleet.told_of(launch, Noted)) == 1 - begun
    assert not fleet.told_of(launch, Ended)


def test_higher_priority_goes_first_then_who_came_first(fakes, make_fleet, ecs):
    """Launches are sent by priority, and in the order of their arrival if that is equal."""
    fleet = make_fleet(launch_concurrency=1)
    launches = [fakes.make_launch(n, priority=p) for n, p in enumerate([1, 5, 5, 1, 9])]
    fleet.pools["launch"].held = True
    fleet.add(*launches)
    fleet.pools["launch"].held = False
    fleet.settle()
    order = [event.launch.id for event in fleet.told]
    # The first one was under way when the others came.
    assert order == ["launch-0", "launch-4", "launch-1", "launch-2", "launch-3"]


def test_a_launch_that_waits_delays_no_other(fakes, make_fleet, ecs):
    """While the launch of the highest priority backs off, the others are sent."""
    fleet = make_fleet(launch_concurrency=1)
    ecs.next("run_task", ATTRIBUTE)
    first, second = fakes.make_launch(0, priority=9), fakes.make_launch(1, priority=1)
    fleet.add(first)
    fleet.add(second)
    assert fleet.told_of(second, Accepted)
    assert not fleet.told_of(first, Accepted)
    fleet.advance(10)
    assert fleet.told_of(first, Accepted)


@pytest.mark.parametrize("concurrency", [1, 16])
def test_no_more_calls_are_under_way_than_allowed(fakes, make_fleet, ecs, concurrency):
    """At most launch_concurrency calls are under way, and all launches get their turn."""
    fleet = make_fleet(launch_concurrency=concurrency)
    fleet.pools["launch"].held = True
    fleet.add(*[fakes.make_launch(n) for n in range(40)])
    assert len(fleet.pools["launch"].jobs) == concurrency
    fleet.pools["launch"].held = False
    fleet.advance(60)
    assert fleet.pools["launch"].most == concurrency
    assert len(ecs.arns) == 40


@pytest.mark.parametrize(("rate", "burst"), [(20.0, 100), (5.0, 10)])
def test_launches_keep_to_the_rate_that_is_set(fakes, make_fleet, ecs, rate, burst):
    """After the burst, RunTask calls keep to the rate, and use nearly all of it."""
    fleet = make_fleet(launch_rate=rate, launch_burst=burst + SPARE_LAUNCHES)
    began = fleet.clock.at
    fleet.add(*[fakes.make_launch(n) for n in range(500)])
    fleet.advance(120)
    times = sorted(call.at - began for call in ecs.made("run_task"))
    assert len(times) == 500
    for number, at in enumerate(times):
        assert number + 1 <= burst + rate * at + 1e-3
    assert times[-1] <= (500 - burst) / rate + 0.1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RequestError("taskDefinition is missing"), "taskDefinition is missing"),
        (KeyError("a secret"), "KeyError in the executor"),
    ],
)
def test_a_request_that_cannot_be_made_fails_its_launch_alone(fakes, make_fleet, ecs, error, reason):
    """A launch whose request cannot be made fails with the reason, and AWS is not called."""
    bad, good = fakes.make_launch(0), fakes.make_launch(1)
    request = Prepared({"cluster": "cluster", "overrides": {}}, "airflow")
    build = mock.create_autospec(lambda launch: request, side_effect=[error, request])
    fleet = make_fleet(build)
    with mock.patch.object(preparer, "log", autospec=True) as log:
        fleet.add(bad, good)
    assert reason in failed(fleet, bad)
    assert "a secret" not in failed(fleet, bad)
    assert log.error.called is isinstance(error, KeyError)
    assert fleet.told_of(good, Accepted)
    assert len(ecs.tokens) == 1


def test_the_request_has_the_deployment_and_the_identity(fakes, fleet, ecs, launch):
    """The deployment is in startedBy, and the launch's identity in the main container's environment."""
    fleet.add(launch)
    (request, _) = ecs.made("run_task")[0].arguments
    assert request["startedBy"] == "airflow"
    (container,) = request["overrides"]["containerOverrides"]
    assert container["command"] == list(launch.command)
    (variable,) = container["environment"]
    identity = json.loads(variable["value"])
    assert (identity["launch"], identity["task_id"], identity["try_number"]) == (launch.id, "task0", 1)


def test_a_started_launch_lets_go_of_its_workload(fakes, fleet, ecs, launch):
    """Once an ECS task has started, neither the command nor the request is kept in memory."""
    fleet.add(launch)
    ecs.start(ecs.arns[0])
    fleet.advance(5)
    (run,) = fleet.fleet.runs_by_id.values()
    assert run.prepared is None
    assert run.launch == dataclasses.replace(launch, command=(), executor_config=None)
