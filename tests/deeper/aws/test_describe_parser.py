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

import copy
import inspect
import json
import sys
from datetime import datetime
from types import SimpleNamespace

import boto3
import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from airflow.executors.fargate.aws.answers import Answer, identity_override
from airflow.executors.fargate.aws.describe_parser import Container, Task, read_less
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Identity, Launch, TaskInstanceId

#: Members of which only a part is read; ``assert_same`` compares that part.
IN_PART = ("overrides", "containers", "attributes")
TASK_MEMBERS = [member for member in Task.__annotations__ if member not in IN_PART]
CONTAINER_MEMBERS = list(Container.__annotations__)


class Raw:
    """The body of a response, as urllib3 returns it."""

    def __init__(self, body):
        self._body = body

    def stream(self):
        yield self._body


def client(status, body):
    """Return a client that gets this answer to each call, without a network and without retries."""
    once = Config(retries={"max_attempts": 0})
    ecs = boto3.client("ecs", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b", config=once)
    headers = {"content-type": "application/x-amz-json-1.1"}

    def answer(request, **_):
        return AWSResponse(request.url, status, headers, Raw(body))

    ecs.meta.events.register("before-send.ecs.DescribeTasks", answer)
    return ecs


def both(answer, status=200):
    """Return what botocore makes of an answer, and what a client that reads less makes of it."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    results = []
    for ecs in (client(status, body), client(status, body)):
        if results:
            read_less(ecs)
        try:
            results.append(ecs.describe_tasks(tasks=["a"]))
        except Exception as error:
            results.append(error)
    return results


def example(shape, depth=0):
    """Return a value of a shape, with all its members."""
    if shape.type_name == "structure":
        return (
            {name: example(member, depth + 1) for name, member in shape.members.items()} if depth < 9 else {}
        )
    if shape.type_name == "list":
        return [example(shape.member, depth + 1)]
    if shape.type_name == "map":
        return {"key": example(shape.value, depth + 1)}
    return {
        "timestamp": 1795355652.5,
        "integer": 7,
        "long": 7,
        "boolean": True,
        "double": 0.5,
        "float": 0.5,
    }.get(shape.type_name, "STOPPED")


@pytest.fixture
def whole_answer(service_model):
    """Return an answer with all members of botocore's model."""
    return example(service_model.operation_model("DescribeTasks").output_shape)


def comparable(task, member):
    """Return a member's value; a time in seconds, whether it is AWS's number or botocore's datetime."""
    value = task.get(member)
    return value.timestamp() if isinstance(value, datetime) else value


def assert_same(ours, botocores):
    assert len(ours["tasks"]) == len(botocores["tasks"])
    for read, whole in zip(ours["tasks"], botocores["tasks"]):
        for member in TASK_MEMBERS:
            assert comparable(read, member) == comparable(whole, member), member
        expected = [{m: c[m] for m in CONTAINER_MEMBERS if m in c} for c in whole.get("containers", [])]
        found = [{m: c[m] for m in CONTAINER_MEMBERS if m in c} for c in read.get("containers", [])]
        assert found == expected
    answers = Answer.parse(ours), Answer.parse(botocores)
    assert answers[0] == answers[1]
    # The equality of ECS tasks leaves out the identities.
    assert [task.identity for task in answers[0].tasks] == [task.identity for task in answers[1].tasks]
    assert ours.get("failures", []) == botocores.get("failures", [])


class TestReadLess:
    def test_same_values_as_botocore(self, whole_answer):
        """In an answer with all members, each member that is read has botocore's value."""
        botocores, ours = both(whole_answer)
        assert_same(ours, botocores)
        assert ours["ResponseMetadata"]["HTTPStatusCode"] == 200

    def test_identity(self, whole_answer):
        """The identity of the launch is read from an answer with all members."""
        launch = Launch(TaskInstanceId("dag", "täsk", "run", 2, 3), key="key", handed_over=1795355652.5)
        (override,) = whole_answer["tasks"][0]["overrides"]["containerOverrides"]
        override["environment"].append({"name": IDENTITY_VARIABLE, "value": launch.identity})
        botocores, ours = both(whole_answer)
        assert_same(ours, botocores)
        found = Identity.parse(*identity_override(ours["tasks"][0]))
        assert (found.launch_id, found.task, found.handed_over) == (
            launch.id,
            launch.task,
            launch.handed_over,
        )

    def test_members_exist(self, service_model):
        """All members that are read are in botocore's model."""
        task = service_model.shape_for("Task")
        assert set(TASK_MEMBERS) <= set(task.members)
        assert set(CONTAINER_MEMBERS) <= set(service_model.shape_for("Container").members)

    @pytest.mark.parametrize("value", ["missing", None])
    @pytest.mark.parametrize("member", ["taskArn", "lastStatus", "startedAt", "containers"])
    def test_missing_member(self, whole_answer, member, value):
        """A member that AWS leaves out or sends as null is missing, as it is for botocore."""
        answer = copy.deepcopy(whole_answer)
        if value is None:
            answer["tasks"][0][member] = None
        else:
            del answer["tasks"][0][member]
        botocores, ours = both(answer)
        assert_same(ours, botocores)

    @pytest.mark.parametrize("member", ["name", "exitCode"])
    def test_missing_member_of_a_container(self, whole_answer, member):
        """Such as an exit code or a reason."""
        answer = copy.deepcopy(whole_answer)
        del answer["tasks"][0]["containers"][0][member]
        botocores, ours = both(answer)
        assert_same(ours, botocores)

    @pytest.mark.parametrize(
        "answer",
        [{"tasks": [], "failures": []}, {"tasks": []}, {"failures": [{"arn": "a", "reason": "MISSING"}]}],
    )
    def test_small_answer(self, answer):
        """Empty lists and failures are read as botocore reads them."""
        botocores, ours = both(answer)
        assert_same({"tasks": [], **ours}, {"tasks": [], **botocores})

    def test_reads_no_more(self, whole_answer):
        """No object is made of unused members, such as the command with its token."""
        if "before-parse" not in inspect.getsource(botocore.endpoint):
            pytest.skip("this botocore does not emit before-parse")
        _, ours = both(whole_answer)
        (task,) = ours["tasks"]
        assert set(task) == {*TASK_MEMBERS, *IN_PART}
        assert set(task["containers"][0]) == set(CONTAINER_MEMBERS)
        assert set(task["overrides"]["containerOverrides"][0]) == {"name", "environment"}

    @pytest.mark.parametrize(
        ("member", "value"),
        [("startedAt", "2026-01-01"), ("stoppedReason", 5), ("containers", {})],
    )
    def test_member_of_another_type_is_left_to_botocore(self, whole_answer, member, value):
        """botocore reads an answer with a member of another type than AWS documents."""
        whole_answer["tasks"][0][member] = value
        botocores, ours = both(whole_answer)
        assert type(ours) is type(botocores)
        if isinstance(ours, dict):
            assert ours["tasks"] == botocores["tasks"]

    def test_without_msgspec(self, whole_answer, monkeypatch):
        """botocore reads everything."""
        monkeypatch.setitem(sys.modules, "msgspec", None)
        botocores, ours = both(whole_answer)
        assert ours["tasks"] == botocores["tasks"]

    def test_error_is_left_to_botocore(self):
        """It is raised with its code."""
        botocores, ours = both(
            {"__type": "ClusterNotFoundException", "message": "Cluster not found."}, status=400
        )
        assert isinstance(ours, ClientError)
        assert ours.response["Error"] == botocores.response["Error"]

    @pytest.mark.parametrize("body", [b"<html>", b"", b"null", b'{"tasks": [5]}'])
    def test_garbage_is_left_to_botocore(self, body):
        """botocore reads a body that is not an answer."""
        botocores, ours = both(body)
        assert type(ours) is type(botocores)
        if isinstance(ours, dict):
            assert ours.get("tasks") == botocores.get("tasks")

    def test_unknown_object_is_left_to_botocore(self):
        """So is an object with neither tasks nor failures."""
        answer = {"something": "else"}
        response, custom = {"status_code": 200, "body": json.dumps(answer).encode()}, {}
        handlers = []
        read_less(
            SimpleNamespace(
                meta=SimpleNamespace(events=SimpleNamespace(register=lambda _, h: handlers.append(h)))
            )
        )
        handlers[0](response_dict=response, customized_response_dict=custom, operation_model=None)
        assert custom == {}
        assert json.loads(response["body"]) == answer
