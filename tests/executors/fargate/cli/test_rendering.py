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
"""What ``airflow fargate render`` shows: the executor's own request, and where its members come from."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow.executors.fargate.cli.rendering import BLANK, TOKEN, members, render
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch, TaskInstanceId
from airflow.executors.fargate.request.builder import RequestBuilder, default_request

WORKLOAD = json.dumps({"token": TOKEN, "ti": {"task_id": "extract"}})
COMMAND = ("python", "-m", "run", WORKLOAD)
TASK = TaskInstanceId("etl", "extract", "run", 1)
CONTAINER = "overrides.containerOverrides[airflow]"
NETWORK = "networkConfiguration.awsvpcConfiguration"


def with_function(config, function=None):
    """Return options with their function called: a user's own, or the default."""
    made = function or (lambda command: default_request(config, command))
    return replace(config, command_to_request=made, own_function=function is not None)


@pytest.fixture
def rendered(read_config, check):
    """Return a function that renders a launch with this executor_config, by this function, with these options."""

    def _render(executor_config=None, function=None, command=COMMAND, environment=(), **options):
        launch = Launch(TASK, "key", command, executor_config, queue="default", environment=environment)
        config = with_function(read_config(**options), function)
        return render(launch, RequestBuilder(config, config.called_function, check), config)

    return _render


def test_it_is_the_request_that_the_executor_makes(rendered, read_config, check):
    """Member for member what the builder makes, but for the token and the clientToken of an attempt."""
    config = with_function(read_config())
    launch = Launch(TASK, "key", COMMAND, {"overrides": {"cpu": "512"}})
    build = RequestBuilder(config, config.called_function, check)
    shown = render(launch, build, config).request
    made = build(launch).request
    assert shown == {**json.loads(json.dumps(made).replace(TOKEN, BLANK)), "clientToken": BLANK}


def test_the_token_is_blanked_wherever_it_is(rendered):
    """Not even a function that moves the command elsewhere lets it be shown."""

    def function(command):
        environment = [{"name": "WORKLOAD", "value": command[-1]}]
        override = {"name": "airflow", "command": command, "environment": environment}
        return {"taskDefinition": "t", "overrides": {"containerOverrides": [override]}}

    shown = json.dumps([rendered(function=function).request, rendered(function=function).rows()])
    assert TOKEN not in shown
    assert shown.count(BLANK) >= 4


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("cluster", "default: [fargate] cluster"),
        ("taskDefinition", "default: [fargate] task_definition"),
        ("launchType", "default: [fargate] launch_type"),
        ("networkConfiguration.awsvpcConfiguration.subnets", "default: [fargate] subnets"),
        ("networkConfiguration.awsvpcConfiguration.assignPublicIp", "default: [fargate] assign_public_ip"),
        (f"{CONTAINER}.name", "default: [fargate] container_name"),
        (f"{CONTAINER}.command", "Airflow"),
        ("startedBy", "executor: [fargate] deployment"),
        (f"{CONTAINER}.environment[{IDENTITY_VARIABLE}].value", "executor: the identity of the launch"),
        ("clientToken", "executor"),
        ("tags[airflow:dag_id].value", "executor: [fargate] tag_tasks"),
    ],
)
def test_origin_by_default(rendered, path, origin):
    """The default function's members name their options, the executor's what they are for."""
    assert rendered().origins[path] == origin


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
            {"enable_execute_command": "yes"},
            "enableExecuteCommand",
            "default: [fargate] enable_execute_command",
        ),
        ({"propagate_tags": "NONE"}, "propagateTags", "default: [fargate] propagate_tags"),
        (
            {"ephemeral_storage": "21"},
            "overrides.ephemeralStorage.sizeInGiB",
            "default: [fargate] ephemeral_storage",
        ),
        ({"run_task_kwargs": '{"group": "g"}'}, "group", "[fargate] run_task_kwargs"),
        ({"queues": '{"default": {"group": "g"}}'}, "group", "[fargate] queues: default"),
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
def test_origin_of_what_the_options_ask_for(rendered, options, path, origin):
    """An option of the request names itself, and so do those whose parts are merged into it."""
    assert rendered(**options).origins[path] == origin


def test_the_task_has_the_last_word(rendered):
    """What executor_config says is its own, whoever has said something before."""
    shown = rendered({"group": "c"}, run_task_kwargs='{"group": "a"}', queues='{"default": {"group": "b"}}')
    assert (shown.request["group"], shown.origins["group"]) == ("c", "executor_config")


