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
"""The questions to the services beside ECS, asked with boto3's own clients of moto."""

from __future__ import annotations

import json
from dataclasses import replace

import boto3
import pytest
from botocore.loaders import create_loader

from airflow.executors.fargate.cli.asking import INVALID, NO_ANSWER, Account, Answer
from airflow.executors.fargate.cli.check.airflow_facts import AirflowFacts
from airflow.executors.fargate.cli.check.all_checks import ASKS, OF_REQUEST
from airflow.executors.fargate.cli.check.checks import FAILED, OK, UNKNOWN, rows_of
from airflow.executors.fargate.cli.check.facts import gather, is_of_aws
from airflow.executors.fargate.cli.check.questions import (
    NOT_RESOLVED,
    addresses,
    host_question,
    look_further,
    question,
)
from airflow.executors.fargate.request.builder import Prepared

from tests.deeper.cli.check.test_checks import GOOD, TRUST

REGION, MOTO = "us-east-1", "123456789012"
RESOLVED = ["10.0.0.3"]


@pytest.fixture
def session(moto_aws):
    return boto3.session.Session(region_name=REGION)


@pytest.fixture
def account(session, read_config):
    return Account(read_config(), lambda: session)


@pytest.fixture
def deployment(session):
    """Create all that a task definition can name; return the members of a request and of a definition."""
    ec2, iam = session.client("ec2"), session.client("iam")
    [vpc] = ec2.describe_vpcs()["Vpcs"]
    in_vpc = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    [group] = ec2.describe_security_groups(Filters=in_vpc)["SecurityGroups"]
    trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    role = iam.create_role(RoleName="execution", Path="/airflow/", AssumeRolePolicyDocument=trust)["Role"][
        "Arn"
    ]
    ecr = session.client("ecr")
    repository = ecr.create_repository(repositoryName="airflow")["repository"]["repositoryUri"]
    platforms = [
        {"digest": f"sha256:{number:064}", "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1, "platform": {"os": "linux", "architecture": one}}
        for number, one in enumerate(("amd64", "arm64"))
    ]  # fmt: skip
    kind = "application/vnd.oci.image.index.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": kind, "manifests": platforms}
    ecr.put_image(
        repositoryName="airflow",
        imageManifest=json.dumps(manifest),
        imageManifestMediaType=kind,
        imageTag="3",
    )
    secret = session.client("secretsmanager").create_secret(Name="db", SecretString="a-value")["ARN"]
    session.client("ssm").put_parameter(Name="/a/b", Value="a-value", Type="SecureString")
    session.client("s3").create_bucket(Bucket="airflow-logs")
    session.client("ecs").create_cluster(clusterName="fleet")
    session.client("logs").create_log_group(logGroupName="/ecs/airflow")
    network = {
        "subnets": [ec2.describe_subnets()["Subnets"][0]["SubnetId"]],
        "securityGroups": [group["GroupId"]],
    }
    container = {
        "name": "airflow",
        "image": f"{repository}:3",
        "environment": [
            {"name": "AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "value": "http://api.test:8080/execution/"},
            {"name": "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER", "value": "s3://airflow-logs/airflow"},
        ],
        "secrets": [
            {"name": "A", "valueFrom": f"{secret}:key::"},
            {"name": "B", "valueFrom": f"arn:aws:ssm:{REGION}:{MOTO}:parameter/a/b"},
        ],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": "/ecs/airflow",
                "awslogs-region": REGION,
                "awslogs-stream-prefix": "x",
            },
        },
    }
    return network, {"executionRoleArn": role, "container": container}


READS_S3 = AirflowFacts(remote_logging=True, log_folder="s3://airflow-logs/airflow")


def looked_at(account, config, session, network, executionRoleArn, container, airflow=READS_S3):
    """Register a task definition, and return the rows by what they are about."""
    session.client("ecs").register_task_definition(
        family="airflow-task",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        executionRoleArn=executionRoleArn,
        containerDefinitions=[container],
    )
    request = {
        "cluster": "fleet",
        "taskDefinition": "airflow-task",
        "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {**network, "assignPublicIp": "ENABLED"}},
        "overrides": {},
    }
    facts = gather(account, config, lambda launch: Prepared(request, "airflow"))
    facts = look_further(account, replace(facts, airflow=airflow), ASKS, lambda host: RESOLVED)
    return {row.check: row for row in rows_of(facts, OF_REQUEST)}


