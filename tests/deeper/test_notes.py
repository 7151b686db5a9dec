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

from __future__ import annotations

import pytest

from airflow.executors.fargate.notes import (
    NotedEcsTask,
    ecs_task_text,
    launched_text,
    moment_in,
    noted_ecs_task,
    with_moment,
)

ARN = "arn:aws:ecs:eu-west-1:123456789012:task/airflow/0123456789abcdef0123456789abcdef"
OLD_ARN = "arn:aws-iso:ecs:us-iso-east-1:123456789012:task/0123-45.67"
DEFINITION = "arn:aws:ecs:eu-west-1:123456789012:task-definition/airflow:7"


@pytest.mark.parametrize("attempt", [0, 1, 2, 12])
@pytest.mark.parametrize(
    ("ecs_task", "noted"),
    [
        ((ARN, "airflow", DEFINITION, "main"), NotedEcsTask(ARN, "airflow:7", "main")),
        ((ARN, "airflow", "airflow:7", "main"), NotedEcsTask(ARN, "airflow:7", "main")),
        ((ARN, "airflow", "", "main"), NotedEcsTask(ARN, "", "main")),
        ((ARN, "airflow", DEFINITION), NotedEcsTask(ARN, "airflow:7")),
        ((ARN, ""), NotedEcsTask(ARN)),
        # Without a cluster, and of a partition without a link.
        ((OLD_ARN, "airflow"), NotedEcsTask(OLD_ARN)),
        ((OLD_ARN, "", DEFINITION, "main"), NotedEcsTask(OLD_ARN, "airflow:7", "main")),
    ],
)
def test_what_is_noted_is_read(attempt, ecs_task, noted):
    """What a note says of an ECS task is read from it again."""
    assert noted_ecs_task(launched_text(attempt, ecs_task_text(*ecs_task))) == noted


def test_text():
    """All that is known is said, and the link comes last."""
    assert launched_text(2, ecs_task_text(ARN, "airflow", DEFINITION, "main")) == (
        f"Attempt 2: launched {ARN} (task definition airflow:7, container main). "
        "ECS task 0123456789abcdef0123456789abcdef: https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/"
        "airflow/tasks/0123456789abcdef0123456789abcdef/configuration?region=eu-west-1"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        # By a release that noted no ARN.
        "Launched ECS task 0123: https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/a/tasks/0123",
        f"AWS no longer knows the ECS task {ARN} (DescribeTasks: MISSING). ECS task 0123.",
        f'AWS said: "Launched {ARN}. ECS task 0123."',
        "Launched arn:aws:ecs:eu-west-1:123456789012:cluster/airflow. ECS task airflow.",
    ],
)
def test_other_notes_tell_of_none(text):
    """Only a note on a launch or an adoption counts, not one that names an ECS task."""
    assert noted_ecs_task(text) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (with_moment("Started after 41 s", 1041.9), 1041.0),
        ("Started after 41 s.", None),
        ("Ran, at 2026-01-01 00:00:00 UTC. And more.", None),
        ("Stopped, at 2026-13-41 25:61:00 UTC.", None),
    ],
)
def test_moment_is_read(text, moment):
    """In whole seconds."""
    assert moment_in(text) == moment
