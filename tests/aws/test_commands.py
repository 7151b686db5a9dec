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
"""What deploy does with each state that a stack can be in, and what it says where it cannot go on."""

from __future__ import annotations

import io

import pytest
from botocore.exceptions import ClientError
from rich.console import Console
from tools.aws import deploy as module
from tools.aws.deploy import Deploy
from tools.aws.errors import DeploymentError
from tools.aws.explanations import explain_error, remedy
from tools.aws.options import parse
from tools.aws.stacks import Stacks
from tools.aws.templates import Template

from tests.aws.cloudformation import TEMPLATE, FakeCloudFormation

OPTIONS = ("--tasks-only", "--vpc=vpc-1", "--subnets=subnet-1,subnet-2", "--image=i:1")
HAS = {
    "DeploymentName": "airflow", "VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2", "ImageX86": "i:1",
    "ImageTag": "latest", "Kind": "public",
}  # fmt: skip
CREATED, UPDATED, DELETED = "CreateStack", "UpdateStack", "DeleteStack"


@pytest.fixture
def service(monkeypatch, tmp_path):
    (tmp_path / "tasks.yaml").write_text(TEMPLATE)
    template = Template("tasks", tmp_path)
    monkeypatch.setattr(module, "ALL", (template,))
    monkeypatch.setattr(module, "TASKS", template)
    return FakeCloudFormation(monkeypatch)


@pytest.fixture
def run(service, tmp_path):
    """Run deploy with options, and return its exit code and what it printed."""

    def deploy(*options, agrees=True):
        printed = io.StringIO()
        console = Console(file=printed, width=200)
        given = parse("deploy", [*OPTIONS, f"--options-file={tmp_path}/fargate.cfg", *options], None)
        stacks = Stacks(
            service.client,
            lambda event: console.print(event.logical_id, event.status),
            lambda seconds: service.sleep(seconds),
        )
        code = Deploy(given, lambda _: service.client, stacks, console, lambda _: agrees).run()
        return code, printed.getvalue()

    return deploy


def made(service):
    return [call for call in service.calls if call in (CREATED, UPDATED, DELETED)]


@pytest.mark.parametrize(
    ("status", "has", "calls"),
    [
        (None, {}, [CREATED]),
        ("CREATE_COMPLETE", HAS, []),
        ("UPDATE_COMPLETE", HAS | {"ImageX86": "i:0"}, [UPDATED]),
        ("UPDATE_ROLLBACK_COMPLETE", HAS | {"ImageX86": "i:0"}, [UPDATED]),
        ("CREATE_IN_PROGRESS", HAS, []),
        ("ROLLBACK_COMPLETE", HAS, [DELETED, CREATED]),
        ("REVIEW_IN_PROGRESS", HAS, [DELETED, CREATED]),
    ],
)
def test_what_is_done_with_a_stack(service, run, tmp_path, status, has, calls):
    """In the end it is there, and the options are in the file."""
    if status:
        service.add("airflow-tasks", status, **has)
    code, _ = run()
    assert (code, made(service)) == (0, calls)
    assert (tmp_path / "fargate.cfg").read_text() == "[fargate]\n"


@pytest.mark.parametrize("status", [None, "CREATE_COMPLETE", "ROLLBACK_COMPLETE"])
@pytest.mark.parametrize(("options", "agrees", "code"), [(["--dry-run"], True, 0), ([], False, 1)])
def test_nothing_is_made(service, run, tmp_path, status, options, agrees, code):
    """Neither in a dry run nor without consent, whatever the state; a change set does not stay."""
    if status:
        service.add("airflow-tasks", status, **HAS | {"ImageX86": "i:0"})
    assert run(*options, agrees=agrees)[0] == code
    assert made(service) == []
    assert service.calls.count("CreateChangeSet") == service.calls.count("DeleteChangeSet")
    assert not (tmp_path / "fargate.cfg").exists()


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("airflow already exists in stack arn:aws:x", "another --name"),
        (
            "User: x is not authorized to perform: ecs:CreateCluster on resource: y",
            "permission ecs:CreateCluster",
        ),
        ("The maximum number of VPCs has been reached.", "quota"),
    ],
)
def test_a_failure_names_the_resource_the_reason_and_the_remedy(service, run, reason, words):
    service.end, service.failure = "ROLLBACK_COMPLETE", reason
    with pytest.raises(DeploymentError) as raised:
        run()
    assert all(part in str(raised.value) for part in ("Cluster (AWS::ECS::Cluster 'airflow')", reason, words))


def test_a_resource_that_was_only_cancelled_is_not_named(service, run):
    """It is a consequence of another one's failure."""
    service.end, service.failure = "ROLLBACK_COMPLETE", "Resource creation cancelled"
    with pytest.raises(DeploymentError, match="ended in ROLLBACK_COMPLETE") as raised:
        run()
    assert "AWS::ECS::Cluster" not in str(raised.value)


def test_an_interrupted_run_is_gone_on_with(service, run):
    """The next one waits for what CloudFormation still does, and then has nothing to do."""
    sleep, service.sleep = service.sleep, lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        run()
    service.sleep = sleep
    service.stacks["airflow-tasks"]["StackStatus"] = "CREATE_IN_PROGRESS"
    assert run()[0] == 0
    assert made(service) == [CREATED]


def test_private_subnets_cost_by_the_hour(run):
    """An interface endpoint in two subnets; the condition is CloudFormation's own."""
    assert "$0.020 an hour" in run("--parameter=Kind=private", "--dry-run")[1]
    assert "nothing by the hour" in run("--dry-run")[1]


def test_an_unknown_parameter_is_refused(service, run):
    with pytest.raises(DeploymentError, match="--parameter Knd: no template has it"):
        run("--parameter=Knd=private")
    assert made(service) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("AccessDenied: no", "lacks the permission for it"),
        ("ExpiredToken: The security token included in the request is expired", "Log in again"),
        ("Something new", "console of CloudFormation"),
    ],
)
def test_remedies(words, says):
    assert says in remedy(words)


def test_a_refused_call_names_the_permission(service, run):
    """What AWS encodes in its answer is not shown."""
    said = "User: x is not authorized to perform: cloudformation:CreateStack. Encoded authorization failure message: abc"
    service.denied = {"CreateStack": ("AccessDenied", said)}
    with pytest.raises(ClientError) as raised:
        run()
    words = explain_error(raised.value)
    assert "lacks the permission cloudformation:CreateStack" in words
    assert "abc" not in words
