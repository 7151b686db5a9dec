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
"""The calls to ECS in the shapes that botocore's model asks for, without a network."""

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

from airflow.executors.fargate.aws.answers import Answer, EcsTask, Page
from airflow.executors.fargate.aws.clients import THREAD_NAMES, make_client
from airflow.executors.fargate.aws.ecs import MAX_DESCRIBED, MAX_LISTED, Ecs

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
    """Return a real client, which no test lets out to the network."""
    session = boto3.session.Session("key", "secret", region_name="us-east-1")
    return make_client(session, "ecs", endpoint_url="http://127.0.0.1:9", connections=4)


@pytest.fixture
def stub(client):
    """Return botocore's stub of the client, which checks parameters and answers; all answers must be used up."""
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def real(client):
    """Return the calls on that client."""
    return Ecs(lambda: client)


class TestCalls:
    def test_run_task_sends_the_request_and_the_token(self, real, stub):
        """RunTask gets the request unchanged, with the attempt's token beside it, and its answer comes back."""
        stub.add_response("run_task", {"tasks": [{"taskArn": ARN}]}, {**REQUEST, "clientToken": "token"})
        before = json.dumps(REQUEST)
        assert real.run_task(REQUEST, "token") == Answer((EcsTask(ARN),))
        assert json.dumps(REQUEST) == before

    @pytest.mark.parametrize("arns", [[ARN], (ARN, "arn:2")])
    def test_describe_tasks_asks_for_the_arns_of_a_cluster(self, arns, real, stub):
        """DescribeTasks gets the cluster and a list of ARNs, whatever sequence they come in."""
        stub.add_response("describe_tasks", {"tasks": []}, {"cluster": "fleet", "tasks": list(arns)})
        assert real.describe_tasks("fleet", arns) == Answer()

    @pytest.mark.parametrize("length", [0, 1, 255, 256, 5000])
    def test_stop_task_cuts_its_reason_at_what_aws_takes(self, length, real, stub):
        """A reason that AWS would refuse for its length is cut: the container is stopped all the same."""
        expected = {"cluster": "fleet", "task": ARN, "reason": "r" * min(length, 255)}
        stub.add_response("stop_task", {}, expected)
        real.stop_task("fleet", ARN, "r" * length)

    def test_list_running_asks_for_a_page_with_no_filter_but_started_by(self, real, stub):
        """Each page names what asks for the next one, but for the last; AWS wants startedBy to be the only filter."""
        asked = {"cluster": "fleet", "startedBy": "airflow", "maxResults": MAX_LISTED}
        stub.add_response("list_tasks", {"taskArns": ["1", "2"], "nextToken": "n"}, asked)
        stub.add_response("list_tasks", {"taskArns": ["3"]}, {**asked, "nextToken": "n"})
        assert real.list_running("fleet", "airflow") == Page(("1", "2"), "n")
        assert real.list_running("fleet", "airflow", "n") == Page(("3",))

    def test_list_stopped_asks_for_what_has_stopped(self, real, stub):
        """ECS tasks that have stopped are listed only where they are asked for."""
        asked = {"cluster": "fleet", "desiredStatus": "STOPPED", "maxResults": MAX_LISTED}
        stub.add_response("list_tasks", {"taskArns": ["1"]}, {**asked, "startedBy": "airflow"})
        assert real.list_stopped("fleet", "airflow") == Page(("1",))

    def test_list_stopped_does_without_started_by_where_aws_refuses_two_filters(self, real, stub):
        """Where AWS holds by its documentation, the deployment's are among all that have stopped; it is asked once."""
        stub.add_client_error("list_tasks", "InvalidParameterException", "only one filter")
        asked = {"cluster": "fleet", "desiredStatus": "STOPPED", "maxResults": MAX_LISTED}
        stub.add_response("list_tasks", {"taskArns": ["1"], "nextToken": "n"}, asked)
        stub.add_response("list_tasks", {"taskArns": ["2"]}, {**asked, "nextToken": "n"})
        assert real.list_stopped("fleet", "airflow") == Page(("1",), "n")
        assert real.list_stopped("fleet", "airflow", "n") == Page(("2",))

    @pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException", "ServerException"])
    def test_list_stopped_hands_on_any_other_error(self, code, real, stub):
        """Any other error is for whoever asked, and nothing is asked again."""
        stub.add_client_error("list_tasks", code)
        with pytest.raises(ClientError, match=code):
            real.list_stopped("fleet", "airflow")

    @pytest.mark.parametrize(
        ("name", "call"),
        [
            ("run_task", lambda ecs: ecs.run_task(REQUEST, "token")),
            ("describe_tasks", lambda ecs: ecs.describe_tasks("fleet", [ARN])),
            ("stop_task", lambda ecs: ecs.stop_task("fleet", ARN, "why")),
            ("list_tasks", lambda ecs: ecs.list_running("fleet", "airflow")),
        ],
    )
    def test_errors_are_for_the_caller(self, name, call, real, stub):
        """Each call is made once: errors are neither hidden nor retried here."""
        stub.add_client_error(name, "ServerException", "broken", 500)
        with pytest.raises(ClientError, match="broken"):
            call(real)

    def test_numbers_are_those_of_aws(self):
        """AWS describes and lists a hundred tasks a call."""
        assert (MAX_DESCRIBED, MAX_LISTED) == (100, 100)

    def test_model_of_the_service_is_that_of_the_client(self, real, client):
        """The check of requests gets the model that the client itself goes by."""
        assert real.service_model is client.meta.service_model
        assert real.service_model.service_name == "ecs"


