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
"""What all of ``scripts/aws``' commands say first, and what they say after Ctrl-C."""

from __future__ import annotations

import shlex

import boto3
import pytest
from tools.aws.__main__ import main

IDENTITY = "arn:aws:sts::123456789012:assumed-role/one/me"
GOES_ON = " AWS goes on with what was begun: "


class FakeSession(boto3.Session):
    """One whose credentials are known; whoever asks anything else of AWS presses Ctrl-C."""

    def __init__(self, region_name):
        super().__init__(region_name=region_name or "us-east-1")

    def client(self, *arguments, **options):
        client = super().client(*arguments, **options)
        client._make_api_call = self._call
        return client

    def _call(self, operation, _request):
        if operation != "GetCallerIdentity":
            raise KeyboardInterrupt
        return {"Account": "123456789012", "Arn": IDENTITY, "UserId": "AROA:me"}


@pytest.mark.parametrize(
    ("arguments", "region", "says"),
    [
        ("status --region eu-west-1", "eu-west-1", ""),
        ("verify --name cc --yes", "us-east-1", ""),
        (
            "deploy --name cc --tasks-only --parameter 'ImageX86=a b'", "us-east-1",
            GOES_ON + "scripts/aws/status --name cc shows it. scripts/aws/deploy --name cc --tasks-only --parameter 'ImageX86=a b' run "
            "again goes on; scripts/aws/destroy --name cc deletes it.",
        ),
        (
            "destroy --region eu-west-1", "eu-west-1",
            GOES_ON + "scripts/aws/status --name airflow --region eu-west-1 shows it. scripts/aws/destroy --region eu-west-1 run again "
            "goes on.",
        ),
    ],
)  # fmt: skip
def test_where_a_command_acts_and_how_it_goes_on(monkeypatch, capsys, arguments, region, says):
    """First of all; then with whole command lines, which can be copied."""
    monkeypatch.setattr(boto3, "Session", FakeSession)
    assert main(shlex.split(arguments)) == 130
    printed = capsys.readouterr().out
    assert printed == f"Account 123456789012, Region {region}, as {IDENTITY}\n\nInterrupted.{says}\n"
