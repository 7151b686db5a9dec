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
"""``scripts/aws/deploy`` of what ECS tasks need: a stack in each state, failures, a dry run, an interruption."""

from __future__ import annotations

import functools
import io

import pytest
from botocore.exceptions import ClientError
from rich.console import Console
from tools.aws import image
from tools.aws.account import ROLE_DELAY, make_ecs_role
from tools.aws.deploy import Deploy
from tools.aws.errors import DeploymentError
from tools.aws.explanations import explain_error, remedy
from tools.aws.options import parse
from tools.aws.parameters import parameter_values
from tools.aws.stacks import Stacks
from tools.aws.templates import TASKS

from tests.aws.cloudformation import FakeAccount, FakeCloudFormation

API = "http://airflow-api.internal:8080/execution/"
OPTIONS = (
    "--tasks-only", "--vpc=vpc-1", "--subnets=subnet-1,subnet-2", "--image=i:1", f"--parameter=ExecutionApiUrl={API}",
)  # fmt: skip
HAS = parameter_values(
    TASKS,
    {
        "DeploymentName": "airflow", "VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2", "ImageX86": "i:1",
        "ExecutionApiUrl": API,
    },
    {},
)  # fmt: skip
CREATED, UPDATED, DELETED = (f"{done}Stack airflow-tasks" for done in ("Create", "Update", "Delete"))


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setattr(image, "has_engine", lambda: False)
    awake = functools.partial(make_ecs_role, sleep=lambda _: None)
    monkeypatch.setattr("tools.aws.account.make_ecs_role", awake)
    return FakeCloudFormation(monkeypatch)


@pytest.fixture
def account(service):
    return FakeAccount(service)


@pytest.fixture
def run(service, account, tmp_path):
    """Run deploy with options, and return its exit code and what it printed."""

    def deploy(*options, agrees=True, by=OPTIONS, width=200):
        printed = io.StringIO()
        console = Console(file=printed, width=width)
        given = parse("deploy", [*by, f"--options-file={tmp_path}/fargate.cfg", *options], None)
        stacks = Stacks(
            service.client,
            lambda event: console.print(event.logical_id, event.status),
            lambda seconds: service.sleep(seconds),
        )
        code = Deploy(given, account.client, stacks, console, lambda _: agrees).run()
        return code, printed.getvalue()

    return deploy


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
    assert (code, service.made) == (0, calls)
    assert (tmp_path / "fargate.cfg").read_text() == "[fargate]\n"


@pytest.mark.parametrize("status", [None, "CREATE_COMPLETE", "ROLLBACK_COMPLETE"])
@pytest.mark.parametrize(("options", "agrees", "code"), [(["--dry-run"], True, 0), ([], False, 1)])
def test_nothing_is_made(service, account, run, tmp_path, status, options, agrees, code):
    """Neither in a dry run nor without consent, whatever the state; a change set does not stay."""
    account.has_role = False
    if status:
        service.add("airflow-tasks", status, **HAS | {"ImageX86": "i:0"})
    assert run(*options, agrees=agrees)[0] == code
    assert (service.made, account.has_role) == ([], False)
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
    assert service.made == [CREATED]


def test_private_subnets_cost_by_the_hour(run):
    """Three interface endpoints, each in two subnets; public subnets cost nothing."""
    by = ("--tasks-only", f"--parameter=ExecutionApiUrl={API}", "--dry-run")
    assert "$0.060 an hour" in run("--network=private", by=by)[1]
    assert "nothing by the hour" in run("--network=public", by=by)[1]


@pytest.mark.parametrize(("replaced", "times"), [("Conditional", 1), ("False", 0)])
def test_what_conditional_means_is_told(service, run, replaced, times):
    service.add("airflow-tasks", "CREATE_COMPLETE", **HAS)
    service.replacement = replaced
    _, printed = run("--parameter=TaskCpu=1024", "--dry-run")
    assert printed.count("Conditional: AWS decides when it updates") == times


