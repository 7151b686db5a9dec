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
from dataclasses import replace
from functools import partial
from unittest import mock
from uuid import UUID

import pytest

from airflow.executors.fargate.aws.ecs import MAX_DESCRIBED, in_batches
from airflow.executors.fargate.fleet.adoption import CONSISTENCY, Adoption
from airflow.executors.fargate.fleet.ecs_task_search import EcsTaskSearch
from airflow.executors.fargate.fleet.launch_state import MAX_FAULTS
from airflow.executors.fargate.fleet.lifecycle import Lifecycle
from airflow.executors.fargate.fleet.orphan_checks import CHECK_PATIENCE, REMEMBERED, OrphanChecks
from airflow.executors.fargate.messages import Accepted, Ended, NotAdopted
from airflow.executors.fargate.present import CLOCK_TOLERANCE, Candidate

#: When the task instances were queued for their present launch, and when that launch was handed over.
QUEUED, HANDED_OVER = 800.0, 801.0
#: Until when the scheduler that is gone can have sent a RunTask: long ago.
SENT_UNTIL = 900.0
#: The id that 3.2 and newer assign when they queue a task instance.
ASSIGNED = "6f2f3c1e-5a52-4ad4-9c5a-1f2c7f0f6f10"
#: UUIDs of two task instances whose other members are equal.
ONE, TWO = str(UUID(int=1)), str(UUID(int=2))
#: Names of schedulers: that which asks, that which is gone, and one of which nothing is known.
OWN, GONE, OTHER = "9@9.000000", "3@3.000000", "5@5.000000"


@pytest.fixture
def candidate(fakes):
    """Return a function that makes the candidate of a task instance, as the database has it."""

    def make(number=0, external_id=None, queued_at=QUEUED, **members):
        task = fakes.make_task(number)
        members = {"sent_until": SENT_UNTIL, **members}
        return Candidate(task, f"key of {number}", external_id, queued_at, **members)

    return make


@pytest.fixture
def run(fakes, ecs):
    """Return a function that lets an ECS task run for a launch of which the fleet knows nothing."""

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
def ask(fleet):
    """Return a function that asks for the ECS tasks of candidates, and returns what gets the answer."""

    def ask(*candidates):
        reply = Future()
        fleet.tell(fleet.fleet.adopt, candidates, reply)
        fleet.settle()
        return reply

    return ask


@pytest.fixture
def look(fleet, ask):
    """Return a function that asks for the ECS tasks of candidates, and returns the answer."""

    def look(*candidates):
        reply, until = ask(*candidates), fleet.clock.at + CHECK_PATIENCE
        while not reply.done() and fleet.clock.at < until:
            fleet.advance(min(0.25, until - fleet.clock.at))
        return reply.result(timeout=0)

    return look


def adopted(fleet):
    """Return the ARNs of what is followed by now, or was."""
    return {event.launch.key: event.arn for event in fleet.told if isinstance(event, Accepted)}


def not_found(fleet):
    """Return the keys of which it was told that Airflow is to ask for them again."""
    return [event.launch.key for event in fleet.told if isinstance(event, NotAdopted)]


def keys(candidates):
    return [candidate.key for candidate in candidates]


def found(answer):
    return {match.launch.key: match.arn for match in answer.found}


# Which ECS task is adopted.


@pytest.mark.parametrize(
    "stored", ["its ARN", "nothing", "an ARN that is gone", "the ARN of an earlier launch"]
)
def test_the_ecs_task_of_the_present_launch_is_found(look, run, candidate, stored):
    """The launch's ECS task is adopted, whatever the scheduler managed to store before it died."""
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
def test_an_ecs_task_in_any_cluster_of_the_options_is_found(make_fleet, run, candidate, options, is_found):
    """A queue may have a cluster of its own: it is searched, too, where no ARN was stored."""
    fleet, arn, reply = make_fleet(**options), run(cluster="other"), Future()
    fleet.tell(fleet.fleet.adopt, [candidate()], reply)
    fleet.settle()
    assert found(reply.result(timeout=0)) == ({"key of 0": arn} if is_found else {})


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("end", [None, 0])
def test_an_earlier_launch_never_counts(look, fleet, ecs, run, candidate, stored, end):
    """Where the present launch has no ECS task, that of an earlier one is not adopted, however it ended."""
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
    [(ASSIGNED, HANDED_OVER + 50, True), ("another", QUEUED, False)],
)
def test_an_assigned_id_decides_alone(look, run, candidate, launch_id, queued_at, adopted):
    """If Airflow has assigned an id to the launch, only the ECS task with that id is adopted."""
    arn = run(launch_id=launch_id)
    answer = look(candidate(external_id=ASSIGNED, queued_at=queued_at))
    assert found(answer) == ({"key of 0": arn} if adopted else {})


