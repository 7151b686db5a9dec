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
"""The options of ``[fargate]``: each is checked, and all that is wrong is told in one message."""

from __future__ import annotations

import dataclasses
import sys
import types

import pytest

from airflow.executors.fargate.config import options as options_module
from airflow.executors.fargate.config.config import FargateConfig
from airflow.executors.fargate.config.options import DEFAULT_FUNCTION, NOT_SHOWN, import_dotted_path, template
from airflow.executors.fargate.errors import ConfigError, FargateError

USER_MODULE = "users_own_fargate_functions"


def mistakes_of(read_config, **options):
    """Return what is wrong with these options; the test fails where nothing is."""
    with pytest.raises(ConfigError) as caught:
        read_config(**options)
    return caught.value.mistakes


@pytest.fixture
def user_function(monkeypatch):
    """Return a function that puts an object into a module of a user's own, and returns its dotted path."""

    def put(thing):
        module = types.ModuleType(USER_MODULE)
        module.function = thing
        monkeypatch.setitem(sys.modules, USER_MODULE, module)
        return f"{USER_MODULE}.function"

    return put


@pytest.fixture
def user_file(monkeypatch, tmp_path):
    """Return a function that writes a module of a user's own, and returns the dotted path of ``function`` in it."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(source):
        # So that it is forgotten after the test: setitem, not delitem, remembers a name that is not there.
        monkeypatch.setitem(sys.modules, USER_MODULE, None)
        del sys.modules[USER_MODULE]
        (tmp_path / f"{USER_MODULE}.py").write_text(source, encoding="utf-8")
        return f"{USER_MODULE}.function"

    return write


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

    @pytest.mark.parametrize("name", sorted(template()))
    def test_each_option_has_what_airflow_asks_of_an_option(self, name):
        """Each option has a description, a type and a default, which is text or nothing, as in config.yml."""
        option = template()[name]
        assert set(option) - {"sensitive"} == {"description", "version_added", "type", "example", "default"}
        assert option["description"].strip().endswith(".")
        assert option["type"] in {"string", "integer", "float", "boolean"}
        assert option["default"] is None or isinstance(option["default"], str)

    def test_what_can_hold_passwords_is_sensitive(self):
        """Airflow hides it where it shows the configuration, as its own options that end in kwargs."""
        assert {name for name, option in template().items() if option.get("sensitive")} == set(NOT_SHOWN)

    @pytest.mark.parametrize(
        "name", sorted(n for n, o in template().items() if o["example"] and "function" not in n)
    )
    def test_each_example_is_a_value_that_is_accepted(self, name, read_config):
        """What the template shows as an example is no mistake, but for a function of the reader's own company."""
        read_config(**{name: template()[name]["example"]})

    def test_default_function_is_the_one_that_the_code_tells_from_a_users_own(self):
        """The default of ``execution_config_function`` is the path by which the code knows its own function."""
        assert template()["execution_config_function"]["default"] == DEFAULT_FUNCTION