def test_the_fallback_is_shown(rendered):
    """What is another one after a capacity failure has a row, and nothing has where nothing is."""
    shown = rendered(capacity_provider_strategy="FARGATE_SPOT", capacity_provider_fallback="FARGATE")
    assert after(shown) == {
        "capacityProviderStrategy[0].capacityProvider": ("FARGATE", "[fargate] capacity_provider_fallback"),
        "capacityProviderStrategy[0].weight": ("1", "[fargate] capacity_provider_fallback"),
    }
    document = shown.document()["fallback"]
    assert document["request"] == {
        **shown.request,
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}],
    }
    assert document["from"]["cluster"] == "default: [fargate] cluster"
    assert "fallback" not in rendered().document()
    assert after(rendered()) == {}


def after(shown):
    """Return what the rows say of the time after a capacity failure, by path: value and origin."""
    start = "after a capacity failure: "
    rows = [row for row in shown.rows() if row["member"].startswith(start)]
    return {row["member"][len(start) :]: (row["value"], row["from"]) for row in rows}


def test_all_that_changes_with_the_fallback_is_shown(rendered):
    """From instances to Fargate the request gets more than other capacity providers, and loses some."""
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
    """It is told why."""
    wishes = {"overrides": {"cpu": "65536", "memory": "131072"}}
    shown = rendered(wishes, capacity_provider_strategy="mine", capacity_provider_fallback="FARGATE")
    last = shown.rows()[-1]
    assert (last["member"], last["from"]) == (
        "after a capacity failure",
        "[fargate] capacity_provider_fallback",
    )
    assert "cannot be used" in last["value"]
    assert shown.document()["no_fallback"] == last["value"]


@pytest.mark.parametrize(
    ("wishes", "options"),
    [
        (None, {"queues": '{"default": {"launchType": "FARGATE"}}'}),
        (None, {"run_task_kwargs": '{"launchType": "FARGATE"}'}),
        ({"launchType": "FARGATE"}, {}),
        (
            {"launchType": "FARGATE"},
            {"launch_type": "FARGATE", "queues": '{"default": {"launchType": "EC2"}}'},
        ),
    ],
)
def test_what_the_options_give_to_fargate_is_theirs(rendered, wishes, options):
    """Whoever names the launch type has not said what comes with it."""
    more = {"launch_type": "EC2", "security_groups": "sg-0a", "ephemeral_storage": "30", **options}
    origins = rendered(wishes, **more).origins
    assert origins["launchType"] != "default: [fargate] launch_type" or options.get("launch_type")
    assert origins["platformVersion"] == "default: [fargate] platform_version"
    assert origins[f"{NETWORK}.subnets"] == "default: [fargate] subnets"
    assert origins[f"{NETWORK}.securityGroups"] == "default: [fargate] security_groups"
    assert origins[f"{NETWORK}.assignPublicIp"] == "default: [fargate] assign_public_ip"
    assert origins["overrides.ephemeralStorage.sizeInGiB"] == "default: [fargate] ephemeral_storage"


def test_what_is_named_with_the_launch_type_is_not_the_options(rendered):
    """A queue that names the platform version as well has done so itself."""
    queue = '{"default": {"launchType": "FARGATE", "platformVersion": "1.4.0"}}'
    origins = rendered(launch_type="EC2", queues=queue).origins
    assert origins["platformVersion"] == origins["launchType"] == "[fargate] queues: default"


def test_origin_of_what_the_task_asks_for(rendered):
    """What executor_config adds or changes is its own; what it says as it was said before is not."""
    wishes = {
        "platformVersion": "1.4.0",
        "launchType": "FARGATE",
        "overrides": {"cpu": "1024", "containerOverrides": [{"environment": [{"name": "STAGE", "value": "n"}]}]},
    }  # fmt: skip
    origins = rendered(wishes).origins
    assert origins["platformVersion"] == "executor_config"
    assert origins["overrides.cpu"] == "executor_config"
    assert origins[f"{CONTAINER}.environment[STAGE].value"] == "executor_config"
    assert origins["launchType"] == "default: [fargate] launch_type"
    assert origins["cluster"] == "default: [fargate] cluster"


