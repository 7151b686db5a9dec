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
"""Links to the AWS console are made from an ARN."""

from __future__ import annotations

import pytest

from airflow.executors.fargate.aws.arns import ecs_task_id, log_link, region, whereabouts

ID = "0123456789abcdef0123456789abcdef"


AWS = "https://{region}.console.aws.amazon.com"
PAGE = "/ecs/v2/clusters/{cluster}/tasks/{id}/configuration?region={region}"


@pytest.mark.parametrize(
    ("arn", "cluster", "link"),
    [
        (
            f"arn:aws:ecs:eu-west-1:123456789012:task/airflow/{ID}",
            "another",
            (AWS + PAGE).format(region="eu-west-1", cluster="airflow", id=ID),
        ),
        (
            f"arn:aws-cn:ecs:cn-north-1:123456789012:task/airflow/{ID}",
            "airflow",
            "https://cn-north-1.console.amazonaws.cn"
            + PAGE.format(region="cn-north-1", cluster="airflow", id=ID),
        ),
        (
            f"arn:aws-us-gov:ecs:us-gov-west-1:123456789012:task/airflow/{ID}",
            "airflow",
            "https://us-gov-west-1.console.amazonaws-us-gov.com"
            + PAGE.format(region="us-gov-west-1", cluster="airflow", id=ID),
        ),
        # From before 2018, without the cluster.
        (
            f"arn:aws:ecs:us-east-1:123456789012:task/{ID}",
            "arn:aws:ecs:us-east-1:123456789012:cluster/fleet",
            (AWS + PAGE).format(region="us-east-1", cluster="fleet", id=ID),
        ),
        (
            f"arn:aws:ecs:us-east-1:123456789012:task/{ID}",
            "default",
            (AWS + PAGE).format(region="us-east-1", cluster="default", id=ID),
        ),
        # A partition whose console is not known, and texts that are not ARNs of ECS tasks.
        (f"arn:aws-iso:ecs:us-iso-east-1:123456789012:task/airflow/{ID}", "airflow", None),
        ("arn:aws:ecs:us-east-1:123456789012:cluster/airflow", "airflow", None),
        ("arn:aws:ecs:us-east-1:123456789012:task/a/b c", "airflow", None),
        ("", "airflow", None),
    ],
)
def test_link_to_an_ecs_task(arn, cluster, link):
    """
    It is in the partition's console and in the ECS task's Region. Without a console, there is no link.

    It comes last, so no other text can become part of it.
    """
    assert whereabouts(arn, cluster) == (
        f"ECS task {ecs_task_id(arn)}: {link}" if link else f"ECS task {ecs_task_id(arn)}."
    )


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (f"arn:aws:ecs:eu-west-1:123456789012:task/airflow/{ID}", "eu-west-1"),
        ("arn:aws:ecs:eu-west-1:123456789012:cluster/airflow", None),
    ],
)
def test_region(arn, expected):
    """The Region of an ECS task is in its ARN."""
    assert region(arn) == expected


def test_link_to_a_log():
    """Names are quoted as the console does. The log can be in another Region than the ECS task."""
    arn = f"arn:aws:ecs:eu-west-1:123456789012:task/airflow/{ID}"
    assert log_link(arn, "eu-central-1", "/ecs/my airflow", f"ecs/airflow/{ID}") == (
        "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1"
        f"#logsV2:log-groups/log-group/$252Fecs$252Fmy$2520airflow/log-events/ecs$252Fairflow$252F{ID}"
    )
    assert log_link("arn:aws-iso:ecs:x:1:task/a/b", "x", "group", "stream") is None
