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

import uuid

import pytest
from botocore.exceptions import ClientError

UNKNOWN_ID = "0" * 32


def refusal(call, **members):
    with pytest.raises(ClientError) as caught:
        call(**members)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


@pytest.fixture
def starter():
    return uuid.uuid4().hex


@pytest.fixture
def idle(account):
    """Tasks that only pretend, and for long."""
    account.fargate.configure(provisioning_time=0, pretend={"duration": 3600})
    return account


class TestDescribeTasks:
    def test_ids_and_arns_mean_the_same(self, idle):
        """A task is found by either, and told once."""
        arn = idle.run()
        answer = idle.ecs.describe_tasks(cluster=idle.cluster, tasks=[arn, arn.rsplit("/", 1)[1]])
        assert [task["taskArn"] for task in answer["tasks"]] == [arn]

    def test_an_unknown_task_is_missing(self, idle):
        """It is a failure beside the tasks that are known, not an error."""
        arn = idle.run()
        answer = idle.ecs.describe_tasks(cluster=idle.cluster, tasks=[UNKNOWN_ID, arn])
        assert [task["taskArn"] for task in answer["tasks"]] == [arn]
        unknown = f"{arn.rsplit('/', 1)[0]}/{UNKNOWN_ID}"
        assert answer["failures"] == [{"arn": unknown, "reason": "MISSING"}]

    def test_a_task_of_another_cluster_is_missing(self, idle):
        """Only the cluster that is asked tells its tasks."""
        arn = idle.run()
        idle.ecs.create_cluster(clusterName="elsewhere")
        answer = idle.ecs.describe_tasks(cluster="elsewhere", tasks=[arn])
        assert (answer["tasks"], answer["failures"][0]["reason"]) == ([], "MISSING")

    def test_a_hundred_tasks_and_no_more(self, idle):
        """100 are described in one call, 101 are refused; a page of ListTasks has 100 as well."""
        arns = [
            task["taskArn"]
            for _ in range(11)
            for task in idle.ecs.run_task(**idle.request(count=10))["tasks"]
        ]
        answer = idle.ecs.describe_tasks(cluster=idle.cluster, tasks=arns[:100])
        assert [task["taskArn"] for task in answer["tasks"]] == arns[:100]
        page = idle.ecs.list_tasks(cluster=idle.cluster)
        assert len(page["taskArns"]) == 100
        assert "nextToken" in page
        assert refusal(idle.ecs.describe_tasks, cluster=idle.cluster, tasks=arns[:101]) == (
            "InvalidParameterException",
            "taskIds can have at most 100 items.",
        )

    @pytest.mark.parametrize(
        ("members", "code", "message"),
        [
            ({"tasks": []}, "InvalidParameterException", "Tasks cannot be empty."),
            ({"tasks": ["x"]}, "InvalidParameterException", "taskId length should be one of [32, 36]"),
            ({"cluster": "none"}, "ClusterNotFoundException", "Cluster not found."),
        ],
    )
    def test_what_aws_refuses(self, account, members, code, message):
        """A request that AWS refuses is refused with its code and words."""
        request = {"cluster": account.cluster, "tasks": [UNKNOWN_ID]} | members
        assert refusal(account.ecs.describe_tasks, **request) == (code, message)

    def test_a_stopped_task_is_forgotten_after_its_retention(self, account):
        """By default that is an hour."""
        assert account.fargate.settings.stopped_retention == 3600
        arn = account.end_of("true")["taskArn"]
        account.fargate.configure(stopped_retention=0)
        answer = account.ecs.describe_tasks(cluster=account.cluster, tasks=[arn])
        assert answer["failures"][0]["reason"] == "MISSING"
        assert arn not in account.list(desiredStatus="STOPPED")
        assert account.ledger(arn)["lastStatus"] == "STOPPED"


class TestStopTask:
    @pytest.mark.parametrize(
        ("members", "code", "message"),
        [
            ({}, "InvalidParameterException", "The referenced task was not found."),
            ({"task": "x"}, "InvalidParameterException", "taskId length should be one of [32, 36]"),
            (
                {"reason": "x" * 256},
                "InvalidParameterException",
                "reason length should be no longer than 255.",
            ),
            ({"cluster": "none"}, "ClusterNotFoundException", "Cluster not found."),
        ],
    )
    def test_what_aws_refuses(self, account, members, code, message):
        """A request that AWS refuses is refused with its code and words."""
        request = {"cluster": account.cluster, "task": UNKNOWN_ID} | members
        assert refusal(account.ecs.stop_task, **request) == (code, message)

    def test_without_a_reason_there_is_still_one(self, idle):
        """The console's words stand in."""
        arn = idle.run()
        idle.wait(arn, "RUNNING")
        assert idle.stop(arn, reason="x" * 255)["stoppedReason"] == "x" * 255
        other = idle.run()
        assert idle.stop(other)["stoppedReason"] == "Task stopped by user"


