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
"""Where a container and its log are to be seen in the AWS console; made of names alone, nothing is asked."""

from __future__ import annotations

import re
from urllib.parse import quote

#: A task's ARN; an old one, from before 2018, does not name the cluster.
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


def task_id(arn: str) -> str:
    """Return the id of an ECS task, which is how people name a container; of what is no ARN, all of it."""
    return arn.rpartition("/")[2]


def region(arn: str) -> str | None:
    """Return the Region in the ARN of an ECS task; None of what is none."""
    known = TASK_ARN.fullmatch(arn)
    return known["region"] if known else None


def cluster_name(arn: str, cluster: str = "") -> str:
    """
    Return the name of an ECS task's cluster, by which each of its spellings is known to the calls.

    :param arn: of the ECS task; it names the cluster, but for an old one.
    :param cluster: name or ARN; empty is AWS's ``default``.
    """
    known = TASK_ARN.fullmatch(arn)
    return (known and known["cluster"]) or task_id(cluster) or "default"


def container_link(arn: str, cluster: str = "default") -> str | None:
    """
    Return the address of the container's page in the AWS console.

    :param arn: of an ECS task.
    :param cluster: name or ARN, for an ARN that does not name its cluster.
    :return: None where the ARN is none, or of a partition whose console is not known.
    """
    known = TASK_ARN.fullmatch(arn)
    if known is None or known["partition"] not in CONSOLES:
        return None
    name = known["cluster"] or task_id(cluster)
    return (
        f"{_console(known['partition'], known['region'])}/ecs/v2/clusters/{quote(name, safe='')}"
        f"/tasks/{quote(known['id'], safe='')}/configuration?region={known['region']}"
    )


def log_link(arn: str, log_region: str, group: str, stream: str) -> str | None:
    """
    Return the address of a log stream in the AWS console; None where the partition's console is not known.

    :param arn: of the ECS task that writes it; it tells the partition.
    :param log_region: of the log group, which can be another than the task's.
    """
    known = TASK_ARN.fullmatch(arn)
    if known is None or known["partition"] not in CONSOLES:
        return None
    return (
        f"{_console(known['partition'], log_region)}/cloudwatch/home?region={log_region}"
        f"#logsV2:log-groups/log-group/{_twice_quoted(group)}/log-events/{_twice_quoted(stream)}"
    )


def whereabouts(arn: str, cluster: str = "default") -> str:
    """Name a container, and say where to see it: what a reason ends with, so that the link comes last."""
    link = container_link(arn, cluster)
    return f"Container {task_id(arn)}: {link}" if link else f"Container {task_id(arn)}."


def launched(arn: str, cluster: str, attempt: int) -> str:
    """Tell that a container was launched: the attempt where it is not the first, and where to see it."""
    again = f"Attempt {attempt}: launched" if attempt > 1 else "Launched"
    return f"{again} in a container of its own. {whereabouts(arn, cluster)}"


def _console(partition: str, in_region: str) -> str:
    return f"https://{in_region}.{CONSOLES[partition]}"


def _twice_quoted(name: str) -> str:
    """Quote a name as the console of CloudWatch does after its ``#``: twice, with a dollar sign for the percent."""
    return quote(quote(name, safe=""), safe="").replace("%", "$")
