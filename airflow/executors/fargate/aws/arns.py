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
"""Reads ARNs of ECS tasks, and makes links to the AWS console from names alone. Nothing is requested."""

from __future__ import annotations

import re
from urllib.parse import quote

#: The ARN of an ECS task. The format before 2018 does not contain the cluster.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html
TASK_ARN = re.compile(
    r"arn:(?P<partition>[^:/\s]+):ecs:(?P<region>[^:/\s]+):[^:/\s]*:task/(?:(?P<cluster>[^/\s]+)/)?(?P<id>[^/\s]+)"
)
#: The console's domain in each partition.
#: https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html
CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def ecs_task_id(arn: str) -> str:
    """Return the id of an ECS task: what follows the last slash of its ARN."""
    return arn.rpartition("/")[2]


def region(arn: str) -> str | None:
    """Return the Region in the ARN of an ECS task; None if it is not such an ARN."""
    parts = TASK_ARN.fullmatch(arn)
    return parts["region"] if parts else None


def cluster_name(arn: str, cluster: str = "") -> str:
    """
    Return the name of an ECS task's cluster, which is the same for each way to write the cluster.

    :param arn: of the ECS task. It contains the cluster's name, except in the old format.
    :param cluster: name or ARN; empty is AWS's ``default``.
    """
    parts = TASK_ARN.fullmatch(arn)
    return (parts and parts["cluster"]) or cluster.rpartition("/")[2] or "default"


def definition_arn(definition: str, arn: str) -> str:
    """
    Return the ARN of a task definition.

    :param definition: its ARN, or family and revision, as in ``airflow:7``.
    :param arn: of an ECS task that was launched with it.
    """
    return (
        definition
        if definition.startswith("arn:")
        else ":".join([*arn.split(":")[:5], f"task-definition/{definition}"])
    )


def log_link(arn: str, log_region: str, group: str, stream: str) -> str | None:
    """
    Return the address of a log stream in the AWS console; None if the partition's console is not known.

    :param arn: of the ECS task that writes to it; it contains the partition.
    :param log_region: of the log group, which can differ from the ECS task's.
    """
    console = _console(arn, log_region)
    log = f"log-groups/log-group/{_quote_twice(group)}/log-events/{_quote_twice(stream)}"
    return console and f"{console}/cloudwatch/home?region={log_region}#logsV2:{log}"


def whereabouts(arn: str, cluster: str = "default") -> str:
    """
    Return the id of an ECS task, and the address of its page in the AWS console, which ends the message.

    There is no address if it is not the ARN of an ECS task, or the partition's console is not known.

    :param cluster: name or ARN, for an ARN that does not contain the cluster.
    """
    link = ecs_task_link(arn, cluster)
    return f"ECS task {ecs_task_id(arn)}{f': {link}' if link else '.'}"


def ecs_task_link(arn: str, cluster: str = "default", tab: str = "configuration") -> str | None:
    """
    Return the address of an ECS task's page in the AWS console; None if there is none, as for :func:`whereabouts`.

    The console asks DescribeTasks, so it has the page until about an hour after the ECS task's end:
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html

    :param tab: of the page. ``logs`` shows what containers with the log driver ``awslogs`` have written.
    """
    own_region = region(arn)
    console = _console(arn, own_region)
    path = f"clusters/{quote(cluster_name(arn, cluster), safe='')}/tasks/{quote(ecs_task_id(arn), safe='')}"
    return console and f"{console}/ecs/v2/{path}/{tab}?region={own_region}"


def _console(arn: str, in_region: str | None) -> str | None:
    parts = TASK_ARN.fullmatch(arn)
    domain = parts and CONSOLES.get(parts["partition"])
    return f"https://{in_region}.{domain}" if domain else None


def _quote_twice(name: str) -> str:
    """Quote a name as the CloudWatch console does after its ``#``: twice, with ``$`` in place of ``%``."""
    return quote(quote(name, safe=""), safe="").replace("%", "$")
