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
"""More on what ``test_launcher.py`` tests."""

from __future__ import annotations

from unittest import mock

import pytest

from airflow.executors.fargate.fleet.attempts import REVOCATION
from airflow.executors.fargate.fleet.launch_state import MIN_TOKEN_LIFE
from airflow.executors.fargate.messages import Accepted, Ended, Noted
from airflow.executors.fargate.request.builder import Prepared

from tests.executors.fargate.test_launcher import (
    ATTRIBUTE,
    EXPIRED,
    NO_CAPACITY,
    THROTTLED,
    ReadTimeoutError,
    failed,
    launch,
)


def test_resends_back_off(fakes, fleet, ecs, launch):
    """The wait before a resend doubles, up to the limit."""
    ecs.next("run_task", *[ReadTimeoutError()] * 8)
    fleet.add(launch)
    fleet.advance(600)
    times = [call.at for call in ecs.made("run_task")]
    waits = [round(b - a, 6) for a, b in zip(times, times[1:])]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_an_unknown_outcome_costs_no_attempt(fakes, make_fleet, ecs, launch):
    """All resends are the same attempt."""
    fleet = make_fleet(max_launch_attempts=1)
    ecs.next("run_task", *[ReadTimeoutError()] * 20)
    fleet.add(launch)
    fleet.advance(1000)
    assert [type(event) for event in fleet.told] == [Accepted]


def test_a_conflict_that_names_nothing_fails_the_launch(fakes, fleet, ecs, launch):
    """A conflict without the ECS task's ARN is a refusal like any other."""
    ecs.next("run_task", fakes.aws_error("ConflictException"))
    fleet.add(launch)
    fleet.advance(600)
    assert "ConflictException" in failed(fleet, launch)
    assert len(ecs.tokens) == 1


def test_an_error_that_passes_does_not_settle_an_unknown_outcome(fakes, fleet, ecs, launch):
    """It does not say what an earlier call with the same token has started, so the same is sent again."""
    passes = fakes.aws_error("ClientException", "Tasks provisioning capacity limit exceeded.")
    ecs.next("run_task", fakes.Lost(ReadTimeoutError()), passes)
    fleet.add(launch)
    fleet.advance(60)
    assert len(set(ecs.tokens)) == len(ecs.arns) == 1
    assert [type(event) for event in fleet.told_of(launch)] == [Accepted]


def test_an_agent_that_reconnects_costs_no_attempt(fakes, make_fleet, ecs, launch):
    """Neither as a failure in the answer to RunTask, nor as the reason for an ECS task's end."""
    fleet = make_fleet(max_launch_attempts=1)
    ecs.next("run_task", {"tasks": [], "failures": [{"reason": "AGENT"}]})
    fleet.add(launch)
    fleet.advance(10)
    ecs.break_at_start(ecs.arns[0], "AGENT")
    fleet.advance(30)
    ecs.exit(ecs.arns[1], 0)
    fleet.advance(10)
    assert len(set(ecs.tokens)) == 3
    assert fleet.told_of(launch, Ended)[0].reason is None


def test_new_attempts_back_off(fakes, make_fleet, ecs, launch):
    """The wait before a new attempt doubles."""
    fleet = make_fleet(max_launch_attempts=5)
    ecs.next("run_task", *[ATTRIBUTE] * 4)
    fleet.add(launch)
    fleet.advance(600)
    times = [call.at for call in ecs.made("run_task")]
    assert [round(b - a, 6) for a, b in zip(times, times[1:])] == [2, 4, 8, 16]


def test_waiting_for_capacity_backs_off(fakes, fleet, ecs, launch):
    """The waits for capacity grow up to the limit, even if RunTask accepts each ECS task at first."""
    fleet.add(launch)
    for _ in range(200):
        ecs.break_at_start(ecs.arns[-1], "Capacity is unavailable at this time.")
        fleet.advance(1)
    times = [call.at for call in ecs.made("run_task")]
    waits = [b - a for a, b in zip(times, times[1:])]
    assert all(b >= a for a, b in zip(waits, waits[1:]))
    assert waits[:5] == [4, 4, 8, 16, 30]