class TestListTasks:
    def test_the_default_is_desired_status_running(self, idle, starter):
        """A task is listed from RunTask on, until it is to stop."""
        idle.fargate.configure(provisioning_time=60)
        kept, stopped = idle.run(startedBy=starter), idle.run(startedBy=starter)
        idle.stop(stopped)
        assert kept in idle.list()
        assert stopped not in idle.list()
        assert stopped in idle.list(desiredStatus="STOPPED")
        assert kept not in idle.list(desiredStatus="STOPPED")
        assert idle.list(desiredStatus="PENDING") == []

    def test_started_by_is_an_exact_filter(self, idle, starter):
        """Neither a prefix nor another starter's tasks are listed."""
        mine = idle.run(startedBy=starter)
        idle.run(startedBy=f"{starter}x")
        assert idle.list(startedBy=starter) == [mine]
        assert idle.list(startedBy=starter[:-1]) == []

    def test_started_by_lists_only_what_is_to_run(self, idle, starter):
        """The default status holds here as well."""
        stopped = idle.run(startedBy=starter)
        idle.stop(stopped)
        assert idle.list(startedBy=starter) == []

    @pytest.mark.parametrize(
        "other", [{"desiredStatus": "STOPPED"}, {"family": "airflow"}, {"launchType": "FARGATE"}]
    )
    def test_started_by_must_be_the_only_filter(self, account, other):
        """AWS refuses it together with any other."""
        assert refusal(account.ecs.list_tasks, cluster=account.cluster, startedBy="me", **other) == (
            "InvalidParameterException",
            "cannot specify startedBy with other arguments",
        )

    def test_the_other_filters(self, idle):
        """Family, launch type, service and container instance."""
        definition = idle.register("listed", {"name": idle.container})
        arn = idle.run(taskDefinition=definition)
        assert idle.list(family="listed") == [arn]
        assert idle.list(family="list") == []
        assert idle.list(family="listed", launchType="FARGATE") == [arn]
        assert idle.list(family="listed", launchType="EC2") == []
        assert idle.list(family="listed", serviceName="service") == []
        assert idle.list(family="listed", containerInstance="instance") == []

    def test_pages(self, idle, starter):
        """Each task is on one page, in the order of its start, and the last page has no token."""
        arns = [
            task["taskArn"]
            for _ in range(5)
            for task in idle.ecs.run_task(**idle.request(count=10, startedBy=starter))["tasks"]
        ]
        pages = list(
            idle.ecs.get_paginator("list_tasks").paginate(
                cluster=idle.cluster, startedBy=starter, PaginationConfig={"PageSize": 20}
            )
        )
        assert [len(page["taskArns"]) for page in pages] == [20, 20, 10]
        assert [arn for page in pages for arn in page["taskArns"]] == arns
        first = idle.ecs.list_tasks(cluster=idle.cluster, startedBy=starter, maxResults=7)
        assert first["taskArns"] == arns[:7]
        idle.stop(arns[7])
        second = idle.ecs.list_tasks(
            cluster=idle.cluster, startedBy=starter, maxResults=2, nextToken=first["nextToken"]
        )
        assert second["taskArns"] == arns[8:10]

    @pytest.mark.parametrize(
        ("members", "message"),
        [
            ({"maxResults": 0}, "maxResults should be between 1 and 100."),
            ({"maxResults": 101}, "maxResults should be between 1 and 100."),
            ({"nextToken": "nonsense"}, "Invalid token."),
            ({"desiredStatus": "OTHER"}, "Invalid desired status: OTHER"),
        ],
    )
    def test_what_aws_refuses(self, account, members, message):
        """A request that AWS refuses is refused."""
        request = {"cluster": account.cluster} | members
        assert refusal(account.ecs.list_tasks, **request) == ("InvalidParameterException", message)

    def test_an_unknown_cluster(self, account):
        """There is nothing to list."""
        assert refusal(account.ecs.list_tasks, cluster="none")[0] == "ClusterNotFoundException"
