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
"""Of each key one launch is the present one, whatever Airflow asks for and in whatever order AWS answers."""

from __future__ import annotations

import pytest

from airflow.executors.fargate.bridge.ledger import Ledger
from airflow.executors.fargate.messages import Accepted, Noted
from airflow.executors.fargate.present import Candidate

KEY, OTHER = "key", "other"


HANDED_OVER = 1000.0


EVENTS = {
    "accepted": lambda launch: Accepted(launch, "arn"),
    "noted": lambda launch: Noted(launch, "text"),
}


#: What :func:`record` returns.
PRESENT, EARLIER, TO_BE_STOPPED = "present", "earlier", "to be stopped"


#: What can have become of a key before AWS tells, from nothing to the keeping of a task instance and what follows it.
HISTORIES = {
    "nothing": (),
    "launched": ("launch first",),
    "launched twice": ("launch first", "launch second"),
    "revoked": ("launch first", "revoke"),
    "launched after it was revoked": ("launch first", "revoke", "launch second"),
    "kept": ("keep",),
    "kept after a launch": ("launch second", "keep"),
    "kept and revoked": ("keep", "revoke"),
    "kept and launched": ("keep", "launch second"),
    "kept and not found": ("keep", "not found"),
}


#: As Airflow stores them.
ARN = "arn:aws:ecs:us-east-1:123456789012:task/cluster/{}"


def record(ledger, event):
    """Record an event as the reporter does; return whether its launch is the present one of the key, or is stopped."""
    if isinstance(event, Accepted) and ledger.accept(event.launch, event.arn):
        assert not ledger.is_present(event.launch)
        return TO_BE_STOPPED
    return PRESENT if ledger.is_present(event.launch) else EARLIER


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def make(fakes):
    """Return a function that makes a launch of the key."""
    return lambda name="first", key=KEY, **changes: fakes.make_launch(id=name, key=key, **changes)


@pytest.fixture
def candidate(fakes):
    """Return a function that makes the key a candidate for adoption."""

    def make(queued_at=HANDED_OVER, external_id=None, key=KEY, **members):
        return Candidate(fakes.make_task(), key, external_id, queued_at, **members)

    return make


@pytest.fixture
def after(ledger, make, candidate):
    """Return a function that lets a history happen to the key, and returns the ledger."""

    def happen(history):
        for step in HISTORIES[history]:
            if step.startswith("launch"):
                ledger.replace(KEY, make(step.partition(" ")[2]))
            elif step == "revoke":
                ledger.remove(KEY)
            elif step == "keep":
                ledger.keep(candidate())
            else:
                ledger.take_kept(KEY)
        return ledger

    return happen


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(
    ("history", "standing"),
    [
        ("nothing", EARLIER),
        ("launched", PRESENT),
        ("launched twice", EARLIER),
        ("revoked", EARLIER),
        ("launched after it was revoked", EARLIER),
    ],
)
def test_an_event_counts_for_the_present_launch_alone(after, make, history, standing, event):
    """Without a kept key an event takes nothing over, however it comes."""
    ledger = after(history)
    before = ledger.launches()
    assert record(ledger, EVENTS[event](make("first"))) is standing
    assert ledger.launches() == before


@pytest.mark.parametrize(
    ("history", "standing"),
    [
        ("kept", PRESENT),
        ("kept after a launch", PRESENT),
        ("kept and revoked", TO_BE_STOPPED),
        ("kept and launched", TO_BE_STOPPED),
        ("kept and not found", EARLIER),
    ],
)
def test_an_ecs_task_that_is_found_late_is_taken_over_or_abandoned(after, make, history, standing):
    """It is the key's while the key is kept; what Airflow has replaced is abandoned once, to be stopped."""
    ledger, late = after(history), make("late")
    assert record(ledger, EVENTS["noted"](late)) is EARLIER
    assert record(ledger, EVENTS["accepted"](late)) is standing
    again = PRESENT if standing is PRESENT else EARLIER
    assert record(ledger, EVENTS["accepted"](late)) is again
    assert (late in ledger.launches()) is (standing is PRESENT)
    assert ledger.take_kept(KEY) is None


@pytest.mark.parametrize(
    ("history", "has"),
    [
        ("nothing", False),
        ("launched", True),
        ("revoked", False),
        ("kept", True),
        ("kept and revoked", True),
        ("kept and not found", False),
    ],
)
def test_what_is_known_need_not_be_asked_for(after, candidate, history, has):
    """A kept key is asked for already; one that is queued here is this executor's own."""
    ledger = after(history)
    assert ledger.has(candidate(), queued=()) is has
    assert ledger.has(candidate(), queued={OTHER}) is has
    assert ledger.has(candidate(), queued={KEY}) is True
    assert ledger.has(candidate(key=OTHER), queued=()) is False


