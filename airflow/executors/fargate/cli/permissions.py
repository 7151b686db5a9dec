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
The checks of the executor's permissions; some cannot be tested without starting an ECS task. Pure.

The documentation lists the permissions: ``docs/executor/fargate-security.rst``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow.executors.fargate.cli.checks import ADVICE, FAILED, OK, REFUSED, UNKNOWN, Row, describe_error
from airflow.executors.fargate.cli.definition_checks import roles

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.facts import Answer, Facts

#: What to do if another row says more.
ABOVE = "See the rows above"
#: Results, the worst last.
BY_WEIGHT = (OK, ADVICE, UNKNOWN, FAILED)
#: The errors of a call that is allowed and finds nothing.
FOUND_NOTHING = ("ResourceNotFoundException",)


def check_permissions(facts: Facts) -> Iterable[Row]:
    """Check each permission, in the order of an ECS task's life; of several answers the worst counts."""
    kinds = [facts, *facts.queues.values()]
    definitions = dict.fromkeys(str((one.request or {}).get("taskDefinition")) for one in kinds)
    yield _untested("ecs:RunTask", f"it would start an ECS task of {', '.join(definitions)}")
    yield _check_pass_role(kinds)
    yield _check_tag_resource(kinds)
    yield _check_by_cluster("ecs:ListTasks", facts.list_tasks, "adoption after a restart")
    yield _check_by_cluster("ecs:DescribeTasks", facts.describe_tasks, "following the ECS tasks")
    yield _untested("ecs:StopTask", "it would stop an ECS task")
    yield worst(
        _tested("ecs:DescribeTaskDefinition", one.task_definition, "finding the log of an ECS task")
        if one.task_definition
        else Row("ecs:DescribeTaskDefinition", UNKNOWN, "not tested: no task definition is named", ABOVE)
        for one in kinds
    )
    yield worst(map(_check_get_log_events, kinds))


def worst(rows: Iterable[Row]) -> Row:
    """Return the row with the worst result, the first of several."""
    return max(rows, key=lambda row: BY_WEIGHT.index(row.result))


def _check_pass_role(kinds: list[Facts]) -> Row:
    action = "iam:PassRole"
    passed = dict.fromkeys(role for one in kinds for role in roles(one))
    if passed:
        return _untested(action, f"AWS checks it when an ECS task is started with {', '.join(passed)}")
    if not all(one.request and one.definition for one in kinds):
        return _untested(action, "the task definition, which names the roles, is not known")
    return Row(action, OK, "not needed: the task definitions name no roles")


def _check_tag_resource(kinds: list[Facts]) -> Row:
    action = "ecs:TagResource"
    if any((one.request or {}).get("tags") for one in kinds):
        return _untested(action, "AWS checks it when an ECS task is started with tags")
    if not all(one.request for one in kinds):
        return _untested(action, "there is no request, so it is not known whether it has tags")
    return Row(action, OK, "not needed: the requests have no tags")


def _check_get_log_events(facts: Facts) -> Row:
    action = "logs:GetLogEvents"
    if facts.log_events is not None:
        return _tested(action, facts.log_events, "showing the log of an ECS task")
    if facts.container_definition is None:
        return Row(action, UNKNOWN, "not tested: the log of the container is not known", ABOVE)
    if facts.awslogs is not None:
        return Row(action, UNKNOWN, "not tested: the log of the container has no group", ABOVE)
    return Row(action, OK, "not needed: the container does not write to CloudWatch")


def _untested(action: str, why: str) -> Row:
    return Row(action, UNKNOWN, f"not testable: {why}", f"Check that the role allows {action}; run a task")


def _check_by_cluster(action: str, answers: Mapping[str, Answer], use: str) -> Row:
    """Return the row of the cluster with the worst answer; it is named if there are several."""
    rows = {cluster: _tested(action, answer, use) for cluster, answer in answers.items()}
    several = len(rows) > 1
    return worst(
        replace(row, found=f"{row.found} (cluster {cluster})") if several and row.result != OK else row
        for cluster, row in rows.items()
    )


def _tested(action: str, answer: Answer, use: str) -> Row:
    if answer.error is None or answer.error in FOUND_NOTHING:
        return Row(action, OK, "allowed")
    if answer.error in REFUSED:
        return Row(action, FAILED, f"refused: {answer.message or answer.error}", f"Allow {action}, for {use}")
    return Row(action, UNKNOWN, f"not tested: {describe_error(answer)}", ABOVE)
