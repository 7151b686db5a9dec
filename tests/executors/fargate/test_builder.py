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
"""The request of a launch: of the options, a user's function, and the task's executor_config."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import json
from functools import partial

import pytest
from botocore.validate import ParamValidator

from airflow.executors.fargate.aws.answers import identity_override
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Identity, Launch, TaskInstanceId
from airflow.executors.fargate.request.builder import Prepared, RequestBuilder, default_request
from airflow.executors.fargate.request.tags import own_tags

TASK = TaskInstanceId("dag", "task", "run", 1)


TOKEN = "bearer-eyJhbGciOiJIUzI1NiJ9"


COMMAND = ("python", "-m", "run", json.dumps({"token": TOKEN}))


PASSWORD = "hunter2-is-no-password"


SUBNETS = tuple(f"subnet-{n:x}" for n in range(16))


SECURITY_GROUPS = tuple(f"sg-{n:x}" for n in range(5))


#: Valid values of ``executor_config``, by what they are about.
WISHES = {
    "nothing": None,
    "empty": {},
    "memory of the task": {"overrides": {"cpu": "1024", "memory": "2048"}},
    "memory of the container": {"overrides": {"containerOverrides": [{"name": "airflow", "memory": 4096}]}},
    "container without a name": {"overrides": {"containerOverrides": [{"cpu": 1, "memoryReservation": 2}]}},
    "variables": {
        "overrides": {"containerOverrides": [{"environment": [{"name": "A", "value": "1"}, {"name": "B"}]}]}
    },
    "sidecar": {"overrides": {"containerOverrides": [{"name": "proxy", "command": ["proxy", "--fast"]}]}},
    "roles": {
        "overrides": {"taskRoleArn": "arn:aws:iam::1:role/a", "executionRoleArn": "arn:aws:iam::1:role/b"}
    },
    "storage": {"overrides": {"ephemeralStorage": {"sizeInGiB": 100}}},
    "another task definition": {"taskDefinition": "big:7", "cluster": "another"},
    "tags": {"tags": [{"key": "team", "value": "data"}], "propagateTags": "TASK_DEFINITION"},
    "spot": {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}]},
    "shell": {"enableExecuteCommand": True, "group": "airflow"},
    "tuples": {"overrides": {"containerOverrides": ({"environment": ({"name": "A", "value": "1"},)},)}},
    "constraint": {
        "launchType": "EC2",
        "placementConstraints": [{"type": "memberOf", "expression": "attribute:zone == a"}],
    },
}


def make_launch(executor_config=None, **changes):
    return Launch(TASK, TASK, **{"command": COMMAND, "executor_config": executor_config, **changes})


def override_of(prepared):
    """Return the override of the main container; there must be exactly one."""
    (override,) = (
        override
        for override in prepared.request["overrides"]["containerOverrides"]
        if override["name"] == prepared.container_name
    )
    return override


def environment_of(prepared):
    """Return the variables of the main container, without the identity of the launch."""
    variables = [(v["name"], v.get("value")) for v in override_of(prepared)["environment"]]
    assert len(variables) == len(dict(variables))
    return {name: value for name, value in variables if name != IDENTITY_VARIABLE}


def wish_for_container(**override):
    return {"overrides": {"containerOverrides": [override]}}


def refused(build, launch):
    """Return the message with which a launch is refused; no other error than RequestError is allowed."""
    with pytest.raises(RequestError) as caught:
        build(launch)
    return str(caught.value)


@pytest.fixture
def make_builder(read_config):
    """Return a function that makes a builder with the default function from options."""

    def make(**options):
        config = read_config(**options)
        function = partial(default_request, config)
        return RequestBuilder(dataclasses.replace(config, command_to_request=function))

    return make


@pytest.fixture
def build(make_builder):
    """Return the builder with the default options."""
    return make_builder()


@pytest.fixture
def own_builder(read_config):
    """Return a function that makes a builder with a user's own function, and without the options it replaces."""

    def make(function, **changes):
        replaced = {
            "task_definition": None,
            "container_name": None,
            "subnets": (),
            "own_function": True,
            "command_to_request": function,
            **changes,
        }
        return RequestBuilder(dataclasses.replace(read_config(), **replaced))

    return make


def own_request(command, *names):
    """Return a request of a user's function: the command is for the first of these containers."""
    first, *others = names or ("worker",)
    overrides = [{"name": first, "command": command}, *({"name": name, "cpu": 1} for name in others)]
    return {"taskDefinition": "own:1", "overrides": {"containerOverrides": overrides}}


