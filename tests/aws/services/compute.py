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
"""What runs containers: ECS, ECR, and the roles that they have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.aws.services.answers import named, one

if TYPE_CHECKING:
    from tests.aws.services.answers import Client


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
