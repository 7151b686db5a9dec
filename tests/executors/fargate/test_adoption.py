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
from collections import Counter
from concurrent.futures import Future
from functools import partial
from unittest import mock

import pytest

from airflow.executors.fargate import searching
from airflow.executors.fargate.adoption import (
    CLOCK_TOLERANCE,
    CONSISTENCY,
    SECOND_LOOK,
    Candidate,
    in_batches,
)
from airflow.executors.fargate.ecs import MAX_DESCRIBED
from airflow.executors.fargate.launch import Accepted, Ended, NotFound

#: When the task instances were queued for their present launch, and when that launch was handed over.
QUEUED, HANDED_OVER = 800.0, 801.0
#: The id that 3.2 and newer assign when they queue a task instance.
ASSIGNED = "6f2f3c1e-5a52-4ad4-9c5a-1f2c7f0f6f10"
#: Names of schedulers: that which asks, that which is gone, and one of which nothing is known.
OWN, GONE, OTHER = "9@9.000000", "3@3.000000", "5@5.000000"


@pytest.fixture
def candidate(fakes):
    """Return a function that makes the candidate of a task instance, as the database has it."""

    def make(number=0, external_id=None, queued_at=QUEUED, **members):
        task = fakes.make_task(number)
        return Candidate(task, f"key of {number}", external_id, queued_at, **members)

    return make


@pytest.fixture
def run(fakes, ecs):
    """Return a function that lets a container run for a launch of which the fleet knows nothing."""

    def run(
        number=0,
        handed_over=HANDED_OVER,
        launch_id=None,
        started=True,
        task=None,
        scheduler=None,
        database=None,
        **members,
    ):
        changes = {"id": launch_id or f"launch of {number} at {handed_over}", "handed_over": handed_over}
        changes.update({"task": task} if task else {}, scheduler=scheduler, database=database)
        launch = fakes.make_launch(number, **changes)
        arn = ecs.put(fakes.make_request(launch, **members))
        if started:
            ecs.start(arn)
        return arn

    return run


@pytest.fixture
def look(fleet):
    """Return a function that looks for the containers of candidates, and returns the answer."""

    def look(*candidates):
        reply = Future()
        fleet.tell(fleet.fleet.look_for, candidates, reply)
        fleet.settle()
        return reply.result(timeout=0)

    return look


def found(answer):
    return {match.candidate.key: match.arn for match in answer.found}


# Which container is the one.


@pytest.mark.parametrize(
    "stored", ["its ARN", "nothing", "an ARN that is gone", "the ARN of an earlier launch"]
)
def test_the_container_of_the_present_launch_is_found(look, run, candidate, stored):
    """Whatever the scheduler managed to store before it died, the container that runs for the launch is adopted."""
    earlier, present = run(handed_over=QUEUED - 300), run()
    external_id = {
        "its ARN": present,
        "nothing": None,
        "an ARN that is gone": present[:-8] + "deadbeef",
        "the ARN of an earlier launch": earlier,
    }[stored]
    answer = look(candidate(external_id=external_id))
    assert found(answer) == {"key of 0": present}
    assert answer.missing == ()


@pytest.mark.parametrize(
    ("options", "is_found"),
    [
        ({"queues": {"large": {"cluster": "other"}}}, True),
        ({"run_task_kwargs": {"cluster": "other"}}, True),
        ({"queues": {"large": {"launchType": "EC2"}}}, False),
    ],
)
def test_a_container_in_any_cluster_of_the_options_is_found(make_fleet, run, candidate, options, is_found):
    """A queue may have a cluster of its own: it is searched, too, where no ARN was stored."""
    fleet, arn, reply = make_fleet(**options), run(cluster="other"), Future()
    fleet.tell(fleet.fleet.look_for, [candidate()], reply)
    fleet.settle()
    assert found(reply.result(timeout=0)) == ({"key of 0": arn} if is_found else {})


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("end", [None, 0, 1])
def test_an_earlier_launch_never_counts(look, fleet, ecs, run, candidate, stored, end):
    """Where the present launch has no container, that of an earlier one is none, however it fares."""
    arn = run(handed_over=QUEUED - 300)
    if end is not None:
        ecs.exit(arn, end)
    present = candidate(external_id=arn if stored else None)
    answer = look(present)
    assert (answer.found, answer.missing) == ((), (present,))
    fleet.advance(60)
    assert fleet.told == []


