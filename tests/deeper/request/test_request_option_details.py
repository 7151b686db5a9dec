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
"""More on what ``test_request_options.py`` tests."""

from __future__ import annotations

import pytest

from airflow.executors.fargate.config.config import FargateConfig
from airflow.executors.fargate.errors import ConfigError, RequestError

from tests.deeper.request.test_request_options import (
    COMMAND,
    SPOT,
    TASK,
    make_builder,
    make_launch,
    mistakes_of,
    tags_of,
)


class TestOptions:
    """The option in a request that has passed the check."""

    @pytest.mark.parametrize(
        ("options", "sent"),
        [
            ({}, {"sizeInGiB": 100}),
            ({"capacity_provider_strategy": "mine"}, None),
            ({"capacity_provider_strategy": SPOT}, {"sizeInGiB": 100}),
            ({"launch_type": ""}, {"sizeInGiB": 100}),
        ],
    )
    def test_ephemeral_storage_is_for_fargate_only(self, options, sent, make_builder):
        """No other launch type accepts it; the cluster's default strategy can be for Fargate."""
        request = make_builder(ephemeral_storage="100", **options)(make_launch()).request
        assert request["overrides"].get("ephemeralStorage") == sent

    @pytest.mark.parametrize(
        ("options", "required"),
        [
            ({"capacity_provider_strategy": SPOT, "launch_type": "EC2"}, True),
            ({"capacity_provider_strategy": "mine"}, False),
        ],
    )
    def test_subnets_are_required_if_the_capacity_providers_are_fargates(
        self, options, required, read_config, make_builder
    ):
        """``launch_type`` is not used if there is a strategy."""
        if required:
            with pytest.raises(ConfigError, match="subnets"):
                make_builder(subnets="", **options)
        else:
            assert "networkConfiguration" not in make_builder(subnets="", **options)(make_launch()).request

    def test_without_tag_tasks_there_are_only_the_users_tags(self, make_builder):
        """If there are none, the request has no tags."""
        assert "tags" not in make_builder(tag_tasks="False")(make_launch()).request
        built = make_builder(tag_tasks="False", tags={"team": "data"})(make_launch()).request
        assert tags_of(built) == {"team": "data"}

    def test_own_function_gets_no_other_options(self, make_builder):
        """Its request gets the executor's tags, ``run_task_kwargs`` and queues, and nothing else."""

        def function(command):
            return {
                "taskDefinition": "own",
                "overrides": {"containerOverrides": [{"name": "airflow", "command": command}]},
            }

        build = make_builder(
            function,
            execution_config_function="dataclasses.replace",
            tags={"team": "data"},
            enable_execute_command="True",
            ephemeral_storage="100",
            propagate_tags="TASK_DEFINITION",
            capacity_provider_strategy=SPOT,
            run_task_kwargs={"group": "all"},
            queues={"big": {"overrides": {"cpu": "4096"}}},
        )
        request = build(make_launch("big")).request
        assert set(request) == {"taskDefinition", "overrides", "startedBy", "tags", "group"}
        assert set(request["overrides"]) == {"containerOverrides", "cpu"}
        assert set(tags_of(request)) >= {"airflow:dag_id"}
        assert "team" not in tags_of(request)


