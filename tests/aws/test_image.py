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
"""The image of a deployment: its name, whether it is there, and how it is built and pushed."""

from __future__ import annotations

import base64

import boto3
import pytest
from botocore.exceptions import ClientError
from tools.aws import image
from tools.aws.errors import DeploymentError

REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/airflow"
IMAGE = f"{REPOSITORY}:3.3.2"
PASSWORD = "the password"


class FakeEcr:
    """ECR, which has no image and hands out a password; ``code`` is the error of what is not there."""

    def __init__(self, code="ImageNotFoundException"):
        self.code = code
        self.client = boto3.client("ecr", region_name="us-east-1")
        self.client._make_api_call = lambda operation, request: getattr(self, operation)(**request)

    def DescribeImages(self, **_):
        raise ClientError({"Error": {"Code": self.code, "Message": ""}}, "DescribeImages")

    def GetAuthorizationToken(self, **_):
        token = base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()
        return {"authorizationData": [{"authorizationToken": token}]}


@pytest.fixture
def engine(monkeypatch):
    """docker is there."""
    monkeypatch.setattr(image, "has_engine", lambda: True)


def test_the_password_is_docker_s_input_alone(engine):
    """Not an argument, which every process of the machine sees."""
    ran = []
    assert image.provide(FakeEcr().client, IMAGE, "X86_64", False, lambda *each: ran.append(each) or 0)
    (login, text), (build, nothing) = ran
    assert login == ["docker", "login", "--username", "AWS", "--password-stdin", REPOSITORY.partition("/")[0]]
    assert (text, nothing) == (PASSWORD, "")
    assert build[-4:] == ["--tag", IMAGE, "--push", "."]


@pytest.mark.parametrize(("codes", "command"), [([1], "docker login"), ([0, 2], "docker buildx build")])
def test_a_failing_command_is_named_without_the_password(engine, codes, command):
    with pytest.raises(DeploymentError) as raised:
        image.provide(FakeEcr().client, IMAGE, "X86_64", False, lambda *_: codes.pop(0))
    assert str(raised.value).startswith(command)
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize(
    ("tag", "release"),
    [
        ("3.3.2", (3, 3, 2, "")),
        ("3.3.2-mine", (3, 3, 2, "")),
        ("3.4.0b2", (3, 4, 0, "b2")),
        ("3.10.0rc1-2", (3, 10, 0, "rc1")),
        ("3.3.2.1", None),
        ("3.3.2x", None),
        ("latest", None),
        ("3.3", None),
        ("", None),
    ],
)
def test_a_tag_begins_with_the_release(tag, release):
    assert image.release(tag) == release


@pytest.mark.parametrize(
    ("tag", "architecture", "words"),
    [
        ("3.3.2", "X86_64", "--platform linux/amd64 --file scripts/docker/Dockerfile --build-arg AIRFLOW_VERSION=3.3.2 "),
        ("3.4.0b2-mine", "ARM64", "--platform linux/arm64 --file scripts/docker/Dockerfile --build-arg AIRFLOW_VERSION=3.4.0b2 "),
    ],
)  # fmt: skip
def test_what_is_built_elsewhere_is_the_same(tag, architecture, words):
    login, build = image.commands_elsewhere(f"{REPOSITORY}:{tag}", architecture, "us-east-1").splitlines()
    assert words in build
    assert "--region us-east-1" in login


def test_a_tag_without_a_release_is_not_built(engine):
    with pytest.raises(DeploymentError, match="airflow:latest is not there, and deploy builds"):
        image.provide(FakeEcr().client, f"{REPOSITORY}:latest", "X86_64", False, lambda *_: 0)


def test_what_ecr_refuses_is_no_missing_image():
    """A permission that lacks must not lead to a build."""
    with pytest.raises(ClientError, match="AccessDenied"):
        image.provide(FakeEcr("AccessDeniedException").client, IMAGE, "X86_64", False)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"ImageX86": "", "ImageArm64": "a:1", "Architecture": "X86_64"}, (f"{REPOSITORY}:3.3.2", False)),
        ({"ImageX86": "", "ImageArm64": "a:1", "Architecture": "ARM64"}, ("a:1", True)),
        ({"ImageX86": "x:1", "ImageArm64": "", "Architecture": "X86_64"}, ("x:1", True)),
    ],
)
def test_the_image_of_tasks(parameters, name):
    assert image.of_tasks({"ImageTag": "3.3.2", **parameters}, {"RepositoryUri": REPOSITORY}) == name