def test_a_narrow_terminal_cuts_no_type_off(run):
    """The console of the stacks has the same words."""
    by = ("--tasks-only", "--network=private", f"--parameter=ExecutionApiUrl={API}", "--dry-run")
    _, printed = run(by=by, width=80)
    assert "…" not in printed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--parameter=Knd=private"], "--parameter Knd: no template has it"),
        (["--parameter=TaskCPU=512"], "--parameter TaskCPU: no template has it. Did you mean TaskCpu? There are: ApiServer"),
        (["--parameter=TaskCpu=300"], "TaskCpu = '300': 256, 512, 1024, 2048, 4096, 8192, 16384 or 32768. Correct"),
        (["--parameter=Paused=yes"], "--parameter Paused: no template has it"),
        (["--parameter=Architecture=ARM"], "does not take Architecture = 'ARM': X86_64 or ARM64. Correct --parameter"),
        (["--parameter=LogRetentionDays=2"], "LogRetentionDays = '2'"),
        (["--parameter=ApiServerPort=70000"], "ApiServerPort = '70000': a port"),
        (["--parameter=ApiServerPort=http"], "ApiServerPort = 'http': a port"),
        (["--parameter=SecretArns=a,b"], "SecretArns = 'a,b'"),
        (["--image=two words"], "ImageX86 = 'two words': the name of an image, with its tag or digest. Correct --image"),
        (["--parameter=ExecutionApiUrl="], "Set ExecutionApiUrl (from Airflow 3 on) or DatabaseSecretArn"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_refused(service, run, options, words):
    """With its name, its value and the remedy, before anything is made."""
    with pytest.raises(DeploymentError) as raised:
        run(*options)
    assert words in str(raised.value)
    assert service.made == []


def test_all_wrong_parameters_are_told_at_once(run):
    with pytest.raises(DeploymentError) as raised:
        run("--parameter=TaskCpu=1", "--parameter=TaskMemory=1", "--parameter=ExecutionApiUrl=")
    assert len(str(raised.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("AccessDenied: no", "lacks the permission for it"),
        ("ExpiredToken: The security token included in the request is expired", "Log in again"),
        (
            "Unable to assume the service linked role. Please verify it exists.",
            "Run this again in some minutes",
        ),
        ("Verify that you have permission to create service linked role.", "iam:CreateServiceLinkedRole"),
        (
            "FreeTierRestrictionError: The specified backup retention period exceeds the maximum available",
            "DatabaseBackupDays=1",
        ),
        ("Cannot delete a policy attached to entities.", "Detach, in IAM"),
        ("Cannot delete entity, must detach all policies first.", "Detach, in IAM"),
        ("Error occurred: ECS Deployment Circuit Breaker was triggered.", "/ecs/NAME-components"),
        (
            "CloudFormation cannot update a stack when a custom-named resource requires replacing.",
            "Leave the parameter",
        ),
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


def test_the_accounts_role_is_made_once(service, account, run):
    """ECS needs it before the first cluster; whoever has it is not asked to make it again."""
    account.has_role = False
    assert "AWSServiceRoleForECS is made, too" in run()[1]
    assert account.calls.index("CreateServiceLinkedRole") >= 0
    assert "AWSServiceRoleForECS" not in run()[1]
    assert account.calls.count("CreateServiceLinkedRole") == 1


def test_a_role_that_was_just_made_is_not_used_at_once(account):
    """ECS cannot assume it for some seconds."""
    account.has_role, waits = False, []
    make_ecs_role(account.client("iam"), waits.append)
    assert (account.has_role, waits) == (True, [ROLE_DELAY])


@pytest.mark.parametrize(("architecture", "parameter"), [("X86_64", "ImageX86"), ("ARM64", "ImageArm64")])
def test_an_image_is_for_the_processors_that_are_asked_for(service, run, architecture, parameter):
    run(f"--parameter=Architecture={architecture}", "--image=i:2")
    parameters = service.stacks["airflow-tasks"]["Parameters"]
    assert [p["ParameterKey"] for p in parameters if p["ParameterValue"] == "i:2"] == [parameter]


def test_airflow_has_no_effect_on_an_image_that_was_given(service, run):
    """The new release would not come; the user learns how it does."""
    service.add("airflow-tasks", "CREATE_COMPLETE", **HAS)
    with pytest.raises(
        DeploymentError, match="--airflow 3.4.0: this deployment has an image that it was given"
    ):
        run("--airflow=3.4.0", by=[option for option in OPTIONS if "image" not in option])
    by = [*(option for option in OPTIONS if "image" not in option), "--parameter=ImageX86="]
    assert "docker buildx build" in run("--airflow=3.4.0", by=by)[1]


def test_without_docker_the_image_is_built_elsewhere(service, account, run, tmp_path):
    """Two commands are printed and nothing is made after; once the image is there, the next run ends."""
    by = [*(option for option in OPTIONS if "image" not in option), "--parameter=Architecture=ARM64"]
    code, printed = run("--airflow=3.4.0", by=by)
    assert code == 1
    assert "docker buildx build --platform linux/arm64" in printed
    assert "AIRFLOW_VERSION=3.4.0 --tag 123456789012.dkr.ecr.us-east-1.amazonaws.com/airflow:3.4.0" in printed
    account.images.add("3.4.0")
    assert run(by=by)[0] == 0
    assert service.made == [CREATED]
