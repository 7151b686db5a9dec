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
"""The clients of an API server that reads logs."""

from __future__ import annotations

from unittest import mock

import pytest

from airflow.executors.fargate.aws.clients import CONNECT_TIMEOUT, READ_TIMEOUT
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch, TaskInstanceId
from airflow.executors.fargate.logs.fetching import LogFetcher
from airflow.executors.fargate.logs.lines import TextForm
from airflow.executors.fargate.logs.live import TryLogs
from airflow.executors.fargate.logs.tries import Try

ID = "0123456789abcdef0123456789abcdef"
ARN = f"arn:aws:ecs:eu-west-3:123456789012:task/airflow/{ID}"
OPTIONS = {"awslogs-group": "/ecs/airflow", "awslogs-region": "eu-north-1", "awslogs-stream-prefix": "ecs"}
TASK = {
    "taskArn": ARN,
    "lastStatus": "RUNNING",
    "taskDefinitionArn": "arn:aws:ecs:eu-west-3:123456789012:task-definition/airflow:3",
    "overrides": {
        "containerOverrides": [
            {
                "name": "main",
                "environment": [
                    {
                        "name": IDENTITY_VARIABLE,
                        "value": Launch(TaskInstanceId("dag", "task", "run", 1), None).identity,
                    }
                ],
            }
        ]
    },
}
DEFINITION = {"name": "main", "logConfiguration": {"logDriver": "awslogs", "options": OPTIONS}}


@pytest.fixture
def client(fakes):
    """Return a client that knows one ECS task and its log."""
    logs = fakes.FakeLogs(page_size=10)
    logs.write("/ecs/airflow", f"ecs/main/{ID}", "a line")
    client = mock.Mock(spec=["describe_tasks", "describe_task_definition"])
    client.get_log_events = logs.get_log_events
    client.describe_tasks.return_value = {"tasks": [TASK]}
    client.describe_task_definition.return_value = {"taskDefinition": {"containerDefinitions": [DEFINITION]}}
    return client


@pytest.fixture
def session(client):
    """Return a session that makes that client."""
    return mock.Mock(spec=["client"], **{"client.return_value": client})


@pytest.fixture
def make(session):
    """Return a function that returns a log reader with options, and the maker of its sessions."""

    def make(**options):
        session_maker = mock.Mock(spec=[], return_value=lambda: session)
        return TryLogs(LogFetcher(options.get, session_maker, str, TextForm())), session_maker

    return make


def read(log):
    """Return the line and the problems of a try that AWS has to be asked about."""
    found = log.read(Try("try", (), ARN, is_polled=True))
    return [*found.lines, *(source for source in found.sources if "cannot be shown" in source)]


@pytest.mark.parametrize(
    ("options", "conn_id", "endpoint"),
    [
        ({}, None, None),
        ({"conn_id": " ", "endpoint_url": ""}, None, None),
        ({"conn_id": "aws_ours", "endpoint_url": " http://127.0.0.1:9 "}, "aws_ours", "http://127.0.0.1:9"),
    ],
)
def test_clients_need_the_arn_and_two_options(session, make, options, conn_id, endpoint):
    """One is for ECS in the ECS task's Region, with the endpoint; one for CloudWatch in the log's Region."""
    log, session_maker = make(**options)
    for _ in range(3):
        assert read(log)[0].endswith("a line")
    assert session_maker.call_args_list == [mock.call(conn_id, "eu-west-3"), mock.call(conn_id, "eu-north-1")]
    made = [
        (c.args, c.kwargs["region_name"], c.kwargs["endpoint_url"]) for c in session.client.call_args_list
    ]
    assert made == [(("ecs",), "eu-west-3", endpoint), (("logs",), "eu-north-1", None)]


def test_timeouts(session, make):
    """They are shorter than the scheduler's, as a user waits for the page, and no call is repeated."""
    read(make()[0])
    configs = [call.kwargs["config"] for call in session.client.call_args_list]
    assert len(configs) == 2
    for config in configs:
        assert config.connect_timeout < CONNECT_TIMEOUT
        assert config.read_timeout < READ_TIMEOUT
        assert config.retries["total_max_attempts"] == 1


def test_expired_credentials(client, session, make, fakes):
    """The next read makes new clients, which look for credentials again."""
    log, _ = make()
    client.describe_tasks.side_effect = fakes.aws_error("ExpiredTokenException", "expired")
    assert "cannot be shown" in read(log)[0]
    client.describe_tasks.side_effect = None
    assert read(log)[0].endswith("a line")
    assert [call.args for call in session.client.call_args_list] == [("ecs",), ("ecs",), ("logs",)]
