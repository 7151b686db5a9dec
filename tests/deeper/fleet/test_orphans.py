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
"""ECS tasks that no launch wants any more are found and stopped."""

from __future__ import annotations

import itertools
from collections import Counter
from concurrent.futures import Future
from unittest import mock

import pytest

from airflow.executors.fargate.aws.ecs import MAX_DESCRIBED, MAX_LISTED
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


def test_without_an_interval_nothing_is_swept(make_fleet, ecs, run):
    """Outside of a scheduler there is no database to compare with."""
    run()
    fleet = make_fleet()
    fleet.settle()
    fleet.advance(10 * INTERVAL)
    assert not ecs.made("list_tasks")


def test_where_no_option_names_a_cluster_nothing_is_swept(fakes, ecs, clock):
    """A function of the user's own may choose it: it is not known where to search."""
    fleet = fakes.SteppedFleet(ecs, fakes.make_config(cluster=""), sweep_interval=INTERVAL, clock=clock)
    fleet.settle()
    fleet.advance(INTERVAL)
    assert ecs.calls == []


def test_sweeps_come_soon_at_first_and_then_each_interval(fleet, ecs):
    """A scheduler that has just begun may find what its predecessor left; later the interval is Airflow's."""
    fleet.settle()
    fleet.advance(sum(FIRST_DELAYS) + len(FIRST_DELAYS) + 1)
    assert len(ecs.made("list_tasks")) == len(FIRST_DELAYS)
    fleet.advance(10 * INTERVAL)
    assert 9 <= len(ecs.made("list_tasks")) - len(FIRST_DELAYS) <= 10


def test_an_interval_of_nothing_is_no_busy_loop(fakes, ecs, clock):
    """[scheduler] orphaned_tasks_check_interval may be 0."""
    fleet = fakes.SteppedFleet(ecs, sweep_interval=0.0, clock=clock)
    fleet.advance(60)
    assert 30 <= len(ecs.made("list_tasks")) <= 60


def test_after_an_adoption_sweeps_come_sooner(fleet, ecs):
    """What was found to have no ECS task, and was reset, may have one later."""
    fleet.advance(INTERVAL)
    before = len(ecs.made("list_tasks"))
    fleet.tell(fleet.fleet.adopt, [], Future())
    fleet.advance(sum(FIRST_DELAYS) + len(FIRST_DELAYS) + 1)
    looks = [call for call in ecs.made("list_tasks")[before:] if call.arguments[2] == "RUNNING"]
    assert len(looks) >= len(FIRST_DELAYS)