class TestEveryRequest:
    """Combinations of options and executor_config, checked by botocore's own validator."""

    @pytest.mark.parametrize("launch_type", ["", "EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"])
    def test_is_valid_for_botocore(self, launch_type, make_builder, launch_types, service_model):
        """Each combination makes a request that botocore's model allows, with the members of the executor."""
        if launch_type not in {*launch_types, ""}:
            pytest.skip(f"this botocore knows no launch type {launch_type}")
        shape = service_model.operation_model("RunTask").input_shape
        combinations = itertools.product(
            [SUBNETS[:1], SUBNETS] if launch_type == "FARGATE" else [(), SUBNETS[:1], SUBNETS],
            [(), SECURITY_GROUPS],
            ["ENABLED", "DISABLED"],
            ["LATEST", "1.4.0"],
        )
        for subnets, groups, public, version in combinations:
            build = make_builder(
                launch_type=launch_type,
                subnets=",".join(subnets),
                security_groups=",".join(groups),
                assign_public_ip=public,
                platform_version=version,
            )
            for name, wish in WISHES.items():
                if name == "spot" and not subnets:
                    continue
                prepared = build(make_launch(wish))
                report = ParamValidator().validate({**prepared.request, "clientToken": "token"}, shape)
                assert not report.has_errors(), report.generate_report()
                assert override_of(prepared)["command"] == list(COMMAND)
                assert prepared.request["startedBy"] == "airflow"
                assert prepared.request.get("count", 1) == 1
                assert Identity.parse(*identity_override(prepared.request)).task == TASK

    def test_table_of_launch_types_leaves_none_out(self, launch_types):
        """Each launch type that botocore lists is in the table above."""
        assert set(launch_types) <= {"EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"}


class TestDefaultFunction:
    @pytest.mark.parametrize(
        ("launch_type", "sent", "version", "network", "public_ip"),
        [
            ("FARGATE", "FARGATE", True, True, True),
            ("EC2", "EC2", False, True, False),
            ("EXTERNAL", "EXTERNAL", False, False, False),
            ("", None, False, True, True),
        ],
    )
    def test_members_of_some_launch_types_are_sent_for_these_only(
        self, launch_type, sent, version, network, public_ip, read_config
    ):
        """The platform version, the network and the public IP address are sent if AWS accepts them."""
        options = {"security_groups": "sg-1", "platform_version": "1.4.0", "assign_public_ip": "DISABLED"}
        request = default_request(read_config(launch_type=launch_type, **options), ["run"])
        assert request.get("launchType") == sent
        assert request.get("platformVersion") == ("1.4.0" if version else None)
        awsvpc = {"subnets": ["subnet-0123456789abcdef0"], "securityGroups": ["sg-1"]}
        if public_ip:
            awsvpc["assignPublicIp"] = "DISABLED"
        assert request.get("networkConfiguration") == ({"awsvpcConfiguration": awsvpc} if network else None)

    def test_no_network_without_subnets(self, read_config):
        """Without subnets no network configuration is sent: AWS would refuse it."""
        config = read_config(launch_type="EC2", subnets="", security_groups="sg-1")
        assert "networkConfiguration" not in default_request(config, ["run"])

    def test_command_goes_to_the_named_container(self, read_config):
        """The request is for one ECS task with Airflow's command, in the cluster that the options name."""
        request = default_request(read_config(), ["airflow", "tasks", "run"])
        assert request["cluster"] == "fleet"
        assert request["taskDefinition"] == "airflow-task:3"
        assert request["count"] == 1
        assert request["overrides"] == {
            "containerOverrides": [{"name": "airflow", "command": ["airflow", "tasks", "run"]}]
        }


class TestIdentity:
    def test_is_in_the_environment_of_the_container(self, build):
        """The identity can be read from the overrides, which DescribeTasks returns."""
        launch = make_launch(id="launch-7", handed_over=12.5)
        identity = Identity.parse(*identity_override(build(launch).request))
        assert identity == Identity("launch-7", TASK, 12.5, "airflow")

    def test_started_by_is_the_deployment(self, make_builder):
        """``startedBy`` is the deployment: ListTasks finds all its ECS tasks by it."""
        assert make_builder(deployment="team/prod")(make_launch()).request["startedBy"] == "team/prod"

    def test_no_client_token_yet(self, build):
        """The token belongs to an attempt, not to the request."""
        assert "clientToken" not in build(make_launch()).request


