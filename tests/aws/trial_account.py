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
"""An account with a deployment, in which an ECS task writes given lines: botocore's clients, and nothing is sent."""

from __future__ import annotations

import io
import json

import boto3
from botocore.exceptions import ClientError
from rich.console import Console
from tools.aws.options import parse
from tools.aws.stacks import Stacks
from tools.aws.verifying.command import Verify

from tests.aws.cloudformation import NOW, FakeCloudFormation

ACCOUNT = "000011112222"
ECS = f"arn:aws:ecs:us-east-1:{ACCOUNT}"
PARAMETERS = {
    "DeploymentName": "airflow", "VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2", "AssignPublicIp": "ENABLED",
    "LogRetentionDays": "14",
    "TaskCpu": "512", "TaskMemory": "2048", "Architecture": "X86_64", "ExecutionApiUrl": "http://api:8080/execution/",
    "DatabaseSecretArn": "",
}  # fmt: skip
OUTPUTS = {
    "ClusterName": "airflow", "TaskDefinition": "airflow-task", "ContainerName": "airflow", "SecurityGroupId": "sg-1",
    "RepositoryUri": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/airflow", "LogGroupName": "/ecs/airflow",
    "SchedulerPolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/airflow-scheduler",
    "VerifySecurityGroupId": "sg-2", "VerifyTaskRoleArn": f"arn:aws:iam::{ACCOUNT}:role/airflow-verify",
}  # fmt: skip
DEFINITION = {
    "taskDefinitionArn": f"{ECS}:task-definition/airflow-task:3", "family": "airflow-task", "revision": 3,
    "status": "ACTIVE", "cpu": "512", "memory": "2048", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
    "containerDefinitions": [{
        "name": "airflow", "image": "i:1", "environment": [{"name": "A", "value": "b"}],
        "secrets": [{"name": "DATABASE", "valueFrom": "arn:of-a-secret"}],
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/airflow"}},
    }],
}  # fmt: skip


class FakeStacks(FakeCloudFormation):
    """CloudFormation whose stacks have the outputs that the command reads."""

    def add(self, name, status, **parameters):
        super().add(name, status, **parameters)
        stack = self.stacks[name]
        stack["StackId"] = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/{name}/1"
        stack["Outputs"] = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()]


class Account:
    """
    One account.

    :param script: what happens from look to look: lines that the scheduler's ECS task writes, or an exception. After that
        it stops.
    """

    def __init__(self, monkeypatch, *script):
        self.cloudformation = FakeStacks(monkeypatch)
        self.cloudformation.add("airflow-tasks", "CREATE_COMPLETE", **PARAMETERS)
        self.definitions, self.calls, self.refusals = {}, [], {}
        # One of the deployment's own.
        self.running = {f"{ECS}:task/airflow/own": f"{ECS}:task-definition/airflow-task:3"}
        self.lines, self._script = [], list(script)
        self.secrets = set()

    def client(self, service):
        if service == "cloudformation":
            return self.cloudformation.client
        client = boto3.client(service, region_name="us-east-1")
        client._make_api_call = lambda operation, request: self._call(client, operation, request)
        return client

    def sleep(self, _seconds):
        """Let some time pass."""
        self.cloudformation.sleep(_seconds)
        if not any("airflow-verify:" in definition for definition in self.running.values()):
            return
        happens = self._script.pop(0) if self._script else None
        if isinstance(happens, BaseException):
            raise happens
        if happens is None:
            self.running = {arn: name for arn, name in self.running.items() if "airflow-verify:" not in name}
        self.lines += happens or []

    def _call(self, client, operation, request):
        client._serializer.serialize_to_request(request, client.meta.service_model.operation_model(operation))
        self.calls.append((operation, request))
        if refusal := self.refusals.get(operation):
            raise ClientError({"Error": {"Code": refusal[0], "Message": refusal[1]}}, operation)
        return getattr(self, operation)(client, **request)

    def DescribeTaskDefinition(self, _, taskDefinition):
        assert taskDefinition == "airflow-task"
        return {"taskDefinition": DEFINITION}

    def RegisterTaskDefinition(self, _, family, **_rest):
        self.definitions[f"{ECS}:task-definition/{family}:1"] = "ACTIVE"
        return {}

    def ListTaskDefinitions(self, _, familyPrefix, status):
        listed = [
            arn for arn, its in self.definitions.items() if f"/{familyPrefix}:" in arn and its == status
        ]
        return {"taskDefinitionArns": listed}

    def DeregisterTaskDefinition(self, _, taskDefinition):
        self.definitions[taskDefinition] = "INACTIVE"
        return {}

    def DeleteTaskDefinitions(self, _, taskDefinitions):
        assert all(self.definitions.pop(arn) == "INACTIVE" for arn in taskDefinitions)
        return {}

    def RunTask(self, _, taskDefinition, overrides, **_rest):
        arn = f"{ECS}:task/airflow/{len(self.calls)}"
        self.running[arn] = f"{ECS}:task-definition/{taskDefinition}:1"
        variables = [v for each in overrides["containerOverrides"] for v in each["environment"]]
        self.secrets = {v["value"] for v in variables if v["name"] == "POSTGRES_PASSWORD"}
        return {"tasks": [{"taskArn": arn}], "failures": []}

    def ListTasks(self, _, **_rest):
        return {"taskArns": list(self.running)}

    def DescribeTasks(self, _, tasks, **_rest):
        return {"tasks": [self._described(arn) for arn in tasks]}

    def _described(self, arn):
        if arn in self.running:
            return {"taskArn": arn, "taskDefinitionArn": self.running[arn], "lastStatus": "RUNNING"}
        return {
            "taskArn": arn, "taskDefinitionArn": "gone", "lastStatus": "STOPPED", "cpu": "4096", "memory": "8192",
            "stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
            "pullStartedAt": NOW, "stoppedAt": NOW, "containers": [{"name": "scheduler", "exitCode": 137}],
        }  # fmt: skip

    def StopTask(self, _, task, **_rest):
        del self.running[task]
        return {}

    def GetLogEvents(self, client, logStreamName, nextToken="0", **_rest):
        if not self.lines:
            raise client.exceptions.ResourceNotFoundException({"Error": {}}, "GetLogEvents")
        assert logStreamName.startswith("verify/scheduler/")
        events = [{"message": line} for line in self.lines[int(nextToken) :]]
        return {"events": events, "nextForwardToken": str(len(self.lines))}


def line(kind, **rest):
    """Return a line of the protocol."""
    return "VERIFY " + json.dumps({"kind": kind, **rest})


def trial(name, verdict="as expected", **rest):
    """Return the line of a trial."""
    words = {
        "title": f"The trial {name}",
        "expected": "this",
        "seen": "that",
        "seconds": 41.3,
        "ecs_tasks": [],
    }
    return line("trial", trial=name, verdict=verdict, **{**words, **rest})


def verify(account, *options, agrees=True):
    """Run the command, and return its exit code and what it printed."""
    printed = io.StringIO()
    console = Console(file=printed, width=200)
    stacks = Stacks(account.client("cloudformation"), lambda _: None, account.sleep)
    given = parse("verify", options, None)
    code = Verify(given, account.client, stacks, console, lambda _: agrees, account.sleep).run()
    return code, printed.getvalue()
