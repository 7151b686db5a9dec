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
"""The options of ``[fargate]``: each is read and checked, and one message has all mistakes."""

from __future__ import annotations

import dataclasses
import sys
import types

import pytest

from airflow.executors.fargate.config import config as config_module
from airflow.executors.fargate.config.config import FargateConfig
from airflow.executors.fargate.config.options import NOT_SHOWN, Options, template
from airflow.executors.fargate.errors import ConfigError, FargateError

DEFAULT_FUNCTION = "airflow.executors.fargate_executor.default_task_id_to_fargate_options_function"


USER_MODULE = "users_own_fargate_functions"


def mistakes_of(read_config, **options):
    """Return the mistakes of these options; the test fails if there are none."""
    with pytest.raises(ConfigError) as caught:
        read_config(**options)
    return caught.value.mistakes


@pytest.fixture
def user_function(monkeypatch):
    """Return a function that puts an object into a user's module, and returns its dotted path."""

    def put(thing):
        module = types.ModuleType(USER_MODULE)
        module.function = thing
        monkeypatch.setitem(sys.modules, USER_MODULE, module)
        return f"{USER_MODULE}.function"

    return put


class TestTemplate:
    def test_options_are_those_of_the_proposal_and_ours(self):
        """The template holds the ten options of AIRFLOW-6440, under its names, and the executor's own."""
        assert set(template()) == {
            "region",
            "cluster",
            "task_definition",
            "container_name",
            "security_groups",
            "subnets",
            "platform_version",
            "launch_type",
            "assign_public_ip",
            "execution_config_function",
            "deployment",
            "conn_id",
            "endpoint_url",
            "max_launch_attempts",
            "launch_concurrency",
            "poll_interval",
            "launch_rate",
            "launch_burst",
            "describe_rate",
            "capacity_provider_strategy",
            "capacity_provider_fallback",
            "ephemeral_storage",
            "enable_execute_command",
            "tags",
            "tag_tasks",
            "propagate_tags",
            "run_task_kwargs",
            "queues",
        }

    def test_each_option_has_what_airflow_asks_of_an_option(self):
        """Each option has a description, a type and a default, which is text or nothing, as in config.yml."""
        for name, option in template().items():
            members = {"description", "version_added", "type", "example", "default"}
            assert set(option) - {"sensitive"} == members, name
            assert option["description"].strip().endswith("."), name
            assert option["type"] in {"string", "integer", "float", "boolean"}, name
            assert option["default"] is None or isinstance(option["default"], str), name

    def test_fragments_of_requests_are_sensitive(self):
        """Airflow hides their values where it shows the configuration: they can contain passwords."""
        assert {name for name, option in template().items() if option.get("sensitive")} == set(NOT_SHOWN)

    def test_each_example_is_accepted(self, read_config):
        """No example of the template is a mistake; that of the function is in a module of the reader's own."""
        for name, option in template().items():
            if option["example"] and name != "execution_config_function":
                read_config(**{name: option["example"]})

    def test_default_function_is_that_of_the_code(self):
        """The default of ``execution_config_function`` is the path by which the code recognizes its own function."""
        assert template()["execution_config_function"]["default"] == DEFAULT_FUNCTION


