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
"""What keeps data: logs, secrets, parameters, buckets and databases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tests.aws.services.answers import named, one, pairs

if TYPE_CHECKING:
    from tests.aws.services.answers import Client


def log_group(client: Client, physical_id: str) -> Mapping[str, Any]:
    logs = client("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix=physical_id)["logGroups"]
    found = one([group for group in groups if group["logGroupName"] == physical_id])
    tags = logs.list_tags_for_resource(resourceArn=found["arn"].removesuffix(":*"))["tags"]
    return found | {"Tags": pairs(tags), **named(found, RetentionInDays="retentionInDays")}


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
