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
"""What crosses the threads: its identity comes back as it went, and its secrets are never shown."""

from __future__ import annotations

import dataclasses
import json
import uuid
from typing import Any

import pytest

from airflow.executors.fargate.launch import (
    IDENTITY_VARIABLE,
    MAX_NUMBER,
    MAX_TEXT,
    CallbackId,
    Identity,
    Launch,
    TaskInstanceId,
)
from airflow.executors.fargate.messages import Accepted, Ended, Noted, NotFound

TOKEN = "bearer-eyJhbGciOiJIUzI1NiJ9"
TASK = TaskInstanceId("dag", "task", "run", 2)
#: The members of an identity that are texts.
TEXTS = ("launch", "dag_id", "task_id", "run_id", "scheduler", "database")
GARBAGE: list[Any] = [None, True, 0, 7, 1.5, "", "x", [], {}, (), [None], [[]], ["x"], {"x": 1}, object, b"x"]


def make_launch(task=TASK, **changes):
    return Launch(task, task, **{"command": ("run", TOKEN), "executor_config": {"p": TOKEN}, **changes})


def described(value, name="airflow", variable=IDENTITY_VARIABLE):
    """Return a task of a DescribeTasks response with one variable in one container's override."""
    return {
        "taskArn": "arn",
        "overrides": {
            "containerOverrides": [
                {"name": "proxy", "environment": [{"name": "A", "value": "1"}]},
                {"name": name, "environment": [{"name": "B"}, {"name": variable, "value": value}]},
            ]
        },
    }


def identity_with(**changes):
    """Return the text of an identity with these members changed; None takes one out."""
    told = {**json.loads(make_launch(id="launch").identity), **changes}
    return json.dumps({name: value for name, value in told.items() if value is not None})


class TestIdentity:
    @pytest.mark.parametrize(
        "task",
        [
            TASK,
            TaskInstanceId("dag", "task", "run", 1, 0),
            TaskInstanceId("dag", "task", "run", 1, 4711),
            TaskInstanceId("a.b", "group.task", "scheduled__2026-11-22T00:00:00+00:00", 3),
            TaskInstanceId("dag 'with' \"quotes\" and \\", "täsk 数据 \N{ROCKET}", "line\nbreak\ttab", 1),
            TaskInstanceId("", "", "", 0),
            TaskInstanceId("d" * 250, "t" * 250, "r" * MAX_TEXT, MAX_NUMBER, MAX_NUMBER),
            CallbackId("0199-callback", "dag"),
            CallbackId("0199-callback", None),
        ],
        ids=str,
    )
    def test_comes_back_as_it_went(self, task):
        """What the container's variable says is read back as the very same launch."""
        launch = make_launch(task, id="launch-1", handed_over=1795356000.123456)
        assert Identity.of(described(launch.identity)) == Identity(
            "launch-1", task, 1795356000.123456, "airflow"
        )

    @pytest.mark.parametrize(
        ("told", "read"),
        [("17@1795356000.123456", "17@1795356000.123456"), (None, None), (17, None), ([], None)],
    )
    def test_names_the_scheduler_where_it_is_known(self, told, read):
        """Whatever else stands there names none, and spoils nothing."""
        assert Identity.of(described(make_launch(id="launch", scheduler=read).identity)).scheduler == read
        assert Identity.of(described(identity_with(scheduler=told))).scheduler == read

    @pytest.mark.parametrize(
        ("told", "read"),
        [("0123456789ab", "0123456789ab"), (None, None), (17, None), ([], None), ({}, None)],
    )
    def test_names_the_database_where_it_is_known(self, told, read):
        """An identity of an older version has none, and what is no text is none."""
        assert Identity.of(described(make_launch(id="launch", database=read).identity)).database == read
        assert Identity.of(described(identity_with(database=told))).database == read

    @pytest.mark.parametrize(
        ("own", "its", "is_another"),
        [("a", "b", True), ("a", "a", False), ("a", None, False), (None, "b", False), (None, None, False)],
    )
    def test_is_of_another_database_only_where_both_are_known(self, own, its, is_another):
        """Where one of the two does not say, nothing is concluded."""
        identity = Identity.of(described(make_launch(id="launch", database=its).identity))
        assert identity.is_of_another_database(own) is is_another

    def test_has_members_that_an_older_or_newer_version_does_not_know(self):
        """What a later version adds is read over, so a downgrade finds its ECS tasks."""
        plain = Identity.of(described(identity_with()))
        assert Identity.of(described(identity_with(added="x", also={"more": [1]}))) == plain

    def test_holds_no_secret(self):
        """The identity stands in the clear, in AWS's console too: it tells nothing of command and wishes."""
        assert TOKEN not in make_launch().identity

    def test_takes_no_more_room_than_it_needs(self):
        """The identity is part of the 8192 characters of the overrides, so it is short."""
        assert len(make_launch().identity) < 200

    @pytest.mark.parametrize(
        "ecs_task",
        [
            {},
            {"overrides": {}},
            {"overrides": {"containerOverrides": []}},
            {"overrides": {"containerOverrides": [{"name": "airflow"}]}},
            described("{}", variable="ANOTHER"),
            *({"overrides": odd} for odd in GARBAGE),
            *({"overrides": {"containerOverrides": odd}} for odd in GARBAGE),
            *({"overrides": {"containerOverrides": [odd]}} for odd in GARBAGE),
            *({"overrides": {"containerOverrides": [{"environment": odd}]}} for odd in GARBAGE),
            *({"overrides": {"containerOverrides": [{"environment": [odd]}]}} for odd in GARBAGE),
        ],
    )
    def test_is_none_where_a_task_carries_none(self, ecs_task):
        """A container that somebody else has started is not taken for one of ours."""
        assert Identity.of(ecs_task) is None

    @pytest.mark.parametrize(
        "text",
        [
            *GARBAGE,
            "null",
            "[]",
            "7",
            '"launch"',
            "{",
            "[" * 100_000,
            *(identity_with(**{name: None}) for name in json.loads(make_launch().identity)),
            identity_with(try_number="one"),
            identity_with(try_number=float("inf")),
            identity_with(try_number=float("nan")),
            identity_with(try_number=[1]),
            identity_with(map_index={}),
            identity_with(handed_over="now"),
            identity_with(handed_over=[]),
            # What no database takes: the identity is looked up in Airflow's.
            identity_with(handed_over=float("inf")),
            identity_with(handed_over=float("nan")),
            *(identity_with(**{name: "nul\0"}) for name in TEXTS),
            *(identity_with(**{name: "half\ud800"}) for name in TEXTS),
            *(identity_with(**{name: "x" * (MAX_TEXT + 1)}) for name in TEXTS),
            *(
                identity_with(**{name: number})
                for name in ("try_number", "map_index")
                for number in (2**31, -(2**31), 10**20, "9" * 5000)
            ),
            identity_with().replace(": 2,", f": {'9' * 5000},"),
            identity_with(callback_id="nul\0"),
            identity_with(callback_id="id", dag_id="nul\0"),
        ],
        ids=lambda value: repr(value)[:30],
    )
    def test_is_none_where_the_variable_means_something_else(self, text):
        """Somebody else's variable of the same name is no identity, whatever it holds."""
        assert Identity.of(described(text)) is None

    @pytest.mark.parametrize("name", ["dag_id", "task_id", "run_id", "launch"])
    @pytest.mark.parametrize("odd", [7, ["x"], {"x": 1}, True])
    def test_can_be_looked_up_whatever_it_holds(self, name, odd):
        """What is read from a container of somebody else's can be a key of a dict: adoption looks it up."""
        identity = Identity.of(described(identity_with(**{name: odd})))
        assert identity is not None
        assert hash(identity.task) == hash(identity.task)
        assert {identity: 1}[identity] == 1

    def test_of_a_callback_can_be_looked_up_whatever_it_holds(self):
        """Somebody's variable of the same name ends no search."""
        told = json.dumps({"launch": "l", "callback_id": {}, "dag_id": {}, "handed_over": 1})
        hash(Identity.of(described(told)).task)

    def test_names_the_container_that_carries_it(self):
        """The container that was launched decides, whatever the configuration says by now."""
        assert Identity.of(described(make_launch().identity, name="worker")).container_name == "worker"


