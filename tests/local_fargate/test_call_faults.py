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

import http.client
import json
import threading
import time
import urllib.request
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
)
from botocore.parsers import ResponseParserError
from tools.harness.chances import another_chance


def lose(account, kind, operation="DescribeTasks", **members):
    account.fargate.configure(faults=[{"kind": kind, "operation": operation, "times": 1, **members}])


def count_tasks(account):
    return len(account.fargate.ledger())


def error_of(call, **members):
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"], error["Error"]["Message"]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"kind": "throttle"}, 400, "ThrottlingException"),
        ({"kind": "server_error"}, 500, "ServerException"),
        ({"kind": "server_error", "status": 503}, 503, "ServerException"),
        (
            {"kind": "error", "status": 400, "code": "AccessDeniedException", "message": "no"},
            400,
            "AccessDeniedException",
        ),
        (
            {"kind": "error", "status": 400, "code": "ExpiredTokenException", "message": "old"},
            400,
            "ExpiredTokenException",
        ),
    ],
)
def test_an_error_in_place_of_the_call(account, fault, status, code):
    """The caller gets the error, nothing is done, and the call after it works."""
    lose(account, operation="RunTask", **fault)
    before = count_tasks(account)
    found = error_of(account.ecs.run_task, **account.request())
    assert found[:2] == (status, code)
    assert count_tasks(account) == before
    assert account.run()


def test_throttling_has_awss_words(account):
    """The message is the one that AWS sends."""
    lose(account, "throttle")
    assert (
        error_of(account.ecs.describe_tasks, cluster=account.cluster, tasks=["x" * 32])[2] == "Rate exceeded"
    )


def test_a_reset_before_the_call_does_nothing(account):
    """The connection is gone, and no task was started."""
    lose(account, "reset", "RunTask")
    before = count_tasks(account)
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        account.ecs.run_task(**account.request())
    assert count_tasks(account) == before


def test_a_lost_response_hides_a_call_that_was_done(account):
    """The connection is gone, the task is there, and the same token finds it."""
    lose(account, "response_lost", "RunTask")
    before = count_tasks(account)
    request = account.request("true", clientToken="lost")
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        account.ecs.run_task(**request)
    assert count_tasks(account) == before + 1
    (task,) = account.ecs.run_task(**request)["tasks"]
    assert count_tasks(account) == before + 1
    assert account.ledger(task["taskArn"])["clientToken"] == "lost"


def test_botocores_own_retry_survives_both(account):
    """A client that retries gets over a lost response without a second task."""
    patient = account.fargate.client("ecs")
    account.fargate.configure(
        faults=[
            {"kind": "reset", "operation": "RunTask", "times": 1},
            {"kind": "response_lost", "operation": "RunTask", "times": 1},
        ]
    )
    before = count_tasks(account)
    assert len(patient.run_task(**account.request())["tasks"]) == 1
    assert count_tasks(account) == before + 1


@pytest.mark.parametrize("kind", ["garbage", "empty"])
def test_an_answer_that_cannot_be_read(account, kind):
    """The call was done, its answer is no JSON, or nothing at all."""
    lose(account, kind, "RunTask")
    before = count_tasks(account)
    try:
        answer = account.ecs.run_task(**account.request())
    except (ResponseParserError, BotoCoreError):
        answer = {}
    assert "tasks" not in answer
    assert count_tasks(account) == before + 1


def test_a_fault_is_for_the_operation_that_it_names(account):
    """Others go through, and ``*`` means every one."""
    arn = account.run()
    lose(account, "throttle", "StopTask")
    assert account.describe(arn)
    assert error_of(account.ecs.stop_task, cluster=account.cluster, task=arn)[1] == "ThrottlingException"
    lose(account, "throttle", "*")
    assert error_of(account.ecs.list_clusters)[1] == "ThrottlingException"
    assert account.ecs.list_clusters()


@another_chance
def test_latency(account):
    """A call takes so much longer, and the others do not."""
    account.fargate.configure(latency={"ListTasks": 0.3})
    began = time.monotonic()
    account.list()
    slow = time.monotonic()
    account.run()
    assert slow - began >= 0.3
    assert time.monotonic() - slow < 0.2


@another_chance
def test_a_slow_answer(account):
    """The call is done at once, and only its answer is late: whoever does not wait has started a task."""
    lose(account, "slow", "RunTask", after=0.4)
    before, began = count_tasks(account), time.monotonic()
    answers = []
    caller = threading.Thread(target=lambda: answers.append(account.ecs.run_task(**account.request())))
    caller.start()
    while count_tasks(account) == before:
        assert time.monotonic() - began < 0.3
        time.sleep(0.01)
    assert answers == []
    caller.join()
    assert time.monotonic() - began >= 0.4
    assert answers[0]["tasks"]


