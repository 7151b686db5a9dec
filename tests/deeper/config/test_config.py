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
"""More on what ``test_config.py`` tests."""

from __future__ import annotations

import sys

import pytest

from airflow.executors.fargate.config import config as config_module, options as options_module
from airflow.executors.fargate.config.options import Options, template
from airflow.executors.fargate.errors import ConfigError
from airflow.executors.fargate.request.startup_checks import check_connection, check_default_region

from tests.executors.fargate.test_config import USER_MODULE, mistakes_of, options, read


@pytest.fixture
def user_file(monkeypatch, tmp_path):
    """Return a function that writes a user's module, and returns the dotted path of ``function`` in it."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(source):
        # setitem, unlike delitem, also removes a module after the test that was not there before.
        monkeypatch.setitem(sys.modules, USER_MODULE, None)
        del sys.modules[USER_MODULE]
        (tmp_path / f"{USER_MODULE}.py").write_text(source, encoding="utf-8")
        return f"{USER_MODULE}.function"

    return write


class TestValues:
    @pytest.mark.parametrize(
        ("name", "default", "expected"),
        [
            ("platform_version", "1.3.0", "1.3.0"),
            ("max_launch_attempts", "7", 7),
            ("poll_interval", "4.5", 4.5),
        ],
    )
    def test_empty_option_has_the_default_of_the_template(
        self, name, default, expected, read_config, monkeypatch
    ):
        """An option that needs a value and is empty has the default of the template, whatever that is."""
        changed = {**template(), name: {**template()[name], "default": default}}
        monkeypatch.setattr(options_module, "template", lambda: changed)
        for empty in ("", "   ", None):
            assert getattr(read_config(**{name: empty}), name) == expected

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (("True", "true", "t", "1", "yes", "Y", "on", "ENABLED", " True "), True),
            (("False", "FALSE", "f", "0", "no", "n", "Off", "disabled"), False),
        ],
    )
    def test_boolean_is_read_in_the_words_of_airflow_and_of_aws(self, words, expected, read_config):
        """The words of Airflow's ``getboolean``, other usual ones, and AWS's."""
        for word in words:
            assert read_config(tag_tasks=word).tag_tasks is expected
            assert read_config(enable_execute_command=word).enable_execute_command is expected
            public_ip = read_config(assign_public_ip=word).assign_public_ip
            assert public_ip == ("ENABLED" if expected else "DISABLED")

    def test_empty_boolean_has_its_default(self, read_config):
        """An empty option is not False; ``assign_public_ip`` leaves it to the request."""
        config = read_config(enable_execute_command="", tag_tasks="", assign_public_ip="")
        found = (config.enable_execute_command, config.tag_tasks, config.assign_public_ip)
        assert found == (False, True, None)

    def test_every_launch_type_of_botocore_is_accepted(self, launch_types, read_config):
        """``launch_type`` accepts what the installed botocore lists: a newer one can have more."""
        assert {"FARGATE", "EC2", "EXTERNAL"} <= set(launch_types)
        for launch_type in launch_types:
            assert read_config(launch_type=launch_type).launch_type == launch_type


class TestFunction:
    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("raise RuntimeError('out of luck')", ["RuntimeError", "out of luck"]),
            ("import sys; sys.exit(3)", ["SystemExit"]),
            ("another = 1", ["no attribute", "'function'"]),
            ("function = 3", ["int", "not a function"]),
            ("def function(): raise ValueError('bad luck')", ["ValueError", "bad luck"]),
            ("def function(): raise SystemExit(3)", ["SystemExit"]),
            (
                "class Shy(Exception):\n def __str__(self): raise ValueError\ndef function(): raise Shy",
                ["raised Shy. "],
            ),
            ("def function(): return None", ["NoneType", "cannot be called"]),
        ],
    )
    def test_function_that_fails_is_a_mistake(self, source, words, read_config, user_file):
        """Any error of the user's module or function is a mistake; nothing else is raised."""
        path = user_file(source)
        first, second = mistakes_of(
            read_config, execution_config_function=path, call_function=True, max_launch_attempts="0"
        )
        assert first.startswith("[fargate] max_launch_attempts")
        assert second.startswith(f"[fargate] execution_config_function = {path!r}: ")
        for word in words:
            assert word in second
        assert second.endswith(
            "Name a function without arguments that returns a function from a command to a request."
        )

    def test_path_that_leads_nowhere_is_a_mistake(self, read_config):
        """A path without a module, or with a missing one, cannot be imported."""
        for path in ("function", "..function", ".", "dataclasses.no_such_thing", "no_such_module.f", "a b.c"):
            (mistake,) = mistakes_of(read_config, execution_config_function=path, call_function=True)
            assert "cannot be imported" in mistake

    def test_ctrl_c_is_raised(self, read_config, user_file):
        """Ctrl-C while the user's module is imported ends the process."""
        with pytest.raises(KeyboardInterrupt):
            read_config(execution_config_function=user_file("raise KeyboardInterrupt"), call_function=True)


CLUSTER_ARN = "arn:aws:ecs:us-east-1:123456789012:cluster/fleet"


DEFINITION_ARN = "arn:aws-cn:ecs:cn-north-1:123456789012:task-definition/family:3"