class TestExecutorConfig:
    def test_container_overrides_are_merged_by_name(self, build):
        """The task's override is added to the command; other containers have their own override."""
        prepared = build(
            make_launch(
                {
                    "overrides": {
                        "containerOverrides": [
                            {"name": "proxy", "command": ["proxy"], "memory": 64},
                            {"name": "airflow", "memory": 4096},
                        ]
                    }
                }
            )
        )
        override = override_of(prepared)
        assert override["command"] == list(COMMAND)
        assert override["memory"] == 4096
        others = [o for o in prepared.request["overrides"]["containerOverrides"] if o is not override]
        assert others == [{"name": "proxy", "command": ["proxy"], "memory": 64}]

    def test_override_without_a_name_is_for_the_main_container(self, build):
        """A task need not know the name of the main container."""
        assert override_of(build(make_launch(wish_for_container(memory=4096))))["memory"] == 4096

    def test_environment_is_merged_by_name(self, own_builder):
        """A variable of the task replaces that of the same name; the others stay."""

        def function(command):
            request = own_request(command)
            request["overrides"]["containerOverrides"][0]["environment"] = [
                {"name": "KEPT", "value": "1"},
                {"name": "CHANGED", "value": "1"},
            ]
            return request

        wish = wish_for_container(
            environment=[{"name": "CHANGED", "value": "2"}, {"name": "NEW", "value": "3"}]
        )
        prepared = own_builder(function)(make_launch(wish))
        assert environment_of(prepared) == {"KEPT": "1", "CHANGED": "2", "NEW": "3"}

    @pytest.mark.parametrize(
        ("member", "base", "wish", "expected"),
        [
            (
                "tags",
                [{"key": "a", "value": "1"}, {"key": "b", "value": "1"}],
                [{"key": "b", "value": "2"}, {"key": "c", "value": "2"}],
                [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}, {"key": "c", "value": "2"}],
            ),
            ("taskDefinition", "own:1", "own:2", "own:2"),
            ("enableExecuteCommand", True, False, False),
            (
                "placementConstraints",
                [{"type": "distinctInstance"}],
                [{"type": "memberOf", "expression": "x"}],
                [{"type": "memberOf", "expression": "x"}],
            ),
            (
                "networkConfiguration",
                {"awsvpcConfiguration": {"subnets": ["subnet-1"], "assignPublicIp": "DISABLED"}},
                {"awsvpcConfiguration": {"subnets": ["subnet-2"]}},
                {"awsvpcConfiguration": {"subnets": ["subnet-2"], "assignPublicIp": "DISABLED"}},
            ),
        ],
    )
    def test_members_are_merged_by_their_kind(self, member, base, wish, expected, own_builder):
        """Dicts are merged by key, named lists by name; anything else is replaced by the task's value."""
        build = own_builder(lambda command: {**own_request(command), member: base}, tag_tasks=False)
        assert build(make_launch({member: wish})).request[member] == expected

    @pytest.mark.parametrize(
        ("options", "wish", "version", "public_ip", "network"),
        [
            ({}, {"launchType": "EC2"}, False, False, True),
            ({}, {"launchType": "EXTERNAL"}, False, False, False),
            ({}, {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]}, True, True, True),
            ({}, {"capacityProviderStrategy": [{"capacityProvider": "my-instances"}]}, False, False, True),
            ({}, {"launchType": "EC2", "platformVersion": "1.4.0"}, True, False, True),
            ({"launch_type": "EC2"}, {"launchType": "FARGATE"}, True, True, True),
            ({"launch_type": ""}, {"launchType": "FARGATE"}, True, True, True),
            ({"launch_type": ""}, {"launchType": "EC2"}, False, False, True),
        ],
    )
    def test_launch_type_of_a_task_has_only_members_that_it_accepts(
        self, options, wish, version, public_ip, network, make_builder
    ):
        """Members that another launch type does not accept are removed, unless the task sets them itself."""
        request = make_builder(**options)(make_launch(wish)).request
        assert ("platformVersion" in request) is version
        awsvpc = request.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
        assert bool(awsvpc) is network
        assert ("assignPublicIp" in awsvpc) is public_ip
        assert ("launchType" in request) is ("launchType" in wish)
        assert ("capacityProviderStrategy" in request) is ("capacityProviderStrategy" in wish)

    @pytest.mark.parametrize("member", ["clientToken", "startedBy", "count"])
    def test_members_of_the_executor_are_refused(self, member, build):
        """Exactly-once launches and adoption depend on them."""
        for value in (1, None, "x"):
            message = refused(build, make_launch({member: value}))
            assert "executor_config" in message
            assert member in message

    def test_command_of_the_main_container_is_refused(self, build):
        """It is Airflow's, in each form of the override."""
        for name, kind, mapping in itertools.product(
            ["airflow", None], [list, tuple], [dict, collections.UserDict]
        ):
            override = mapping(command=["rm"], **({"name": name} if name else {}))
            message = refused(build, make_launch({"overrides": {"containerOverrides": kind([override])}}))
            assert "command" in message
            assert "'airflow'" in message


