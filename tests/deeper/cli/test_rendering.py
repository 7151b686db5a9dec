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
"""What ``airflow fargate render`` shows: the executor's own request, and the origins of its members."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow.executors.fargate.cli.rendering import BLANK, TOKEN, members, render, rows
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch, TaskInstanceId
from airflow.executors.fargate.request.builder import RequestBuilder, default_request

WORKLOAD = json.dumps({"token": TOKEN, "ti": {"task_id": "extract"}})
COMMAND = ("python", "-m", "run", WORKLOAD)
TASK = TaskInstanceId("etl", "extract", "run", 1)
CONTAINER = "overrides.containerOverrides[airflow]"
NETWORK = "networkConfiguration.awsvpcConfiguration"


def with_function(config, function=None):
    """Return options with their function: a user's own, or the default."""
    made = function or (lambda command: default_request(config, command))
    return replace(config, command_to_request=made, own_function=function is not None)


@pytest.fixture
def rendered(read_config):
    """Return a function that renders a launch with an executor_config, a function and options."""

    def _render(executor_config=None, function=None, command=COMMAND, environment=(), **options):
        launch = Launch(TASK, "key", command, executor_config, queue="default", environment=environment)
        config = with_function(read_config(**options), function)
        return render(launch, RequestBuilder(config), config)

    return _render


def test_it_is_the_request_that_the_executor_makes(rendered, read_config):
    """It is what the builder makes, except for the token and the clientToken of an attempt."""
    config = with_function(read_config())
    launch = Launch(TASK, "key", COMMAND, {"overrides": {"cpu": "512"}})
    build = RequestBuilder(config)
    shown = render(launch, build, config)["request"]
    made = build(launch).request
    assert shown == {**json.loads(json.dumps(made).replace(TOKEN, BLANK)), "clientToken": BLANK}


def test_the_token_is_never_shown(rendered):
    """Not even if a function copies the command to another member."""

    def function(command):
        environment = [{"name": "WORKLOAD", "value": command[-1]}]
        override = {"name": "airflow", "command": command, "environment": environment}
        return {"taskDefinition": "t", "overrides": {"containerOverrides": [override]}}

    document = rendered(function=function)
    shown = json.dumps([document["request"], rows(document)])
    assert TOKEN not in shown
    assert shown.count(BLANK) >= 4


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("cluster", "default: [fargate] cluster"),
        ("taskDefinition", "default: [fargate] task_definition"),
        ("networkConfiguration.awsvpcConfiguration.subnets", "default: [fargate] subnets"),
        (f"{CONTAINER}.name", "default: [fargate] container_name"),
        (f"{CONTAINER}.command", "Airflow"),
        ("startedBy", "executor: [fargate] deployment"),
        (f"{CONTAINER}.environment[{IDENTITY_VARIABLE}].value", "executor: the identity of the launch"),
        ("clientToken", "executor"),
        ("tags[airflow:dag_id].value", "executor: [fargate] tag_tasks"),
    ],
)
def test_origin_by_default(rendered, path, origin):
    """Members of the default function name their options, those of the executor their purpose."""
    assert rendered()["from"][path] == origin


@pytest.mark.parametrize(
    ("options", "path", "origin"),
    [
        (
            {"capacity_provider_strategy": "FARGATE_SPOT"},
            "capacityProviderStrategy[0].weight",
            "default: [fargate] capacity_provider_strategy",
        ),
        ({"tags": '{"team": "data"}'}, "tags[team].value", "default: [fargate] tags"),
        (
            {"ephemeral_storage": "21"},
            "overrides.ephemeralStorage.sizeInGiB",
            "default: [fargate] ephemeral_storage",
        ),
        ({"run_task_kwargs": '{"group": "g"}'}, "group", "[fargate] run_task_kwargs"),
        (
            {"run_task_kwargs": '{"group": "a"}', "queues": '{"default": {"group": "b"}}'},
            "group",
            "[fargate] queues: default",
        ),
        (
            {"run_task_kwargs": '{"group": "a"}', "queues": '{"default": {"group": "a"}}'},
            "group",
            "[fargate] run_task_kwargs",
        ),
        (
            {"run_task_kwargs": '{"tags": [{"key": "airflow:dag_id", "value": "mine"}]}'},
            "tags[airflow:dag_id].value",
            "[fargate] run_task_kwargs",
        ),
    ],
)
def test_origin_in_an_option(rendered, options, path, origin):
    """It is the option, also of those whose fragments are merged into the request."""
    assert rendered(**options)["from"][path] == origin


def test_executor_config_takes_precedence(rendered):
    """A member that several sources name has the origin executor_config."""
    shown = rendered({"group": "c"}, run_task_kwargs='{"group": "a"}', queues='{"default": {"group": "b"}}')
    assert (shown["request"]["group"], shown["from"]["group"]) == ("c", "executor_config")