class TestPrecedence:
    def test_a_queue_that_is_not_named_asks_for_nothing(self, make_builder):
        """Other queues belong to other executors, or need nothing."""
        build = make_builder(queues={"large": {"group": "large"}})
        for queue in ("default", "unknown", "", None):
            assert "group" not in build(make_launch(queue)).request

    def test_the_default_queue_can_be_named_too(self, make_builder):
        """It is a queue like any other."""
        build = make_builder(queues={"default": {"group": "default"}})
        assert build(make_launch("default")).request["group"] == "default"

    def test_a_launch_changes_no_option(self, make_builder):
        """The executor_config of one launch is not in the request of another."""
        build = make_builder(
            queues={"q": {"overrides": {"containerOverrides": [{"memory": 1}]}}}, tags={"a": "b"}
        )
        wishes = {
            "overrides": {"containerOverrides": [{"cpu": 1, "memory": 2}]},
            "tags": [{"key": "a", "value": "c"}],
        }
        before = build(make_launch("q")).request
        build(make_launch("q", wishes))
        after = build(make_launch("q")).request
        assert after["overrides"]["containerOverrides"][0]["memory"] == 1
        assert tags_of(after) == tags_of(before)

    @pytest.mark.parametrize(
        "options", [{"launch_type": "EC2"}, {"capacity_provider_strategy": "mine"}, {"launch_type": ""}]
    )
    def test_a_task_that_moves_to_fargate_gets_the_options_for_it(self, options, make_builder):
        """Platform version, public IP address and storage are sent only for Fargate."""
        build = make_builder(
            **options,
            platform_version="1.4.0",
            assign_public_ip="DISABLED",
            ephemeral_storage="50",
            queues={"q": {"capacityProviderStrategy": SPOT}},
        )
        request = build(make_launch("q")).request
        assert request["platformVersion"] == "1.4.0"
        assert request["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"
        assert request["overrides"]["ephemeralStorage"] == {"sizeInGiB": 50}

    @pytest.mark.parametrize(
        ("capacity", "queue"),
        [
            ({"launch_type": "EC2"}, {"capacityProviderStrategy": SPOT}),
            ({"launch_type": ""}, {"launchType": "FARGATE"}),
        ],
    )
    def test_a_task_that_moves_to_fargate_loses_placement(self, capacity, queue, make_builder):
        """Fargate has no instances to choose from, and AWS refuses placement."""
        placement = {
            "placementStrategy": [{"type": "binpack", "field": "memory"}],
            "placementConstraints": [{"type": "distinctInstance"}],
        }
        build = make_builder(**capacity, run_task_kwargs=placement, queues={"q": queue})
        assert placement.items() <= build(make_launch()).request.items()
        assert not placement.keys() & build(make_launch("q")).request.keys()

    def test_a_fallback_to_fargate_has_no_placement(self, make_builder):
        """A request for instances can still fall back to Fargate."""
        build = make_builder(
            launch_type="EC2",
            capacity_provider_fallback="FARGATE",
            run_task_kwargs={"placementStrategy": [{"type": "random"}]},
        )
        prepared = build(make_launch())
        assert "placementStrategy" in prepared.request
        assert "placementStrategy" not in prepared.fallback

    @pytest.mark.parametrize("member", ["placementStrategy", "placementConstraints"])
    def test_fargate_with_placement_is_refused(self, member, make_builder):
        """Nothing that one fragment asks for is silently removed."""
        kind = {"placementStrategy": "random", "placementConstraints": "distinctInstance"}[member]
        build = make_builder(launch_type="EC2")
        wishes = {"launchType": "FARGATE", member: [{"type": kind}]}
        with pytest.raises(
            RequestError, match=f"{member} chooses among instances.*leave it out. Correct the exec"
        ):
            build(make_launch(None, wishes))

    def test_a_task_that_moves_to_fargate_without_subnets_is_refused(self, make_builder):
        """Only instances need no subnets; a fragment with subnets may move the task."""
        build = make_builder(launch_type="EC2", subnets="")
        with pytest.raises(
            RequestError,
            match=r"no subnets, without which nothing runs on Fargate. Correct the executor_conf",
        ):
            build(make_launch(None, {"launchType": "FARGATE"}))
        network = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}}
        assert build(make_launch(None, {"launchType": "FARGATE", **network})).request["platformVersion"]

    def test_members_of_the_queue_take_precedence_on_fargate(self, make_builder):
        """The options add only what the queue does not name."""
        build = make_builder(
            launch_type="EC2",
            queues={"q": {"launchType": "FARGATE", "platformVersion": "1.3.0"}},
        )
        assert build(make_launch("q")).request["platformVersion"] == "1.3.0"


class TestFallback:
    def test_that_aws_would_refuse_is_left_out_with_a_reason(self, make_builder):
        """A task that is too large for Fargate waits for its instances and does not fail."""
        build = make_builder(
            launch_type="EC2",
            capacity_provider_fallback="FARGATE",
            queues={"q": {"overrides": {"cpu": "65536"}}},
        )
        prepared = build(make_launch("q"))
        assert prepared.fallback is None
        assert prepared.no_fallback.startswith("[fargate] capacity_provider_fallback cannot be used: ")
        assert "65536" in prepared.no_fallback

    def test_on_fargate_without_subnets_is_left_out_with_a_reason(self, make_builder):
        """A queue with a network can fall back; tasks without one wait for instances."""
        network = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}}
        build = make_builder(
            launch_type="EC2", subnets="", capacity_provider_fallback="FARGATE", queues={"q": network}
        )
        assert build(make_launch("q")).fallback
        prepared = build(make_launch())
        assert prepared.fallback is None
        assert "networkConfiguration has no subnets" in prepared.no_fallback
        assert "[fargate] subnets" in prepared.no_fallback

    def test_shows_nothing(self, make_builder):
        """The fallback has the same command as the request."""
        prepared = make_builder(capacity_provider_strategy=SPOT, capacity_provider_fallback="FARGATE")(
            make_launch()
        )
        assert COMMAND[1] not in repr(prepared.fallen_back())
        assert prepared.fallen_back().as_first().request == prepared.request