@pytest.mark.parametrize(
    ("launch_id", "queued_at", "adopted"),
    [
        (ASSIGNED, QUEUED, True),
        (ASSIGNED, None, True),
        (ASSIGNED, HANDED_OVER + 50, True),
        ("another", QUEUED, False),
        ("another", None, False),
    ],
)
def test_an_assigned_id_decides_alone(look, run, candidate, launch_id, queued_at, adopted):
    """Where Airflow has assigned an id to the launch, the container with that id is its container; times do not count."""
    arn = run(launch_id=launch_id)
    answer = look(candidate(external_id=ASSIGNED, queued_at=queued_at))
    assert found(answer) == ({"key of 0": arn} if adopted else {})


@pytest.mark.parametrize(
    ("after_queued", "adopted"),
    [(-300, False), (-CLOCK_TOLERANCE - 0.1, False), (-CLOCK_TOLERANCE, True), (0, True), (5, True)],
)
def test_without_an_id_the_hand_over_must_come_after_the_queuing(look, run, candidate, after_queued, adopted):
    """Two schedulers' clocks may differ a little; beyond that, what was handed over before is an earlier launch."""
    arn = run(handed_over=QUEUED + after_queued)
    assert found(look(candidate())) == ({"key of 0": arn} if adopted else {})


@pytest.mark.parametrize(
    ("overwritten", "stored", "after_queued", "changes", "adopted"),
    [
        pytest.param(True, "its ARN", -5, {}, True, id="the clock was set back"),
        pytest.param(True, "its ARN", -3600, {}, True, id="the clock was set back an hour"),
        pytest.param(True, "its ARN", 1, {}, True, id="the clocks agree"),
        pytest.param(True, "another's ARN", -5, {}, False, id="the ARN of another ECS task"),
        pytest.param(True, "nothing", -5, {}, False, id="no ARN yet"),
        pytest.param(True, "its ARN", -5, {"try_number": 2}, False, id="another try"),
        pytest.param(True, "its ARN", -5, {"map_index": 1}, False, id="another map index"),
        # Up to 3.1 the ARN of an earlier launch stays until the next one is told.
        pytest.param(False, "its ARN", -5, {}, False, id="an older Airflow: an earlier launch"),
        pytest.param(False, "its ARN", -1, {}, True, id="an older Airflow: within the tolerance"),
        pytest.param(False, "another's ARN", -5, {}, False, id="an older Airflow: another ARN"),
    ],
)
def test_an_arn_that_each_queueing_overwrites_tells_the_present_launch(
    fakes, look, run, candidate, overwritten, stored, after_queued, changes, adopted
):
    """From 3.2 on a stored ARN is that of the present launch, whatever the clocks say; before, only times tell."""
    arn = run(handed_over=QUEUED + after_queued, task=fakes.make_task(**changes))
    external_id = {"its ARN": arn, "another's ARN": arn[:-8] + "deadbeef", "nothing": None}[stored]
    answer = look(candidate(external_id=external_id, arn_is_present=overwritten))
    assert found(answer) == ({"key of 0": arn} if adopted else {})


@pytest.mark.parametrize("end", [0, 1])
def test_the_stored_arn_goes_before_a_launch_that_was_handed_over_later(look, ecs, run, candidate, end):
    """The launch before a defer, within the tolerance of clocks, is not mistaken for that of the stored ARN."""
    earlier, present = run(handed_over=QUEUED - 1), run(handed_over=QUEUED - 5)
    ecs.exit(earlier, end)
    # Where another one is missing, those that have stopped are listed as well.
    answer = look(candidate(0, present, arn_is_present=True), candidate(1))
    assert found(answer) == {"key of 0": present}