def test_all_is_there(account, session, read_config, deployment):
    """Each service finds what the task definition names; only VPC endpoints are not looked at."""
    network, definition = deployment
    rows = looked_at(account, read_config(), session, network, **definition)
    assert {name: row.result for name, row in rows.items() if row.result != OK} == {"public IP": UNKNOWN}
    assert {
        "account",
        "execution role",
        "image",
        "image platform",
        "secrets",
        "subnets",
        "security groups",
    } <= {*rows}
    assert "free addresses" in rows["subnets"].found


def test_a_quick_start_that_was_not_adapted(account, session, read_config, deployment):
    """What its example names does not exist, or is of another account: each is red."""
    network, definition = deployment
    container = definition["container"]
    other = MOTO.replace("1", "9")
    container["image"] = container["image"].replace("airflow:3", "airflow:3.3.2")
    container["environment"] = [
        {"name": "AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "value": "http://localhost:8080/execution/"},
        {"name": "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER", "value": "s3://my-bucket/airflow-logs"},
    ]
    container["secrets"] = [
        {"name": "A", "valueFrom": f"arn:aws:secretsmanager:{REGION}:{MOTO}:secret:none-AbCdEf"},
        {"name": "B", "valueFrom": "/none"},
    ]
    definition["executionRoleArn"] = f"arn:aws:iam::{other}:role/airflow-execution"
    network = {"subnets": ["subnet-0123456789abcdef0"], "securityGroups": ["sg-0123456789abcdef0"]}
    rows = looked_at(account, read_config(), session, network, **definition, airflow=AirflowFacts())
    assert {name for name, row in rows.items() if row.result == FAILED} == {
        "account",
        "execution role",
        "image",
        "secrets",
        "subnets",
        "security groups",
        "execution API",
        "remote logging",
    }
    assert f"{other}, and the credentials are of {MOTO}" in rows["account"].found
    assert "my-bucket" in rows["remote logging"].found


def test_names_only_are_asked_for(account, session, read_config, deployment):
    """No call changes anything, and none returns the value of a secret or of a parameter."""
    network, definition = deployment
    calls = []
    make_client = session.client

    def watched(*args, **kwargs):
        client = make_client(*args, **kwargs)
        client.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
        return client

    session.client = watched
    own = Account(read_config(), lambda: session)
    looked_at(own, read_config(), session, network, **definition)
    assert sorted(set(calls) - {"RegisterTaskDefinition"}) == [
        "BatchGetImage",
        "DescribeClusters",
        "DescribeLogStreams",
        "DescribeParameters",
        "DescribeRouteTables",
        "DescribeSecret",
        "DescribeSecurityGroups",
        "DescribeSubnets",
        "DescribeTaskDefinition",
        "DescribeTasks",
        "GetCallerIdentity",
        "GetLogEvents",
        "GetRole",
        "HeadBucket",
        "ListTasks",
    ]


LOCAL, STS = "http://127.0.0.1:1", "https://sts.amazonaws.com"
ROLE = question("iam", "GetRole", RoleName="none")


def look(account, *asked, facts=GOOD, resolve=lambda host: RESOLVED):
    return look_further(account, replace(facts, answers={}), [lambda facts: asked], resolve)


def test_an_error_of_another_service_is_the_call_s_own(account):
    """The executor does not know the operation, and credentials are not what is wrong."""
    assert look(account, ROLE).answers[ROLE].error == "NoSuchEntity"


def test_each_question_is_asked_once(account):
    """However many queues raise it; all of them get the answer."""
    hosts = []
    facts = replace(GOOD, queues={"a": GOOD, "b": GOOD})
    asked = host_question("api.test")
    found = look(account, asked, facts=facts, resolve=lambda host: hosts.append(host) or RESOLVED)
    assert hosts == ["api.test"]
    assert found.queues["b"].answers[asked].response == {"addresses": RESOLVED}


def test_a_service_that_does_not_answer_is_asked_once(read_config, session, monkeypatch):
    """Then the others' answers are the same, so that nobody waits for each."""
    monkeypatch.setattr("airflow.executors.fargate.cli.check.questions.MAX_CALLS", 1)
    calls = []

    class Client:
        meta = session.client("ecs").meta

        def get_role(self, RoleName):
            from botocore.exceptions import EndpointConnectionError

            calls.append(RoleName)
            raise EndpointConnectionError(endpoint_url=self.meta.endpoint_url)

    account = Account(read_config(), lambda: session)
    account.client = lambda service, **given: Client()
    roles = [question("iam", "GetRole", RoleName=name) for name in "ab"]
    found = look(account, *roles).answers
    assert calls == ["a"]
    assert {answer.error for answer in found.values()} == {NO_ANSWER}


def test_a_value_without_the_right_form_does_not_keep_others_from_being_asked(account):
    """botocore does not make the call."""
    wrong, fine = (question("s3", "HeadBucket", Bucket=name) for name in ("a bucket", "bucket"))
    found = look(account, wrong, fine).answers
    assert (found[wrong].error, found[fine].error) == (INVALID, "404")
    assert str(found[wrong]) == "ParamValidationError: a value has not the right form"


@pytest.mark.parametrize("region", ["no region", "-"])
def test_a_region_that_is_none(account, region):
    """A client cannot be made; this is an answer, too."""
    asked = question("ssm", "DescribeParameters", region)
    assert look(account, asked).answers[asked].error == NO_ANSWER


@pytest.mark.parametrize("error", [OSError("no such host"), UnicodeError("label too long")])
def test_a_host_that_does_not_resolve(account, error):
    def resolve(host):
        raise error

    answer = look(account, host_question("api.test"), resolve=resolve).answers[host_question("api.test")]
    assert answer == Answer({}, NOT_RESOLVED, str(error))


def test_the_machine_s_own_resolver():
    """It returns addresses, each once."""
    assert addresses("127.0.0.1") == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://ecs.us-east-1.amazonaws.com", True),
        ("https://ecs.cn-north-1.amazonaws.com.cn", True),
        ("https://vpce-1.ecs.us-east-1.vpce.amazonaws.com:443", True),
        ("https://ecs.us-east-1.api.aws", True),
        ("https://ecs.cn-north-1.api.amazonwebservices.com.cn", True),
        ("http://127.0.0.1:5000", False),
        ("https://amazonaws.com.example.org", False),
        ("", False),
    ],
)
def test_whose_endpoint_it_is(url, own):
    assert is_of_aws(url) is own