class TestValues:
    def test_defaults_are_those_of_the_template(self, read_config):
        """Where only what is required is set, all else has the template's default."""
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

    @pytest.mark.parametrize(
        ("name", "default", "expected"),
        [
            ("platform_version", "1.3.0", "1.3.0"),
            ("max_launch_attempts", "7", 7),
            ("launch_concurrency", "9", 9),
            ("poll_interval", "4.5", 4.5),
            ("launch_rate", "2.5", 2.5),
            ("launch_burst", "7", 7),
            ("describe_rate", "15", 15.0),
        ],
    )
    @pytest.mark.parametrize("empty", ["", "   ", None])
    def test_empty_option_has_the_default_of_the_template_and_no_other(
        self, name, default, expected, empty, read_config, monkeypatch
    ):
        """An option that needs a value and is left empty gets what the template says, whatever that is."""
        changed = {**template(), name: {**template()[name], "default": default}}
        monkeypatch.setattr(options_module, "template", lambda: changed)
        assert getattr(read_config(**{name: empty}), name) == expected

    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            ("region", "eu-central-1", "eu-central-1"),
            ("region", " eu-central-1 ", "eu-central-1"),
            ("region", "us-gov-west-1", "us-gov-west-1"),
            ("cluster", "arn:aws:ecs:eu-west-1:123456789012:cluster/a_b-c", None),
            ("cluster", "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/a", None),
            ("cluster", "c" * 255, None),
            ("task_definition", "family", None),
            ("task_definition", "family:12", None),
            ("task_definition", "arn:aws:ecs:eu-west-1:123456789012:task-definition/family:12", None),
            ("task_definition", "arn:aws-cn:ecs:cn-north-1:123456789012:task-definition/family", None),
            ("container_name", "Air_flow-1", None),
            ("security_groups", "sg-1,sg-2", ("sg-1", "sg-2")),
            ("security_groups", "sg-1 , sg-2,", ("sg-1", "sg-2")),
            ("security_groups", "", ()),
            ("subnets", "subnet-0a1,\n subnet-0b2", ("subnet-0a1", "subnet-0b2")),
            (
                "subnets",
                ",".join(f"subnet-{n:x}" for n in range(16)),
                tuple(f"subnet-{n:x}" for n in range(16)),
            ),
            ("platform_version", "1.4.0", None),
            ("launch_type", "fargate", "FARGATE"),
            ("launch_type", "Ec2", "EC2"),
            ("launch_type", "ECS", "EC2"),
            ("launch_type", "ecs", "EC2"),
            ("launch_type", "EXTERNAL", "EXTERNAL"),
            ("launch_type", "", None),
            ("assign_public_ip", "enabled", "ENABLED"),
            ("assign_public_ip", "DISABLED", "DISABLED"),
            ("assign_public_ip", "True", "ENABLED"),
            ("assign_public_ip", "false", "DISABLED"),
            ("deployment", "team-a/prod_2", None),
            ("deployment", "d" * 128, None),
            ("conn_id", "", None),
            ("conn_id", "aws_default", "aws_default"),
            ("endpoint_url", "http://127.0.0.1:5000", None),
            ("endpoint_url", "http://localhost:5000/", None),
            ("endpoint_url", "http://[::1]:5000", None),
            ("endpoint_url", "https://vpce-0123.ecs.us-east-1.vpce.amazonaws.com", None),
            ("max_launch_attempts", "1", 1),
            ("max_launch_attempts", "10", 10),
            ("launch_concurrency", "128", 128),
            ("poll_interval", "0.1", 0.1),
            ("launch_rate", "0.1", 0.1),
            ("launch_burst", "1", 1),
            ("describe_rate", "1000", 1000.0),
            ("poll_interval", "300", 300.0),
            ("capacity_provider_strategy", "", ()),
            ("capacity_provider_strategy", "FARGATE", ({"capacityProvider": "FARGATE", "weight": 1},)),
            (
                "capacity_provider_strategy",
                " FARGATE_SPOT:4, FARGATE:1:2 ,",
                (
                    {"capacityProvider": "FARGATE_SPOT", "weight": 4},
                    {"capacityProvider": "FARGATE", "weight": 1, "base": 2},
                ),
            ),
            (
                "capacity_provider_strategy",
                '[{"capacityProvider": "FARGATE_SPOT", "weight": 4}, {"capacityProvider": "mine"}]',
                ({"capacityProvider": "FARGATE_SPOT", "weight": 4}, {"capacityProvider": "mine"}),
            ),
            ("capacity_provider_fallback", "my-own:0", ({"capacityProvider": "my-own", "weight": 0},)),
            ("ephemeral_storage", "", None),
            ("ephemeral_storage", "21", 21),
            ("ephemeral_storage", "200", 200),
            ("tags", "", ()),
            (
                "tags",
                '{"team": "data", "cost-center": "42"}',
                ({"key": "team", "value": "data"}, {"key": "cost-center", "value": "42"}),
            ),
            ("tags", '[{"key": "team"}]', ({"key": "team"},)),
            ("propagate_tags", "", None),
            ("propagate_tags", "task_definition", "TASK_DEFINITION"),
            ("propagate_tags", "NONE", "NONE"),
            ("run_task_kwargs", "", {}),
            ("run_task_kwargs", '{"group": "a"}', {"group": "a"}),
            ("queues", '{"big": {"group": "a"}, "": {}}', {"big": {"group": "a"}, "": {}}),
        ],
    )
    def test_value_is_read(self, name, text, expected, read_config):
        """A right value comes out in its own type; None in the table says: as it was written."""
        expected = text if expected is None and text else expected
        assert getattr(read_config(**{name: text}), name) == expected

    @pytest.mark.parametrize("name", ["enable_execute_command", "tag_tasks", "assign_public_ip"])
    @pytest.mark.parametrize(
        ("text", "expected"),
        [(word, True) for word in ("True", "true", "t", "1", "yes", "Y", "on", "ENABLED", " True ")]
        + [(word, False) for word in ("False", "FALSE", "f", "0", "no", "n", "Off", "disabled")],
    )
    def test_boolean_is_read_in_the_words_of_airflow_and_of_aws(self, name, text, expected, read_config):
        """What Airflow's ``getboolean`` takes, the usual words beside it, and AWS's."""
        value = getattr(read_config(**{name: text}), name)
        assert value == {"assign_public_ip": {True: "ENABLED", False: "DISABLED"}}.get(name, {}).get(
            expected, expected
        )

    @pytest.mark.parametrize(
        ("name", "default"),
        [("enable_execute_command", False), ("tag_tasks", True), ("assign_public_ip", None)],
    )
    def test_boolean_that_is_emptied_has_its_default(self, name, default, read_config):
        """An empty option is not a no."""
        assert getattr(read_config(**{name: ""}), name) == default

    def test_parts_of_requests_are_not_shown(self, read_config):
        """A fragment can hold a password in an environment variable."""
        secret = (
            '{"overrides": {"containerOverrides": [{"environment": [{"name": "P", "value": "hunter2"}]}]}}'
        )
        config = read_config(run_task_kwargs=secret, queues=f'{{"a": {secret}}}')
        assert config.queues["a"] == config.run_task_kwargs
        assert "hunter2" not in repr(config)

    def test_every_launch_type_of_botocore_is_accepted(self, check, read_config):
        """``launch_type`` takes whatever the installed botocore lists."""
        assert {"FARGATE", "EC2", "EXTERNAL"} <= set(check.launch_types)
        for launch_type in check.launch_types:
            assert read_config(launch_type=launch_type).launch_type == launch_type

    def test_config_cannot_be_changed(self, read_config):
        """The configuration is frozen: several threads read it."""
        with pytest.raises(dataclasses.FrozenInstanceError):
            read_config().cluster = "another"


