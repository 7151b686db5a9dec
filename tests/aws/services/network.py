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
"""Networks, load balancers and names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.aws.services.answers import named, one

if TYPE_CHECKING:
    from tests.aws.services.answers import Client, Lookup


def vpc(client: Client, physical_id: str) -> Mapping[str, Any]:
    ec2 = client("ec2")
    found = one(ec2.describe_vpcs(VpcIds=[physical_id])["Vpcs"])
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        attribute = name[0].lower() + name[1:]
        found[name] = ec2.describe_vpc_attribute(VpcId=physical_id, Attribute=attribute)[name]["Value"]
    return found


def of_ec2(operation: str, ids: str, answer: str, **names: str) -> Lookup:
    """Return the lookup of what EC2 tells in CloudFormation's own names, and some in others."""

    def look(client: Client, physical_id: str) -> Mapping[str, Any]:
        found = one(getattr(client("ec2"), operation)(**{ids: [physical_id]})[answer])
        return found | named(found, **names)

    return look


def gateway_attachment(client: Client, physical_id: str) -> Mapping[str, Any]:
    vpc_id = physical_id.rpartition("|")[2]
    by_vpc = [{"Name": "attachment.vpc-id", "Values": [vpc_id]}]
    found = one(client("ec2").describe_internet_gateways(Filters=by_vpc)["InternetGateways"])
    return {"VpcId": one(found["Attachments"])["VpcId"], "InternetGatewayId": found["InternetGatewayId"]}


def route(client: Client, physical_id: str) -> Mapping[str, Any]:
    table_id, destination = physical_id.split("|")
    table = one(client("ec2").describe_route_tables(RouteTableIds=[table_id])["RouteTables"])
    found = one([route for route in table["Routes"] if route.get("DestinationCidrBlock") == destination])
    return found | {"RouteTableId": table_id}


def route_table_association(client: Client, physical_id: str) -> Mapping[str, Any]:
    tables = client("ec2").describe_route_tables()["RouteTables"]
    every = [association for table in tables for association in table["Associations"]]
    return one([found for found in every if found["RouteTableAssociationId"] == physical_id])


def security_group(client: Client, physical_id: str) -> Mapping[str, Any]:
    found = one(client("ec2").describe_security_groups(GroupIds=[physical_id])["SecurityGroups"])
    return found | {
        "GroupDescription": found["Description"],
        "SecurityGroupIngress": rules(found["IpPermissions"], "SourceSecurityGroupId"),
        "SecurityGroupEgress": rules(found["IpPermissionsEgress"], "DestinationSecurityGroupId"),
    }


def rules(permissions: list[dict[str, Any]], group: str) -> list[dict[str, Any]]:
    """Return one rule for each range or group of EC2's permissions."""
    found = []
    for permission in permissions:
        ports = {
            name: permission[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in permission
        }
        found += [ports | given for given in permission["IpRanges"]]
        found += [ports | pair | {group: pair["GroupId"]} for pair in permission["UserIdGroupPairs"]]
    return found


def vpc_endpoint(client: Client, physical_id: str) -> Mapping[str, Any]:
    found = one(client("ec2").describe_vpc_endpoints(VpcEndpointIds=[physical_id])["VpcEndpoints"])
    return found | {"SecurityGroupIds": [group["GroupId"] for group in found.get("Groups", [])]}


def namespace(client: Client, physical_id: str) -> Mapping[str, Any]:
    discovery = client("servicediscovery")
    found = discovery.get_namespace(Id=physical_id)["Namespace"]
    zone = found["Properties"]["DnsProperties"]["HostedZoneId"]
    vpcs = client("route53").get_hosted_zone(Id=zone).get("VPCs", [])
    tags = discovery.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"]
    return found | {"Vpc": one(vpcs)["VPCId"] if vpcs else None, "Tags": tags}


def discovered_service(client: Client, physical_id: str) -> Mapping[str, Any]:
    discovery = client("servicediscovery")
    found = discovery.get_service(Id=physical_id)["Service"]
    return found | {"Tags": discovery.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"]}


def elb_tags(client: Client, arn: str) -> list[dict[str, str]]:
    return one(client("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"])["Tags"]


def load_balancer(client: Client, physical_id: str) -> Mapping[str, Any]:
    elb = client("elbv2")
    found = one(elb.describe_load_balancers(LoadBalancerArns=[physical_id])["LoadBalancers"])
    return found | {
        "Name": found["LoadBalancerName"],
        "Subnets": [zone["SubnetId"] for zone in found["AvailabilityZones"]],
        "LoadBalancerAttributes": elb.describe_load_balancer_attributes(LoadBalancerArn=physical_id)[
            "Attributes"
        ],
        "Tags": elb_tags(client, physical_id),
    }


def target_group(client: Client, physical_id: str) -> Mapping[str, Any]:
    elb = client("elbv2")
    found = one(elb.describe_target_groups(TargetGroupArns=[physical_id])["TargetGroups"])
    return found | {
        "Name": found["TargetGroupName"],
        "TargetGroupAttributes": elb.describe_target_group_attributes(TargetGroupArn=physical_id)[
            "Attributes"
        ],
        "Tags": elb_tags(client, physical_id),
    }


def listener(client: Client, physical_id: str) -> Mapping[str, Any]:
    found = one(client("elbv2").describe_listeners(ListenerArns=[physical_id])["Listeners"])
    return found | {"Tags": elb_tags(client, physical_id)}


def listener_rule(client: Client, physical_id: str) -> Mapping[str, Any]:
    found = one(client("elbv2").describe_rules(RuleArns=[physical_id])["Rules"])
    listener_arn = physical_id.replace(":listener-rule/", ":listener/").rpartition("/")[0]
    return found | {"ListenerArn": listener_arn, "Tags": elb_tags(client, physical_id)}