@pytest.mark.parametrize("count", [0, 99, 100, 101, 450])
def test_an_orphan_is_described_once_and_reported_each_time(fleet, ecs, run, count):
    """One call lists a hundred; one describes a hundred new ones, and none those seen before."""
    fleet.settle()
    arns = {run(number, started=True) for number in range(count)}
    fleet.advance(2 * INTERVAL)
    assert len(ecs.made("describe_tasks")) == -(-count // MAX_DESCRIBED)
    assert all(report == arns for report in told(fleet))
    before = len(ecs.calls)
    assert sweep(fleet) == ([arns] if count else [])
    pages = count // MAX_LISTED + 1
    assert {call.name for call in ecs.calls[before:]} == {"list_tasks"}
    assert len(ecs.calls[before:]) in (pages, 2 * pages, count // MAX_LISTED, 2 * (count // MAX_LISTED))


@pytest.fixture
def fleet_of_three(fakes, ecs, clock):
    """Return a fleet that sweeps three clusters."""
    queues = {name: {"cluster": name} for name in ("cluster", "second", "third")}
    return fakes.SteppedFleet(ecs, fakes.make_config(queues=queues), sweep_interval=INTERVAL, clock=clock)


@pytest.mark.parametrize("counts", [(0, 0, 0), (1, 0, 1), (0, 99, 0), (101, 5, 250)])
def test_each_cluster_is_listed_once_and_what_is_new_described_by_cluster(fleet_of_three, ecs, run, counts):
    """Each cluster's list is read once, page by page; no call mixes clusters."""
    fleet, numbers = fleet_of_three, itertools.count()
    clusters = ("cluster", "second", "third")
    arns = {c: {run(next(numbers), cluster=c) for _ in range(count)} for c, count in zip(clusters, counts)}
    reports = first_sweep(fleet) or sweep(fleet)
    assert reports[:1] == ([set().union(*arns.values())] if sum(counts) else [])
    described = [(call.arguments[0], set(call.arguments[1])) for call in ecs.made("describe_tasks")]
    assert all(some <= arns[cluster] for cluster, some in described)
    assert sum(len(some) for _, some in described) == sum(counts)
    assert len(described) == sum(-(-count // MAX_DESCRIBED) for count in counts)
    fleet.advance(INTERVAL)
    ecs.calls.clear()
    fleet.advance(INTERVAL - 1)
    listed = Counter(call.arguments[0] for call in ecs.made("list_tasks"))
    assert listed == {c: max(1, -(-count // MAX_LISTED)) for c, count in zip(clusters, counts)}
    assert not ecs.made("describe_tasks")


@pytest.mark.parametrize("call", ["list_tasks", "describe_tasks"])
def test_a_cluster_that_aws_refuses_does_not_keep_the_others_from_being_swept(
    fleet_of_three, fakes, ecs, run, call, monkeypatch
):
    """A queue's cluster may be gone or forbidden: that is logged once, and the others are swept."""
    log = mock.create_autospec(orphans.log, instance=True)
    monkeypatch.setattr(orphans, "log", log)
    run(2, cluster="second")
    others = {run(1), run(3, cluster="third")}

    def answer(cluster, *arguments):
        if cluster == "second":
            raise fakes.aws_error("AccessDeniedException")
        return real[call](cluster, *arguments)

    real = {
        "list_tasks": lambda cluster, *_: {"taskArns": [a for a in others if f"/{cluster}/" in a]},
        "describe_tasks": ecs._describe_tasks,
    }
    ecs.next(call, *[answer] * 50)
    assert sweep(fleet_of_three) == [others]
    assert sweep(fleet_of_three) == [others]
    (line,) = [call.args[0] % call.args[1:] for call in log.warning.call_args_list]
    assert "in cluster second: " in line
    assert "AccessDeniedException" in line


def test_the_fleet_s_own_ecs_tasks_are_not_described_for_it(fleet, fakes, ecs, run):
    """They are followed anyway."""
    fleet.add(*[fakes.make_launch(number) for number in range(50)])
    fleet.advance(1)
    own, other_ecs_task = set(ecs.arns), run(1000)
    fleet.advance(FIRST_DELAYS[0] + 2)
    described = [set(call.arguments[1]) for call in ecs.made("describe_tasks")]
    assert [arns for arns in described if arns - own] == [{other_ecs_task}]


def test_a_sweep_leaves_nine_tenths_of_the_calls_to_others(fleet, ecs, run):
    """Between two calls of a sweep there is time for nine others."""
    for number in range(1000):
        run(number)
    fleet.advance(INTERVAL)
    times = [call.at for call in ecs.calls]
    assert len(times) >= 20
    assert all(later - earlier >= 1.0 for earlier, later in zip(times, times[1:]))


def test_what_has_gone_is_forgotten(fleet, ecs, run):
    """ECS tasks that are no longer listed leave memory."""
    arn = run(started=True)
    assert sweep(fleet) == [{arn}]
    ecs.exit(arn, 0)
    assert sweep(fleet) == []
    assert fleet.fleet.orphans._seen == {}


def test_what_may_have_started_meanwhile_is_looked_at_again(fleet, ecs, run):
    """An orphan that was described long ago as not started is described again before it is stopped."""
    arn = run()
    assert sweep(fleet) == [{arn}]
    assert sweep(fleet) == [{arn}]
    ecs.start(arn)
    stop(fleet, arn)
    assert stopped(ecs) == []
    told(fleet)
    fleet.advance(FIRST_DELAYS[0] + 2)
    (report,) = [event for event in fleet.told if isinstance(event, OtherEcsTasks)]
    assert [s.started for s in report.ecs_tasks] == [True]


def test_an_orphan_seen_long_ago_that_has_still_not_started_is_stopped(fleet, ecs, run):
    """It takes one more look."""
    arn = run()
    sweep(fleet)
    sweep(fleet)
    stop(fleet, arn)
    fleet.advance(FIRST_DELAYS[0] + 2)
    stop(fleet, arn)
    assert stopped(ecs) == [arn]


def test_throttling_slows_down_all_looks(fleet, fakes, ecs, run):
    """The bucket is that of the looks at ECS tasks: where a sweep is throttled they are, too."""
    run()
    ecs.next("list_tasks", fakes.aws_error("ThrottlingException"))
    (shared, _), (bucket,) = fleet.fleet.calls.search.buckets, fleet.fleet.calls.watch.buckets
    before = bucket.rate_at(fleet.clock.at)
    fleet.advance(FIRST_DELAYS[0])
    assert bucket.rate_at(fleet.clock.at) < before
    assert shared is bucket


@pytest.mark.parametrize(
    "answer", [{}, {"tasks": None}, {"tasks": [None, {}, {"taskArn": 1}]}, [], "garbage"]
)
def test_an_answer_that_is_none_does_no_harm(fleet, ecs, run, answer):
    """Whatever DescribeTasks answers, the fleet's thread lives, and the next sweep asks again."""
    arn = run()
    ecs.next("describe_tasks", answer)
    fleet.advance(FIRST_DELAYS[0] + 2)
    assert told(fleet) == []
    assert sweep(fleet) == [{arn}]


def test_after_the_thread_died_the_sweep_is_left_off(fleet, ecs, run):
    """An answer of before counts for nothing, and the next sweep comes in its time."""
    arn = run()
    fleet.advance(FIRST_DELAYS[0] - 1)
    fleet.hold()
    fleet.advance(2)
    fleet.fleet.recover()
    fleet.hold(False)
    fleet.settle()
    fleet.advance(3)
    assert told(fleet) == []
    assert sweep(fleet) == [{arn}]


def test_a_bug_ends_one_sweep_and_comes_no_sooner_than_the_next(fleet, ecs, run, monkeypatch):
    """What it dies of does not end the thread again and again."""
    arn = run()
    with monkeypatch.context() as patch:
        patch.setattr(orphans, "classify_ecs_task", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fleet.advance(FIRST_DELAYS[0] + 2)
        fleet.fleet.recover()
        assert fleet.settle() >= fleet.clock.at + FIRST_DELAYS[1]
    assert told(fleet) == []
    assert sweep(fleet) == [{arn}]
