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

import pytest

from airflow.executors.fargate.fleet import orphans
from airflow.executors.fargate.fleet.orphans import FIRST_DELAYS
from airflow.executors.fargate.launch import Identity
from airflow.executors.fargate.messages import OtherEcsTasks
from airflow.executors.fargate.present import ENDING, Candidate, is_orphaned

INTERVAL = 300.0


SCHEDULER = "7@1000.5"


@pytest.fixture
def fleet(fakes, ecs, clock):
    """Return a fleet that sweeps."""
    return fakes.SteppedFleet(ecs, sweep_interval=INTERVAL, clock=clock)


@pytest.fixture
def run(fakes, ecs):
    """Return a function that lets an ECS task run of which the fleet knows nothing."""

    def run(number=0, started=False, scheduler=SCHEDULER, **members):
        launch = fakes.make_launch(number, id=f"orphan-{number}", scheduler=scheduler)
        arn = ecs.put(fakes.make_request(launch, **members))
        if started:
            ecs.start(arn)
        return arn

    return run


def told(fleet):
    """Return the ARNs of each report so far, and forget them."""
    reports = [{s.arn for s in event.ecs_tasks} for event in fleet.told if isinstance(event, OtherEcsTasks)]
    fleet.told.clear()
    return reports


def stopped(ecs):
    return [call.arguments[1] for call in ecs.made("stop_task")]


def stop(fleet, *arns):
    fleet.tell(fleet.fleet.stop_orphans, list(arns))
    fleet.settle()


def sweep(fleet):
    """Let the next sweep be made, and return what it tells."""
    told(fleet)
    fleet.advance(INTERVAL + 10)
    return told(fleet)[-1:]


def first_sweep(fleet):
    """Let the first sweep be made, and return what it tells."""
    fleet.settle()
    fleet.advance(FIRST_DELAYS[0] + 2)
    return told(fleet)


def test_what_the_fleet_does_not_know_is_told(fleet, fakes, ecs, run):
    """The event has the launch and the cluster of each other ECS task, and whether it has started."""
    fleet.add(fakes.make_launch())
    new, started = run(1), run(2, started=True)
    fleet.advance(FIRST_DELAYS[0] + 2)
    (report,) = [event for event in fleet.told if isinstance(event, OtherEcsTasks)]
    found = {
        s.arn: (s.identity.launch_id, s.started, s.cluster == ecs.tasks[s.arn]["clusterArn"])
        for s in report.ecs_tasks
    }
    assert found == {new: ("orphan-1", False, True), started: ("orphan-2", True, True)}
    assert {s.identity.scheduler for s in report.ecs_tasks} == {SCHEDULER}


@pytest.mark.parametrize(
    ("members", "end"),
    [
        ({"startedBy": "another"}, None),
        ({"scheduler": None}, None),
        ({"overrides": {}}, None),
        ({}, 0),
        ({}, 1),
    ],
    ids=["another deployment", "no scheduler's", "no launch's", "finished", "failed"],
)
def test_what_is_ignored_is_not_reported(fleet, ecs, run, members, end):
    """ECS tasks of other deployments or of no known scheduler are ignored, and those that have ended."""
    arn = run(**members)
    ecs.next("list_tasks", *[{"taskArns": [arn]}] * 10)
    if end is not None:
        ecs.start(arn)
        ecs.tasks[arn]["containers"][0].update(lastStatus="STOPPED", exitCode=end)
    fleet.advance(2 * INTERVAL)
    assert told(fleet) == []


def test_a_launch_without_an_answer_yet_is_no_orphan(fleet, fakes, ecs):
    """While RunTask for it is under way, or repeated without an answer, its ECS task is the fleet's own."""
    ecs.next("run_task", *[fakes.Lost(ConnectionResetError())] * 100)
    fleet.add(fakes.make_launch(scheduler=SCHEDULER))
    fleet.advance(FIRST_DELAYS[0] + 2)
    assert ecs.arns
    assert told(fleet) == []