def test_the_fallback_is_shown(rendered):
    """Only members that the fallback changes have a row of their own."""
    shown = rendered(capacity_provider_strategy="FARGATE_SPOT", capacity_provider_fallback="FARGATE")
    assert after(shown) == {
        "capacityProviderStrategy[0].capacityProvider": ("FARGATE", "[fargate] capacity_provider_fallback"),
        "capacityProviderStrategy[0].weight": ("1", "[fargate] capacity_provider_fallback"),
    }
    document = shown["fallback"]
    assert document["request"] == {
        **shown["request"],
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}],
    }
    assert document["from"]["cluster"] == "default: [fargate] cluster"
    assert "fallback" not in rendered()
    assert after(rendered()) == {}


def after(shown):
    """Return value and origin of the members of the fallback's rows, by path."""
    start = "after a capacity failure: "
    found = [row for row in rows(shown) if row["member"].startswith(start)]
    return {row["member"][len(start) :]: (row["value"], row["from"]) for row in found}


def test_all_that_the_fallback_changes_is_shown(rendered):
    """From instances to Fargate the request gets members, and loses some."""
    shown = rendered(
        capacity_provider_strategy="my-instances",
        capacity_provider_fallback="FARGATE",
        assign_public_ip="False",
        ephemeral_storage="30",
    )
    assert after(shown) == {
        "platformVersion": ("LATEST", "default: [fargate] platform_version"),
        f"{NETWORK}.assignPublicIp": ("DISABLED", "default: [fargate] assign_public_ip"),
        "overrides.ephemeralStorage.sizeInGiB": ("30", "default: [fargate] ephemeral_storage"),
        "capacityProviderStrategy[0].capacityProvider": ("FARGATE", "[fargate] capacity_provider_fallback"),
        "capacityProviderStrategy[0].weight": ("1", "[fargate] capacity_provider_fallback"),
    }
    gone = rendered({"launchType": "EC2"}, capacity_provider_fallback="FARGATE")
    assert after(gone)["launchType"] == ("left out", "[fargate] capacity_provider_fallback")


def test_a_fallback_that_cannot_be_used(rendered):
    """The last row has the reason."""
    wishes = {"overrides": {"cpu": "65536", "memory": "131072"}}
    shown = rendered(wishes, capacity_provider_strategy="mine", capacity_provider_fallback="FARGATE")
    last = rows(shown)[-1]
    assert (last["member"], last["from"]) == (
        "after a capacity failure",
        "[fargate] capacity_provider_fallback",
    )
    assert "cannot be used" in last["value"]
    assert shown["no_fallback"] == last["value"]


@pytest.mark.parametrize(
    ("wishes", "options"),
    [
        (None, {"queues": '{"default": {"launchType": "FARGATE"}}'}),
        ({"launchType": "FARGATE"}, {}),
        (
            {"launchType": "FARGATE"},
            {"launch_type": "FARGATE", "queues": '{"default": {"launchType": "EC2"}}'},
        ),
    ],
)
def test_origin_of_members_for_fargate(rendered, wishes, options):
    """A source that moves the request to Fargate names only the launch type; the rest are options."""
    more = {"launch_type": "EC2", "security_groups": "sg-0a", "ephemeral_storage": "30", **options}
    origins = rendered(wishes, **more)["from"]
    assert origins["launchType"] != "default: [fargate] launch_type" or options.get("launch_type")
    assert origins["platformVersion"] == "default: [fargate] platform_version"
    assert origins[f"{NETWORK}.subnets"] == "default: [fargate] subnets"
    assert origins[f"{NETWORK}.securityGroups"] == "default: [fargate] security_groups"
    assert origins[f"{NETWORK}.assignPublicIp"] == "default: [fargate] assign_public_ip"
    assert origins["overrides.ephemeralStorage.sizeInGiB"] == "default: [fargate] ephemeral_storage"


def test_origin_of_a_member_named_with_the_launch_type(rendered):
    """A platform version that the queue names itself has the origin queue."""
    queue = '{"default": {"launchType": "FARGATE", "platformVersion": "1.4.0"}}'
    origins = rendered(launch_type="EC2", queues=queue)["from"]
    assert origins["platformVersion"] == origins["launchType"] == "[fargate] queues: default"


def test_origin_in_executor_config(rendered):
    """It is the origin of what it adds or changes, not of what it repeats."""
    wishes = {
        "platformVersion": "1.4.0",
        "launchType": "FARGATE",
        "overrides": {"cpu": "1024", "containerOverrides": [{"environment": [{"name": "STAGE", "value": "n"}]}]},
    }  # fmt: skip
    origins = rendered(wishes)["from"]
    assert origins["platformVersion"] == "executor_config"
    assert origins["overrides.cpu"] == "executor_config"
    assert origins[f"{CONTAINER}.environment[STAGE].value"] == "executor_config"
    assert origins["launchType"] == "default: [fargate] launch_type"
    assert origins["cluster"] == "default: [fargate] cluster"


