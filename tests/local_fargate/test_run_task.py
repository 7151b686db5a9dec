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

import json
import uuid

import pytest
from botocore.exceptions import ClientError


def refusal(call, **members):
    """The error's code and message."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def network(account, **members):
    return {"awsvpcConfiguration": {**account.network["awsvpcConfiguration"], **members}}


def override(name="airflow", text="x"):
    return {"containerOverrides": [{"name": name, "command": [text]}]}


SPOT = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]

REFUSED = {
    "unknown cluster": ({"cluster": "none"}, "ClusterNotFoundException", "Cluster not found."),
    "no default cluster": ({"cluster": None}, "ClusterNotFoundException", "Cluster not found."),
    "cluster of another account": (
        {"cluster": "arn:aws:ecs:us-east-1:999999999999:cluster/airflow"},
        "ClusterNotFoundException",
        "Cluster not found.",
    ),
    "unknown task definition": ({"taskDefinition": "none"}, "ClientException", "TaskDefinition not found."),
    "unknown revision": ({"taskDefinition": "airflow:999"}, "ClientException", "TaskDefinition not found."),
    "revision that is no number": (
        {"taskDefinition": "airflow:x"},
        "InvalidParameterException",
        "Invalid revision number. Number: x",
    ),
    "unknown container": (
        {"overrides": override("none")},
        "InvalidParameterException",
        "Override for container named none is not a container in the TaskDefinition.",
    ),
    "override without a name": (
        {"overrides": {"containerOverrides": [{"command": ["x"]}]}},
        "InvalidParameterException",
        "Container Override name can not be blank.",
    ),
    "overrides too long": (
        {"overrides": override(text="x" * 8192)},
        "InvalidParameterException",
        "Container Overrides length must be at most 8192",
    ),
    "unknown subnet": (
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0"]}}},
        "InvalidParameterException",
        (
            "Error retrieving subnet information for [subnet-0]: The subnet ID 'subnet-0' does not exist "
            "(ErrorCode: InvalidSubnetID.NotFound)"
        ),
    ),
    "no network": (
        {"networkConfiguration": None},
        "InvalidParameterException",
        "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    ),
    "no subnets": (
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}},
        "InvalidParameterException",
        "subnets can not be empty.",
    ),
    "too many subnets": (
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0"] * 17}}},
        "InvalidParameterException",
        "subnets can have at most 16 items.",
    ),
    "too many tasks": ({"count": 11}, "InvalidParameterException", "count should be between 1 and 10."),
    "no tasks": ({"count": 0}, "InvalidParameterException", "count should be between 1 and 10."),
    "startedBy with a colon": (
        {"startedBy": "a:b"},
        "InvalidParameterException",
        "startedBy can only contain letters, numbers, hyphens, forward slashes and underscores.",
    ),
    "startedBy too long": (
        {"startedBy": "x" * 129},
        "InvalidParameterException",
        "startedBy length should be no longer than 128.",
    ),
    "token too long": (
        {"clientToken": "x" * 65},
        "InvalidParameterException",
        "clientToken length should be no longer than 64.",
    ),
    "token with a space": (
        {"clientToken": "a b"},
        "InvalidParameterException",
        "clientToken can only contain ASCII characters from 33 to 126.",
    ),
    "launch type and strategy": (
        {"capacityProviderStrategy": SPOT},
        "InvalidParameterException",
        (
            "Specifying both a launch type and capacity provider strategy is not supported. "
            "Remove one and try again."
        ),
    ),
    "provider that the cluster has not": (
        {"launchType": None, "capacityProviderStrategy": [{"capacityProvider": "other"}]},
        "InvalidParameterException",
        (
            "The specified capacity provider strategy cannot contain a capacity provider that is not "
            "associated with the cluster. Associate the capacity provider with the cluster and try again."
        ),
    ),
    "two bases": (
        {
            "launchType": None,
            "capacityProviderStrategy": [
                {"capacityProvider": "FARGATE", "base": 1},
                {"capacityProvider": "FARGATE_SPOT", "base": 1},
            ],
        },
        "InvalidParameterException",
        "Only one capacity provider in a capacity provider strategy can have a base.",
    ),
    "no weight among several": (
        {
            "launchType": None,
            "capacityProviderStrategy": [
                {"capacityProvider": "FARGATE", "weight": 0},
                {"capacityProvider": "FARGATE_SPOT"},
            ],
        },
        "InvalidParameterException",
        "The specified capacity provider strategy must contain a capacity provider with a weight greater than 0.",
    ),
    "weight too large": (
        {
            "launchType": None,
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1001}],
        },
        "InvalidParameterException",
        "weight should be between 0 and 1000.",
    ),
    "a size that Fargate has not": (
        {"overrides": {"cpu": "1024", "memory": "16 GB"}},
        "InvalidParameterException",
        (
            "No Fargate configuration exists for given values: 1024 CPU, 16384 memory. "
            "See the Amazon ECS documentation for the valid values."
        ),
    ),
    "more memory than goes with the definition's CPU": (
        {"overrides": {"memory": "4096"}},
        "InvalidParameterException",
        (
            "No Fargate configuration exists for given values: 256 CPU, 4096 memory. "
            "See the Amazon ECS documentation for the valid values."
        ),
    ),
    "CPU that is none": (
        {"overrides": {"cpu": "many"}},
        "InvalidParameterException",
        "Invalid 'cpu' setting for task.",
    ),
    "too much storage": (
        {"overrides": {"ephemeralStorage": {"sizeInGiB": 201}}},
        "InvalidParameterException",
        "ephemeralStorage should be between 21 and 200 GiB.",
    ),
    "EC2 without instances": (
        {"launchType": "EC2"},
        "InvalidParameterException",
        "No Container Instances were found in your cluster.",
    ),
    "EC2 with a platform version": (
        {"launchType": "EC2", "platformVersion": "1.4.0"},
        "InvalidParameterException",
        "The platform version must be null when specifying an EC2 launch type.",
    ),
    "launch type that is none": (
        {"launchType": "ECS"},
        "InvalidParameterException",
        "launchType ECS is not one of [EC2, FARGATE, EXTERNAL, MANAGED_INSTANCES].",
    ),
    "too many tags": (
        {"tags": [{"key": str(number), "value": ""} for number in range(51)]},
        "InvalidParameterException",
        "tags can have at most 50 items.",
    ),
    "reserved tag": (
        {"tags": [{"key": "aws:x", "value": ""}]},
        "InvalidParameterException",
        "Tags with the aws: prefix are reserved for AWS.",
    ),
    "tag with a quotation mark": (
        {"tags": [{"key": "x", "value": "it's"}]},
        "InvalidParameterException",
        "Tags can only contain unicode letters, digits, white space, or one of these symbols: _ . : / = + - @",
    ),
    "tag key too long": (
        {"tags": [{"key": "x" * 129, "value": ""}]},
        "InvalidParameterException",
        "Tag key length should be between 1 and 128.",
    ),
    "tag value too long": (
        {"tags": [{"key": "x", "value": "x" * 257}]},
        "InvalidParameterException",
        "Tag value length should be no longer than 256.",
    ),
    "tag twice": (
        {"tags": [{"key": "x", "value": "1"}, {"key": "x", "value": "2"}]},
        "InvalidParameterException",
        "Tag keys must be unique.",
    ),
    "tags of no service": (
        {"propagateTags": "SERVICE"},
        "InvalidParameterException",
        "Unable to propagate tags from service: the task has none.",
    ),
    "ECS Exec without a role": (
        {"enableExecuteCommand": True},
        "InvalidParameterException",
        "ECS Exec requires a task role: specify one in the task definition.",
    ),
}


def answer(account, members):
    """Return the status, code and message that a RunTask request is refused with; None where it is taken."""
    try:
        account.ecs.run_task(**account.request(**members))
    except ClientError as error:
        told, status = error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status, told["Code"], told["Message"]
    return None


def test_what_aws_refuses(account):
    """A request that AWS refuses is refused with its code and words, and starts nothing."""
    before = len(account.fargate.ledger())
    answers = {case: answer(account, members) for case, (members, *_) in REFUSED.items()}
    assert answers == {case: (400, code, message) for case, (_, code, message) in REFUSED.items()}
    assert len(account.fargate.ledger()) == before


ACCEPTED = {
    "overrides of 8192 characters": {"overrides": override(text="x" * (8192 - len('{"containerOverrides":[{"name":"airflow","command":[""]}]}')))},
    "startedBy of 128": {"startedBy": "x" * 128},
    "token of 64": {"clientToken": "~" * 64},
    "50 tags": {"tags": [{"key": str(number), "value": "x" * 256} for number in range(50)]},
    "a strategy": {"launchType": None, "capacityProviderStrategy": SPOT},
    "one provider without a weight": {"launchType": None, "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]},
    "the largest size": {"overrides": {"cpu": "32 vCPU", "memory": "244 GB", "ephemeralStorage": {"sizeInGiB": 200}}},
    "half a vCPU": {"overrides": {"cpu": ".5 vCPU", "memory": "1GB"}},
}  # fmt: skip


def test_what_aws_just_accepts(account):
    """The limits themselves are allowed, and so is a request without security groups."""
    account.fargate.configure(provisioning_time=60)
    network = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": account.subnets}}}
    requests = ACCEPTED | {"unnamed security groups": network}
    before = len(account.fargate.ledger())
    assert {case: answer(account, members) for case, members in requests.items()} == dict.fromkeys(requests)
    assert len(account.fargate.ledger()) == before + len(requests)


def test_an_unknown_security_group_is_refused(account):
    """The message wraps EC2's own error."""
    members = {"networkConfiguration": network(account, securityGroups=["sg-0"])}
    assert refusal(account.ecs.run_task, **account.request(**members)) == (
        "InvalidParameterException",
        (
            "Error retrieving security group information for [sg-0]: The security group 'sg-0' does not exist "
            "(ErrorCode: InvalidGroup.NotFound)"
        ),
    )
    members = {"networkConfiguration": network(account, securityGroups=["sg-0"] * 6)}
    assert (
        refusal(account.ecs.run_task, **account.request(**members))[1]
        == "securityGroups can have at most 5 items."
    )


