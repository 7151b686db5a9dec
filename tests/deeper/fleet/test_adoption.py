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
"""More on what ``test_adoption.py`` tests."""

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
from airflow.executors.fargate.present import CLOCK_TOLERANCE

from tests.executors.fargate.test_adoption import (
    ASSIGNED,
    HANDED_OVER,
    QUEUED,
    SENT_UNTIL,
    adopted,
    ask,
    candidate,
    found,
    keys,
    look,
    not_found,
    run,
)

#: UUIDs of two task instances whose other members are equal.
ONE, TWO = str(UUID(int=1)), str(UUID(int=2))


#: Names of schedulers: that which asks, that which is gone, and one of which nothing is known.
OWN, GONE, OTHER = "9@9.000000", "3@3.000000", "5@5.000000"


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
    for _ in range(2):
        answer = look(*candidates)
        assert found(answer) == dict.fromkeys(adopted, arn)
        # Nor are those launched anew that it may be for.
        left_alone = asked if carried is None and len(asked) > 1 else []
        assert [each.key for each in answer.unknown] == left_alone


def test_an_adopted_launch_has_the_uuid_that_the_database_has(fakes, look, run, candidate):
    """Airflow 3.4 looks for its row by it."""
    run()
    (match,) = look(replace(candidate(), task=fakes.make_task(uuid=ONE))).found
    assert match.launch.task.uuid == ONE


def test_several_attempts_of_a_launch_are_one_ecs_task(look, ecs, run, candidate):
    """Of the attempts of one launch, the ECS task that started or may still start is the one."""
    never = [run(started=False) for _ in range(2)]
    for arn in never:
        ecs.break_at_start(arn)
    alive = run(started=False)
    assert found(look(candidate(external_id=never[0]))) == {"key of 0": alive}


def test_an_ecs_task_that_never_started_does_not_hide_the_other(look, ecs, run, candidate):
    """A stored ARN of an attempt that failed does not keep the list from being asked."""
    first, second = run(started=False), run()
    ecs.break_at_start(first)
    ecs.exit(second, 0)
    assert found(look(candidate(external_id=first))) == {"key of 0": second}


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
