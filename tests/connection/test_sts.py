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
"""What botocore itself raises where the service that gives credentials refuses, fails or is away, against one on loopback."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest

from airflow.executors.fargate.aws.classify import classify_error
from airflow.executors.fargate.aws.clients import make_client
from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.cli.asking import ask
from airflow.executors.fargate.cli.check.checks import failed_call

ROLE = "arn:aws:iam::123456789012:role/scheduler"
ERROR = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>{}</Code><Message>{}</Message></Error><RequestId>1</RequestId></ErrorResponse>"""


@pytest.fixture
def sts():
    """Return an STS that answers each call with its ``status`` and ``body``; and its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            body = server.body.encode()
            self.send_response(server.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def make_ecs(monkeypatch, tmp_path):
    """Return a function that makes a client for ECS whose credentials come from STS, by a token as on Kubernetes."""
    token = tmp_path / "token"
    token.write_text("token", encoding="utf-8")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    def make(sts_url, ecs_url="http://127.0.0.1:9"):
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts_url)
        session = boto3.Session(region_name="us-east-1")
        return make_client(session, "ecs", endpoint_url=ecs_url, max_pool_connections=1)

    return make


def judged(client):
    with pytest.raises(Exception) as caught:
        client.list_tasks(cluster="c")
    return classify_error(caught.value, client.meta.endpoint_url)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "InvalidIdentityToken"),
        (400, "IDPCommunicationError"),
        (400, "ExpiredTokenException"),
        (403, "AccessDenied"),
        (500, "InternalFailure"),
        (503, "ServiceUnavailable"),
    ],
)
def test_what_sts_refuses_is_told_as_its_refusal(sts, make_ecs, status, code):
    """Whatever the code says: it is AssumeRoleWithWebIdentity, and the role is that of the environment."""
    sts.status, sts.body = status, ERROR.format(code, "words of STS")
    outcome = judged(make_ecs(sts.url))
    assert outcome.verdict is Verdict.CREDENTIALS
    for told in ("AssumeRoleWithWebIdentity", ROLE, f"{code}: words of STS"):
        assert told in outcome.reason


def test_sts_that_is_away_is_told_by_its_host(sts, make_ecs):
    """No call of ECS's was sent, so nothing is in doubt."""
    sts.status, sts.body = 500, ""
    away = "http://127.0.0.1:9"
    outcome = judged(make_ecs(away, sts.url))
    assert outcome.verdict is Verdict.CREDENTIALS
    assert f"127.0.0.1:9 cannot be reached for the role {ROLE}" in outcome.reason


def test_ecs_that_is_away_leaves_the_call_in_doubt(make_ecs, monkeypatch):
    """With credentials that there are, the host is that of ECS."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    assert judged(make_ecs("http://127.0.0.1:9")).verdict is Verdict.UNKNOWN


def test_check_says_that_it_is_the_role(sts, make_ecs):
    """And not that a permission of ECS is missing."""
    sts.status, sts.body = 403, ERROR.format("AccessDenied", "Not authorized")
    answer = ask(make_ecs(sts.url).describe_clusters, clusters=["c"])
    row = failed_call("cluster", answer, "refused", "otherwise")
    assert "AssumeRoleWithWebIdentity" in row.found
    assert ROLE in row.found
    assert "trust policy" in row.remedy
