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

from __future__ import annotations

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from tools.simulator.http.sts import REFUSALS, SHORT_LIFE, LocalSts

ROLE = "arn:aws:iam::123456789012:role/db-maintenance"
#: botocore's own STS client repeats a call that was not answered.
ONE_ATTEMPT = {"AWS_MAX_ATTEMPTS": "1"}


@pytest.fixture
def sts(monkeypatch, tmp_path):
    """Yield an STS that botocore asks for credentials, and nobody else."""
    token = tmp_path / "token"
    token.write_text("a token of the identity provider")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with LocalSts() as sts:
        for name, value in (sts.environment(str(token), ROLE) | ONE_ATTEMPT).items():
            monkeypatch.setenv(name, value)
        yield sts


@pytest.fixture
def ecs(sts, account):
    """Return a client of the local Fargate whose credentials come from there."""
    session = boto3.Session(region_name=account.fargate.region)
    return session.client("ecs", endpoint_url=account.fargate.endpoint_url)


def test_the_real_boto3_gets_credentials(ecs, sts):
    """One call of STS, and the call of ECS goes out with what it gave."""
    assert ecs.list_tasks(cluster="airflow")["taskArns"] == []
    assert sts.calls == {"ok": 1}


@pytest.mark.parametrize(("life", "asked"), [(SHORT_LIFE, 3), (3600.0, 1)])
def test_credentials_are_asked_for_as_their_life_says(ecs, sts, life, asked):
    """With a short life before each call; with AWS's own hour once."""
    sts.life = life
    for _ in range(3):
        ecs.list_tasks(cluster="airflow")
    assert sts.calls["ok"] == asked


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_is_an_error_of_sts(ecs, sts, code):
    """The error's operation is that of STS, whatever was called."""
    sts.refuse(code)
    with pytest.raises(ClientError) as caught:
        ecs.list_tasks(cluster="airflow")
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.operation_name == "AssumeRoleWithWebIdentity"
    sts.answer_well()
    ecs.list_tasks(cluster="airflow")


def test_an_unknown_refusal_is_a_mistake(sts):
    """What AWS's STS does not say is not said here."""
    with pytest.raises(ValueError, match="NoSuchCode"):
        sts.refuse("NoSuchCode")


def test_it_can_be_away_and_come_back(ecs, sts):
    """Nobody listens, and the error names its address; later somebody does, at the same one."""
    sts.go_away()
    with pytest.raises(EndpointConnectionError) as caught:
        ecs.list_tasks(cluster="airflow")
    assert caught.value.kwargs["endpoint_url"].rstrip("/") == sts.url
    sts.answer_well()
    ecs.list_tasks(cluster="airflow")


def test_it_can_be_silent(sts, monkeypatch):
    """A call gets no answer until it speaks again."""
    sts.be_silent()
    session = botocore.session.get_session()
    config = Config(read_timeout=0.2, retries={"total_max_attempts": 1})
    client = session.create_client(
        "sts", "us-east-1", config=config, aws_access_key_id="a", aws_secret_access_key="b"
    )
    with pytest.raises(ReadTimeoutError):
        client.assume_role(RoleArn=ROLE, RoleSessionName="airflow")
    sts.answer_well()
    assert client.assume_role(RoleArn=ROLE, RoleSessionName="airflow")["Credentials"]["AccessKeyId"]


def test_a_profile_can_assume_a_role(sts, account, tmp_path, monkeypatch):
    """A profile with role_arn asks AssumeRole."""
    (tmp_path / "config").write_text(
        f"[profile deep]\nrole_arn = {ROLE}\nsource_profile = base\n"
        "[profile base]\naws_access_key_id = a\naws_secret_access_key = b\n"
    )
    session = boto3.Session(profile_name="deep", region_name=account.fargate.region)
    ecs = session.client("ecs", endpoint_url=account.fargate.endpoint_url)
    ecs.list_tasks(cluster="airflow")
    sts.refuse("AccessDenied")
    with pytest.raises(ClientError) as caught:
        ecs.list_tasks(cluster="airflow")
    assert caught.value.operation_name == "AssumeRole"