@pytest.mark.parametrize(
    ("after_queued", "adopted"), [(-CLOCK_TOLERANCE - 0.1, False), (-CLOCK_TOLERANCE, True)]
)
def test_without_an_id_the_hand_over_must_come_after_the_queuing(look, run, candidate, after_queued, adopted):
    """Clocks may differ by the tolerance; what was handed over before that is an earlier launch."""
    arn = run(handed_over=QUEUED + after_queued)
    assert found(look(candidate())) == ({"key of 0": arn} if adopted else {})


@pytest.mark.parametrize(
    ("overwritten", "stored", "after_queued", "changes", "adopted"),
    [
        pytest.param(True, "its ARN", -5, {}, True, id="the clock was set back"),
        pytest.param(True, "another's ARN", -5, {}, False, id="the ARN of another ECS task"),
        pytest.param(True, "nothing", -5, {}, False, id="no ARN yet"),
        pytest.param(True, "its ARN", -5, {"try_number": 2}, False, id="another try"),
        # Up to 3.1 the ARN of an earlier launch stays until the next one is told.
        pytest.param(False, "its ARN", -5, {}, False, id="an older Airflow: an earlier launch"),
        pytest.param(False, "its ARN", -1, {}, True, id="an older Airflow: within the tolerance"),
    ],
)
def test_an_arn_that_each_queueing_overwrites_tells_the_present_launch(
    fakes, look, run, candidate, overwritten, stored, after_queued, changes, adopted
):
    """From 3.2 on a stored ARN is the present launch's, whatever the clocks say; before, only times tell."""
    arn = run(handed_over=QUEUED + after_queued, task=fakes.make_task(**changes))
    external_id = {"its ARN": arn, "another's ARN": arn[:-8] + "deadbeef", "nothing": None}[stored]
    answer = look(candidate(external_id=external_id, arn_is_present=overwritten))
    assert found(answer) == ({"key of 0": arn} if adopted else {})


def test_the_stored_arn_goes_before_a_launch_that_was_handed_over_later(look, ecs, run, candidate):
    """A launch before a defer, within the tolerance of clocks, is not preferred to that of the stored ARN."""
    earlier, present = run(handed_over=QUEUED - 1), run(handed_over=QUEUED - 5)
    ecs.exit(earlier, 0)
    # Where another one is missing, those that have stopped are listed as well.
    answer = look(candidate(0, present, arn_is_present=True), candidate(1))
    assert found(answer) == {"key of 0": present}


# Two databases under one deployment.