class TestClientConfig:
    def test_call_is_made_once_and_ends_in_time(self):
        """botocore retries nothing, no call hangs longer than ten seconds, and there is a connection for each thread."""
        session = mock.Mock(spec=["client"])
        make_client(session, "ecs", connections=20)
        config = session.client.call_args.kwargs["config"]
        assert config.retries["total_max_attempts"] == 1
        assert 0 < config.connect_timeout <= 10
        assert 0 < config.read_timeout <= 10
        assert config.max_pool_connections == 20
        assert config.tcp_keepalive is True

    def test_real_client_makes_one_attempt(self, client):
        """A failed call goes out once, since a further attempt is for the fleet to decide."""
        sent = []

        def refuse(request, **_):
            sent.append(request)
            return AWSResponse(request.url, 500, {}, _Raw(b'{"__type": "ServerException"}'))

        client.meta.events.register("before-send.ecs", refuse)
        with pytest.raises(ClientError, match="ServerException"):
            Ecs(lambda: client).describe_tasks("fleet", [ARN])
        assert len(sent) == 1


class _Raw:
    """The body of an answer, as botocore reads it."""

    def __init__(self, body):
        self._body = body

    def stream(self):
        yield self._body


def asked(ecs):
    """Return the number of the client that has answered."""
    return int(ecs.describe_tasks("fleet", [ARN]).tasks[0].arn)


class TestRenew:
    @pytest.fixture
    def clients(self):
        """Return clients that tell themselves apart in their answers."""
        # spec_set would need botocore's methods, which it makes from its model for each client.
        return [
            mock.Mock(
                spec=BaseClient,
                describe_tasks=mock.Mock(spec=lambda **_: {}, return_value={"tasks": [{"taskArn": str(n)}]}),
            )
            for n in range(3)
        ]

    @pytest.fixture
    def make_client(self, clients):
        """Return a factory that hands out those clients in turn."""
        return mock.Mock(spec=lambda: None, side_effect=clients)

    def test_one_client_serves_all_calls(self, make_client):
        """A client is made at once, which finds mistakes early, and serves until it is renewed."""
        ecs = Ecs(make_client)
        assert make_client.call_count == 1
        assert [asked(ecs) for _ in range(3)] == [0, 0, 0]
        assert make_client.call_count == 1

    def test_close_closes_the_connections(self, clients, make_client):
        """They would stay open as long as the client is in memory."""
        Ecs(make_client).close()
        assert clients[0].method_calls == [mock.call.close()]

    def test_an_old_botocore_closes_nothing(self):
        """What has no way to be closed is left as it is."""
        Ecs(mock.Mock(spec=lambda: None, return_value=mock.Mock(spec=["describe_tasks"]))).close()

    def test_new_client_is_made_at_the_next_call_after_renew(self, make_client):
        """Credentials are looked for anew when the next call needs them, not before; then that client stays."""
        ecs = Ecs(make_client)
        ecs.renew()
        ecs.renew()
        assert make_client.call_count == 1
        assert [asked(ecs) for _ in range(3)] == [1, 1, 1]
        assert make_client.call_count == 2
        ecs.renew()
        assert asked(ecs) == 2

    def test_threads_that_need_a_new_client_share_one(self, clients, make_client):
        """Sixteen calls that come after a renewal, while its client is being made, wait for that one."""
        ecs = Ecs(make_client)
        ecs.renew()
        gate, answers = threading.Event(), []
        make_client.side_effect = lambda: gate.wait(10) and clients[1]
        threads = [threading.Thread(target=lambda: answers.append(asked(ecs))) for _ in range(16)]
        for thread in threads:
            thread.start()
        gate.set()
        for thread in threads:
            thread.join()
        assert answers == [1] * 16
        assert make_client.call_count == 2

    def test_renewal_while_a_client_is_made_is_not_forgotten(self, clients, make_client):
        """The credentials that it has read may be the old ones."""
        ecs = Ecs(make_client)
        ecs.renew()
        make_client.side_effect = lambda: ecs.renew() or clients[make_client.call_count - 1]
        assert asked(ecs) == 1
        make_client.side_effect = [clients[2]]
        assert asked(ecs) == 2

    def test_new_client_is_tried_for_again_where_it_could_not_be_made(self, clients, make_client):
        """While there are no credentials each call says so, and the first call after that works."""
        make_client.side_effect = [clients[0], NoCredentialsError(), NoCredentialsError(), clients[1]]
        ecs = Ecs(make_client)
        ecs.renew()
        for _ in range(2):
            with pytest.raises(NoCredentialsError):
                asked(ecs)
        assert asked(ecs) == 1

    def test_error_in_the_first_client_is_for_whoever_starts_the_executor(self, make_client):
        """Where no client can be made at all, the executor does not start."""
        make_client.side_effect = ValueError("no Region")
        with pytest.raises(ValueError, match="no Region"):
            Ecs(make_client)


class TestLog:
    @pytest.fixture
    def logged(self):
        """Return all that botocore logs, at any level."""

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

    @pytest.mark.parametrize(
        ("thread", "told"), [(f"{THREAD_NAMES}launch-0", False), ("somebody-elses", True)]
    )
    def test_bodies_stay_out_of_it_on_the_executors_threads(self, thread, told, client, logged):
        """Even at DEBUG no token is logged on our threads; what other threads log is their own affair."""
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
        assert any(TOKEN in text for text in logged) is told