@pytest.mark.parametrize(
    ("edits", "seen"),
    [
        ({"tasks[].containers[].exitCode": None}, ["airflow", None, "EssentialContainerExited", "STOPPED"]),
        ({"tasks[].containers[].exitCode": 9}, ["airflow", 9, "EssentialContainerExited", "STOPPED"]),
        ({"tasks[].containers[].name": None}, [None, 0, "EssentialContainerExited", "STOPPED"]),
        (
            {"tasks[].stopCode": "Unheard", "tasks[].lastStatus": "OF"},
            ["airflow", 0, "Unheard", "OF"],
        ),
        ({"tasks[].no.such": 1, "none[].name": 1}, ["airflow", 0, "EssentialContainerExited", "STOPPED"]),
    ],
)
def test_an_edited_answer(account, edits, seen):
    """Members stand there with another value or not at all; the task itself is as it was."""
    arn = account.run("true")
    account.wait(arn)
    lose(account, "edit", edits=edits)
    task = account.describe(arn)
    (container,) = task["containers"]
    assert [container.get("name"), container.get("exitCode"), task["stopCode"], task["lastStatus"]] == seen
    assert account.describe(arn)["containers"][0]["exitCode"] == 0


@pytest.mark.parametrize(
    ("edits", "left"),
    [
        ({"tasks": [], "failures": []}, {"tasks": [], "failures": []}),
        ({"tasks": None, "failures": None}, {}),
        ({"tasks[].containers": None}, {"failures": []}),
    ],
)
def test_an_answer_without_its_members(account, edits, left):
    """Whole lists can be emptied or taken out."""
    arn = account.run("true")
    lose(account, "edit", edits=edits)
    answer = account.ecs.describe_tasks(cluster=account.cluster, tasks=[arn])
    assert {name: answer[name] for name in left} == left
    assert all("containers" not in task for task in answer.get("tasks", []))


@another_chance
def test_token_buckets(account):
    """What the named operations have in common runs out, and fills up again."""
    account.fargate.configure(rate_limits=[])
    account.fargate.configure(
        rate_limits=[{"operations": ["RunTask", "StopTask"], "rate": 10, "burst": 3}],
        pretend={"duration": 60},
    )
    arns = [account.run() for _ in range(2)]
    account.stop(arns[0])
    assert error_of(account.ecs.stop_task, cluster=account.cluster, task=arns[1])[1] == "ThrottlingException"
    assert account.describe(arns[1])
    time.sleep(0.15)
    assert account.stop(arns[1])


def test_calls_are_counted_by_their_result(account):
    """The control endpoint tells how often each operation came, and how it ended."""
    control = f"{account.fargate.endpoint_url}/_fargate/calls"
    urllib.request.urlopen(urllib.request.Request(control, method="DELETE")).close()
    lose(account, "throttle", "ListTasks")
    error_of(account.ecs.list_tasks, cluster=account.cluster)
    account.list()
    account.list()
    error_of(account.ecs.list_tasks, cluster="none")
    lose(account, "response_lost", "ListTasks")
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        account.list()
    with urllib.request.urlopen(control) as answer:
        assert json.load(answer) == {
            "ListTasks": {
                "ThrottlingException": 1,
                "ok": 2,
                "ClusterNotFoundException": 1,
                "response_lost": 1,
            }
        }


class TestTheWire:
    @pytest.fixture
    def connection(self, account):
        connection = http.client.HTTPConnection(urlsplit(account.fargate.endpoint_url).netloc, timeout=5)
        yield connection
        connection.close()

    @staticmethod
    def post(connection, body, operation="ListTasks", **headers):
        target = {"X-Amz-Target": f"AmazonEC2ContainerServiceV20141113.{operation}"}
        connection.request("POST", "/", body, target | headers)
        response = connection.getresponse()
        return response.status, response.read()

    def test_a_connection_stays_open(self, account, connection):
        """The second call uses the first one's connection."""
        body = json.dumps({"cluster": account.cluster})
        assert self.post(connection, body)[0] == 200
        port = connection.sock.getsockname()
        assert self.post(connection, body)[0] == 200
        assert connection.sock.getsockname() == port

    @pytest.mark.parametrize(
        "body", ["{", "[]", '{"cluster": 1}', '{"unknown": 1}', '{"maxResults": "1"}', "\x80"]
    )
    def test_what_is_no_request_is_refused(self, connection, body):
        """Wrong types, unknown members and things that are no JSON: status 400, never 500."""
        status, answer = self.post(connection, body.encode("latin-1"))
        assert status == 400
        assert json.loads(answer)["__type"] == "SerializationException"

    def test_start_task_is_refused(self, connection):
        """It would start a task that nobody runs."""
        status, answer = self.post(connection, "{}", "StartTask")
        assert (status, json.loads(answer)["__type"]) == (400, "UnsupportedFeatureException")

    @pytest.mark.parametrize(
        "headers",
        [
            {"Host": "example.com"},
            {"Host": "127.example.com"},
            {"Host": "["},
            {"Origin": "http://example.com"},
        ],
    )
    def test_a_web_page_is_refused(self, connection, headers):
        """A browser that shows somebody's page must not run commands here."""
        assert self.post(connection, "{}", **headers)[0] == 403

    def test_the_other_services_are_motos(self, account):
        """What is not about tasks goes to moto: query protocols, ECS's other calls."""
        assert account.fargate.client("ec2").describe_vpcs()["Vpcs"]
        assert account.fargate.client("sts").get_caller_identity()["Account"] == "123456789012"
        assert account.ecs.describe_clusters(clusters=[account.cluster])["clusters"][0]["status"] == "ACTIVE"
