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
"""What ``scripts/aws/deploy`` refuses before it makes anything."""

from __future__ import annotations

import pytest
from tools.aws.errors import DeploymentError

from tests.aws.test_commands import API, account, run, service
from tests.aws.test_whole_deployment import PUBLIC, VPC, parameters

__all__ = ["account", "run", "service"]

OTHER_VPC = ("--vpc=vpc-2", "--subnets=subnet-3,subnet-4", "--image=i:3.3.2")
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/any"


@pytest.fixture
def refused(service, run):
    """Run deploy, see that it makes nothing, and return what it says."""

    def deploy(*options, by):
        service.made.clear()
        with pytest.raises(DeploymentError) as raised:
            run(*options, by=by)
        assert service.made == []
        return str(raised.value)

    return deploy


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        (PUBLIC, ["--network=private"], "airflow has a public network: --network can be chosen only when"),
        (["--network=private", "--image=i:3.3.2"], ["--network=public"], "airflow has a private network"),
        (PUBLIC, VPC, "airflow has a network of its own, airflow-network: leave --vpc and --subnets out"),
        (VPC, OTHER_VPC, "airflow is in vpc-1, which cannot be changed"),
        (VPC, ["--network=public"], "airflow is in vpc-1, which cannot be changed"),
    ],
)
@pytest.mark.parametrize("more", [(), ("--tasks-only", f"--parameter=ExecutionApiUrl={API}")])
def test_another_network(run, refused, first, then, words, more):
    """Half of it would have been made; the way out is told."""
    run(*more, by=first)
    said = refused(*more, by=then)
    assert words in said
    assert "Take another --name" in said


@pytest.mark.parametrize(
    ("subnets", "dns", "words"),
    [
        (("vpc-1", "us-east-1a", "vpc-1", "us-east-1a"), "Support Hostnames", "all are in us-east-1a; the database"),
        (("vpc-1", "us-east-1a", "vpc-2", "us-east-1b"), "Support Hostnames", "subnet-2 is in vpc-2, not in vpc-1"),
        (("vpc-1", "us-east-1a"), "Support Hostnames", "there is no subnet-2 in"),
        (("vpc-3", "us-east-1a"), "Support Hostnames", "--vpc vpc-1: there is none in us-east-1 of this account"),
        (("vpc-1", "us-east-1a", "vpc-1", "us-east-1b"), "Support", "EnableDnsHostnames is off. Run: aws ec2 modify-vpc"),
        (("vpc-1", "us-east-1a", "vpc-1", "us-east-1b"), "Hostnames", "EnableDnsSupport is off"),
    ],
)  # fmt: skip
def test_a_vpc_that_is_not_fit(account, refused, subnets, dns, words):
    """AWS would tell it in the middle, or never."""
    account.subnets = {f"subnet-{n // 2 + 1}": subnets[n : n + 2] for n in range(0, len(subnets), 2)}
    account.dns = {f"enableDns{which}" for which in dns.split()}
    said = refused(by=VPC)
    assert words in said
    assert len(said.splitlines()) == 1


def test_tasks_alone_need_one_availability_zone(account, run):
    account.subnets["subnet-2"] = account.subnets["subnet-1"]
    assert run("--tasks-only", f"--parameter=ExecutionApiUrl={API}", by=VPC)[0] == 0


@pytest.mark.parametrize(
    ("parameter", "option"),
    [
        ("DeploymentName=other", "--name"), ("Kind=private", "--network"), ("VpcId=vpc-1", "--vpc"),
        ("SubnetIds=subnet-1,subnet-2", "--subnets"), ("Image=i:2", "--image"), ("ImageX86=i:2", "--image"),
    ],
)  # fmt: skip
def test_what_an_option_gives_is_no_parameter(refused, parameter, option):
    assert refused(f"--parameter={parameter}", by=PUBLIC) == f"--parameter {parameter}: use {option}."


def test_the_image_for_other_processors_is_a_parameter(service, run):
    """Since --image is for those of Architecture alone."""
    run("--parameter=ImageArm64=i:3.3.2-arm", by=PUBLIC)
    assert parameters(service, "tasks")["ImageArm64"] == "i:3.3.2-arm"


def test_access_is_chosen_once(run, refused):
    """AWS would refuse the replacement after half an hour of other changes."""
    run(by=PUBLIC)
    said = refused(
        "--parameter=Access=internet-facing", f"--parameter=CertificateArn={CERTIFICATE}", by=PUBLIC
    )
    assert "--parameter Access=internet-facing: airflow-airflow has internal. AWS replaces nothing" in said
    assert run("--parameter=Access=internal", by=PUBLIC)[0] == 0


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (["--parameter=TaskCpu=300"], "Correct --parameter TaskCpu."),
        (["--image=two words"], "Correct --image."),
    ],
)
def test_what_two_templates_have_is_told_once(refused, options, remedy):
    (line,) = refused(*options, by=PUBLIC).splitlines()
    assert line.endswith(remedy)


def test_internal_names_are_not_offered(refused):
    said = refused("--parameter=Kynd=private", by=PUBLIC)
    assert "Kind" not in said
    assert "TaskCpu" in said


def test_a_certificate_of_another_region(refused, run):
    elsewhere = CERTIFICATE.replace("us-east-1", "eu-west-1")
    by = (*PUBLIC, "--parameter=Access=internet-facing")
    said = refused(f"--parameter=CertificateArn={elsewhere}", by=by)
    assert "the load balancer is in us-east-1 and takes a certificate of that Region alone" in said
    assert run(f"--parameter=CertificateArn={CERTIFICATE}", by=by)[0] == 0


def test_a_tag_has_no_effect_on_an_image_that_was_given(refused, run):
    words = "--parameter ImageTag=3.3.2-2: this deployment has an image that it was given, i:3.3.2. Give the next one by --image"
    assert words in refused("--parameter=ImageTag=3.3.2-2", by=PUBLIC)
    run(by=PUBLIC)
    assert words in refused("--parameter=ImageTag=3.3.2-2", by=["--network=public"])
    assert run("--parameter=ImageTag=3.3.2-2", "--parameter=ImageX86=", by=["--network=public"])[0] == 1
