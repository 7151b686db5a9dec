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
"""More on what ``test_launch.py`` tests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow.executors.fargate.launch import (
    Lease,
)

from tests.deeper.test_launch import (
    TASK,
    TOKEN,
    described,
    identity_with,
    make_launch,
    read_identity,
)

#: What may stand in the place of any member of a response.
GARBAGE: list[Any] = [None, True, 0, 7, 1.5, "", "x", [], {}, (), [None], [[]], ["x"], {"x": 1}, object, b"x"]


#: Ways to nest a value in an ECS task of a response, none of which makes an identity of garbage.
NESTINGS = {
    "overrides": lambda odd: {"overrides": odd},
    "containerOverrides": lambda odd: {"overrides": {"containerOverrides": odd}},
    "container": lambda odd: {"overrides": {"containerOverrides": [odd]}},
    "environment": lambda odd: {"overrides": {"containerOverrides": [{"environment": odd}]}},
    "variable": lambda odd: {"overrides": {"containerOverrides": [{"environment": [odd]}]}},
    "value": described,
}


class TestIdentity:
    @pytest.mark.parametrize("nest", NESTINGS.values(), ids=NESTINGS)
    def test_is_none_in_a_malformed_response(self, nest):
        """A member of another type raises nothing."""
        assert [odd for odd in GARBAGE if read_identity(nest(odd)) is not None] == []

    def test_can_be_looked_up_whatever_it_holds(self):
        """What is read can be a key of a dict: adoption looks it up."""
        odd = {"x": 1}
        names = ("dag_id", "task_id", "run_id", "launch")
        identity = read_identity(described(identity_with(**dict.fromkeys(names, odd))))
        assert identity is not None
        assert {identity: 1, identity.task: 2}[identity] == 1

    def test_of_a_callback_can_be_looked_up_whatever_it_holds(self):
        """The same is true of a callback's identity."""
        text = json.dumps({"launch": "l", "callback_id": {}, "dag_id": {}, "handed_over": 1})
        hash(read_identity(described(text)).task)


class Clocks:
    """A clock that never goes backwards, and the time of the day."""

    def __init__(self):
        self.monotonic, self.wall = 10.0, 1000.0

    def lease(self, seconds):
        return Lease(seconds, lambda: self.monotonic, lambda: self.wall)


@pytest.mark.parametrize(
    ("monotonic", "wall", "is_over"),
    [
        pytest.param(14, 14, False, id="just confirmed"),
        pytest.param(16, 16, True, id="stopped process"),
        pytest.param(0, 3600, True, id="suspended host: one clock stood still"),
        pytest.param(16, -3600, True, id="stopped process, and the clock set back"),
    ],
)
def test_the_clock_that_says_more_counts(monotonic, wall, is_over):
    """However the process was kept from going on, one of the two clocks shows how long that was."""
    clocks = Clocks()
    lease = clocks.lease(15.0)
    confirmed = lease.begin()
    clocks.monotonic += monotonic
    clocks.wall += wall
    assert lease.is_valid(confirmed) is not is_over


def test_without_a_limit_it_is_always_valid():
    """No other scheduler can take over the launches of an executor without a scheduler."""
    clocks = Clocks()
    lease = clocks.lease(None)
    confirmed = lease.begin()
    clocks.wall += 1e9
    assert lease.is_valid(confirmed)


def test_a_lease_can_have_begun_before():
    """It can begin with the hand-over, before the process was stopped."""
    lease = Clocks().lease(15.0)
    assert [lease.is_valid((10.0, handed_over)) for handed_over in (990.0, 980.0)] == [True, False]