# Two databases under one deployment.


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize(
    ("here", "there", "becomes"),
    [
        ("here", "here", "found"),
        ("here", "there", "elsewhere"),
        # An older version's ECS task, or a database that has no address.
        ("here", None, "found"),
        (None, "there", "found"),
        (None, None, "found"),
    ],
)
def test_an_ecs_task_of_another_database_is_left_alone(
    look, fleet, ecs, run, candidate, stored, here, there, becomes
):
    """A task instance whose launch it would be is kept: a database was cloned, or its host has a new name."""
    arn = run(database=there)
    present = candidate(external_id=arn if stored else None, database=here)
    answer = look(present)
    assert found(answer) == ({"key of 0": arn} if becomes == "found" else {})
    assert answer.elsewhere == ((present,) if becomes == "elsewhere" else ())
    assert answer.missing == answer.untold == ()
    ecs.exit(arn, 1)
    fleet.advance(60)
    assert bool(fleet.told) is (becomes == "found")
    assert not ecs.made("stop_task")


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, True),
        ({"handed_over": QUEUED - 300}, False),
        ({"startedBy": "another"}, False),
        ({"number": 1}, False),
    ],
    ids=["the present launch", "an earlier launch", "another deployment", "another task instance"],
)
def test_another_database_keeps_only_whose_launch_it_would_be(look, run, candidate, changes, kept):
    """What is no ECS task of the task instance in any database is launched anew, as ever."""
    run(**changes, database="there")
    present = candidate(database="here")
    answer = look(present)
    assert (answer.elsewhere, answer.missing) == (((present,), ()) if kept else ((), (present,)))


@pytest.mark.parametrize(("ends", "kept"), [(0, True), (1, True), (None, True), ("never started", False)])
def test_another_database_s_ecs_task_that_has_ended_counts_where_it_started(
    look, ecs, run, candidate, ends, kept
):
    """What ran there may have done the work; of what never started nothing can be done twice."""
    arn = run(database="there", started=False)
    ecs.break_at_start(arn) if ends == "never started" else ecs.exit(arn, ends)
    present = candidate(database="here")
    answer = look(present)
    assert (answer.elsewhere, answer.missing) == (((present,), ()) if kept else ((), (present,)))


@pytest.mark.parametrize("first", ["here", "there"])
@pytest.mark.parametrize("stored", ["here", "there", None])
def test_the_own_ecs_task_goes_before_that_of_another_database(look, run, candidate, first, stored):
    """A clone has the same runs of a Dag as its origin: both launch them, each for itself."""
    arns = {database: run(database=database) for database in sorted(("here", "there"), key=first.__ne__)}
    answer = look(candidate(external_id=arns.get(stored), database="here"))
    assert found(answer) == {"key of 0": arns["here"]}
    assert answer.elsewhere == answer.missing == ()


def test_a_late_answer_hands_back_what_another_database_has(fleet, run, candidate):
    """So that Airflow asks again, as for what has no ECS task: nobody has told in time that it is to be kept."""
    run(database="there")
    reply = Future()
    fleet.tell(fleet.fleet.look_for, [candidate(database="here")], reply)
    assert reply.cancel()
    fleet.settle()
    assert [type(event) for event in fleet.told] == [NotFound]


def test_without_a_time_of_queuing_any_launch_will_do(look, run, candidate):
    """A task instance without queued_dttm takes the container that there is for its try."""
    arn = run()
    assert found(look(candidate(queued_at=None))) == {"key of 0": arn}


@pytest.mark.parametrize("queued_by", [GONE, None])
@pytest.mark.parametrize("launched_by", [OWN, GONE, OTHER, None])
@pytest.mark.parametrize("ahead", [0, CLOCK_TOLERANCE, 3600])
@pytest.mark.parametrize("known_by", ["its assigned id", "its stored ARN", "its time"])
def test_a_clock_that_was_ahead_hides_no_container(
    make_fleet, fakes, ecs, run, candidate, known_by, ahead, launched_by, queued_by
):
    """What came after the question is told by who launched it; by two hosts' clocks only where that tells nothing."""
    fleet, reply = make_fleet(scheduler=OWN), Future()
    arn = run(handed_over=fleet.clock() + ahead, launch_id=ASSIGNED, scheduler=launched_by)
    external_id = {"its assigned id": ASSIGNED, "its stored ARN": arn, "its time": None}[known_by]
    fleet.tell(fleet.fleet.look_for, [candidate(external_id=external_id, scheduler=queued_by)], reply)
    fleet.settle()
    if known_by != "its time" or launched_by == queued_by == GONE:
        adopted = True
    else:
        adopted = launched_by != OWN and ahead <= CLOCK_TOLERANCE
    assert found(reply.result(timeout=0)) == ({"key of 0": arn} if adopted else {})