WRONG = [
    ("region", "us east 1"),
    ("region", "us_east_1"),
    ("region", "-us-east-1"),
    ("cluster", "two words"),
    ("cluster", "c" * 256),
    ("cluster", "arn:aws:ecs:us-east-1:123:cluster/fleet"),
    ("cluster", "arn:aws:ecs:us-east-1:123456789012:service/fleet"),
    ("cluster", "fleet\nfleet"),
    ("task_definition", "two words"),
    ("task_definition", "family:latest"),
    ("task_definition", "family:1:2"),
    ("task_definition", "f" * 256),
    ("task_definition", "arn:aws:ecs:us-east-1:123456789012:cluster/family"),
    ("container_name", "air flow"),
    ("container_name", "ä"),
    ("container_name", "c" * 256),
    ("security_groups", "subnet-0123"),
    ("security_groups", "sg-xyz"),
    ("security_groups", "sg-1;sg-2"),
    ("security_groups", "sg-1 sg-2"),
    ("security_groups", ",".join(f"sg-{n}" for n in range(6))),
    ("subnets", "sg-0123"),
    ("subnets", "default"),
    ("subnets", "['subnet-1']"),
    ("subnets", ",".join(f"subnet-{n:x}" for n in range(17))),
    ("platform_version", "latest!"),
    ("platform_version", "1.4"),
    ("platform_version", "v1.4.0"),
    ("launch_type", "FARGATE_SPOT"),
    ("launch_type", "LAMBDA"),
    ("launch_type", "FARGATE,EC2"),
    ("assign_public_ip", "yes, please"),
    ("assign_public_ip", "2"),
    ("enable_execute_command", "maybe"),
    ("tag_tasks", "None"),
    ("capacity_provider_strategy", "FARGATE SPOT"),
    ("capacity_provider_strategy", "FARGATE:x"),
    ("capacity_provider_strategy", "FARGATE:1:2:3"),
    ("capacity_provider_strategy", ":1"),
    ("capacity_provider_strategy", '[{"capacityProvider": "FARGATE"}'),
    ("capacity_provider_fallback", "FARGATE;1"),
    ("capacity_provider_fallback", "FARGATE:-1"),
    ("ephemeral_storage", "20"),
    ("ephemeral_storage", "201"),
    ("ephemeral_storage", "100 GiB"),
    ("tags", "team=data"),
    ("tags", '"team"'),
    ("tags", "5"),
    ("tags", '{"team": "data", "team": "ops"}'),
    ("propagate_tags", "SERVICE"),
    ("propagate_tags", "True"),
    ("run_task_kwargs", "{'group': 'a'}"),
    ("run_task_kwargs", '["group"]'),
    ("run_task_kwargs", "[" * 100_000),
    ("queues", "large"),
    ("queues", "[]"),
    ("queues", '{"large": {}, "large": {"group": "a"}}'),
    ("deployment", "a b"),
    ("deployment", "d" * 129),
    ("deployment", "prod!"),
    ("endpoint_url", "localhost:5000"),
    ("endpoint_url", "ftp://localhost"),
    ("endpoint_url", "http://"),
    ("endpoint_url", "http://exa mple.com"),
    ("endpoint_url", "http://local_fargate:5000"),
    ("endpoint_url", "http://-"),
    ("endpoint_url", "http://[::1"),
    ("endpoint_url", "http://localhost:port"),
    ("endpoint_url", "http://localhost:99999"),
    ("max_launch_attempts", "0"),
    ("max_launch_attempts", "11"),
    ("max_launch_attempts", "-1"),
    ("max_launch_attempts", "three"),
    ("max_launch_attempts", "2.5"),
    ("launch_concurrency", "0"),
    ("launch_concurrency", "129"),
    ("launch_concurrency", "many"),
    ("poll_interval", "0"),
    ("launch_rate", "0"),
    ("launch_rate", "fast"),
    ("launch_burst", "0"),
    ("launch_burst", "1.5"),
    ("describe_rate", "-1"),
    ("describe_rate", "1001"),
    ("poll_interval", "301"),
    ("poll_interval", "soon"),
    ("poll_interval", "nan"),
    ("poll_interval", "inf"),
    ("poll_interval", "1,5"),
]