class TestRegions:
    @pytest.mark.parametrize(
        ("region", "what", "remedy"),
        [
            ("us-east-1a", "it is an Availability Zone, not a Region", "Set it to us-east-1."),
            ("us-west-2-lax-1a", "it is an Availability Zone, not a Region", "Set it to us-west-2."),
            ("US-EAST-1A", "it is an Availability Zone, not a Region", "Set it to us-east-1."),
            ("US-EAST-1", "the code of a Region has no capitals", "Set it to us-east-1."),
        ],
    )
    def test_code_of_a_wrong_form_is_a_mistake(self, region, what, remedy, read_config):
        """botocore accepts each of these as a Region, and no call would reach AWS."""
        (mistake,) = mistakes_of(read_config, region=region)
        assert mistake == f"[fargate] region = {region!r}: {what}. {remedy}"

    def test_unknown_region_is_no_mistake(self, read_config):
        """AWS adds Regions, and other endpoints have theirs."""
        for region in ("us-east-1", "us-gov-west-1", "eu-isoe-west-1", "mexico-central-1", "local", "a"):
            assert read_config(region=region).region == region

    @pytest.mark.parametrize(
        ("options", "message"),
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
    def test_arn_of_another_region_is_a_mistake(self, options, message, read_config):
        """AWS would not find the cluster or the task definition."""
        (name,) = options.keys() - {"region"}
        assert mistakes_of(read_config, **options) == (f"[fargate] {name} = {options[name]!r}: {message}",)

    def test_arn_is_compared_with_the_default_region(self, service_model):
        """If the option is empty, calls go to the Region of the environment or of the profile."""
        options = {"region": "", "cluster": CLUSTER_ARN, "execution_config_function": "", "conn_id": ""}

        def get(name):
            return options.get(name, template()[name]["example"])

        read_options = Options(get)
        config_module.read_config(read_options, call_function=False)
        check_default_region(read_options, lambda: "us-east-1")
        assert read_options.mistakes == []
        check_default_region(read_options, lambda: "eu-west-1")
        assert read_options.mistakes == [
            f"[fargate] cluster = {CLUSTER_ARN!r}: it is in us-east-1, and the Region is eu-west-1. Correct it, or region.",
        ]

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
        """Nor is an ARN if the Region is not known, for example that of a connection."""
        read_config(**options)


class TestWhatCannotBeRead:
    @pytest.fixture
    def mistakes(self, service_model):
        """Return a function that returns the mistakes if reading an option raises this error."""

        def read(name, error, **options):
            def get(asked):
                if asked == name:
                    raise error
                return options.get(asked, template()[asked]["example"])

            read_options = Options(get)
            config_module.read_config(read_options, call_function=False)
            return read_options.mistakes

        return read

    @pytest.mark.parametrize("name", ["poll_interval", "conn_id"])
    def test_option_that_cannot_be_read_is_one_mistake(self, name, mistakes):
        """The mistake has the type of the error and not its text; there is no second one of this option."""
        first, second = mistakes(name, ValueError("hunter2"), deployment="a b", execution_config_function="")
        assert first.startswith(f"[fargate] {name} cannot be read: ValueError. ")
        assert second.startswith("[fargate] deployment = 'a b'")
        assert "hunter2" not in first

    @pytest.mark.parametrize(
        ("error", "message"),
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
    def test_connection_is_checked_with_all_else(self, error, message, service_model):
        """A mistake of the connection is in the same message as the others."""

        def look(conn_id):
            raise error

        options = {"cluster": "two words", "deployment": "a", "conn_id": "a", "launch_type": "EC2"}
        read_options = Options(options.get)
        config_module.read_config(read_options, call_function=False)
        check_connection(read_options, look, "a")
        with pytest.raises(ConfigError) as caught:
            read_options.raise_mistakes()
        assert [m for m in caught.value.mistakes if "cluster" in m]
        assert caught.value.mistakes[-1].startswith(message)
        assert "hunter2" not in str(caught.value)

    def test_password_in_a_url_is_refused_and_not_shown(self, read_config):
        """botocore would not send it, and the message is in the scheduler's log."""
        for url in ("https://me:hunter2@ecs.example.com", "ftp://me:hunter2@ecs", "http://me:hunter2@x:port"):
            (mistake,) = mistakes_of(read_config, endpoint_url=url)
            assert "[fargate] endpoint_url = " in mistake
            assert "hunter2" not in mistake


class TestDefaultFunction:
    """With Airflow, whose configuration the default function reads."""

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
        """A user's function can change the request of the default one; there is no endless loop."""
        options(execution_config_function=wrapper)
        request = read().command_to_request(["run"])
        assert request["group"] == "airflow"
        assert request["taskDefinition"] == "airflow-task:3"
        assert request["overrides"]["containerOverrides"] == [{"name": "airflow", "command": ["run"]}]

    def test_mistake_is_reported_once_if_a_users_function_calls_the_default_one(self, read, options, wrapper):
        """The mistakes that the default function finds are not repeated."""
        options(execution_config_function=wrapper, cluster="two words", poll_interval="0")
        with pytest.raises(ConfigError) as caught:
            read()
        assert [m.split(" = ")[0] for m in caught.value.mistakes] == [
            "[fargate] cluster",
            "[fargate] poll_interval",
        ]

    def test_mistake_is_reported_once_if_the_default_function_reads_the_options_too(self, read, options):
        """The default function is not called if the options have mistakes; that of the Region is found last."""
        options(region="US-EAST-1")
        with pytest.raises(ConfigError) as caught:
            read()
        assert len(caught.value.mistakes) == 1
