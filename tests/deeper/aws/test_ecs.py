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
"""The calls to ECS have the form that botocore's model defines. No network is used."""

from __future__ import annotations

import json
import logging
import threading
from unittest import mock

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.stub import Stubber

from airflow.executors.fargate.aws.answers import Answer, EcsTask, MalformedAnswer, Page
from airflow.executors.fargate.aws.clients import THREAD_NAMES, make_client
from airflow.executors.fargate.aws.ecs import MAX_LISTED, Ecs

ARN = "arn:aws:ecs:us-east-1:123456789012:task/fleet/0123456789abcdef0123456789abcdef"


TOKEN = "bearer-eyJhbGciOiJIUzI1NiJ9"


REQUEST = {
    "cluster": "fleet",
    "taskDefinition": "airflow:1",
    "startedBy": "airflow",
    "overrides": {"containerOverrides": [{"name": "airflow", "command": ["run", TOKEN]}]},
}


@pytest.fixture
def client():
    """Return a real client. No test lets it use the network."""
    session = boto3.session.Session("key", "secret", region_name="us-east-1")
    return make_client(session, "ecs", endpoint_url="http://127.0.0.1:9", max_pool_connections=4)


@pytest.fixture
def stub(client):
    """Return botocore's stub of the client. It checks parameters and answers; all answers must be used."""
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def real(client):
    """Return the calls with that client."""
    return Ecs(lambda: client)


class TestCalls:
    def test_run_task_sends_the_request_and_the_token(self, real, stub):
        """RunTask gets the request unchanged, with the attempt's token. The answer is returned."""
        stub.add_response("run_task", {"tasks": [{"taskArn": ARN}]}, {**REQUEST, "clientToken": "token"})
        before = json.dumps(REQUEST)
        assert real.run_task(REQUEST, "token") == Answer((EcsTask(ARN),))
        assert json.dumps(REQUEST) == before

    def test_describe_tasks_sends_cluster_and_arns(self, real, stub):
        """The ARNs can be any sequence."""
        arns = (ARN, "arn:2")
        stub.add_response("describe_tasks", {"tasks": []}, {"cluster": "fleet", "tasks": list(arns)})
        assert real.describe_tasks("fleet", arns) == Answer()

    @pytest.mark.parametrize("length", [255, 256])
    def test_stop_task_cuts_its_reason(self, length, real, stub):
        """AWS would refuse a longer reason, and the ECS task would run on."""
        expected = {"cluster": "fleet", "task": ARN, "reason": "r" * min(length, 255)}
        stub.add_response("stop_task", {}, expected)
        real.stop_task("fleet", ARN, "r" * length)

    def test_list_running_filters_by_started_by_alone(self, real, stub):
        """AWS takes no second filter beside startedBy. Each page but the last has the token of the next."""
        asked = {"cluster": "fleet", "startedBy": "airflow", "maxResults": MAX_LISTED}
        stub.add_response("list_tasks", {"taskArns": ["1", "2"], "nextToken": "n"}, asked)
        stub.add_response("list_tasks", {"taskArns": ["3"]}, {**asked, "nextToken": "n"})
        assert real.list_running("fleet", "airflow") == Page(("1", "2"), "n")
        assert real.list_running("fleet", "airflow", "n") == Page(("3",))

    def test_list_stopped_filters_by_desired_status(self, real, stub):
        """AWS lists stopped ECS tasks only with this filter."""
        asked = {"cluster": "fleet", "desiredStatus": "STOPPED", "maxResults": MAX_LISTED}
        stub.add_response("list_tasks", {"taskArns": ["1"]}, {**asked, "startedBy": "airflow"})
        assert real.list_stopped("fleet", "airflow") == Page(("1",))

    @pytest.mark.parametrize("body", [b"<html>A proxy's page</html>", b"{}", b'{"taskArns": null}'])
    def test_an_answer_without_a_list_is_refused(self, body, client):
        """botocore reads it as empty: nothing would be there to adopt, and what runs would be given up."""
        client.meta.events.register(
            "before-send.ecs", lambda request, **_: AWSResponse(request.url, 200, {}, _Raw(body))
        )
        with pytest.raises(MalformedAnswer, match="no list of ECS tasks"):
            Ecs(lambda: client).list_running("fleet", "airflow")

    @pytest.mark.parametrize(
        ("name", "call"),
        [
            ("run_task", lambda ecs: ecs.run_task(REQUEST, "token")),
            ("describe_tasks", lambda ecs: ecs.describe_tasks("fleet", [ARN])),
            ("stop_task", lambda ecs: ecs.stop_task("fleet", ARN, "why")),
            ("list_tasks", lambda ecs: ecs.list_running("fleet", "airflow")),
        ],
    )
    def test_errors_are_raised(self, name, call, real, stub):
        """Each call is made once: errors are neither hidden nor retried."""
        stub.add_client_error(name, "ServerException", "broken", 500)
        with pytest.raises(ClientError, match="broken"):
            call(real)

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


