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
"""The live ECS tasks that ``airflow fargate tasks`` and ``stop`` list."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import boto3
import pytest
from botocore.stub import Stubber
from pendulum import UTC

from airflow.executors.fargate.cli.ecs_tasks import in_order, list_live_tasks, parse_ecs_task
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, CallbackId, Launch, TaskInstanceId

CREATED = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
CLUSTER = "arn:aws:ecs:us-east-1:123456789012:cluster/fleet"


def arn(number):
    return f"arn:aws:ecs:us-east-1:123456789012:task/fleet/{number:032}"


def ecs_task(number=1, task_id="extract", dag_id="etl", run_id="monday", **members):
    """Return an ECS task as DescribeTasks returns it."""
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
    """The row shows the task instance, the ECS task, and its state."""
    assert parse_ecs_task(ecs_task()).row() == {
        "dag_id": "etl",
        "task_id": "extract",
        "run_id": "monday",
        "map_index": 5,
        "try_number": 2,
        "cluster": "fleet",
        "ecs_task": f"{1:032}",
        "state": "RUNNING",
        "since": "2026-03-01T12:00:30+00:00",
        "cpu": "256",
        "memory": "512",
        "capacity": "FARGATE",
    }


def test_a_callback():
    """The ECS task of a callback is shown with the callback's id, and belongs to its Dag."""
    identity = Launch(CallbackId("0199", "etl"), "key").identity
    override = {"name": "airflow", "environment": [{"name": IDENTITY_VARIABLE, "value": identity}]}
    parsed = parse_ecs_task(ecs_task(overrides={"containerOverrides": [override]}))
    row = parsed.row()
    assert (row["dag_id"], row["task_id"], row["run_id"]) == ("etl", "callback 0199", "")
    assert (parsed.is_of("etl"), parsed.is_of("etl", "extract")) == (True, False)


@pytest.mark.parametrize(
    ("members", "column", "shown"),
    [
        ({"lastStatus": "PENDING", "startedAt": None}, "since", "2026-03-01T12:00:00+00:00"),
        ({"lastStatus": "RUNNING", "startedAt": None}, "since", "2026-03-01T12:00:00+00:00"),
        ({"lastStatus": "STOPPING", "stoppingAt": CREATED + timedelta(hours=1)}, "since", "2026-03-01T13:00:00+00:00"),
        ({"lastStatus": "PENDING", "createdAt": None, "startedAt": None}, "since", ""),
        ({"startedAt": CREATED.astimezone(timezone(timedelta(hours=2)))}, "since", "2026-03-01T12:00:00+00:00"),
        ({"capacityProviderName": "FARGATE_SPOT"}, "capacity", "FARGATE_SPOT"),
        ({"launchType": None}, "capacity", ""),
        ({"cpu": None, "memory": None}, "cpu", ""),
    ],
)  # fmt: skip
def test_column(members, column, shown):
    """What AWS leaves out is empty; ``since`` is the time of the present state, in UTC."""
    assert parse_ecs_task(ecs_task(**members)).row()[column] == shown


@pytest.mark.parametrize("members", [{"lastStatus": "STOPPED"}, {"lastStatus": "DELETED"}, {"overrides": {}}])
def test_not_a_live_ecs_task_of_ours(members):
    """Neither stopped ECS tasks nor those without an identity are listed."""
    assert parse_ecs_task(ecs_task(**members)) is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (("etl",), True),
        (("etl", "extract", "monday"), True),
        (("etl", None, "monday"), True),
        (("et",), False),
        (("etl", "load"), False),
        (("etl", "extract", "tuesday"), False),
        (("etl", ""), False),
    ],
)
def test_which_are_meant(wanted, expected):
    """All ids that are given must be equal; a part of an id or an empty one does not match."""
    assert parse_ecs_task(ecs_task()).is_of(*wanted) is expected


def test_all_pages_are_asked_for():
    """More than a hundred ECS tasks take more than one call of each kind."""
    ecs = boto3.client("ecs", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
    arns = [arn(number) for number in range(130)]
    asked = {"cluster": "fleet", "startedBy": "airflow", "maxResults": 100}
    with Stubber(ecs) as stub:
        more = {"nextToken": "more"}
        for some, before, after in ((arns[:100], {}, more), (arns[100:], more, {})):
            stub.add_response("list_tasks", {"taskArns": some, **after}, {**asked, **before})
            tasks = [ecs_task(number=int(one[-5:])) for one in some]
            stub.add_response("describe_tasks", {"tasks": tasks}, {"cluster": "fleet", "tasks": some})
        found = list_live_tasks(ecs, "fleet", "airflow")
        stub.assert_no_pending_responses()
    assert [one.task.arn for one in found] == arns


def test_order():
    """The longest in its state comes first, an unknown time last; a duplicate is listed once."""
    first, second = parse_ecs_task(ecs_task(1)), parse_ecs_task(ecs_task(2, startedAt=CREATED))
    third = parse_ecs_task(ecs_task(3, startedAt=None, createdAt=None))
    assert in_order([third, first, second, first]) == [second, first, third]


def test_nothing_runs():
    """Without ECS tasks there is no DescribeTasks call."""
    ecs = boto3.client("ecs", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
    with Stubber(ecs) as stub:
        stub.add_response("list_tasks", {"taskArns": []})
        assert list_live_tasks(ecs, "fleet", "airflow") == []
