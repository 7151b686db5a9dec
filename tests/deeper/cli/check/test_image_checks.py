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
"""The checks of images and of secrets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow.executors.fargate.cli.asking import Answer
from airflow.executors.fargate.cli.check.checks import ADVICE, FAILED, OK, UNKNOWN
from airflow.executors.fargate.cli.check.image_checks import check_images, image_questions
from airflow.executors.fargate.cli.check.questions import question
from airflow.executors.fargate.cli.check.secret_checks import check_secrets, secret_questions

from tests.deeper.cli.check.test_checks import (
    DENIED,
    GOOD,
    IMAGE,
    UNREACHED,
    container,
    definition,
    manifests,
    pulled,
)

ARM = {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}


def image(answer, **members):
    """Return facts where ECR gives this answer."""
    return replace(definition(**members), answers={pulled(): answer})


def failure(code):
    return Answer({"images": [], "failures": [{"failureCode": code}]})


@pytest.mark.parametrize(
    ("facts", "check", "result", "found", "remedy"),
    [
        (GOOD, "image", OK, IMAGE, ""),
        (GOOD, "image platform", OK, "linux/amd64", ""),
        (image(manifests("arm64")), "image platform", FAILED, "linux/amd64 is wanted", "runtimePlatform"),
        (image(manifests("arm64"), runtimePlatform=ARM), "image platform", OK, "linux/arm64", ""),
        (image(manifests("amd64"), runtimePlatform=ARM), "image platform", FAILED, "has linux/amd64", "runtimePlatform"),
        (image(Answer({"images": [{"imageManifest": "{}"}]})), "image platform", UNKNOWN, "does not name", "--run"),
        (image(Answer({"images": [{"imageManifest": "<"}]})), "image platform", UNKNOWN, "does not name", "--run"),
        (image(failure("ImageNotFound")), "image", FAILED, "there is no", "Push it"),
        (image(Answer(error="RepositoryNotFoundException")), "image", FAILED, "there is no", "Push it"),
        (image(DENIED), "image", UNKNOWN, "not authorized", "Allow ecr:BatchGetImage to whoever runs this check"),
        (image(UNREACHED), "image", UNKNOWN, "Could not connect", "only this check"),
        (replace(GOOD, answers={}), "image", UNKNOWN, "not looked at", "rows above"),
        (container(image="apache/airflow:3"), "image", UNKNOWN, "apache/airflow:3, not looked at", "--run"),
        (container(image="public.ecr.aws/a/b"), "image", UNKNOWN, "not looked at", "--run"),
    ],
)  # fmt: skip
def test_image(facts, check, result, found, remedy):
    """Only what ECR shows is right or wrong."""
    row = {row.check: row for row in check_images(facts)}[check]
    assert row.result == result
    assert found in row.found
    assert remedy in row.remedy
    assert bool(row.remedy) == (result != OK)


@pytest.mark.parametrize(
    ("image", "asked"),
    [
        (IMAGE, pulled()),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/a/b", pulled("a/b", imageTag="latest")),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/airflow@sha256:1", pulled(imageDigest="sha256:1")),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/airflow:3@sha256:1", pulled(imageDigest="sha256:1")),
        ("999999999999.dkr.ecr-fips.us-gov-west-1.amazonaws.com/airflow:3", pulled(account="999999999999", region="us-gov-west-1")),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/airflow:3", pulled(region="cn-north-1")),
    ],
)  # fmt: skip
def test_which_image_is_asked_for(image, asked):
    """By its digest, or its tag, in the account and the Region of its registry."""
    assert list(image_questions(definition(containerDefinitions=[{"name": "a", "image": image}]))) == [asked]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"account": "999999999999"}, "another account"),
        ({"region": "eu-west-1"}, "in eu-west-1 and not in us-east-1"),
    ],
)
def test_a_registry_elsewhere_is_said(where, found):
    """It may be that of another account or Region."""
    host = {"account": "123456789012", "region": "us-east-1", **where}
    facts = container(image="{account}.dkr.ecr.{region}.amazonaws.com/airflow:3".format(**host))
    row = next(iter(check_images(replace(facts, answers={pulled(**host): manifests("amd64")}))))
    assert (row.result, found in row.found) == (ADVICE, True)


SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf"
PARAMETER = "arn:aws:ssm:us-east-1:123456789012:parameter/a/b"


def described(secret=SECRET, region="us-east-1"):
    return question("secretsmanager", "DescribeSecret", region, SecretId=secret)


def listed(*names, region="us-east-1"):
    named = [{"Key": "Name", "Option": "Equals", "Values": list(names)}]
    return question("ssm", "DescribeParameters", region, ParameterFilters=named)


def secret(source, answers=()):
    """Return facts whose container has a secret."""
    facts = container(secrets=[{"name": "PASSWORD", "valueFrom": source}])
    return replace(facts, answers=dict(answers))


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        (SECRET, described()),
        (f"{SECRET}:key:AWSCURRENT:", described()),
        (
            SECRET.replace("us-east-1", "eu-west-1"),
            described(SECRET.replace("us-east-1", "eu-west-1"), "eu-west-1"),
        ),
        (PARAMETER, listed("/a/b")),
        (PARAMETER.replace("/a/b", "/a"), listed("a", "/a")),
        ("/a/b", listed("/a/b", region=None)),
        ("plain", listed("plain", region=None)),
        (PARAMETER.replace("123456789012", "999999999999"), None),
    ],
)
def test_what_is_asked_for_a_secret(source, asked):
    """Never its value."""
    assert list(secret_questions(secret(source))) == ([asked] if asked else [])


THERE, NOWHERE = Answer({"Parameters": [{"Name": "/a/b"}]}), Answer({"Parameters": []})
OF_ANOTHER = SECRET.replace("123456789012", "999999999999")


@pytest.mark.parametrize(
    ("facts", "result", "found", "remedy"),
    [
        (secret(SECRET, {described(): Answer({"ARN": SECRET})}), OK, f"PASSWORD: {SECRET}", ""),
        (secret(SECRET, {described(): Answer(error="ResourceNotFoundException")}), FAILED, "there is no", "valueFrom"),
        (secret(SECRET, {described(): Answer({"DeletedDate": 1})}), FAILED, "to be deleted", "restore-secret"),
        (secret(SECRET, {described(): DENIED}), UNKNOWN, "not authorized", "Allow secretsmanager:DescribeSecret"),
        (secret(SECRET, {described(): UNREACHED}), UNKNOWN, "Could not connect", "only this check"),
        (secret(SECRET), UNKNOWN, "not looked at", "rows above"),
        (secret(OF_ANOTHER, {described(OF_ANOTHER): Answer({"ARN": "a"})}), ADVICE, "another account", "policy"),
        (secret(PARAMETER, {listed("/a/b"): THERE}), OK, PARAMETER, ""),
        (secret(PARAMETER, {listed("/a/b"): NOWHERE}), FAILED, "there is no", "valueFrom"),
        (secret(PARAMETER, {listed("/a/b"): DENIED}), UNKNOWN, "not authorized", "Allow ssm:DescribeParameters"),
        (secret(PARAMETER.replace("123456789012", "9")), UNKNOWN, "of another account", "shared"),
        (container(repositoryCredentials={"credentialsParameter": SECRET}), UNKNOWN, "repositoryCredentials", "rows above"),
    ],
)  # fmt: skip
def test_secret(facts, result, found, remedy):
    """It exists; what is not shown is no failure."""
    [row] = check_secrets(facts)
    assert row.result == result
    assert found in row.found
    assert remedy in row.remedy
    assert bool(row.remedy) == (result != OK)


def test_secrets_of_all_containers_are_one_row_for_each_result():
    """A sidecar's counts, too: without it the ECS task does not start."""
    own = [{"name": "A", "valueFrom": SECRET}, {"name": "B", "valueFrom": f"{SECRET}:key::"}]
    sidecar = {"name": "s", "secrets": [{"name": "C", "valueFrom": PARAMETER}]}
    facts = definition(containerDefinitions=[{"name": "airflow", "secrets": own}, sidecar])
    rows = list(
        check_secrets(replace(facts, answers={described(): Answer({"ARN": SECRET}), listed("/a/b"): NOWHERE}))
    )
    assert [(row.result, row.found[:1], row.found.count("; ")) for row in rows] == [
        (OK, "A", 1),
        (FAILED, "C", 0),
    ]
