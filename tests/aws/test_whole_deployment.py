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
"""``scripts/aws/deploy`` of a whole Airflow: what goes from one stack to the next, the image, and an upgrade."""

from __future__ import annotations

import pytest
from tools.aws import image
from tools.aws.errors import DeploymentError

from tests.aws.cloudformation import OUTPUTS
from tests.aws.test_commands import API, account, run, service

__all__ = ["account", "run", "service"]

PUBLIC = ("--network=public", "--image=i:3.3.2")
VPC = ("--vpc=vpc-1", "--subnets=subnet-1,subnet-2", "--image=i:3.3.2")
MADE = [f"CreateStack airflow-{kind}" for kind in ("network", "tasks", "airflow")]


def parameters(service, kind):
    """Return the parameters of a stack that was made."""
    found = service.stacks[f"airflow-{kind}"]["Parameters"]
    return {p["ParameterKey"]: p["ParameterValue"] for p in found}


def test_three_stacks_are_made_and_another_run_changes_nothing(service, run, tmp_path):
    code, printed = run(by=PUBLIC)
    assert not (tmp_path / "fargate.cfg").exists()
    assert (code, service.made) == (0, MADE)
    assert "Airflow: its Url, from within the VPC" in printed
    assert "--secret-id airflow/admin-password" in printed
    assert "runs yet: scripts/aws/status --name airflow shows the way to it then." in printed
    assert run(by=PUBLIC)[0] == 0
    assert service.made == MADE


def test_what_a_stack_has_is_given_to_the_next(service, run):
    """Outputs of the network and of the tasks, and the tasks' own parameters."""
    given = {"TaskCpu": "1024", "TaskMemory": "4096", "LogRetentionDays": "30", "Architecture": "ARM64"}
    run(*(f"--parameter={name}={value}" for name, value in given.items()), by=PUBLIC)
    tasks, airflow = parameters(service, "tasks"), parameters(service, "airflow")
    assert {name: airflow[name] for name in given} == given
    assert {name: tasks[name] for name in given} == given
    assert tasks["ExecutionApiUrl"] == "http://api.airflow.internal:8080/execution/"
    assert tasks["ApiServerSecurityGroupId"] == ""
    assert airflow["Image"] == tasks["ImageArm64"] == "i:3.3.2"
    assert airflow["SecurityGroupId"] == "its SecurityGroupId"
    assert airflow["VpcId"] == tasks["VpcId"] == "its VpcId"
    assert airflow["LoadBalancerSubnets"] == airflow["SubnetIds"] == OUTPUTS["SubnetIds"]
    assert airflow["AllowedCidr"] == OUTPUTS["VpcCidr"]
    assert (airflow["EnableExecuteCommand"], airflow["Dags"]) == ("true", "image")


@pytest.mark.parametrize(
    ("kind", "assign", "endpoints"), [("public", "ENABLED", "no"), ("private", "DISABLED", "yes")]
)
def test_a_network_has_what_a_whole_airflow_needs(service, run, kind, assign, endpoints):
    _, printed = run(by=(f"--network={kind}", "--image=i:3.3.2"))
    assert ("Private subnets reach AWS's services alone" in printed) == (kind == "private")
    network = parameters(service, "network")
    assert {network[f"{name}Endpoint"] for name in ("Ecs", "Secrets", "Session")} == {endpoints}
    assert {parameters(service, name)["AssignPublicIp"] for name in ("tasks", "airflow")} == {assign}


def test_a_network_that_failed_is_made_anew_only_if_it_is_asked_for(service, run):
    """Without the option nobody knows of which kind."""
    service.add("airflow-network", "ROLLBACK_COMPLETE", Kind="private")
    with pytest.raises(DeploymentError, match="Give --vpc and --subnets, or --network"):
        run(by=["--image=i:3.3.2"])
    assert run(by=PUBLIC)[0] == 0
    assert service.made == ["DeleteStack airflow-network", *MADE]


def test_a_vpc_of_the_users(service, run):
    """Its addresses may reach the load balancer; a parameter of the user's goes before that, and stays."""
    run(by=VPC)
    assert parameters(service, "airflow")["AllowedCidr"] == "172.31.0.0/16"
    run("--parameter=AllowedCidr=10.1.0.0/16", "--parameter=EnableExecuteCommand=false", by=VPC)
    run(by=VPC)
    airflow = parameters(service, "airflow")
    assert (airflow["AllowedCidr"], airflow["EnableExecuteCommand"]) == ("10.1.0.0/16", "false")


