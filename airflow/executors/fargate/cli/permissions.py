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
The permissions of the executor, each verified, refused, or not to be tested without starting something. Pure.

The list is that of the documentation, ``docs/executor/fargate-security.rst``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from airflow.executors.fargate.cli.checks import FAILED, OK, REFUSED, UNKNOWN, Row, told
from airflow.executors.fargate.cli.definition_checks import roles

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.account import Answer
    from airflow.executors.fargate.cli.facts import Facts

#: What a call brings that was allowed and then found nothing.
FOUND_NOTHING = ("ResourceNotFoundException",)


def check_permissions(facts: Facts) -> Iterable[Row]:
    """Each permission, in the order of a container's life."""
    kinds = [facts, *facts.queues.values()]
    definitions = dict.fromkeys(str((one.request or {}).get("taskDefinition")) for one in kinds)
    yield _untested("ecs:RunTask", f"it would start a container of {', '.join(definitions)}")
    passed = dict.fromkeys(role for one in kinds for role in roles(one))
    if passed:
        yield _untested("iam:PassRole", f"AWS looks when a container is started with {', '.join(passed)}")
    if any((one.request or {}).get("tags") for one in kinds):
        yield _untested("ecs:TagResource", "AWS looks when a container is started with tags")
    yield _tested("ecs:ListTasks", facts.list_tasks, "adoption after a restart")
    yield _tested("ecs:DescribeTasks", facts.describe_tasks, "following the containers")
    yield _untested("ecs:StopTask", "it would stop a container")
    if facts.task_definition is not None and facts.task_definition.error in (None, *REFUSED):
        yield _tested("ecs:DescribeTaskDefinition", facts.task_definition, "finding a container's log")
    if facts.log_events is not None:
        yield _tested("logs:GetLogEvents", facts.log_events, "showing a container's log")


def _untested(action: str, why: str) -> Row:
    return Row(action, UNKNOWN, f"not testable: {why}", f"See that the role allows {action}; run a task")


def _tested(action: str, answer: Answer, use: str) -> Row:
    if answer.error is None or answer.error in FOUND_NOTHING:
        return Row(action, OK, "allowed")
    if answer.error in REFUSED:
        return Row(action, FAILED, f"refused: {answer.message or answer.error}", f"Allow {action}, for {use}")
    return Row(action, UNKNOWN, told(answer), "See the rows above")
