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
"""More on what ``test_ledger.py`` tests."""

from __future__ import annotations

import pytest

from tests.executors.fargate.test_ledger import (
    EARLIER,
    EVENTS,
    HANDED_OVER,
    HISTORIES,
    KEY,
    OTHER,
    PRESENT,
    TO_BE_STOPPED,
    after,
    candidate,
    ledger,
    make,
    record,
)


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