@pytest.mark.parametrize(
    ("stored", "here", "there", "becomes"),
    [
        (True, "here", "here", "found"),
        (True, "here", "there", "elsewhere"),
        (False, "here", "there", "elsewhere"),
        # An older version's ECS task, or a database that has no address.
        (False, "here", None, "found"),
        (False, None, "there", "found"),
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
    assert answer.missing == answer.unknown == ()
    ecs.exit(arn, 1)
    fleet.advance(60)
    assert bool(fleet.told) is (becomes == "found")
    assert not ecs.made("stop_task")


@pytest.mark.parametrize(
    ("changes", "kept"),
    [({"handed_over": QUEUED - 300}, False), ({"startedBy": "another"}, False)],
    ids=["an earlier launch", "another deployment"],
)
def test_another_database_keeps_only_whose_launch_it_would_be(look, run, candidate, changes, kept):
    """What is no ECS task of the task instance in any database is launched anew, as ever."""
    run(**changes, database="there")
    present = candidate(database="here")
    answer = look(present)
    assert (answer.elsewhere, answer.missing) == (((present,), ()) if kept else ((), (present,)))


@pytest.mark.parametrize(("ends", "kept"), [(0, True), ("never started", False)])
def test_another_database_s_ecs_task_that_has_ended_counts_where_it_started(
    look, ecs, run, candidate, ends, kept
):
    """What ran there may have done the work; of what never started nothing can be done twice."""
    arn = run(database="there", started=False)
    ecs.break_at_start(arn) if ends == "never started" else ecs.exit(arn, ends)
    present = candidate(database="here")
    answer = look(present)
    assert (answer.elsewhere, answer.missing) == (((present,), ()) if kept else ((), (present,)))


@pytest.mark.parametrize(
    ("first", "stored"), [("there", "here"), ("here", "there"), ("here", None), ("there", None)]
)
def test_the_own_ecs_task_goes_before_that_of_another_database(look, run, candidate, first, stored):
    """A clone has the same runs of a Dag as its origin: both launch them, each for itself."""
    arns = {database: run(database=database) for database in sorted(("here", "there"), key=first.__ne__)}
    answer = look(candidate(external_id=arns.get(stored), database="here"))
    assert found(answer) == {"key of 0": arns["here"]}
    assert answer.elsewhere == answer.missing == ()


def test_a_late_answer_hands_back_what_another_database_has(fleet, run, candidate):
    """Airflow asks again, as for what has no ECS task, since it had no answer in time."""
    run(database="there")
    reply = Future()
    fleet.tell(fleet.fleet.adopt, [candidate(database="here")], reply)
    assert reply.cancel()
    fleet.settle()
    assert [type(event) for event in fleet.told] == [NotAdopted]


def test_without_a_time_of_queuing_any_launch_will_do(look, run, candidate):
    """A task instance without queued_dttm takes the ECS task that there is for its try."""
    arn = run()
    assert found(look(candidate(queued_at=None))) == {"key of 0": arn}


@pytest.mark.parametrize(
    ("known_by", "ahead", "launched_by", "queued_by", "adopted"),
    [
        ("its assigned id", 3600, OWN, GONE, True),
        ("its stored ARN", 3600, OWN, GONE, True),
        ("its stored ARN", 3600, OTHER, GONE, True),
        ("its time", 3600, GONE, GONE, True),
        ("its time", 0, OWN, GONE, False),
        ("its time", 0, OWN, None, False),
        *[("its time", CLOCK_TOLERANCE, by, GONE, True) for by in (OTHER, None)],
        *[("its time", 3600, by, GONE, False) for by in (OTHER, None)],
        ("its time", CLOCK_TOLERANCE, GONE, None, True),
        ("its time", 3600, GONE, None, False),
    ],
)
def test_a_clock_that_was_ahead_hides_no_ecs_task(
    make_fleet, fakes, ecs, run, candidate, known_by, ahead, launched_by, queued_by, adopted
):
    """The launching scheduler tells what came later; clocks of two hosts only if it is unknown."""
    fleet, reply = make_fleet(scheduler=OWN), Future()
    arn = run(handed_over=fleet.clock() + ahead, launch_id=ASSIGNED, scheduler=launched_by)
    external_id = {"its assigned id": ASSIGNED, "its stored ARN": arn, "its time": None}[known_by]
    fleet.tell(fleet.fleet.adopt, [candidate(external_id=external_id, scheduler=queued_by)], reply)
    fleet.settle()
    assert found(reply.result(timeout=0)) == ({"key of 0": arn} if adopted else {})


def test_of_two_launches_that_of_the_scheduler_that_queued_it_counts(look, ecs, run, candidate):
    """An earlier launch, of a scheduler whose clock was ahead, is not mistaken for the present one."""
    earlier = run(handed_over=HANDED_OVER + 1, scheduler=OTHER)
    present = run(scheduler=GONE)
    ecs.exit(earlier, 0)
    # Where another one is missing, those that have stopped are listed as well.
    answer = look(candidate(0, earlier, scheduler=GONE), candidate(1))
    assert found(answer) == {"key of 0": present}


@pytest.mark.parametrize("present_has_started", [True, False])
def test_of_two_launches_within_the_tolerance_the_later_counts(
    look, fleet, ecs, run, candidate, present_has_started
):
    """A launch that was handed over a second before the queuing of the next one is not mistaken for that."""
    earlier = run(handed_over=QUEUED - 1)
    ecs.exit(earlier, 0)
    present = run(started=present_has_started)
    # Where another one is missing, those that have stopped are listed as well.
    assert found(look(candidate(0), candidate(1))) == {"key of 0": present}
    assert not [event for event in fleet.told if isinstance(event, Ended)]


@pytest.mark.parametrize("changes", [{"try_number": 2}, {"map_index": 3}, {"run_id": "another"}], ids=str)
def test_another_task_instance_is_another(fakes, look, run, candidate, changes):
    """Every part of the task instance's identity must be the same, the try number too."""
    run(task=fakes.make_task(**changes))
    assert found(look(candidate())) == {}


@pytest.mark.parametrize("is_described", [False, True])
@pytest.mark.parametrize(
    ("carried", "asked", "adopted"),
    [
        # Airflow 3.4: all members but the UUID can be the same in a loop.
        pytest.param(ONE, [ONE], [ONE], id="its UUID"),
        pytest.param(ONE, [ONE, TWO], [ONE], id="its UUID, of two"),
        pytest.param(ONE, [TWO], [], id="another UUID"),
        # After an upgrade of this executor, or of Airflow to 3.4, and after a downgrade.
        pytest.param(None, [ONE], [ONE], id="an older version's"),
        pytest.param(None, [ONE, TWO], [], id="an older version's, of two"),
        pytest.param(ONE, [None], [None], id="a newer version's"),
    ],
)
def test_an_ecs_task_without_uuid_is_adopted_where_it_can_be_of_one_alone(
    fakes, fleet, look, run, candidate, carried, asked, adopted, is_described
):
    """That of an older version is found by dag, task, run, map index and try; one of several is left alone."""
    arn = run(task=fakes.make_task(uuid=carried))
    if is_described:  # For a search under way: its candidate is kept.
        look(candidate(9, sent_until=fleet.clock.at))
    candidates = [replace(candidate(), task=fakes.make_task(uuid=uuid), key=uuid) for uuid in asked]
    assert found(look(*candidates)) == dict.fromkeys(adopted, arn)


def test_an_adopted_launch_has_the_uuid_that_the_database_has(fakes, look, run, candidate):
    """Airflow 3.4 looks for its row by it."""
    run()
    (match,) = look(replace(candidate(), task=fakes.make_task(uuid=ONE))).found
    assert match.launch.task.uuid == ONE


@pytest.mark.parametrize("stored", [True, False])
def test_another_deployment_is_not_ours(look, run, candidate, stored):
    """Another Airflow in the same cluster may have a DAG of the same name: its ECS tasks are its own."""
    arn = run(startedBy="another")
    assert found(look(candidate(external_id=arn if stored else None))) == {}


def test_several_attempts_of_a_launch_are_one_ecs_task(look, ecs, run, candidate):
    """Of the attempts of one launch, the ECS task that started or may still start is the one."""
    never = [run(started=False) for _ in range(2)]
    for arn in never:
        ecs.break_at_start(arn)
    alive = run(started=False)
    assert found(look(candidate(external_id=never[0]))) == {"key of 0": alive}


@pytest.mark.parametrize(
    ("stored", "reason"),
    [(True, "CannotPullContainerError"), (False, "Capacity is unavailable at this time")],
)
def test_an_ecs_task_that_never_started_is_none(look, ecs, run, candidate, stored, reason):
    """Nothing ran, so Airflow may launch the task instance anew."""
    arn = run(started=False)
    ecs.break_at_start(arn, reason)
    present = candidate(external_id=arn if stored else None)
    assert look(present).missing == (present,)


def test_an_ecs_task_that_never_started_does_not_hide_the_other(look, ecs, run, candidate):
    """A stored ARN of an attempt that failed does not keep the list from being asked."""
    first, second = run(started=False), run()
    ecs.break_at_start(first)
    ecs.exit(second, 0)
    assert found(look(candidate(external_id=first))) == {"key of 0": second}


# What becomes of it.


@pytest.mark.parametrize(("code", "well", "stored"), [(0, True, True), (1, False, False)])
def test_what_stopped_in_the_meantime_is_reported(look, fleet, ecs, run, candidate, code, well, stored):
    """An ECS task that ended while no scheduler looked ends its launch, with its exit code."""
    arn = run()
    ecs.exit(arn, code)
    look(candidate(external_id=arn if stored else None))
    accepted, ended = fleet.told
    assert (type(accepted), accepted.arn) == (Accepted, arn)
    assert (type(ended), ended.launch.key, ended.reason is None) == (Ended, "key of 0", well)
    assert not fleet.fleet.runs_by_id


def test_an_adopted_ecs_task_is_followed_to_its_end(look, fleet, ecs, run, candidate):
    """After its adoption an ECS task is like any other; its ARN is told, so that it is stored."""
    arn = run(started=False)
    look(candidate())
    assert [event.arn for event in fleet.told] == [arn]
    ecs.start(arn)
    fleet.advance(60)
    ecs.exit(arn, 1)
    fleet.advance(5)
    assert [type(event) for event in fleet.told] == [Accepted, Ended]
    assert fleet.told[-1].reason


def test_an_adopted_ecs_task_that_never_starts_fails(look, fleet, ecs, run, candidate):
    """The command is gone with the scheduler that had it: the launch fails and says so."""
    arn = run(started=False)
    look(candidate())
    ecs.break_at_start(arn)
    fleet.advance(60)
    assert "not launched again" in fleet.told[-1].reason
    assert "CannotPullContainer" in fleet.told[-1].reason
    assert not ecs.tokens


def test_an_adopted_ecs_task_can_be_revoked(look, fleet, ecs, run, candidate):
    """Its StopTask names the cluster that it is in."""
    arn = run(cluster="other")
    (match,) = look(candidate(external_id=arn)).found
    fleet.tell(fleet.fleet.revoke, match.launch.id, "why")
    fleet.settle()
    ((cluster, stopped, _),) = [call.arguments for call in ecs.made("stop_task")]
    assert (cluster.rpartition("/")[2], stopped) == ("other", arn)


def test_the_container_that_carries_the_identity_decides(look, fleet, ecs, run, candidate):
    """The container that carries the identity is the main container, whatever name the options have now."""
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
    """An ECS task that is followed already gets no second run, and its launch one end."""
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
        pytest.param(lambda f: ConnectionResetError(), id="reset"),
        pytest.param(lambda f: 5, id="garbage"),
    ],
)
@pytest.mark.parametrize("call", ["describe_tasks", "list_tasks"])
def test_aws_is_asked_until_it_answers(fakes, look, fleet, ecs, run, candidate, error, call):
    """No error means that there is no ECS task: the call is repeated with a back-off."""
    first, second = run(0), run(1)
    ecs.next(call, *[error(fakes) for _ in range(4)])
    answer = look(candidate(0, first), candidate(1), candidate(2))
    fleet.advance(60)
    assert adopted(fleet) == {"key of 0": first, "key of 1": second}
    assert [*keys(answer.missing), *not_found(fleet)] == ["key of 2"]
    if call == "list_tasks":
        assert len(ecs.made(call)) == 2 + 4