def test_of_two_launches_that_of_the_scheduler_that_queued_it_counts(look, ecs, run, candidate):
    """An earlier launch, of a scheduler whose clock was ahead, is not mistaken for the present one."""
    earlier = run(handed_over=HANDED_OVER + 1, scheduler=OTHER)
    present = run(scheduler=GONE)
    ecs.exit(earlier, 0)
    # Where another one is missing, those that have stopped are listed as well.
    answer = look(candidate(0, earlier, scheduler=GONE), candidate(1))
    assert found(answer) == {"key of 0": present}


@pytest.mark.parametrize("end", [0, 1, None])
@pytest.mark.parametrize("present_has_started", [True, False])
def test_of_two_launches_within_the_tolerance_the_later_counts(
    look, fleet, ecs, run, candidate, end, present_has_started
):
    """A launch that was handed over a second before the queuing of the next one is not mistaken for that."""
    earlier = run(handed_over=QUEUED - 1)
    ecs.exit(earlier, end)
    present = run(started=present_has_started)
    # Where another one is missing, those that have stopped are listed as well.
    assert found(look(candidate(0), candidate(1))) == {"key of 0": present}
    assert not [event for event in fleet.told if isinstance(event, Ended)]


@pytest.mark.parametrize(
    "changes",
    [
        {"try_number": 2},
        {"map_index": 3},
        {"run_id": "another"},
        {"task_id": "another"},
        {"dag_id": "another"},
    ],
    ids=str,
)
def test_another_task_instance_is_another(fakes, look, run, candidate, changes):
    """Every part of the task instance's identity must be the same, the try number too."""
    run(task=fakes.make_task(**changes))
    assert found(look(candidate())) == {}


@pytest.mark.parametrize("stored", [True, False])
def test_another_deployment_is_not_ours(look, run, candidate, stored):
    """Another Airflow in the same cluster may have a DAG of the same name: its containers are its own."""
    arn = run(startedBy="another")
    assert found(look(candidate(external_id=arn if stored else None))) == {}


def test_several_attempts_of_a_launch_are_one_container(look, ecs, run, candidate):
    """Of the attempts of one launch, the container that started or may still start is the one."""
    never = [run(started=False) for _ in range(2)]
    for arn in never:
        ecs.break_at_start(arn)
    alive = run(started=False)
    assert found(look(candidate(external_id=never[0]))) == {"key of 0": alive}


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("reason", ["CannotPullContainerError", "Capacity is unavailable at this time"])
def test_a_container_that_never_started_is_none(look, ecs, run, candidate, stored, reason):
    """Nothing ran, so Airflow may launch the task instance anew."""
    arn = run(started=False)
    ecs.break_at_start(arn, reason)
    present = candidate(external_id=arn if stored else None)
    assert look(present).missing == (present,)


def test_a_container_that_never_started_does_not_hide_the_other(look, ecs, run, candidate):
    """A stored ARN of an attempt that failed does not keep the list from being asked."""
    first, second = run(started=False), run()
    ecs.break_at_start(first)
    ecs.exit(second, 0)
    assert found(look(candidate(external_id=first))) == {"key of 0": second}


# What becomes of it.


@pytest.mark.parametrize(("code", "well"), [(0, True), (1, False), (None, False)])
@pytest.mark.parametrize("stored", [True, False])
def test_what_stopped_in_the_meantime_is_reported(look, fleet, ecs, run, candidate, code, well, stored):
    """A container that ended while no scheduler looked ends its launch, with its exit code."""
    arn = run()
    ecs.exit(arn, code)
    look(candidate(external_id=arn if stored else None))
    accepted, ended = fleet.told
    assert (type(accepted), accepted.arn) == (Accepted, arn)
    assert (type(ended), ended.launch.key, ended.reason is None) == (Ended, "key of 0", well)
    assert not list(fleet.fleet.runs())


