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
"""A launch: its identity is read back as it was written, and its secrets are never shown."""

from __future__ import annotations

import dataclasses
import json
import uuid
from typing import Any

import pytest

from airflow.executors.fargate.aws.answers import identity_override
from airflow.executors.fargate.launch import (
    IDENTITY_VARIABLE,
    MAX_NUMBER,
    MAX_TEXT,
    CallbackId,
    Identity,
    Launch,
    TaskInstanceId,
)
from airflow.executors.fargate.messages import Accepted

TOKEN = "bearer-eyJhbGciOiJIUzI1NiJ9"


TASK = TaskInstanceId("dag", "task", "run", 2)


UUID = "01936b2a-5e8f-7c3d-9a41-6f0e2d8c7b15"


#: The members of an identity that are texts.
TEXTS = ("launch", "dag_id", "task_id", "run_id", "scheduler", "database")


def make_launch(task=TASK, **changes):
    return Launch(task, task, **{"command": ("run", TOKEN), "executor_config": {"p": TOKEN}, **changes})


def described(value, name="airflow", variable=IDENTITY_VARIABLE):
    """Return an ECS task of a response with one variable in one container's override."""
    return {
        "taskArn": "arn",
        "overrides": {
            "containerOverrides": [
                {"name": "proxy", "environment": [{"name": "A", "value": "1"}]},
                {"name": name, "environment": [{"name": "B"}, {"name": variable, "value": value}]},
            ]
        },
    }


def read_identity(ecs_task):
    """Return the identity that an ECS task carries."""
    return Identity.parse(*identity_override(ecs_task))


def identity_with(**changes):
    """Return the text of an identity with these members changed; None removes one."""
    members = {**json.loads(make_launch(id="launch").identity), **changes}
    return json.dumps({name: value for name, value in members.items() if value is not None})


#: Members of an identity that should be numbers, and are none.
NO_NUMBERS: list[dict[str, Any]] = [
    {"try_number": "one"},
    {"try_number": float("inf")},
    {"try_number": float("nan")},
    {"try_number": [1]},
    {"map_index": {}},
    {"handed_over": "now"},
    {"handed_over": []},
    {"handed_over": float("inf")},
    {"handed_over": float("nan")},
]
NO_UUIDS: list[Any] = ["", "x", UUID + "0", 7, [], {}]
#: Texts of the variable that are no identity.
NO_IDENTITIES = {
    "no object": ["null", "[]", "7", '"launch"', "{", "[" * 100_000],
    "a member is missing": [identity_with(**{name: None}) for name in json.loads(make_launch().identity)],
    "a number is none": [identity_with(**changes) for changes in NO_NUMBERS],
    "a text that no database takes": [
        identity_with(**{name: text})
        for name in TEXTS
        for text in ("nul\0", "half\ud800", "x" * (MAX_TEXT + 1))
    ],
    "a number that no database takes": [
        *(
            identity_with(**{name: number})
            for name in ("try_number", "map_index")
            for number in (2**31, -(2**31), 10**20, "9" * 5000)
        ),
        identity_with().replace(": 2,", f": {'9' * 5000},"),
    ],
    "a UUID is none": [identity_with(uuid=value) for value in NO_UUIDS],
    "a callback that no database takes": [
        identity_with(callback_id="nul\0"),
        identity_with(callback_id="id", dag_id="nul\0"),
    ],
}


class TestIdentity:
    @pytest.mark.parametrize(
        "task",
        [
            TaskInstanceId("dag", "task", "run", 1, 0),
            TaskInstanceId("d" * 250, "t" * 250, "r" * MAX_TEXT, MAX_NUMBER, MAX_NUMBER, UUID),
        ],
        ids=str,
    )
    def test_comes_back_as_it_went(self, task):
        """What the variable says is read back as the same launch."""
        launch = make_launch(task, id="launch-1", handed_over=1795356000.123456)
        assert read_identity(described(launch.identity)) == Identity(
            "launch-1", task, 1795356000.123456, "airflow"
        )

    @pytest.mark.parametrize("member", ["scheduler", "database"])
    @pytest.mark.parametrize(("written", "read"), [("a name", "a name"), (None, None), (17, None)])
    def test_names_scheduler_and_database_where_they_are_known(self, member, written, read):
        """Any other value is read as none, and the rest of the identity is valid."""
        identity = read_identity(described(identity_with(**{member: written})))
        assert getattr(identity, member) == read
        launch = make_launch(id="launch", **{member: read})
        assert getattr(read_identity(described(launch.identity)), member) == read

    @pytest.mark.parametrize(
        ("own", "its", "is_another"),
        [("a", "b", True), ("a", "a", False), ("a", None, False), (None, "b", False)],
    )
    def test_is_of_another_database_only_where_both_are_known(self, own, its, is_another):
        """Otherwise it may be the same one."""
        identity = read_identity(described(make_launch(id="launch", database=its).identity))
        assert identity.is_of_another_database(own) is is_another

    def test_has_members_that_an_older_or_newer_version_does_not_know(self):
        """Unknown members are ignored, so the ECS tasks of a newer version are found after a downgrade."""
        plain = read_identity(described(identity_with()))
        assert read_identity(described(identity_with(added="x", also={"more": [1]}))) == plain

    def test_holds_no_secret(self):
        """The identity is in the clear, in AWS's console too: without command and executor_config."""
        assert TOKEN not in make_launch().identity

    def test_is_short(self):
        """The identity counts towards the 8192 characters of all overrides."""
        assert len(make_launch(dataclasses.replace(TASK, uuid=UUID)).identity) < 250

    @pytest.mark.parametrize(
        "ecs_task",
        [
            {},
            {"overrides": {"containerOverrides": [{"name": "airflow"}]}},
            described(identity_with(), variable="ANOTHER"),
        ],
    )
    def test_is_none_where_an_ecs_task_carries_none(self, ecs_task):
        """An ECS task that this executor has not launched is not taken for one of its own."""
        assert read_identity(ecs_task) is None

    @pytest.mark.parametrize("texts", NO_IDENTITIES.values(), ids=NO_IDENTITIES)
    def test_is_none_where_the_variable_means_something_else(self, texts):
        """Nor where a database, in which the identity is looked up, would refuse what it says."""
        assert [text[:200] for text in texts if read_identity(described(text)) is not None] == []

    def test_names_the_container_that_carries_it(self):
        """It is the main container, whatever the options say by now."""
        assert read_identity(described(make_launch().identity, name="worker")).container_name == "worker"


class TestLaunch:
    def test_has_an_id_of_its_own(self):
        """Two hand-overs of one task instance are two launches."""
        first, second = make_launch(), make_launch()
        assert first.id != second.id
        assert str(uuid.UUID(first.id)) == first.id

    @pytest.mark.parametrize(
        "wrap",
        [
            lambda launch: launch,
            lambda launch: Accepted(launch, "arn"),
        ],
        ids=["launch", "accepted"],
    )
    def test_never_shows_its_command_or_its_executor_config(self, wrap):
        """Launches and events can be logged."""
        shown = wrap(make_launch())
        assert TOKEN not in f"{shown} {shown!r}"

    def test_is_kept_without_its_workload(self):
        """It keeps its identity, and loses what only a further attempt would need."""
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
    def test_is_shown_as_its_task_instance(self, task, text):
        """A launch is shown as the task instance and the try that it is for."""
        assert str(make_launch(task)) == text
