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
What AWS's services say of a resource, each by its own API, in the names of the resource's properties in CloudFormation.

Each function takes a factory of boto3 clients and the physical id, and returns properties and attributes. The case of
a name's letters counts for nothing. Missing is raised for what is not there, or is there no longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tests.aws.services import compute, network, storage

if TYPE_CHECKING:
    from tests.aws.services.answers import Client, Lookup


class Missing(Exception):
    """A service does not know a resource."""


def look_up(client: Client, kind: str, physical_id: str) -> Mapping[str, Any]:
    """Return what the service of this type of resource says of one."""
    try:
        return LOOKUPS[kind](client, physical_id)
    except (ClientError, ValueError) as error:
        raise Missing(f"{kind} {physical_id}: {error}") from error


#: How each type of resource is looked up.
LOOKUPS: Mapping[str, Lookup] = {
    "AWS::EC2::VPC": network.vpc,
    "AWS::EC2::InternetGateway": network.of_ec2(
        "describe_internet_gateways", "InternetGatewayIds", "InternetGateways"
    ),
    "AWS::EC2::VPCGatewayAttachment": network.gateway_attachment,
    "AWS::EC2::Subnet": network.of_ec2("describe_subnets", "SubnetIds", "Subnets"),
    "AWS::EC2::RouteTable": network.of_ec2("describe_route_tables", "RouteTableIds", "RouteTables"),
    "AWS::EC2::Route": network.route,
    "AWS::EC2::SubnetRouteTableAssociation": network.route_table_association,
    "AWS::EC2::SecurityGroup": network.security_group,
    "AWS::EC2::VPCEndpoint": network.vpc_endpoint,
    "AWS::ECS::Cluster": compute.cluster,
    "AWS::ECS::TaskDefinition": compute.task_definition,
    "AWS::ECS::Service": compute.service,
    "AWS::IAM::Role": compute.role,
    "AWS::IAM::ManagedPolicy": compute.managed_policy,
    "AWS::IAM::Policy": compute.inline_policy,
    "AWS::Logs::LogGroup": storage.log_group,
    "AWS::ECR::Repository": compute.repository,
    "AWS::SecretsManager::Secret": storage.secret,
    "AWS::S3::Bucket": storage.bucket,
    "AWS::SSM::Parameter": storage.parameter,
    "AWS::ServiceDiscovery::PrivateDnsNamespace": network.namespace,
    "AWS::ServiceDiscovery::Service": network.discovered_service,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": network.load_balancer,
    "AWS::ElasticLoadBalancingV2::TargetGroup": network.target_group,
    "AWS::ElasticLoadBalancingV2::Listener": network.listener,
    "AWS::ElasticLoadBalancingV2::ListenerRule": network.listener_rule,
    "AWS::RDS::DBSubnetGroup": storage.db_subnet_group,
    "AWS::RDS::DBInstance": storage.db_instance,
}