def test_what_fails_is_asked_again_and_nothing_else(make_fleet, ecs, run, candidate):
    """One page, one call to describe: what the others have told is not asked twice."""
    fleet = make_fleet(poll_interval=30.0)
    arns = [run(number, scheduler=GONE) for number in range(250)]
    for name in ("list_tasks", "describe_tasks"):
        ecs.next(name, None, ConnectionResetError())
    wanted = [candidate(number, scheduler=GONE) for number in range(251)]
    fleet.tell(fleet.fleet.adopt, wanted, Future())
    fleet.advance(4)
    assert adopted(fleet) == {f"key of {number}": arn for number, arn in enumerate(arns)}
    assert sorted(len(call.arguments[1]) for call in ecs.made("describe_tasks")) == [50, 100, 100, 100]
    assert len(ecs.made("list_tasks")) == 3 + 1 + 1


def test_adoption_goes_on_once_there_are_credentials(fakes, fleet, ecs, run, candidate, ask):
    """However long they are refused, what was asked for is found then, and what has no ECS task is told."""
    arn = run(0)
    ecs.next("list_tasks", *[fakes.aws_error("ExpiredTokenException")] * 60)
    reply = ask(candidate(0), candidate(1))
    fleet.advance(CHECK_PATIENCE)
    assert keys(reply.result(timeout=0).kept) == ["key of 0", "key of 1"]
    fleet.advance(1200)
    assert adopted(fleet) == {"key of 0": arn}
    assert not_found(fleet) == ["key of 1"]


