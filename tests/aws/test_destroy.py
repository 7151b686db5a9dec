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
"""What destroy stops and deletes, and with what it ends where AWS still lists something."""

from __future__ import annotations

import io

import boto3
import pytest
from rich.console import Console
from tools.aws import remains
from tools.aws.destroy import Destroy
from tools.aws.errors import DeploymentError
from tools.aws.place import Place
from tools.aws.stacks import Stacks

from tests.aws.cloudformation import FakeCloudFormation

ECS = "arn:aws:ecs:us-east-1:123456789012"
BUCKET = "arn:aws:s3:::airflow-dags"
HERE = Place("123456789012", "eu-west-1", "arn:aws:iam::123456789012:user/one")
BACKUP = "arn:aws:rds:us-east-1:123456789012:auto-backup:ab-1"


class FakeEcs:
    """ECS, and the tags that are left; answers are by operation."""

    def __init__(self, tagged=()):
        self.tagged, self.running, self.calls = list(tagged), [f"{ECS}:task/airflow/1"], []
        self.objects = [
            {"Key": "dags/one.py", "VersionId": "null"},
            {"Key": "dags/two.py", "VersionId": "null"},
        ]
        self.definitions = {
            f"{ECS}:task-definition/airflow-task:1": "INACTIVE",
            f"{ECS}:task-definition/airflow-scheduler:1": "INACTIVE",
            f"{ECS}:task-definition/airflow-verify:1": "ACTIVE",
            f"{ECS}:task-definition/airflow-verify-trial:1": "INACTIVE",
        }

    def client(self, service):
        client = boto3.client(service, region_name="us-east-1")
        client._make_api_call = lambda operation, request: self.call(client, operation, request)
        return client

    def call(self, client, operation, request):
        client._serializer.serialize_to_request(request, client.meta.service_model.operation_model(operation))
        self.calls.append(operation)
        return getattr(self, operation)(**request)

    def ListTasks(self, **_):
        return {"taskArns": list(self.running)}

    def DescribeTasks(self, tasks, **_):
        return {
            "tasks": [
                {"taskArn": arn, "lastStatus": "RUNNING" if arn in self.running else "STOPPED"}
                for arn in tasks
            ]
        }

    def StopTask(self, task, **_):
        self.running.remove(task)
        return {}

    def ListTaskDefinitions(self, familyPrefix, status, **_):
        listed = [
            arn for arn, its in self.definitions.items() if f"/{familyPrefix}:" in arn and its == status
        ]
        return {"taskDefinitionArns": listed}

    def DeregisterTaskDefinition(self, taskDefinition):
        self.definitions[taskDefinition] = "INACTIVE"
        return {}

    def DeleteTaskDefinitions(self, taskDefinitions):
        assert all(self.definitions.pop(arn) == "INACTIVE" for arn in taskDefinitions)
        return {}

    def DescribeClusters(self, **_):
        return {"clusters": [{"status": "INACTIVE"}]}

    def DescribeServices(self, **_):
        return {"services": [{"status": "INACTIVE"}]}

    def ListObjectVersions(self, **_):
        return {"Versions": list(self.objects)}

    def DeleteObjects(self, Delete, **_):
        self.objects = [one for one in self.objects if one not in Delete["Objects"]]
        return {}

    def GetResources(self, **_):
        return {"ResourceTagMappingList": [{"ResourceARN": arn} for arn in self.tagged]}


@pytest.fixture
def service(monkeypatch):
    fake = FakeCloudFormation(monkeypatch)
    for name in ("airflow-network", "airflow-tasks", "airflow-airflow", "airflow-verify"):
        fake.add(name, "CREATE_COMPLETE")
    bucket = {
        "LogicalResourceId": "Bucket",
        "ResourceType": "AWS::S3::Bucket",
        "ResourceStatus": "CREATE_COMPLETE",
    }
    fake.resources["airflow-airflow"] = [bucket | {"PhysicalResourceId": "airflow-dags"}]
    return fake


def destroy(service, ecs, agrees=True):
    """Run the command, and return its exit code and what it printed."""
    printed = io.StringIO()
    console = Console(file=printed, width=200)
    stacks = Stacks(
        service.client, lambda event: console.print(event.logical_id, event.status), service.sleep
    )
    code = Destroy("airflow", ecs.client, stacks, console, HERE, lambda _: None).run(lambda: agrees)
    return code, printed.getvalue()


