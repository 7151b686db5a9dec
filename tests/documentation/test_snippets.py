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
"""Every snippet that the documentation shows is one that works."""

from __future__ import annotations

import json
import re

import pytest
from botocore.validate import ParamValidator
from tools.documentation.options import REPOSITORY
from tools.documentation.snippets import PAGES, executor_configs, options_of, snippets

from airflow.configuration import retrieve_configuration_description
from airflow.executors.fargate.config.template import template
from airflow.executors.fargate.launch import Launch, TaskInstanceId

TASK = TaskInstanceId("dag", "task", "run", 1)
COMMAND = ("python", "-m", "airflow", "x" * 1100)

INI = snippets("ini")
JSON = snippets("json")
#: Options in the middle of a sentence; the page about bad input has bad ones, and tests of its own.
INLINE = [
    (page.relative_to(REPOSITORY).as_posix(), name, " ".join(value.split()))
    for page in PAGES
    if page.stem != "bad-input"
    for name, value in re.findall(r"`(\w+)\s=\s([^`]+)`", page.read_text(encoding="utf-8"))
    if name in template()
]
#: Sections that Airflow 2 does not have.
NEW_IN_3 = ("dag_processor",)
CONFIGS = [(snippet, config) for snippet in snippets("python") for config in executor_configs(snippet)]


def test_there_are_snippets():
    """Each kind is found at all, in reStructuredText and in Markdown, so that the tests below test something."""
    assert {"docs/executor/fargate-aws.rst", "docs/executor/fargate.rst"} <= {snippet.page for snippet in INI}
    assert {"README.md", "docs/executor/fargate.rst"} <= {snippet.page for snippet, _ in CONFIGS}
    assert {"docs/executor/fargate.rst", "docs/executor/fargate-security.rst"} <= {
        snippet.page for snippet in JSON
    }
    assert {"UPDATING.md", "docs/executor/fargate-recipes.rst"} <= {page for page, *_ in INLINE}


@pytest.mark.parametrize("snippet", INI, ids=str)
def test_options_can_be_read(snippet, read_config):
    """The executor knows the options of a snippet, and reads them without a mistake."""
    shown = options_of(snippet).get("fargate", {})
    assert shown.keys() <= template().keys()
    read_config(shown)


@pytest.mark.parametrize(("page", "name", "value"), INLINE)
def test_an_option_in_a_sentence_can_be_read(page, name, value, read_config):
    """What a sentence advises to set is no mistake."""
    read_config({name: value})


@pytest.mark.parametrize("snippet", INI, ids=str)
def test_airflow_knows_its_own_options(snippet):
    """What a snippet shows of Airflow's other sections is there."""
    known = retrieve_configuration_description(include_providers=False)
    for section, shown in options_of(snippet).items():
        if section != "fargate" and (section in known or section not in NEW_IN_3):
            assert shown.keys() <= known[section]["options"].keys()


@pytest.mark.parametrize(("snippet", "config"), CONFIGS, ids=[str(snippet) for snippet, _ in CONFIGS])
def test_a_task_can_ask_for_it(snippet, config, read_config, make_builder):
    """An executor_config that is shown becomes a request that AWS would take, with Airflow's command in it."""
    prepared = make_builder(read_config())(Launch(TASK, TASK, command=COMMAND, executor_config=config))
    commands = [o.get("command") for o in prepared.request["overrides"]["containerOverrides"]]
    assert list(COMMAND) in commands


def wrong_choices(value, shape):
    """Yield what is none of the values that AWS lists, which botocore's validator lets pass."""
    if shape.type_name == "structure":
        for name, part in value.items():
            yield from wrong_choices(part, shape.members[name])
    elif shape.type_name == "list":
        for part in value:
            yield from wrong_choices(part, shape.member)
    elif getattr(shape, "enum", None) and value not in shape.enum:
        yield value


@pytest.mark.parametrize("snippet", JSON, ids=str)
def test_json_is_json_that_aws_takes(snippet, service_model):
    """A JSON snippet is a task definition that RegisterTaskDefinition takes, or a policy, or a statement of one."""
    shown = json.loads(snippet.text)
    if "containerDefinitions" in shown:
        shape = service_model.operation_model("RegisterTaskDefinition").input_shape
        report = ParamValidator().validate(shown, shape)
        assert not report.has_errors(), report.generate_report()
        assert not list(wrong_choices(shown, shape))
        return
    statements = shown["Statement"] if "Statement" in shown else [shown]
    for statement in statements:
        assert {"Effect", "Action", "Resource"} <= statement.keys()


@pytest.mark.parametrize("snippet", snippets("python"), ids=str)
def test_python_compiles(snippet):
    """A Python snippet is Python."""
    compile(snippet.text, str(snippet), "exec")


def test_the_oldest_boto3_is_the_one_that_is_tested():
    """What the quick start asks for is what the tests with the oldest boto3 install."""
    pinned = (REPOSITORY / "requirements" / "boto3-oldest.in").read_text(encoding="utf-8")
    (oldest,) = re.findall(r"^boto3==(.+)$", pinned, flags=re.MULTILINE)
    page = " ".join((REPOSITORY / "docs" / "executor" / "fargate.rst").read_text(encoding="utf-8").split())
    assert f"boto3, {oldest} or newer" in page
    assert f'pip install "boto3>={oldest}"' in page
