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
"""What ``airflow fargate tasks`` and ``stop`` know of live containers."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import boto3
import pytest
from botocore.stub import Stubber

from airflow.executors.fargate.cli.containers import container_of, in_order, live_containers
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, CallbackId, Launch, TaskInstanceId

CREATED = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
CLUSTER = "arn:aws:ecs:us-east-1:123456789012:cluster/fleet"


def arn(number):
    return f"arn:aws:ecs:us-east-1:123456789012:task/fleet/{number:032}"


def ecs_task(number=1, task_id="extract", dag_id="etl", run_id="monday", **members):
    """Return a task as DescribeTasks tells of it."""
    identity = Launch(TaskInstanceId(dag_id, task_id, run_id, 2, 5), "key").identity
    override = {"name": "airflow", "environment": [{"name": IDENTITY_VARIABLE, "value": identity}]}
    return {
        "taskArn": arn(number),
        "clusterArn": CLUSTER,
        "lastStatus": "RUNNING",
        "createdAt": CREATED,
        "startedAt": CREATED + timedelta(seconds=30),
        "cpu": "256",
        "memory": "512",
        "launchType": "FARGATE",
        "overrides": {"containerOverrides": [override]},
        **members,
    }


def test_row():
    """What is shown is the task instance, its container, and how it is."""
    assert container_of(ecs_task()).row() == {
        "dag_id": "etl",
        "task_id": "extract",
        "run_id": "monday",
        "map_index": 5,
        "try_number": 2,
        "cluster": "fleet",
        "container": f"{1:032}",
        "state": "RUNNING",
        "since": "2026-03-01T12:00:30+00:00",
        "cpu": "256",
        "memory": "512",
        "capacity": "FARGATE",
    }


def test_a_callback():
    """What is of no task is called by the callback's id, and is its Dag's."""
    identity = Launch(CallbackId("0199", "etl"), "key").identity
    override = {"name": "airflow", "environment": [{"name": IDENTITY_VARIABLE, "value": identity}]}
    container = container_of(ecs_task(overrides={"containerOverrides": [override]}))
    told = container.row()
    assert (told["dag_id"], told["task_id"], told["run_id"]) == ("etl", "callback 0199", "")
    assert (container.is_of("etl"), container.is_of("etl", "extract")) == (True, False)


@pytest.mark.parametrize(
    ("members", "column", "shown"),
    [
        ({"lastStatus": "PENDING"}, "since", "2026-03-01T12:00:00+00:00"),
        ({"lastStatus": "RUNNING", "startedAt": None}, "since", "2026-03-01T12:00:00+00:00"),
        ({"lastStatus": "STOPPING", "stoppingAt": CREATED + timedelta(hours=1)}, "since", "2026-03-01T13:00:00+00:00"),
        ({"lastStatus": "PENDING", "createdAt": None}, "since", ""),
        ({"startedAt": CREATED.astimezone(timezone(timedelta(hours=2)))}, "since", "2026-03-01T12:00:00+00:00"),
        ({"capacityProviderName": "FARGATE_SPOT"}, "capacity", "FARGATE_SPOT"),
        ({"launchType": None}, "capacity", ""),
        ({"cpu": None, "memory": None}, "cpu", ""),
    ],
)  # fmt: skip
def test_column(members, column, shown):
    """What AWS leaves out stays empty, and a moment is that of the present state, in UTC."""
    assert container_of(ecs_task(**members)).row()[column] == shown


@pytest.mark.parametrize(
    "members", [{"lastStatus": "STOPPED"}, {"lastStatus": "DELETED"}, {"overrides": {}}, {"overrides": None}]
)
def test_not_a_live_container_of_ours(members):
    """What has stopped, and what somebody else started under our name, is not listed."""
    assert container_of(ecs_task(**members)) is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (("etl",), True),
        (("etl", "extract"), True),
        (("etl", "extract", "monday"), True),
        (("etl", None, "monday"), True),
        (("et",), False),
        (("etl", "load"), False),
        (("etl", "extract", "tuesday"), False),
        (("etl", None, "tuesday"), False),
        (("etl", ""), False),
    ],
)
def test_which_are_meant(wanted, expected):
    """All that is given must be the same; a part of an id is no match, and neither is an empty one."""
    assert container_of(ecs_task()).is_of(*wanted) is expected


def test_all_pages_are_asked_for():
    """More than a hundred containers take more than one call of each kind."""
    ecs = boto3.client("ecs", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
    arns = [arn(number) for number in range(130)]
    asked = {"cluster": "fleet", "startedBy": "airflow", "maxResults": 100}
    with Stubber(ecs) as stub:
        stub.add_response("list_tasks", {"taskArns": arns[:100], "nextToken": "more"}, asked)
        stub.add_response("list_tasks", {"taskArns": arns[100:]}, {**asked, "nextToken": "more"})
        for some in (arns[:100], arns[100:]):
            tasks = [ecs_task(number=int(one[-5:])) for one in some]
            stub.add_response("describe_tasks", {"tasks": tasks}, {"cluster": "fleet", "tasks": some})
        found = live_containers(ecs, "fleet", "airflow")
        stub.assert_no_pending_responses()
    assert [one.arn for one in found] == arns


def test_order():
    """The longest in its state comes first, what tells no moment last; one that was found twice is there once."""
    first, second = container_of(ecs_task(1)), container_of(ecs_task(2, startedAt=CREATED))
    third = container_of(ecs_task(3, startedAt=None, createdAt=None))
    assert in_order([third, first, second, first]) == [second, first, third]


def test_nothing_runs():
    """Without containers nothing is described."""
    ecs = boto3.client("ecs", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
    with Stubber(ecs) as stub:
        stub.add_response("list_tasks", {"taskArns": []})
        assert live_containers(ecs, "fleet", "airflow") == []
