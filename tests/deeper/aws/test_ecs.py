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
"""More on what ``test_ecs.py`` tests."""

from __future__ import annotations

import threading
from unittest import mock

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, NoCredentialsError

from airflow.executors.fargate.aws.answers import Page
from airflow.executors.fargate.aws.ecs import MAX_LISTED, Ecs

from tests.executors.fargate.test_ecs import ARN, answering_client, client, clients, give_clients, real, stub


class TestCalls:
    def test_list_stopped_leaves_out_started_by_if_aws_refuses_two_filters(self, real, stub):
        """Two filters, which the documentation forbids, are tried once; then all stopped ones are listed."""
        stub.add_client_error("list_tasks", "InvalidParameterException", "only one filter")
        asked = {"cluster": "fleet", "desiredStatus": "STOPPED", "maxResults": MAX_LISTED}
        stub.add_response("list_tasks", {"taskArns": ["1"], "nextToken": "n"}, asked)
        stub.add_response("list_tasks", {"taskArns": ["2"]}, {**asked, "nextToken": "n"})
        assert real.list_stopped("fleet", "airflow") == Page(("1",), "n")
        assert real.list_stopped("fleet", "airflow", "n") == Page(("2",))

    def test_list_stopped_raises_any_other_error(self, real, stub):
        """The call is not repeated."""
        stub.add_client_error("list_tasks", "ThrottlingException")
        with pytest.raises(ClientError, match="ThrottlingException"):
            real.list_stopped("fleet", "airflow")


class TestRenew:
    def test_close_with_an_old_botocore(self):
        """A client without a method to close it is left as it is."""
        ecs = Ecs(mock.Mock(spec=lambda: None, return_value=mock.Mock(spec=["describe_tasks"])))
        ecs.connected()
        ecs.close()

    def test_threads_share_a_new_client(self, clients, give_clients):
        """Sixteen calls that are made while a client is made wait for that client."""
        ecs = Ecs(give_clients)
        ecs.connected()
        ecs.renew()
        gate, answers = threading.Event(), []
        give_clients.side_effect = lambda: gate.wait(10) and clients[1]
        threads = [threading.Thread(target=lambda: answers.append(answering_client(ecs))) for _ in range(16)]
        for thread in threads:
            thread.start()
        gate.set()
        for thread in threads:
            thread.join()
        assert answers == [1] * 16
        assert give_clients.call_count == 2

    def test_renew_while_a_client_is_made(self, clients, give_clients):
        """That client may have read the old credentials, so another is made."""
        ecs = Ecs(give_clients)
        ecs.connected()
        ecs.renew()
        give_clients.side_effect = lambda: ecs.renew() or clients[give_clients.call_count - 1]
        assert answering_client(ecs) == 1
        give_clients.side_effect = [clients[2]]
        assert answering_client(ecs) == 2

    def test_client_that_cannot_be_made(self, clients, give_clients):
        """Each call raises while there are no credentials, and the first call after that works."""
        give_clients.side_effect = [clients[0], NoCredentialsError(), NoCredentialsError(), clients[1]]
        ecs = Ecs(give_clients)
        ecs.connected()
        ecs.renew()
        for _ in range(2):
            with pytest.raises(NoCredentialsError):
                answering_client(ecs)
        assert answering_client(ecs) == 1
