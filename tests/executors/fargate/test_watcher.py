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

import itertools
import logging
from collections import Counter
from unittest import mock

import pytest

from airflow.executors.fargate.aws.ecs import MAX_DESCRIBED
from airflow.executors.fargate.fleet import calls, watcher
from airflow.executors.fargate.fleet.watcher import (
    APPEARANCE,
    DISAPPEARANCE,
    REFUSED_PAUSE,
)
from airflow.executors.fargate.messages import Accepted, Ended

THROTTLED = ("ThrottlingException", "Rate exceeded")


EXPIRED = ("ExpiredTokenException", "The security token included in the request is expired")


DENIED = ("AccessDeniedException", "not authorized to perform: ecs:DescribeTasks")


@pytest.fixture
def launch(fakes):
    return fakes.make_launch()


@pytest.fixture
def run_many(fakes, ecs, caplog):
    """Return a function that has a fleet launch so many ECS tasks, and lets them run."""
    # Lines for each of a crowd cost more time than what the tests are about.
    caplog.set_level(logging.WARNING, "airflow.executors.fargate")

    def run(fleet, count, clusters=(None,)):
        asked = itertools.cycle({"cluster": name} if name else None for name in clusters)
        launches = [fakes.make_launch(number, executor_config=next(asked)) for number in range(count)]
        fleet.add(*launches)
        while len(ecs.arns) < count:
            fleet.advance(1)
        for arn in ecs.arns:
            ecs.start(arn)
        return launches

    return run


def looks(ecs, since=0.0):
    """Return how often each ECS task was asked for."""
    return Counter(
        arn for call in ecs.made("describe_tasks") if call.at >= since for arn in call.arguments[1]
    )


def end_of(fleet, launch):
    (end,) = fleet.told_of(launch, Ended)
    return end


def test_an_ecs_task_that_finishes_well_ends_its_launch_well(fleet, ecs, launch):
    """Exit code 0 is told once, with the ECS task, and nothing is asked for afterwards."""
    fleet.add(launch)
    fleet.advance(60)
    ecs.start(ecs.arns[0])
    fleet.advance(60)
    assert not fleet.told_of(launch, Ended)
    ecs.exit(ecs.arns[0], 0)
    fleet.advance(60)
    assert (end_of(fleet, launch).reason, end_of(fleet, launch).arn) == (None, ecs.arns[0])
    assert fleet.settle() is None
    assert not fleet.fleet.runs_by_id


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [
        (1, "Essential container in task exited", "exited with code 1"),
        (137, "OutOfMemoryError: container killed", "OutOfMemory"),
        (143, "Task stopped by somebody", "exited with code 143"),
        (None, "ECS is performing maintenance on the underlying infrastructure", "without an exit code"),
    ],
)
def test_an_ecs_task_that_fails_fails_its_launch(fleet, ecs, launch, code, reason, told):
    """Any other exit code fails the launch with its reason, and so does none at all."""
    fleet.add(launch)
    ecs.exit(ecs.arns[0], code, reason)
    fleet.advance(60)
    assert told in end_of(fleet, launch).reason
    assert reason in end_of(fleet, launch).reason


@pytest.mark.parametrize(("own", "sidecar", "finished"), [(0, 1, True), (0, None, True), (1, 0, False)])
def test_sidecars_do_not_count(fleet, ecs, launch, own, sidecar, finished):
    """The exit code of the main container decides, wherever in the list it stands."""
    fleet.add(launch)
    (arn,) = ecs.arns
    ecs.exit(arn, own)
    ecs.tasks[arn]["containers"].insert(0, {"name": "guard", "lastStatus": "STOPPED"})
    if sidecar is not None:
        ecs.tasks[arn]["containers"][0]["exitCode"] = sidecar
    fleet.advance(60)
    assert (end_of(fleet, launch).reason is None) is finished


@pytest.mark.parametrize("interval", [0.5, 2.0, 30.0])
def test_an_ecs_task_is_looked_at_once_in_each_interval(fakes, make_fleet, ecs, interval):
    """The first call is an interval after AWS has accepted the ECS task, the next ones an interval apart."""
    fleet = make_fleet(poll_interval=interval)
    fleet.add(fakes.make_launch())
    began = fleet.clock.at
    fleet.advance(interval * 5)
    assert [call.at - began for call in ecs.made("describe_tasks")] == pytest.approx(
        [interval * n for n in range(1, 6)]
    )


