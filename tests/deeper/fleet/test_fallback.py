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
"""Tests of capacity_provider_fallback, which a launch goes on with when AWS has no capacity."""

from __future__ import annotations

import pytest

from airflow.executors.fargate.aws.arns import ecs_task_id
from airflow.executors.fargate.messages import Accepted, Ended, Noted

SPOT = {"capacityProvider": "FARGATE_SPOT", "weight": 1}


ON_DEMAND = {"capacityProvider": "FARGATE", "weight": 1}


NO_CAPACITY = {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time."}]}


QUOTA = {
    "tasks": [],
    "failures": [{"reason": "You've reached the limit on the number of vCPUs you can run concurrently"}],
}


class ReadTimeoutError(Exception):
    """Named like botocore's error: errors are classified by their name."""


@pytest.fixture
def launch(fakes):
    return fakes.make_launch()


@pytest.fixture
def fleet(make_fleet):
    """Return a fleet that asks for Spot, and falls back to on-demand capacity."""
    return make_fleet(
        capacity_provider_strategy=(SPOT,), capacity_provider_fallback=(ON_DEMAND,), max_launch_attempts=1
    )


def asked(ecs):
    """Return the capacity providers of each RunTask call, in their order."""
    return [
        [item["capacityProvider"] for item in call.arguments[0].get("capacityProviderStrategy", ())]
        for call in ecs.made("run_task")
    ]


def interrupted(ecs, arn):
    """Let Spot take back an ECS task that has not started."""
    ecs.tasks[arn].update(
        lastStatus="STOPPED", stopCode="SpotInterruption", stoppedReason="Your Spot Task was interrupted."
    )


@pytest.mark.parametrize("answer", [NO_CAPACITY, QUOTA], ids=["no capacity", "quota"])
def test_a_launch_without_capacity_goes_on_at_once_with_its_fallback(fleet, ecs, launch, answer):
    """RunTask finds no capacity: the fallback's request is sent at once, with a token of its own."""
    ecs.next("run_task", answer)
    fleet.add(launch)
    assert asked(ecs) == [["FARGATE_SPOT"], ["FARGATE"]]
    assert {call.at for call in ecs.made("run_task")} == {fleet.clock.at}
    assert len(set(ecs.tokens)) == 2
    assert len(fleet.told_of(launch, Accepted)) == 1
    (note,) = fleet.told_of(launch, Noted)
    assert note.text.endswith("Launching with [fargate] capacity_provider_fallback instead: FARGATE.")


@pytest.mark.parametrize("how", ["no capacity", "taken back"])
def test_an_ecs_task_that_finds_no_capacity_makes_the_launch_fall_back(fleet, ecs, launch, how):
    """AWS accepts an ECS task and then has no capacity for it, or takes it back before the start."""
    fleet.add(launch)
    if how == "no capacity":
        ecs.break_at_start(ecs.arns[0], "Capacity is unavailable at this time.")
    else:
        interrupted(ecs, ecs.arns[0])
    fleet.advance(5)
    assert asked(ecs) == [["FARGATE_SPOT"], ["FARGATE"]]
    (note,) = fleet.told_of(launch, Noted)
    assert ecs_task_id(ecs.arns[0]) in note.text


def test_a_fallback_without_capacity_waits_and_remains_the_fallback(fleet, ecs, launch):
    """From then on the launch waits, which costs no attempt and is noted once."""
    ecs.next("run_task", *[NO_CAPACITY] * 6)
    fleet.add(launch)
    fleet.advance(600)
    assert asked(ecs) == [["FARGATE_SPOT"], *[["FARGATE"]] * 6]
    times = [call.at for call in ecs.made("run_task")]
    assert times[0] == times[1]
    assert all(b > a for a, b in zip(times[1:], times[2:]))
    assert len(set(ecs.tokens)) == len(ecs.tokens)
    fell_back, waits = fleet.told_of(launch, Noted)
    assert "fallback" in fell_back.text
    assert waits.text.endswith("Trying again until there is capacity.")
    assert not fleet.told_of(launch, Ended)


def test_what_has_started_is_not_launched_again(fleet, ecs, launch):
    """If Spot takes back what runs, the launch has ended, and Airflow's retries decide."""
    fleet.add(launch)
    ecs.start(ecs.arns[0])
    fleet.advance(5)
    interrupted(ecs, ecs.arns[0])
    fleet.advance(600)
    assert asked(ecs) == [["FARGATE_SPOT"]]
    (end,) = fleet.told_of(launch, Ended)
    assert "SpotInterruption" in end.reason


def test_an_unknown_outcome_is_settled_before_the_fallback(fleet, ecs, launch):
    """The same request is sent with the same token, until AWS says that it has no capacity."""
    ecs.next("run_task", ReadTimeoutError(), ReadTimeoutError(), NO_CAPACITY)
    fleet.add(launch)
    fleet.advance(60)
    assert asked(ecs) == [["FARGATE_SPOT"]] * 3 + [["FARGATE"]]
    assert len(set(ecs.tokens[:3])) == 1
    assert len(set(ecs.tokens)) == 2
    assert len(ecs.arns) == 1


def test_a_fallback_that_aws_refuses_is_left(fakes, fleet, ecs, launch):
    """Nothing was started, so the launch waits for capacity with its first request."""
    refused = fakes.aws_error("InvalidParameterException", "not associated with the cluster")
    ecs.next("run_task", NO_CAPACITY, refused, NO_CAPACITY)
    fleet.add(launch)
    fleet.advance(60)
    assert asked(ecs) == [["FARGATE_SPOT"], ["FARGATE"], ["FARGATE_SPOT"], ["FARGATE_SPOT"]]
    assert len(fleet.told_of(launch, Accepted)) == 1
    _, left = fleet.told_of(launch, Noted)
    assert left.text.startswith("AWS refused [fargate] capacity_provider_fallback. ")
    assert "not associated with the cluster" in left.text


ENI = "Timeout waiting for network interface provisioning to complete."


def test_only_where_it_runs_differs(fleet, ecs, launch):
    """The fallback is the same request but for the strategy."""
    ecs.next("run_task", NO_CAPACITY)
    fleet.add(launch)
    first, second = (dict(call.arguments[0]) for call in ecs.made("run_task"))
    assert first.pop("capacityProviderStrategy") != second.pop("capacityProviderStrategy")
    assert first == second


def test_a_failure_of_another_kind_does_not_fall_back(fakes, make_fleet, ecs, launch):
    """A missing network interface is no lack of capacity: the launch tries the same again."""
    fleet = make_fleet(capacity_provider_strategy=(SPOT,), capacity_provider_fallback=(ON_DEMAND,))
    fleet.add(launch)
    ecs.break_at_start(ecs.arns[0], ENI)
    fleet.advance(60)
    assert asked(ecs) == [["FARGATE_SPOT"]] * 2


def test_attempts_after_the_fallback_stay_with_it(make_fleet, ecs, launch):
    """A failure of another kind does not bring back the first request."""
    fleet = make_fleet(capacity_provider_strategy=(SPOT,), capacity_provider_fallback=(ON_DEMAND,))
    ecs.next("run_task", NO_CAPACITY)
    fleet.add(launch)
    for number in range(3):
        ecs.break_at_start(ecs.arns[number], ENI)
        fleet.advance(60)
    assert asked(ecs) == [["FARGATE_SPOT"], *[["FARGATE"]] * 3]
    assert "Attempts: 3 of 3" in fleet.told_of(launch, Ended)[0].reason


def test_a_fallback_that_may_have_started_keeps_its_own_token(fakes, fleet, ecs, launch):
    """The fallback's attempt is one like any other: after a lost answer it is sent again unchanged."""
    ecs.next("run_task", NO_CAPACITY, fakes.Lost(ReadTimeoutError()), ReadTimeoutError())
    fleet.add(launch)
    fleet.advance(60)
    assert len(set(ecs.tokens[1:])) == 1
    assert [event.arn for event in fleet.told_of(launch, Accepted)] == ecs.arns
    assert len(ecs.arns) == 1


def test_a_fallback_that_aws_refuses_later_is_noted(fakes, fleet, ecs, launch):
    """Even if lack of capacity has been noted before."""
    refused = fakes.aws_error("InvalidParameterException", "not associated with the cluster")
    ecs.next("run_task", NO_CAPACITY, NO_CAPACITY, refused)
    fleet.add(launch)
    fleet.advance(60)
    assert "not associated with the cluster" in fleet.told_of(launch, Noted)[-1].text


def test_a_launch_that_is_revoked_does_not_fall_back(fleet, ecs, launch):
    """Airflow revokes the launch while its ECS task waits for capacity: there is no other one."""
    fleet.add(launch)
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    ecs.break_at_start(ecs.arns[0], "Capacity is unavailable at this time.")
    fleet.advance(600)
    assert len(ecs.made("run_task")) == 1
    assert not fleet.fleet.runs_by_id


@pytest.mark.parametrize(
    "options",
    [
        {"capacity_provider_strategy": (ON_DEMAND,)},
        {"capacity_provider_strategy": (), "launch_type": "FARGATE"},
    ],
    ids=["strategy", "launch type"],
)
def test_the_same_capacity_is_no_fallback(make_fleet, ecs, launch, options):
    """A launch does not ask for the same again: it waits, as without a fallback."""
    fleet = make_fleet(**options, capacity_provider_fallback=(ON_DEMAND,))
    ecs.next("run_task", NO_CAPACITY)
    fleet.add(launch)
    assert len(ecs.made("run_task")) == 1
    (note,) = fleet.told_of(launch, Noted)
    assert note.text.endswith("Trying again until there is capacity.")


def test_without_a_fallback_a_launch_waits(make_fleet, ecs, launch):
    """It asks for the same capacity each time."""
    fleet = make_fleet(capacity_provider_strategy=(SPOT,))
    ecs.next("run_task", *[NO_CAPACITY] * 3)
    fleet.add(launch)
    fleet.advance(60)
    assert asked(ecs) == [["FARGATE_SPOT"]] * 4
