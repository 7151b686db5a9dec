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
"""A small CloudFormation that answers botocore's clients: requests are held against AWS's model, nothing is sent."""

from __future__ import annotations

import datetime

import boto3
from botocore.exceptions import ClientError
from tools.aws.templates import ALL

#: What a stack's outputs are, where more than some text is asked of them.
OUTPUTS = {
    "FargateSection": "[fargate]",
    "SubnetIds": "subnet-1,subnet-2",
    "AssignPublicIp": "ENABLED",
    "VpcCidr": "10.0.0.0/16",
    "ClusterName": "airflow",
    "RepositoryUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/airflow",
}
NOW = datetime.datetime(2026, 11, 30, tzinfo=datetime.timezone.utc)
MAKES = ("CreateStack", "UpdateStack", "DeleteStack")


class FakeCloudFormation:
    """One account's stacks. ``end`` is the state that the next operation comes to, ``failure`` a resource's reason then."""

    def __init__(self, monkeypatch):
        self.stacks, self.events, self.calls, self.updates, self.made = {}, {}, [], [], []
        self.end, self.failure, self.denied, self.resources = None, None, {}, {}
        self.replacement = "False"
        self.client = boto3.client("cloudformation", region_name="us-east-1")
        monkeypatch.setattr(self.client, "_make_api_call", self._call)

    def sleep(self, _seconds):
        """Let CloudFormation come to the end of what it does."""
        for stack in self.stacks.values():
            if stack["StackStatus"].endswith("_IN_PROGRESS"):
                if self.failure:
                    self._event(
                        stack, "Cluster", stack["StackStatus"].split("_")[0] + "_FAILED", self.failure
                    )
                begun = stack["StackStatus"].split("_")[0]
                stack["StackStatus"] = self.end or f"{begun}_COMPLETE"
                self._event(stack, stack["StackName"], stack["StackStatus"])

    def add(self, name, status, **parameters):
        """Put a stack there."""
        self.stacks[name] = {
            "StackId": f"arn:{name}", "StackName": name, "StackStatus": status, "CreationTime": NOW,
            "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
            "Outputs": [
                {"OutputKey": output, "OutputValue": OUTPUTS.get(output, f"its {output}")}
                for template in ALL if name.endswith(f"-{template.kind}") for output in template.outputs
                if output != "DagsBucket" or parameters.get("Dags") == "bucket"
            ],
        }  # fmt: skip
        self.events[name] = []
        self._event(self.stacks[name], name, status)

    def _call(self, operation, request):
        model = self.client.meta.service_model.operation_model(operation)
        self.client._serializer.serialize_to_request(request, model)
        self.calls.append(operation)
        if code := self.denied.get(operation):
            raise ClientError({"Error": {"Code": code[0], "Message": code[1]}}, operation)
        answer = getattr(self, operation)(**request)
        if operation in MAKES:
            self.made.append(f"{operation} {request['StackName'].removeprefix('arn:')}")
        return answer

    def _find(self, name, operation="DescribeStacks"):
        for stack in self.stacks.values():
            if name in (stack["StackName"], stack["StackId"]):
                return stack
        said = f"Stack with id {name} does not exist"
        raise ClientError({"Error": {"Code": "ValidationError", "Message": said}}, operation)

    def _event(self, stack, resource, status, reason=""):
        type_ = "AWS::CloudFormation::Stack" if resource == stack["StackName"] else "AWS::ECS::Cluster"
        events = self.events[stack["StackName"]]
        events.insert(0, {
            "EventId": f"{stack['StackName']}-{len(events)}", "StackId": stack["StackId"], "StackName": stack["StackName"],
            "LogicalResourceId": resource, "ResourceType": type_, "ResourceStatus": status,
            "ResourceStatusReason": reason, "Timestamp": NOW, "PhysicalResourceId": "airflow",
        })  # fmt: skip

    def DescribeStacks(self, StackName):
        return {"Stacks": [self._find(StackName)]}

    def DescribeStackEvents(self, StackName, **_):
        return {"StackEvents": list(self.events[self._find(StackName)["StackName"]])}

    def ListStackResources(self, StackName, **_):
        return {"StackResourceSummaries": self.resources.get(self._find(StackName)["StackName"], [])}

    def CreateStack(self, StackName, Parameters, **_):
        self.add(
            StackName,
            "CREATE_IN_PROGRESS",
            **{p["ParameterKey"]: p["ParameterValue"] for p in Parameters},
        )
        return {}

    def UpdateStack(self, StackName, **request):
        if not self._differs(StackName, **request):
            said = "No updates are to be performed."
            raise ClientError({"Error": {"Code": "ValidationError", "Message": said}}, "UpdateStack")
        stack = self._find(StackName)
        self.updates.append(_given(request["Parameters"]))
        values = {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]} | self.updates[-1]
        stack["Parameters"] = [{"ParameterKey": k, "ParameterValue": v} for k, v in values.items()]
        stack["StackStatus"] = "UPDATE_IN_PROGRESS"
        self._event(stack, StackName, "UPDATE_IN_PROGRESS")
        return {}

    def _differs(self, StackName, Parameters, **_):
        self._find(StackName)
        return bool(_given(Parameters))

    def CreateChangeSet(self, **request):
        self.differs = self._differs(**request)
        return {"Id": "arn:change-set"}

    def DescribeChangeSet(self, **_):
        if not self.differs:
            return {"Status": "FAILED", "StatusReason": "The submitted information didn't contain changes."}
        change = {"Action": "Modify", "LogicalResourceId": "Cluster", "ResourceType": "AWS::ECS::Cluster"}
        change["Replacement"] = self.replacement
        return {"Status": "CREATE_COMPLETE", "Changes": [{"ResourceChange": change}]}

    def DeleteChangeSet(self, **_):
        return {}

    def DeleteStack(self, StackName):
        stack = self._find(StackName)
        stack["StackStatus"] = "DELETE_IN_PROGRESS"
        self._event(stack, stack["StackName"], "DELETE_IN_PROGRESS")
        return {}