def test_a_hundred_ecs_tasks_share_a_call(make_fleet, run_many, ecs):
    """No call is for more than AWS admits; runs that began at different times soon share their calls."""
    fleet = make_fleet()
    run_many(fleet, 250)
    fleet.advance(10)
    since = fleet.clock.at
    fleet.advance(20)
    sizes = [len(call.arguments[1]) for call in ecs.made("describe_tasks")]
    assert max(sizes) <= MAX_DESCRIBED
    calls = [call for call in ecs.made("describe_tasks") if call.at > since]
    assert len(calls) <= 4 * 10 + 4  # Ten intervals, a call for each quarter of one.
    assert set(looks(ecs, since).values()) <= {9, 10, 11}


def test_who_has_waited_longest_comes_first(make_fleet, run_many, ecs):
    """If the interval cannot be kept, each call is for the ECS tasks that have waited longest."""
    fleet = make_fleet(poll_interval=0.1)
    run_many(fleet, 250)
    fleet.advance(20)
    last = {}
    for call in ecs.made("describe_tasks"):
        asked = call.arguments[1]
        if len(last) == 250 and call.at > fleet.clock.at - 10:
            assert max(last[arn] for arn in asked) <= min(last[arn] for arn in last if arn not in asked)
        last.update(dict.fromkeys(asked, call.at))
    times = [call.at for call in ecs.made("describe_tasks") if call.at > fleet.clock.at - 10]
    assert len(times) == pytest.approx(10 * 10, abs=2)


@pytest.mark.parametrize(
    ("rate", "count", "clusters"), [(10.0, 9, ("cluster", "other", "third")), (2.0, 300, (None,))]
)
def test_looks_keep_to_the_rate_that_is_set(make_fleet, run_many, ecs, rate, count, clusters):
    """No minute has more calls than describe_rate allows; at once there are at most those of a second."""
    fleet = make_fleet(poll_interval=0.1, describe_rate=rate)
    run_many(fleet, count, clusters)
    fleet.advance(130)
    times = [call.at for call in ecs.made("describe_tasks")]
    for number, at in enumerate(times):
        assert number + 1 <= rate * (1 + at - times[0]) + 1e-3
        assert sum(at <= later < at + 60 for later in times) <= 60 * rate
    assert len(times) == pytest.approx(rate * (fleet.clock.at - times[0]), rel=0.03)


def test_clusters_are_asked_apart(fakes, fleet, ecs):
    """A call names one cluster, so ECS tasks of different clusters never share one; all are followed."""
    names = ["cluster", "other", "third"]
    launches = [fakes.make_launch(n, executor_config={"cluster": names[n % 3]}) for n in range(30)]
    fleet.add(*launches)
    fleet.advance(3)
    for call in ecs.made("describe_tasks"):
        assert {ecs.tasks[arn]["clusterArn"].rpartition("/")[2] for arn in call.arguments[1]} == {
            call.arguments[0]
        }
    for arn in ecs.arns:
        ecs.exit(arn, 0)
    fleet.advance(5)
    assert [end_of(fleet, launch).reason for launch in launches] == [None] * 30


def test_missing_at_first_is_no_end(fleet, ecs, launch):
    """ECS is eventually consistent: an ECS task that DescribeTasks does not know yet is waited for."""
    fleet.add(launch)
    (arn,) = ecs.arns
    ecs.hidden.add(arn)
    fleet.advance(APPEARANCE - 40)
    assert not fleet.told_of(launch, Ended)
    ecs.hidden.clear()
    ecs.exit(arn, 0)
    fleet.advance(40)
    assert end_of(fleet, launch).reason is None
    assert len(ecs.tokens) == 1