class TestMistakes:
    @pytest.mark.parametrize(("name", "value"), WRONG)
    def test_wrong_value_is_told_with_its_option_and_a_remedy(self, name, value, read_config):
        """A wrong value is one mistake that names the option and the value, says what is wrong and what to do."""
        (mistake,) = mistakes_of(read_config, **{name: value})
        told = f"[fargate] {name} = {'…' if name in NOT_SHOWN else repr(value)}: "
        assert mistake.startswith(told)
        what, _, remedy = mistake[len(told) :].rpartition(". ")
        assert what
        assert remedy.endswith(".")
        assert len(remedy) > 10

    def test_wrong_values_have_a_row_for_each_option_that_can_be_wrong(self):
        """The table above has a row for each option but the id of a connection and the function, tried below."""
        assert {name for name, _ in WRONG} == set(template()) - {"conn_id", "execution_config_function"}

    @pytest.mark.parametrize(
        "name", ["cluster", "task_definition", "container_name", "subnets", "deployment"]
    )
    @pytest.mark.parametrize("nothing", ["", " ", None])
    def test_what_is_required_and_missing_is_a_mistake(self, name, nothing, read_config):
        """Where something that is required is not set, the message shows an example of it."""
        (mistake,) = mistakes_of(read_config, **{name: nothing})
        assert mistake.startswith(f"[fargate] {name} = ''")
        assert "required" in mistake
        assert template()[name]["example"] in mistake

    @pytest.mark.parametrize("launch_type", ["EC2", "ECS", "EXTERNAL", ""])
    def test_subnets_are_required_for_fargate_alone(self, launch_type, read_config):
        """No other launch type needs subnets: a task definition may use the network of its host."""
        assert read_config(launch_type=launch_type, subnets="").subnets == ()

    @pytest.mark.parametrize("name", ["task_definition", "container_name", "subnets"])
    def test_own_function_need_not_have_what_the_default_function_needs(
        self, name, read_config, user_function
    ):
        """A user's own function may know the task definition, the container and the subnets by itself."""
        path = user_function(lambda: dict)
        config = read_config(execution_config_function=path, call_function=True, **{name: ""})
        assert not getattr(config, name)

    @pytest.mark.parametrize("name", ["cluster", "deployment"])
    def test_own_function_does_not_replace_what_the_executor_itself_needs(
        self, name, read_config, user_function
    ):
        """The executor looks for its containers by cluster and deployment, whoever makes the requests."""
        path = user_function(lambda: dict)
        (mistake,) = mistakes_of(
            read_config, execution_config_function=path, call_function=True, **{name: ""}
        )
        assert name in mistake

    def test_all_mistakes_are_told_in_one_message(self, read_config):
        """Options that are missing, of the wrong type, too large and not importable are told together, once each."""
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

    def test_mistake_in_the_function_is_told_with_the_others(self, read_config):
        """That the function cannot be imported is one line among the rest."""
        mistakes = mistakes_of(
            read_config,
            cluster="",
            launch_type="MOON",
            execution_config_function="no_such_module_anywhere.function",
        )
        assert [m.split(" = ")[0] for m in mistakes] == [
            "[fargate] launch_type",
            "[fargate] cluster",
            "[fargate] execution_config_function",
        ]

    def test_config_error_is_one_of_the_executors_own(self):
        """One base class catches all that the executor itself raises, and the message lists each mistake."""
        error = ConfigError(["first", "second"])
        assert isinstance(error, FargateError)
        assert error.mistakes == ("first", "second")
        assert str(error).splitlines()[1:] == ["  * first", "  * second"]