def test_a_list_that_is_replaced_has_one_origin(rendered):
    """A weight that stays the same has the origin of its changed capacity provider."""
    wishes = {"capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]}
    origins = rendered(wishes, capacity_provider_strategy="FARGATE_SPOT")["from"]
    assert origins["capacityProviderStrategy[0].weight"] == "executor_config"
    same = rendered(wishes, capacity_provider_strategy="FARGATE")["from"]
    assert same["capacityProviderStrategy[0].weight"] == "default: [fargate] capacity_provider_strategy"


def test_origin_of_a_users_function(rendered):
    """Its members have the origin function, but the command is Airflow's."""

    def function(command):
        overrides = {"containerOverrides": [{"name": "airflow", "command": command}]}
        return {"taskDefinition": "own:1", "group": "nightly", "overrides": overrides}

    origins = rendered(function=function)["from"]
    assert origins["group"] == "function"
    assert origins["taskDefinition"] == "function"
    assert origins[f"{CONTAINER}.command"] == "Airflow"
    assert origins["startedBy"] == "executor: [fargate] deployment"


def test_a_request_that_only_executor_config_completes(rendered):
    """The origins are right also if the function's own request is incomplete."""

    def function(command):
        return {"overrides": {"containerOverrides": [{"name": "airflow", "command": command}]}}

    origins = rendered({"taskDefinition": "own:1"}, function, environment=(("IN_CONTAINER", "1"),))["from"]
    assert origins["taskDefinition"] == "executor_config"
    assert origins[f"{CONTAINER}.command"] == "Airflow"
    assert origins["startedBy"] == "executor: [fargate] deployment"
    assert origins["clientToken"] == "executor"
    for member in ("name", "value"):
        path = f"{CONTAINER}.environment[{IDENTITY_VARIABLE}].{member}"
        assert origins[path] == "executor: the identity of the launch"
        assert origins[f"{CONTAINER}.environment[IN_CONTAINER].{member}"] == "executor"
    assert origins["tags[airflow:dag_id].value"] == "executor: [fargate] tag_tasks"
    assert [path for path, origin in origins.items() if origin == "executor_config"] == ["taskDefinition"]


def test_origin_of_what_only_the_executor_sets(rendered):
    """A variable of the executor has the origin executor, also if the function sets it too."""

    def function(command):
        mine = {
            "name": "airflow",
            "command": command,
            "environment": [{"name": "IN_CONTAINER", "value": "x"}],
        }
        return {"taskDefinition": "own:1", "overrides": {"containerOverrides": [mine]}}

    origins = rendered(function=function, environment=(("IN_CONTAINER", "True"),))["from"]
    assert origins[f"{CONTAINER}.environment[IN_CONTAINER].value"] == "executor"


def test_a_function_with_changing_results(rendered):
    """A member that differs in each call has the origin function."""
    numbers = iter(range(100))

    def function(command):
        overrides = {"containerOverrides": [{"name": "airflow", "command": command}]}
        return {"taskDefinition": "t", "group": f"g{next(numbers)}", "overrides": overrides}

    assert rendered(function=function)["from"]["group"] == "function"


def test_a_token_is_not_shown_in_a_path_either(rendered):
    """It can be the name of a variable."""
    wishes = {"tags": [{"key": TOKEN[:9], "value": "v"}]}

    def function(command):
        environment = [{"name": TOKEN, "value": "v"}]
        override = {"name": "airflow", "command": command, "environment": environment}
        return {"taskDefinition": "t", "overrides": {"containerOverrides": [override]}}

    shown = rendered(wishes, function=function)
    assert TOKEN not in json.dumps([rows(shown), shown])
    assert shown["from"][f"{CONTAINER}.environment[{BLANK}].value"] == "function"


def test_every_member_has_its_row(rendered):
    """The rows have each member once, with value and origin as text."""
    shown = rendered({"tags": [{"key": "team", "value": "data"}]})
    found = rows(shown)
    assert [row["member"] for row in found] == [path for path, _ in members(shown["request"])]
    assert {"member": "tags[team].value", "value": "data", "from": "executor_config"} in found
    assert {"member": "count", "value": "1", "from": "default"} in found
    assert all(isinstance(value, str) for row in found for value in row.values())


def test_a_request_that_cannot_be_made(rendered):
    """The executor's own error is raised."""
    with pytest.raises(RequestError, match="executor_config sets startedBy"):
        rendered({"startedBy": "me"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": {"b": 1}}, [("a.b", 1)]),
        ({"a": {}}, [("a", {})]),
        ({"subnets": ["x", "y"]}, [("subnets", ["x", "y"])]),
        ({"tags": [{"key": "k", "value": "v"}]}, [("tags[k].key", "k"), ("tags[k].value", "v")]),
        ({"placementConstraints": [{"type": "t"}]}, [("placementConstraints[0].type", "t")]),
        ({"environment": [{"value": "v"}]}, [("environment[0].value", "v")]),
    ],
)
def test_members(value, expected):
    """Each member has its own path; items of named lists have their names in it."""
    assert list(members(value)) == expected