class Uncopyable:
    def __deepcopy__(self, memo):
        raise RuntimeError(PASSWORD)


def cyclic():
    wish = {"overrides": {}}
    wish["overrides"]["overrides"] = wish
    return wish


class TestUsersFunction:
    def test_gets_the_command_as_a_list_of_strings(self, own_builder):
        """The function is called with Airflow's command, a list, and its dict is the request."""
        given = []

        def function(command):
            given.append(command)
            return own_request(command)

        prepared = own_builder(function)(make_launch())
        assert given == [list(COMMAND)]
        assert prepared.request["taskDefinition"] == "own:1"
        assert override_of(prepared)["command"] == list(COMMAND)

    def test_gets_only_the_members_of_the_executor(self, own_builder):
        """Only startedBy, the identity and tags are added to a user's own request, and no other option."""
        launch = make_launch()
        expected = own_request(list(COMMAND))
        (override,) = expected["overrides"]["containerOverrides"]
        override["environment"] = [{"name": IDENTITY_VARIABLE, "value": launch.identity}]
        expected["startedBy"] = "airflow"
        assert own_builder(own_request, tag_tasks=False)(launch).request == expected
        expected["tags"] = own_tags(launch, "airflow")
        assert own_builder(own_request)(launch).request == expected

    @pytest.mark.parametrize(
        ("returned", "named"),
        [
            (None, "NoneType"),
            ({"taskDefinition": 1}, "taskDefinition"),
            ({"taskDefinition": "own", "clientToken": "x"}, "clientToken"),
            ({"taskDefinition": "own", "startedBy": "me"}, "startedBy"),
            (
                {
                    "taskDefinition": "own",
                    "overrides": {
                        "containerOverrides": [
                            {"name": "sidecar", "environment": [{"name": IDENTITY_VARIABLE, "value": "{}"}]}
                        ]
                    },
                },
                f"sets {IDENTITY_VARIABLE}, by which the executor finds its ECS tasks; leave it out",
            ),
            ({"taskDefinition": "own", "count": 2}, "count"),
            ({"taskDefinition": "own", "group": Uncopyable()}, "RuntimeError"),
            (cyclic(), "RecursionError"),
        ],
        ids=lambda value: value if isinstance(value, str) else None,
    )
    def test_that_returns_no_request_fails_the_task(self, returned, named, own_builder):
        """Only this launch fails, and the message names the mistake."""
        build = own_builder(lambda command: returned, container_name="airflow")
        assert named in refused(build, make_launch())

    @pytest.mark.parametrize("error", [ValueError(TOKEN), SystemExit(TOKEN)])
    def test_that_raises_fails_the_task_without_a_secret(self, error, own_builder):
        """The message has only the type of the error: its text can contain the command and its token."""

        def function(command):
            raise error

        message = refused(own_builder(function), make_launch())
        assert type(error).__name__ in message
        assert "execution_config_function" in message
        assert TOKEN not in message

    @pytest.mark.parametrize(
        "overrides",
        [
            [],
            [{"name": "a"}, {"name": "b"}],
            [{"name": "a", "command": list(COMMAND)}, {"name": "b", "command": list(COMMAND)}],
            [{"name": 7, "command": list(COMMAND)}],
        ],
        ids=["none", "two without", "two with", "number"],
    )
    def test_that_names_no_container_fails_the_task(self, overrides, own_builder):
        """If it is not clear whose exit code counts, nothing is launched."""
        request = {"taskDefinition": "own", "overrides": {"containerOverrides": overrides}}
        assert "container_name" in refused(own_builder(lambda command: request), make_launch())


class TestPrepared:
    @pytest.mark.parametrize(
        ("request_", "cluster"),
        [({"cluster": "fleet"}, "fleet"), ({}, "default")],
    )
    def test_cluster_has_a_default(self, request_, cluster):
        """A request without a cluster is for the one with the name default."""
        assert Prepared(request_, "airflow").cluster == cluster

    def test_shows_nothing_of_the_request(self, build):
        """If a prepared request is logged by mistake, neither the token nor a password is shown."""
        prepared = build(make_launch(wish_for_container(environment=[{"name": "P", "value": PASSWORD}])))
        assert TOKEN in str(prepared.request)
        assert TOKEN not in f"{prepared} {prepared!r}"
        assert PASSWORD not in f"{prepared} {prepared!r}"
