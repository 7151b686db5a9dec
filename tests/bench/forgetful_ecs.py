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
"""An ECS that forgets as AWS does, so that what grows in a soak is the executor's own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow.executors.fargate.aws.answers import Answer, Page
from airflow.executors.fargate.aws.ecs import MAX_LISTED, Ecs

from tests.bench import doubles

ACCOUNT = "arn:aws:ecs:us-east-1:123456789012"
#: Seconds for which a container runs, in turn.
DURATIONS = (1.0, 7.0, 31.0, 113.0)
#: Seconds; AWS keeps a stopped task for an hour.
RETENTION = 3600.0
#: Every so many calls of RunTask something else happens; the numbers have no common factor, so that all mixes come.
LOST, THROTTLED, NO_CAPACITY, REFUSED = 41, 43, 47, 1009
#: Every so many containers end otherwise than well.
NEVER_STARTS, FAILS, ENDS_WITHOUT_A_CODE = 37, 53, 59


class ForgetfulEcs(Ecs):
    """
    Answers as ECS does, with a fault now and then, and keeps no container once its end was told.

    :param clock: for the lives of the containers.
    :param service_model: botocore's model of ECS.
    """

    service_model: Any = None
    endpoint_url = "https://ecs.us-east-1.amazonaws.com"

    def __init__(self, clock: Callable[[], float], service_model: Any) -> None:
        self._clock = clock
        self.service_model = service_model
        self._numbers = itertools.count(1)
        self._calls = itertools.count(1)
        self.fakes = doubles.load()
        #: Containers by ARN: when they end, what they are.
        self._tasks: dict[str, dict[str, Any]] = {}
        self._by_token: dict[str, str] = {}
        self.calls = 0

    def forget(self) -> None:
        """Forget containers that ended long ago and that nobody has asked for."""
        for arn, task in list(self._tasks.items()):
            if task["ends"] + RETENTION < self._clock():
                self._by_token.pop(self._tasks.pop(arn)["token"])

    @property
    def containers(self) -> int:
        """How many are kept at the moment."""
        return len(self._tasks)

    def renew(self) -> None:
        """Nothing to renew."""

    def run_task(self, request: Mapping[str, Any], client_token: str) -> Answer:
        return Answer.parse(self._run_task(request, client_token))

    def _run_task(self, request: Mapping[str, Any], client_token: str) -> Any:
        number = next(self._calls)
        if number % THROTTLED == 0:
            raise self.fakes.aws_error("ThrottlingException", "Rate exceeded")
        if number % NO_CAPACITY == 0:
            return {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time."}]}
        if number % REFUSED == 0:
            raise self.fakes.aws_error("AccessDeniedException", status=403)
        arn = self._by_token.get(client_token) or self._start(request, client_token)
        if number % LOST == 0:
            raise ConnectionResetError
        return {"tasks": [{"taskArn": arn}], "failures": []}

    def _start(self, request: Mapping[str, Any], token: str) -> str:
        number = next(self._numbers)
        arn = f"{ACCOUNT}:task/cluster/{number:032x}"
        (override,) = request["overrides"]["containerOverrides"]
        self._by_token[token] = arn
        self._tasks[arn] = {
            "taskArn": arn,
            "number": number,
            "token": token,
            "name": override["name"],
            "ends": self._clock() + DURATIONS[number % len(DURATIONS)],
            "overrides": request["overrides"],
        }
        return arn

    def describe_tasks(self, cluster: str, arns: Sequence[str]) -> Answer:
        self.calls += 1
        known = [self._described(self._tasks[arn]) for arn in arns if arn in self._tasks]
        missing = [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in self._tasks]
        for described in known:
            if described["lastStatus"] == "STOPPED":
                self._by_token.pop(self._tasks.pop(described["taskArn"])["token"])
        return Answer.parse({"tasks": known, "failures": missing})

    def _described(self, task: Mapping[str, Any]) -> dict[str, Any]:
        container = {"name": task["name"], "lastStatus": "RUNNING"}
        described = {"taskArn": task["taskArn"], "overrides": task["overrides"], "containers": [container]}
        if self._clock() < task["ends"]:
            return {**described, "lastStatus": "RUNNING", "startedAt": task["ends"] - 1}
        container["lastStatus"] = described["lastStatus"] = "STOPPED"
        if task["number"] % NEVER_STARTS == 0:
            return {**described, "stopCode": "TaskFailedToStart", "stoppedReason": "CannotPullContainerError"}
        described["startedAt"] = task["ends"] - 1
        if task["number"] % ENDS_WITHOUT_A_CODE:
            container["exitCode"] = int(task["number"] % FAILS == 0)
        return described

    def stop_task(self, cluster: str, arn: str, reason: str) -> None:
        if arn in self._tasks:
            self._tasks[arn]["ends"] = self._clock()

    def list_running(self, cluster: str, started_by: str, next_token: str | None = None) -> Page:
        first = int(next_token or 0)
        arns = [arn for arn, task in self._tasks.items() if self._clock() < task["ends"]]
        more = str(first + MAX_LISTED) if first + MAX_LISTED < len(arns) else None
        return Page(tuple(arns[first : first + MAX_LISTED]), more)

    def list_stopped(self, cluster: str, started_by: str, next_token: str | None = None) -> Page:
        return Page()