def test_a_page_whose_token_is_refused_is_read_with_those_before(fakes, fleet, ecs, run, candidate, ask):
    """A token may have expired: the list is read from its beginning, and what is known is not described."""
    arns = [run(number) for number in range(150)]
    ecs.next("list_tasks", None, fakes.aws_error("InvalidParameterException", "Invalid token"))
    ask(*[candidate(number) for number in range(150)])
    fleet.advance(5)
    assert adopted(fleet) == {f"key of {number}": arn for number, arn in enumerate(arns)}
    assert [len(call.arguments[1]) for call in ecs.made("describe_tasks")][:2] == [100, 50]


def test_a_token_that_is_refused_again_is_a_refusal(fakes, look, ecs, run, candidate):
    """The list is not read for ever."""
    for number in range(150):
        run(number)
    denied = fakes.aws_error("InvalidParameterException", "Invalid token")
    ecs.next("list_tasks", None, denied, None, denied)
    assert keys(look(candidate(200)).unknown) == ["key of 200"]


@pytest.mark.parametrize("lives", [True, False])
def test_a_late_answer_is_told_as_events(fakes, fleet, ecs, run, candidate, lives):
    """If nobody waits for the answer any more, each ECS task and each lack of one is an event of its own."""
    arn = run()
    if not lives:
        ecs.exit(arn, 1)
    reply = Future()
    fleet.tell(fleet.fleet.adopt, [candidate(0), candidate(1)], reply)
    assert reply.cancel()
    fleet.settle()
    told = [(type(event), event.launch.key) for event in fleet.told]
    expected = [(Accepted, "key of 0")] + [(Ended, "key of 0")] * (not lives) + [(NotAdopted, "key of 1")]
    assert sorted(told, key=str) == sorted(expected, key=str)


def test_what_aws_refuses_to_list_harms_nobody_whose_arn_is_known(fakes, look, fleet, ecs, run, candidate):
    """Without the permission to list, stored ARNs are adopted; nothing is concluded of the rest."""
    first = run(0)
    run(1)
    ecs.next("list_tasks", *[fakes.aws_error("AccessDeniedException")] * 2)
    answer = look(candidate(0, first), candidate(1))
    assert found(answer) == {"key of 0": first}
    assert answer.missing == ()
    assert [each.key for each in answer.unknown] == ["key of 1"]


