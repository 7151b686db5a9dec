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
"""More on what ``test_classify.py`` tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from botocore import exceptions

from airflow.executors.fargate.aws import classify as module
from airflow.executors.fargate.aws.classify import (
    OWN_OPERATIONS,
    assumed_role,
    classify_error,
)
from airflow.executors.fargate.aws.verdict import Outcome, Verdict

from tests.executors.fargate.test_classify import ECS, ROLE, STS, WITHOUT_CREDENTIALS, client_error, looked_up


class TestCodes:
    def test_unknown_code_has_no_explanation(self):
        """The reason is the code and the message alone."""
        assert (
            classify_error(client_error("NewException", "AGENT Smith.")).reason
            == "NewException: AGENT Smith."
        )


class TestWithoutResponse:
    def test_exception_whose_text_raises(self):
        """It is an unknown outcome like any other."""

        class Shy(Exception):
            def __str__(self):
                raise RuntimeError

        assert classify_error(Shy()) == Outcome(Verdict.UNKNOWN, "Shy: (Shy)")

    def test_no_password_of_an_endpoint_is_repeated(self):
        """``AWS_ENDPOINT_URL`` can have a user and a password."""
        error = exceptions.EndpointConnectionError(endpoint_url="http://me:secret@127.0.0.1:5000/")
        assert '"http://127.0.0.1:5000/"' in classify_error(error).reason


class TestCredentials:
    @pytest.mark.parametrize(
        ("url", "endpoint_url", "verdict"),
        [
            ("http://127.0.0.1:4566/", "http://127.0.0.1:5000", Verdict.CREDENTIALS),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5000", Verdict.UNKNOWN),
            ("https://ECS.us-east-1.amazonaws.com/", ECS, Verdict.UNKNOWN),
            ("https://vpce-1.sts.us-east-1.vpce.amazonaws.com/", ECS, Verdict.CREDENTIALS),
            # Without the call's own endpoint, an unknown host may be its own.
            ("http://127.0.0.1:4566/", None, Verdict.UNKNOWN),
            ("https://logs.us-east-1.amazonaws.com/", None, Verdict.UNKNOWN),
            ("https://sts-fips.us-east-1.amazonaws.com/", None, Verdict.CREDENTIALS),
            ("https://statistics.example.com/", None, Verdict.UNKNOWN),
            ("http://[", ECS, Verdict.UNKNOWN),
        ],
    )
    def test_connection_to_another_host_is_for_credentials(self, url, endpoint_url, verdict):
        """A failed connection to the call's own host, such as a custom endpoint, is an unknown outcome."""
        for kind in (exceptions.EndpointConnectionError, exceptions.ReadTimeoutError):
            assert classify_error(kind(endpoint_url=url), endpoint_url).verdict is verdict

    def test_own_operations_are_all_that_the_package_calls(self):
        """The package calls no other method of a client."""
        folder = Path(module.__file__).parents[1]
        sources = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
        client = r"(?:connected\(\)|\becs|\blogs|client\(\"sts\"\)|_client\(\w+\)|_client)"
        verbs = "run|list|stop|describe|get|start|filter|create|put"
        called = set(re.findall(rf"{client}\.((?:{verbs})_(?!paginator)\w+)", sources))
        named = {"".join(word.capitalize() for word in name.split("_")) for name in called}
        assert {"RunTask", "StopTask", "ListTasks", "DescribeTasks"} <= named
        assert named - {"ListRunning", "ListStopped", "DescribeLogs"} <= OWN_OPERATIONS

    def test_role_is_looked_up_only_if_needed(self, looked_up):
        """Reading the profile takes time on the fleet's thread."""
        for error, names_role, _ in WITHOUT_CREDENTIALS:
            classify_error(error, ECS)
            assert bool(looked_up) == names_role
            looked_up.clear()
        classify_error(client_error("AccessDeniedException"), ECS)
        assert looked_up == []


class TestAssumedRole:
    @pytest.fixture
    def profile(self, tmp_path, monkeypatch):
        """Configure two profiles with roles, and return a function that sets environment variables."""
        for name in ("AWS_PROFILE", "AWS_ROLE_ARN", "AWS_DEFAULT_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        file = tmp_path / "config"
        file.write_text(
            "[default]\nrole_arn = of-default\n[profile prod]\nrole_arn = of-prod\n", encoding="utf-8"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        return monkeypatch.setenv

    @pytest.mark.parametrize(
        ("environment", "role"),
        [
            ({}, "of-default"),
            ({"AWS_PROFILE": "prod"}, "of-prod"),
            ({"AWS_ROLE_ARN": ROLE}, ROLE),
            ({"AWS_ROLE_ARN": ROLE, "AWS_PROFILE": "prod"}, "of-prod"),
            ({"AWS_PROFILE": "nowhere"}, None),
        ],
    )
    def test_is_the_one_that_botocore_uses(self, environment, role, profile):
        """A profile in the environment takes precedence over a role in the environment."""
        for name, value in environment.items():
            profile(name, value)
        assert assumed_role() == role
