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
"""The members of a request that come from options, and the precedence of their sources."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest

from airflow.executors.fargate.config.options import NOT_SHOWN
from airflow.executors.fargate.errors import ConfigError
from airflow.executors.fargate.launch import Launch, TaskInstanceId
from airflow.executors.fargate.request.builder import RequestBuilder, default_request

TASK = TaskInstanceId("dag", "task", "run", 1)


COMMAND = ("run", "the", "task")


SPOT = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]


PASSWORD = "hunter2-is-no-password"


def make_launch(queue=None, executor_config=None):
    return Launch(TASK, TASK, COMMAND, executor_config=executor_config, queue=queue)


@pytest.fixture
def make_builder(read_config):
    """Return a function that makes a builder from options, given as texts or as values of JSON."""

    def make(function=None, **options):
        texts = {
            name: value if value is None or isinstance(value, str) else json.dumps(value)
            for name, value in options.items()
        }
        config = read_config(check_requests=True, **texts)
        used = function or partial(default_request, config)
        return RequestBuilder(replace(config, command_to_request=used))

    return make


def mistakes_of(read_config, **options):
    """Return the mistakes of options when the scheduler starts; the test fails if there are none."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in options.items()}
    with pytest.raises(ConfigError) as caught:
        read_config(check_requests=True, **texts)
    return caught.value.mistakes


def tags_of(request):
    return {tag["key"]: tag["value"] for tag in request["tags"]}


class TestOptions:
    """The option in a request that has passed the check."""

    @pytest.mark.parametrize(
        ("options", "member", "value"),
        [
            (
                {"capacity_provider_strategy": "FARGATE_SPOT:4,FARGATE:1:1"},
                "capacityProviderStrategy",
                [
                    {"capacityProvider": "FARGATE_SPOT", "weight": 4},
                    {"capacityProvider": "FARGATE", "weight": 1, "base": 1},
                ],
            ),
            ({"capacity_provider_strategy": SPOT}, "launchType", None),
            ({"capacity_provider_strategy": SPOT}, "platformVersion", "LATEST"),
            ({"capacity_provider_strategy": "mine"}, "platformVersion", None),
            ({"enable_execute_command": "yes"}, "enableExecuteCommand", True),
            ({"propagate_tags": "task_definition"}, "propagateTags", "TASK_DEFINITION"),
            ({"run_task_kwargs": {"group": "airflow"}}, "group", "airflow"),
        ],
    )
    def test_is_a_member_of_the_request(self, options, member, value, make_builder):
        """The option is in the request, unless it is empty."""
        assert make_builder(**options)(make_launch()).request.get(member) == value

    @pytest.mark.parametrize("tags", [{"team": "data"}, [{"key": "team", "value": "data"}]])
    def test_tags_are_added_to_the_executors_own(self, tags, make_builder):
        """In both forms."""
        tags = tags_of(make_builder(tags=tags)(make_launch()).request)
        assert tags["team"] == "data"
        assert tags["airflow:dag_id"] == "dag"
        assert tags["airflow:deployment"] == "airflow"


#: The sources of a member, in the order of precedence: the last one wins.
SOURCES = ("function", "run_task_kwargs", "queue", "executor_config")


class TestPrecedence:
    @pytest.mark.parametrize("named", [SOURCES[:1], SOURCES[:2], SOURCES[:3], SOURCES])
    @pytest.mark.parametrize("own_function", [True, False], ids=["own function", "options"])
    def test_the_later_one_wins(self, named, own_function, make_builder):
        """Of the sources that name a member, the last one wins."""

        def function(command):
            return {
                "taskDefinition": "own",
                "overrides": {"containerOverrides": [{"name": "airflow", "command": command}]},
                **({"group": "function"} if "function" in named else {}),
            }

        options = {}
        if own_function:
            options["execution_config_function"] = "dataclasses.replace"
        if "run_task_kwargs" in named:
            options["run_task_kwargs"] = {"group": "run_task_kwargs"}
        if "queue" in named:
            options["queues"] = {"q": {"group": "queue"}}
        wishes = {"group": "executor_config"} if "executor_config" in named else None
        build = make_builder(function if own_function else None, **options)
        expected = named[-1]
        if expected == "function" and not own_function:
            expected = None
        assert build(make_launch("q", wishes)).request.get("group") == expected

    def test_all_are_merged_by_name(self, make_builder):
        """Environment variables and tags of all sources are there; of those with one name the last wins."""

        def fragment(number):
            names = ["ALL", f"ONLY_{number}"]
            return {
                "overrides": {
                    "containerOverrides": [
                        {"environment": [{"name": name, "value": str(number)} for name in names]}
                    ]
                },
                "tags": [{"key": name, "value": str(number)} for name in names],
            }

        build = make_builder(tags={"ALL": "0"}, run_task_kwargs=fragment(1), queues={"q": fragment(2)})
        request = build(make_launch("q", fragment(3))).request
        (override,) = request["overrides"]["containerOverrides"]
        assert override["name"] == "airflow"
        assert override["command"] == list(COMMAND)
        expected = {"ALL": "3", "ONLY_1": "1", "ONLY_2": "2", "ONLY_3": "3"}
        assert {v["name"]: v["value"] for v in override["environment"]}.items() >= expected.items()
        assert tags_of(request).items() >= expected.items()

    @pytest.mark.parametrize(
        ("options", "queue", "wishes", "launch_type", "providers"),
        [
            ({}, {"capacityProviderStrategy": SPOT}, None, None, ["FARGATE_SPOT"]),
            ({"capacity_provider_strategy": SPOT}, {"launchType": "FARGATE"}, None, "FARGATE", []),
            ({}, {"capacityProviderStrategy": SPOT}, {"launchType": "EC2"}, "EC2", []),
            (
                {"run_task_kwargs": {"launchType": "EC2"}},
                {"capacityProviderStrategy": SPOT},
                None,
                None,
                ["FARGATE_SPOT"],
            ),
            ({"capacity_provider_strategy": "a:1,b:1"}, {"group": "g"}, None, None, ["a", "b"]),
        ],
    )
    def test_one_kind_of_capacity_replaces_the_other(
        self, options, queue, wishes, launch_type, providers, make_builder
    ):
        """``launchType`` and ``capacityProviderStrategy`` exclude each other; the last one wins."""
        request = make_builder(queues={"q": queue}, **options)(make_launch("q", wishes)).request
        assert request.get("launchType") == launch_type
        assert [item["capacityProvider"] for item in request.get("capacityProviderStrategy", [])] == providers


