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
"""More on what ``test_builder.py`` tests."""

from __future__ import annotations

import collections
import copy
import threading
import types

import pytest

from airflow.executors.fargate.aws.answers import identity_override
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.launch import Identity
from airflow.executors.fargate.request.builder import default_request
from airflow.executors.fargate.request.merging import merge

from tests.executors.fargate.test_builder import (
    COMMAND,
    PASSWORD,
    TASK,
    TOKEN,
    WISHES,
    Uncopyable,
    build,
    cyclic,
    make_builder,
    make_launch,
    override_of,
    own_builder,
    own_request,
    refused,
    wish_for_container,
)


def text_of_error(build, launch):
    """Return all text of the error, or nothing if the launch is not refused."""
    try:
        build(launch)
    except RequestError as error:
        return f"{error} {error!r}"
    return ""


class TestDefaultFunction:
    @pytest.mark.parametrize(
        ("options", "sent"),
        [
            ({"launch_type": "", "assign_public_ip": "DISABLED"}, "DISABLED"),
            ({"launch_type": "", "assign_public_ip": ""}, None),
            ({"launch_type": "FARGATE", "assign_public_ip": ""}, "ENABLED"),
            ({"launch_type": "EC2"}, None),
            ({"launch_type": "", "capacity_provider_strategy": "FARGATE_SPOT"}, "ENABLED"),
            ({"launch_type": "", "capacity_provider_strategy": "mine"}, None),
        ],
    )
    def test_public_ip_is_sent_for_fargate(self, options, sent, read_config):
        """If the cluster's default strategy decides, it is sent unless the option is empty: AWS refuses it for instances."""
        network = default_request(read_config(**options), ["run"])["networkConfiguration"]
        assert network["awsvpcConfiguration"].get("assignPublicIp") == sent

    def test_empty_security_groups_are_not_sent(self, read_config):
        """AWS uses the default security group of the VPC."""
        network = default_request(read_config(), ["run"])["networkConfiguration"]
        assert "securityGroups" not in network["awsvpcConfiguration"]


class TestExecutorConfig:
    def test_object_of_the_caller_is_never_changed(self, build):
        """The task's ``executor_config`` stays the same, and the request shares nothing with it."""
        for wish in WISHES.values():
            before = copy.deepcopy(wish)
            first = build(make_launch(wish))
            for override in first.request["overrides"]["containerOverrides"]:
                override["name"] = "changed"
                override.setdefault("environment", []).append("changed")
            assert wish == before
            assert override_of(build(make_launch(wish)))["command"] == list(COMMAND)

    def test_mappings_and_tuples_are_like_dicts_and_lists(self, build):
        """A frozen ``executor_config`` makes the same request."""
        frozen = types.MappingProxyType(
            {
                "overrides": types.MappingProxyType(
                    {"containerOverrides": (collections.UserDict(name="airflow", memory=512),)}
                )
            }
        )
        override = override_of(build(make_launch(frozen)))
        assert override["memory"] == 512
        assert override["command"] == list(COMMAND)


class Ambiguous(list):
    """Raises like a numpy array if it is used as a boolean."""

    def __bool__(self):
        raise ValueError(PASSWORD)


class TestWrongExecutorConfig:
    """For any ``executor_config`` the launch fails with RequestError and no other error."""

    @pytest.mark.parametrize(
        ("wish", "named"),
        [
            ([], "list"),
            ("", "str"),
            (Ambiguous(), "Ambiguous"),
            ({"group": Uncopyable()}, "RuntimeError"),
            ({1: 2}, '"1"'),
            ({"overrides": None}, "overrides"),
            ({"overrides": {"containerOverrides": "airflow"}}, "containerOverrides"),
            ({"overrides": {"containerOverrides": {"name": "airflow", "memory": 1}}}, "containerOverrides"),
            ({"overrides": {"containerOverrides": [None]}}, "overrides.containerOverrides[1]"),
            (wish_for_container(name=None, memory=1), "overrides.containerOverrides[1].name"),
            (wish_for_container(name=["airflow"]), "overrides.containerOverrides[1].name"),
            (wish_for_container(environment={"A": "1"}), "environment"),
            (wish_for_container(environment=["A=1"]), "overrides.containerOverrides[0].environment[0]"),
            (wish_for_container(environment=[{"name": "A", "value": 1}]), "environment[0].value"),
            ({"taskDefinition": None}, "taskDefinition"),
            ({"networkConfiguration": []}, "networkConfiguration"),
            ({"capacityProviderStrategy": "FARGATE_SPOT"}, "capacityProviderStrategy"),
            ({"tags": {"team": "data"}}, "tags"),
            (cyclic(), "RecursionError"),
        ],
        ids=lambda value: repr(value)[:40] if isinstance(value, str) else None,
    )
    def test_is_refused(self, wish, named, build):
        """The message names the member or the type."""
        assert named in refused(build, make_launch(wish))

    @pytest.mark.parametrize(
        "wish",
        [
            wish_for_container(environment=[{"name": "BIG", "value": "x" * 200_000}]),
            {"overrides": {"containerOverrides": [{"name": f"c{n}"} for n in range(10_000)]}},
        ],
        ids=["one variable", "many containers"],
    )
    def test_that_is_too_large_is_refused_with_a_short_message(self, wish, build):
        """An ``executor_config`` of 200 KB is refused for its size, and is not in the message."""
        message = refused(build, make_launch(wish))
        assert "overrides" in message
        assert "8192" in message
        assert len(message) < 1000

    @pytest.mark.parametrize(
        "secret",
        [
            PASSWORD,
            f"a,\nb, type: <class 'str'>, {PASSWORD}",
            {"k": PASSWORD},
            [{"name": "A", "value": [PASSWORD]}],
            {PASSWORD.encode()},
        ],
        ids=["text", "forged", "dict", "value", "set"],
    )
    def test_is_never_in_a_message(self, secret, build):
        """A value in the wrong place can be a password: messages have members and types, not values."""
        members = (
            "command",
            "name",
            "cpu",
            "memory",
            "environment",
            "environmentFiles",
            "resourceRequirements",
        )
        for member in members:
            text = text_of_error(
                build, make_launch(wish_for_container(**{"name": "sidecar", member: secret}))
            )
            assert PASSWORD not in text
            assert TOKEN not in text


