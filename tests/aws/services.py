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

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

Client = Callable[[str], Any]
Lookup = Callable[[Client, str], Mapping[str, Any]]


class Missing(Exception):
    """A service does not know a resource."""


def look_up(client: Client, kind: str, physical_id: str) -> Mapping[str, Any]:
    """Return what the service of this type of resource says of one."""
    try:
        return LOOKUPS[kind](client, physical_id)
    except (ClientError, ValueError) as error:
        raise Missing(f"{kind} {physical_id}: {error}") from error


def one(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the only one of a list; ValueError where it has none or several, or where its status says it is gone."""
    (only,) = found
    if only.get("status") in ("INACTIVE", "DRAINING") or only.get("State") == "deleted":
        raise ValueError("is gone")
    return only


def named(values: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """Return some values by other names, with the names that CloudFormation has for them."""
    return {cloudformations: values[name] for cloudformations, name in names.items() if name in values}


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


def cluster(client: Client, physical_id: str) -> Mapping[str, Any]:
    asked = {"clusters": [physical_id], "include": ["TAGS", "SETTINGS", "CONFIGURATIONS"]}
    found = one(client("ecs").describe_clusters(**asked)["clusters"])
    return found | named(found, Arn="clusterArn", ClusterSettings="settings")


def task_definition(client: Client, physical_id: str) -> Mapping[str, Any]:
    found = client("ecs").describe_task_definition(taskDefinition=physical_id, include=["TAGS"])
    return one([found["taskDefinition"]]) | {"Tags": found.get("tags", [])}


def service(client: Client, physical_id: str) -> Mapping[str, Any]:
    cluster_name = physical_id.split("/")[-2]
    asked = {"cluster": cluster_name, "services": [physical_id], "include": ["TAGS"]}
    found = one(client("ecs").describe_services(**asked)["services"])
    return found | {"Cluster": cluster_name, "Name": found["serviceName"]}


def role(client: Client, physical_id: str) -> Mapping[str, Any]:
    iam, name = client("iam"), {"RoleName": physical_id}
    names = iam.list_role_policies(**name)["PolicyNames"]
    attached = iam.list_attached_role_policies(**name)["AttachedPolicies"]
    return iam.get_role(**name)["Role"] | {
        "Policies": [iam.get_role_policy(**name, PolicyName=policy) for policy in names],
        "ManagedPolicyArns": [policy["PolicyArn"] for policy in attached],
    }


def managed_policy(client: Client, physical_id: str) -> Mapping[str, Any]:
    iam = client("iam")
    found = iam.get_policy(PolicyArn=physical_id)["Policy"]
    version = iam.get_policy_version(PolicyArn=physical_id, VersionId=found["DefaultVersionId"])
    roles = iam.list_entities_for_policy(PolicyArn=physical_id)["PolicyRoles"]
    return found | {
        "ManagedPolicyName": found["PolicyName"],
        "PolicyDocument": version["PolicyVersion"]["Document"],
        "Roles": [role["RoleName"] for role in roles],
    }


def inline_policy(client: Client, physical_id: str) -> Mapping[str, Any]:
    """Look at all roles for those that have it; the id is the policy's name."""
    iam = client("iam")
    names = [role["RoleName"] for role in iam.list_roles()["Roles"]]
    roles = [name for name in names if physical_id in iam.list_role_policies(RoleName=name)["PolicyNames"]]
    if not roles:
        raise ValueError("no role has it")
    found = [iam.get_role_policy(RoleName=name, PolicyName=physical_id) for name in roles]
    documents = [policy["PolicyDocument"] for policy in found]
    if any(document != documents[0] for document in documents):
        raise ValueError("roles have it with different documents")
    return {"PolicyName": physical_id, "PolicyDocument": documents[0], "Roles": roles}


def log_group(client: Client, physical_id: str) -> Mapping[str, Any]:
    logs = client("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix=physical_id)["logGroups"]
    found = one([group for group in groups if group["logGroupName"] == physical_id])
    tags = logs.list_tags_for_resource(resourceArn=found["arn"].removesuffix(":*"))["tags"]
    return found | {"Tags": pairs(tags), **named(found, RetentionInDays="retentionInDays")}


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def repository(client: Client, physical_id: str) -> Mapping[str, Any]:
    ecr = client("ecr")
    found = one(ecr.describe_repositories(repositoryNames=[physical_id])["repositories"])
    found["Arn"] = found["repositoryArn"]
    found["Tags"] = ecr.list_tags_for_resource(resourceArn=found["Arn"])["tags"]
    try:
        found["LifecyclePolicy"] = ecr.get_lifecycle_policy(repositoryName=physical_id)
    except ecr.exceptions.LifecyclePolicyNotFoundException:
        pass
    return found


def secret(client: Client, physical_id: str) -> Mapping[str, Any]:
    secrets = client("secretsmanager")
    found = secrets.describe_secret(SecretId=physical_id)
    if found.get("DeletedDate"):
        raise ValueError("is gone")
    text = secrets.get_secret_value(SecretId=physical_id)["SecretString"]
    generated = {"PasswordLength": len(text), "ExcludePunctuation": text.isalnum()}
    return found | {"SecretString": text, "GenerateSecretString": generated}


def bucket(client: Client, physical_id: str) -> Mapping[str, Any]:
    s3, name = client("s3"), {"Bucket": physical_id}
    s3.head_bucket(**name)
    encryption = s3.get_bucket_encryption(**name)["ServerSideEncryptionConfiguration"]["Rules"]
    found = {
        "BucketName": physical_id,
        "Arn": f"arn:aws:s3:::{physical_id}",
        "PublicAccessBlockConfiguration": s3.get_public_access_block(**name)[
            "PublicAccessBlockConfiguration"
        ],
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": rule["ApplyServerSideEncryptionByDefault"]}
                for rule in encryption
            ]
        },
        "VersioningConfiguration": s3.get_bucket_versioning(**name),
    }
    try:
        found["Tags"] = s3.get_bucket_tagging(**name)["TagSet"]
    except ClientError:  # NoSuchTagSet
        pass
    return found