def test_the_endpoints_of_each_partition_are_aws_s_own():
    """As botocore knows them."""
    for partition in create_loader().load_data("partitions")["partitions"]:
        for suffix in (partition["outputs"]["dnsSuffix"], partition["outputs"]["dualStackDnsSuffix"]):
            assert is_of_aws(f"https://ecs.a-region.{suffix}"), suffix


@pytest.mark.parametrize(
    ("variables", "option", "places"),
    [
        ({}, None, {"ecs": False, "iam": False, "sts": False}),
        ({"AWS_ENDPOINT_URL_ECS": LOCAL}, None, {"ecs": False, "iam": True, "sts": True}),
        (
            {"AWS_ENDPOINT_URL": LOCAL, "AWS_ENDPOINT_URL_STS": STS},
            None,
            {"ecs": False, "iam": False, "sts": True},
        ),
        ({}, LOCAL, {"ecs": False, "iam": True, "sts": True}),
        ({"AWS_ENDPOINT_URL_IAM": LOCAL}, LOCAL, {"ecs": False, "iam": False, "sts": True}),
    ],
)
def test_who_was_asked_at_aws_itself(read_config, moto_aws, monkeypatch, variables, option, places):
    """``[fargate] endpoint_url`` is that of ECS alone; botocore decides for all others."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    account = Account(read_config(endpoint_url=option), lambda: boto3.session.Session(region_name=REGION))
    account.client("sts")
    found = look(account, ROLE)
    assert {service: found.is_elsewhere(service) for service in found.endpoints} == places