@pytest.mark.parametrize(
    ("told", "overwritten", "since", "has"),
    [
        ("its ARN", True, None, True),
        ("another", True, None, False),
        ("nothing", True, None, False),
        # Up to 3.1 that may be the ARN of an earlier launch.
        ("its ARN", False, None, False),
        ("its ARN", True, "replaced", False),
        ("its ARN", True, "kept", False),
        ("its ARN", True, "revoked", False),
    ],
)
def test_the_reported_arn_identifies_the_present_launch(
    ledger, make, candidate, told, overwritten, since, has
):
    """Where each queueing overwrites the stored ARN no clock matters; what becomes of the key lets go of its ARN."""
    arn = ARN.format("first")
    ledger.replace(KEY, make())
    if told != "nothing":
        record(ledger, Accepted(make(), arn if told == "its ARN" else ARN.format("second")))
    if since == "kept":
        ledger.keep(candidate())
        ledger.take_kept(KEY)
    elif since == "revoked":
        ledger.remove(KEY)
    if since is not None:
        ledger.replace(KEY, make("second"))
    asked = candidate(HANDED_OVER + 60, arn, arn_is_present=overwritten)
    assert ledger.has(asked, queued=()) is has


def test_the_present_launch_of_a_kept_key_leaves_the_late_one_to_be_found(after, make):
    """Its own ECS task is accepted before the earlier one is found, which is still abandoned then."""
    ledger = after("kept and launched")
    assert record(ledger, EVENTS["accepted"](make("second"))) is PRESENT
    assert record(ledger, EVENTS["accepted"](make("late"))) is TO_BE_STOPPED


@pytest.mark.parametrize(
    ("history", "earlier", "how"),
    [
        ("nothing", None, "replace"),
        ("launched", "first", "replace"),
        ("launched twice", "second", "replace"),
        ("revoked", None, "replace"),
        ("kept", None, "replace"),
        ("launched", "first", "keep"),
        ("launched", "first", "revoke"),
    ],
)
def test_what_was_the_key_s_launch_is_returned(after, make, candidate, history, earlier, how):
    """Whoever replaces, keeps or revokes a key gets the earlier launch, if there is one."""
    ledger = after(history)
    call = {
        "replace": lambda: ledger.replace(KEY, make("third")),
        "keep": lambda: ledger.keep(candidate()),
        "revoke": lambda: ledger.remove(KEY),
    }[how]
    returned = call()
    assert (returned and returned.id) == earlier
    assert [launch.id for launch in ledger.launches()] == (["third"] if how == "replace" else [])


@pytest.mark.parametrize("history", HISTORIES)
def test_a_key_without_an_ecs_task_is_removed_while_it_is_kept(after, candidate, history):
    """It goes back to Airflow unless it was launched, revoked, or removed before."""
    ledger = after(history)
    before = ledger.launches()
    assert ledger.take_kept(KEY) == (candidate() if history in ("kept", "kept after a launch") else None)
    assert ledger.take_kept(KEY) is None
    assert ledger.launches() == before
    assert ledger.remove(KEY) == (before[0] if before else None)


@pytest.mark.parametrize(
    ("queued_at", "external_id", "has"),
    [
        (HANDED_OVER, None, True),
        (HANDED_OVER + 60, None, False),
        (HANDED_OVER + 60, "first", True),
        (HANDED_OVER, "second", False),
    ],
)
def test_an_earlier_launch_here_is_not_the_present_one(after, candidate, queued_at, external_id, has):
    """Another scheduler may have launched the task instance since: its ECS task is to be looked for."""
    assert after("launched").has(candidate(queued_at, external_id), queued=()) is has


def test_keys_do_not_touch_each_other(ledger, make, candidate):
    """What becomes of one leaves the other as it is."""
    first, other = make("first"), make("of other", OTHER)
    ledger.replace(KEY, first)
    ledger.replace(OTHER, other)
    ledger.keep(candidate())
    assert record(ledger, EVENTS["accepted"](other)) is PRESENT
    ledger.remove(OTHER)
    assert ledger.launches() == []
    assert ledger.take_kept(OTHER) is None
    assert ledger.take_kept(KEY) == candidate()