def parameter(client: Client, physical_id: str) -> Mapping[str, Any]:
    ssm = client("ssm")
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=physical_id)["TagList"]
    return ssm.get_parameter(Name=physical_id)["Parameter"] | {
        "Tags": {tag["Key"]: tag["Value"] for tag in tags}
    }


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


def db_subnet_group(client: Client, physical_id: str) -> Mapping[str, Any]:
    rds = client("rds")
    found = one(rds.describe_db_subnet_groups(DBSubnetGroupName=physical_id)["DBSubnetGroups"])
    return found | {
        "SubnetIds": [subnet["SubnetIdentifier"] for subnet in found["Subnets"]],
        "Tags": rds.list_tags_for_resource(ResourceName=found["DBSubnetGroupArn"])["TagList"],
    }


def db_instance(client: Client, physical_id: str) -> Mapping[str, Any]:
    found = one(client("rds").describe_db_instances(DBInstanceIdentifier=physical_id)["DBInstances"])
    return found | {
        "DBSubnetGroupName": found["DBSubnetGroup"]["DBSubnetGroupName"],
        "VPCSecurityGroups": [group["VpcSecurityGroupId"] for group in found["VpcSecurityGroups"]],
        "Tags": found["TagList"],
    }


#: How each type of resource is looked up.
LOOKUPS: Mapping[str, Lookup] = {
    "AWS::EC2::VPC": vpc,
    "AWS::EC2::InternetGateway": of_ec2(
        "describe_internet_gateways", "InternetGatewayIds", "InternetGateways"
    ),
    "AWS::EC2::VPCGatewayAttachment": gateway_attachment,
    "AWS::EC2::Subnet": of_ec2("describe_subnets", "SubnetIds", "Subnets"),
    "AWS::EC2::RouteTable": of_ec2("describe_route_tables", "RouteTableIds", "RouteTables"),
    "AWS::EC2::Route": route,
    "AWS::EC2::SubnetRouteTableAssociation": route_table_association,
    "AWS::EC2::SecurityGroup": security_group,
    "AWS::EC2::VPCEndpoint": vpc_endpoint,
    "AWS::ECS::Cluster": cluster,
    "AWS::ECS::TaskDefinition": task_definition,
    "AWS::ECS::Service": service,
    "AWS::IAM::Role": role,
    "AWS::IAM::ManagedPolicy": managed_policy,
    "AWS::IAM::Policy": inline_policy,
    "AWS::Logs::LogGroup": log_group,
    "AWS::ECR::Repository": repository,
    "AWS::SecretsManager::Secret": secret,
    "AWS::S3::Bucket": bucket,
    "AWS::SSM::Parameter": parameter,
    "AWS::ServiceDiscovery::PrivateDnsNamespace": namespace,
    "AWS::ServiceDiscovery::Service": discovered_service,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": load_balancer,
    "AWS::ElasticLoadBalancingV2::TargetGroup": target_group,
    "AWS::ElasticLoadBalancingV2::Listener": listener,
    "AWS::ElasticLoadBalancingV2::ListenerRule": listener_rule,
    "AWS::RDS::DBSubnetGroup": db_subnet_group,
    "AWS::RDS::DBInstance": db_instance,
}