@pytest.mark.parametrize("code", [0, 1])
def test_an_adopted_container_is_followed_to_its_end(look, fleet, ecs, run, candidate, code):
    """After its adoption a container is like any other; its ARN is told, so that it is stored."""
    arn = run(started=False)
    look(candidate())
    assert [event.arn for event in fleet.told] == [arn]
    ecs.start(arn)
    fleet.advance(60)
    ecs.exit(arn, code)
    fleet.advance(5)
    assert [type(event) for event in fleet.told] == [Accepted, Ended]
    assert bool(fleet.told[-1].reason) is bool(code)


def test_an_adopted_container_that_never_starts_fails(look, fleet, ecs, run, candidate):
    """The command is gone with the scheduler that had it: the launch fails and says so."""
    arn = run(started=False)
    look(candidate())
    ecs.break_at_start(arn)
    fleet.advance(60)
    assert "not launched again" in fleet.told[-1].reason
    assert "CannotPullContainer" in fleet.told[-1].reason
    assert not ecs.tokens


def test_an_adopted_container_can_be_revoked(look, fleet, ecs, run, candidate):
    """Its StopTask names the cluster that it is in."""
    arn = run(cluster="other")
    (match,) = look(candidate(external_id=arn)).found
    fleet.tell(fleet.fleet.revoke, match.launch.id, "why")
    fleet.settle()
    ((cluster, stopped, _),) = [call.arguments for call in ecs.made("stop_task")]
    assert (cluster.rpartition("/")[2], stopped) == ("other", arn)


def test_the_container_that_says_it_runs_airflow_decides(look, fleet, ecs, run, candidate):
    """The container that carries the identity counts, whatever name the options have by now."""
    arn = run()
    override, container = (
        ecs.tasks[arn]["overrides"]["containerOverrides"][0],
        ecs.tasks[arn]["containers"][0],
    )
    override["name"] = container["name"] = "main"
    ecs.exit(arn, 0)
    ecs.tasks[arn]["containers"].insert(0, {"name": "airflow", "lastStatus": "STOPPED", "exitCode": 1})
    look(candidate())
    assert fleet.told[-1].reason is None


def test_a_launch_that_the_fleet_has_is_not_adopted_again(fakes, look, fleet, ecs, candidate):
    """A container that is followed already gets no second run, and its launch one end."""
    launch = fakes.make_launch(handed_over=HANDED_OVER)
    fleet.add(launch)
    look(candidate(external_id=ecs.arns[0]))
    ecs.exit(ecs.arns[0], 0)
    fleet.advance(30)
    assert [type(event) for event in fleet.told] == [Accepted, Ended]


# When AWS cannot be asked.


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(lambda f: f.aws_error("ThrottlingException"), id="throttled"),
        pytest.param(lambda f: f.aws_error("ExpiredTokenException"), id="credentials refused"),
        pytest.param(lambda f: f.aws_error("ServerException", status=500), id="500"),
        pytest.param(lambda f: ConnectionResetError(), id="reset"),
        pytest.param(lambda f: 5, id="garbage"),
    ],
)
@pytest.mark.parametrize("call", ["describe_tasks", "list_tasks"])
def test_aws_is_asked_until_it_answers(fakes, look, fleet, ecs, run, candidate, error, call):
    """Nobody concludes from an error that there is no container: the look is repeated, ever later."""
    first, second = run(0), run(1)
    ecs.next(call, *[error(fakes) for _ in range(4)])
    with mock.patch.object(searching, "log", autospec=True) as log:
        answer = look(candidate(0, first), candidate(1))
    assert found(answer) == {"key of 0": first, "key of 1": second}
    assert fleet.waits == [1, 2, 4, 8]
    assert log.warning.call_count == 4


