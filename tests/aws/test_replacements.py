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
"""A recording has nothing that is secret or somebody's own; what was the same stays the same."""

from __future__ import annotations

import json

import pytest
from tools.aws.inside.replacements import (
    ACCOUNT,
    IDENTITY_VARIABLE,
    REPLACED,
    Addresses,
    clean_body,
    clean_text,
    without_secrets,
)

from airflow.executors.fargate import launch

ARN = "arn:aws:ecs:us-east-1:999988887777:task/verify/0123456789abcdef0123456789abcdef"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbnkifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (ARN, ARN.replace("999988887777", ACCOUNT)),
        (
            "999988887777.dkr.ecr.us-east-1.amazonaws.com/airflow",
            f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/airflow",
        ),
        ("bucket-999988887777", f"bucket-{ACCOUNT}"),
        # An id of an ECS task, and a time in milliseconds.
        ("a123456789012b 1764485494123", "a123456789012b 1764485494123"),
        ("postgresql://airflow:hunter2@host/db", f"postgresql://airflow:{REPLACED}@host/db"),
        ('{"token": "any", "dag": "a"}', f'{{"token": "{REPLACED}", "dag": "a"}}'),
        ("password=hunter2 user=a", f"password={REPLACED} user=a"),
        (
            "The security token included in the request is expired",
            "The security token included in the request is expired",
        ),
    ],
)
def test_a_text_is_without_secrets(text, kept):
    assert clean_text(text) == kept


@pytest.mark.parametrize("secret", [JWT, "AKIAABCDEFGHIJKLMNOP", "IQoJb3JpZ2luX2VjE" + "a" * 50])
def test_the_same_token_becomes_the_same_in_each_process(secret):
    """A page's token is in one answer, and in the next request."""
    kept = clean_text(f"<{secret}>")
    assert secret not in kept
    assert kept == clean_text(f"<{secret}>") != clean_text(f"<{secret}a>")


@pytest.mark.parametrize("key", ["nextToken", "nextForwardToken"])
def test_a_token_of_a_page_is_replaced_alike(key):
    replaced = without_secrets({key: "f/3846"})[key]
    assert replaced != "f/3846"
    assert json.loads(clean_body(json.dumps({key: "f/3846"})))[key] == replaced


def test_commands_and_variables_are_replaced_wherever_they_are():
    variables = [
        {"name": "PASSWORD", "value": "secret"},
        {"name": IDENTITY_VARIABLE, "value": '{"dag_id": "a"}'},
    ]
    container = {
        "command": ["run", "secret"],
        "environment": variables,
        "entryPoint": ["secret"],
        "name": "a",
    }
    answer = json.loads(
        clean_body(json.dumps({"tasks": [{"overrides": {"containerOverrides": [container]}}]}))
    )
    assert answer["tasks"][0]["overrides"]["containerOverrides"] == [
        {
            "command": [REPLACED],
            "environment": [{"name": "PASSWORD", "value": REPLACED}, variables[1]],
            "entryPoint": [REPLACED],
            "name": "a",
        }
    ]


def test_the_variable_that_is_kept_is_the_executors():
    assert IDENTITY_VARIABLE == launch.IDENTITY_VARIABLE


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("10.0.1.23", "192.0.2.1"),
        (
            "ip-10-0-1-23.ec2.internal has 10.0.1.23, not 10.0.1.24",
            "ip-192-0-2-1.ec2.internal has 192.0.2.1, not 192.0.2.2",
        ),
        ("0a:ff:c1:22:33:44", "00:00:5e:00:53:01"),
        ("2600:1f18:abc:1::7", "2001:db8::1"),
        ("1.4.0 127.0.0.1 2026-11-30T06:51:34.123+00:00 arn:aws:ecs:a:1:b", None),
    ],
)
def test_addresses_become_those_for_documentation(text, kept):
    assert Addresses().replaced([text]) == [kept or text]
