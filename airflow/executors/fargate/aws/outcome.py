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
Classifies answers to RunTask, and ECS tasks that DescribeTasks returns. Pure.

``classify.py`` classifies errors.

A launch ends with its main container. If nothing was started, AWS's words decide whether the launch waits,
uses its fallback or uses up an attempt (``explanations.py``). The same words count in an answer to RunTask and
in a stopped ECS task.
Sources: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws import explanations
from airflow.executors.fargate.aws.explanations import Statement, explain, verdict_of
from airflow.executors.fargate.aws.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.answers import Answer, Container, EcsTask

#: What AWS says if the ECS task stopped only because a container ended: the stop code, and the reason.
ROUTINE = ("", "EssentialContainerExited", "Essential container in task exited")


def classify_run_task(answer: Answer) -> Outcome:
    """Classify an answer to RunTask. Without an ECS task and without a failure, the outcome is unknown."""
    if answer.tasks:
        ecs_task = answer.tasks[0]
        return Outcome(Verdict.ACCEPTED, arn=ecs_task.arn, task_definition=ecs_task.task_definition)
    if answer.failures:
        failure = answer.failures[0]
        statements = [Statement(": ".join(filter(None, (failure.reason, failure.detail))))]
        return Outcome(_verdict_if_nothing_started(statements), explain(statements))
    return Outcome(Verdict.UNKNOWN, "AWS answered with neither an ECS task nor a failure")


def classify_ecs_task(task: EcsTask, container_name: str) -> Outcome:
    """
    Classify an ECS task of a DescribeTasks answer by its main container.

    The main container's exit code decides as soon as that container has stopped, even if other containers
    still run or the ECS task is not stopped yet.

    :param container_name: of the main container.
    """
    stopped = task.last_status in ("STOPPED", "DELETED")
    container = task.container(container_name)
    if _never_started(task, container):
        container = replace(container, exit_code=None)
    started = task.has_started or container.exit_code is not None or _must_have_run(task, container)
    if not stopped and (container.exit_code is None or container.last_status != "STOPPED"):
        definition = task.task_definition
        return Outcome(Verdict.LIVE, "", task.arn, started, task_definition=definition, usage=task.usage)
    return _classify_end(task, container, started)


def _classify_end(task: EcsTask, container: Container, started: bool) -> Outcome:
    """Classify an ECS task that has stopped, or whose main container has ended with an exit code."""
    code, statements = container.exit_code, _statements(task, container)
    if code == 0:
        notable = [part for part in statements if part.words not in ROUTINE]
        # From Airflow 3.0 on, the exit code is also 0 if the task's own process was killed.
        details = f"{explain(notable)}{_other_codes(task, container)}"
        note = f"Container {container.name} exited with code 0. {details}" if notable else ""
        return Outcome(
            Verdict.FINISHED, "", task.arn, True, task.ended_at, task.task_definition, note, task.usage
        )
    # The exit code explains the end only if AWS names no other cause.
    explanation = explain(statements, code if task.stop_code in ROUTINE else None)
    explanation += _other_codes(task, container)
    if not started:
        # Whoever stops an ECS task wants the launch to end, so no other attempt follows.
        verdict = Verdict.FAILED if _stopped_by_user(task) else _verdict_if_nothing_started(statements)
        reason = f"Container {container.name} never started. {explanation}"
        return Outcome(verdict, reason, task.arn, usage=task.usage)
    how, ended_at = f"Container {container.name} exited with code {code}.", task.ended_at
    if code is None:
        how, ended_at = f"Container {container.name} ended without an exit code.", None
    reason = f"{how} {explanation}"
    return Outcome(Verdict.FAILED, reason, task.arn, True, ended_at, task.task_definition, usage=task.usage)


def _never_started(task: EcsTask, container: Container) -> bool:
    """
    Tell whether AWS says that the container never started.

    Then an exit code is ignored. ECS records 143 for a container whose dependsOn can never be met:
    https://github.com/aws/amazon-ecs-agent/pull/3218
    """
    is_alone = not _others(task, container) and not _stopped_by_user(task)
    reason = container.reason or (task.stopped_reason if is_alone else "")
    return not task.has_started and explanations.leading_word(reason) in explanations.NEVER_STARTED


def _must_have_run(task: EcsTask, container: Container) -> bool:
    """
    Tell whether the container must have run, though AWS sends neither its exit code nor a start time.

    The stop code says that an essential container has ended. If no other container has an exit code, it may
    have been the main container. It may have run user code, so it must not be launched again. Exceptions: the
    container has a reason (it could not be started), or the ECS task's reason is that of Spot.
    """
    has_ended = task.stop_code == "EssentialContainerExited" and not container.reason and not _is_spot(task)
    return has_ended and all(other.exit_code is None for other in _others(task, container))


def _verdict_if_nothing_started(statements: Sequence[Statement]) -> Verdict:
    verdict = verdict_of(statements) or Verdict.LAUNCH_AGAIN
    # RunTask itself was not throttled: AWS answered it, or accepted the ECS task.
    return Verdict.AWAY if verdict is Verdict.THROTTLED else verdict


def _statements(task: EcsTask, container: Container) -> list[Statement]:
    """Return what AWS says about the end of an ECS task, the main container's reason first."""
    # A user may give any reason to StopTask.
    quoted = _stopped_by_user(task) and task.stopped_reason != explanations.STOPPED_BY_COMMAND
    of_others = [Statement(other.reason, other.name) for other in _others(task, container) if other.reason]
    # AWS often sends a container's reason as the ECS task's, too. It is shown once, with the container's
    # name.
    repeated = task.stopped_reason in (container.reason, *(part.words for part in of_others))
    reason = Statement("" if repeated else task.stopped_reason, quoted=quoted)
    statements = (Statement(container.reason), Statement(task.stop_code), reason, *of_others)
    return [part for part in statements if part.words]


def _stopped_by_user(task: EcsTask) -> bool:
    return task.stop_code == "UserInitiated" and not _is_spot(task)


def _is_spot(task: EcsTask) -> bool:
    """Tell whether Spot capacity was taken back. AWS says so with several stop codes, or with none."""
    return task.stopped_reason.rstrip(".") == explanations.SPOT_INTERRUPTED


def _others(task: EcsTask, container: Container) -> list[Container]:
    return [other for other in task.containers if other.name != container.name]


def _other_codes(task: EcsTask, container: Container) -> str:
    """Return a sentence with the exit codes of the other containers; empty if there are none."""
    others = _others(task, container)
    codes = [f"{one.name} {'none' if one.exit_code is None else one.exit_code}" for one in others]
    return f" Exit codes of the other containers: {', '.join(codes)}." if codes else ""