class TestLaunch:
    def test_has_an_id_of_its_own(self):
        """Two hand-overs of one task instance are two launches."""
        first, second = make_launch(), make_launch()
        assert first.id != second.id
        assert str(uuid.UUID(first.id)) == first.id

    @pytest.mark.parametrize("show", [str, repr, "{}".format, "{0!r}".format], ids=range(4))
    @pytest.mark.parametrize(
        "wrap",
        [
            lambda launch: launch,
            lambda launch: [launch],
            lambda launch: Accepted(launch, "arn"),
            lambda launch: Ended(launch, "reason"),
            lambda launch: Noted(launch, "text"),
            lambda launch: NotFound(launch),
        ],
        ids=["launch", "list", "accepted", "ended", "noted", "not found"],
    )
    def test_never_shows_its_command_or_its_wishes(self, wrap, show):
        """Launches and events can be logged: the token in the command and the wishes of the task stay out of it."""
        assert TOKEN not in show(wrap(make_launch()))

    def test_is_let_go_of_its_workload(self):
        """A live container's launch keeps its identity and forgets what a further attempt alone would need."""
        launch = make_launch(queue="q", priority=3, handed_over=5.0, expires=9.0)
        light = launch.without_workload()
        assert (light.command, light.executor_config) == ((), None)
        assert light.identity == launch.identity
        assert (
            dataclasses.replace(light, command=launch.command, executor_config=launch.executor_config)
            == launch
        )
        assert launch.command == ("run", TOKEN)

    @pytest.mark.parametrize("message", [make_launch(), TASK, Accepted(make_launch(), "arn")], ids=type)
    def test_cannot_be_changed(self, message):
        """What crosses threads is immutable."""
        name = dataclasses.fields(message)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(message, name, "changed")

    @pytest.mark.parametrize(
        ("task", "text"),
        [
            (TASK, "dag.task run try 2"),
            (TaskInstanceId("d", "t", "r", 1, 5), "d.t[5] r try 1"),
            (CallbackId("id", "d"), "callback id of d"),
        ],
    )
    def test_is_called_by_its_task_instance(self, task, text):
        """A launch is shown as the task instance and the try that it is for."""
        assert str(make_launch(task)) == text
