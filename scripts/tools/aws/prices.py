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
What a deployment costs, in US dollars: examples, of US East (N. Virginia) in 2026.

They differ by Region and change; each has the page that has the present ones. Those that docs/executor/fargate-cost.rst has,
too, are the same there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Hours of a month, as AWS's own pages reckon: https://aws.amazon.com/calculator/
HOURS = 730

#: https://aws.amazon.com/vpc/pricing/: an hour of a NAT gateway, and of a public IPv4 address.
NAT_GATEWAY, ADDRESS = 0.045, 0.005
#: https://aws.amazon.com/privatelink/pricing/: an hour of an interface endpoint in one Availability Zone.
ENDPOINT = 0.01
#: https://aws.amazon.com/ecr/pricing/: a GB of images for a month.
IMAGES = 0.10
#: A GB of log lines, once: https://aws.amazon.com/cloudwatch/pricing/
LOG_LINES = 0.50
#: https://aws.amazon.com/fargate/pricing/: an hour of a vCPU and of a GB of memory, by the processor.
FARGATE = {"x86_64": (0.04048, 0.004445), "arm64": (0.03238, 0.00356)}
#: Up to so much Spot is cheaper, as the same page says.
SPOT_DISCOUNT = 0.7

#: What costs by use and not by the hour.
BY_USE = {
    "AWS::ECR::Repository": f"${IMAGES:.2f} a month for each GB of images",
    "AWS::Logs::LogGroup": f"${LOG_LINES:.2f} for each GB of log lines",
    "AWS::EC2::NatGateway": "$0.045 for each GB",
    "AWS::EC2::VPCEndpoint": "$0.01 for each GB",
}
#: What AWS does not bill, by the beginning of the type; public addresses are billed where something has one.
FREE = (
    "AWS::CloudFormation::",
    "AWS::EC2::DHCPOptions",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::Route",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::VPC",
    "AWS::ECS::Cluster",
    "AWS::ECS::TaskDefinition",
    "AWS::IAM::",
)


@dataclass(frozen=True)
class Cost:
    """What one resource costs."""

    hour: float | None
    """US dollars by the hour; None where this module does not know."""

    by_use: str = ""
    """What comes on top."""


def cost(resource: Mapping[str, Any]) -> Cost:
    """Return what a resource of a template costs."""
    type_ = resource["Type"]
    properties = resource.get("Properties", {})
    if type_ == "AWS::EC2::VPCEndpoint":
        if properties.get("VpcEndpointType", "Gateway") != "Interface":
            return Cost(0.0)
        zones = properties.get("SubnetIds")
        return Cost(ENDPOINT * (len(zones) if isinstance(zones, list) else 1), BY_USE[type_])
    hour = {"AWS::EC2::NatGateway": NAT_GATEWAY, "AWS::EC2::EIP": ADDRESS}.get(type_)
    if hour is None and (type_ in BY_USE or type_.startswith(FREE)):
        hour = 0.0
    return Cost(hour, BY_USE.get(type_, ""))


def hourly(resources: Iterable[Mapping[str, Any]]) -> float:
    """Return what resources cost by the hour together, those that are not known left out."""
    return sum(cost(resource).hour or 0.0 for resource in resources)


def ecs_task_hour(described: Mapping[str, Any]) -> float:
    """Return what an ECS task of DescribeTasks costs by the hour, without Spot's discount and without an address."""
    attributes = {a["name"]: a.get("value", "") for a in described.get("attributes", ())}
    vcpu, memory = FARGATE.get(attributes.get("ecs.cpu-architecture", ""), FARGATE["x86_64"])
    # In CPU units and MiB: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
    return int(described.get("cpu", 0)) / 1024 * vcpu + int(described.get("memory", 0)) / 1024 * memory


def shown(hour: float) -> str:
    """Return a cost by the hour, and by the month."""
    return f"${hour:.3f} an hour, ${hour * HOURS:.2f} a month" if hour else "nothing by the hour"