class TestClientConfig:
    def test_timeouts_and_connections(self):
        """No call hangs longer than ten seconds, and there is a connection for each thread."""
        session = mock.Mock(spec=["client"])
        make_client(session, "ecs", max_pool_connections=20)
        config = session.client.call_args.kwargs["config"]
        assert 0 < config.connect_timeout <= 10
        assert 0 < config.read_timeout <= 10
        assert config.max_pool_connections == 20
        assert config.tcp_keepalive is True

    def test_real_client_makes_one_attempt(self, client):
        """botocore does not repeat a failed call; the fleet decides whether to."""
        sent = []

        def refuse(request, **_):
            sent.append(request)
            return AWSResponse(request.url, 500, {}, _Raw(b'{"__type": "ServerException"}'))

        client.meta.events.register("before-send.ecs", refuse)
        with pytest.raises(ClientError, match="ServerException"):
            Ecs(lambda: client).describe_tasks("fleet", [ARN])
        assert len(sent) == 1


class _Raw:
    """The body of a response, as botocore reads it."""

    def __init__(self, body):
        self._body = body

    def stream(self):
        yield self._body


def answering_client(ecs):
    """Return the number of the client that answered."""
    return int(ecs.describe_tasks("fleet", [ARN]).tasks[0].arn)


@pytest.fixture
def clients():
    """Return clients with different answers."""
    # spec_set would need methods that botocore makes from its model for each client.
    return [
        mock.Mock(
            spec=BaseClient,
            describe_tasks=mock.Mock(spec=lambda **_: {}, return_value={"tasks": [{"taskArn": str(n)}]}),
        )
        for n in range(3)
    ]


@pytest.fixture
def give_clients(clients):
    """Return a factory that returns those clients in turn."""
    return mock.Mock(spec=lambda: None, side_effect=clients)


class TestRenew:
    def test_one_client_serves_all_calls(self, give_clients):
        """The first call makes it, and it is used until it is renewed."""
        ecs = Ecs(give_clients)
        assert ecs.endpoint_url is None
        assert [answering_client(ecs) for _ in range(3)] == [0, 0, 0]
        assert give_clients.call_count == 1

    def test_close_closes_the_connections(self, clients, give_clients):
        """Otherwise they would stay open as long as the client is in memory."""
        ecs = Ecs(give_clients)
        ecs.connected()
        ecs.close()
        assert clients[0].method_calls == [mock.call.close()]

    def test_new_client_is_made_at_the_next_call_after_renew(self, give_clients):
        """Credentials are looked for when the next call needs them. That client is then kept."""
        ecs = Ecs(give_clients)
        ecs.connected()
        ecs.renew()
        ecs.renew()
        assert give_clients.call_count == 1
        assert [answering_client(ecs) for _ in range(3)] == [1, 1, 1]
        assert give_clients.call_count == 2
        ecs.renew()
        assert answering_client(ecs) == 2

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


class TestLog:
    @pytest.fixture
    def logged(self):
        """Return the list of what botocore logs, at any level."""

        class Keep(logging.Handler):
            def emit(self, record):
                texts.append(record.getMessage())

        texts = []
        keep, logger = Keep(), logging.getLogger("botocore")
        level = logger.level
        logger.addHandler(keep)
        logger.setLevel(logging.DEBUG)
        yield texts
        logger.removeHandler(keep)
        logger.setLevel(level)

    @pytest.mark.parametrize(("thread", "logs"), [(f"{THREAD_NAMES}launch-0", False), ("another", True)])
    def test_has_no_bodies_of_the_executors_threads(self, thread, logs, client, logged):
        """Even at DEBUG, no token is logged on the executor's threads. Other threads log as before."""
        answer = json.dumps({"tasks": [{"taskArn": ARN, "overrides": REQUEST["overrides"]}]}).encode()
        client.meta.events.register(
            "before-send.ecs", lambda request, **_: AWSResponse(request.url, 200, {}, _Raw(answer))
        )
        ecs, answers = Ecs(lambda: client), []
        worker = threading.Thread(target=lambda: answers.append(ecs.run_task(REQUEST, "token")), name=thread)
        worker.start()
        worker.join(timeout=10)
        assert answers[0].tasks[0].arn == ARN
        assert logged
        assert any(TOKEN in text for text in logged) is logs
