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
"""Which of Airflow's files need lines of ours, in an installed Airflow and in a source checkout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.overlay.chart import add_to_schema, add_to_values
from tools.overlay.cli_parser import PATH as PARSER, asks_executors, bring_commands
from tools.overlay.config_section import add_section
from tools.overlay.help_text import name_in_help
from tools.overlay.loader_test import add_parameters
from tools.overlay.metrics import add_metrics
from tools.overlay.python_source import NAME
from tools.overlay.registration import register_class, register_name
from tools.overlay.sensitive_test import PATH as SENSITIVE_TEST, add_sensitive
from tools.overlay.toctree import add_pages

if TYPE_CHECKING:
    from tools.overlay.checkout import Checkout
    from tools.overlay.layout import Tree
    from tools.overlay.metrics import Metric


@dataclass(frozen=True)
class Material:
    """
    What edits put in, beyond what is the same for every tree.

    :param section: the section ``[fargate]`` as text of ``config.yml``
    :param pages: the names of our pages of documentation, the main one first
    :param metrics: what the executor tells
    """

    section: bytes
    pages: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()


@dataclass(frozen=True)
class EditRule:
    """
    One of Airflow's files that needs lines of ours.

    :param path: where it lies in the tree
    :param does: what the edit puts in, in a few words
    :param mark: what stands in the file only after the edit
    :param edit: Airflow's bytes to the edited bytes, or the same where the tree needs no edit; raises OverlayError where
        the place is not beyond doubt
    """

    path: str
    does: str
    mark: bytes
    edit: Callable[[bytes, Material], bytes]


def rules_for(tree: Tree) -> tuple[EditRule, ...]:
    """Return the edits that a tree needs: registration, commands, configuration; in a checkout the papers, too."""
    registration = (
        EditRule(
            tree.place("executors/executor_constants.py"),
            "constant FARGATE_EXECUTOR, member of CORE_EXECUTOR_NAMES",
            b"FARGATE_EXECUTOR",
            lambda content, material: register_name(content),
        ),
        EditRule(
            tree.place("executors/executor_loader.py"),
            "import, entry of ExecutorLoader.executors",
            b"FARGATE_EXECUTOR",
            lambda content, material: register_class(content),
        ),
    )
    section = _section(tree)
    return (*registration, *_commands(tree), *(_checkout_rules(tree) if tree.checkout else (section,)))


def _commands(tree: Tree) -> list[EditRule]:
    parser = tree.package / PARSER
    if parser.is_file() and asks_executors(parser.read_bytes()):
        return []
    return [
        EditRule(
            tree.place(PARSER),
            "commands airflow fargate",
            b"fargate_commands",
            lambda content, material: bring_commands(content),
        )
    ]


def _section(tree: Tree) -> EditRule:
    return EditRule(
        tree.place("config_templates/config.yml"),
        "section [fargate]",
        b"\nfargate:",
        lambda content, material: add_section(content, material.section),
    )


def _checkout_rules(tree: Tree) -> list[EditRule]:
    checkout = tree.checkout
    section_and_help = EditRule(
        tree.place("config_templates/config.yml"),
        "section [fargate], name in the help of [core] executor",
        b"\nfargate:",
        lambda content, material: add_section(name_in_help(content), material.section),
    )
    pages = EditRule(
        f"{checkout.docs}/index.rst",
        "example of a containerized executor, toctree",
        NAME.encode(),
        lambda content, material: add_pages(content, material.pages),
    )
    rules = [
        section_and_help,
        *_test_rules(checkout),
        pages,
        *_chart_rules(checkout),
        *_metrics_rules(checkout),
    ]
    # What every checkout has was found with it; a source distribution lacks that, too.
    return [rule for rule in rules if (checkout.root / rule.path).is_file()]


def _test_rules(checkout: Checkout) -> list[EditRule]:
    return [
        EditRule(
            f"{checkout.tests}/test_executor_loader.py",
            "name among the parameters of the loader's tests",
            NAME.encode(),
            lambda content, material: add_parameters(content),
        ),
        EditRule(
            f"{checkout.tests.rpartition('/')[0]}/{SENSITIVE_TEST}",
            "sensitive options in the list of the configuration's test",
            b'("fargate", ',
            lambda content, material: add_sensitive(content, material.section),
        ),
    ]


def _chart_rules(checkout: Checkout) -> list[EditRule]:
    edits = {"values.schema.json": add_to_schema, "values.yaml": add_to_values}
    return [
        EditRule(
            f"{checkout.chart}/{name}",
            "name among the chart's executors",
            NAME.encode(),
            lambda content, material, edit=edit: edit(content),
        )
        for name, edit in edits.items()
        if checkout.chart
    ]


def _metrics_rules(checkout: Checkout) -> list[EditRule]:
    if not checkout.metrics:
        return []
    return [
        EditRule(
            f"{checkout.metrics}/metrics_template.yaml",
            "the executor's metrics",
            b"fargate_executor.",
            lambda content, material: add_metrics(content, material.metrics),
        )
    ]