class TestUsersFunction:
    def test_may_return_the_same_dict_each_time(self, own_builder):
        """That dict is not changed, and no launch gets the identity or the executor_config of another one."""
        kept = own_request(["fixed"])
        before = copy.deepcopy(kept)
        build = own_builder(lambda command: kept)
        first = build(make_launch(wish_for_container(memory=1), id="first"))
        second = build(make_launch(id="second"))
        assert kept == before
        assert Identity.parse(*identity_override(first.request)).launch_id == "first"
        assert Identity.parse(*identity_override(second.request)).launch_id == "second"
        assert "memory" not in override_of(second)

    @pytest.mark.parametrize(
        ("names", "expected"),
        [(("worker",), "worker"), (("worker", "proxy"), "worker")],
    )
    def test_names_the_container_by_giving_it_the_command(self, names, expected, own_builder):
        """Without a configured name, the container with Airflow's command is the main container."""
        prepared = own_builder(lambda command: own_request(command, *names))(make_launch())
        assert prepared.container_name == expected

    def test_names_the_container_by_having_no_other(self, own_builder):
        """A function can wrap the command in a script if there is only one container."""
        prepared = own_builder(lambda command: own_request(["sh", "-c", *command]))(make_launch())
        assert prepared.container_name == "worker"

    def test_does_not_replace_a_configured_name(self, own_builder):
        """The configured container is the main container, whichever gets the command."""
        build = own_builder(lambda command: own_request(command, "proxy", "main"), container_name="main")
        assert build(make_launch()).container_name == "main"

    def test_is_called_by_one_thread_at_a_time_and_its_dict_is_copied_before_the_next_call(self, own_builder):
        """A function that returns the same dict is not called again before that dict is copied."""
        shared = {}
        overtaken = []
        called = threading.Semaphore(0)

        class Watched(dict):
            def items(self):
                # While this one is copied, another thread tries to call the function.
                if not others:
                    called.acquire()
                    others.append(threading.Thread(target=lambda: results.append(build(second)), daemon=True))
                    others[0].start()
                    overtaken.append(called.acquire(timeout=0.05))
                return super().items()

        def function(command):
            called.release()
            shared.update(own_request(command))
            return Watched(shared)

        others, results = [], []
        build = own_builder(function)
        second = make_launch(command=("second",))
        first = build(make_launch(command=("first",)))
        others[0].join(timeout=10)
        assert overtaken == [False]
        assert override_of(first)["command"] == ["first"]
        assert override_of(results[0])["command"] == ["second"]


class TestMerge:
    def test_changes_neither_of_its_arguments(self):
        """Merging returns a new dict, and both arguments stay the same."""
        base = {
            "overrides": {"containerOverrides": [{"name": "a", "environment": [{"name": "X", "value": "1"}]}]}
        }
        extra = {
            "overrides": {"containerOverrides": [{"name": "a", "environment": [{"name": "X", "value": "2"}]}]}
        }
        before = copy.deepcopy((base, extra))
        merged = merge(base, extra)
        assert (base, extra) == before
        assert merged == extra

    def test_named_lists_keep_their_order(self):
        """Old items keep their place, new items follow."""
        merged = merge(
            {"tags": [{"key": "b"}, {"key": "a"}]}, {"tags": [{"key": "a", "value": "1"}, {"key": "0"}]}
        )
        assert merged == {"tags": [{"key": "b"}, {"key": "a", "value": "1"}, {"key": "0"}]}