def test_the_last_stack_goes_first_and_its_ecs_tasks_before_it(service):
    """Deregistered revisions go, too, and what trials have left; a second run finds nothing and ends with 0, too."""
    ecs = FakeEcs()
    code, printed = destroy(service, ecs)
    assert code == 0
    kinds = ("verify", "airflow", "tasks", "network")
    assert service.made == [f"DeleteStack airflow-{kind}" for kind in kinds]
    assert ecs.running == []
    assert ecs.definitions == {}
    assert printed.endswith("Nothing is left in eu-west-1.\n")
    code, printed = destroy(service, ecs)
    assert code == 0
    assert printed == (
        "There is no deployment airflow in eu-west-1 of account 123456789012.\nNothing is left in eu-west-1.\n"
    )


def test_without_a_stack_what_else_is_the_deployments_goes(service):
    """Nobody is asked."""
    service.stacks.clear()
    ecs = FakeEcs()
    assert destroy(service, ecs, agrees=False)[0] == 0
    assert ecs.definitions == {}


@pytest.mark.parametrize(
    ("tagged", "code"),
    [
        # ECS keeps both for a while.
        ([f"{ECS}:cluster/airflow", f"{ECS}:task/airflow/2", f"{ECS}:service/airflow/airflow-scheduler"], 0),
        ([BUCKET], 1),
    ],
)
def test_what_is_left_is_said(service, tagged, code):
    ended, printed = destroy(service, FakeEcs(tagged))
    assert ended == code
    assert (BUCKET in printed) == bool(code)


def test_a_bucket_is_emptied_before_its_stack_goes(service):
    """In all versions; a bucket that was given is in no stack."""
    ecs = FakeEcs()
    _, printed = destroy(service, ecs)
    assert ecs.objects == []
    assert printed.index("Objects deleted in airflow-dags: 2") < printed.index(
        "airflow-airflow DELETE_COMPLETE"
    )


def test_an_object_that_cannot_be_deleted_is_named(service):
    ecs = FakeEcs()
    ecs.DeleteObjects = lambda **_: {"Errors": [{"Key": "dags/one.py", "Message": "Access Denied"}]}
    with pytest.raises(DeploymentError, match="airflow-dags: dags/one.py cannot be deleted: 'Access Denied'"):
        destroy(service, ecs)
    assert service.made == ["DeleteStack airflow-verify"]


def test_backups_that_are_kept_are_said(service):
    """Before and after; they are no failure. So is the role that is the account's."""
    service.add("airflow-airflow", "CREATE_COMPLETE", KeepDatabaseBackups="true")
    code, printed = destroy(service, FakeEcs([BACKUP]))
    assert "automated backups stay for DatabaseBackupDays" in printed
    assert "AWSServiceRoleForECS, which is the account's" in printed
    assert (code, printed.count(BACKUP)) == (0, 1)


@pytest.mark.parametrize(("keeps", "says"), [("true", 1), ("false", 0)])
def test_the_key_of_kept_backups_is_to_be_copied_before(service, keeps, says):
    """The command is whole, and shown before the question."""
    service.add("airflow-airflow", "CREATE_COMPLETE", KeepDatabaseBackups=keeps)
    code, printed = destroy(service, FakeEcs(), agrees=False)
    copies = "aws secretsmanager get-secret-value --region eu-west-1 --secret-id airflow/composed --query SecretString"
    assert (code, service.made) == (1, [])
    assert (printed.count("Copy the secret airflow/composed first"), printed.count(copies)) == (says, says)


def test_nothing_is_deleted_without_consent(service):
    ecs = FakeEcs()
    assert destroy(service, ecs, agrees=False)[0] == 1
    assert (len(ecs.running), len(ecs.objects)) == (1, 2)
    assert service.made == []


def test_a_stack_that_cannot_be_deleted_says_why(service):
    """The stacks that it stands on stay."""
    service.end, service.failure = "DELETE_FAILED", "resource sg-1 has a dependent object"
    with pytest.raises(DeploymentError, match="Something outside of the deployment uses it"):
        destroy(service, FakeEcs())
    assert service.calls.count("DeleteStack") == 1


def test_ecs_tasks_that_do_not_stop_do_not_hold_it_for_ever():
    """The stack says then what is in the way."""
    ecs = FakeEcs()
    ecs.StopTask = lambda **_: {}
    waits = []
    remains.stop_all(ecs.client("ecs"), "airflow", waits.append)
    assert len(waits) == remains.LOOKS
