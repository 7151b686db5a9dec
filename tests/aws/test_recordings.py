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
"""
Each recording of what AWS has answered, replayed to the executor: it understands all of it.

A recording becomes a test by adding its file; ``recordings/README.md`` says where it comes from.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
from tools.aws.inside.replacements import REPLACED

from tests.aws.complaining import complaints_of, unknown_members
from tests.executors.conftest import fakes

__all__ = ["fakes"]

RECORDINGS = Path(__file__).parent / "recordings"


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.json")), ids=lambda path: path.stem)
def test_the_executor_understands_what_aws_said(fakes, path):
    assert "\n".join(complaints_of(path, fakes)) == ""
    for new in unknown_members(json.loads(path.read_text())):
        warnings.warn(f"{path.name}: {new}", stacklevel=1)


def exchange(operation, request, body, status=200, error_type=None, service="ecs"):
    headers = {"content-type": "application/x-amz-json-1.1"}
    headers |= {"x-amzn-errortype": error_type} if error_type else {}
    return {
        "at": 1.5,
        "service": service,
        "operation": operation,
        "request": request,
        "status": status,
        "headers": headers,
        "body": body if isinstance(body, str) else json.dumps(body),
    }


ARN = "arn:aws:ecs:us-east-1:123456789012:task/verify/0123456789abcdef0123456789abcdef"
OTHER = ARN.replace("0123456789abcdef", "fedcba9876543210")
OVERRIDE = {
    "name": "airflow",
    "command": [REPLACED],
    "environment": [{"name": "PASSWORD", "value": REPLACED}],
}
REQUEST = {"taskDefinition": "task", "overrides": {"containerOverrides": [OVERRIDE]}}
ASKED = {"cluster": "verify", "tasks": [ARN]}


def ecs_task(status, code=None, **members):
    container = {"name": "airflow", "lastStatus": status, **({} if code is None else {"exitCode": code})}
    overrides = {"containerOverrides": [OVERRIDE]}
    return {
        "taskArn": ARN,
        "lastStatus": status,
        "containers": [container],
        "overrides": overrides,
        **members,
    }


def described(*tasks, **members):
    return exchange("DescribeTasks", ASKED, {"tasks": list(tasks), "failures": [], **members})


STOPPED = {"stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited"}
#: A whole trial; each row below adds an answer to it.
WELL = (
    exchange("RunTask", REQUEST, {"tasks": [ecs_task("PROVISIONING")], "failures": []}),
    described(failures=[{"arn": ARN, "reason": "MISSING"}]),
    described(ecs_task("RUNNING", createdAt="TIME", startedAt="TIME")),
    described(ecs_task("STOPPED", 137, startedAt="TIME", **STOPPED)),
    exchange("ListTasks", {"startedBy": "any"}, {"taskArns": [ARN], "nextToken": "token-1"}),
    exchange("ListTasks", {"startedBy": "any", "nextToken": "token-1"}, {"taskArns": [OTHER]}),
)
SEEN = {"ecs_task": ARN, "state": "failed", "words": ["137"], "exit_code": 137}


@pytest.fixture
def complain(fakes, tmp_path):
    """Return a function that writes a recording with further answers to a file, and returns the complaints of it."""

    def check(*more, seen=(SEEN,), **members):
        recording = {"source": "any", "trial": "any", "seen": seen, "exchanges": [*WELL, *more], **members}
        # A number such as AWS's: Python would write it otherwise.
        text = json.dumps(recording).replace('\\"TIME\\"', "1.480367265813E9")
        (tmp_path / "any.json").write_text(text)
        return "\n".join(complaints_of(tmp_path / "any.json", fakes))

    return check


HTML = "<html><body><h1>Service Unavailable</h1></body></html>"
NOT_FOUND = {"__type": "com.amazonaws.ecs#ClusterNotFoundException", "message": "Cluster not found."}
EVENTS = {"events": [{"timestamp": 1, "message": "hello"}], "nextForwardToken": "token-2"}
STREAM = {"logGroupName": "/ecs/airflow", "logStreamName": "ecs/airflow/any"}


@pytest.mark.parametrize(
    "answer",
    [
        exchange("RunTask", REQUEST, NOT_FOUND, 400),
        exchange("RunTask", REQUEST, {"__type": "ThrottlingException", "message": "Rate exceeded"}, 400),
        exchange("RunTask", REQUEST, {"__type": "ThrottlingException"}, 400),
        exchange(
            "RunTask", REQUEST, {"__type": "ConflictException", "resourceIds": [ARN], "message": "any"}, 400
        ),
        exchange("RunTask", REQUEST, {"__type": "ServerException", "Message": "any"}, 500),
        exchange("RunTask", REQUEST, HTML, 503),
        exchange("RunTask", REQUEST, "", 502),
        exchange("RunTask", REQUEST, {"tasks": [], "failures": [{"reason": "RESOURCE:ENI"}]}),
        described(ecs_task("STOPPED", 137, stoppedReason=None, addedByAws={"any": 1}, **{"stopCode": None})),
        exchange("ListTasks", {"startedBy": "any"}, {"taskArns": []}),
        exchange("GetLogEvents", STREAM, EVENTS, service="logs"),
        exchange(
            "GetLogEvents",
            STREAM,
            {"__type": "ResourceNotFoundException", "message": "any"},
            400,
            service="logs",
        ),
        exchange("DescribeClusters", {"clusters": ["verify"]}, {"clusters": [], "failures": []}),
    ],
    ids=lambda answer: f"{answer['operation']} {answer['status']}",
)
def test_what_aws_may_answer_is_no_complaint(complain, answer):
    """Its numbers, its ways to name an error, members that are null or new, and what stands between AWS and us."""
    assert complain(answer) == ""


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (
            exchange("RunTask", REQUEST, {"__type": "NewException", "message": "any"}, 400),
            "NewException is not known",
        ),
        # botocore looks for the code in the body alone.
        (exchange("RunTask", REQUEST, {"message": "any"}, 400, "ClientException"), "status 400 and code ''"),
        (exchange("RunTask", REQUEST, HTML, 403), "does not know what an error with status 403"),
        (exchange("RunTask", REQUEST, HTML), "does not understand it"),
        (exchange("RunTask", REQUEST, '{"tasks": [{"taskArn": '), "does not understand it"),
        (
            exchange("RunTask", REQUEST, {"tasks": [], "failures": []}),
            "does not know why nothing was started",
        ),
        (exchange("RunTask", REQUEST, {"failures": [{"reason": "NEW WORDS"}]}), "NEW WORDS"),
        (exchange("ListTasks", {}, HTML), "does not understand it"),
        (exchange("ListTasks", {}, {"taskArns": [1]}), "Invalid type"),
        (exchange("ListTasks", {"nextToken": "other"}, {"taskArns": []}), "follows no page"),
        (described(ecs_task("STOPPED", "137")), "Invalid type"),
        (described({"lastStatus": "STOPPED"}), "1 of its items are malformed"),
        (described(failures=[{"arn": ARN, "reason": "NEW"}]), "does not know the failure NEW"),
        (
            described(ecs_task("RUNNING", taskDefinitionArn="arn:aws:ecs:any:999988887777:any")),
            "an account id",
        ),
        (described(ecs_task("RUNNING", stoppedReason="eyJhbGciOiJIUzI1NiJ9.e30.any")), "a token"),
        (described(ecs_task("RUNNING", stoppedReason="10.1.2.3")), "an IP address"),
        (exchange("StopTask", {"task": ARN, "reason": "AKIAABCDEFGHIJKLMNOP"}, {}), "an access key"),
        (exchange("RunTask", {"overrides": [{"command": ["run"]}]}, {}), "it has a command"),
        (
            exchange("RunTask", {"environment": [{"name": "PASSWORD", "value": "any"}]}, {}),
            "it has the value of the variable PASSWORD",
        ),
        (exchange("NewCall", {}, {}), "botocore has no NewCall"),
        ({"operation": "RunTask"}, "does not have the members"),
    ],
)
def test_what_the_executor_does_not_understand_is_a_complaint(complain, answer, complaint):
    """So is what the recorder must not let through."""
    assert complaint in complain(answer)


@pytest.mark.parametrize(
    ("seen", "complaint"),
    [
        ({**SEEN, "exit_code": 0}, "was well, and is failed by now"),
        ({**SEEN, "state": "success"}, "has succeeded, and it failed"),
        ({**SEEN, "words": ["OutOfMemoryError"]}, "does not have 'OutOfMemoryError'"),
        ({**SEEN, "ecs_task": OTHER}, "was failed, and is running by now"),
    ],
)
def test_an_end_that_is_read_otherwise_is_a_complaint(complain, seen, complaint):
    assert complaint in complain(seen=[seen])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"exchanges": []}'])
def test_a_file_that_is_no_recording_is_a_complaint(fakes, tmp_path, text):
    (tmp_path / "any.json").write_text(text)
    assert complaints_of(tmp_path / "any.json", fakes)


def test_an_end_is_that_of_the_fleet(complain):
    """Without the answer that it has stopped, an ECS task runs on."""
    assert complain(exchanges=[*WELL[:3]]).startswith(f"{ARN} was failed, and is running by now")