@pytest.mark.parametrize("lives", [True, False])
def test_a_late_answer_is_told_as_events(fakes, fleet, ecs, run, candidate, lives):
    """Where nobody waits for the answer any more, each container and each lack of one is told by itself."""
    arn = run()
    if not lives:
        ecs.exit(arn, 1)
    reply = Future()
    fleet.tell(fleet.fleet.look_for, [candidate(0), candidate(1)], reply)
    assert reply.cancel()
    fleet.settle()
    told = [(type(event), event.launch.key) for event in fleet.told]
    expected = [(Accepted, "key of 0")] + [(Ended, "key of 0")] * (not lives) + [(NotFound, "key of 1")]
    assert sorted(told, key=str) == sorted(expected, key=str)


def test_what_aws_refuses_to_list_harms_nobody_whose_arn_is_known(fakes, look, fleet, ecs, run, candidate):
    """Without the permission to list, stored ARNs are adopted all the same, and of the rest nothing is concluded."""
    first = run(0)
    run(1)
    ecs.next("list_tasks", *[fakes.aws_error("AccessDeniedException")] * 2)
    answer = look(candidate(0, first), candidate(1))
    assert found(answer) == {"key of 0": first}
    assert answer.missing == ()
    assert [each.key for each in answer.untold] == ["key of 1"]


def test_an_answer_in_time_tells_no_lack(look, fleet, run, candidate):
    """Who gets the answer learns from it what is missing, and not from events besides."""
    run(0)
    assert len(look(candidate(0), candidate(1)).missing) == 1
    assert [type(event) for event in fleet.told] == [Accepted]


def test_who_ends_gives_up_asking(fakes, fleet, ecs, candidate):
    """A scheduler that ends while AWS cannot be asked tells nothing, and asks no more."""
    ecs.next("list_tasks", *[ConnectionResetError()] * 10)
    fleet.closing = True
    reply = Future()
    fleet.tell(fleet.fleet.look_for, [candidate()], reply)
    fleet.settle()
    assert len(ecs.calls) == 1
    assert not reply.done()
    assert fleet.told == []


def die_at(calls, number, function, *arguments):
    """Call the function, and raise where it was the call of that number."""
    function(*arguments)
    if next(calls) == number:
        raise ZeroDivisionError


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_error_while_taking_over_loses_no_container(look, fleet, ecs, run, candidate, number):
    """Where the thread dies of one container, its successor follows all that were told as found."""
    arns = [run(n) for n in range(3)]
    adopt = fleet.fleet.adopt
    with mock.patch.object(fleet.fleet, "adopt", autospec=True) as fails:
        fails.side_effect = partial(die_at, itertools.count(), number, adopt)
        reply = Future()
        fleet.tell(fleet.fleet.look_for, [candidate(n) for n in range(3)], reply)
        for _ in range(5):
            try:
                fleet.settle()
            except ZeroDivisionError:
                fleet.fleet.recover()
    assert len(reply.result(timeout=0).found) == 3
    for arn in arns:
        ecs.exit(arn, 0)
    fleet.advance(30)
    assert Counter(event.launch.key for event in fleet.told if isinstance(event, Ended)) == {
        f"key of {n}": 1 for n in range(3)
    }


# How much is asked.


def test_young_ones_get_a_second_look(look, fleet, ecs, run, candidate):
    """ECS is eventually consistent: where a container may be too young to be listed, AWS is asked once more."""
    arn = run(handed_over=995.0)
    ecs.hidden.add(arn)
    ecs.next("list_tasks", None, lambda *_: ecs.hidden.clear() or {})
    assert found(look(candidate(queued_at=994.0))) == {"key of 0": arn}
    assert fleet.waits == [SECOND_LOOK]


def test_a_second_look_describes_only_what_is_new(look, fleet, ecs, run, candidate):
    """While Airflow waits with its rows locked, what is known is not asked for again."""
    arns = [run(n, handed_over=995.0) for n in range(250)]
    late = run(250, handed_over=995.0)
    ecs.hidden.add(late)
    ecs.next("list_tasks", *[None] * 3, lambda *_: ecs.hidden.clear() or {})
    stored = [*arns, None]
    answer = look(*[candidate(n, arn, queued_at=994.0) for n, arn in enumerate(stored)])
    assert found(answer) == {f"key of {n}": arn for n, arn in enumerate([*arns, late])}
    described = [call.arguments[1] for call in ecs.made("describe_tasks")]
    assert [len(arns) for arns in described] == [100, 100, 50, 1]