#: Correct values by option: a list of texts that are read as they are, or a dict from texts to values.
RIGHT = {
    "region": {" eu-central-1 ": "eu-central-1", "us-gov-west-1": "us-gov-west-1", "": None},
    "cluster": [
        "arn:aws:ecs:eu-west-1:123456789012:cluster/a_b-c",
        "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/a",
        "c" * 255,
    ],
    "task_definition": [
        "family",
        "family:12",
        "arn:aws:ecs:eu-west-1:123456789012:task-definition/family:12",
        "arn:aws-cn:ecs:cn-north-1:123456789012:task-definition/family",
    ],
    "container_name": ["Air_flow-1"],
    "security_groups": {"sg-1 , sg-2,": ("sg-1", "sg-2"), "": ()},
    "subnets": {
        "subnet-0a1,\n subnet-0b2": ("subnet-0a1", "subnet-0b2"),
        ",".join(f"subnet-{n:x}" for n in range(16)): tuple(f"subnet-{n:x}" for n in range(16)),
    },
    "platform_version": ["1.4.0"],
    "launch_type": {"fargate": "FARGATE", "ECS": "EC2", "ecs": "EC2", "": None},
    "deployment": ["team-a/prod_2", "d" * 128],
    "conn_id": {"aws_default": "aws_default", "": None},
    "endpoint_url": [
        "http://127.0.0.1:5000",
        "http://localhost:5000/",
        "http://[::1]:5000",
        "https://vpce-0123.ecs.us-east-1.vpce.amazonaws.com",
    ],
    "max_launch_attempts": {"1": 1, "10": 10},
    "launch_concurrency": {"1": 1, "128": 128},
    "poll_interval": {"0.1": 0.1, "300": 300.0},
    "launch_rate": {"0.1": 0.1, "1000": 1000.0},
    "launch_burst": {"1": 1, "10000": 10_000},
    "describe_rate": {"0.1": 0.1, "1000": 1000.0},
    "capacity_provider_strategy": {
        "": (),
        "FARGATE": ({"capacityProvider": "FARGATE", "weight": 1},),
        " FARGATE_SPOT:4, FARGATE:1:2 ,": (
            {"capacityProvider": "FARGATE_SPOT", "weight": 4},
            {"capacityProvider": "FARGATE", "weight": 1, "base": 2},
        ),
        '[{"capacityProvider": "FARGATE_SPOT", "weight": 4}, {"capacityProvider": "mine"}]': (
            {"capacityProvider": "FARGATE_SPOT", "weight": 4},
            {"capacityProvider": "mine"},
        ),
    },
    "capacity_provider_fallback": {"my-own:0": ({"capacityProvider": "my-own", "weight": 0},)},
    "ephemeral_storage": {"": None, "21": 21, "200": 200},
    "tags": {
        "": (),
        '{"team": "data", "cost-center": "42"}': (
            {"key": "team", "value": "data"},
            {"key": "cost-center", "value": "42"},
        ),
        '[{"key": "team"}]': ({"key": "team"},),
    },
    "propagate_tags": {"": None, "task_definition": "TASK_DEFINITION", "NONE": "NONE"},
    "run_task_kwargs": {"": {}, '{"group": "a"}': {"group": "a"}},
    "queues": {'{"big": {"group": "a"}, "": {}}': {"big": {"group": "a"}, "": {}}},
}


class TestValues:
    def test_defaults_are_those_of_the_template(self, read_config):
        """If only the required options are set, all others have the template's default."""
        assert read_config() == FargateConfig(
            region=None,
            cluster="fleet",
            task_definition="airflow-task:3",
            container_name="airflow",
            security_groups=(),
            subnets=("subnet-0123456789abcdef0",),
            platform_version="LATEST",
            launch_type="FARGATE",
            assign_public_ip="ENABLED",
            command_to_request=None,
            deployment="airflow",
            conn_id=None,
            endpoint_url=None,
            max_launch_attempts=3,
            launch_concurrency=16,
            poll_interval=2.0,
            launch_rate=20.0,
            launch_burst=100,
            describe_rate=10.0,
            own_function=False,
            capacity_provider_strategy=(),
            capacity_provider_fallback=(),
            ephemeral_storage=None,
            enable_execute_command=False,
            tags=(),
            tag_tasks=True,
            propagate_tags=None,
            run_task_kwargs={},
            queues={},
        )

    @pytest.mark.parametrize(("name", "values"), RIGHT.items(), ids=list(RIGHT))
    def test_value_is_read(self, name, values, read_config):
        """A correct value is read as its type; in the table a list has values that are read as they are."""
        pairs = values.items() if isinstance(values, dict) else zip(values, values)
        for text, expected in pairs:
            assert getattr(read_config(**{name: text}), name) == expected, text

    def test_fragments_of_requests_are_not_shown(self, read_config):
        """A fragment can contain a password in an environment variable."""
        secret = (
            '{"overrides": {"containerOverrides": [{"environment": [{"name": "P", "value": "hunter2"}]}]}}'
        )
        config = read_config(run_task_kwargs=secret, queues=f'{{"a": {secret}}}')
        assert config.queues["a"] == config.run_task_kwargs
        assert "hunter2" not in repr(config)

    def test_config_cannot_be_changed(self, read_config):
        """The configuration is frozen: several threads read it."""
        with pytest.raises(dataclasses.FrozenInstanceError):
            read_config().cluster = "another"