def test_an_answer_in_time_tells_no_lack(look, fleet, run, candidate):
    """Who gets the answer learns from it what is missing, and not from events besides."""
    run(0)
    assert len(look(candidate(0), candidate(1)).missing) == 1
    assert [type(event) for event in fleet.told] == [Accepted]


def test_who_ends_gives_up_asking(fakes, fleet, ecs, candidate, ask):
    """A scheduler that ends while AWS cannot be asked tells nothing, and asks no more."""
    ecs.next("list_tasks", *[ConnectionResetError()] * 10)
    reply = ask(candidate())
    fleet.leave()
    fleet.advance(60)
    assert len(ecs.calls) == 1
    assert not reply.done()
    assert fleet.told == []


def die_at(calls, number, function, *arguments):
    """Call the function, and raise where it was the call of that number."""
    function(*arguments)
    if next(calls) == number:
        raise ZeroDivisionError


@pytest.mark.parametrize("number", [0, 2])
def test_an_error_while_taking_over_loses_no_ecs_task(look, fleet, ecs, run, candidate, number):
    """Where the thread dies of one ECS task, its successor follows all that were told as found."""
    arns = [run(n) for n in range(3)]
    take_over = Lifecycle.take_over
    with mock.patch.object(Lifecycle, "take_over", autospec=True) as fails:
        fails.side_effect = partial(die_at, itertools.count(), number, take_over)
        reply = Future()
        fleet.tell(fleet.fleet.adopt, [candidate(n) for n in range(3)], reply)
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


@pytest.mark.parametrize(
    ("sent_before", "counts_after"),
    [(CONSISTENCY, 0), (CONSISTENCY - 1, 1)]
    # Who is taken for dead launches nothing, whatever its heartbeat says by another clock.
    + [(-30, CONSISTENCY), (None, CONSISTENCY)],
)
def test_that_there_is_none_counts_a_minute_after_the_last_launch(
    look, fleet, candidate, sent_before, counts_after
):
    """Only then AWS surely knows what RunTask has started; until then the task instance is kept."""
    sent_until = None if sent_before is None else fleet.clock.at - sent_before
    asked_at = fleet.clock.at
    answer = look(candidate(sent_until=sent_until))
    assert (keys(answer.missing), keys(answer.kept)) == (
        (["key of 0"], []) if not counts_after else ([], ["key of 0"])
    )
    assert fleet.clock.at - asked_at <= 1
    fleet.advance(max(0.0, asked_at + counts_after - 0.1 - fleet.clock.at))
    assert not_found(fleet) == []
    fleet.advance(2)
    assert not_found(fleet) == (["key of 0"] if counts_after else [])


def test_what_aws_knows_late_is_followed_and_only_that_is_described(look, fleet, ecs, run, candidate):
    """When the time has come the lists are read again; what was described is not described again."""
    sent_until = fleet.clock.at - 10
    earlier = [run(number, handed_over=QUEUED - 300) for number in range(150)]
    late = run(200)
    ecs.hidden.add(late)
    assert keys(look(candidate(0, sent_until=sent_until), candidate(200, sent_until=sent_until)).kept) == [
        "key of 0",
        "key of 200",
    ]
    ecs.hidden.clear()
    fleet.advance(CONSISTENCY)
    described = Counter(arn for call in ecs.made("describe_tasks") for arn in call.arguments[1])
    assert {described[arn] for arn in earlier} == {1}
    assert adopted(fleet) == {"key of 200": late}
    assert not_found(fleet) == ["key of 0"]


def test_who_asks_again_is_answered_without_asking_aws(look, ask, fleet, ecs, candidate):
    """What was found to be missing after the answer is remembered, for that launch and for some time."""
    sent_until = fleet.clock.at
    first, other = candidate(sent_until=sent_until), candidate(external_id=ASSIGNED, sent_until=sent_until)
    assert look(first).kept == (first,)
    fleet.advance(CONSISTENCY + 1)
    assert not_found(fleet) == ["key of 0"]
    ecs.calls.clear()
    assert ask(first).result(timeout=0).missing == (first,)
    assert ecs.calls == []
    assert look(other).missing == (other,)
    assert len(ecs.made("list_tasks")) == 2


def test_what_is_missing_is_not_remembered_for_ever(look, fleet, ecs, candidate):
    """Who is not asked for again leaves memory."""
    first = candidate(sent_until=fleet.clock.at)
    look(first)
    fleet.advance(REMEMBERED + CONSISTENCY + 1)
    look(candidate(1))
    assert not fleet.fleet.adoption._checks._missing
    ecs.calls.clear()
    assert look(first).missing == (first,)
    assert ecs.calls


def test_what_was_kept_is_not_asked_for_again_before_its_time(look, ask, fleet, ecs, candidate):
    """A second question about what is searched for already is answered at once: it is kept."""
    first = candidate(sent_until=fleet.clock.at)
    look(first)
    made = len(ecs.calls)
    assert ask(first).result(timeout=0).kept == (first,)
    assert len(ecs.calls) == made