@pytest.mark.parametrize(("seen", "limit"), [(False, APPEARANCE), (True, DISAPPEARANCE)])
def test_missing_for_ever_fails_the_launch(fleet, ecs, launch, seen, limit):
    """An ECS task never listed, or not listed for a minute, fails its launch; none is launched again."""
    fleet.add(launch)
    (arn,) = ecs.arns
    if seen:
        ecs.start(arn)
        fleet.advance(10)
    ecs.hidden.add(arn)
    fleet.advance(limit - 5)
    assert not fleet.told_of(launch, Ended)
    fleet.advance(60)
    assert "MISSING" in end_of(fleet, launch).reason
    assert arn in end_of(fleet, launch).reason
    fleet.advance(600)
    assert len(ecs.tokens) == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda f: f.aws_error(*THROTTLED), id="throttled"),
        pytest.param(lambda f: f.aws_error(*EXPIRED), id="credentials refused"),
        pytest.param(lambda f: f.aws_error(*DENIED), id="access denied"),
        pytest.param(lambda f: f.aws_error("ServerException", status=500), id="500"),
        pytest.param(lambda f: ConnectionResetError(), id="reset"),
        pytest.param(lambda f: ValueError("not JSON"), id="cannot be parsed"),
        pytest.param(lambda f: "garbage", id="garbage"),
    ],
)
def test_a_look_that_fails_tells_nothing_of_ecs_tasks(fakes, fleet, ecs, launch, answer):
    """Whatever keeps AWS from answering, each ECS task counts as unchanged, and is described again."""
    other = fakes.make_launch(1)
    fleet.add(launch, other)
    for arn in ecs.arns:
        ecs.start(arn)
    ecs.next("describe_tasks", *[answer(fakes) for _ in range(5)])
    with mock.patch.object(watcher, "log", autospec=True) as log:
        with mock.patch.object(calls, "log", log):
            fleet.advance(REFUSED_PAUSE * 5)
    assert log.warning.called
    assert {type(event) for event in fleet.told} == {Accepted}
    for arn in ecs.arns:
        ecs.exit(arn, 0)
    fleet.advance(60)
    assert [end_of(fleet, each).reason for each in (launch, other)] == [None, None]
    assert len(ecs.tokens) == 2


@pytest.mark.parametrize(
    "malformed",
    [
        pytest.param(None, id="null"),
        pytest.param({"taskArn": ["a", "list"]}, id="ARN is a list"),
        pytest.param({"taskArn": "of somebody else", "lastStatus": "STOPPED"}, id="not asked for"),
        pytest.param({"taskArn": "mine", "containers": "text", "lastStatus": []}, id="odd members"),
        pytest.param({"taskArn": "mine", "containers": [None, 5, {"name": "airflow"}]}, id="odd containers"),
        pytest.param(
            {"taskArn": "mine", "containers": [{"name": "airflow", "exitCode": "0"}], "startedAt": {}},
            id="exit code is text",
        ),
    ],
)
def test_a_malformed_task_harms_nobody_else(fakes, fleet, ecs, launch, malformed):
    """A malformed ECS task in an answer does not affect the others."""
    others = [fakes.make_launch(number) for number in range(1, 5)]
    fleet.add(*others, launch)
    *good, mine = ecs.arns
    for arn in good:
        ecs.exit(arn, 0)
    if isinstance(malformed, dict) and malformed.get("taskArn") == "mine":
        malformed = {**malformed, "taskArn": mine}
    ecs.next("describe_tasks", {"tasks": [malformed, *[ecs.tasks[arn] for arn in good]], "failures": [None]})
    fleet.advance(3)
    assert [end_of(fleet, other).reason for other in others] == [None] * 4
    assert not fleet.told_of(launch, Ended)
    ecs.exit(mine, 0)
    fleet.advance(60)
    assert end_of(fleet, launch).reason is None


def test_a_revoked_ecs_task_is_stopped_with_the_reason(fleet, ecs, launch):
    """StopTask names the cluster, the ECS task and the reason, once; and the launch gets no more events."""
    fleet.add(launch)
    (arn,) = ecs.arns
    ecs.start(arn)
    fleet.tell(fleet.fleet.revoke, launch.id, "it was queued for too long")
    fleet.advance(10)
    assert [call.arguments for call in ecs.made("stop_task")] == [
        ("cluster", arn, "it was queued for too long")
    ]
    ecs.exit(arn, 143)
    fleet.advance(10)
    assert [type(event) for event in fleet.told] == [Accepted]
    assert not fleet.fleet.runs_by_id


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda f: f.aws_error("ServerException", status=500), id="500"),
        pytest.param(lambda f: ConnectionResetError(), id="reset"),
    ],
)
def test_a_stop_is_repeated_until_aws_has_taken_it(fakes, fleet, ecs, launch, answer):
    """A StopTask call that got no answer is made again, ever later."""
    fleet.add(launch)
    ecs.next("stop_task", *[answer(fakes) for _ in range(5)])
    fleet.tell(fleet.fleet.revoke, launch.id, "why")
    fleet.advance(200)
    times = [call.at for call in ecs.made("stop_task")]
    assert [round(b - a, 6) for a, b in zip(times, times[1:])] == [1, 2, 4, 8, 16]
    assert ecs.tasks[ecs.arns[0]]["desiredStatus"] == "STOPPED"
    assert fleet.fleet.awaited == 0
