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
Runs one ECS task with a probe, for ``airflow fargate check --run``, and follows it to its end.

The request is the executor's own, but for the command, ``startedBy`` and the identity: neither the executor nor
``airflow fargate tasks`` may take the ECS task for one of theirs. However the command ends, no ECS task is left:
it has ended, or StopTask was called for it.
"""

from __future__ import annotations

import signal
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.answers import Answer, EcsTask
from airflow.executors.fargate.aws.arns import ecs_task_id, whereabouts
from airflow.executors.fargate.aws.classify import CREDENTIAL_CODES, REFUSED_CODES, classify_error
from airflow.executors.fargate.aws.outcome import classify_ecs_task, classify_run_task
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.cli.asking import NO_CREDENTIALS, ask
from airflow.executors.fargate.cli.check.facts import EXAMPLE
from airflow.executors.fargate.cli.check.probe_command import probe_command
from airflow.executors.fargate.errors import FargateError
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch
from airflow.version import version

if TYPE_CHECKING:
    from airflow.executors.fargate.request.builder import Prepared, RequestBuilder

#: Begins the ``startedBy`` of the ECS task, which is another one each time.
STARTED_BY = "airflow-fargate-check/"
#: The reason that is given to StopTask.
STOP_REASON = "Stopped by airflow fargate check --run"
#: Seconds from RunTask to the end of the ECS task. A large image takes minutes to pull.
TIME_LIMIT = 600.0
#: Seconds between two looks at the ECS task, or at its log.
INTERVAL = 2.0
#: Errors of DescribeTasks that waiting does not mend.
LASTING = REFUSED_CODES | CREDENTIAL_CODES | {NO_CREDENTIALS}
#: Those that end the command.
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrialError(FargateError):
    """No ECS task has run to its end. The text says why, and what AWS says."""


@dataclass(frozen=True)
class Ended:
    """An ECS task that has stopped."""

    ecs_task: EcsTask
    #: The name of the main container.
    container: str
    outcome: Outcome
    #: Seconds that RunTask took.
    accepted: float

    @property
    def exit_code(self) -> int | None:
        """The exit code of the main container; None if it never started."""
        return self.ecs_task.container(self.container).exit_code


def probe_request(build: RequestBuilder, queue: str | None) -> Prepared:
    """
    Return the request for a task of a queue, with the probe as the command.

    :raises RequestError: if there is no such request.
    """
    prepared = build(Launch(EXAMPLE, EXAMPLE, probe_command(version), queue=queue))
    overrides = dict(prepared.request["overrides"])
    overrides["containerOverrides"] = list(map(_without_identity, overrides["containerOverrides"]))
    started_by = STARTED_BY + uuid.uuid4().hex[:8]
    return replace(prepared, request={**prepared.request, "overrides": overrides, "startedBy": started_by})


def _without_identity(override: Mapping[str, Any]) -> Mapping[str, Any]:
    environment = [one for one in override.get("environment", ()) if one.get("name") != IDENTITY_VARIABLE]
    rest = {name: value for name, value in override.items() if name != "environment"}
    return {**rest, "environment": environment} if environment else rest


class Trial:
    """
    Runs one ECS task.

    :param ecs: a boto3 client.
    :param prepared: the request.
    :param clock: seconds, never going backwards.
    :param sleep: waits for so many seconds.
    :param say: is told in a few words what happens.
    """

    def __init__(
        self,
        ecs: Any,
        prepared: Prepared,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        say: Callable[[str], None],
    ) -> None:
        self._ecs, self._clock, self._sleep, self._say = ecs, clock, sleep, say
        self._cluster, self._container = prepared.cluster, prepared.container_name
        self._request = {**prepared.request, "clientToken": str(uuid.uuid4())}

    def run(self) -> Ended:
        """
        Start the ECS task, and wait until it has stopped.

        :raises TrialError: if it could not be started, followed, or ended in time. It is stopped then, as after
            any other exception, such as KeyboardInterrupt.
        """
        begin = self._clock()
        arn = self._start()
        accepted = self._clock() - begin
        try:
            ecs_task, outcome = self._follow(arn, begin + TIME_LIMIT)
        except BaseException as error:
            stopped = self._stop(arn)
            if isinstance(error, TrialError):
                raise TrialError(f"{error}. {stopped}") from None
            self._say(stopped)
            raise
        return Ended(ecs_task, self._container, outcome, accepted)

    def _start(self) -> str:
        """Return the ARN of the ECS task that RunTask has started."""
        try:
            outcome = self._run_task()
        except BaseException:
            # AWS may have accepted the call. With the same token it returns that ECS task, and starts no second one.
            if arn := self._run_task().arn:
                self._say(self._stop(arn))
            raise
        if outcome.arn is None:
            unknown = " If AWS has started the ECS task, it ends by itself." * (
                outcome.verdict is Verdict.UNKNOWN
            )
            raise TrialError(f"RunTask has started nothing. {outcome.reason}{unknown}")
        return outcome.arn

    def _run_task(self) -> Outcome:
        try:
            return classify_run_task(Answer.parse(self._ecs.run_task(**self._request)))
        except Exception as error:  # Also of botocore's parser: rows that are there already are shown.
            return classify_error(error, self._ecs.meta.endpoint_url)

    def _follow(self, arn: str, limit: float) -> tuple[EcsTask, Outcome]:
        """Return the ECS task once it has stopped, and its outcome."""
        status, is_told = "not known to DescribeTasks", False
        while True:
            ecs_task = self._describe(arn)
            if ecs_task is not None and (task := EcsTask.parse(ecs_task)):
                if task.last_status != status:
                    status = task.last_status
                    self._say(f"ECS task {ecs_task_id(arn)} is {status}")
                outcome = classify_ecs_task(task, self._container)
                if status in ("STOPPED", "DELETED"):
                    return task, outcome
                if not (outcome.lives or is_told or ecs_task.get("desiredStatus") == "STOPPED"):
                    # The main container has ended, and others would go on.
                    self._stop(arn)
                    is_told = True
            if self._clock() >= limit:
                raise TrialError(f"The ECS task has not ended within {TIME_LIMIT:.0f} s: it is {status}")
            self._sleep(INTERVAL)

    def _describe(self, arn: str) -> Mapping[str, Any] | None:
        """Return the ECS task; None if DescribeTasks does not know it yet, or the call fails for now."""
        answer = ask(self._ecs.describe_tasks, cluster=self._cluster, tasks=[arn])
        if answer.error in LASTING:
            raise TrialError(f"ecs:DescribeTasks has failed ({answer}), so the ECS task cannot be followed")
        return next(iter(answer.response.get("tasks") or ()), None)

    def _stop(self, arn: str) -> str:
        """Call StopTask, and return a sentence about it."""
        answer = ask(self._ecs.stop_task, cluster=self._cluster, task=arn, reason=STOP_REASON)
        what = (
            "The ECS task of the check was stopped"
            if answer.error is None
            else f"The ECS task of the check could not be stopped ({answer}): stop it yourself"
        )
        return f"{what}. {whereabouts(arn, self._cluster)}"


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the command with SystemExit, so that the ECS task is stopped before."""

    def leave(number: int, _: Any) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # A second one would end the call of StopTask.
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