@pytest.mark.parametrize("ends", [True, False])
def test_the_answer_comes_in_time_with_what_is_known(fleet, ecs, run, candidate, ask, ends):
    """Airflow holds locks on the rows: what AWS has not told by then is kept, and told as events."""
    arns = [run(number) for number in range(2)]
    ecs.next("list_tasks", *[ConnectionResetError()] * 3)
    reply = ask(candidate(0, arns[0]), candidate(1), candidate(2))
    fleet.advance(CHECK_PATIENCE - 0.1)
    assert (adopted(fleet), reply.done()) == ({"key of 0": arns[0]}, False)
    if ends:
        ecs.exit(arns[1], 1)
    fleet.advance(0.1)
    answer = reply.result(timeout=0)
    assert found(answer) == {"key of 0": arns[0]}
    assert keys(answer.kept) == ["key of 1", "key of 2"]
    fleet.advance(30)
    assert adopted(fleet)["key of 1"] == arns[1]
    assert not_found(fleet) == ["key of 2"]


@pytest.mark.parametrize("page", [0, 5])
def test_who_comes_while_aws_is_asked_gets_what_was_there_before(fleet, ecs, run, candidate, ask, page):
    """A later check joins the search: what was described is described for it, no list is read twice."""
    arns = [run(number) for number in range(600)]
    for arn in arns:
        ecs.exit(arn, 0)
    fleet.take_time(0.2)
    first = ask(candidate(1000))
    while (
        sum(len(call.arguments) and call.arguments[2] == "STOPPED" for call in ecs.made("list_tasks")) <= page
    ):
        fleet.advance(0.1)
    second = ask(*[candidate(number) for number in range(0, 600, 100)], candidate(2000))
    fleet.advance(30)
    assert keys(first.result(timeout=0).missing) == ["key of 1000"]
    assert {match.arn for match in second.result(timeout=0).found} == set(arns[::100])
    assert keys(second.result(timeout=0).missing) == ["key of 2000"]
    assert len(ecs.made("list_tasks")) == 1 + 6


def test_what_runs_is_found_in_all_clusters_before_what_has_stopped(make_fleet, ecs, run, candidate):
    """The lists of running ECS tasks are read first, those of stopped ones only if something is lacking."""
    fleet, reply = make_fleet(queues={"large": {"cluster": "other"}}), Future()
    arns = [run(0), run(1, cluster="other")]
    fleet.tell(fleet.fleet.adopt, [candidate(0), candidate(1)], reply)
    fleet.settle()
    assert found(reply.result(timeout=0)) == {"key of 0": arns[0], "key of 1": arns[1]}
    assert {call.arguments[2] for call in ecs.made("list_tasks")} == {"RUNNING"}


def test_clusters_that_stored_arns_name_are_listed(look, ecs, run, candidate):
    """Where the cluster is the task's own choice, only the ARN of its last launch names it."""
    earlier, present = run(cluster="named", handed_over=QUEUED - 300), run(cluster="named")
    ecs.exit(earlier, 0)
    assert found(look(candidate(external_id=earlier))) == {"key of 0": present}


@pytest.mark.parametrize(
    ("code", "told"), [("ClusterNotFoundException", "missing"), ("AccessDeniedException", "unknown")]
)
def test_a_cluster_that_only_an_arn_names_may_be_refused(look, fakes, ecs, candidate, code, told):
    """In a cluster that does not exist nothing runs; of one that AWS refuses nothing is concluded."""
    arn = "arn:aws:ecs:us-east-1:123456789012:task/gone/0123456789abcdef"
    ecs.next("describe_tasks", fakes.aws_error(code))
    ecs.next("list_tasks", None, fakes.aws_error(code), None, fakes.aws_error(code))
    answer = look(candidate(0, arn), candidate(1))
    missing = ["key of 0", "key of 1"] if told == "missing" else ["key of 1"]
    assert keys(answer.missing) == missing
    assert keys(answer.unknown) == ([] if told == "missing" else ["key of 0"])


def test_what_is_adopted_is_looked_at_with_what_is_launched(look, fakes, fleet, ecs, run, candidate):
    """Its cluster is followed by its name, however AWS spells it, so that one call is for both."""
    arn = run()
    look(candidate())
    fleet.add(fakes.make_launch(7))
    fleet.advance(10)
    ((cluster, described),) = {call.arguments for call in ecs.made("describe_tasks")[-2:]}
    assert (cluster, set(described)) == ("cluster", {arn, *ecs.launches_of("launch-7")})