def test_lack_of_capacity_is_noted_after_an_unknown_outcome(fakes, fleet, ecs, launch):
    """A clear answer to a resend settles the attempt."""
    ecs.next("run_task", ReadTimeoutError(), ReadTimeoutError(), NO_CAPACITY, NO_CAPACITY)
    fleet.add(launch)
    fleet.advance(60)
    assert len(fleet.told_of(launch, Noted)) == 1
    assert fleet.told_of(launch, Accepted)


def test_an_earlier_attempts_ecs_task_is_not_taken_for_that_of_the_last(fakes, fleet, ecs):
    """An ECS task that failed to start before is not what a later attempt may have started."""
    launch = fakes.make_launch(expires=fleet.clock.at + 100)
    fleet.add(launch)
    ecs.break_at_start(ecs.arns[0])
    ecs.next("run_task", *[ReadTimeoutError()] * 100)
    fleet.advance(600)
    assert "token" in failed(fleet, launch)
    assert len(fleet.told_of(launch, Accepted)) == 1


@pytest.mark.parametrize("seconds", [42, 60, 160])
def test_a_launch_that_is_revoked_during_the_search_leaves_no_ecs_task(fakes, fleet, ecs, seconds):
    """The search goes on to its end, and what it finds is stopped; there is no event."""
    launch = fakes.make_launch(expires=fleet.clock.at + 100)
    ecs.next("run_task", fakes.Lost(ReadTimeoutError()), *[ReadTimeoutError()] * 100)
    fleet.add(launch)
    (arn,) = ecs.arns
    ecs.start(arn)
    ecs.hidden.add(arn)
    fleet.advance(seconds)
    assert fleet.fleet.awaited == 0
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.settle()
    assert fleet.fleet.awaited == 1
    fleet.advance(195 - seconds)
    assert not ecs.made("stop_task")
    ecs.hidden.clear()
    fleet.advance(600)
    assert [call.arguments[1] for call in ecs.made("stop_task")] == [arn]
    assert fleet.told == []


def test_capacity_waits_in_between_leave_the_attempts_alone(fakes, make_fleet, ecs, launch):
    """Attempts that failed count; waits for capacity between them do not."""
    fleet = make_fleet(max_launch_attempts=3)
    ecs.next("run_task", ATTRIBUTE, NO_CAPACITY, ATTRIBUTE, NO_CAPACITY, NO_CAPACITY, ATTRIBUTE)
    fleet.add(launch)
    fleet.advance(600)
    assert len(ecs.tokens) == 6
    assert "Attempts: 3 of 3" in failed(fleet, launch)


def test_calls_that_are_throttled_together_count_as_one_refusal(fakes, make_fleet, ecs):
    """Sixteen throttled calls that were under way together lower the rate once."""
    fleet = make_fleet()
    ecs.next("run_task", *[fakes.aws_error(*THROTTLED) for _ in range(16)])
    fleet.pools["launch"].held = True
    fleet.add(*[fakes.make_launch(n) for n in range(16)])
    fleet.pools["launch"].held = False
    while fleet.pools["launch"].step():
        pass
    began = fleet.clock.at
    fleet.advance(600)
    again = [call.at - began for call in ecs.made("run_task")[16:]]
    assert len(again) == 16
    # At three tenths of the rate of 20 a second, growing.
    assert again[:4] == pytest.approx([0.17, 0.3, 0.4, 0.5], abs=0.1)
    assert again[-1] < 2.7


def test_refused_credentials_are_renewed(fakes, fleet, ecs, launch):
    """After refused credentials the next call has a new client; after throttling it has not."""
    ecs.next("run_task", fakes.aws_error(*THROTTLED), fakes.aws_error(*EXPIRED), fakes.aws_error(*EXPIRED))
    fleet.add(launch)
    assert ecs.renewed == 0
    fleet.advance(600)
    assert ecs.renewed == 2