def test_ten_tasks_in_one_call(account):
    """Count starts so many tasks, each with its own ARN."""
    tasks = account.ecs.run_task(**account.request("true", count=10))["tasks"]
    assert len({task["taskArn"] for task in tasks}) == 10


def test_a_strategy_names_its_provider(account):
    """The provider with the most weight is the task's."""
    strategy = [
        {"capacityProvider": "FARGATE", "weight": 1},
        {"capacityProvider": "FARGATE_SPOT", "weight": 2},
    ]
    task = account.end_of("true", launchType=None, capacityProviderStrategy=strategy)
    assert (task["capacityProviderName"], task["launchType"]) == ("FARGATE_SPOT", "FARGATE")


def test_a_size_is_told_in_the_smaller_units(account):
    """However it was written."""
    task = account.end_of(
        overrides={"cpu": "1 vCPU", "memory": "2 GB", "ephemeralStorage": {"sizeInGiB": 50}}
        | override(text="true")
    )
    assert (task["cpu"], task["memory"], task["ephemeralStorage"]) == ("1024", "2048", {"sizeInGiB": 50})


def test_a_capacity_provider_can_have_no_room_while_others_have(account):
    """Spot's capacity is not that of on-demand tasks, nor are their failures."""
    spot = {"launchType": None, "capacityProviderStrategy": SPOT}
    account.fargate.configure(faults=[{"kind": "capacity", "capacity_provider": "FARGATE_SPOT"}])
    assert account.ecs.run_task(**account.request("true", **spot))["failures"]
    assert account.ecs.run_task(**account.request("true"))["tasks"]
    on_demand = [{"kind": "start_failure", "capacity_provider": "FARGATE"}]
    account.fargate.configure(faults=on_demand)
    assert account.end_of("true", **spot)["stopCode"] == "EssentialContainerExited"
    assert account.end_of("true")["stopCode"] == "TaskFailedToStart"