class TestFunction:
    def test_function_without_arguments_is_called_once_and_its_function_is_kept(
        self, read_config, user_function
    ):
        """The named function is called once, while the configuration is read; what it returns makes requests."""
        calls = []

        def inner(command):
            return {"taskDefinition": command[0]}

        def outer():
            calls.append("called")
            return inner

        config = read_config(execution_config_function=user_function(outer), call_function=True)
        assert config.command_to_request is inner
        assert calls == ["called"]

    def test_function_is_not_called_where_only_the_options_are_wanted(self, read_config, user_function):
        """The default function reads the options itself; it must not call a function that calls it."""

        def outer():
            raise AssertionError("called")

        config = read_config(execution_config_function=user_function(outer), call_function=False)
        assert config.command_to_request is None

    @pytest.mark.parametrize("empty", ["", None])
    def test_no_function_means_the_default_one(self, empty, read_config):
        """An option that is emptied names the default function, with all that this one requires."""
        (mistake,) = mistakes_of(read_config, execution_config_function=empty, container_name="")
        assert "container_name" in mistake

    @pytest.mark.parametrize(
        ("source", "told"),
        [
            ("raise RuntimeError('out of luck')", ["RuntimeError", "out of luck"]),
            ("import no_such_module_anywhere", ["ModuleNotFoundError", "no_such_module_anywhere"]),
            ("def function(:", ["SyntaxError"]),
            ("import sys; sys.exit(3)", ["SystemExit"]),
            ("another = 1", ["no attribute", "'function'"]),
            ("function = 3", ["int", "not a function"]),
            ("function = None", ["NoneType", "not a function"]),
            ("def function(command): return {}", ["TypeError", "command"]),
            ("def function(): raise ValueError('bad luck')", ["ValueError", "bad luck"]),
            ("def function(): raise SystemExit(3)", ["SystemExit"]),
            ("def function(): raise GeneratorExit", ["GeneratorExit"]),
            ("def function(): return function()", ["RecursionError"]),
            ("class Stop(BaseException): pass\nraise Stop('here')", ["Stop", "here"]),
            (
                "class Shy(Exception):\n def __str__(self): raise ValueError\ndef function(): raise Shy",
                ["raised Shy. "],
            ),
            ("def function(): return None", ["NoneType", "cannot be called"]),
            ("def function(): return {}", ["dict", "cannot be called"]),
        ],
    )
    def test_function_that_will_not_do_is_a_mistake_like_any_other(
        self, source, told, read_config, user_file
    ):
        """Whatever goes wrong in the user's module or function is told in the one message, and nothing else raised."""
        path = user_file(source)
        first, second = mistakes_of(
            read_config, execution_config_function=path, call_function=True, max_launch_attempts="0"
        )
        assert first.startswith("[fargate] max_launch_attempts")
        assert second.startswith(f"[fargate] execution_config_function = {path!r}: ")
        for words in told:
            assert words in second
        assert second.endswith(
            "Name a function without arguments that returns a function from a command to a request."
        )

    @pytest.mark.parametrize(
        "path", ["function", "..function", ".", "no_such_module_anywhere.function", "a b.c"]
    )
    def test_path_that_leads_nowhere_is_a_mistake(self, path, read_config):
        """A path without a module, or with one that is not there, cannot be imported."""
        (mistake,) = mistakes_of(read_config, execution_config_function=path, call_function=True)
        assert "cannot be imported" in mistake

    def test_dotted_path_is_imported(self):
        """A dotted path leads to the object of that name in its module."""
        assert import_dotted_path("dataclasses.replace") is dataclasses.replace

    @pytest.mark.parametrize(
        "path", ["", "replace", "dataclasses.", "dataclasses.no_such_thing", "no_such_module.x"]
    )
    def test_dotted_path_without_an_object_is_an_import_error(self, path):
        """A path to nothing is an ImportError, as for an import statement."""
        with pytest.raises(ImportError):
            import_dotted_path(path)

    def test_interrupt_of_the_user_is_no_mistake(self, read_config, user_file):
        """Ctrl-C while the user's module is imported ends the process, as it should."""
        with pytest.raises(KeyboardInterrupt):
            read_config(execution_config_function=user_file("raise KeyboardInterrupt"))