class TestSizes:
    @pytest.mark.parametrize(
        ("options", "overrides"),
        [
            ({}, {"cpu": "1 vCPU", "memory": "16 GB"}),
            ({"capacity_provider_strategy": SPOT}, {"memory": "1000"}),
            ({"run_task_kwargs": {"overrides": {"cpu": "256"}}}, {"memory": "4096"}),
            ({"queues": {"q": {"overrides": {"memory": "61440"}}}}, {"cpu": "4096"}),
        ],
    )
    def test_that_fargate_does_not_have_is_refused(self, options, overrides, make_builder):
        """CPU and memory can come from different sources."""
        with pytest.raises(RequestError, match="Fargate has no .*the nearest") as caught:
            make_builder(**options)(make_launch("q", {"overrides": overrides}))
        assert str(caught.value).endswith("Correct the executor_config of the task")

    @pytest.mark.parametrize(
        ("options", "wishes"),
        [
            ({"launch_type": "EC2"}, {"overrides": {"cpu": "1000", "memory": "1000"}}),
            ({"launch_type": ""}, {"overrides": {"cpu": "1000", "memory": "1000"}}),
            ({"capacity_provider_strategy": "mine"}, {"overrides": {"cpu": "65536"}}),
            ({}, {"overrides": {"containerOverrides": [{"cpu": 1000, "memory": 1000}]}}),
        ],
    )
    def test_that_is_not_fargates_is_accepted(self, options, wishes, make_builder):
        """Instances have any size, and so do containers of an ECS task."""
        assert make_builder(**options)(make_launch(None, wishes))


class TestMistakesAtTheStart:
    @pytest.mark.parametrize(
        ("options", "named"),
        [
            (
                {
                    "run_task_kwargs": {"overrides": {"memory": "4096"}},
                    "queues": {"q": {"overrides": {"cpu": "256"}}},
                },
                "[fargate] queues = …: queue 'q': overrides: Fargate has no cpu of '256' with a memory of '4096'",
            ),
            (
                {"queues": {"q": {"overrides": {"cpu": "1000"}}}},
                "[fargate] queues = …: queue 'q': overrides: Fargate has no cpu of '1000'",
            ),
            (
                {"run_task_kwargs": {"overrides": {"cpu": "1000"}}, "queues": {"q": {}}},
                "[fargate] run_task_kwargs = …: overrides: Fargate has no cpu of '1000'",
            ),
            (
                {
                    "tags": {f"t{n}": "" for n in range(49)},
                    "queues": {"q": {"tags": [{"key": "a"}, {"key": "b"}]}},
                },
                "[fargate] queues = …: queue 'q': tags is longer than 50",
            ),
        ],
    )
    def test_merged_fragments_are_checked(self, options, named, read_config):
        """Each fragment is correct by itself, and the merged request is not: the last one is named."""
        (mistake,) = mistakes_of(read_config, **options)
        assert mistake.startswith(named)

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            (
                {"queues": {"q": {"launchType": "FARGATE"}}},
                "[fargate] queues = …: queue 'q': networkConfiguration has no subnets",
            ),
            (
                {"queues": {"q": {"capacityProviderStrategy": SPOT}}},
                "[fargate] queues = …: queue 'q': networkConfiguration has no subnets",
            ),
            (
                {"run_task_kwargs": {"launchType": "FARGATE"}},
                "[fargate] run_task_kwargs = …: networkConfiguration has no subnets",
            ),
            (
                {"capacity_provider_fallback": "FARGATE"},
                (
                    "[fargate] capacity_provider_fallback = 'FARGATE': Fargate needs subnets. "
                    "Set [fargate] subnets."
                ),
            ),
        ],
    )
    def test_a_move_to_fargate_needs_subnets(self, options, named, read_config):
        """Instances do not need them."""
        (mistake,) = mistakes_of(read_config, subnets="", launch_type="EC2", **options)
        assert mistake.startswith(named)

    @pytest.mark.parametrize(
        "options",
        [
            {"capacity_provider_fallback": "mine"},
            {"queues": {"q": {"launchType": "EC2"}}},
            {
                "capacity_provider_fallback": "FARGATE",
                "queues": {
                    "q": {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}},
                },
            },
            {
                "execution_config_function": "dataclasses.replace",
                "capacity_provider_fallback": "FARGATE",
                "queues": {"q": {"launchType": "FARGATE"}},
            },
        ],
    )
    def test_subnets_can_come_from_elsewhere(self, options, make_builder):
        """A queue can name them, or a function of the user's own."""
        assert make_builder(launch_type="EC2", subnets="", **options)

    @pytest.mark.parametrize(
        "queue",
        [
            {"launchType": "EC2", "overrides": {"cpu": "1000"}},
            {"overrides": {"cpu": "4096"}},
            {"overrides": {"containerOverrides": [{"name": "sidecar", "command": ["serve"]}]}},
            {"taskDefinition": "another", "group": "g", "tags": []},
            {"networkConfiguration": {"awsvpcConfiguration": {"assignPublicIp": "DISABLED"}}},
            {},
        ],
    )
    def test_what_aws_accepts_is_no_mistake(self, queue, make_builder):
        """No correct fragment is refused."""
        assert make_builder(queues={"q": queue})(make_launch("q"))

    def test_an_own_function_may_be_for_instances(self, make_builder):
        """Its capacity is not known at the start; each request is checked later."""
        build = make_builder(
            execution_config_function="dataclasses.replace",
            queues={"q": {"overrides": {"cpu": "1000"}}},
        )
        assert build


def test_requests_are_not_checked_without_check_requests(read_config):
    """The default function reads the options without botocore's model; the scheduler checked them at the start."""
    assert isinstance(read_config(run_task_kwargs='{"colour": "blue"}'), FargateConfig)