def test_ec2_needs_an_instance_in_the_cluster(account):
    """With a container instance, a task of launch type EC2 runs there."""
    ec2 = account.fargate.client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    document = json.dumps({"instanceId": instance, "region": "us-east-1"})
    account.ecs.create_cluster(clusterName="with-instance")
    registered = account.ecs.register_container_instance(
        cluster="with-instance", instanceIdentityDocument=document
    )["containerInstance"]["containerInstanceArn"]
    definition = account.register(
        "on-ec2",
        {"name": account.container, "memory": 64},
        requiresCompatibilities=["EC2"],
        networkMode="bridge",
    )
    request = account.request(
        "true",
        cluster="with-instance",
        taskDefinition=definition,
        launchType="EC2",
        networkConfiguration=None,
    )
    (task,) = account.ecs.run_task(**request)["tasks"]
    assert (task["launchType"], task["containerInstanceArn"]) == ("EC2", registered)
    assert "platformVersion" not in task


class TestTaskDefinitions:
    def test_the_latest_active_revision_is_the_default(self, account):
        """Without a revision, a deregistered one is passed over."""
        first = account.register("family", {"name": account.container})
        second = account.register("family", {"name": account.container})
        assert account.describe(account.run(taskDefinition="family"))["taskDefinitionArn"].endswith(second)
        account.ecs.deregister_task_definition(taskDefinition=second)
        assert account.describe(account.run(taskDefinition="family"))["taskDefinitionArn"].endswith(first)

    def test_an_inactive_revision_is_refused(self, account):
        """A deregistered revision cannot be run by its number."""
        definition = account.register("gone", {"name": account.container})
        account.ecs.deregister_task_definition(taskDefinition=definition)
        request = account.request(taskDefinition=definition)
        assert refusal(account.ecs.run_task, **request) == (
            "InvalidParameterException",
            "TaskDefinition is inactive",
        )

    def test_arns_name_cluster_and_definition_as_well(self, account):
        """Names and ARNs mean the same."""
        task = account.describe(account.run())
        again = account.run(cluster=task["clusterArn"], taskDefinition=task["taskDefinitionArn"])
        assert account.describe(again)["taskDefinitionArn"] == task["taskDefinitionArn"]

    def test_a_definition_for_ec2_does_not_run_on_fargate(self, account):
        """The launch type has to be among the definition's."""
        definition = account.register(
            "ec2",
            {"name": account.container, "memory": 64},
            requiresCompatibilities=["EC2"],
            networkMode="bridge",
        )
        request = account.request(taskDefinition=definition, networkConfiguration=None)
        assert (
            refusal(account.ecs.run_task, **request)[1]
            == "Task definition does not support launch_type FARGATE."
        )