@pytest.mark.parametrize(
    ("options", "is_told"),
    [
        ({"queues": {"large": {"cluster": "other"}}}, True),
        ({"run_task_kwargs": {"cluster": "other"}}, True),
        ({"queues": {"large": {"launchType": "EC2"}}}, False),
    ],
)
def test_an_ecs_task_in_any_cluster_of_the_options_is_told(fakes, ecs, clock, run, options, is_told):
    """A queue may have a cluster of its own: orphans are searched for there, too, and stopped there."""
    fleet = fakes.SteppedFleet(ecs, fakes.make_config(**options), sweep_interval=INTERVAL, clock=clock)
    arn, other = run(1), run(2, cluster="other")
    fleet.settle()
    fleet.advance(FIRST_DELAYS[0] + 4)
    assert told(fleet) == [{arn, other} if is_told else {arn}]
    stop(fleet, arn, other)
    clusters = {call.arguments[1]: call.arguments[0].rpartition("/")[2] for call in ecs.made("stop_task")}
    assert clusters == ({arn: "cluster", other: "other"} if is_told else {arn: "cluster"})


@pytest.mark.parametrize(
    ("carried", "present", "state", "orphaned"),
    [
        ("one", "one", "queued", False),
        ("one", "one", "running", False),
        ("one", "two", "queued", True),
        ("one", "two", "running", True),
        # An older version's ECS task, and a newer one's.
        *[
            (*uuids, state, False)
            for uuids in ((None, "one"), ("one", None))
            for state in ("queued", "running")
        ],
    ],
)
def test_an_ecs_task_without_uuid_is_wanted_by_the_task_instance_of_its_coordinates(
    fakes, carried, present, state, orphaned
):
    """After an upgrade or a downgrade no UUID says that it is another one's."""
    identity = Identity("launch", fakes.make_task(uuid=carried), 1000.0, "airflow")
    row = Candidate(fakes.make_task(uuid=present), "key", None, 1000.0, state=state)
    assert is_orphaned(identity, row, "arn", runs_own_try=True) is orphaned


def test_an_orphan_that_has_not_started_is_stopped_at_once(fleet, ecs, run):
    """It is watched until it has stopped, without an event; others are left alone."""
    arn, other = run(1), run(2)
    assert first_sweep(fleet) == [{arn, other}]
    stop(fleet, arn)
    assert stopped(ecs) == [arn]
    assert ecs.tasks[arn]["stoppedReason"] == orphans.STOP_REASON
    ecs.break_at_start(arn)
    fleet.advance(5)
    assert not fleet.fleet.runs_by_id
    assert fleet.told == []
    assert sweep(fleet) == [{other}]
    assert stopped(ecs) == [arn]


def test_a_stop_that_fails_is_repeated(fleet, fakes, ecs, run):
    """Throttling, for one, does not keep an ECS task running."""
    arn = run()
    ecs.next("stop_task", fakes.aws_error("ThrottlingException"), ConnectionResetError())
    first_sweep(fleet)
    stop(fleet, arn)
    fleet.advance(60)
    assert stopped(ecs) == [arn] * 3
    assert ecs.tasks[arn]["desiredStatus"] == "STOPPED"


def test_what_has_started_may_end_by_itself(fleet, ecs, run):
    """It may be writing its log: it is stopped only once it has been an orphan for ENDING without a break."""
    arn = run(started=True)
    for _ in range(2):
        sweep(fleet)
        stop(fleet, arn)
    stop(fleet)
    waited = 0
    while not stopped(ecs):
        sweep(fleet)
        stop(fleet, arn)
        waited += INTERVAL + 10
    assert ENDING <= waited - INTERVAL - 10 <= ENDING + INTERVAL
    assert stopped(ecs) == [arn]


def test_what_was_adopted_meanwhile_is_not_stopped(fleet, fakes, ecs, run):
    """An answer that comes after the launch became the fleet's own stops nothing."""
    arn = run()
    first_sweep(fleet)
    fleet.add(fakes.make_launch(9, id="orphan-0"))
    stop(fleet, arn, "unknown")
    assert stopped(ecs) == []


@pytest.mark.parametrize("call", ["list_tasks", "describe_tasks"])
@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "ThrottlingException", "ExpiredTokenException", "ServerException", None]
)
def test_a_call_that_fails_ends_the_sweep_and_no_more(fleet, fakes, ecs, run, call, code):
    """The next sweep reports what this one has not; refused credentials are renewed."""
    arn = run()
    ecs.next(call, fakes.aws_error(code) if code else ConnectionResetError())
    fleet.advance(FIRST_DELAYS[0] + 2)
    assert told(fleet) == []
    assert sweep(fleet) == [{arn}]
    assert (ecs.renewed > 0) == (code == "ExpiredTokenException")