class TestFallback:
    @pytest.mark.parametrize(
        ("options", "queue", "fallback"),
        [
            ({"capacity_provider_strategy": SPOT}, {}, ["FARGATE"]),
            ({}, {"capacityProviderStrategy": SPOT}, ["FARGATE"]),
            ({"launch_type": "EC2"}, {}, ["FARGATE"]),
            ({"launch_type": ""}, {}, ["FARGATE"]),
            ({}, {}, None),
            ({"capacity_provider_strategy": "FARGATE:7"}, {}, None),
            ({"capacity_provider_strategy": SPOT}, {"launchType": "FARGATE"}, None),
        ],
    )
    def test_is_prepared_with_the_request(self, options, queue, fallback, make_builder):
        """It has passed the same check; there is none if it would ask for the same capacity."""
        build = make_builder(capacity_provider_fallback="FARGATE", queues={"q": queue}, **options)
        prepared = build(make_launch("q"))
        assert prepared.no_fallback == ""
        if fallback is None:
            assert prepared.fallback is None
            return
        strategy = prepared.fallback["capacityProviderStrategy"]
        assert [item["capacityProvider"] for item in strategy] == fallback
        assert "launchType" not in prepared.fallback
        assert prepared.fallback["platformVersion"] == "LATEST"


class TestMistakesAtTheStart:
    @pytest.mark.parametrize(
        ("members", "named"),
        [
            ({"clientToken": "mine"}, "it sets clientToken, which the executor sets itself"),
            (
                {"overrides": {"containerOverrides": [{"command": ["rm"]}]}},
                "it sets the command of container 'airflow', which is Airflow's",
            ),
            ({"overrides": {"containerOverrides": [{"name": "airflow", "command": []}]}}, "'airflow'"),
            ({"colour": "blue"}, 'Unknown parameter in input: "colour"'),
            ({"overrides": None}, "Invalid type for parameter overrides"),
            ({"overrides": {"containerOverrides": {}}}, "overrides.containerOverrides"),
            ({"overrides": {"cpu": "1024", "memory": "16384"}}, "the nearest"),
            ({"launchType": "FARGATE_SPOT"}, "launchType is not one of"),
            ({"networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}}, "must have 1 to 16 ids"),
        ],
    )
    def test_a_fragment_is_checked(self, members, named, read_config):
        """What AWS would refuse is one mistake with the option, the queue and the member."""
        (mistake,) = mistakes_of(read_config, run_task_kwargs=members)
        assert mistake.startswith("[fargate] run_task_kwargs = …: ")
        assert named in mistake
        queues = {"large": members, "fine": {"group": "g"}}
        (mistake,) = mistakes_of(read_config, queues=queues)
        assert mistake.startswith("[fargate] queues = …: queue 'large': ")
        assert named in mistake

    def test_all_are_reported_with_those_of_other_options(self, read_config):
        """Each queue has a mistake of its own."""
        mistakes = mistakes_of(
            read_config,
            cluster="two words",
            tags={"aws:a": "1"},
            capacity_provider_strategy="FARGATE:0,FARGATE_SPOT:0",
            capacity_provider_fallback="FARGATE:1:1,FARGATE_SPOT:1:1",
            run_task_kwargs={"count": 2},
            queues={"a": [], "b": {"cpu": "1"}, "c": {}},
        )
        assert [mistake.split(" = ")[0].rpartition(" ")[2] for mistake in mistakes] == [
            "cluster",
            "capacity_provider_strategy",
            "capacity_provider_fallback",
            "tags",
            "run_task_kwargs",
            "queues",
            "queues",
        ]
        assert "queue 'a'" in mistakes[-2]
        assert "queue 'b'" in mistakes[-1]

    @pytest.mark.parametrize("option", NOT_SHOWN)
    def test_nothing_of_a_value_is_shown(self, option, read_config):
        """An environment variable in a fragment can be a password, also in a wrong place."""
        for members in (
            {"overrides": {"containerOverrides": [{"environment": [{"name": "P", "value": [PASSWORD]}]}]}},
            {"overrides": {"cpu": PASSWORD}},
            {"group": {PASSWORD: PASSWORD}},
        ):
            value = {"q": members} if option == "queues" else members
            assert PASSWORD not in str(mistakes_of(read_config, **{option: value}))
        assert PASSWORD not in str(mistakes_of(read_config, **{option: f'{{"a": {PASSWORD}'}))