#: What an error can be in; whatever was asked is settled all the same.
HANDLERS = [
    *[(Adoption, name) for name in ("take", "has_read", "work", "_begin", "_end", "_found")],
    *[(Adoption, name) for name in ("_describe_known", "_match")],
    *[(OrphanChecks, name) for name in ("settle", "answer", "_answer")],
    *[(EcsTaskSearch, name) for name in ("work", "_make", "_done", "_listed", "_described")],
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("owner", "name"), HANDLERS, ids=lambda value: getattr(value, "__name__", value))
def test_an_error_anywhere_loses_nobody(fakes, monkeypatch, candidate, owner, name, when):
    """If any call of a handler fails once, each candidate is settled, and none with an ECS task is reset."""
    handler = getattr(owner, name)
    for number in range(1, 12):
        left = itertools.count(1)

        def fail_once(*arguments, left=left, number=number, **named):
            mine = next(left) == number
            if mine and when == "before":
                raise ZeroDivisionError
            result = handler(*arguments, **named)
            if mine:
                raise ZeroDivisionError
            return result

        monkeypatch.setattr(owner, name, fail_once)
        ecs = fakes.FakeEcs(clock := fakes.Clock())
        fleet = fakes.SteppedFleet(ecs, clock=clock)
        arns = []
        for n in range(3):
            arns.append(ecs.put(fakes.make_request(fakes.make_launch(n, handed_over=HANDED_OVER))))
            ecs.start(arns[-1])
        ecs.exit(arns[2], 1)
        reply = Future()
        fleet.tell(fleet.fleet.adopt, [candidate(0, arns[0]), *map(candidate, (1, 2, 3))], reply)
        faults = 0
        while fleet.clock.at < 1020:
            try:
                fleet.advance(2)
            except ZeroDivisionError:
                faults += 1
                fleet.fleet.recover()
        answer = reply.result(timeout=0)
        assert adopted(fleet) == {f"key of {n}": arn for n, arn in enumerate(arns)}
        assert [event.launch.key for event in fleet.told if isinstance(event, Ended)] == ["key of 2"]
        assert {*keys(answer.missing), *not_found(fleet)} == {"key of 3"}
        assert answer.unknown == ()
        assert faults == (next(left) > number)
        if not faults:
            assert number > 1, "the handler was never called"
            return


def test_nothing_is_concluded_of_what_ends_the_thread_again_and_again(fleet, ecs, run, candidate, ask):
    """It harms those alone that are searched for; they are left to Airflow's timeouts."""
    run(0)
    with mock.patch.object(Adoption, "_match", autospec=True, side_effect=ZeroDivisionError):
        reply = Future()
        fleet.tell(fleet.fleet.adopt, [candidate(0)], reply)
        for _ in range(MAX_FAULTS):
            with pytest.raises(ZeroDivisionError):
                fleet.settle()
            fleet.fleet.recover()
        fleet.settle()
    assert keys(reply.result(timeout=0).unknown) == ["key of 0"]


def test_with_stored_arns_nothing_is_listed(look, ecs, run, candidate):
    """A thousand ECS tasks whose ARNs are stored take a call for each hundred, and no list."""
    arns = [run(n) for n in range(1000)]
    answer = look(*[candidate(n, arn) for n, arn in enumerate(arns)])
    assert len(answer.found) == 1000
    assert ecs.made("list_tasks") == []
    assert len([call for call in ecs.calls if call.at < 1001]) <= 12


@pytest.mark.parametrize("stopped", [0, 1000])
def test_without_arns_what_is_not_ours_costs_nothing(fakes, look, ecs, run, candidate, stopped):
    """A thousand ECS tasks are found among five thousand of others in at most forty calls."""
    for n in range(5000):
        ecs.put({"cluster": "cluster", "startedBy": f"ecs-svc/{n % 7}"})
    arns = [run(n) for n in range(1000)]
    for arn in arns[:stopped]:
        ecs.exit(arn, 0)
    answer = look(*[candidate(n) for n in range(1000)])
    assert found(answer) == {f"key of {n}": arn for n, arn in enumerate(arns)}
    assert len(ecs.made("list_tasks")) <= 11
    assert sum(len(call.arguments[1]) for call in ecs.made("describe_tasks") if call.at < 1002) == 1000
    assert max(len(call.arguments[1]) for call in ecs.made("describe_tasks")) <= MAX_DESCRIBED


@pytest.mark.parametrize("malformed", [None, {"startedBy": "airflow", "taskArn": "a"}], ids=str)
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


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (100, [100]), (250, [100, 100, 50])])
def test_batches_hold_at_most_so_many(count, sizes):
    """A sequence is cut into pieces in its order, the last one smaller."""
    batches = list(in_batches(range(count), 100))
    assert [len(batch) for batch in batches] == sizes
    assert [item for batch in batches for item in batch] == list(range(count))