CLUSTER_ARN = "arn:aws:ecs:us-east-1:123456789012:cluster/fleet"
DEFINITION_ARN = "arn:aws-cn:ecs:cn-north-1:123456789012:task-definition/family:3"


class TestRegions:
    @pytest.mark.parametrize(
        ("region", "what", "remedy"),
        [
            ("us-east-1a", "it is an Availability Zone, not a Region", "Set it to us-east-1."),
            ("ap-southeast-2b", "it is an Availability Zone, not a Region", "Set it to ap-southeast-2."),
            ("us-gov-west-1c", "it is an Availability Zone, not a Region", "Set it to us-gov-west-1."),
            ("us-west-2-lax-1a", "it is an Availability Zone, not a Region", "Set it to us-west-2."),
            ("US-EAST-1A", "it is an Availability Zone, not a Region", "Set it to us-east-1."),
            ("US-EAST-1", "the code of a Region has no capitals", "Set it to us-east-1."),
            ("Eu-Central-1", "the code of a Region has no capitals", "Set it to eu-central-1."),
        ],
    )
    def test_what_is_nearly_one_is_a_mistake_with_the_right_one(self, region, what, remedy, read_config):
        """botocore takes each of these for a Region, and no call would ever reach AWS."""
        (told,) = mistakes_of(read_config, region=region)
        assert told == f"[fargate] region = {region!r}: {what}. {remedy}"

    @pytest.mark.parametrize(
        "region", ["us-east-1", "us-gov-west-1", "eu-isoe-west-1", "mexico-central-1", "local", "a"]
    )
    def test_what_may_be_one_is_no_mistake(self, region, read_config):
        """There will be new Regions, and those of other makers' endpoints."""
        assert read_config(region=region).region == region

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (
                {"region": "eu-west-1", "cluster": CLUSTER_ARN},
                "it is in us-east-1, and the Region is eu-west-1. Correct it, or region.",
            ),
            (
                {"region": "us-east-1", "task_definition": DEFINITION_ARN},
                "it is in cn-north-1, and the Region is us-east-1. Correct it, or region.",
            ),
        ],
    )
    def test_arn_of_another_region_is_a_mistake(self, options, told, read_config):
        """AWS would say that there is no such cluster, or no such task definition."""
        (name,) = options.keys() - {"region"}
        assert mistakes_of(read_config, **options) == (f"[fargate] {name} = {options[name]!r}: {told}",)

    def test_arn_is_compared_with_the_default_region_where_none_is_set(self, check):
        """The Region of the environment or of the profile is where the calls go to."""
        options = {"region": "", "cluster": CLUSTER_ARN, "execution_config_function": "", "conn_id": ""}

        def get(name):
            return options.get(name, template()[name]["example"])

        with pytest.raises(ConfigError) as caught:
            FargateConfig.from_options(get, check.launch_types, False, default_region=lambda: "eu-west-1")
        assert caught.value.mistakes == (
            f"[fargate] cluster = {CLUSTER_ARN!r}: it is in us-east-1, and the Region is eu-west-1. Correct it, or region.",
        )
        assert FargateConfig.from_options(get, check.launch_types, False, default_region=lambda: "us-east-1")

    @pytest.mark.parametrize(
        "options",
        [
            {"region": "us-east-1", "cluster": CLUSTER_ARN},
            {"region": "cn-north-1", "task_definition": DEFINITION_ARN},
            {"region": "", "cluster": CLUSTER_ARN, "task_definition": DEFINITION_ARN},
            {"region": "eu-west-1", "cluster": "arn", "task_definition": "us-east-1"},
        ],
    )
    def test_names_and_arns_of_the_region_are_no_mistake(self, options, read_config):
        """Nor is an ARN where nobody knows which Region is meant, such as a connection's."""
        read_config(**options)