def test_a_dry_run_shows_all_of_it(service, account, run):
    """The month is that of the template's table, with four public addresses."""
    account.has_role = False
    code, printed = run("--dry-run", by=["--network=public"])
    assert (code, service.made) == (0, [])
    for words in ("airflow-network: to be made", "airflow-tasks: to be made", "airflow-airflow: to be made"):
        assert words in printed
    assert "$115.84 a month" in printed
    assert "AWSServiceRoleForECS is made, too" in printed
    assert "repository:3.3.2, which is built" in printed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--parameter=Access=internet-facing"], "CertificateArn must name a certificate. Now CertificateArn = ''"),
        (["--parameter=Dags=git"], "DagsRepository must be the repository's address"),
        (["--airflow=2.11.1"], "a whole Airflow is 3.3 or newer"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_the_first_stack(service, run, options, words):
    with pytest.raises(DeploymentError) as raised:
        run(*options, by=["--network=public"])
    assert words in str(raised.value)
    assert service.made == []


@pytest.mark.parametrize(("options", "dags"), [([], "bucket"), (["--parameter=Dags=image"], "image")])
def test_an_image_that_deploy_builds_has_its_dags_in_a_bucket(service, account, run, options, dags):
    """Since it has none itself; the user learns how one gets there."""
    account.images.add("3.3.2")
    _, printed = run(*options, by=["--network=public"])
    assert parameters(service, "airflow")["Dags"] == dags
    where = (
        "aws s3 cp FILE s3://its DagsBucket/dags/ uploads one"
        if dags == "bucket"
        else "in the image, /opt/airflow/dags"
    )
    assert f"Dags: {where}" in printed


def test_dags_of_a_repository_are_told(run):
    git = ("--parameter=Dags=git", "--parameter=DagsRepository=https://any.example/dags.git")
    assert "Dags: in https://any.example/dags.git, branch main, folder dags" in run(*git, by=PUBLIC)[1]


def test_services_start_only_when_the_image_is_there(service, account, run):
    """Without docker deploy stops with two commands, and goes on later."""
    code, printed = run(by=["--network=public"])
    assert (code, service.made) == (1, MADE[:2])
    assert "docker buildx build --platform linux/amd64" in printed
    account.images.add("3.3.2")
    assert run(by=["--network=public"])[0] == 0
    assert service.made == MADE
    assert parameters(service, "airflow")["Image"] == f"{OUTPUTS['RepositoryUri']}:3.3.2"


def test_the_image_is_built_between_the_stacks(service, run, monkeypatch):
    """With docker at hand nothing else is to be done."""
    built = []
    monkeypatch.setattr(image, "has_engine", lambda: True)
    monkeypatch.setattr(
        image, "build_and_push", lambda ecr, name, *_: built.append((name, list(service.made)))
    )
    assert run(by=["--network=public"])[0] == 0
    assert built == [(f"{OUTPUTS['RepositoryUri']}:3.3.2", MADE[:2])]


def test_tasks_only_leaves_a_whole_airflow_alone(service, run):
    """And says so."""
    run(by=PUBLIC)
    _, printed = run("--tasks-only", "--parameter=TaskCpu=1024", by=PUBLIC)
    assert "airflow-airflow is left as it is: --tasks-only" in printed
    assert service.made == [*MADE, "UpdateStack airflow-tasks"]
    assert parameters(service, "tasks")["ExecutionApiUrl"] == "http://api.airflow.internal:8080/execution/"


def test_a_stack_whose_change_set_is_empty_is_not_updated(service, run, monkeypatch):
    """Though others are: what was shown is what is done."""
    run(by=PUBLIC)
    create = service.CreateChangeSet

    def created(StackName, **request):
        answer = create(StackName=StackName, **request)
        service.differs &= StackName != "airflow-network"
        return answer

    monkeypatch.setattr(service, "CreateChangeSet", created)
    _, printed = run("--parameter=EcsEndpoint=yes", "--parameter=TaskCpu=1024", by=PUBLIC)
    assert "airflow-network: nothing to be changed" in printed
    assert service.made == [*MADE, "UpdateStack airflow-tasks", "UpdateStack airflow-airflow"]


def test_an_airflow_elsewhere_becomes_a_whole_one(service, run):
    """Its tasks then report to the new one."""
    by = (*VPC, "--tasks-only", f"--parameter=ExecutionApiUrl={API}")
    run(by=by)
    run(by=VPC)
    assert parameters(service, "tasks")["ExecutionApiUrl"] == "http://api.airflow.internal:8080/execution/"
    assert "airflow-airflow" in service.stacks


@pytest.fixture
def old(service, account, run):
    """A whole Airflow 3.3.2 whose image deploy has built, and a newer image."""
    account.images |= {"3.3.2", "3.3.2-2", "3.4.0"}
    run(by=["--network=public"])
    service.made.clear()
    service.updates.clear()


def of_airflow(service):
    """Return the updates of the whole Airflow, in which the image or Paused changes."""
    return [update for update in service.updates if {"Image", "Paused"} & {*update}]


NEW = {"Image": f"{OUTPUTS['RepositoryUri']}:3.4.0"}


def test_an_upgrade_has_two_updates(service, run, old):
    """The first one pauses with the old image; shown before."""
    code, printed = run("--airflow=3.4.0", by=["--network=public"])
    assert "in two updates" in printed
    assert code == 0
    assert of_airflow(service) == [{"Paused": "yes"}, NEW | {"Paused": "no"}]


def test_an_upgrade_that_was_interrupted_goes_on(service, run, old, monkeypatch):
    """From what the stack's parameters say, without --airflow too, and to its end."""
    update, done = service.UpdateStack, []

    def interrupted(StackName, **request):
        if StackName == "airflow-airflow" and done:
            raise KeyboardInterrupt
        done.extend([StackName] * (StackName == "airflow-airflow"))
        return update(StackName, **request)

    monkeypatch.setattr(service, "UpdateStack", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("--airflow=3.4.0", by=["--network=public"])
    assert parameters(service, "airflow")["Paused"] == "yes"
    monkeypatch.setattr(service, "UpdateStack", update)
    assert run(by=["--network=public"])[0] == 0
    assert of_airflow(service) == [{"Paused": "yes"}, NEW | {"Paused": "no"}]


@pytest.mark.parametrize(
    ("options", "updates"),
    [
        # The same release, as with Dags in the image.
        (["--parameter=ImageTag=3.3.2-2"], [{"Image": f"{OUTPUTS['RepositoryUri']}:3.3.2-2"}]),
        # One whose release nobody knows.
        (["--image=mine"], [{"Paused": "yes"}, {"Image": "mine", "Paused": "no"}]),
        (["--parameter=Paused=yes"], [{"Paused": "yes"}]),
        (["--parameter=TriggererCpu=512"], []),
    ],
)
def test_only_another_release_pauses(service, run, old, options, updates):
    assert run(*options, by=["--network=public"])[0] == 0
    assert of_airflow(service) == updates