class TestClientToken:
    @pytest.fixture
    def token(self):
        return uuid.uuid4().hex

    def test_the_same_request_starts_one_task(self, account, token):
        """A token that comes again has the first answer, whatever became of the task."""
        request = account.request("true", clientToken=token)
        first = account.ecs.run_task(**request)
        account.wait(first["tasks"][0]["taskArn"])
        second = account.ecs.run_task(**request)
        assert (second["tasks"], second["failures"]) == (first["tasks"], first["failures"])
        assert [entry["clientToken"] for entry in account.fargate.ledger()].count(token) == 1

    def test_the_cluster_may_be_written_in_another_way(self, account, token):
        """Name and ARN of the cluster are the same parameter."""
        first = account.run(clientToken=token)
        arn = account.describe(first)["clusterArn"]
        assert account.run(clientToken=token, cluster=arn) == first

    @pytest.mark.parametrize(
        "members", [{"count": 2}, {"overrides": override(text="other")}, {"startedBy": "else"}]
    )
    def test_other_parameters_are_a_conflict(self, account, token, members):
        """ConflictException names the tasks that exist, and starts none."""
        first = account.run("true", clientToken=token)
        with pytest.raises(account.ecs.exceptions.ConflictException) as caught:
            account.ecs.run_task(**account.request("true", clientToken=token, **members))
        assert caught.value.response["resourceIds"] == [first]

    def test_another_cluster_is_another_scope(self, account, token):
        """The same token in another cluster starts another task."""
        account.ecs.create_cluster(clusterName="second", capacityProviders=["FARGATE"])
        assert account.run(clientToken=token) != account.run(clientToken=token, cluster="second")

    def test_failures_are_repeated(self, account, token):
        """A token whose request found no capacity gives the same failures, even when there is capacity."""
        account.fargate.configure(faults=[{"kind": "capacity", "times": 1}])
        request = account.request(clientToken=token)
        first = account.ecs.run_task(**request)
        assert first["tasks"] == []
        assert account.ecs.run_task(**request)["failures"] == first["failures"]
        assert account.run()

    def test_a_refused_request_uses_no_token(self, account, token):
        """After an error the same token may come with the corrected request."""
        request = account.request(clientToken=token)
        refusal(account.ecs.run_task, **request | {"startedBy": "a:b"})
        assert account.ecs.run_task(**request)["tasks"]

    def test_without_a_token_of_the_caller_every_call_starts_a_task(self, account):
        """Boto3 makes a new token for each call."""
        assert account.run() != account.run()