@pytest.mark.parametrize(
    ("age", "looks"), [(0, 2), (CONSISTENCY - 1, 2), (CONSISTENCY, 1), (1000 - QUEUED, 1), (None, 2)]
)
def test_old_ones_get_one_look(look, fleet, ecs, candidate, age, looks):
    """What was queued a minute ago or longer has been listed if it exists; two looks are the most."""
    queued_at = None if age is None else fleet.clock.at - age
    assert len(look(candidate(queued_at=queued_at)).missing) == 1
    assert len(ecs.made("list_tasks")) == 2 * looks


def test_with_stored_arns_nothing_is_listed(look, ecs, run, candidate):
    """A thousand containers whose ARNs are stored take a call for each hundred, and no list."""
    arns = [run(n) for n in range(1000)]
    answer = look(*[candidate(n, arn) for n, arn in enumerate(arns)])
    assert len(answer.found) == 1000
    assert len(ecs.calls) <= 12


@pytest.mark.parametrize("stopped", [0, 1000])
def test_without_arns_what_is_not_ours_costs_nothing(fakes, look, ecs, run, candidate, stopped):
    """A thousand containers are found among five thousand of others in at most forty calls."""
    for n in range(5000):
        ecs.put({"cluster": "cluster", "startedBy": f"ecs-svc/{n % 7}"})
    arns = [run(n) for n in range(1000)]
    for arn in arns[:stopped]:
        ecs.exit(arn, 0)
    answer = look(*[candidate(n) for n in range(1000)])
    assert found(answer) == {f"key of {n}": arn for n, arn in enumerate(arns)}
    assert len(ecs.calls) <= 40
    assert max(len(call.arguments[1]) for call in ecs.made("describe_tasks")) <= MAX_DESCRIBED


@pytest.mark.parametrize(
    "malformed", [None, "text", {}, {"taskArn": 5}, {"startedBy": "airflow", "taskArn": "a"}], ids=str
)
def test_a_malformed_task_keeps_nobody_from_adoption(fakes, look, ecs, run, candidate, malformed):
    """What is no task, or says nothing of a launch, is passed over."""
    arn = run()
    ecs.next("describe_tasks", {"tasks": [malformed, ecs.tasks[arn]], "failures": []})
    assert found(look(candidate())) == {"key of 0": arn}


def test_arns_in_other_clusters_are_asked_there(look, ecs, run, candidate):
    """A stored ARN names its cluster, which need not be the one that the options name by now."""
    arns = [run(n, cluster=f"cluster{n % 2}") for n in range(4)]
    answer = look(*[candidate(n, arn) for n, arn in enumerate(arns)])
    assert len(answer.found) == 4
    assert {call.arguments[0] for call in ecs.made("describe_tasks")} == {"cluster0", "cluster1"}


def test_a_cluster_that_is_gone_does_not_keep_the_others_from_adoption(fakes, look, ecs, run, candidate):
    """A stored ARN that AWS refuses to look at for good is not asked for again; the lists decide."""
    arn = run(0)
    gone = "arn:aws:ecs:us-east-1:123456789012:task/gone/0123456789abcdef"

    def refuse(cluster, arns):
        raise fakes.aws_error("ClusterNotFoundException", "Cluster not found.")

    ecs.next("describe_tasks", refuse)
    answer = look(candidate(0), candidate(1, gone))
    assert found(answer) == {"key of 0": arn}
    assert [missing.key for missing in answer.missing] == ["key of 1"]


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])]
)
def test_batches_hold_at_most_so_many(count, sizes):
    """A sequence is cut into pieces in its order, the last one smaller."""
    batches = list(in_batches(range(count), 100))
    assert [len(batch) for batch in batches] == sizes
    assert [item for batch in batches for item in batch] == list(range(count))
