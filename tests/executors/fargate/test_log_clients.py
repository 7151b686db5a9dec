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
"""The clients with which an API server reads logs."""

from __future__ import annotations

from unittest import mock

import pytest

from airflow.executors.fargate import log_clients
from airflow.executors.fargate.ecs import CONNECT_TIMEOUT, READ_TIMEOUT

ARN = "arn:aws:ecs:eu-west-3:123456789012:task/airflow/0123456789abcdef0123456789abcdef"


@pytest.fixture
def session():
    """Return what makes clients of which each answers with an error: so a log is asked for no further."""
    session = mock.Mock(spec=["client"])
    session.client.return_value.describe_tasks.side_effect = RuntimeError
    return session


@pytest.fixture
def read(session):
    """Return a function that looks at a container's log with options."""

    def read(**options):
        session_maker = mock.Mock(spec=[], return_value=lambda: session)
        log_clients.running_log(options.get, session_maker, str, structured=True).read(ARN)
        return session_maker

    return read


@pytest.mark.parametrize(
    ("options", "conn_id", "endpoint"),
    [
        ({}, None, None),
        ({"conn_id": " ", "endpoint_url": ""}, None, None),
        ({"conn_id": "aws_ours", "endpoint_url": " http://127.0.0.1:9 "}, "aws_ours", "http://127.0.0.1:9"),
    ],
)
def test_the_container_s_arn_and_two_options_make_the_client(session, read, options, conn_id, endpoint):
    """All else that a client needs stands in the ARN: its Region."""
    session_maker = read(**options)
    session_maker.assert_called_once_with(conn_id, "eu-west-3")
    (call,) = session.client.call_args_list
    assert call.args == ("ecs",)
    assert (call.kwargs["region_name"], call.kwargs["endpoint_url"]) == ("eu-west-3", endpoint)


def test_a_call_ends_sooner_than_the_scheduler_s(session, read):
    """Somebody waits for the page; and botocore repeats nothing."""
    read()
    config = session.client.call_args.kwargs["config"]
    assert config.connect_timeout < CONNECT_TIMEOUT
    assert config.read_timeout < READ_TIMEOUT
    assert config.retries["total_max_attempts"] == 1