#: Wrong values by option.
WRONG = {
    "region": ["us east 1", "us_east_1", "-us-east-1"],
    "cluster": [
        "two words",
        "c" * 256,
        "arn:aws:ecs:us-east-1:123:cluster/fleet",
        "arn:aws:ecs:us-east-1:123456789012:service/fleet",
        "fleet\nfleet",
    ],
    "task_definition": [
        "two words",
        "family:latest",
        "family:1:2",
        "f" * 256,
        "arn:aws:ecs:us-east-1:123456789012:cluster/family",
    ],
    "container_name": ["air flow", "ä", "c" * 256],
    "security_groups": ["subnet-0123", "sg-xyz", "sg-1;sg-2", ",".join(f"sg-{n}" for n in range(6))],
    "subnets": ["sg-0123", "['subnet-1']", ",".join(f"subnet-{n:x}" for n in range(17))],
    "platform_version": ["latest!", "1.4", "v1.4.0"],
    "launch_type": ["FARGATE_SPOT", "FARGATE,EC2"],
    "assign_public_ip": ["yes, please", "2"],
    "enable_execute_command": ["maybe"],
    "tag_tasks": ["None"],
    "capacity_provider_strategy": [
        "FARGATE SPOT",
        "FARGATE:x",
        "FARGATE:1:2:3",
        ":1",
        '[{"capacityProvider": "FARGATE"}',
    ],
    "capacity_provider_fallback": ["FARGATE;1", "FARGATE:-1"],
    "ephemeral_storage": ["20", "201", "100 GiB"],
    "tags": ["team=data", '"team"', "5", '{"team": "data", "team": "ops"}'],
    "propagate_tags": ["SERVICE", "True"],
    "run_task_kwargs": ["{'group': 'a'}", '["group"]', "[" * 100_000],
    "queues": ["large", "[]", '{"large": {}, "large": {"group": "a"}}'],
    "deployment": ["a b", "d" * 129, "prod!"],
    "endpoint_url": [
        "localhost:5000",
        "ftp://localhost",
        "http://",
        "http://exa mple.com",
        "http://local_fargate:5000",
        "http://-",
        "http://[::1",
        "http://localhost:port",
        "http://localhost:99999",
    ],
    "max_launch_attempts": ["0", "11", "-1", "three", "2.5"],
    "launch_concurrency": ["0", "129", "many"],
    "launch_rate": ["0", "1001", "fast"],
    "launch_burst": ["0", "10001", "1.5"],
    "describe_rate": ["-1", "1001"],
    "poll_interval": ["0", "301", "soon", "nan", "inf", "1,5"],
}