def _given(parameters):
    return {p["ParameterKey"]: p["ParameterValue"] for p in parameters if "ParameterValue" in p}


class FakeAccount:
    """
    What else the commands ask of an account.

    ``images`` are the tags in the repository, ``has_role`` is whether ECS has its service-linked role, ``ecs_tasks`` are as
    DescribeTasks has them. ``subnets`` are the VPC and the Availability Zone of each, ``dns`` is what each VPC has of it.
    """

    def __init__(self, cloudformation):
        # ECS services, as DescribeServices has them.
        self.services = []
        self._cloudformation, self._clients = cloudformation, {}
        self.images, self.has_role, self.ecs_tasks, self.calls = set(), True, [], []
        self.subnets = {f"subnet-{n}": ("vpc-1", f"us-east-1{'ab'[n - 1]}") for n in (1, 2)}
        self.dns = {"enableDnsSupport", "enableDnsHostnames"}

    def client(self, service):
        """Return boto3's client of a service, without AWS behind it."""
        if service == "cloudformation":
            return self._cloudformation.client
        if service not in self._clients:
            client = self._clients[service] = boto3.client(service, region_name="us-east-1")
            client._make_api_call = lambda operation, request: self._call(client, operation, request)
        return self._clients[service]

    def _call(self, client, operation, request):
        client._serializer.serialize_to_request(request, client.meta.service_model.operation_model(operation))
        self.calls.append(operation)
        return getattr(self, operation)(**request)

    def GetRole(self, **_):
        if not self.has_role:
            raise ClientError({"Error": {"Code": "NoSuchEntity", "Message": "no role"}}, "GetRole")
        return {}

    def CreateServiceLinkedRole(self, **_):
        self.has_role = True
        return {}

    def DescribeVpcs(self, **_):
        vpcs = {vpc for vpc, _ in self.subnets.values()}
        return {"Vpcs": [{"VpcId": vpc, "CidrBlock": "172.31.0.0/16"} for vpc in vpcs]}

    def DescribeVpcAttribute(self, Attribute, **_):
        return {f"E{Attribute[1:]}": {"Value": Attribute in self.dns}}

    def DescribeSubnets(self, **_):
        found = self.subnets.items()
        return {"Subnets": [{"SubnetId": s, "VpcId": v, "AvailabilityZone": zone} for s, (v, zone) in found]}

    def DescribeImages(self, imageIds, **_):
        found = [one for one in imageIds if one["imageTag"] in self.images]
        if not found:
            raise ClientError({"Error": {"Code": "ImageNotFoundException", "Message": ""}}, "DescribeImages")
        return {"imageDetails": found}

    def ListTasks(self, **_):
        return {"taskArns": [ecs_task["taskArn"] for ecs_task in self.ecs_tasks]}

    def DescribeTasks(self, **_):
        return {"tasks": self.ecs_tasks}

    def DescribeServices(self, services, **_):
        return {"services": [one for one in self.services if one["serviceArn"] in services]}
