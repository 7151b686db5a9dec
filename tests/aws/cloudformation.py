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

TEMPLATE = """
Parameters:
  DeploymentName: {Type: String}
  VpcId: {Type: String, Description: The VPC}
  SubnetIds: {Type: CommaDelimitedList}
  ImageX86: {Type: String, Default: ""}
  ImageTag: {Type: String, Default: latest}
  Kind: {Type: String, Default: public}
Conditions:
  IsPublic: !Equals [!Ref Kind, public]
  IsPrivate: !Not [!Condition IsPublic]
Resources:
  Cluster: {Type: "AWS::ECS::Cluster"}
  Endpoint:
    Type: AWS::EC2::VPCEndpoint
    Condition: IsPrivate
    Properties: {VpcEndpointType: Interface, SubnetIds: [!Ref A, !Ref B]}
Outputs:
  FargateSection: {Value: !Sub "[fargate]"}
"""
NOW = datetime.datetime(2026, 11, 30, tzinfo=datetime.timezone.utc)


class FakeCloudFormation:
    """One account's stacks. ``end`` is the state that the next operation comes to, ``failure`` a resource's reason then."""

    def __init__(self, monkeypatch):
        self.stacks, self.events, self.calls = {}, {}, []
        self.end, self.failure, self.denied = None, None, {}
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
            "Outputs": [{"OutputKey": "FargateSection", "OutputValue": "[fargate]"}],
        }  # fmt: skip
        self.events[name] = []
        self._event(self.stacks[name], name, status)

    def _call(self, operation, request):
        model = self.client.meta.service_model.operation_model(operation)
        self.client._serializer.serialize_to_request(request, model)
        self.calls.append(operation)
        if code := self.denied.get(operation):
            raise ClientError({"Error": {"Code": code[0], "Message": code[1]}}, operation)
        return getattr(self, operation)(**request)

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
        return {"StackResourceSummaries": []}

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
        stack["StackStatus"] = "UPDATE_IN_PROGRESS"
        self._event(stack, StackName, "UPDATE_IN_PROGRESS")
        return {}

    def _differs(self, StackName, Parameters, **_):
        self._find(StackName)
        return any("ParameterValue" in parameter for parameter in Parameters)

    def CreateChangeSet(self, **request):
        self.differs = self._differs(**request)
        return {"Id": "arn:change-set"}

    def DescribeChangeSet(self, **_):
        if not self.differs:
            return {"Status": "FAILED", "StatusReason": "The submitted information didn't contain changes."}
        change = {"Action": "Modify", "LogicalResourceId": "Cluster", "ResourceType": "AWS::ECS::Cluster"}
        return {"Status": "CREATE_COMPLETE", "Changes": [{"ResourceChange": change}]}

    def DeleteChangeSet(self, **_):
        return {}

    def DeleteStack(self, StackName):
        stack = self._find(StackName)
        stack["StackStatus"] = "DELETE_IN_PROGRESS"
        self._event(stack, stack["StackName"], "DELETE_IN_PROGRESS")
        return {}