class TestMistakes:
    @pytest.mark.parametrize(("name", "values"), WRONG.items(), ids=list(WRONG))
    def test_wrong_value_is_a_mistake_with_its_option_and_a_remedy(self, name, values, read_config):
        """A wrong value is one mistake: it has the option, the value, what is wrong, and what to do."""
        for value in values:
            (mistake,) = mistakes_of(read_config, **{name: value})
            start = f"[fargate] {name} = {'…' if name in NOT_SHOWN else repr(value)}: "
            assert mistake.startswith(start)
            what, _, remedy = mistake[len(start) :].rpartition(". ")
            assert what
            assert remedy.endswith(".")
            assert len(remedy) > 10

    def test_each_option_that_can_be_wrong_has_wrong_values(self):
        """The table above has each option but the id of a connection and the function, which are tested below."""
        assert set(WRONG) == set(template()) - {"conn_id", "execution_config_function"}

    @pytest.mark.parametrize(
        "name", ["cluster", "task_definition", "container_name", "subnets", "deployment"]
    )
    def test_required_option_that_is_empty_is_a_mistake(self, name, read_config):
        """The message shows an example."""
        for empty in ("", " ", None):
            (mistake,) = mistakes_of(read_config, **{name: empty})
            assert mistake.startswith(f"[fargate] {name} = ''")
            assert "required" in mistake
            assert template()[name]["example"] in mistake

    def test_subnets_are_required_for_fargate_only(self, read_config):
        """Other launch types need no subnets: a task definition can use the network of its host."""
        for launch_type in ("EC2", "ECS", "EXTERNAL", ""):
            assert read_config(launch_type=launch_type, subnets="").subnets == ()

    def test_own_function_does_not_need_the_options_of_the_default_function(self, read_config, user_function):
        """A user's own function can know the task definition, the container and the subnets itself."""
        empty = {"task_definition": "", "container_name": "", "subnets": ""}
        path = user_function(lambda: dict)
        config = read_config(execution_config_function=path, call_function=True, **empty)
        assert (config.task_definition, config.container_name, config.subnets) == (None, None, ())

    def test_own_function_does_not_replace_what_the_executor_needs(self, read_config, user_function):
        """The executor searches for its ECS tasks by cluster and deployment."""
        path = user_function(lambda: dict)
        mistakes = mistakes_of(
            read_config, execution_config_function=path, call_function=True, cluster="", deployment=""
        )
        assert [mistake.split(" = ")[0] for mistake in mistakes] == [
            "[fargate] cluster",
            "[fargate] deployment",
        ]

    def test_one_message_has_all_mistakes(self, read_config):
        """Options that are missing, of a wrong type or too large are in it, once each."""
        wrong = {
            "cluster": "",
            "task_definition": "two words",
            "container_name": None,
            "security_groups": "sg-x",
            "subnets": "",
            "platform_version": "newest",
            "assign_public_ip": "maybe",
            "deployment": "a b",
            "endpoint_url": "here",
            "max_launch_attempts": "0",
            "launch_concurrency": "x",
            "poll_interval": "-2",
        }
        with pytest.raises(ConfigError) as caught:
            read_config(**wrong, call_function=True)
        assert [m.split(" = ")[0] for m in sorted(caught.value.mistakes)] == sorted(
            f"[fargate] {name}" for name in wrong
        )
        for mistake in caught.value.mistakes:
            assert str(caught.value).count(mistake) == 1

    def test_config_error_is_one_of_the_executors_own(self):
        """It has the base class of the executor's errors, and its message lists each mistake."""
        error = ConfigError(["first", "second"])
        assert isinstance(error, FargateError)
        assert error.mistakes == ("first", "second")
        assert str(error).splitlines()[1:] == ["  * first", "  * second"]


class TestFunction:
    def test_function_without_arguments_is_called_once_and_its_function_is_kept(
        self, read_config, user_function
    ):
        """It is called once, while the options are read; its result makes requests."""
        calls = []

        def inner(command):
            return {"taskDefinition": command[0]}

        def outer():
            calls.append("called")
            return inner

        config = read_config(execution_config_function=user_function(outer), call_function=True)
        assert config.command_to_request is inner
        assert calls == ["called"]

    def test_function_is_not_called_if_only_the_options_are_wanted(self, read_config, user_function):
        """The default function reads the options itself; it must not call a function that calls it."""

        def outer():
            raise AssertionError("called")

        config = read_config(execution_config_function=user_function(outer), call_function=False)
        assert config.command_to_request is None

    def test_empty_option_means_the_default_function(self, read_config):
        """The options that the default function needs are then required."""
        for empty in ("", None):
            (mistake,) = mistakes_of(read_config, execution_config_function=empty, container_name="")
            assert "container_name" in mistake


@pytest.fixture
def options(monkeypatch):
    """Set the required options, and return a function that sets further ones."""

    def put(**options):
        for name, value in options.items():
            monkeypatch.setenv(f"AIRFLOW__FARGATE__{name.upper()}", value)

    put(cluster="fleet", task_definition="airflow-task:3", container_name="airflow", subnets="subnet-1")
    return put


@pytest.fixture
def read(options, service_model):
    """Return a function that reads Airflow's configuration, as the executor's start does."""
    from airflow.executors.fargate.bridge import settings

    def read():
        read_options = Options(settings.option_reader())
        config = config_module.read_config(read_options)
        read_options.raise_mistakes()
        return config

    return read


class TestDefaultFunction:
    """With Airflow, whose configuration the default function reads."""

    def test_default_function_makes_requests_from_the_options(self, read):
        """Without a function of the user's own, the options make the requests."""
        request = read().command_to_request(["airflow", "tasks", "run"])
        assert request["cluster"] == "fleet"
        assert request["overrides"] == {
            "containerOverrides": [{"name": "airflow", "command": ["airflow", "tasks", "run"]}]
        }