class TestWhatCannotBeRead:
    @pytest.fixture
    def mistakes(self, check):
        """Return a function that returns what is wrong where reading an option raises this error."""

        def read(name, error, **options):
            def get(asked):
                if asked == name:
                    raise error
                return options.get(asked, template()[asked]["example"])

            with pytest.raises(ConfigError) as caught:
                FargateConfig.from_options(get, check.launch_types, call_function=False)
            return caught.value.mistakes

        return read

    @pytest.mark.parametrize("name", ["cluster", "poll_interval", "region", "conn_id"])
    def test_option_that_cannot_be_read_is_one_mistake(self, name, mistakes):
        """Whatever reading it raises is told by its type, among the others and once, and nothing of the text."""
        first, second = mistakes(name, ValueError("hunter2"), deployment="a b", execution_config_function="")
        assert first.startswith(f"[fargate] {name} cannot be read: ValueError. ")
        assert second.startswith("[fargate] deployment = 'a b'")
        assert "hunter2" not in first

    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (
                ConfigError(["[fargate] conn_id = 'a': there is none."]),
                "[fargate] conn_id = 'a': there is none.",
            ),
            (
                ValueError("://me:hunter2@x"),
                "[fargate] conn_id = 'a': it cannot be read: ValueError. Correct it,",
            ),
        ],
    )
    def test_connection_is_checked_with_all_else(self, error, told, check):
        """What is wrong with the connection is told in the same message as the other mistakes."""

        def look(conn_id):
            raise error

        options = {"cluster": "two words", "deployment": "a", "conn_id": "a", "launch_type": "EC2"}
        with pytest.raises(ConfigError) as caught:
            FargateConfig.from_options(options.get, check.launch_types, False, check_connection=look)
        assert [m for m in caught.value.mistakes if "cluster" in m]
        assert caught.value.mistakes[-1].startswith(told)
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize(
        "url", ["https://me:hunter2@ecs.example.com", "ftp://me:hunter2@ecs", "http://me:hunter2@x:port"]
    )
    def test_password_in_a_url_is_refused_and_not_told(self, url, read_config):
        """botocore would not send it, and a message of the scheduler's is no place for it."""
        (mistake,) = mistakes_of(read_config, endpoint_url=url)
        assert "[fargate] endpoint_url = " in mistake
        assert "hunter2" not in mistake


