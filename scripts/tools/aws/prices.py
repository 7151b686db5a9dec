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

from collections.abc import Callable, Mapping
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
#: An hour of a PostgreSQL instance, by its class, and a GB of its gp3 storage for a month; a standby costs the same again.
#: https://aws.amazon.com/rds/postgresql/pricing/, as https://infratally.com/articles/aws-rds-pricing-explained-2026.html has it
DATABASE = {"db.t4g.micro": 0.016, "db.t4g.small": 0.032, "db.t4g.medium": 0.065}
DATABASE_STORAGE = 0.115
#: https://aws.amazon.com/elasticloadbalancing/pricing/: an hour of an Application Load Balancer, and an LCU-hour.
LOAD_BALANCER, LOAD_BALANCER_UNIT = 0.0225, 0.008
#: https://aws.amazon.com/secrets-manager/pricing/ and https://aws.amazon.com/route53/pricing/: a month of a secret and a zone.
SECRET, ZONE = 0.40, 0.50
#: A GB for a month: https://aws.amazon.com/s3/pricing/
OBJECTS = 0.023
#: Up to so much Spot is cheaper, as the same page says.
SPOT_DISCOUNT = 0.7

#: What costs by use and not by the hour.
BY_USE = {
    "AWS::ECR::Repository": f"${IMAGES:.2f} a month for each GB of images",
    "AWS::Logs::LogGroup": f"${LOG_LINES:.2f} for each GB of log lines",
    "AWS::S3::Bucket": f"${OBJECTS} a month for each GB",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": f"${LOAD_BALANCER_UNIT} for each LCU-hour",
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
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "AWS::IAM::",
    "AWS::RDS::DBSubnetGroup",
    "AWS::SSM::Parameter",
    "AWS::ServiceDiscovery::Service",
)


@dataclass(frozen=True)
class Cost:
    """What one resource costs."""

    hour: float | None
    """US dollars by the hour; None where this module does not know."""

    by_use: str = ""
    """What comes on top."""


def costs(resources: Mapping[str, Mapping[str, Any]]) -> dict[str, Cost]:
    """Return what each resource of a stack costs, by logical name; ``Template.resources`` returns them so."""
    return {name: _cost(resource, resources) for name, resource in resources.items()}


def hourly(resources: Mapping[str, Mapping[str, Any]]) -> float:
    """Return what the resources of a stack cost by the hour together, those that are not known left out."""
    return sum(cost.hour or 0.0 for cost in costs(resources).values())


def _cost(resource: Mapping[str, Any], resources: Mapping[str, Mapping[str, Any]]) -> Cost:
    type_, properties = resource["Type"], resource.get("Properties", {})
    if type_ == "AWS::ECS::Service":
        definition = resources[properties["TaskDefinition"]["Ref"]]["Properties"]
        return Cost(_service_hour(properties, definition))
    if type_ == "AWS::EC2::VPCEndpoint" and properties.get("VpcEndpointType") != "Interface":
        return Cost(0.0)
    if type_ in HOUR:
        return Cost(HOUR[type_](properties), BY_USE.get(type_, ""))
    return Cost(0.0 if type_ in BY_USE or type_.startswith(FREE) else None, BY_USE.get(type_, ""))


def _service_hour(service: Mapping[str, Any], definition: Mapping[str, Any]) -> float:
    """Return what the ECS tasks of a service cost by the hour, with their addresses."""
    hour = fargate_hour(
        int(definition["Cpu"]), int(definition["Memory"]), definition["RuntimePlatform"]["CpuArchitecture"]
    )
    network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
    return int(service["DesiredCount"]) * (hour + ADDRESS * (network["AssignPublicIp"] == "ENABLED"))


def _endpoint_hour(endpoint: Mapping[str, Any]) -> float:
    return ENDPOINT * _zones(endpoint, "SubnetIds")


def _database_hour(database: Mapping[str, Any]) -> float | None:
    hour = DATABASE.get(database["DBInstanceClass"])
    storage = int(database["AllocatedStorage"]) * DATABASE_STORAGE / HOURS
    return None if hour is None else (hour + storage) * (1 + bool(database["MultiAZ"]))


def _load_balancer_hour(load_balancer: Mapping[str, Any]) -> float:
    """Return its price, with that of its addresses if they are public, one in each subnet."""
    is_public = load_balancer["Scheme"] == "internet-facing"
    return LOAD_BALANCER + ADDRESS * is_public * _zones(load_balancer, "Subnets")


def _zones(resource: Mapping[str, Any], subnets: str) -> int:
    found = resource.get(subnets)
    return len(found) if isinstance(found, list) else 1


#: What costs by the hour: what returns it, of the resource's properties.
HOUR: Mapping[str, Callable[[Mapping[str, Any]], float | None]] = {
    "AWS::EC2::EIP": lambda _: ADDRESS,
    "AWS::EC2::NatGateway": lambda _: NAT_GATEWAY,
    "AWS::EC2::VPCEndpoint": _endpoint_hour,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _load_balancer_hour,
    "AWS::RDS::DBInstance": _database_hour,
    "AWS::SecretsManager::Secret": lambda _: SECRET / HOURS,
    "AWS::ServiceDiscovery::PrivateDnsNamespace": lambda _: ZONE / HOURS,
}


def fargate_hour(cpu: int, memory: int, architecture: str) -> float:
    """
    Return what an ECS task costs by the hour.

    :param cpu: in CPU units, https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
    :param memory: in MiB
    """
    of_vcpu, of_gb = FARGATE.get(architecture.lower(), FARGATE["x86_64"])
    return cpu / 1024 * of_vcpu + memory / 1024 * of_gb


def ecs_task_hour(described: Mapping[str, Any]) -> float:
    """Return what an ECS task of DescribeTasks costs by the hour, without Spot's discount and without an address."""
    attributes = {a["name"]: a.get("value", "") for a in described.get("attributes", ())}
    architecture = attributes.get("ecs.cpu-architecture", "")
    return fargate_hour(int(described.get("cpu", 0)), int(described.get("memory", 0)), architecture)


def shown(hour: float) -> str:
    """Return a cost by the hour, and by the month."""
    return f"${hour:.3f} an hour, ${hour * HOURS:.2f} a month" if hour else "nothing by the hour"
