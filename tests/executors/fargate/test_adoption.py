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

from concurrent.futures import Future

import pytest

from airflow.executors.fargate.fleet.adoption import CONSISTENCY
from airflow.executors.fargate.fleet.orphan_checks import CHECK_PATIENCE
from airflow.executors.fargate.messages import Accepted, Ended, NotAdopted
from airflow.executors.fargate.present import Candidate

#: When the task instances were queued for their present launch, and when that launch was handed over.
QUEUED, HANDED_OVER = 800.0, 801.0


#: Until when the scheduler that is gone can have sent a RunTask: long ago.
SENT_UNTIL = 900.0


#: The id that 3.2 and newer assign when they queue a task instance.
ASSIGNED = "6f2f3c1e-5a52-4ad4-9c5a-1f2c7f0f6f10"


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


@pytest.mark.parametrize("stored", [True, False])
def test_another_deployment_is_not_ours(look, run, candidate, stored):
    """Another Airflow in the same cluster may have a DAG of the same name: its ECS tasks are its own."""
    arn = run(startedBy="another")
    assert found(look(candidate(external_id=arn if stored else None))) == {}


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


def test_what_runs_is_found_in_all_clusters_before_what_has_stopped(make_fleet, ecs, run, candidate):
    """The lists of running ECS tasks are read first, those of stopped ones only if something is lacking."""
    fleet, reply = make_fleet(queues={"large": {"cluster": "other"}}), Future()
    arns = [run(0), run(1, cluster="other")]
    fleet.tell(fleet.fleet.adopt, [candidate(0), candidate(1)], reply)
    fleet.settle()
    assert found(reply.result(timeout=0)) == {"key of 0": arns[0], "key of 1": arns[1]}
    assert {call.arguments[2] for call in ecs.made("list_tasks")} == {"RUNNING"}


def test_with_stored_arns_nothing_is_listed(look, ecs, run, candidate):
    """A thousand ECS tasks whose ARNs are stored take a call for each hundred, and no list."""
    arns = [run(n) for n in range(1000)]
    answer = look(*[candidate(n, arn) for n, arn in enumerate(arns)])
    assert len(answer.found) == 1000
    assert ecs.made("list_tasks") == []
    assert len([call for call in ecs.calls if call.at < 1001]) <= 12
