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
What AWS's answers mean: to RunTask, and to DescribeTasks about one ECS task; pure. ``classify.py`` has the errors.

Nobody's exit code but the main container's ends a launch. Whether a launch for which nothing was started waits, falls back
or uses up an attempt is told by AWS's words, in whichever answer they stand (``explanations.py``).
Sources: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.explanations import NEVER_STARTED, SPOT_INTERRUPTED, STOPPED_BY_COMMAND
from airflow.executors.fargate.aws.said import Said, explain, leading_word, verdict_of
from airflow.executors.fargate.aws.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.answers import Answer, Container, EcsTask

#: What AWS says where nothing but a container's own end has ended the ECS task.
USUAL_STOP_CODES = ("", "EssentialContainerExited")
USUAL_REASONS = ("", "Essential container in task exited")


def classify_run_task(answer: Answer) -> Outcome:
    """Judge the answer to RunTask; one that names neither an ECS task nor a failure leaves it in doubt."""
    for task in answer.tasks:
        return Outcome(Verdict.ACCEPTED, arn=task.arn)
    for failure in answer.failures:
        said = [Said(": ".join(filter(None, (failure.reason, failure.detail))))]
        return Outcome(_where_nothing_started(said), explain(said))
    return Outcome(Verdict.UNKNOWN, "AWS answered with neither an ECS task nor a failure")


def classify_ecs_task(task: EcsTask, container_name: str) -> Outcome:
    """
    Judge an ECS task of a DescribeTasks answer by its container of that name.

    Its exit code decides as soon as the container has stopped: what the other containers do, and how long
    the ECS task takes to vanish, does not matter.
    """
    stopped = task.last_status in ("STOPPED", "DELETED")
    container = task.container(container_name)
    if container.exit_code is not None and _never_started(task, container):
        container = replace(container, exit_code=None)
    if container.exit_code is not None and (stopped or container.last_status == "STOPPED"):
        return _judge_exit(task, container, container.exit_code)
    started = task.has_started or container.exit_code is not None or _has_ended(task, container)
    if not stopped:
        return Outcome(Verdict.LIVE, arn=task.arn, started=started)
    return _judge_without_code(task, container, started)


def _never_started(task: EcsTask, container: Container) -> bool:
    """
    Tell whether AWS itself says that the container never started.

    ECS records 143 for a container whose dependsOn can never be met: https://github.com/aws/amazon-ecs-agent/pull/3218
    """
    is_alone = not _others(task, container) and task.stop_code != "UserInitiated"
    reason = container.reason or (task.stopped_reason if is_alone else "")
    return not task.has_started and leading_word(reason) in NEVER_STARTED


def _has_ended(task: EcsTask, container: Container) -> bool:
    """
    Tell whether a container must have ended, though AWS leaves out its exit code and when it started.

    An essential one has, says the stop code, and there is no other that could be meant; it may have run user code, so it
    must not be launched again. Where it could not be started, its reason says so; where Spot was taken back, the ECS task's.
    """
    if task.stop_code != "EssentialContainerExited" or container.reason or _is_spot(task):
        return False
    return all(other.exit_code is None for other in _others(task, container))


def _judge_exit(task: EcsTask, container: Container, exit_code: int) -> Outcome:
    """Judge an ECS task whose main container has ended with this code."""
    exited = f"Container {container.name} exited with code {exit_code}."
    said = _said(task, container)
    outcome = Outcome(Verdict.FINISHED, arn=task.arn, started=True, ended_at=task.ended_at)
    if exit_code == 0:
        telling = [part for part in said if part.words not in USUAL_STOP_CODES + USUAL_REASONS]
        # From Airflow 3.0 on a task's process that was killed ends with it, too.
        note = f"{exited} {explain(telling)}{_other_codes(task, container)}" if telling else ""
        return replace(outcome, note=note)
    # An exit code explains an end for which AWS has no other cause.
    told = explain(said, exit_code if task.stop_code in USUAL_STOP_CODES else None)
    return replace(
        outcome,
        verdict=Verdict.FAILED,
        reason=f"{exited} {told}{_other_codes(task, container)}",
        task_definition=task.task_definition or None,
    )


def _judge_without_code(task: EcsTask, container: Container, started: bool) -> Outcome:
    """Judge an ECS task that has stopped, and of whose main container AWS tells no exit code that counts."""
    said = _said(task, container)
    explained = f"{explain(said)}{_other_codes(task, container)}"
    if started:
        return Outcome(
            Verdict.FAILED,
            f"Container {container.name} ended without an exit code. {explained}",
            arn=task.arn,
            started=True,
            task_definition=task.task_definition or None,
        )
    # Who stops an ECS task means the launch: another one would not be what they want.
    by_somebody = task.stop_code == "UserInitiated" and not _is_spot(task)
    verdict = Verdict.FAILED if by_somebody else _where_nothing_started(said)
    return Outcome(verdict, f"Container {container.name} never started. {explained}", arn=task.arn)


def _where_nothing_started(said: Sequence[Said]) -> Verdict:
    verdict = verdict_of(said) or Verdict.LAUNCH_AGAIN
    # It is not RunTask that was throttled: that was accepted, or answered.
    return Verdict.AWAY if verdict is Verdict.THROTTLED else verdict


def _said(task: EcsTask, container: Container) -> list[Said]:
    """Return what AWS says of the end of an ECS task, the main container's reason first."""
    # What somebody gave to StopTask as its reason can be anything.
    quoted = task.stop_code == "UserInitiated" and not _is_spot(task)
    quoted = quoted and task.stopped_reason != STOPPED_BY_COMMAND
    of_others = [Said(other.reason, other.name) for other in _others(task, container) if other.reason]
    # AWS often gives a container's reason as the ECS task's, too: it is told once, with that container's name.
    repeated = task.stopped_reason in (container.reason, *(said.words for said in of_others))
    reason = Said("" if repeated else task.stopped_reason, quoted=quoted)
    said = (Said(container.reason), Said(task.stop_code), reason, *of_others)
    return [part for part in said if part.words]


def _is_spot(task: EcsTask) -> bool:
    """Tell whether AWS says that it has taken back Spot, which it does with several stop codes, or with none."""
    return task.stopped_reason.rstrip(".") == SPOT_INTERRUPTED


def _others(task: EcsTask, container: Container) -> list[Container]:
    return [other for other in task.containers if other.name != container.name]


def _other_codes(task: EcsTask, container: Container) -> str:
    """Tell the exit codes of the containers beside this one; nothing where there are none."""
    told = [
        f"{other.name} {'none' if other.exit_code is None else other.exit_code}"
        for other in _others(task, container)
    ]
    return f" Exit codes of the other containers: {', '.join(told)}." if told else ""