class TestDefaultFunction:
    """With Airflow, since the default function reads its configuration."""

    @pytest.fixture
    def options(self, monkeypatch):
        """Set the required options, and return a function that sets further ones."""

        def put(**options):
            for name, value in options.items():
                monkeypatch.setenv(f"AIRFLOW__FARGATE__{name.upper()}", value)

        put(cluster="fleet", task_definition="airflow-task:3", container_name="airflow", subnets="subnet-1")
        return put

    @pytest.fixture
    def read(self, options, check):
        """Return a function that reads Airflow's configuration, as the executor's start does."""
        from airflow.executors.fargate.bridge import compat

        return lambda: FargateConfig.from_options(compat.option_reader(), check.launch_types)

    def test_default_function_makes_requests_from_the_options(self, read):
        """With no function of the user's own, requests come from the options."""
        request = read().command_to_request(["airflow", "tasks", "run"])
        assert request["cluster"] == "fleet"
        assert request["overrides"] == {
            "containerOverrides": [{"name": "airflow", "command": ["airflow", "tasks", "run"]}]
        }

    @pytest.fixture
    def wrapper(self, user_file):
        """Return the path of a user's function that changes what the default function returns."""
        return user_file(
            """
from airflow.executors.fargate_executor import default_task_id_to_fargate_options_function

def function():
    default = default_task_id_to_fargate_options_function()
    return lambda command: {**default(command), "group": "airflow"}
"""
        )

    def test_users_function_may_call_the_default_one(self, read, options, wrapper):
        """A user's function that changes what the default function returns works, without an endless loop."""
        options(execution_config_function=wrapper)
        request = read().command_to_request(["run"])
        assert request["group"] == "airflow"
        assert request["taskDefinition"] == "airflow-task:3"
        assert request["overrides"]["containerOverrides"] == [{"name": "airflow", "command": ["run"]}]

    def test_mistake_is_told_once_though_a_users_function_calls_the_default_one(self, read, options, wrapper):
        """What the default function finds wrong with the options is told already."""
        options(execution_config_function=wrapper, cluster="two words", poll_interval="0")
        with pytest.raises(ConfigError) as caught:
            read()
        assert [m.split(" = ")[0] for m in caught.value.mistakes] == [
            "[fargate] cluster",
            "[fargate] poll_interval",
        ]

    def test_mistake_is_told_once_though_the_default_function_reads_the_options_too(self, read, options):
        """The default function is not called where the options have mistakes, which it would tell again."""
        options(cluster="two words")
        with pytest.raises(ConfigError) as caught:
            read()
        assert len(caught.value.mistakes) == 1
