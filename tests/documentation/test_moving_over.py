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
"""Whoever moves over from another executor finds each of its options, and where it goes."""

from __future__ import annotations

import json
import re

import botocore.session
import pytest
from tools.documentation.options import REPOSITORY
from tools.documentation.other_executors import SECTIONS
from tools.documentation.snippets import read
from tools.documentation.tables import tables

from airflow.executors.fargate.config.template import template
from airflow.executors.fargate.errors import ConfigError, RequestError
from airflow.executors.fargate.launch import Launch, TaskInstanceId

PATH = REPOSITORY / "docs" / "executor" / "fargate-moving-over.rst"
PAGE = PATH.read_text(encoding="utf-8")
LITERAL = re.compile(r"``([^`]+)``")
#: A member of a request or of a task definition, such as ``overrides.cpu`` or ``volumes[].efsVolumeConfiguration``.
MEMBER = re.compile(r"[a-z]\w*(?:\[\])?(?:\.[a-z]\w*(?:\[\])?)*")
NOTHING = "Nothing"
TASK = TaskInstanceId("dag", "task", "run", 1)


def rows(executor, place=0):
    """Return a table in the section about an executor: what is said, by each name in its first column."""
    section = re.split(r"\n(From \w+)\n-+\n", PAGE)
    table = tables(section[section.index(f"From {executor}") + 1])[place]
    return {name: said for names, said in table for name in LITERAL.findall(names) or [names]}


ECS = rows("AwsEcsExecutor")
POD, KUBERNETES = rows("KubernetesExecutor"), rows("KubernetesExecutor", 1)
BATCH, SUBMIT_JOB = rows("AwsBatchExecutor"), rows("AwsBatchExecutor", 1)
WORKERS, CELERY = rows("CeleryExecutor"), rows("CeleryExecutor", 1)
ALL = [
    pytest.param(name, said, id=name)
    for table in (ECS, POD, KUBERNETES, BATCH, SUBMIT_JOB, WORKERS, CELERY)
    for name, said in table.items()
]


@pytest.mark.parametrize(
    ("table", "sections"),
    [
        pytest.param(ECS, ["aws_ecs_executor"], id="ECS"),
        pytest.param(KUBERNETES, ["kubernetes_executor"], id="Kubernetes"),
        pytest.param(BATCH, ["aws_batch_executor"], id="Batch"),
        pytest.param(CELERY, ["celery", "celery_broker_transport_options"], id="Celery"),
    ],
)
def test_every_option_of_theirs_has_a_row(table, sections):
    """None is missing, and none is told of that they do not have."""
    assert table.keys() == {option for section in sections for option in SECTIONS[section].options}


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_it_is_the_version_that_a_lock_file_has(section):
    """Who changes one, looks at the other; and the page names the version of whose options it tells."""
    lock = (REPOSITORY / "requirements" / section.lock).read_text(encoding="utf-8")
    assert f"{section.package}=={section.version}" in lock
    name = section.package.removeprefix("apache-airflow-providers-").replace("-", ".")
    assert f"provider {name} {section.version}" in " ".join(PAGE.split())


def members(shape, path):
    """Return whether a shape has a member at a path, in lists, too."""
    for name in path.split("."):
        while shape.type_name == "list":
            shape = shape.member
        if shape.type_name != "structure" or name.removesuffix("[]") not in shape.members:
            return False
        shape = shape.members[name.removesuffix("[]")]
        if name.endswith("[]") and shape.type_name != "list":
            return False
    return True


def is_ours(name, service_model):
    """Tell whether it is an option of ours, a member of a request or of a task definition, or an Airflow's option."""
    shapes = [service_model.operation_model(op).input_shape for op in ("RunTask", "RegisterTaskDefinition")]
    return name in template() or name.startswith("[") or any(members(shape, name) for shape in shapes)


@pytest.mark.parametrize(("name", "said"), ALL)
def test_a_row_names_what_takes_its_place(name, said, service_model):
    """An option, a member or the container; or it says that nothing is needed."""
    named = [literal for literal in LITERAL.findall(said) if is_ours(literal, service_model)]
    assert named or said.startswith(NOTHING)


@pytest.mark.parametrize(("name", "said"), ALL)
def test_a_member_in_a_row_is_there(name, said, service_model):
    """AWS's model has each member that a row names by its path."""
    paths = [
        path
        for path in LITERAL.findall(said)
        if MEMBER.fullmatch(path) and re.search(r"[.[]|[a-z][A-Z]", path)
    ]
    paths = [path for path in paths if not path.startswith(("iam:", "docker."))]
    assert [path for path in paths if not is_ours(path, service_model)] == []


@pytest.mark.parametrize("name", SUBMIT_JOB)
def test_a_member_of_submit_job_is_there(name):
    """What the page calls a member of Batch's request is one."""
    batch = botocore.session.get_session().get_service_model("batch")
    assert members(batch.operation_model("SubmitJob").input_shape, name)


def test_a_pod_override_is_refused_with_the_message_that_is_shown(read_config, make_builder):
    """The message on the page is the one that the task's event log has."""
    [text] = [snippet.text for snippet in read(PATH) if snippet.language == "text"]
    launch = Launch(TASK, TASK, command=("run",), executor_config={"pod_override": object()})
    with pytest.raises(RequestError, match=re.escape(" ".join(text.split()))):
        make_builder(read_config())(launch)


def test_both_snippets_ask_for_the_same():
    """The pod's size, variable and tag are those of the request that takes its place."""
    before, after = [s.text for s in read(PATH) if s.language == "python" and "def train" in s.text]
    cpu, gib = re.search(r'"cpu": "(\d+)", "memory": "(\d+)Gi"', before).groups()
    assert f'"cpu": "{int(cpu) * 1024}"' in after
    assert f'"memory": "{int(gib) * 1024}"' in after
    for name, value in (("MODE", "fast"), ("cost-center", "42")):
        assert all(f'"{name}"' in text and f'"{value}"' in text for text in (before, after))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("tags", {"team": "data"}),
        ("startedBy", "me"),
        ("count", 1),
        ("clientToken", "mine"),
        ("command", {"overrides": {"containerOverrides": [{"command": ["true"]}]}}),
    ],
)
def test_what_the_row_calls_refused_is_refused(member, value, read_config):
    """What they take, or leave to AWS to refuse, and we do not, is told by its name."""
    assert re.search(rf"\b{member}\b", ECS["run_task_kwargs"])
    kwargs = value if member == "command" else {member: value}
    with pytest.raises(ConfigError, match=rf"run_task_kwargs = .*\b{member}\b"):
        read_config({"run_task_kwargs": json.dumps(kwargs)})


def test_tags_as_aws_has_them_are_taken(read_config):
    """The list that the row names is no mistake, and neither is the object in the option of that name."""
    assert read_config({"run_task_kwargs": '{"tags": [{"key": "team", "value": "data"}]}'})
    assert read_config({"tags": '{"team": "data"}'}).tags == ({"key": "team", "value": "data"},)
