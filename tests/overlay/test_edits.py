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
"""What each edit makes of one file: text in, text out."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from tools.overlay.chart import add_to_schema
from tools.overlay.cli_parser import asks_executors, bring_commands
from tools.overlay.config_section import add_section, dated_section
from tools.overlay.errors import OverlayError
from tools.overlay.registration import register_class, register_name
from tools.overlay.sensitive_test import add_sensitive

from tests.overlay.checkouts import schema

CONSTANTS = """\
KUBERNETES_EXECUTOR = "KubernetesExecutor"  # of a provider
MOCK_EXECUTOR = "MockExecutor"
CORE_EXECUTOR_NAMES = {
    KUBERNETES_EXECUTOR,
    MOCK_EXECUTOR,
}
"""
LOADER = """\
from airflow.executors.executor_constants import (
    CELERY_EXECUTOR,
    CORE_EXECUTOR_NAMES,
    KUBERNETES_EXECUTOR,
    ConnectorSource,
)


class ExecutorLoader:
    executors = {
        CELERY_EXECUTOR: "a.b.CeleryExecutor",
        KUBERNETES_EXECUTOR: "a.b."
        "KubernetesExecutor",
    }
"""
PARSER = """\
import argparse

from airflow.cli.cli_config import (
    core_commands,
)
from airflow.exceptions import AirflowException
from airflow.providers_manager import ProvidersManager

airflow_commands = core_commands.copy()  # make a copy

log = 1
"""


def lines_added(before, after):
    rest = iter(after)
    skipped = []
    for line in before:
        for candidate in rest:
            if candidate == line:
                break
            skipped.append(candidate)
        else:
            pytest.fail(f"lost: {line}")
    return skipped + list(rest)


@pytest.mark.parametrize(
    "edit, source, added",
    [
        (register_name, CONSTANTS, ['FARGATE_EXECUTOR = "FargateExecutor"', "    FARGATE_EXECUTOR,"]),
        (
            register_class,
            LOADER,
            [
                "    FARGATE_EXECUTOR,",
                '        FARGATE_EXECUTOR: "airflow.executors.fargate_executor.FargateExecutor",',
            ],
        ),
        (
            bring_commands,
            PARSER,
            [
                "from airflow.executors.fargate.cli.definition import fargate_commands",
                "airflow_commands.extend(fargate_commands())",
            ],
        ),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_edit_adds_lines_and_touches_none(edit, source, added, newline):
    """Comments, line ends and everything else stay."""
    after = edit(source.replace("\n", newline).encode()).decode()
    assert lines_added(source.splitlines(), after.split(newline)[:-1]) == added
    assert after.count("\n") == after.count(newline)


@pytest.mark.parametrize(
    "names, expected",
    [
        ("{A, KUBERNETES_EXECUTOR}", "{A, KUBERNETES_EXECUTOR, FARGATE_EXECUTOR}"),
        ("{KUBERNETES_EXECUTOR, A}", "{KUBERNETES_EXECUTOR, FARGATE_EXECUTOR, A}"),
        (
            "{\n    A,\n    KUBERNETES_EXECUTOR,\n}",
            "{\n    A,\n    KUBERNETES_EXECUTOR,\n    FARGATE_EXECUTOR,\n}",
        ),
    ],
)
def test_a_name_follows_the_form_of_its_set(names, expected):
    """On one line or on many, with or without a comma at the end."""
    source = f'KUBERNETES_EXECUTOR = "K"\nCORE_EXECUTOR_NAMES = {names}\n'
    assert register_name(source.encode()).decode().endswith(f"CORE_EXECUTOR_NAMES = {expected}\n")


def test_the_import_keeps_its_order():
    """isort would not move our name: constants before classes, each in the order of the alphabet."""
    lines = register_class(LOADER.encode()).decode().splitlines()
    assert [line.strip(" ,") for line in lines[1:6]] == [
        "CELERY_EXECUTOR",
        "CORE_EXECUTOR_NAMES",
        "FARGATE_EXECUTOR",
        "KUBERNETES_EXECUTOR",
        "ConnectorSource",
    ]


def test_the_commands_come_where_they_belong():
    """The import keeps its order, and the commands follow Airflow's own at once."""
    lines = bring_commands(PARSER.encode()).decode().splitlines()
    assert lines[5:11] == [
        "from airflow.exceptions import AirflowException",
        "from airflow.executors.fargate.cli.definition import fargate_commands",
        "from airflow.providers_manager import ProvidersManager",
        "",
        "airflow_commands = core_commands.copy()  # make a copy",
        "airflow_commands.extend(fargate_commands())",
    ]


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("airflow_commands = ", "commands = ", "no list airflow_commands"),
        ("log = 1", "airflow_commands = []", "more than one list airflow_commands"),
        ("from airflow.", "from other.", "no import from Airflow"),
        ("log = 1", "log = fargate_commands", "stands there already"),
        ("log = 1", "log = (", "not Python that can be read"),
    ],
)
def test_a_parser_of_another_form_is_refused(old, new, message):
    """Where the place is not beyond doubt, nothing is put in."""
    with pytest.raises(OverlayError, match=message):
        bring_commands(PARSER.replace(old, new).encode())