def test_throttling_wrapped_in_another_error_is_throttling(fakes, fleet, ecs, launch):
    """ECS reports EC2's throttling in an InvalidParameterException."""
    words = "Error retrieving security group information: Rate exceeded (ErrorCode: Throttling)"
    ecs.next("run_task", fakes.aws_error("InvalidParameterException", words))
    fleet.add(launch)
    fleet.advance(30)
    assert [type(event) for event in fleet.told] == [Accepted]


@pytest.mark.parametrize(("after", "ended"), [(REVOCATION - 2, 0), (REVOCATION, 1)])
def test_a_launch_that_is_not_revoked_fails_in_the_end(fakes, fleet, ecs, after, ended):
    """If Airflow's queued timeout does not revoke the launch, it fails rather than wait for ever."""
    launch = fakes.make_launch(expires=fleet.clock.at + MIN_TOKEN_LIFE - 1)
    fleet.add(launch)
    fleet.advance(after)
    assert len(fleet.told_of(launch, Ended)) == ended
    assert len(fleet.told_of(launch, Noted)) == 1
    assert ecs.tokens == []
    assert len(fleet.fleet.runs_by_id) == 1 - ended


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda f: ATTRIBUTE, id="never started"),
        pytest.param(lambda f: NO_CAPACITY, id="no capacity"),
        pytest.param(lambda f: f.aws_error(*THROTTLED), id="throttled"),
        pytest.param(lambda f: f.aws_error(*EXPIRED), id="credentials refused"),
    ],
)
def test_no_attempt_begins_in_the_tokens_last_minute(fakes, make_fleet, ecs, answer):
    """However often AWS has started nothing before, no call is made in the token's last minute or later."""
    fleet = make_fleet(max_launch_attempts=10**6)
    ecs.next("run_task", *[answer(fakes) for _ in range(1000)])
    end = fleet.clock.at + 600
    fleet.add(fakes.make_launch(expires=end))
    fleet.advance(3600)
    last = max(call.at for call in ecs.made("run_task"))
    assert end - 60 - 40 < last <= end - 60
    assert not ecs.arns


@pytest.mark.parametrize(
    ("ahead", "last"),
    [
        pytest.param(0, 540, id="both clocks agree"),
        pytest.param(200, 340, id="the host was suspended"),
        pytest.param(3600, 100, id="the host was suspended for longer than the token lives"),
        pytest.param(-300, 540, id="the wall clock was set back"),
    ],
)
def test_a_token_ends_by_the_clock_that_says_it_is_sooner(fakes, make_fleet, ecs, ahead, last):
    """A monotonic clock stands still while its host is suspended, and a wall clock can be set back."""
    fleet = make_fleet(max_launch_attempts=10**6)
    ecs.next("run_task", *[NO_CAPACITY] * 1000)
    launch = fakes.make_launch(expires=fleet.clock.at + 600)
    begun = fleet.clock.at
    fleet.add(launch)
    fleet.advance(100)
    fleet.ahead = ahead
    fleet.advance(1800)
    assert last - 40 < ecs.made("run_task")[-1].at - begun <= last
    assert [event.text for event in fleet.told_of(launch, Noted) if "expires in under 60 s" in event.text]
    assert len(fleet.told_of(launch, Ended)) == 1
    assert not ecs.arns


def test_the_request_of_a_launch_is_made_once(fakes, make_fleet, ecs, launch):
    """Each attempt sends the same frozen request: the user's function is not called again."""
    request = Prepared({"cluster": "cluster", "overrides": {}}, "airflow")
    build = mock.create_autospec(lambda launch: request, return_value=request)
    fleet = make_fleet(build)
    ecs.next("run_task", ATTRIBUTE, ReadTimeoutError())
    fleet.add(launch)
    fleet.advance(60)
    assert len(ecs.tokens) == 3
    build.assert_called_once_with(launch)