def test_a_list_that_is_replaced_is_of_one_source(rendered):
    """A weight that is the same as before is still that of the capacity provider beside it."""
    wishes = {"capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]}
    origins = rendered(wishes, capacity_provider_strategy="FARGATE_SPOT").origins
    assert origins["capacityProviderStrategy[0].weight"] == "executor_config"
    same = rendered(wishes, capacity_provider_strategy="FARGATE").origins
    assert same["capacityProviderStrategy[0].weight"] == "default: [fargate] capacity_provider_strategy"


def test_origin_of_a_users_function(rendered):
    """A function of one's own is named as such, and the command in it is still Airflow's."""

    def function(command):
        overrides = {"containerOverrides": [{"name": "airflow", "command": command}]}
        return {"taskDefinition": "own:1", "group": "nightly", "overrides": overrides}

    origins = rendered(function=function).origins
    assert origins["group"] == "function"
    assert origins["taskDefinition"] == "function"
    assert origins[f"{CONTAINER}.command"] == "Airflow"
    assert origins["startedBy"] == "executor: [fargate] deployment"


def test_a_request_that_only_executor_config_completes(rendered):
    """Where less than all makes no request, what is there is still told apart."""

    def function(command):
        return {"overrides": {"containerOverrides": [{"name": "airflow", "command": command}]}}

    origins = rendered({"taskDefinition": "own:1"}, function, environment=(("IN_CONTAINER", "1"),)).origins
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


def test_what_nobody_but_the_executor_sets(rendered):
    """A variable of the function's with the name of the executor's is not the function's."""

    def function(command):
        mine = {
            "name": "airflow",
            "command": command,
            "environment": [{"name": "IN_CONTAINER", "value": "x"}],
        }
        return {"taskDefinition": "own:1", "overrides": {"containerOverrides": [mine]}}

    origins = rendered(function=function, environment=(("IN_CONTAINER", "True"),)).origins
    assert origins[f"{CONTAINER}.environment[IN_CONTAINER].value"] == "executor"


def test_a_function_that_never_returns_the_same(rendered):
    """Its members are its own all the same."""
    numbers = iter(range(100))

    def function(command):
        overrides = {"containerOverrides": [{"name": "airflow", "command": command}]}
        return {"taskDefinition": "t", "group": f"g{next(numbers)}", "overrides": overrides}

    assert rendered(function=function).origins["group"] == "function"


def test_a_token_is_not_shown_in_a_path_either(rendered):
    """A name can be made of it."""
    wishes = {"tags": [{"key": TOKEN[:9], "value": "v"}]}

    def function(command):
        environment = [{"name": TOKEN, "value": "v"}]
        override = {"name": "airflow", "command": command, "environment": environment}
        return {"taskDefinition": "t", "overrides": {"containerOverrides": [override]}}

    shown = rendered(wishes, function=function)
    assert TOKEN not in json.dumps([shown.rows(), shown.document()])
    assert shown.origins[f"{CONTAINER}.environment[{BLANK}].value"] == "function"


def test_every_member_has_its_row(rendered):
    """The rows hold each member once, with value and origin as text."""
    shown = rendered({"tags": [{"key": "team", "value": "data"}]})
    rows = shown.rows()
    assert [row["member"] for row in rows] == [path for path, _ in members(shown.request)]
    assert {"member": "tags[team].value", "value": "data", "from": "executor_config"} in rows
    assert {"member": "count", "value": "1", "from": "default"} in rows
    assert all(isinstance(value, str) for row in rows for value in row.values())


def test_a_request_that_cannot_be_made(rendered):
    """The executor's own refusal is the answer."""
    with pytest.raises(RequestError, match="executor_config sets startedBy"):
        rendered({"startedBy": "me"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, [("", {})]),
        ({"a": {"b": 1}}, [("a.b", 1)]),
        ({"a": {}}, [("a", {})]),
        ({"subnets": ["x", "y"]}, [("subnets", ["x", "y"])]),
        ({"tags": [{"key": "k", "value": "v"}]}, [("tags[k].key", "k"), ("tags[k].value", "v")]),
        ({"placementConstraints": [{"type": "t"}]}, [("placementConstraints[0].type", "t")]),
        ({"environment": [{"value": "v"}]}, [("environment[0].value", "v")]),
    ],
)
def test_members(value, expected):
    """Each member has a path of its own; items of named lists are called by their names."""
    assert list(members(value)) == expected
