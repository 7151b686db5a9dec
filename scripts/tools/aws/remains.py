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
"""What a deployment leaves in ECS, and what AWS still lists by the deployment's tag."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from tools.aws.errors import DeploymentError
from tools.aws.stacks import TAG

#: The most that a call takes: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html and
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteTaskDefinitions.html
DESCRIBED, DELETED = 100, 10
#: Seconds between two looks, and how many: a container has up to two minutes to stop
#: (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html), and tags are listed a while
#: after what had them is gone.
PERIOD, LOOKS = 5.0, 36


def running(ecs: Any, cluster: str) -> list[dict[str, Any]]:
    """Return the ECS tasks of a cluster that are to run, as DescribeTasks has them; none where there is no cluster."""
    try:
        pages = list(ecs.get_paginator("list_tasks").paginate(cluster=cluster))
    except ecs.exceptions.ClusterNotFoundException:
        return []
    return _described(ecs, cluster, [arn for page in pages for arn in page["taskArns"]])


def stop_all(
    ecs: Any,
    cluster: str,
    sleep: Callable[[float], None] = time.sleep,
    families: Container[str] | None = None,
    reason: str = "the deployment is destroyed",
) -> int:
    """
    Stop the ECS tasks of a cluster, wait until they have stopped, and return how many there were.

    :param families: only those of these task definitions; None for all.
    """
    found = running(ecs, cluster)
    stopping = [task["taskArn"] for task in found if families is None or family(task) in families]
    for arn in stopping:
        ecs.stop_task(cluster=cluster, task=arn, reason=reason)
    for _ in range(LOOKS):
        if all(task["lastStatus"] == "STOPPED" for task in _described(ecs, cluster, stopping)):
            break
        sleep(PERIOD)
    return len(stopping)


def family(described: Mapping[str, Any]) -> str:
    """Return the family of an ECS task's task definition."""
    return str(described["taskDefinitionArn"]).rpartition("/")[2].partition(":")[0]


def delete_task_definitions(ecs: Any, arns: list[str]) -> None:
    """Deregister and delete revisions of task definitions; what is so already stays so."""
    for arn in arns:
        ecs.deregister_task_definition(taskDefinition=arn)
    for some in _in_parts(arns, DELETED):
        ecs.delete_task_definitions(taskDefinitions=some)


def delete_inactive(ecs: Any, family: str) -> None:
    """Delete the revisions of a task definition that a stack has deregistered, which ECS keeps otherwise."""
    for some in _in_parts(revisions(ecs, family, "INACTIVE"), DELETED):
        ecs.delete_task_definitions(taskDefinitions=some)


def delete_family(ecs: Any, family: str) -> None:
    """Deregister and delete all revisions of a task definition."""
    delete_task_definitions(ecs, revisions(ecs, family, "ACTIVE"))
    delete_inactive(ecs, family)


def revisions(ecs: Any, family: str, status: str) -> list[str]:
    """Return the ARNs of a task definition's revisions, ACTIVE or INACTIVE ones."""
    pages = ecs.get_paginator("list_task_definitions").paginate(familyPrefix=family, status=status)
    return [arn for page in pages for arn in page["taskDefinitionArns"]]


def tagged(tagging: Any, deployment: str) -> list[str]:
    """Return the ARNs that AWS lists by the deployment's tag; some of them may be gone already."""
    pages = tagging.get_paginator("get_resources").paginate(TagFilters=[{"Key": TAG, "Values": [deployment]}])
    return [found["ResourceARN"] for page in pages for found in page["ResourceTagMappingList"]]


def empty_bucket(s3: Any, bucket: str) -> int:
    """Delete all objects of a bucket, in all versions, and return how many there were; none where there is no bucket."""
    count = 0
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = page.get("Versions", []) + page.get("DeleteMarkers", [])
            keys = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            if keys:
                # A page has as many as this takes, 1000.
                answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
                for error in answer.get("Errors", ())[:1]:
                    raise DeploymentError(f"{bucket}: {error['Key']} cannot be deleted: {error['Message']!r}")
            count += len(keys)
    except s3.exceptions.NoSuchBucket:
        return 0
    return count


def is_kept(arn: str) -> bool:
    """Whether this is an automated backup of a database, which AWS keeps only where the parameter asks for that."""
    return ":auto-backup:" in arn


def is_gone(ecs: Any, arn: str) -> bool:
    """Whether what has this ARN is gone although its tag is listed; only what ECS keeps for a while can be told."""
    kind, _, rest = arn.split(":", 5)[5].partition("/")
    try:
        if kind == "cluster":
            found = ecs.describe_clusters(clusters=[arn])["clusters"]
            return all(cluster["status"] == "INACTIVE" for cluster in found)
        if kind == "task-definition":
            found = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
            return bool(found["status"] == "DELETE_IN_PROGRESS")
        if kind == "service":
            cluster = rest.partition("/")[0]
            services = ecs.describe_services(cluster=cluster, services=[arn])["services"]
            return all(service["status"] == "INACTIVE" for service in services)
        if kind == "task":
            return all(
                task["lastStatus"] == "STOPPED" for task in _described(ecs, rest.partition("/")[0], [arn])
            )
    except ClientError as error:
        return error.response["Error"]["Code"] in ("ClientException", "ClusterNotFoundException")
    return False


def _described(ecs: Any, cluster: str, arns: list[str]) -> list[dict[str, Any]]:
    return [
        task
        for some in _in_parts(arns, DESCRIBED)
        for task in ecs.describe_tasks(cluster=cluster, tasks=some)["tasks"]
    ]


def _in_parts(arns: list[str], most: int) -> Iterator[list[str]]:
    for first in range(0, len(arns), most):
        yield arns[first : first + most]