@pytest.mark.parametrize("kind", ["pattern", "any"])
def test_a_schema_that_takes_the_name_is_left(kind):
    """Once our name is in it, and where any is taken."""
    once = add_to_schema(schema(kind).encode())
    assert add_to_schema(once) == once
    assert (once == schema(kind).encode()) is (kind == "any")


def test_a_name_that_is_taken_alone_is_not_yet_taken_beside_others():
    """Where a chart takes several executors, ours has to be one of them."""
    known = "(LocalExecutor|CeleryKubernetesExecutor|KubernetesExecutor)"
    pattern = f"^[A-Z][a-zA-Z]+Executor$|^{known}(,{known})*$"
    given = json.dumps({"properties": {"executor": {"pattern": pattern}}})
    edited = json.loads(add_to_schema(given.encode()))["properties"]["executor"]["pattern"]
    assert not re.search(pattern, "LocalExecutor,FargateExecutor")
    assert re.search(edited, "LocalExecutor,FargateExecutor")


ASKS = """
from airflow.executors.executor_loader import ExecutorLoader

for name in ExecutorLoader.get_executor_names():
    executor, _ = ExecutorLoader.import_executor_cls(name)
    airflow_commands.extend(executor.get_cli_commands())
"""


@pytest.mark.parametrize(
    "source, asks",
    [
        (ASKS, True),
        # From 3.2 on: executors of providers alone.
        (ASKS.replace("for name", "for name in ProvidersManager().x:\n    pass\nfor name"), False),
        (ASKS.replace("get_cli_commands", "get_others"), False),
        (PARSER.replace("airflow.providers_manager import ProvidersManager", "airflow import x"), False),
        ("def broken(:", False),
    ],
)
def test_who_is_asked_for_commands_is_read(source, asks):
    """Every executor that is configured, or only those of providers."""
    assert asks_executors(source.encode()) is asks


OPTION = """\
    cluster:
      description: Where « tasks » run
      version_added: {version}
      type: string
      example: ~
      default: ~
"""
TEMPLATE = "# Licence\n---\nfargate:\n  description: ~\n  options:\n" + OPTION.format(version="~")


@pytest.mark.parametrize(
    "config, template, version, added",
    [
        ("---\ncore: {}\n", TEMPLATE, "3.3.2", "3.3.2"),
        ("core: {}", TEMPLATE, "2.11.0", "2.11.0"),
        ("core: {}\n# Ünd\n", TEMPLATE.rstrip("\n"), "3.0.0.dev0", "3.0.0"),
        ("core: {}", TEMPLATE.rstrip("\n"), "3.1.0rc1", "3.1.0"),
        ("---\ncore: {}\n", TEMPLATE.replace("d: ~", 'd: "9.9"'), "3.3.2", "3.3.2"),
    ],
)
def test_the_section_goes_to_the_end(config, template, version, added):
    """Every byte before stays, the licence does not come along, and each option is dated to the tree's release."""
    after = add_section(config.encode(), dated_section(template.encode(), version)).decode()
    assert after.startswith(config)
    assert after[len(config) :].lstrip("\n") == "fargate:\n  description: ~\n  options:\n" + OPTION.format(
        version=added
    )
    assert yaml.safe_load(after)["fargate"]["options"]["cluster"]["version_added"] == added


SENSITIVE = """\
def test_sensitive_values():
    # Why.
    sensitive_values = {
        ("core", "fernet_key"),
    }
    assert sensitive_values
"""


def test_sensitive_options_are_in_the_list_of_airflows_test():
    """But for those that it finds by their names; what is not sensitive is not there."""
    options = {"queues": True, "run_task_kwargs": True, "a_password": True, "cluster": False}
    section = yaml.safe_dump({"fargate": {"options": {n: {"sensitive": s} for n, s in options.items()}}})
    edited = add_sensitive(SENSITIVE.encode(), section.encode()).decode()
    assert edited == SENSITIVE.replace('_key"),\n', '_key"),\n        ("fargate", "queues"),\n')


@pytest.mark.parametrize("source", ["", SENSITIVE * 2, SENSITIVE.replace("{", "set([")])
def test_a_test_without_one_list_is_refused(source):
    """The place is not beyond doubt."""
    with pytest.raises(OverlayError, match="lists of sensitive_values"):
        add_sensitive(source.encode(), b"fargate: {options: {}}")
